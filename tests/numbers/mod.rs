//! Our numbers are those of google/pprof, for every function, sample type and file, on every way
//! through profpipe; and what it refuses is refused.

mod damage;
mod expected;
mod frozen;
mod import;
mod lake;
mod merge;
mod round_trip;

use std::path::{Path, PathBuf};

use pipeline::{codec::pprof::Decoder, limits::Limits, profile::Profile, reason::Refused};

/// Decodes a file.
fn read(file: &Path) -> Result<Profile, Refused> {
    Decoder::default().decode(&std::fs::read(file).unwrap(), &Limits::default())
}

/// The real profiles that are not in a legacy format.
fn modern_corpus() -> Vec<PathBuf> {
    use crate::support::profiles::{corpus, google};
    let google = google().into_iter().flatten().filter(|file| file.ends_with("large.cpu"));
    ["parca", "alloy-delta"].iter().flat_map(|folder| corpus(folder)).chain(google).collect()
}
