//! What takes profiles out of profpipe, one folder for each exporter.

use std::path::PathBuf;

use lake::WriterId;
use pipeline::{component::Exporter, extension::Auth, settings::Settings};
use serde::{Deserialize, Deserializer, de};

pub mod debug;
pub mod otlp;
pub mod parquet;
mod queue;
pub mod ui;

pub use queue::{Batch, Partition, SendingQueue};

/// The types of exporters, as config files name them.
pub const KINDS: &[&str] =
    &["debug", "otlp", "otlp_grpc", "otlp_http", "otlphttp", "parquet", "ui"];

/// The config of one exporter.
#[derive(Clone, Debug, PartialEq)]
pub enum Config {
    /// Writes what passes by to the log.
    Debug(debug::Config),
    /// Sends OTLP over gRPC.
    OtlpGrpc(otlp::Config),
    /// Sends OTLP over HTTP.
    OtlpHttp(otlp::Config),
    /// Writes a lake.
    Parquet(parquet::Config),
    /// Shows a lake.
    Ui(ui::Config),
}

impl Config {
    /// Reads the config of an exporter of the type `kind`, one of [`KINDS`].
    pub fn parse<'de, D: Deserializer<'de>>(kind: &str, de: D) -> Result<Self, D::Error> {
        match kind {
            "debug" => Deserialize::deserialize(de).map(Self::Debug),
            "otlp" | "otlp_grpc" => Deserialize::deserialize(de).map(Self::OtlpGrpc),
            "otlphttp" | "otlp_http" => Deserialize::deserialize(de).map(Self::OtlpHttp),
            "parquet" => Deserialize::deserialize(de).map(Self::Parquet),
            "ui" => Deserialize::deserialize(de).map(Self::Ui),
            _ => Err(de::Error::unknown_variant(kind, KINDS)),
        }
    }

    /// What cannot work, as pairs of a field and a message.
    pub fn check(&self) -> Vec<(String, String)> {
        match self {
            Self::Debug(config) => config.check(),
            Self::OtlpGrpc(config) => config.check(true),
            Self::OtlpHttp(config) => config.check(false),
            Self::Parquet(config) => config.check(),
            Self::Ui(config) => config.check(),
        }
    }

    /// What names an authenticator, each with the path of its key.
    pub fn auths(&mut self) -> Vec<(String, &mut Auth)> {
        match self {
            Self::OtlpGrpc(config) | Self::OtlpHttp(config) => {
                let auth = config.auth.iter_mut();
                auth.map(|auth| ("auth.authenticator".to_owned(), auth)).collect()
            }
            Self::Debug(_) | Self::Parquet(_) | Self::Ui(_) => Vec::new(),
        }
    }

    /// The host that credentials would go to in the clear, if they would.
    pub fn plain_host(&self) -> Option<String> {
        match self {
            Self::OtlpGrpc(config) if config.is_plain(true) => config.host(true),
            Self::OtlpHttp(config) if config.is_plain(false) => config.host(false),
            _ => None,
        }
    }

    /// How the engine treats this exporter; nothing where it takes no profiles.
    pub fn settings(&self) -> Option<Settings> {
        match self {
            Self::Debug(config) => Some(config.settings()),
            Self::OtlpGrpc(config) => Some(config.settings(true)),
            Self::OtlpHttp(config) => Some(config.settings(false)),
            Self::Parquet(config) => Some(config.settings()),
            Self::Ui(_) => None,
        }
    }
}

/// The keys of a exporter of type `kind`, with what their docs say and their defaults; `None` where
/// there is no such type, or it is another name of one.
pub fn schema(kind: &str) -> Option<schemars::Schema> {
    Some(match kind {
        "debug" => schemars::schema_for!(debug::Config),
        "otlp_grpc" | "otlp_http" => schemars::schema_for!(otlp::Config),
        "parquet" => schemars::schema_for!(parquet::Config),
        "ui" => schemars::schema_for!(ui::Config),
        _ => return None,
    })
}

/// Makes the exporter `id` out of its config; `ui` takes no profiles and is not made here.
///
/// # Errors
/// Where a lake cannot be opened, a certificate not read or HTTP not set up.
pub fn build(id: &str, config: &Config, writer: &WriterId) -> anyhow::Result<Box<dyn Exporter>> {
    Ok(match config {
        Config::Debug(config) => Box::new(debug::Debug::new(id, config)),
        Config::OtlpGrpc(config) => Box::new(otlp::Otlp::new(config, true)?),
        Config::OtlpHttp(config) => Box::new(otlp::Otlp::new(config, false)?),
        Config::Parquet(config) => {
            let root = config.path.clone().unwrap_or_else(|| PathBuf::from("lake"));
            Box::new(parquet::Parquet::open(root, config, writer.clone())?)
        }
        Config::Ui(_) => anyhow::bail!("{id} shows a lake and takes no profiles"),
    })
}
