//! What questions cost: what a selection leaves out is not read, and a question that nobody waits
//! for any more ends in the middle of its files.

use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use pipeline::storage::Disk;

use crate::{
    Allowance, Error, Gauge, Lake, Progress, Selection,
    scan::{Ask, filter::Filter},
    schema::SAMPLES,
    time::TimeRange,
    write_tests::{Spec, cpu, sample, writer},
};

use super::support::START_US;

const FILES: i64 = 12;
const MINUTE_US: i64 = 60_000_000;

/// Minutes of three services, a file each, whose row groups hold both types of a service.
fn lake() -> (tempfile::TempDir, Lake) {
    let root = tempfile::tempdir().unwrap();
    let mut writer = writer(Disk, root.path());
    for minute in 0..FILES {
        let time_ns = (START_US + minute * MINUTE_US) * 1_000;
        let stack = [("main.main", "main.go", 3), ("main.work", "work.go", 9)];
        let of = |service| cpu(service, time_ns, vec![sample(&stack, &[1, 10 + minute])]);
        let heap = Spec {
            name: "heap",
            types: vec![("inuse_space", "bytes")],
            temporality: pipeline::profile::Temporality::Instant,
            samples: vec![sample(&stack, &[100])],
            ..of("orders")
        };
        let all = [of("orders"), heap, of("search"), of("users")];
        let incoming: Vec<_> = all.iter().map(Spec::incoming).collect();
        writer.write(minute as u64, minute as u64, &incoming).unwrap();
    }
    // Nothing is kept, so that each question reads all that it needs.
    let lake = Lake::with_cache(root.path(), 0);
    (root, lake)
}

/// Chunks that a flame graph of this reads.
fn chunks(lake: &Lake, selection: &Selection) -> u64 {
    let before = lake.chunks_read();
    let flame = lake.flame(selection, Gauge::Mean, &Allowance::default()).unwrap();
    assert!(flame.own.iter().sum::<i64>() > 0);
    lake.chunks_read() - before
}

#[test]
fn what_a_selection_leaves_out_is_not_read() {
    let (_root, lake) = lake();
    let all = Selection::new(TimeRange::ALL);
    let everything = chunks(&lake, &all.clone().of("cpu:cpu").unwrap());
    assert!(everything >= 3 * FILES as u64, "{everything}");
    let minute = |from: i64, minutes: i64| {
        let from_us = START_US + from * MINUTE_US;
        let to_us = from_us + minutes * MINUTE_US;
        let range = TimeRange { from_us, to_us };
        chunks(&lake, &Selection::new(range).service("orders").of("cpu:cpu").unwrap())
    };
    // A minute is one file of twelve; a range costs what its files do, wherever it is.
    let (one, other, three) = (minute(0, 1), minute(FILES - 1, 1), minute(4, 3));
    assert_eq!((one, three), (other, 3 * one));
    let orders = chunks(&lake, &all.clone().service("orders").of("cpu:cpu").unwrap());
    assert!(one * FILES as u64 / 2 < orders && one < everything / 6, "{one} {orders} {everything}");
    // What nobody has is known from the footers alone.
    let before = lake.chunks_read();
    let allowance = Allowance::default();
    let ask = Ask::new(&lake, &allowance);
    for filter in [
        Filter::new(TimeRange::ALL, &[]).with("service", vec!["zzz".into()]),
        Filter::new(TimeRange::ALL, &[]).with("profile", vec!["mutex".into()]),
        Filter::new(TimeRange { from_us: 0, to_us: START_US }, &[]),
    ] {
        let groups = ask.fold(
            &SAMPLES,
            &filter,
            || 0,
            |groups, _, _| {
                *groups += 1;
                Ok(())
            },
        );
        assert_eq!(groups.unwrap().iter().sum::<i32>(), 0);
    }
    assert_eq!(lake.chunks_read(), before);
}

#[test]
fn files_are_read_by_several_threads_at_once() {
    let threads = |threads_max: usize| {
        let (_root, lake) = lake();
        let allowance = Allowance { threads_max, ..Allowance::default() };
        let (ask, seen) = (Ask::new(&lake, &allowance), Mutex::new(HashSet::new()));
        let states = ask.fold(
            &SAMPLES,
            &Filter::new(TimeRange::ALL, &[]),
            || 0,
            |groups, _, _| {
                *groups += 1;
                seen.lock().unwrap().insert(thread::current().id());
                // As long as a cold disk takes: the others have time to start.
                thread::sleep(Duration::from_millis(20));
                Ok(())
            },
        );
        let states = states.unwrap();
        assert_eq!(states.iter().sum::<i64>(), FILES, "each file once");
        (states.len(), seen.into_inner().unwrap().len())
    };
    assert_eq!([1, 3].map(threads), [(1, 1), (3, 3)]);
}

#[test]
fn a_question_is_stopped_in_the_middle() {
    let (_root, lake) = lake();
    let stop = Arc::new(AtomicBool::new(false));
    let progress = Arc::new(Progress::default());
    let allowance = Allowance {
        stop: Some(stop.clone()),
        progress: Some(progress.clone()),
        threads_max: 2,
        ..Allowance::default()
    };
    let (ask, seen) = (Ask::new(&lake, &allowance), AtomicUsize::new(0));
    let ended = ask.fold(
        &SAMPLES,
        &Filter::new(TimeRange::ALL, &[]),
        || (),
        |(), _, _| {
            if seen.fetch_add(1, Ordering::SeqCst) == 3 {
                stop.store(true, Ordering::SeqCst);
            }
            Ok(())
        },
    );
    assert!(matches!(ended, Err(Error::Stopped)));
    let (seen, (read, files)) = (seen.into_inner(), progress.files());
    assert!((4..=5).contains(&seen), "{seen} row groups, one more by the other thread at most");
    assert!(files == FILES as usize && read < files, "{read} of {files} files");
}

#[test]
fn what_a_merge_gathers_counts_until_its_end() {
    let root = tempfile::tempdir().unwrap();
    let mut writer = writer(Disk, root.path());
    for minute in 0..FILES {
        let time_ns = (START_US + minute * MINUTE_US) * 1_000;
        // In each file other lines.
        let lines = minute * 100..(minute + 1) * 100;
        let samples = lines.map(|line| sample(&[("main.main", "main.go", line)], &[1, 10]));
        let spec = cpu("orders", time_ns, samples.collect());
        writer.write(minute as u64, minute as u64, &[spec.incoming()]).unwrap();
    }
    let lake = Lake::with_cache(root.path(), 0);
    let takes = |minutes: i64| {
        let range = TimeRange { from_us: START_US, to_us: START_US + minutes * MINUTE_US };
        let selection = Selection::new(range).of("cpu:cpu").unwrap();
        let merges = |bytes_max: &usize| {
            let allowance =
                Allowance { bytes_max: *bytes_max, threads_max: 2, ..Default::default() };
            match lake.merge(&selection, Gauge::Mean, &allowance) {
                Ok((merged, _)) => merged.len() as i64 == minutes * 100,
                Err(error) => {
                    assert!(matches!(error, Error::TooLarge { .. }), "{error}");
                    false
                }
            }
        };
        (10..30).map(|log| 1_usize << log).find(merges).expect("is enough")
    };
    let [one, all] = [takes(1), takes(FILES)];
    assert!(all >= 4 * one, "{all} bytes for {FILES} files, {one} for one");
}
