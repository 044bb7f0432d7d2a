//! The spool as its callers see it, on the modelled disk; one behaviour each.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;

use super::*;
use crate::storage::Disk;
use crate::testing::SimDisk;

pub(super) const DIR: &str = "/data/spool/main";
const KIB: u64 = 1024;

/// A spool on a modelled disk with a clock that the test moves.
pub(super) struct Bench {
    pub(super) disk: SimDisk,
    now: Arc<AtomicU64>,
    pub(super) config: SpoolConfig,
}

impl Bench {
    pub(super) fn new(config: SpoolConfig) -> Self {
        Self::seeded(1, config)
    }

    pub(super) fn seeded(seed: u64, config: SpoolConfig) -> Self {
        Self { disk: SimDisk::new(seed), now: Arc::new(AtomicU64::new(1_000_000)), config }
    }

    pub(super) fn plain() -> Self {
        Self::new(SpoolConfig { ballast_bytes: 0, ..SpoolConfig::default() })
    }

    pub(super) fn open(&self, exporters: &[&str]) -> Arc<Spool> {
        let now = self.now.clone();
        let clock: Clock = Arc::new(move || now.load(Ordering::SeqCst));
        let disk = Arc::new(self.disk.clone());
        let spool = Spool::open_at(disk, Path::new(DIR), self.config.clone(), clock).unwrap();
        spool.set_exporters(exporters).unwrap();
        spool
    }

    pub(super) fn pass(&self, time: Duration) {
        self.now.fetch_add(time.as_millis() as u64, Ordering::SeqCst);
    }

    pub(super) fn segment_files(&self) -> Vec<PathBuf> {
        let entries = self.disk.list(Path::new(DIR)).unwrap();
        let segments = entries.into_iter().filter(|entry| entry.name.ends_with(".seg"));
        segments.map(|entry| Path::new(DIR).join(entry.name)).collect()
    }
}

pub(super) fn records(count: usize, bytes: u64) -> Vec<Payload> {
    (0..count).map(|n| Bytes::from(vec![n as u8; bytes as usize]).into()).collect()
}

pub(super) fn seqs(batch: &[Record]) -> Vec<u64> {
    batch.iter().map(|record| record.seq).collect()
}

fn span(batch: &[Record]) -> Range<u64> {
    batch.first().map_or(0..0, |first| first.seq..first.seq + batch.len() as u64)
}

pub(super) fn check_account(spool: &Spool) {
    for (name, totals) in spool.stats().exporters {
        let dropped: u64 = totals.dropped.values().sum();
        let settled = totals.delivered + totals.dead_lettered + dropped;
        assert_eq!(totals.accepted, settled + totals.pending, "{name}: {totals:?}");
    }
}

pub(super) fn dropped(spool: &Spool, exporter: &str, reason: DropReason) -> u64 {
    check_account(spool);
    spool.stats().exporters[exporter].dropped[&reason]
}

#[test]
fn records_come_in_order_within_limits_and_segments_go_when_all_passed() {
    let bench = Bench::plain();
    let spool = bench.open(&["parquet", "otlp/x"]);
    let head = spool.watch_head();
    assert_eq!(spool.append(&records(3, 10)).unwrap(), 0..3);
    assert_eq!(spool.append(&records(2, 10)).unwrap(), 3..5);
    assert_eq!(spool.append(&[]).unwrap(), 5..5);
    assert_eq!(*head.borrow(), 5);
    let mut parquet = spool.reader("parquet").unwrap();
    let mut otlp = spool.reader("otlp/x").unwrap();
    assert_eq!(seqs(&parquet.next(4, 1 << 20).unwrap()), [0, 1, 2, 3]);
    assert_eq!(seqs(&otlp.next(10, 25).unwrap()), [0, 1], "by bytes");
    assert_eq!(seqs(&otlp.next(10, 1).unwrap()), [2], "one at least");
    let rest = otlp.next(10, 1 << 20).unwrap();
    assert_eq!((seqs(&rest), rest[1].payload[..].to_vec()), (vec![3, 4], vec![1; 10]));
    assert!(otlp.next(10, 1 << 20).unwrap().is_empty());
    otlp.done(0..5, Outcome::Delivered).unwrap();
    otlp.save().unwrap();
    assert_eq!(bench.segment_files().len(), 2, "the other exporter needs both");
    parquet.done(0..4, Outcome::DeadLettered).unwrap();
    parquet.save().unwrap();
    assert_eq!(bench.segment_files().len(), 1);
    let stats = spool.stats();
    assert_eq!((stats.segments, stats.head, stats.disk_fault), (1, 5, None));
    assert_eq!(stats.exporters["parquet"].dead_lettered, 4);
    check_account(&spool);
}

#[test]
fn numbers_never_come_back() {
    let bench = Bench::plain();
    let spool = bench.open(&["a"]);
    spool.append(&records(5, 1)).unwrap();
    let mut reader = spool.reader("a").unwrap();
    reader.next(9, 99).unwrap();
    reader.done(0..5, Outcome::Delivered).unwrap();
    reader.save().unwrap();
    assert!(bench.segment_files().is_empty());
    spool.set_exporters(&[]).unwrap();
    bench.disk.power_cut();
    let spool = bench.open(&[]);
    assert_eq!(spool.append(&records(1, 1)).unwrap(), 5..6);
    spool.set_exporters(&[]).unwrap();
    assert!(bench.segment_files().is_empty(), "nobody needs it");
    bench.disk.kill();
    assert_eq!(bench.open(&["b"]).append(&records(1, 1)).unwrap(), 6..7);
}

#[test]
fn new_exporters_start_at_the_tail_and_removed_ones_give_up_their_share() {
    let bench = Bench::plain();
    let spool = bench.open(&["old"]);
    spool.append(&records(4, 1)).unwrap();
    let mut old = spool.reader("old").unwrap();
    old.next(1, 9).unwrap();
    old.done(0..1, Outcome::Delivered).unwrap();
    spool.set_exporters(&["new"]).unwrap();
    assert!(spool.reader("new").unwrap().next(9, 99).unwrap().is_empty());
    assert_eq!(dropped(&spool, "old", DropReason::ExporterRemoved), 3);
    assert!(bench.segment_files().is_empty());
    assert!(matches!(old.save(), Err(SpoolError::UnknownExporter(_))));
    spool.set_exporters(&["new", "old"]).unwrap();
    assert!(old.next(9, 99).is_err(), "a reader from before the removal stays dead");
    assert_eq!(spool.stats().exporters["old"].accepted, 0);
    let again = spool.reader("old").unwrap();
    drop(old);
    assert!(matches!(spool.reader("old"), Err(SpoolError::Busy(_))));
    drop(again);
    spool.reader("old").unwrap();
    assert!(matches!(spool.reader("nobody"), Err(SpoolError::UnknownExporter(_))));
    assert!(matches!(spool.set_exporters(&[""]), Err(SpoolError::BadName(_))));
}

#[test]
fn a_plan_survives_and_is_cut_again() {
    let bench = Bench::plain();
    let spool = bench.open(&["parquet"]);
    spool.append(&records(10, 1)).unwrap();
    let mut reader = spool.reader("parquet").unwrap();
    let batch = reader.next(7, 99).unwrap();
    assert!(reader.plan(1..7).is_err(), "record 0 has no outcome yet");
    assert!(reader.plan(0..8).is_err(), "record 7 was not read");
    reader.plan(span(&batch)).unwrap();
    assert!(reader.plan(0..6).is_err(), "one plan at a time");
    assert_eq!(reader.next(2, 99).unwrap()[0].seq, 7, "reading ahead goes on");
    bench.disk.power_cut();

    bench.pass(Duration::from_secs(100 * 60 * 60));
    let spool = bench.open(&["parquet"]);
    let mut reader = spool.reader("parquet").unwrap();
    assert_eq!(reader.planned().unwrap(), Some(0..7));
    assert_eq!(seqs(&reader.next(4, 99).unwrap()), [0, 1, 2, 3], "a plan does not expire");
    assert_eq!(seqs(&reader.next(99, 99).unwrap()), [4, 5, 6], "nor is it overrun");
    reader.done(0..7, Outcome::Delivered).unwrap();
    assert_eq!(reader.planned().unwrap(), None);
    assert!(reader.next(99, 99).unwrap().is_empty());
    assert_eq!(dropped(&spool, "parquet", DropReason::Expired), 3);
}

#[test]
fn outcomes_out_of_order_wait_and_a_new_reader_gets_only_the_rest() {
    let bench = Bench::plain();
    let spool = bench.open(&["a"]);
    spool.append(&records(6, 1)).unwrap();
    let mut reader = spool.reader("a").unwrap();
    reader.next(6, 99).unwrap();
    assert!(reader.done(5..7, Outcome::Delivered).is_err());
    reader.done(2..4, Outcome::Delivered).unwrap();
    assert_eq!(spool.stats().exporters["a"].pending, 6);
    drop(reader);
    let mut reader = spool.reader("a").unwrap();
    assert_eq!(seqs(&reader.next(9, 99).unwrap()), [0, 1, 4, 5]);
    reader.done(0..6, Outcome::Dropped(DropReason::TooLarge)).unwrap();
    assert_eq!(spool.stats().exporters["a"].delivered, 2);
    assert_eq!(dropped(&spool, "a", DropReason::TooLarge), 4);
}

#[test]
fn old_records_expire_when_their_turn_comes() {
    let bench = Bench::plain();
    let spool = bench.open(&["a"]);
    spool.append(&records(3, 1)).unwrap();
    bench.pass(Duration::from_secs(24 * 60 * 60));
    spool.append(&records(1, 1)).unwrap();
    assert_eq!(spool.stats().oldest_age, Some(Duration::from_secs(24 * 60 * 60)));
    let mut reader = spool.reader("a").unwrap();
    let first = reader.next(1, 99).unwrap();
    assert_eq!(seqs(&first), [0], "just in time");
    bench.pass(Duration::from_millis(1));
    assert!(reader.is_expired(&first[0]));
    assert_eq!(seqs(&reader.next(9, 99).unwrap()), [3]);
    reader.done(0..1, Outcome::Dropped(DropReason::Expired)).unwrap();
    assert_eq!(dropped(&spool, "a", DropReason::Expired), 3);
}

fn small(full: FullPolicy) -> Bench {
    let config =
        SpoolConfig { bytes_max: 10 * KIB, ballast_bytes: 0, full, ..SpoolConfig::default() };
    Bench::new(config)
}

#[test]
fn a_full_spool_refuses_until_there_is_room() {
    let bench = small(FullPolicy::Block);
    let spool = bench.open(&["a"]);
    for _ in 0..9 {
        spool.append(&records(1, KIB)).unwrap();
    }
    assert!(matches!(spool.append(&records(1, KIB)), Err(SpoolError::Full)));
    assert!(spool.is_writable(), "full is not broken");
    let mut reader = spool.reader("a").unwrap();
    reader.next(1, 1).unwrap();
    reader.done(0..1, Outcome::Delivered).unwrap();
    reader.save().unwrap();
    assert_eq!(spool.append(&records(1, KIB)).unwrap(), 9..10);
    assert_eq!(dropped(&spool, "a", DropReason::SpoolFull), 0);
}

#[test]
fn the_oldest_make_room_and_each_exporter_counts_its_own_loss() {
    let bench = small(FullPolicy::DropOldest);
    let spool = bench.open(&["fast", "slow"]);
    let mut fast = spool.reader("fast").unwrap();
    let mut slow = spool.reader("slow").unwrap();
    spool.append(&records(2, KIB)).unwrap();
    assert_eq!(slow.next(1, 1).unwrap().len(), 1);
    for n in 1..20 {
        let batch = fast.next(9, 1 << 20).unwrap();
        fast.done(span(&batch), Outcome::Delivered).unwrap();
        assert_eq!(spool.append(&records(2, KIB)).unwrap(), n * 2..n * 2 + 2);
    }
    assert!(spool.stats().bytes <= 10 * KIB);
    let lost = dropped(&spool, "slow", DropReason::SpoolFull);
    assert_eq!(lost, 40 - 2 * spool.stats().segments);
    assert_eq!(dropped(&spool, "fast", DropReason::SpoolFull), 0);
    slow.done(0..1, Outcome::Delivered).unwrap();
    assert_eq!(spool.stats().exporters["slow"].delivered, 0, "it was counted as lost before");
    assert_eq!(slow.next(1, 1).unwrap()[0].seq, lost);
    drop((fast, slow));
    bench.disk.power_cut();
    let spool = bench.open(&["fast", "slow"]);
    assert_eq!(dropped(&spool, "slow", DropReason::SpoolFull), lost);
    assert_eq!(dropped(&spool, "slow", DropReason::Corrupt), 0);
}

#[test]
fn the_newest_are_dropped_and_counted() {
    let bench = small(FullPolicy::DropNewest);
    let spool = bench.open(&["a"]);
    for _ in 0..9 {
        spool.append(&records(1, KIB)).unwrap();
    }
    assert_eq!(spool.append(&records(3, KIB)).unwrap(), 9..9);
    assert_eq!(dropped(&spool, "a", DropReason::SpoolFull), 3);
    assert_eq!(spool.stats().exporters["a"].accepted, 12);
    let reader = spool.reader("a").unwrap();
    reader.save().unwrap();
    drop(reader);
    bench.disk.power_cut();
    assert_eq!(dropped(&bench.open(&["a"]), "a", DropReason::SpoolFull), 3);
}

#[test]
fn what_can_never_fit_is_refused_for_good() {
    let config = SpoolConfig {
        record_bytes_max: 100,
        segment_bytes_max: 500,
        segment_records_max: 5,
        ..SpoolConfig::default()
    };
    let spool = Bench::new(config).open(&["a"]);
    for (group, what) in [
        (records(1, 101), "record of 101 is over the limit of 100"),
        (records(6, 1), "number of records of 6 is over the limit of 5"),
        (records(5, 100), "group of records of 676 is over the limit of 500"),
    ] {
        assert_eq!(spool.append(&group).unwrap_err().to_string(), what);
    }
    assert_eq!(spool.stats().head, 0);
}

#[test]
fn threads_share_a_spool_on_the_real_disk() {
    const GROUPS: u64 = 40;
    let dir = tempfile::tempdir().unwrap();
    let config = SpoolConfig {
        free_floor: FreeFloor { percent: 0, bytes: 0 },
        ballast_bytes: 64 * KIB,
        ..SpoolConfig::default()
    };
    let open = || Spool::open(Arc::new(Disk), &dir.path().join("main"), config.clone()).unwrap();
    let spool = open();
    spool.set_exporters(&["a", "b"]).unwrap();
    let export = |name: &'static str| {
        let mut reader = spool.reader(name).unwrap();
        move || {
            let mut expected = 0;
            while expected < 2 * GROUPS {
                let batch = reader.next(7, KIB).unwrap();
                let records = span(&batch);
                if batch.is_empty() {
                    std::thread::yield_now();
                    continue;
                }
                assert_eq!(records.start, expected);
                expected = records.end;
                reader.plan(records.clone()).unwrap();
                reader.done(records, Outcome::Delivered).unwrap();
                reader.save().unwrap();
            }
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(export("a"));
        scope.spawn(export("b"));
        for _ in 0..GROUPS {
            spool.append(&records(2, 100)).unwrap();
        }
    });
    check_account(&spool);
    let stats = spool.stats();
    assert_eq!((stats.segments, stats.exporters["b"].delivered), (0, 2 * GROUPS));
    assert!(stats.ballast);
    drop(spool);
    let spool = open();
    assert_eq!((spool.stats().head, spool.stats().exporters), (2 * GROUPS, stats.exporters));
}
