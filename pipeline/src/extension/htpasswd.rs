//! Files of names and passwords, as Apache's `htpasswd` writes them.
//! <https://httpd.apache.org/docs/2.4/misc/password_encryptions.html>

use std::{
    collections::{HashMap, HashSet},
    sync::{Mutex, PoisonError},
};

use base64::{Engine, prelude::BASE64_STANDARD};
use sha1::{Digest, Sha1};
use sha2::Sha256;

use crate::secret::Secret;

/// Names that are taken.
const NAMES_MAX: usize = 10_000;
/// Credentials that are remembered as good, as hashing a password takes long by intent.
const KNOWN_MAX: usize = 1_024;

/// Passwords by name.
#[derive(Debug, Default)]
pub(super) struct Names {
    passwords: HashMap<String, Password>,
    /// Hashes of what was found to be good.
    known: Mutex<HashSet<[u8; 32]>>,
}

#[derive(Debug)]
enum Password {
    Bcrypt(Secret),
    Sha1([u8; 20]),
    Plain(Secret),
}

/// Reads lines of `name:password`; empty ones and those that start with `#` are nothing.
pub(super) fn parse(text: &str) -> Result<Names, String> {
    let mut names = HashMap::new();
    for (number, line) in text.lines().enumerate() {
        let (line, number) = (line.trim(), number + 1);
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (name, hash) = line
            .split_once(':')
            .filter(|(name, _)| !name.is_empty())
            .ok_or_else(|| format!("line {number} is not of the form name:password"))?;
        let password = password(hash).map_err(|message| format!("line {number} {message}"))?;
        names.insert(name.to_owned(), password);
        if names.len() > NAMES_MAX {
            return Err(format!("has more than {NAMES_MAX} names"));
        }
    }
    if names.is_empty() {
        return Err("holds no name".into());
    }
    Ok(Names { passwords: names, known: Mutex::default() })
}

fn password(hash: &str) -> Result<Password, String> {
    if hash.starts_with("$2") {
        let known = hash.parse::<bcrypt::HashParts>();
        return match known {
            Ok(_) => Ok(Password::Bcrypt(Secret::new(hash))),
            Err(_) => Err("has a bcrypt hash that is broken".into()),
        };
    }
    if let Some(encoded) = hash.strip_prefix("{SHA}") {
        let bytes = BASE64_STANDARD.decode(encoded).ok();
        let bytes = bytes.and_then(|bytes| bytes.try_into().ok());
        return bytes.map(Password::Sha1).ok_or("has a hash {SHA} that is broken".into());
    }
    if hash.starts_with('$') || hash.starts_with("{SSHA}") {
        return Err("has a kind of hash that is not supported: use bcrypt, as htpasswd -B".into());
    }
    if hash.is_empty() {
        return Err("has an empty password".into());
    }
    Ok(Password::Plain(Secret::new(hash)))
}

impl Names {
    /// Whether the name is known.
    pub(super) fn has(&self, name: &str) -> bool {
        self.passwords.contains_key(name)
    }

    /// Whether this is the password of the name. May take a tenth of a second and more.
    pub(super) fn verify(&self, name: &str, password: &str) -> bool {
        match self.passwords.get(name) {
            Some(Password::Bcrypt(hash)) => {
                bcrypt::verify(password, hash.expose()).unwrap_or(false)
            }
            Some(Password::Sha1(hash)) => equal(&Sha1::digest(password.as_bytes()), hash),
            Some(Password::Plain(plain)) => equal(plain.expose().as_bytes(), password.as_bytes()),
            None => false,
        }
    }

    /// Whether these credentials were good before.
    pub(super) fn knows(&self, sent: &Secret) -> bool {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).contains(&hash(sent))
    }

    /// Remembers that they are good.
    pub(super) fn remember(&self, sent: &Secret) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= KNOWN_MAX {
            known.clear();
        }
        known.insert(hash(sent));
    }
}

fn hash(secret: &Secret) -> [u8; 32] {
    Sha256::digest(secret.expose().as_bytes()).into()
}

/// Whether both are the same, in a time that does not say how much of them is.
pub(super) fn equal(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |sum, (a, b)| sum | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_of_each_kind_are_verified() {
        let hash = bcrypt::hash("secret", 4).unwrap();
        let text =
            format!("# people\n\nada:{hash}\nbob:{{SHA}}5en6G6MezRroT3XKqkdPOmY/BfQ=\neve:p:q\n");
        let names = parse(&text).unwrap();
        for (name, password, good) in [
            ("ada", "secret", true),
            ("ada", "Secret", false),
            ("bob", "secret", true),
            ("bob", "", false),
            ("eve", "p:q", true),
            ("eve", "p", false),
            ("mallory", "secret", false),
        ] {
            assert_eq!(names.verify(name, password), good, "{name}:{password}");
        }
        for (text, message) in [
            ("", "no name"),
            ("a", "line 1 is not"),
            ("a:", "line 1 has an empty"),
            ("a:b\nc:$apr1$x$y", "line 2 has a kind"),
            ("a:$2y$10$short", "line 1 has a bcrypt hash"),
            ("a:{SHA}x", "line 1 has a hash {SHA}"),
        ] {
            let said = parse(text).unwrap_err();
            assert!(said.contains(message) && !said.contains("short"), "{said}");
        }
    }
}
