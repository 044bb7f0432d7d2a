//! Every profile through the lake.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use lake::{Allowance, Gauge, Lake, Selection, time::TimeRange};
use pipeline::picture::{self, Sort, Tree};

use super::{expected, modern_corpus, read};
use crate::support::{
    cli::{Top, import, profpipe, top},
    oracle::{Oracle, Sums},
    profiles, scratch,
};

/// The microsecond in which the window of a profile starts.
fn time_us(file: &Path, sums: &Sums) -> i64 {
    if sums.time_nanos != 0 {
        return sums.time_nanos.div_euclid(1_000);
    }
    let modified = std::fs::metadata(file).unwrap().modified().unwrap();
    modified.duration_since(std::time::UNIX_EPOCH).unwrap().as_micros() as i64
}

/// What the lake says of a type of the profile that starts at a time.
fn from_lake(lake: &Lake, time_us: i64, spec: &str) -> Top {
    let range = TimeRange { from_us: time_us, to_us: time_us + 1 };
    let selection = Selection::new(range).service("random").of(spec).unwrap();
    let flame = lake.flame(&selection, Gauge::Mean, &Allowance::default());
    let flame = flame.unwrap_or_else(|error| panic!("{spec} at {time_us}: {error}"));
    assert!(flame.notes.skipped.is_empty() && flame.notes.mixed.is_empty());
    let tree = Tree::new(&flame.trie, &flame.kind.unit, flame.own);
    let table = picture::top(&tree, Sort::Flat, 0);
    let rows = table.rows.into_iter().map(|row| (row.function, (row.flat, row.cum)));
    let rows = rows.filter(|row| row.1 != (0, 0)).collect();
    Top { unit: table.unit, total: table.total, rows }
}

#[test]
fn the_lake_says_of_every_profile_what_google_pprof_says() {
    let (Some(oracle), Some(files)) = (Oracle::new(), profiles::random()) else { return };
    let folder = scratch();
    let done = import(folder.path(), "random", files).ok();
    assert!(done.starts_with("500 profiles imported\n"), "{done}");
    let sums = oracle.sums(files);
    let times = files.iter().zip(&sums).map(|(file, sums)| time_us(file, sums));
    assert_eq!(times.collect::<BTreeSet<_>>().len(), files.len(), "each has a time of its own");
    let mut compared = 0;
    for (file, sums) in files.iter().zip(&sums) {
        let profile = read(file).unwrap();
        // A new one each time: it would keep the call tree of all that it was asked for.
        let lake = Lake::open(folder.path());
        for sample_type in &profile.meta.sample_types {
            let name = profile.text(sample_type.kind);
            let (spec, want) = (format!("{}:{name}", profile.meta.name), &sums.types[name]);
            let got = from_lake(&lake, time_us(file, sums), &spec);
            assert_eq!(got, expected::in_lake(want), "{spec} of {}", file.display());
            compared += 1;
        }
    }
    assert!(compared > 1_000, "{compared}");
}

/// Each of some files as a service of its own, by the commands alone.
fn by_command(files: &[PathBuf]) {
    let Some(oracle) = Oracle::new() else { return };
    let folder = scratch();
    let lake = folder.path().to_str().unwrap();
    for (file, sums) in files.iter().zip(&oracle.sums(files)) {
        assert_eq!((&sums.error, sums.legacy), (&None, false), "{}", file.display());
        let (file, service) = (file.to_str().unwrap(), file.file_name().unwrap());
        let service = service.to_str().unwrap();
        let command = ["import", "--profile", "any", "--service", service, "--lake", lake, file];
        profpipe(command).ok();
        for (kind, sums) in &sums.types {
            let kind = format!("any:{kind}");
            let of_lake = top(&["--lake", lake, "--all", "-s", service, "-t", &kind]);
            assert_eq!(of_lake, expected::in_lake(sums), "{kind} of {file} in the lake");
            let of_file = top(&["-t", &kind, file]);
            assert_eq!(of_file, expected::in_file(sums), "{kind} of {file}");
        }
    }
}

#[test]
fn commands_say_of_generated_profiles_what_google_pprof_says() {
    let Some(files) = profiles::random() else { return };
    by_command(&files[..60]);
}

#[test]
fn commands_say_of_real_profiles_what_google_pprof_says() {
    by_command(&modern_corpus());
}
