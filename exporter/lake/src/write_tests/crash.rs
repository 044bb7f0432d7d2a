//! The power fails at every step of a write; after it, and after the replay, the lake holds each
//! row once and no torn file.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use pipeline::testing::{Rng, SimDisk};

use super::*;

const ROOT: &str = "/data/lake";

/// Batches with their ranges: two services, and one batch that spans hours.
fn batches() -> Vec<(u64, u64, Vec<Incoming>)> {
    let profile = |service, time_ns, value| {
        let stack = [("main", "m.go", 1), ("work", "w.go", value)];
        cpu(service, time_ns, vec![sample(&stack, &[value, value * 10])]).incoming()
    };
    vec![
        (1, 3, vec![profile("a", HOUR, 1), profile("b", HOUR + 5, 2)]),
        (4, 4, vec![profile("a", 2 * HOUR - 1, 3), profile("a", 2 * HOUR, 4)]),
        (5, 9, vec![profile("b", 2 * HOUR + 9, 5)]),
    ]
}

/// Bytes of all files by path, temp files included.
type Lake = BTreeMap<PathBuf, Vec<u8>>;

fn lake(disk: &SimDisk) -> Lake {
    let paths = files(disk, Path::new(ROOT)).into_iter();
    paths.map(|path| (path.clone(), disk.read(&path, 1 << 30).unwrap())).collect()
}

/// What engines see is a part of the whole lake, byte for byte, and a sample has its profile.
fn assert_whole(disk: &SimDisk, want: &Lake, seed: u64) {
    let seen = lake(disk);
    for (path, bytes) in &seen {
        let text = path.to_string_lossy();
        if text.contains("/.") {
            continue;
        }
        assert_eq!(Some(bytes), want.get(path), "seed {seed}: {text} is torn");
        if text.contains("/samples/") {
            for other in ["/profiles/", "/functions/"] {
                let other = text.replace("/samples/", other);
                assert!(seen.contains_key(Path::new(&other)), "seed {seed}: no {other}");
            }
        }
    }
}

/// The batches after the cursor, as an exporter would write them; the cursor moves with each.
fn run(disk: &SimDisk, cursor: &mut usize) -> Result<(), crate::WriteError> {
    let id = WriterId::parse("01HZZZZZZZZZZZZZZZZZZZZZZZ").unwrap();
    let mut writer = Writer::open(disk.clone(), ROOT, id, Options::default())?;
    for (first, last, profiles) in &batches()[*cursor..] {
        writer.write(*first, *last, profiles)?;
        *cursor += 1;
    }
    Ok(())
}

/// Histories to try, each of up to three crashes; more by `LAKE_CRASH_SEEDS`.
fn seeds() -> u64 {
    std::env::var("LAKE_CRASH_SEEDS").map_or(700, |seeds| seeds.parse().unwrap())
}

#[test]
fn each_row_once_whatever_fails() {
    let clean = SimDisk::new(0);
    run(&clean, &mut 0).unwrap();
    let want = lake(&clean);
    let rows = table(&clean, Path::new(ROOT), "samples").len();
    assert_eq!((want.len(), rows), (12, 5));
    let mut cut_short = 0;
    for seed in 0..seeds() {
        let (disk, mut rng, mut cursor) = (SimDisk::new(seed), Rng::new(seed), 0);
        for attempt in 0.. {
            match attempt {
                0..3 => disk.crash_after(1 + rng.below(90)),
                3 => match rng.below(3) {
                    0 => disk.fail_file_syncs(1),
                    1 => disk.fail_dir_syncs(1),
                    _ => {}
                },
                _ => {}
            }
            let result = run(&disk, &mut cursor);
            if attempt < 3 {
                cut_short += u64::from(result.is_err());
                // A kill keeps the page cache; a power cut loses what was not durable.
                if rng.below(3) == 0 {
                    disk.kill()
                } else {
                    disk.power_cut()
                }
                assert_whole(&disk, &want, seed);
            } else if let Err(error) = result {
                assert!(error.is_retryable(), "seed {seed}: {error}");
            } else {
                break;
            }
        }
        // What was reported done is done: a last power cut takes nothing away.
        disk.power_cut();
        assert!(lake(&disk) == want, "seed {seed}");
    }
    assert!(cut_short > 400, "the power failed in {cut_short} runs only");
}

#[test]
fn temp_files_of_others_stay() {
    let (disk, root) = (SimDisk::new(1), Path::new(ROOT));
    run(&disk, &mut 0).unwrap();
    let hour = root.join("samples/date=1970-01-01/hour=01");
    let names = [
        ".L0-1-2-01HZZZZZZZZZZZZZZZZZZZZZZZ-7-9.parquet.tmp",
        ".L0-1-2-01HYYYYYYYYYYYYYYYYYYYYYYY-7-9.parquet.tmp",
        ".DS_Store",
    ];
    for name in names {
        disk.create_new(&hour.join(name)).unwrap();
    }
    writer(disk.clone(), root);
    let left = disk.list(&hour).unwrap();
    let left = |name: &str| left.iter().any(|entry| entry.name == name);
    assert_eq!(names.map(left), [false, true, true]);
}

#[test]
fn a_directory_that_was_removed_is_made_again() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = writer(pipeline::storage::Disk, dir.path());
    let batches = batches();
    writer.write(1, 3, &batches[0].2).unwrap();
    std::fs::remove_dir_all(dir.path().join("samples")).unwrap();
    let written = writer.write(4, 4, &batches[0].2).unwrap();
    for path in &written.files {
        assert!(dir.path().join(path).metadata().unwrap().is_file());
    }
    assert_eq!((written.files.len(), written.rows), (3, 2));
}

#[test]
fn the_same_range_gives_the_same_bytes() {
    let batches = batches();
    let (one, two) = (SimDisk::new(1), SimDisk::new(2));
    let root = Path::new(ROOT);
    let mut warm = writer(one.clone(), root);
    for (first, last, profiles) in &batches {
        warm.write(*first, *last, profiles).unwrap();
    }
    // The other writer starts cold at each batch, and in another order.
    for (first, last, profiles) in batches.iter().rev() {
        writer(two.clone(), root).write(*first, *last, profiles).unwrap();
    }
    let paths = files(&one, root);
    assert_eq!((paths.len(), files(&two, root)), (12, paths.clone()));
    for path in paths {
        assert_eq!(one.read(&path, 1 << 20).unwrap(), two.read(&path, 1 << 20).unwrap());
    }
}
