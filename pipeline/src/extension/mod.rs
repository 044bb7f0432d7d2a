//! What stands beside the pipelines: who may send and as whom we send, and an address that says
//! whether all is well. One folder or file for each extension; names, keys and meanings are those
//! of the Collector's extensions of the same name.

use schemars::{JsonSchema, Schema, schema_for};
use serde::{Deserialize, Deserializer, Serialize, de};

pub mod basicauth;
pub mod bearertokenauth;
mod client;
mod file;
pub mod health_check;
mod htpasswd;
mod server;

pub use client::credentials;
pub use server::{Denied, Server};

/// The types of extensions, as config files name them.
pub const KINDS: &[&str] = &["basicauth", "bearertokenauth", "health_check"];

/// The config of one extension.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Config {
    /// Names and passwords.
    BasicAuth(basicauth::Config),
    /// Tokens.
    BearerTokenAuth(bearertokenauth::Config),
    /// An address that says whether all is well.
    HealthCheck(health_check::Config),
}

/// `auth` of a receiver or an exporter: who may come in, or as whom we go.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Auth {
    /// The id of an extension `basicauth` or `bearertokenauth` that `service.extensions` names.
    pub authenticator: String,
    /// The config of that extension, which is looked up when the whole config is there: so
    /// whoever holds this is made anew when the extension changes.
    #[serde(skip)]
    pub extension: Option<Config>,
}

impl Config {
    /// Reads the config of an extension of the type `kind`, one of [`KINDS`]. Nothing at all
    /// (`health_check:`) means the defaults.
    pub fn parse<'de, D: Deserializer<'de>>(kind: &str, de: D) -> Result<Self, D::Error> {
        match kind {
            "basicauth" => {
                Option::deserialize(de).map(|found| Self::BasicAuth(found.unwrap_or_default()))
            }
            "bearertokenauth" => Option::deserialize(de)
                .map(|found| Self::BearerTokenAuth(found.unwrap_or_default())),
            "health_check" => {
                Option::deserialize(de).map(|found| Self::HealthCheck(found.unwrap_or_default()))
            }
            _ => Err(de::Error::unknown_variant(kind, KINDS)),
        }
    }

    /// What cannot work, as pairs of a field and a message.
    pub fn check(&self) -> Vec<(String, String)> {
        match self {
            Self::BasicAuth(config) => config.check(),
            Self::BearerTokenAuth(config) => config.check(),
            Self::HealthCheck(config) => config.check(),
        }
    }

    /// Why it cannot tell who a sender is, if it cannot.
    pub fn server_problem(&self) -> Option<&'static str> {
        match self {
            Self::BasicAuth(config) if config.htpasswd.is_none() => {
                Some("has no `htpasswd`, so it cannot say who may come in")
            }
            Self::HealthCheck(_) => Some("is no authenticator"),
            Self::BasicAuth(_) | Self::BearerTokenAuth(_) => None,
        }
    }

    /// Why it cannot say who we are, if it cannot.
    pub fn client_problem(&self) -> Option<&'static str> {
        match self {
            Self::BasicAuth(config) if config.client_auth.is_none() => {
                Some("has no `client_auth`, so it cannot say who we are")
            }
            Self::HealthCheck(_) => Some("is no authenticator"),
            Self::BasicAuth(_) | Self::BearerTokenAuth(_) => None,
        }
    }
}

/// The keys of an extension of type `kind`, with what their docs say and their defaults; `None`
/// where there is no such type.
pub fn schema(kind: &str) -> Option<Schema> {
    Some(match kind {
        "basicauth" => schema_for!(basicauth::Config),
        "bearertokenauth" => schema_for!(bearertokenauth::Config),
        "health_check" => schema_for!(health_check::Config),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn configs_are_read_by_type_and_checked() {
        assert!(KINDS.iter().all(|kind| schema(kind).is_some()) && schema("x").is_none());
        assert!(Config::parse("basic", Value::Null).is_err());
        let wrong = |kind, config| {
            let config = Config::parse(kind, config).unwrap();
            config.check().into_iter().map(|(field, _)| field).collect::<Vec<_>>()
        };
        for (kind, config, fields) in [
            ("health_check", Value::Null, vec![]),
            ("health_check", json!({"endpoint": "here", "path": "x"}), vec!["endpoint", "path"]),
            ("basicauth", Value::Null, vec![""]),
            ("basicauth", json!({"client_auth": {"username": "a", "password": "b"}}), vec![]),
            ("basicauth", json!({"client_auth": {"password": "b"}}), vec!["client_auth.username"]),
            (
                "basicauth",
                json!({"htpasswd": {"inline": "a:b"}, "client_auth": {"username": "a"}}),
                vec!["client_auth"],
            ),
            ("basicauth", json!({"htpasswd": {}}), vec!["htpasswd"]),
            ("basicauth", json!({"htpasswd": {"inline": "a"}}), vec!["htpasswd.inline"]),
            ("bearertokenauth", Value::Null, vec!["token"]),
            ("bearertokenauth", json!({"tokens": []}), vec!["token"]),
            ("bearertokenauth", json!({"token": "a", "tokens": ["b"]}), vec!["tokens"]),
            (
                "bearertokenauth",
                json!({"token": "a b\n", "scheme": "x y"}),
                vec!["scheme", "token"],
            ),
            ("bearertokenauth", json!({"token": "a", "header": "x y"}), vec!["header"]),
            ("bearertokenauth", json!({"filename": "/run/token", "scheme": ""}), vec![]),
        ] {
            assert_eq!(wrong(kind, config.clone()), fields, "{kind}: {config}");
        }
        assert!(Config::parse("bearertokenauth", json!({"tokn": "a"})).is_err());
    }

    #[test]
    fn secrets_are_not_shown() {
        let config = json!({"client_auth": {"username": "a", "password": "hunter2"}});
        let config = Config::parse("basicauth", config).unwrap();
        assert!(!format!("{config:?}").contains("hunter2"));
        let config = json!({"htpasswd": {"inline": "a:hunter2"}});
        let config = Config::parse("basicauth", config).unwrap();
        assert!(!format!("{config:?}").contains("hunter2"));
        let config = Config::parse("bearertokenauth", json!({"tokens": ["hunter2"]})).unwrap();
        assert!(!format!("{config:?}").contains("hunter2"));
    }
}
