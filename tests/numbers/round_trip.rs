//! What pprof can hold survives decode and encode.

use std::path::PathBuf;

use pipeline::{
    codec::{otlp, pprof},
    limits::Limits,
    profile,
};

use super::{modern_corpus, read};
use crate::support::{oracle::Oracle, profiles};

/// Writes what `encode` makes of each file, and gives the pairs.
fn rewritten(
    folder: &tempfile::TempDir,
    files: impl IntoIterator<Item = PathBuf>,
    encode: impl Fn(&profile::Profile) -> Vec<u8>,
) -> Vec<(PathBuf, PathBuf)> {
    let rewrite = |(i, file): (usize, PathBuf)| {
        let again = folder.path().join(i.to_string());
        let profile = read(&file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        std::fs::write(&again, encode(&profile)).unwrap();
        (file, again)
    };
    files.into_iter().enumerate().map(rewrite).collect()
}

fn all() -> Option<impl Iterator<Item = PathBuf>> {
    Some(profiles::random()?.iter().cloned().chain(modern_corpus()))
}

#[test]
fn everything_survives_decode_and_encode() {
    let (Some(oracle), Some(files)) = (Oracle::new(), all()) else { return };
    let folder = tempfile::tempdir().unwrap();
    let pairs = rewritten(&folder, files, pprof::encode);
    assert!(pairs.len() >= 500);
    oracle.assert_equal(&[], &pairs);
}

#[test]
fn everything_survives_otlp() {
    let (Some(oracle), Some(files)) = (Oracle::new(), all()) else { return };
    let folder = tempfile::tempdir().unwrap();
    let pairs = rewritten(&folder, files, |profile| {
        let request = otlp::encode([profile]);
        let decoded = otlp::Decoder::default().decode(&request, &Limits::default()).unwrap();
        assert_eq!((decoded.rejected, decoded.profiles.len()), (0, 1), "{:?}", decoded.error);
        pprof::encode(&decoded.profiles[0])
    });
    assert!(pairs.len() >= 500);
    oracle.assert_equal(&["-reachable"], &pairs);
}

#[test]
fn merging_one_profile_keeps_what_its_samples_say() {
    let (Some(oracle), Some(files)) = (Oracle::new(), all()) else { return };
    let folder = tempfile::tempdir().unwrap();
    let pairs = rewritten(&folder, files, |profile| {
        let one = std::slice::from_ref(profile);
        pprof::encode(&profile::merge(one, &Limits::default()).unwrap())
    });
    oracle.assert_equal(&["-reachable", "-fold"], &pairs);
}
