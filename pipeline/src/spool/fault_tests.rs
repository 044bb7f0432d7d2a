//! The spool on a disk that fills up, fails, rots, or belongs to a newer version.

use std::{ops::Range, time::Duration};

use super::slots::SLOT_BYTES;
use super::tests::*;
use super::*;

fn appended(bench: &Bench, groups: usize) -> Arc<Spool> {
    let spool = bench.open(&["a"]);
    for _ in 0..groups {
        spool.append(&records(2, 10)).unwrap();
    }
    spool
}

/// What a new reader of exporter `a` gets in all.
fn read_all(spool: &Arc<Spool>) -> Vec<u64> {
    seqs(&spool.reader("a").unwrap().next(1_000, 1 << 20).unwrap())
}

#[test]
fn damage_anywhere_costs_one_segment_and_is_counted_once() {
    let bench = Bench::plain();
    drop(appended(&bench, 3));
    let len = bench.disk.read(&bench.segment_files()[1], 1 << 20).unwrap().len();
    for byte in 0..len {
        let bench = Bench::plain();
        drop(appended(&bench, 3));
        bench.disk.rot(&bench.segment_files()[1], |bytes| {
            if byte % 2 == 0 { bytes[byte] ^= 0x10 } else { bytes.truncate(byte) }
        });
        let spool = bench.open(&["a"]);
        let mut reader = spool.reader("a").unwrap();
        let mut read = seqs(&reader.next(3, 1 << 20).unwrap());
        read.extend(seqs(&reader.next(9, 1 << 20).unwrap()));
        assert_eq!(read, [0, 1, 4, 5], "byte {byte}");
        reader.done(0..6, Outcome::Delivered).unwrap();
        assert_eq!(dropped(&spool, "a", DropReason::Corrupt), 2);
        assert_eq!((spool.stats().corrupt_files, spool.stats().segments), (1, 2));
        reader.save().unwrap();
        drop(reader);
        bench.disk.power_cut();
        let spool = bench.open(&["a"]);
        assert_eq!(dropped(&spool, "a", DropReason::Corrupt), 2);
        assert_eq!(bench.disk.list(&corrupt_dir(Path::new(DIR))).unwrap().len(), 1);
    }
}

#[test]
fn strange_files_are_set_aside_by_name_and_reason() {
    let bench = Bench::plain();
    drop(appended(&bench, 4));
    let files = bench.segment_files();
    bench.disk.rot(&files[0], |bytes| bytes[8] = 7);
    bench.disk.rename(&files[1], &Path::new(DIR).join("stray.seg")).unwrap();
    bench.disk.create_new(&Path::new(DIR).join(".left.tmp")).unwrap();
    bench.disk.create_new(&Path::new(DIR).join("notes.txt")).unwrap();
    let spool = bench.open(&["a"]);
    let rejected: Vec<_> = spool.rejected().into_iter().map(|r| (r.file, r.reason)).collect();
    let first = files[0].file_name().unwrap().to_str().unwrap().to_string();
    let newer = (first.clone(), "newer-version-7".to_string());
    assert_eq!(rejected, [newer, ("stray.seg".into(), "misnamed".into())]);
    let aside = bench.disk.list(&corrupt_dir(Path::new(DIR))).unwrap();
    assert_eq!(aside[0].name, format!("{first}.newer-version-7"));
    assert!(bench.disk.read(&Path::new(DIR).join(".left.tmp"), 1).is_err());
    assert!(bench.disk.read(&Path::new(DIR).join("notes.txt"), 1).is_ok(), "not ours");
    assert_eq!(read_all(&spool), [4, 5, 6, 7]);
}

#[test]
fn numbers_of_a_damaged_last_segment_are_not_given_again() {
    for rot in [8, 40] {
        let bench = Bench::plain();
        drop(appended(&bench, 2));
        bench.disk.rot(&bench.segment_files()[1], |bytes| bytes[rot] ^= 1);
        let spool = bench.open(&["a"]);
        read_all(&spool);
        drop(spool);
        bench.disk.power_cut();
        assert_eq!(bench.open(&["a"]).append(&records(1, 1)).unwrap(), 4..5);
    }
}

#[test]
fn numbers_of_a_plan_are_not_given_again_when_its_segment_is_gone() {
    let bench = Bench::plain();
    let spool = appended(&bench, 2);
    let mut reader = spool.reader("a").unwrap();
    reader.next(9, 99).unwrap();
    reader.plan(0..4).unwrap();
    drop((reader, spool));
    for file in bench.segment_files() {
        bench.disk.remove(&file).unwrap();
    }
    let spool = bench.open(&["a"]);
    assert!(read_all(&spool).is_empty());
    assert_eq!(dropped(&spool, "a", DropReason::Corrupt), 4);
    assert_eq!(spool.append(&records(1, 1)).unwrap(), 4..5);
}

#[test]
fn files_that_claim_the_last_numbers_do_not_end_the_spool() {
    let bench = Bench::plain();
    drop(appended(&bench, 2));
    let dir = Path::new(DIR);
    let claim = names::segment(&(u64::MAX - 2..u64::MAX));
    crate::storage::put(&bench.disk, dir, ".t", &claim, &[0; 99]).unwrap();
    let meta = dir.join("spool.meta");
    bench.disk.remove(&meta).unwrap();
    let last = u64::MAX.to_le_bytes();
    SlotFile::create(Arc::new(bench.disk.clone()), &meta, b"ppspmeta", &last).unwrap();
    let spool = bench.open(&["a"]);
    assert_eq!(spool.stats().corrupt_files, 1);
    assert_eq!(spool.append(&records(1, 1)).unwrap(), 4..5);
}

#[test]
fn every_byte_of_a_cursor_may_rot() {
    let bench = Bench::plain();
    let spool = appended(&bench, 2);
    let mut reader = spool.reader("a").unwrap();
    reader.next(9, 99).unwrap();
    for seq in 0..3 {
        reader.done(seq..seq + 1, Outcome::Delivered).unwrap();
        reader.save().unwrap();
    }
    drop((reader, spool));
    let path = cursors_dir(Path::new(DIR)).join("a.cur");
    let good = bench.disk.read(&path, 1 << 20).unwrap();
    for byte in (0..2 * SLOT_BYTES).step_by(7) {
        bench.disk.rot(&path, |bytes| bytes[byte] ^= 4);
        let spool = bench.open(&["a"]);
        let read = read_all(&spool);
        assert!(read == [2, 3] || read == [3], "byte {byte}: {read:?}");
        check_account(&spool);
        bench.disk.rot(&path, |bytes| bytes.clone_from(&good));
    }
    bench.disk.rot(&path, |bytes| bytes.fill(0));
    let spool = bench.open(&["a"]);
    assert_eq!(read_all(&spool), [2, 3], "all that is still there, rather than nothing");
    check_account(&spool);
    assert_eq!(spool.rejected()[0].file, "a.cur");
}

#[test]
fn a_plan_that_cannot_be_written_again_stays() {
    let bench = Bench::plain();
    let spool = appended(&bench, 3);
    let plan = |spool: &Arc<Spool>, range: Range<u64>| {
        let mut reader = spool.reader("a").unwrap();
        reader.next(range.end as usize, 1 << 20).unwrap();
        (reader.plan(range).is_ok(), reader.planned().unwrap())
    };
    // Nothing was begun: the next plan may be another one.
    bench.disk.fail_file_syncs(10);
    assert_eq!(plan(&spool, 0..3), (false, None));
    bench.disk.fail_file_syncs(0);
    assert_eq!(plan(&spool, 0..4), (true, Some(0..4)));
    // Some of it may be where it was to go, under its name.
    bench.disk.fail_file_syncs(10);
    assert_eq!(plan(&spool, 0..4), (false, Some(0..4)));
}

#[test]
fn a_failed_sync_is_answered_with_a_new_file() {
    let bench = Bench::plain();
    let spool = bench.open(&["a"]);
    for failures in 0..=2 {
        bench.disk.fail_file_syncs(failures);
        spool.append(&records(1, 700)).unwrap();
    }
    bench.disk.power_cut();
    assert_eq!(read_all(&bench.open(&["a"])), [0, 1, 2]);
}

#[test]
fn after_three_failures_the_spool_refuses_and_tries_again_by_itself() {
    let bench = Bench::plain();
    let spool = bench.open(&["a"]);
    bench.disk.fail_file_syncs(4);
    for _ in 0..2 {
        let refused = spool.append(&records(1, 10));
        assert!(matches!(refused, Err(SpoolError::NotWritable(_))), "{refused:?}");
        assert!(!spool.is_writable() && spool.stats().disk_fault.is_some());
    }
    spool.tend();
    assert!(!spool.is_writable(), "too early");
    bench.pass(Duration::from_secs(1));
    spool.tend();
    assert!(!spool.is_writable(), "one more failure");
    bench.pass(Duration::from_secs(1));
    spool.tend();
    assert!(spool.is_writable());
    assert_eq!(spool.append(&records(1, 10)).unwrap(), 0..1);
    bench.disk.fail_file_syncs(3);
    assert!(spool.append(&records(1, 10)).is_err());
    bench.pass(Duration::from_secs(1));
    assert_eq!(spool.append(&records(1, 10)).unwrap(), 1..2, "an append also tries");
    assert!(spool.is_writable());
}

/// A failed append may have left its name on disk. Were its numbers given to other records before
/// that name is gone for certain, two files would claim them.
#[test]
fn the_name_of_a_failed_append_is_gone_before_its_numbers_are_given() {
    for seed in 0..200 {
        let bench = Bench::seeded(seed, Bench::plain().config);
        let spool = bench.open(&["a"]);
        // Every second sync is that of the directory: the renames have happened.
        bench.disk.fail_dir_syncs(3);
        assert!(spool.append(&records(3, 10)).is_err());
        bench.pass(Duration::from_secs(1));
        assert_eq!(spool.append(&records(1, 20)).unwrap(), 0..1);
        bench.disk.power_cut();
        let spool = bench.open(&["a"]);
        assert!(spool.rejected().is_empty(), "seed {seed}: {:?}", spool.rejected());
        let batch = spool.reader("a").unwrap().next(9, 99).unwrap();
        assert_eq!((seqs(&batch), batch[0].payload.len()), (vec![0], 20), "seed {seed}");
    }
}

fn tight(full: FullPolicy) -> Bench {
    let floor = FreeFloor { percent: 0, bytes: 0 };
    let config =
        SpoolConfig { ballast_bytes: 8_000, free_floor: floor, full, ..SpoolConfig::default() };
    Bench::new(config)
}

#[test]
fn ballast_lets_the_segment_under_way_finish_and_returns_with_the_room() {
    let bench = tight(FullPolicy::Block);
    let spool = bench.open(&["a"]);
    spool.append(&records(1, 4_000)).unwrap();
    assert!(spool.stats().ballast);
    // The disk says that it has room until it is written to, as with a quota.
    bench.disk.set_quota_bytes(bench.disk.used_bytes() + 1_000);
    spool.append(&records(1, 4_000)).unwrap();
    assert!(!spool.stats().ballast);
    assert!(matches!(spool.append(&records(1, 4_000)), Err(SpoolError::Full)));
    let mut reader = spool.reader("a").unwrap();
    assert_eq!(reader.next(9, 1 << 20).unwrap().len(), 2);
    reader.plan(0..2).unwrap();
    reader.done(0..2, Outcome::Delivered).unwrap();
    reader.save().unwrap();
    bench.pass(Duration::from_secs(1));
    spool.tend();
    assert!(spool.stats().ballast);
    assert_eq!(dropped(&spool, "a", DropReason::SpoolFull), 0);
    bench.disk.set_quota_bytes(1 << 40);
    spool.append(&records(1, 4_000)).unwrap();
}

#[test]
fn on_a_full_disk_the_policy_decides_and_all_is_counted() {
    for full in [FullPolicy::DropOldest, FullPolicy::DropNewest] {
        let bench = tight(full);
        let spool = bench.open(&["a"]);
        for _ in 0..4 {
            spool.append(&records(1, 4_000)).unwrap();
        }
        bench.disk.set_capacity_bytes(bench.disk.used_bytes() + 1_000);
        for _ in 0..6 {
            bench.pass(Duration::from_secs(1));
            spool.append(&records(1, 4_000)).unwrap();
        }
        assert_eq!(dropped(&spool, "a", DropReason::SpoolFull), 6, "{full:?}");
        assert_eq!(spool.stats().exporters["a"].accepted, 10);
        let kept = if full == FullPolicy::DropOldest { 6..10 } else { 0..4 };
        assert_eq!(read_all(&spool), kept.collect::<Vec<_>>());
    }
}

#[test]
fn the_free_floor_is_left_to_others() {
    let floor = FreeFloor { percent: 0, bytes: 10_000 };
    let bench = Bench::new(SpoolConfig { free_floor: floor, ..Bench::plain().config });
    let spool = bench.open(&["a"]);
    bench.disk.set_capacity_bytes(bench.disk.used_bytes() + 44_000);
    let mut taken = 0;
    while spool.append(&records(1, 1_000)).is_ok() {
        taken += 1;
    }
    let space = bench.disk.space(Path::new(DIR)).unwrap();
    assert!((10_000..12_000).contains(&space.free_bytes), "{space:?} after {taken}");
    assert_eq!(spool.disk_fault().as_deref(), Some("no space left above the free floor"));
    spool.tend();
    assert!(spool.disk_fault().is_some(), "there is no more room than before");
    bench.disk.set_capacity_bytes(1 << 30);
    spool.tend();
    assert_eq!(spool.disk_fault(), None);
    spool.append(&records(1, 1_000)).unwrap();
}

#[test]
fn dead_letters_are_kept_for_each_exporter() {
    let bench = Bench::plain();
    let spool = bench.open(&["otlp/x"]);
    let reader = spool.reader("otlp/x").unwrap();
    reader.dead_letter(b"one", "400 bad request").unwrap();
    drop((reader, spool));
    bench.disk.power_cut();
    bench.open(&["otlp/x"]).dead_letter("otlp/x", b"two", "400").unwrap();
    let dir = dead_dir(Path::new(DIR)).join("otlp%2Fx");
    let names: Vec<_> = bench.disk.list(&dir).unwrap().into_iter().map(|e| e.name).collect();
    assert_eq!(names, ["00000000000000000000.400_bad_request", "00000000000000000001.400"]);
    assert_eq!(bench.disk.read(&dir.join(&names[0]), 9).unwrap(), b"one");
}
