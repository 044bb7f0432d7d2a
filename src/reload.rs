//! When a config is read again: on SIGHUP, on request over HTTP, and when a file changes. A config
//! that is wrong, or cannot run, changes nothing but what is told of it.

use std::{hash::Hasher, path::PathBuf, time::Duration};

use tokio::time::{Instant, Interval, MissedTickBehavior, interval};
use xxhash_rust::xxh3::Xxh3Default;

use crate::{
    config::{self, Options},
    log::Log,
    process::Process,
};

/// How often files are looked at. What was changed must be the same at two looks, so that a file
/// that is being written is not read in the middle.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Reads the config again and lets the process go over to it.
///
/// # Errors
/// With all that is wrong, a problem a line; it is logged already, and in the status of the config.
pub async fn reload(
    process: &mut Process,
    options: &Options,
    log: &Log,
    cause: &'static str,
) -> Result<(), String> {
    let started = Instant::now();
    let result = try_reload(process, options, log).await;
    match &result {
        Ok(changed) => {
            process.state().reloaded();
            let took_ms = started.elapsed().as_millis() as u64;
            tracing::info!(cause, changed, took_ms, "config reloaded");
        }
        Err(error) => {
            process.state().failed(error.clone());
            tracing::error!(cause, "config not reloaded, the old one goes on: {error}");
        }
    }
    result.map(|_| ())
}

/// Whether anything was changed.
async fn try_reload(process: &mut Process, options: &Options, log: &Log) -> Result<bool, String> {
    let options = options.clone();
    let loading = tokio::task::spawn_blocking(move || {
        config::load(&options).map_err(|problems| problems.to_string())
    });
    let new = loading.await.map_err(|error| format!("read the config: {error}"))??;
    for warning in new.warnings.iter().filter(|new| !process.resolved().warnings.contains(new)) {
        tracing::warn!("{warning}");
    }
    if new == *process.resolved() {
        return Ok(false);
    }
    let (old, logs) = (process.resolved().telemetry.logs, new.telemetry.logs);
    process.reload(new).await.map_err(|error| format!("{error:#}"))?;
    log.set_level(logs.level).map_err(|error| format!("{error:#}"))?;
    if logs.encoding != old.encoding {
        tracing::warn!("service.telemetry.logs.encoding counts from the next start on");
    }
    Ok(true)
}

/// Looks at what files hold: behind symbolic links, because a ConfigMap exchanges those.
pub struct Watch {
    files: Vec<PathBuf>,
    ticks: Interval,
    /// What was loaded, as far as is known.
    known: Option<u64>,
    /// What was seen last.
    seen: Option<u64>,
}

impl Watch {
    /// Watches these files, beginning with what they hold now.
    pub async fn new(files: &[PathBuf]) -> Self {
        let mut ticks = interval(LOOK_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let known = look(files.to_vec()).await;
        Self { files: files.to_vec(), ticks, known, seen: known }
    }

    /// Resolves when a file holds something else, and has for a moment. Dropping it loses nothing.
    pub async fn changed(&mut self) {
        if self.files.is_empty() {
            return std::future::pending().await;
        }
        loop {
            self.ticks.tick().await;
            let now = look(self.files.clone()).await;
            let settled = now == self.seen;
            self.seen = now;
            // A file that is away for a moment is being replaced.
            if settled && now.is_some() && now != self.known {
                self.known = now;
                return;
            }
        }
    }
}

/// A number for what the files hold; none where one cannot be read.
async fn look(files: Vec<PathBuf>) -> Option<u64> {
    let looking = tokio::task::spawn_blocking(move || {
        let mut hasher = Xxh3Default::new();
        for file in files {
            let bytes = std::fs::read(file).ok()?;
            hasher.update(&(bytes.len() as u64).to_le_bytes());
            hasher.update(&bytes);
        }
        Some(hasher.finish())
    });
    looking.await.ok().flatten()
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::symlink};

    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn content_counts_and_symlink_swaps_are_seen() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = |name: &str| dir.path().join(name);
        for (name, text) in [("..1/config.yaml", "a"), ("..2/config.yaml", "b")] {
            fs::create_dir_all(path(name).parent().expect("is below")).expect("is writable");
            fs::write(path(name), text).expect("is writable");
        }
        // As the kubelet lays a ConfigMap out.
        symlink("..1", path("..data")).expect("is writable");
        symlink("..data/config.yaml", path("config.yaml")).expect("is writable");
        let mut watch = Watch::new(&[path("config.yaml")]).await;
        let quiet = Duration::from_millis(2_500);
        assert!(timeout(quiet, watch.changed()).await.is_err(), "nothing has changed");
        fs::write(path("config.yaml"), "a").expect("is writable");
        assert!(timeout(quiet, watch.changed()).await.is_err(), "it holds the same");

        symlink("..2", path("..data_tmp")).expect("is writable");
        fs::rename(path("..data_tmp"), path("..data")).expect("is writable");
        timeout(Duration::from_secs(10), watch.changed()).await.expect("the swap is seen");
        assert!(timeout(quiet, watch.changed()).await.is_err(), "once");

        fs::remove_file(path("config.yaml")).expect("is writable");
        assert!(timeout(quiet, watch.changed()).await.is_err(), "it may come back");
        fs::write(path("config.yaml"), "c").expect("is writable");
        timeout(Duration::from_secs(10), watch.changed()).await.expect("it came back");
    }
}
