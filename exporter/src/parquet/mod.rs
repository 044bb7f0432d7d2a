//! The exporter `parquet`: writes a lake.

mod config;

use std::{
    path::PathBuf,
    time::{Duration, Instant, SystemTime},
};

use anyhow::Context;
use async_trait::async_trait;
use lake::{Incoming, Options, Writer, WriterId};
use pipeline::{
    component::{Batching, Export, ExportError, Exporter},
    storage::Disk,
};

pub use config::{Config, Retention};

/// How often what is too old or too much is looked for.
const RETENTION_INTERVAL: Duration = Duration::from_secs(60);
/// Profiles and bytes of records that one file is made of at most.
const BATCH_PROFILES_MAX: usize = 10_000;
const BATCH_BYTES_MAX: usize = 64 << 20;

/// Writes profiles to a lake on the local disk. One push is one file per table and hour, named
/// after the range of the push, so that a push that comes again changes nothing.
pub struct Parquet {
    root: PathBuf,
    batching: Batching,
    retention: lake::Retention,
    retained: Option<Instant>,
    /// `None` only while a blocking call has it.
    writer: Option<Writer<Disk>>,
}

impl Parquet {
    /// Opens the lake at `root` for the writer `id`, which no other process may use.
    pub fn open(root: PathBuf, config: &Config, id: WriterId) -> anyhow::Result<Self> {
        let options = Options { keep_bytes_label: config.keep_bytes_label, ..Options::default() };
        let writer = Writer::open(Disk, &root, id, options)
            .with_context(|| format!("open the lake {}", root.display()))?;
        let Retention { max_age, max_bytes } = config.retention;
        let batching = Batching {
            profiles_max: BATCH_PROFILES_MAX,
            bytes_max: BATCH_BYTES_MAX,
            wait: config.flush_interval,
            first_wait: config.first_flush,
        };
        let retention = lake::Retention { max_age, max_bytes };
        Ok(Self { root, batching, retention, retained: None, writer: Some(writer) })
    }

    /// Removes what is too old or too much, once in a while. A failure is logged, no more: the lake
    /// is whole without it.
    fn retain(&mut self) {
        if self.retained.is_some_and(|last| last.elapsed() < RETENTION_INTERVAL) {
            return;
        }
        self.retained = Some(Instant::now());
        let (retention, root) = (self.retention, self.root.clone());
        tokio::task::spawn_blocking(move || match retention.apply(&root, SystemTime::now()) {
            Ok(removed) if removed.files == 0 => {}
            Ok(removed) => {
                let lake::Removed { files, bytes, .. } = removed;
                tracing::info!(files, bytes, lake = %root.display(), "old profiles were removed");
            }
            Err(error) => tracing::warn!(%error, lake = %root.display(), "retention failed"),
        });
    }
}

#[async_trait]
impl Exporter for Parquet {
    async fn export(&mut self, export: &Export) -> Result<(), ExportError> {
        let (first, last) = (export.first, export.last);
        let profiles: Vec<Incoming> = export
            .profiles
            .iter()
            .map(|stored| Incoming {
                profile: stored.profile.clone(),
                ingest_ns: stored.accepted_ms.saturating_mul(1_000_000),
            })
            .collect();
        let Some(mut writer) = self.writer.take() else {
            return Err(ExportError::Permanent(anyhow::anyhow!("the writer of the lake is gone")));
        };
        let written = tokio::task::spawn_blocking(move || {
            let written = writer.write(first, last, &profiles);
            (writer, written)
        });
        let (writer, written) = written.await.map_err(|panic| ExportError::Permanent(panic.into()))?;
        self.writer = Some(writer);
        self.retain();
        match written {
            Ok(_) => Ok(()),
            Err(error) if error.is_retryable() => {
                Err(ExportError::Retryable { source: error.into(), after: None })
            }
            Err(error) => Err(ExportError::Permanent(error.into())),
        }
    }

    fn batching(&self) -> Batching {
        self.batching
    }
}
