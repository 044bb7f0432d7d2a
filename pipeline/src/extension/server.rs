//! Whether a request comes from somebody who may send it.

use std::sync::Arc;

use base64::{Engine, prelude::BASE64_STANDARD};
use tokio::sync::Semaphore;

use super::{
    Auth, Config, bearertokenauth,
    file::Watched,
    htpasswd::{self, Names, equal},
};
use crate::secret::Secret;

/// Passwords that are hashed at the same time; more wait, so that guessing takes two cores at most.
const HASHING_MAX: usize = 2;
/// Bytes of a header with credentials.
const CREDENTIALS_BYTES_MAX: usize = 8 << 10;

/// Says who may come in. Cloning gives the same one.
#[derive(Clone, Debug)]
pub struct Server(Arc<Kind>);

/// Why somebody may not come in; it does not say more, as that would help to guess.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// The request says nothing of who sends it.
    #[error("no credentials were sent")]
    Missing,
    /// What it says is wrong.
    #[error("the credentials are wrong")]
    Wrong,
}

#[derive(Debug)]
enum Kind {
    Basic { file: Option<Watched<Names>>, inline: Names, hashing: Semaphore },
    Bearer { config: bearertokenauth::Config, file: Option<Watched<Vec<Secret>>> },
}

impl Server {
    /// Reads the files.
    ///
    /// # Errors
    /// Where a file cannot be read or is wrong, or the extension says nothing of who may come in.
    pub fn new(auth: &Auth) -> anyhow::Result<Self> {
        let kind = match &auth.extension {
            Some(Config::BearerTokenAuth(config)) => {
                let file = config.filename.as_deref();
                let file = file.map(|path| Watched::open(path, bearertokenauth::tokens));
                Kind::Bearer { config: config.clone(), file: file.transpose()? }
            }
            Some(Config::BasicAuth(config)) => {
                let htpasswd = config.htpasswd.as_ref();
                let htpasswd = htpasswd.ok_or_else(|| anyhow::anyhow!("there is no `htpasswd`"))?;
                let file = htpasswd.file.as_deref();
                let file = file.map(|path| Watched::open(path, htpasswd::parse)).transpose()?;
                let inline = match htpasswd.inline.is_empty() {
                    true => Names::default(),
                    false => htpasswd::parse(htpasswd.inline.expose()).map_err(|message| {
                        anyhow::anyhow!("the `inline` of {} {message}", auth.authenticator)
                    })?,
                };
                Kind::Basic { file, inline, hashing: Semaphore::new(HASHING_MAX) }
            }
            Some(Config::HealthCheck(_)) | None => {
                anyhow::bail!("`{}` is no authenticator", auth.authenticator)
            }
        };
        Ok(Self(Arc::new(kind)))
    }

    /// The header that carries credentials.
    pub fn header(&self) -> &str {
        match &*self.0 {
            Kind::Basic { .. } => "authorization",
            Kind::Bearer { config, .. } => &config.header,
        }
    }

    /// What an answer to a stranger says it wants: the value of `WWW-Authenticate`.
    pub fn challenge(&self) -> String {
        match &*self.0 {
            Kind::Basic { .. } => "Basic realm=\"profpipe\"".into(),
            Kind::Bearer { config, .. } if config.scheme.is_empty() => "Bearer".into(),
            Kind::Bearer { config, .. } => config.scheme.clone(),
        }
    }

    /// Whether whoever sent this header may come in. Files are looked at and passwords hashed on a
    /// thread that may take its time.
    ///
    /// # Errors
    /// Where not.
    pub async fn check(&self, header: Option<&str>) -> Result<(), Denied> {
        let header = header.filter(|header| header.len() <= CREDENTIALS_BYTES_MAX);
        let sent = Secret::new(header.ok_or(Denied::Missing)?);
        let permit = match &*self.0 {
            Kind::Basic { file, inline, hashing } => {
                let names = file.as_ref().map(Watched::get);
                if inline.knows(&sent) || names.is_some_and(|names| names.knows(&sent)) {
                    return Ok(());
                }
                Some(hashing.acquire().await.map_err(|_| Denied::Wrong)?)
            }
            Kind::Bearer { .. } => None,
        };
        let kind = Arc::clone(&self.0);
        let checked = tokio::task::spawn_blocking(move || kind.verify(&sent)).await;
        drop(permit);
        match checked {
            Ok(true) => Ok(()),
            Ok(false) | Err(_) => Err(Denied::Wrong),
        }
    }
}

impl Kind {
    fn verify(&self, sent: &Secret) -> bool {
        match self {
            Self::Bearer { config, file } => {
                let tokens = file.as_ref().map_or_else(|| config.own().into(), Watched::get);
                // All of them, so that the time says nothing of which.
                let same = |token| equal(config.line(token).expose().as_bytes(), bytes(sent));
                tokens.iter().map(same).fold(false, |any, one| any | one)
            }
            Self::Basic { file, inline, .. } => {
                let names = file.as_ref().map(Watched::get);
                let Some((name, password)) = name_and_password(sent) else { return false };
                let names = match &names {
                    Some(names) if !inline.has(&name) => names,
                    _ => inline,
                };
                let good = names.verify(&name, password.expose());
                if good {
                    names.remember(sent);
                }
                good
            }
        }
    }
}

fn bytes(secret: &Secret) -> &[u8] {
    secret.expose().as_bytes()
}

/// What `Basic …` carries.
fn name_and_password(sent: &Secret) -> Option<(String, Secret)> {
    let (scheme, encoded) = sent.expose().split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = BASE64_STANDARD.decode(encoded.trim()).ok()?;
    let decoded = String::from_utf8(decoded).ok()?;
    let (name, password) = decoded.split_once(':')?;
    Some((name.to_owned(), Secret::new(password)))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;

    fn server(kind: &str, config: serde_json::Value) -> Server {
        let extension = Some(Config::parse(kind, config).unwrap());
        Server::new(&Auth { authenticator: kind.into(), extension }).unwrap()
    }

    fn basic(pair: &str) -> String {
        format!("basic {}", BASE64_STANDARD.encode(pair))
    }

    #[tokio::test]
    async fn names_in_the_config_stand_before_those_of_the_file_which_may_change() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("htpasswd");
        let hash = bcrypt::hash("one", 4).unwrap();
        std::fs::write(&file, format!("ada:{hash}\nbob:file\n")).unwrap();
        let server = server("basicauth", json!({"htpasswd": {"file": file, "inline": "bob:own"}}));
        for (pair, want) in [
            ("ada:one", Ok(())),
            ("ada:one", Ok(())),
            ("ada:two", Err(Denied::Wrong)),
            ("bob:own", Ok(())),
            ("bob:file", Err(Denied::Wrong)),
            ("eve:own", Err(Denied::Wrong)),
            ("ada", Err(Denied::Wrong)),
        ] {
            assert_eq!(server.check(Some(&basic(pair))).await, want, "{pair}");
        }
        assert_eq!(server.check(None).await, Err(Denied::Missing));
        assert_eq!(server.check(Some(&"x".repeat(9_000))).await, Err(Denied::Missing));
        assert_eq!(server.check(Some("Bearer one")).await, Err(Denied::Wrong));
        std::fs::write(&file, "ada:a password that is longer\n").unwrap();
        tokio::time::sleep(Duration::from_millis(1_100)).await;
        let (old, new) = (basic("ada:one"), basic("ada:a password that is longer"));
        assert_eq!(server.check(Some(&new)).await, Ok(()));
        assert_eq!(server.check(Some(&old)).await, Err(Denied::Wrong), "it was good once");
        // What is broken does not lock everybody out.
        std::fs::write(&file, "ada:$apr1$x").unwrap();
        tokio::time::sleep(Duration::from_millis(1_100)).await;
        assert_eq!(server.check(Some(&new)).await, Ok(()));
    }

    #[tokio::test]
    async fn any_token_of_the_file_lets_in() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("tokens");
        std::fs::write(&file, "one\ntwo\n").unwrap();
        let server = server("bearertokenauth", json!({"filename": file, "token": "ignored"}));
        for (header, good) in [
            ("Bearer one", true),
            ("Bearer two", true),
            ("Bearer ignored", false),
            ("one", false),
            ("Bearer on", false),
        ] {
            assert_eq!(server.check(Some(header)).await.is_ok(), good, "{header}");
        }
        assert_eq!((server.header(), &*server.challenge()), ("Authorization", "Bearer"));
    }
}
