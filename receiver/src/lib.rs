//! What brings profiles in. Adding a receiver is one folder, one variant and one arm for each
//! `match` here; nothing outside of this crate changes.

mod body;
pub mod budget;
pub mod decode;
pub mod otlp;
pub mod pprof;
pub mod pyroscope;
pub mod server;

use budget::Budget;
use pipeline::{component::Receiver, extension::Auth, limits::Limits, target::TargetBoard};
use serde::{Deserialize, Deserializer, de::Error};

/// The types of receivers, as configs name them.
pub const KINDS: &[&str] = &["otlp", "pprof", "pyroscope"];

/// The config of one receiver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Config {
    /// Takes what OTLP senders push.
    Otlp(Box<otlp::Config>),
    /// Scrapes `/debug/pprof` of Go processes.
    Pprof(Box<pprof::Config>),
    /// Takes what agents of Pyroscope push.
    Pyroscope(Box<pyroscope::Config>),
}

/// What all receivers share with the pages and with `/metrics`. Cloning gives the same ones.
#[derive(Clone, Debug, Default)]
pub struct Context {
    /// How targets are doing.
    pub board: TargetBoard,
    /// Counts of all scrapes.
    pub scrapes: pprof::ScrapeMetrics,
    /// Counts of all requests that were pushed.
    pub pushes: server::PushMetrics,
    /// Memory for what comes in.
    pub budget: Budget,
    /// Ports that are listened to.
    pub listeners: server::Listeners,
}

impl Config {
    /// Reads the config of a receiver of type `kind`, one of [`KINDS`]. Nothing at all
    /// (`pprof:`) means the defaults.
    pub fn parse<'de, D: Deserializer<'de>>(kind: &str, de: D) -> Result<Self, D::Error> {
        match kind {
            "otlp" => Option::deserialize(de).map(|config| Self::Otlp(config.unwrap_or_default())),
            "pprof" => {
                Option::deserialize(de).map(|config| Self::Pprof(config.unwrap_or_default()))
            }
            "pyroscope" => {
                Option::deserialize(de).map(|config| Self::Pyroscope(config.unwrap_or_default()))
            }
            _ => Err(D::Error::unknown_variant(kind, KINDS)),
        }
    }

    /// Whether somebody sends to it, who hears what became of it.
    pub fn is_pushed_to(&self) -> bool {
        match self {
            Self::Otlp(_) | Self::Pyroscope(_) => true,
            Self::Pprof(_) => false,
        }
    }

    /// What one profile may cost.
    pub fn limits(&self) -> Limits {
        match self {
            Self::Otlp(config) => config.limits,
            Self::Pprof(config) => config.limits,
            Self::Pyroscope(config) => config.limits,
        }
    }

    /// What names an authenticator, each with the path of its key.
    pub fn auths(&mut self) -> Vec<(String, &mut Auth)> {
        match self {
            Self::Otlp(config) => config.auths(),
            Self::Pprof(config) => {
                let auth = config.auth.iter_mut();
                auth.map(|auth| ("auth.authenticator".to_owned(), auth)).collect()
            }
            Self::Pyroscope(config) => {
                let auth = config.auth.iter_mut();
                auth.map(|auth| ("auth.authenticator".to_owned(), auth)).collect()
            }
        }
    }

    /// Where it listens: each endpoint with the path of its key below the receiver.
    pub fn endpoints(&self) -> Vec<(&'static str, &str)> {
        match self {
            Self::Otlp(config) => config.endpoints(),
            Self::Pprof(_) => Vec::new(),
            Self::Pyroscope(config) => vec![("endpoint", &config.endpoint)],
        }
    }

    /// Whether an authenticator says who may come in, rather than who we are.
    pub fn is_server(&self) -> bool {
        match self {
            Self::Otlp(_) | Self::Pyroscope(_) => true,
            Self::Pprof(_) => false,
        }
    }

    /// Everything that is wrong with it, each with the path of its key below the receiver.
    pub fn check(&self) -> Vec<pprof::Problem> {
        match self {
            Self::Otlp(config) => config.check(),
            Self::Pprof(config) => config.check(),
            Self::Pyroscope(config) => config.check(),
        }
    }
}

/// What can be told to a receiver that runs.
#[derive(Debug)]
pub enum Handle {
    /// Nothing: with another config it is made anew.
    Otlp(Box<otlp::Config>),
    /// Other targets.
    Pprof(Box<pprof::Handle>),
    /// Nothing.
    Pyroscope(Box<pyroscope::Config>),
}

impl Handle {
    /// Whether `follow` would succeed.
    pub fn can_follow(&self, config: &Config) -> bool {
        match (self, config) {
            (Self::Otlp(own), Config::Otlp(config)) => own == config,
            (Self::Pprof(handle), Config::Pprof(config)) => handle.can_follow(config),
            (Self::Pyroscope(own), Config::Pyroscope(config)) => own == config,
            _ => false,
        }
    }

    /// Lets the receiver go on with another config of the same id. `false`, and nothing changes,
    /// where it has to be made anew for that.
    pub fn follow(&mut self, config: &Config) -> bool {
        match (self, config) {
            (Self::Otlp(own), Config::Otlp(config)) => own == config,
            (Self::Pprof(handle), Config::Pprof(config)) => handle.follow(config),
            (Self::Pyroscope(own), Config::Pyroscope(config)) => own == config,
            _ => false,
        }
    }
}

/// The keys of a receiver of type `kind`, with what their docs say and their defaults; `None` where
/// there is no such type.
pub fn schema(kind: &str) -> Option<schemars::Schema> {
    Some(match kind {
        "otlp" => schemars::schema_for!(otlp::Config),
        "pprof" => schemars::schema_for!(pprof::Config),
        "pyroscope" => schemars::schema_for!(pyroscope::Config),
        _ => return None,
    })
}

/// Makes the receiver `id` (`type[/name]`) out of its config. Fails if the config does not check
/// or HTTP cannot be set up.
pub fn build(
    id: &str,
    config: &Config,
    context: &Context,
) -> anyhow::Result<(Box<dyn Receiver>, Handle)> {
    if let Some((path, message)) = config.check().first() {
        anyhow::bail!("receiver {id}: {path}: {message}");
    }
    match config {
        Config::Otlp(config) => {
            let receiver = otlp::Otlp::new(id, config, context)?;
            Ok((Box::new(receiver), Handle::Otlp(config.clone())))
        }
        Config::Pprof(config) => {
            let (receiver, handle) = pprof::Pprof::new(id, config, context)?;
            Ok((Box::new(receiver), Handle::Pprof(Box::new(handle))))
        }
        Config::Pyroscope(config) => {
            let receiver = pyroscope::Pyroscope::new(id, config, context)?;
            Ok((Box::new(receiver), Handle::Pyroscope(config.clone())))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[tokio::test]
    async fn configs_are_read_by_type_and_built() {
        let defaults = Config::parse("pprof", Value::Null).unwrap();
        assert_eq!(defaults, Config::Pprof(Box::default()));
        let config = Config::parse("pprof", json!({"interval": "30s"})).unwrap();
        assert!(
            config.check().is_empty() && build("pprof/x", &config, &Context::default()).is_ok()
        );
        let config = Config::parse("pprof", json!({"interval": "0"})).unwrap();
        let error = build("pprof/x", &config, &Context::default()).err().unwrap();
        assert_eq!(error.to_string(), "receiver pprof/x: interval: must be 1s or more");
        let error = Config::parse("prof", Value::Null).unwrap_err();
        assert!(error.to_string().contains("`prof`, expected one of `otlp`, `pprof`, `pyroscope`"));
        assert!(Config::parse("pprof", json!({"unknown": 1})).is_err());
    }
}
