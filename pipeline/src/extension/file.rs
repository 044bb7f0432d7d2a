//! Files of secrets: read within a limit, and again when they change.

use std::{
    fs,
    io::{self, Read},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use anyhow::Context;

/// Bytes of a file of secrets.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// How often a file is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What a file holds, as text. The error does not tell what that is.
pub(super) fn read(path: &Path) -> anyhow::Result<String> {
    let read = || {
        let mut text = String::new();
        let file = fs::File::open(path)?;
        if !file.metadata()?.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "is no file"));
        }
        file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text)?;
        match text.len() as u64 > FILE_BYTES_MAX {
            true => Err(io::Error::new(io::ErrorKind::InvalidData, "larger than 1 MiB")),
            false => Ok(text),
        }
    };
    read().with_context(|| format!("read {}", path.display()))
}

/// The meaning of a file, which is found anew when the file changes. While it is wrong, what was
/// there before counts.
#[derive(Debug)]
pub(super) struct Watched<T> {
    path: PathBuf,
    parse: fn(&str) -> Result<T, String>,
    state: Mutex<State<T>>,
}

#[derive(Debug)]
struct State<T> {
    value: Arc<T>,
    version: Option<Version>,
    looked: Instant,
}

/// What differs when a file was changed or exchanged: time, size, device, number.
type Version = (i64, i64, u64, u64, u64);

impl<T> Watched<T> {
    /// Reads a file for the first time.
    ///
    /// # Errors
    /// Where it cannot be read, or `parse` does not like it.
    pub(super) fn open(path: &Path, parse: fn(&str) -> Result<T, String>) -> anyhow::Result<Self> {
        let version = version(path);
        let value = Arc::new(load(path, parse)?);
        let state = Mutex::new(State { value, version, looked: Instant::now() });
        Ok(Self { path: path.to_owned(), parse, state })
    }

    /// What the file means now, or a second ago.
    pub(super) fn get(&self) -> Arc<T> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.looked.elapsed() >= LOOK_EVERY {
            state.looked = Instant::now();
            let version = version(&self.path);
            if version != state.version {
                state.version = version;
                match load(&self.path, self.parse) {
                    Ok(value) => {
                        state.value = Arc::new(value);
                        tracing::info!(file = %self.path.display(), "secrets were read again");
                    }
                    Err(error) => {
                        tracing::warn!("{error:#}: what it held before goes on to count");
                    }
                }
            }
        }
        Arc::clone(&state.value)
    }
}

fn load<T>(path: &Path, parse: fn(&str) -> Result<T, String>) -> anyhow::Result<T> {
    parse(&read(path)?).map_err(|message| anyhow::anyhow!("{} {message}", path.display()))
}

fn version(path: &Path) -> Option<Version> {
    let meta = fs::metadata(path).ok()?;
    Some((meta.mtime(), meta.mtime_nsec(), meta.size(), meta.dev(), meta.ino()))
}
