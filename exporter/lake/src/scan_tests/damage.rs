//! Damaged, foreign and vanishing files: skipped and named, or right; never a panic.

use std::{fs, path::Path};

use pipeline::storage::Disk;
use proptest::prelude::*;

use crate::{
    Allowance, Error, Flame, Gauge, Lake, Selection, SeriesOptions,
    schema::{FUNCTIONS, PROFILES, SAMPLES},
    time::TimeRange,
    write_tests::{Sample, Spec, cpu, sample, writer},
};

use super::support::{START_US, paths};

const START_NS: i64 = START_US * 1_000;

fn specs(n: usize) -> Vec<Spec> {
    let samples: Vec<Sample> = (0..40)
        .map(|i| {
            let frames = [("main.main", "main.go", 1), ("main.work", "work.go", 2 + i / 7)];
            sample(&frames[..1 + (i as usize % 2)], &[1 + i, 10_000_000 * (1 + i)])
        })
        .collect();
    let at = |i: usize| START_NS + i as i64 * 10_000_000_000;
    (0..n).map(|i| cpu("orders", at(i), samples.clone())).collect()
}

/// A lake of as many files as windows.
fn lake(root: &Path, n: usize) {
    let mut writer = writer(Disk, root);
    for (i, spec) in specs(n).iter().enumerate() {
        writer.write(i as u64, i as u64, &[spec.incoming()]).unwrap();
    }
}

fn ask(lake: &Lake) -> Result<Flame, Error> {
    let selection = Selection::new(TimeRange::ALL).of("cpu:cpu").unwrap();
    let allowance = Allowance::default();
    let _ = lake.series(&selection, SeriesOptions::default(), &allowance);
    let _ = lake.labels(&selection, &allowance);
    let _ = lake.merge(&selection, Gauge::Mean, &allowance);
    let _ = lake.profiles(&selection, 3, &allowance);
    lake.flame(&selection, Gauge::Mean, &allowance)
}

fn sum(flame: &Flame) -> i64 {
    flame.own.iter().sum()
}

/// The sum of one window.
const WINDOW: i64 = 10_000_000 * 40 * 41 / 2;

#[test]
fn truncated_files_are_skipped_and_named() {
    let root = tempfile::tempdir().unwrap();
    lake(root.path(), 2);
    let path = paths(root.path(), &SAMPLES)[0].clone();
    let whole = fs::read(&path).unwrap();
    assert_eq!(sum(&ask(&Lake::open(root.path())).unwrap()), 2 * WINDOW);
    let check = || Lake::open(root.path()).check(&Allowance::default()).unwrap();
    let sound = check();
    assert!(sound.rows > 20 && sound.bad.is_empty(), "{sound:?}");
    for keep in (0..whole.len()).step_by(61).chain([whole.len() - 1]) {
        fs::write(&path, &whole[..keep]).unwrap();
        let flame = ask(&Lake::open(root.path())).unwrap();
        assert_eq!(sum(&flame), WINDOW, "{keep}");
        assert_eq!(flame.notes.skipped.len(), 1);
        assert!(path.ends_with(&flame.notes.skipped[0].path), "{:?}", flame.notes);
        assert_eq!(check().bad, flame.notes.skipped);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]
    #[test]
    fn flipped_bytes_never_panic_and_are_found(
        table in 0usize..3,
        flips in prop::collection::vec((any::<prop::sample::Index>(), 1u8..=255), 1..4),
        at_end: bool,
    ) {
        let root = tempfile::tempdir().unwrap();
        lake(root.path(), 1);
        let table = [&SAMPLES, &PROFILES, &FUNCTIONS][table];
        let path = paths(root.path(), table)[0].clone();
        let mut bytes = fs::read(&path).unwrap();
        let whole = bytes.clone();
        for (index, flip) in flips {
            // The footer is the longest part, and its end the most delicate.
            let from = if at_end { bytes.len().saturating_sub(300) } else { 0 };
            let at = from + index.index(bytes.len() - from);
            bytes[at] ^= flip;
        }
        fs::write(&path, &bytes).unwrap();
        let _ = ask(&Lake::open(root.path()));
        let checked = Lake::open(root.path()).check(&Allowance::default()).unwrap();
        let bad: Vec<_> = checked.bad.iter().map(|bad| root.path().join(&bad.path)).collect();
        prop_assert_eq!(bad, if bytes == whole { vec![] } else { vec![path] });
    }
}

#[test]
fn foreign_files_are_passed_over_and_named() {
    let root = tempfile::tempdir().unwrap();
    lake(root.path(), 1);
    let path = paths(root.path(), &SAMPLES)[0].clone();
    let at = |name: &str| path.with_file_name(name);
    fs::copy(&path, at("copy.parquet")).unwrap();
    fs::write(at("L0-1763829000000-1763829000000-X-1-1.parquet"), "no Parquet at all").unwrap();
    std::os::unix::fs::symlink(&path, at("L0-1763829000000-1763829000000-Y-1-1.parquet")).unwrap();
    let huge = at("L0-1763829000000-1763829000000-Z-1-1.parquet");
    fs::write(&huge, [&[0; 64][..], &[0xff, 0xff, 0xff, 0xff], b"PAR1"].concat()).unwrap();
    let flame = ask(&Lake::open(root.path())).unwrap();
    assert_eq!(sum(&flame), WINDOW);
    let mut reasons: Vec<&str> = flame.notes.skipped.iter().map(|s| s.reason.as_str()).collect();
    reasons.sort();
    assert_eq!(
        reasons,
        [
            "damaged: no footer of a Parquet file",
            "damaged: no footer of a Parquet file",
            "not a name that profpipe gives",
            "not a regular file",
        ]
    );
}

#[test]
fn a_file_that_vanishes_starts_the_question_again() {
    let root = tempfile::tempdir().unwrap();
    lake(root.path(), 3);
    let gone = paths(root.path(), &SAMPLES)[1].clone();
    let (lake, allowance) = (Lake::open(root.path()), Allowance::default());
    let ask = crate::scan::Ask::new(&lake, &allowance);
    let filter = crate::scan::filter::Filter::new(TimeRange::ALL, &[]);
    let rounds = std::sync::atomic::AtomicUsize::new(0);
    let count = |seen: &mut usize, _: &crate::group::Group<'_>, _: &crate::scan::rows::Rows| {
        if rounds.fetch_add(1, std::sync::atomic::Ordering::Relaxed) == 0 {
            fs::remove_file(&gone).unwrap();
        }
        *seen += 1;
        Ok(())
    };
    let one = Allowance { threads_max: 1, ..Allowance::default() };
    let ask_one = crate::scan::Ask::new(&lake, &one);
    let seen = ask_one.fold(&SAMPLES, &filter, || 0, count).unwrap();
    assert_eq!(seen, [2]);
    assert!(ask.notes().skipped.is_empty() && ask_one.notes().skipped.is_empty());
    assert_eq!(rounds.into_inner(), 4);
}

#[test]
fn what_is_kept_of_a_file_ends_with_the_file() {
    let root = tempfile::tempdir().unwrap();
    let small = cpu("orders", START_NS, vec![sample(&[("other", "o.go", 1)], &[1, 7])]);
    let mut writer = writer(Disk, root.path());
    for (n, spec) in [&specs(1)[0], &small].into_iter().enumerate() {
        writer.write(n as u64, n as u64, &[spec.incoming()]).unwrap();
    }
    let lake = Lake::open(root.path());
    assert_eq!(sum(&ask(&lake).unwrap()), WINDOW + 7);
    assert!(lake.kept_bytes() > 0);
    let files = paths(root.path(), &SAMPLES);
    // The second file's bytes under the first one's name.
    fs::remove_file(&files[0]).unwrap();
    fs::rename(&files[1], &files[0]).unwrap();
    assert_eq!(sum(&ask(&lake).unwrap()), 7);
}
