//! The exporter `debug`: writes what passes by to the log.

mod config;
mod print;

use async_trait::async_trait;
use pipeline::component::{Export, ExportError, Exporter};

pub use config::{Config, Verbosity};

/// Logs profiles and takes them all.
pub struct Debug {
    verbosity: Verbosity,
}

impl Debug {
    /// An exporter that writes as much as the config says.
    pub fn new(config: &Config) -> Self {
        Self { verbosity: config.verbosity }
    }
}

#[async_trait]
impl Exporter for Debug {
    async fn export(&mut self, export: &Export) -> Result<(), ExportError> {
        let profiles = || export.profiles.iter().map(|stored| &*stored.profile);
        let samples: usize = profiles().map(|profile| profile.len()).sum();
        tracing::info!(profiles = export.profiles.len(), samples, "profiles");
        if self.verbosity != Verbosity::Basic {
            for profile in profiles() {
                tracing::info!("{}", print::summary(profile));
            }
        }
        if self.verbosity == Verbosity::Detailed {
            for profile in profiles() {
                tracing::info!("{}", print::details(profile));
            }
        }
        Ok(())
    }
}
