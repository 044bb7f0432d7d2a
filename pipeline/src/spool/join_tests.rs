//! Many small segments become few, whatever readers do meanwhile, and nothing is lost on the way.

use std::{
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    thread,
    time::Duration,
};

use super::{tests::*, *};
use crate::storage::Disk;

fn many(many: usize) -> SpoolConfig {
    let free_floor = FreeFloor { percent: 0, bytes: 0 };
    SpoolConfig { ballast_bytes: 0, free_floor, segments_many: many, ..SpoolConfig::default() }
}

#[test]
fn joined_segments_are_as_if_they_had_been_one() {
    let payloads = [("a", 1), ("bc", 3), ("", 1), ("def", 2)].map(|(text, records)| Payload {
        head: bytes::Bytes::new(),
        bytes: text.into(),
        records,
    });
    let (mut first, mut segments) = (41, Vec::new());
    for payloads in [&payloads[..1], &payloads[1..2], &payloads[2..]] {
        let (frame, bytes) = segment::encode(first, 7, payloads);
        first = frame.records.end;
        segments.push(segment::Segment::decode(bytes).unwrap());
    }
    assert_eq!(segment::join(&segments), segment::encode(41, 7, &payloads));
}

#[test]
fn small_neighbours_are_joined_where_there_are_many() {
    let bench = Bench::new(many(80));
    let spool = bench.open(&["a", "b"]);
    let mut reader = spool.reader("a").unwrap();
    let append = |groups: u64| {
        for group in 0..groups {
            bench.pass(Duration::from_millis(10));
            spool.append(&records(1 + (group % 3) as usize, 100 + group)).unwrap();
        }
    };
    append(80);
    spool.tend();
    assert_eq!(bench.segment_files().len(), 80, "not many yet");
    assert_eq!(seqs(&reader.next(3, 1 << 20).unwrap()), [0, 1, 2]);
    append(1);
    let before = spool.reader("b").unwrap().next(usize::MAX, u64::MAX).unwrap();
    let (bytes, oldest) = (spool.stats().bytes, lock(&spool.state).segments[0].clone());
    spool.tend();
    assert_eq!((bench.segment_files().len(), spool.stats().segments), (2, 2));
    // A reader that was on its way to a file which is gone now.
    spool.lose(&oldest, segment::Flaw::Unreadable).unwrap();
    assert_eq!((spool.stats().segments, spool.rejected().len()), (2, 0));
    assert!(spool.stats().bytes < bytes, "frames are gone");
    let after = spool.reader("b").unwrap().next(usize::MAX, u64::MAX).unwrap();
    assert_eq!(after, before, "with the time at which each was appended");
    assert_eq!(reader.next(usize::MAX, u64::MAX).unwrap(), before[3..]);
    // What a person sees of the disk is what the spool says.
    let size = |path: &PathBuf| bench.disk.read(path, u64::MAX).unwrap().len() as u64;
    let on_disk = bench.segment_files().iter().map(size).sum::<u64>();
    assert_eq!(on_disk, spool.stats().bytes);
    drop((spool, reader));
    bench.disk.power_cut();
    let spool = bench.open(&["a", "b"]);
    assert_eq!(spool.reader("b").unwrap().next(usize::MAX, u64::MAX).unwrap(), before);
    assert!(spool.rejected().is_empty());
}

#[test]
fn a_start_that_finds_a_joined_segment_and_its_parts_takes_one() {
    let bench = Bench::new(many(4));
    let spool = bench.open(&["a"]);
    for _ in 0..5 {
        spool.append(&records(2, 50)).unwrap();
    }
    let parts: Vec<_> = bench
        .segment_files()
        .into_iter()
        .map(|path| {
            let bytes = bench.disk.read(&path, u64::MAX).unwrap();
            (path, bytes)
        })
        .collect();
    let all = spool.reader("a").unwrap().next(usize::MAX, u64::MAX).unwrap();
    spool.tend();
    assert_eq!(bench.segment_files().len(), 2);
    drop(spool);
    let leave = |parts: &[(PathBuf, Vec<u8>)]| {
        for (path, bytes) in parts {
            let name = path.file_name().unwrap().to_str().unwrap();
            let _ = bench.disk.remove(path);
            crate::storage::put(&bench.disk, Path::new(DIR), ".part.tmp", name, bytes).unwrap();
        }
    };
    leave(&parts[1..3]);
    let spool = bench.open(&["a"]);
    assert_eq!(spool.reader("a").unwrap().next(usize::MAX, u64::MAX).unwrap(), all);
    assert!(spool.rejected().is_empty(), "{:?}", spool.rejected());
    assert_eq!(bench.segment_files().len(), 2, "the parts are gone");
    drop(spool);
    // A joined one that is damaged costs nothing while its parts are there.
    leave(&parts[..4]);
    let joined = bench.segment_files().into_iter().find(|path| !parts.iter().any(|p| p.0 == *path));
    bench.disk.rot(&joined.unwrap(), |bytes| bytes[60] ^= 1);
    let spool = bench.open(&["a"]);
    assert_eq!(spool.reader("a").unwrap().next(usize::MAX, u64::MAX).unwrap(), all);
    assert_eq!(spool.rejected().len(), 1);
}

#[test]
fn readers_and_joins_do_not_get_in_each_others_way() {
    let dir = tempfile::tempdir().unwrap();
    let spool = Spool::open(Arc::new(Disk), dir.path(), many(4)).unwrap();
    spool.set_exporters(&["quick", "slow"]).unwrap();
    const RECORDS: u64 = 400;
    let ended = AtomicBool::new(false);
    let read = |name: &str, pause: u64| {
        let mut reader = spool.reader(name).unwrap();
        let mut next = 0;
        while next < RECORDS {
            // From the disk each time, as far as it can be.
            for record in reader.next(3, 1 << 20).unwrap() {
                assert_eq!((record.seq, record.payload.len() as u64), (next, 20 + next), "{name}");
                next += 1;
            }
            reader.done(0..next, Outcome::Delivered).unwrap();
            reader.save().unwrap();
            thread::sleep(Duration::from_micros(pause));
        }
    };
    thread::scope(|scope| {
        let readers = [scope.spawn(|| read("quick", 100)), scope.spawn(|| read("slow", 3_000))];
        scope.spawn(|| {
            while !ended.load(Relaxed) {
                spool.tend()
            }
        });
        for number in 0..RECORDS {
            let payload = bytes::Bytes::from(vec![7; 20 + number as usize]);
            spool.append(&[payload.into()]).unwrap();
        }
        readers.into_iter().for_each(|reader| reader.join().unwrap());
        ended.store(true, Relaxed);
    });
    for (name, totals) in spool.stats().exporters {
        assert_eq!(totals.delivered, RECORDS, "{name}: {totals:?}");
    }
    assert!(spool.rejected().is_empty());
}
