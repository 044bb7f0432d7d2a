//! How far a replay came, in a file that is exchanged as a whole after each batch.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use anyhow::Context;
use lake::{Selection, time::TimeRange};
use serde::{Deserialize, Serialize};

use super::pages::At;

/// What the file holds.
#[derive(Debug, Serialize, Deserialize)]
struct State {
    /// What is replayed and where to: another replay must not go on from here.
    about: String,
    /// The range that the first run had.
    from_us: i64,
    to_us: i64,
    /// The last profile that was sent.
    at: Option<At>,
    sent: u64,
}

/// How far it came.
pub struct Cursor {
    file: Option<PathBuf>,
    state: State,
    /// Profiles that were sent.
    pub sent: u64,
}

/// What tells one replay from another.
pub fn about(lake: &Path, id: &str, config: &exporter::Config, selection: &Selection) -> String {
    let to = match config {
        exporter::Config::OtlpGrpc(config) | exporter::Config::OtlpHttp(config) => {
            format!("{}{}", config.endpoint, config.profiles_endpoint)
        }
        _ => String::new(),
    };
    let Selection { service, spec, matchers, .. } = selection;
    let lake = lake.canonicalize().unwrap_or_else(|_| lake.to_owned());
    format!("{} to {id} {to}: {service:?} {spec:?} {matchers:?}", lake.display())
}

impl Cursor {
    /// Reads the file, if there is one, and whether there was.
    ///
    /// # Errors
    /// Where it cannot be read or belongs to another replay.
    pub fn open(
        file: Option<&Path>,
        about: &str,
        range: TimeRange,
    ) -> anyhow::Result<(Self, bool)> {
        let text = file.map(fs::read_to_string);
        let text = match text {
            Some(Err(error)) if error.kind() != io::ErrorKind::NotFound => {
                return Err(error).context("read the cursor");
            }
            Some(Ok(text)) => Some(text),
            _ => None,
        };
        let state = match &text {
            Some(text) => {
                let name = file.unwrap_or(Path::new("")).display();
                let state: State = serde_json::from_str(text)
                    .with_context(|| format!("{name} is not a cursor of export"))?;
                anyhow::ensure!(
                    state.about == about,
                    "the cursor {name} is of another export, of {}",
                    state.about
                );
                state
            }
            None => State {
                about: about.to_owned(),
                from_us: range.from_us,
                to_us: range.to_us,
                at: None,
                sent: 0,
            },
        };
        let sent = state.sent;
        Ok((Self { file: file.map(Path::to_owned), state, sent }, text.is_some()))
    }

    /// The range of the replay.
    pub fn range(&self) -> TimeRange {
        TimeRange { from_us: self.state.from_us, to_us: self.state.to_us }
    }

    /// The last profile that was sent.
    pub fn at(&self) -> Option<At> {
        self.state.at.clone()
    }

    /// The other end has all profiles up to this one.
    pub fn advance(&mut self, at: At, sent: u64) -> anyhow::Result<()> {
        self.state.at = Some(at);
        (self.state.sent, self.sent) = (sent, sent);
        let Some(file) = &self.file else { return Ok(()) };
        let next = file.with_added_extension("next");
        let write = || {
            let mut out = File::create(&next)?;
            out.write_all(&serde_json::to_vec(&self.state)?)?;
            out.sync_all()?;
            fs::rename(&next, file)
        };
        write().with_context(|| format!("write the cursor {}", file.display()))
    }

    /// All is done: the next run begins anew.
    pub fn remove(&self) -> io::Result<()> {
        match self.file.as_ref().map(fs::remove_file) {
            Some(Err(error)) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}
