//! What a request says about who sends it.

use std::path::PathBuf;

use base64::{Engine, prelude::BASE64_STANDARD};

use super::{Auth, Config, bearertokenauth, file};
use crate::secret::Secret;

/// The name of a header and its value, for one request. Files are read each time, as secrets
/// change; so this may block for a moment.
///
/// # Errors
/// Where a file cannot be read, or the extension says nothing of who we are.
pub fn credentials(auth: &Auth) -> anyhow::Result<(String, Secret)> {
    match &auth.extension {
        Some(Config::BearerTokenAuth(config)) => {
            let tokens = match &config.filename {
                Some(path) => bearertokenauth::tokens(&file::read(path)?)
                    .map_err(|message| anyhow::anyhow!("{} {message}", path.display()))?,
                None => config.own(),
            };
            let token = tokens.first().ok_or_else(|| anyhow::anyhow!("there is no token"))?;
            Ok((config.header.clone(), config.line(token)))
        }
        Some(Config::BasicAuth(config)) => {
            let client = config.client_auth.as_ref();
            let client = client.ok_or_else(|| anyhow::anyhow!("there is no `client_auth`"))?;
            let text = |path: &Option<PathBuf>, inline: &str| match path {
                Some(path) => Ok(file::read(path)?.trim_end_matches(['\r', '\n']).to_owned()),
                None => anyhow::Ok(inline.to_owned()),
            };
            let name = text(&client.username_file, &client.username)?;
            let password = text(&client.password_file, client.password.expose())?;
            let line = BASE64_STANDARD.encode(format!("{name}:{password}"));
            Ok(("Authorization".into(), Secret::new(format!("Basic {line}"))))
        }
        Some(Config::HealthCheck(_)) | None => {
            anyhow::bail!("`{}` is no authenticator", auth.authenticator)
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn auth(kind: &str, config: serde_json::Value) -> Auth {
        let extension = Some(Config::parse(kind, config).unwrap());
        Auth { authenticator: kind.into(), extension }
    }

    #[test]
    fn files_count_as_they_are_now() {
        let dir = tempfile::tempdir().unwrap();
        let (token, name) = (dir.path().join("token"), dir.path().join("name"));
        let bearer = auth("bearertokenauth", json!({"filename": token, "token": "ignored"}));
        assert!(credentials(&bearer).unwrap_err().to_string().contains("read"));
        for text in ["one", "two"] {
            std::fs::write(&token, format!("{text}\nlater\n")).unwrap();
            let (header, value) = credentials(&bearer).unwrap();
            assert_eq!(
                (header.as_str(), value.expose()),
                ("Authorization", &*format!("Bearer {text}"))
            );
        }
        std::fs::write(&token, "\n").unwrap();
        assert!(credentials(&bearer).unwrap_err().to_string().ends_with("holds no token"));
        let bare = json!({"tokens": ["a", "b"], "scheme": "", "header": "X-Key"});
        let (header, value) = credentials(&auth("bearertokenauth", bare)).unwrap();
        assert_eq!((header.as_str(), value.expose()), ("X-Key", "a"));
        std::fs::write(&name, "Aladdin\n").unwrap();
        let client = json!({"username_file": name, "password": "open sesame"});
        let (_, value) = credentials(&auth("basicauth", json!({"client_auth": client}))).unwrap();
        // The example of RFC 7617, 2.
        assert_eq!(value.expose(), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
        assert!(credentials(&Auth::default()).is_err());
    }
}
