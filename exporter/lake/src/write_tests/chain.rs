//! Spool and lake on one disk that fails: random histories of what is accepted and what is pushed,
//! with the power cut or the process killed at any step, between the commit to the lake and the
//! cursor, too. In the end each profile that was acknowledged is in the lake once.
//!
//! What is tested is the protocol between the two, as `pipeline::engine` keeps it: the plan is
//! written down before the push, and after a restart the same range is pushed again.

use std::{
    collections::BTreeMap,
    ops::Range,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use pipeline::{
    codec::record,
    spool::{FreeFloor, Outcome, Reader, Record, Spool, SpoolConfig},
    testing::{Rng, SimDisk},
};

use super::*;
use crate::{
    WriteError,
    schema::{profiles, samples},
};

const SPOOL: &str = "/data/spool";
const LAKE: &str = "/data/lake";
const EXPORTER: &str = "parquet";

/// What runs between two crashes.
struct Run {
    spool: Arc<Spool>,
    /// `None` only while there is no room for two.
    reader: Option<Reader>,
    writer: Writer<SimDisk>,
}

/// A history in progress.
struct History {
    rng: Rng,
    disk: SimDisk,
    clock_ms: Arc<AtomicU64>,
    /// Whether a push is planned, as it must be: without plans, the checks have to fail.
    plans: bool,
    run: Option<Run>,
    /// Profiles made so far: number `n` has the value `n`.
    made: i64,
    /// By number, whether it was acknowledged.
    sent: BTreeMap<i64, bool>,
    /// A failed sync of a directory leaves names in the page cache that no kill may make durable.
    cache_lies: bool,
    /// Pushes that were in the lake when the process ended before the cursor was.
    cut_between: u64,
}

impl History {
    fn new(seed: u64, plans: bool) -> Self {
        let mut history = Self {
            rng: Rng::new(seed ^ 0xcafe),
            disk: SimDisk::new(seed),
            clock_ms: Arc::new(AtomicU64::new(7_200_000)),
            plans,
            run: None,
            made: 0,
            sent: BTreeMap::new(),
            cache_lies: false,
            cut_between: 0,
        };
        history.restart();
        history
    }

    fn open(&self) -> anyhow::Result<Run> {
        let clock = Arc::clone(&self.clock_ms);
        let config = SpoolConfig {
            free_floor: FreeFloor { percent: 0, bytes: 0 },
            ballast_bytes: 1_000,
            ..SpoolConfig::default()
        };
        let clock = Arc::new(move || clock.load(Ordering::SeqCst));
        let disk = Arc::new(self.disk.clone());
        let spool = Spool::open_at(disk, Path::new(SPOOL), config, clock)?;
        spool.set_exporters(&[EXPORTER])?;
        let id = WriterId::parse("01HZZZZZZZZZZZZZZZZZZZZZZZ").unwrap();
        let writer = Writer::open(self.disk.clone(), LAKE, id, Options::default())?;
        anyhow::ensure!(!self.disk.is_down(), "the power went while starting");
        let reader = spool.reader(EXPORTER)?;
        Ok(Run { spool, reader: Some(reader), writer })
    }

    /// Ends what runs, by a power cut or a kill, and starts again, at times with one on the way.
    fn restart(&mut self) {
        self.run = None;
        for attempt in 0.. {
            if self.disk.is_down() || self.cache_lies || self.rng.one_in(2) {
                self.disk.power_cut();
                self.cache_lies = false;
            } else {
                self.disk.kill();
            }
            if attempt == 0 && self.rng.one_in(3) {
                self.disk.crash_after(1 + self.rng.below(20));
            }
            match self.open() {
                Ok(run) => return self.run = Some(run),
                Err(error) => assert!(attempt < 2, "cannot start: {error:#}"),
            }
        }
    }

    fn step(&mut self) {
        match self.rng.below(14) {
            0..=3 => self.append(),
            4..=7 => self.push_or_start_again(),
            8..=9 => self.disk.crash_after(1 + self.rng.below(60)),
            10 => {
                self.disk.fail_dir_syncs(1);
                self.cache_lies = true;
            }
            11 => self.disk.fail_file_syncs(1 + self.rng.below(3) as u32),
            12 => self.run.as_ref().unwrap().spool.tend(),
            _ => self.restart(),
        }
        self.clock_ms.fetch_add(self.rng.below(2_000), Ordering::SeqCst);
        if self.disk.is_down() {
            self.restart();
        }
    }

    /// A batch of profiles comes in, of this hour and the one before.
    fn append(&mut self) {
        let numbers = self.made + 1..=self.made + 1 + self.rng.below(4) as i64;
        let mut payloads = Vec::new();
        for number in numbers.clone() {
            let time_ns = HOUR + self.rng.below(2 * HOUR as u64) as i64;
            let stack = [("main", "m.go", 1), ("work", "w.go", number)];
            let mut profile = cpu("a", time_ns, vec![sample(&stack, &[1, number])]).build();
            profile.meta.content_hash = number as u128;
            payloads.push(Bytes::from(record::encode(&profile)).into());
        }
        self.made = *numbers.end();
        let acknowledged = self.run.as_ref().unwrap().spool.append(&payloads).is_ok();
        self.sent.extend(numbers.map(|number| (number, acknowledged)));
    }

    /// Where the spool or the lake fails, the worker goes on with a new reader, which gives again
    /// what was not accounted for.
    fn push_or_start_again(&mut self) {
        if self.push().is_err() {
            let run = self.run.as_mut().unwrap();
            run.reader = None;
            run.reader = Some(run.spool.reader(EXPORTER).unwrap());
        }
    }

    /// One round of the exporter's worker: gather, plan, push, account. At times the cursor is
    /// saved soon, at times only by what comes next, as the worker does it once a second.
    fn push(&mut self) -> anyhow::Result<bool> {
        let most = 1 + self.rng.below(6) as usize;
        let run = self.run.as_mut().unwrap();
        let reader = run.reader.as_mut().unwrap();
        let planned = reader.planned()?;
        let records = match &planned {
            Some(_) => reader.next(usize::MAX, u64::MAX)?,
            None => reader.next(most, u64::MAX)?,
        };
        let [Record { seq: first, .. }, ..] = records[..] else { return Ok(false) };
        let range = planned.unwrap_or(first..first + records.len() as u64);
        if self.plans {
            reader.plan(range.clone())?;
        }
        write(&mut run.writer, &range, &records)?;
        if self.rng.one_in(4) {
            self.cut_between += 1;
            self.restart();
            return Ok(true);
        }
        reader.done(range, Outcome::Delivered)?;
        if self.rng.one_in(2) {
            reader.save()?;
        }
        Ok(true)
    }

    /// The last run, on a disk that is well: all that waits is pushed, and then the power goes.
    fn finish(&mut self) {
        self.disk.power_cut();
        self.cache_lies = false;
        self.run = Some(self.open().unwrap());
        while self.push().unwrap() {}
        self.disk.power_cut();
    }

    /// What is wrong with the lake.
    fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let mut rows = BTreeMap::<i64, usize>::new();
        for row in table(&self.disk, Path::new(LAKE), "samples") {
            *rows.entry(row[samples::VALUE].parse().unwrap()).or_default() += 1;
        }
        for (number, acknowledged) in &self.sent {
            let times = rows.remove(number).unwrap_or(0);
            if times > 1 || (*acknowledged && times == 0) {
                faults.push(format!("{number} ({acknowledged}) is there {times} times"));
            }
            if times > 0 {
                rows.insert(*number, 1);
            }
        }
        let mut seen = BTreeMap::<_, usize>::new();
        for row in table(&self.disk, Path::new(LAKE), "profiles") {
            let key = (row[profiles::PROFILE_ID].clone(), row[profiles::SAMPLE_TYPE].clone());
            *seen.entry(key).or_default() += 1;
        }
        faults.extend(seen.iter().filter(|(_, times)| **times > 1).map(|one| format!("{one:?}")));
        let ids: std::collections::BTreeSet<_> = seen.keys().map(|(id, _)| id).collect();
        if ids.len() != rows.len() {
            faults.push(format!("{} profiles, {} with samples", ids.len(), rows.len()));
        }
        let temps = files(&self.disk, Path::new(LAKE)).into_iter();
        faults.extend(
            temps
                .filter(|path| path.extension().is_none_or(|e| e != "parquet"))
                .map(|path| format!("{} was left", path.display())),
        );
        faults
    }
}

fn write(
    writer: &mut Writer<SimDisk>,
    range: &Range<u64>,
    records: &[Record],
) -> Result<(), WriteError> {
    let incoming = |record: &Record| Incoming {
        profile: Arc::new(record::decode(&record.payload, &Limits::default()).unwrap()),
        ingest_ns: record.appended_unix_ms as i64 * 1_000_000,
    };
    let profiles: Vec<_> = records.iter().map(incoming).collect();
    writer.write(range.start, range.end - 1, &profiles).map(drop)
}

/// Plays a history; what is wrong in the end, and how often the end came between push and cursor.
fn play(seed: u64, plans: bool) -> (Vec<String>, u64) {
    let mut history = History::new(seed, plans);
    for _ in 0..40 {
        history.step();
    }
    history.finish();
    (history.faults(), history.cut_between)
}

/// Histories to try; more by `LAKE_CRASH_SEEDS`, a fifth of it, because each takes as long as many.
fn seeds() -> u64 {
    std::env::var("LAKE_CRASH_SEEDS").map_or(80, |seeds| seeds.parse::<u64>().unwrap() / 5)
}

#[test]
fn a_push_that_lost_its_cursor_in_a_crash_is_there_once() {
    let mut cut_between = 0;
    for seed in 0..seeds() {
        let (faults, cut) = play(seed, true);
        assert!(faults.is_empty(), "seed {seed}: {faults:#?}");
        cut_between += cut;
    }
    assert!(cut_between > seeds(), "the cursor was lost after {cut_between} pushes only");
}

#[test]
fn without_plans_the_same_histories_show_profiles_twice() {
    let twice = (0..40).filter(|seed| {
        let (faults, _) = play(*seed, false);
        faults.iter().any(|fault| fault.contains(" is there 2 times"))
    });
    assert!(twice.count() > 5);
}
