//! The exporter `parquet`: writes a lake.

mod config;

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use anyhow::Context;
use async_trait::async_trait;
use lake::{Incoming, Options, WriteError, Writer, WriterId};
use pipeline::{
    component::{Batching, Export, ExportError, Exporter, Taken},
    storage::Disk,
};

pub use config::{Config, Retention};

/// How often what is too old or too much is looked for; more often where little is kept, so that
/// nothing stays for much longer than it should.
const RETENTION_INTERVAL: Duration = Duration::from_secs(60);
const RETENTION_SHARE: u32 = 10;
/// Profiles and bytes of records that one file is made of at most.
const BATCH_PROFILES_MAX: usize = 10_000;
const BATCH_BYTES_MAX: usize = 64 << 20;

/// Writes profiles to a lake on the local disk. One push is one file per table and hour, named
/// after the range of the push, so that a push that comes again changes nothing.
pub struct Parquet {
    place: Arc<Place>,
    batching: Batching,
    retention: lake::Retention,
}

/// A lake and its writer. A push that takes too long goes on when nobody waits for it any more, so
/// the next one finds the writer locked until it is done, and gone if it panicked.
struct Place {
    root: PathBuf,
    id: WriterId,
    options: Options,
    writer: Mutex<Option<Writer<Disk>>>,
}

impl Place {
    fn open(&self) -> Result<Writer<Disk>, WriteError> {
        Writer::open(Disk, &self.root, self.id.clone(), self.options)
    }

    fn write(&self, (first, last): (u64, u64), profiles: &[Incoming]) -> Result<(), WriteError> {
        let mut slot = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let mut writer = slot.take().map_or_else(|| self.open(), Ok)?;
        let written = writer.write(first, last, profiles);
        *slot = Some(writer);
        written.map(|_| ())
    }
}

impl Parquet {
    /// Opens the lake at `root` for the writer `id`, which no other process may use.
    pub fn open(root: PathBuf, config: &Config, id: WriterId) -> anyhow::Result<Self> {
        let options = Options { keep_bytes_label: config.keep_bytes_label, ..Options::default() };
        let place = Place { root, id, options, writer: Mutex::default() };
        let writer =
            place.open().with_context(|| format!("open the lake {}", place.root.display()))?;
        let place = Arc::new(Place { writer: Mutex::new(Some(writer)), ..place });
        let Retention { max_age, max_bytes } = config.retention;
        let batching = Batching {
            profiles_max: BATCH_PROFILES_MAX,
            bytes_max: BATCH_BYTES_MAX,
            wait: config.flush_interval,
            first_wait: config.first_flush,
        };
        let retention = lake::Retention { max_age, max_bytes };
        Ok(Self { place, batching, retention })
    }

    /// Removes what is too old or too much. A failure is logged, no more: the lake is whole without
    /// it.
    fn retain(&self) {
        let (retention, root) = (self.retention, self.place.root.clone());
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
    async fn export(&mut self, export: &Export) -> Result<Taken, ExportError> {
        let range = (export.first, export.last);
        let profiles: Vec<Incoming> = export
            .profiles
            .iter()
            .map(|stored| Incoming {
                profile: stored.profile.clone(),
                ingest_ns: stored.accepted_ms.saturating_mul(1_000_000),
            })
            .collect();
        let place = Arc::clone(&self.place);
        let written = tokio::task::spawn_blocking(move || place.write(range, &profiles));
        let written = written.await.map_err(|panic| ExportError::Permanent(panic.into()))?;
        let written = written.map_err(|error| match error.is_retryable() {
            true => ExportError::Retryable { source: error.into(), after: None },
            false => ExportError::Permanent(error.into()),
        });
        written.map(|()| Taken::default())
    }

    fn tidy(&mut self) -> Option<Duration> {
        self.retain();
        Some(RETENTION_INTERVAL.min(self.retention.max_age / RETENTION_SHARE))
    }

    fn batching(&self) -> Batching {
        self.batching
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, fs::File};

    use super::*;

    #[tokio::test]
    async fn what_is_too_old_goes_though_nothing_is_pushed() {
        let dir = tempfile::tempdir().unwrap();
        let hour = dir.path().join("samples/date=2025-11-22/hour=16");
        fs::create_dir_all(&hour).unwrap();
        let old = hour.join("L0-1-2-W-1-1.parquet");
        let month = Duration::from_secs(30 * 86_400);
        File::create(&old).unwrap().set_modified(SystemTime::now() - month).unwrap();
        let id = WriterId::random();
        let mut exporter = Parquet::open(dir.path().into(), &Config::default(), id).unwrap();
        assert_eq!(exporter.tidy(), Some(RETENTION_INTERVAL));
        for _ in 0..500 {
            if fs::metadata(&old).is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("{} is still there", old.display());
    }
}
