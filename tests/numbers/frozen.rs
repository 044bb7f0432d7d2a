//! A lake that a released version wrote, kept as it was: whatever changes in the writer, what
//! people have on their disks is read with the same numbers.
//!
//! `PROFPIPE_UPDATE=1` writes the fixture where it is missing, never over one that is there: a new
//! version of the format gets a new folder, and the old one stays.

use std::path::{Path, PathBuf};

use crate::support::{
    cli::{Ran, profpipe},
    made::{MINUTE_NS, START_NS, labelled},
    profiles::below,
    scratch,
};

const FIXTURE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/lake-v1");
const FIXTURE_BYTES_MAX: u64 = 100 << 10;

/// The same profiles in a new lake.
fn write(lake: &Path) {
    let dir = scratch();
    let window = |minute: i64, window_ns| (START_NS + minute * MINUTE_NS, window_ns);
    let import = |name: &str, service: &str, kind, times, stacks: &[(&str, i64)], labels: &[_]| {
        let file = dir.path().join(name);
        labelled(&file, kind, times, stacks, labels);
        let place = ["import".as_ref(), "--lake".as_ref(), lake.as_os_str(), file.as_os_str()];
        let of = ["--service".as_ref(), service.as_ref(), "--label".as_ref(), "zone=eu".as_ref()];
        profpipe(place.into_iter().chain(of)).ok();
    };
    let cpu = ("cpu", "nanoseconds");
    for minute in 0..3 {
        let ms = 1_000_000 + minute;
        let stacks = [("main.main;main.work", 40 * ms), ("main.main;main.(*T).Do", 7 * ms)];
        let labels = [("endpoint", "GET /orders")];
        let (name, times) = (format!("{minute}.pb"), window(minute, 10_000_000_000));
        import(&name, "orders", cpu, times, &stacks, &labels);
    }
    let heap = ("inuse_space", "bytes");
    for (minute, bytes) in [(0, 4096), (1, 8192)] {
        let stacks = [("main.main;main.keep", bytes), ("main.main", 512)];
        import(&format!("h{minute}.pb"), "orders", heap, window(minute, 0), &stacks, &[]);
    }
    let stacks = [("main.main;search.Find", 90_000_000)];
    import("s.pb", "search", cpu, window(61, 10_000_000_000), &stacks, &[]);
}

const QUESTIONS: [&[&str]; 8] = [
    &["top", "--all", "-s", "orders", "-t", "cpu:cpu", "--format", "csv", "-n", "0"],
    &["top", "--all", "-s", "orders", "-t", "heap:inuse_space", "--format", "csv", "-n", "0"],
    &["flame", "--all", "-t", "cpu:cpu", "--format", "folded"],
    &["flame", "--all", "-t", "cpu", "-l", "endpoint=~\"GET.*\"", "--format", "folded"],
    &["series", "--all", "-s", "orders", "-t", "cpu:cpu", "--format", "csv"],
    &["labels", "--all"],
    &["labels", "--all", "-s", "orders"],
    &["lake", "check"],
];

fn answers(lake: &Path) -> Vec<String> {
    let ask = |question: &&[&str]| {
        let place = ["--lake", lake.to_str().unwrap()];
        let Ran { code, stdout, stderr } = profpipe(question.iter().chain(&place));
        assert_eq!(code, Some(0), "{question:?}: {stderr}");
        format!("$ profpipe {}\n{stdout}", question.join(" "))
    };
    QUESTIONS.iter().map(ask).collect()
}

#[test]
fn a_lake_of_version_1_is_read_with_the_same_numbers() {
    let (lake, said) = (PathBuf::from(FIXTURE), Path::new(FIXTURE).with_extension("txt"));
    if std::env::var("PROFPIPE_UPDATE").is_ok() && !lake.is_dir() {
        write(&lake);
        std::fs::write(&said, answers(&lake).concat()).unwrap();
    }
    let files = below(&lake);
    let bytes: u64 = files.iter().map(|file| file.metadata().unwrap().len()).sum();
    assert!(files.len() >= 18 && bytes < FIXTURE_BYTES_MAX, "{} files, {bytes} bytes", files.len());
    let frozen = std::fs::read_to_string(&said).unwrap();
    assert_eq!(answers(&lake).concat(), frozen);
    assert_eq!(below(&lake), files, "reading writes nothing");
    // The numbers are those of the profiles, by arithmetic.
    for line in ["main.main;main.work 120000120", "main.main;main.(*T).Do 21000021"] {
        assert!(frozen.contains(line), "{line}: {frozen}");
    }
    // What is written today reads the same, but for bytes and names of files.
    let dir = scratch();
    write(&dir.path().join("lake"));
    let (today, frozen) = (answers(&dir.path().join("lake")), answers(&lake));
    assert_eq!(today[..7], frozen[..7]);
}
