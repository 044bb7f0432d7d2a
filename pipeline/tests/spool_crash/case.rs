//! One seeded case: random actions on a spool, with faults, checked against the model.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, ensure};
use bytes::Bytes;
use pipeline::spool::{Clock, FreeFloor, FullPolicy, Payload, Reader, Spool, SpoolConfig};
use pipeline::testing::{Lies, Rng, SimDisk};

use super::model::{ExporterModel, Model, outcome_of};

const DIR: &str = "/data/spool/main";
const EXPORTERS: [&str; 2] = ["parquet/x", "otlp"];
const ROOMY: u64 = 1 << 40;

/// A running spool with a reader for each exporter.
struct Run {
    spool: Arc<Spool>,
    readers: BTreeMap<&'static str, (Reader, Vec<Range<u64>>)>,
}

pub struct Case {
    rng: Rng,
    disk: SimDisk,
    now: Arc<AtomicU64>,
    config: SpoolConfig,
    model: Model,
    appended: u64,
    /// A failed sync of a directory may leave names in the page cache that will never be durable.
    /// What only such a name shows was never acknowledged, so no kill may make it look like data.
    cache_lies: bool,
    run: Option<Run>,
}

impl Case {
    pub fn start(seed: u64, full: FullPolicy, lies: Lies) -> anyhow::Result<Self> {
        let mut model = Model::default();
        for name in EXPORTERS {
            model.exporters.insert(name, ExporterModel::default());
        }
        let mut case = Self {
            rng: Rng::new(seed ^ 0x5eed),
            disk: SimDisk::new(seed),
            now: Arc::new(AtomicU64::new(1_000_000)),
            config: SpoolConfig {
                bytes_max: 12_000,
                free_floor: FreeFloor { percent: 0, bytes: 0 },
                ballast_bytes: 3_000,
                ring_bytes_max: 2_000,
                ring_files_max: 4,
                full,
                // Two that follow each other are joined.
                segments_many: 4,
                ..SpoolConfig::default()
            },
            model,
            appended: 0,
            cache_lies: false,
            run: None,
        };
        // The first start makes everything that later ones find; it is a case of its own below.
        case.restart()?;
        case.disk.lie(lies);
        Ok(case)
    }

    /// One action, then the checks that hold at every moment.
    pub fn step(&mut self) -> anyhow::Result<()> {
        let name = EXPORTERS[self.rng.below(2) as usize];
        match self.rng.below(32) {
            0..=9 => self.append()?,
            10..=14 => self.read(name)?,
            15..=17 => self.settle(name)?,
            18..=19 => self.plan(name)?,
            20..=21 => self.save(name),
            22..=23 => self.spool().tend(),
            24 => drop(self.now.fetch_add(1_000, Ordering::SeqCst)),
            25 => drop(self.spool().dead_letter(name, &[1; 700], "refused")),
            26..=27 => self.disk.crash_after(1 + self.rng.below(30)),
            28 => self.restart()?,
            29 => self.disk.fail_file_syncs(1 + self.rng.below(4) as u32),
            30 => {
                self.disk.fail_dir_syncs(1 + self.rng.below(4) as u32);
                self.cache_lies = true;
            }
            _ => self.squeeze(),
        }
        if self.disk.is_down() {
            return self.restart();
        }
        self.model
            .check_account(&self.run.as_ref().context("no spool runs")?.spool, self.config.full)
    }

    /// The last restart, on a healthy disk.
    pub fn finish(&mut self) -> anyhow::Result<()> {
        self.restart()
    }

    fn spool(&self) -> &Spool {
        &self.run.as_ref().expect("a spool runs between steps").spool
    }

    fn reader(&mut self, name: &str) -> &mut (Reader, Vec<Range<u64>>) {
        let run = self.run.as_mut().expect("a spool runs between steps");
        run.readers.get_mut(name).expect("every exporter has a reader")
    }

    fn position(&self, name: &str) -> u64 {
        let stats = self.spool().stats();
        stats.head - stats.exporters[name].pending
    }

    fn append(&mut self) -> anyhow::Result<()> {
        let mut payloads = Vec::new();
        for _ in 0..1 + self.rng.below(4) {
            self.appended += 1;
            let mut payload = self.appended.to_le_bytes().to_vec();
            payload.resize(8 + self.rng.below(900) as usize, self.appended as u8);
            let records = if self.rng.below(3) == 0 { 1 + self.rng.below(3) as u32 } else { 1 };
            let bytes = Bytes::from(payload.split_off(3));
            payloads.push(Payload { head: payload.into(), bytes, records });
        }
        let parts = |payload: &Payload| {
            let bytes = Bytes::from([&payload.head[..], &payload.bytes].concat());
            (0..payload.records).map(move |part| (bytes.clone(), part))
        };
        let records: Vec<_> = payloads.iter().flat_map(parts).collect();
        match self.spool().append(&payloads) {
            Ok(range) if range.is_empty() => {
                ensure!(self.config.full == FullPolicy::DropNewest, "records vanished");
                self.model.dropped_on_arrival += records.len() as u64;
            }
            Ok(range) => {
                ensure!(range.end - range.start == records.len() as u64, "{range:?}");
                for (seq, record) in range.zip(records) {
                    ensure!(self.model.known.insert(seq, record).is_none(), "{seq} given twice");
                }
            }
            Err(_) => self.model.unanswered.extend(records),
        }
        Ok(())
    }

    fn read(&mut self, name: &'static str) -> anyhow::Result<()> {
        let (records_max, bytes_max) = (1 + self.rng.below(5) as usize, self.rng.below(3_000));
        let (reader, in_flight) = self.reader(name);
        let Ok(batch) = reader.next(records_max, bytes_max) else { return Ok(()) };
        for record in &batch {
            match in_flight.last_mut() {
                Some(last) if last.end == record.seq => last.end += 1,
                Some(last) if last.end > record.seq => anyhow::bail!("{} read twice", record.seq),
                _ => in_flight.push(record.seq..record.seq + 1),
            }
        }
        self.model.see(&batch)
    }

    /// Settles one of the batches in flight, not always the first.
    fn settle(&mut self, name: &'static str) -> anyhow::Result<()> {
        let pick = self.rng.below(3) as usize;
        let (reader, in_flight) = self.reader(name);
        if in_flight.is_empty() {
            return Ok(());
        }
        for seq in in_flight.remove(pick % in_flight.len()) {
            reader.done(seq..seq + 1, outcome_of(seq))?;
        }
        Ok(())
    }

    fn plan(&mut self, name: &'static str) -> anyhow::Result<()> {
        let position = self.position(name);
        let (reader, in_flight) = self.reader(name);
        let range = in_flight.first().filter(|range| range.start <= position).cloned();
        let Some(range) = range.filter(|_| reader.planned().ok().flatten().is_none()) else {
            return Ok(());
        };
        let result = reader.plan(range.clone());
        let exporter = self.model.exporters.entry(name).or_default();
        if range.end <= position {
            // All of it was dropped while it was in flight: nothing to plan.
        } else if result.is_ok() {
            exporter.saved_position = exporter.saved_position.max(position);
            exporter.plan = Some(range);
            exporter.maybe_plans.clear();
        } else {
            exporter.maybe_plans.push(range);
        }
        Ok(())
    }

    fn save(&mut self, name: &'static str) {
        let position = self.position(name);
        if self.reader(name).0.save().is_ok() {
            let exporter = self.model.exporters.entry(name).or_default();
            exporter.saved_position = exporter.saved_position.max(position);
            exporter.maybe_plans.clear();
        }
    }

    /// The disk fills up, openly or behind a quota, or has room again.
    fn squeeze(&mut self) {
        let room = self.disk.used_bytes() + self.rng.below(3_000);
        let (capacity, quota) = match self.rng.below(3) {
            0 => (room, ROOMY),
            1 => (ROOMY, room),
            _ => (ROOMY, ROOMY),
        };
        self.disk.set_capacity_bytes(capacity);
        self.disk.set_quota_bytes(quota);
    }

    /// Ends the run by power cut or kill and starts again, at times with a crash on the way.
    fn restart(&mut self) -> anyhow::Result<()> {
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
            } else if attempt > 0 {
                self.disk.set_capacity_bytes(ROOMY);
                self.disk.set_quota_bytes(ROOMY);
            }
            match self.open() {
                Ok(run) => {
                    self.run = Some(run);
                    break;
                }
                Err(error) if attempt > 1 => return Err(error.context("cannot start")),
                Err(_) => {}
            }
        }
        self.check_start()
    }

    fn open(&self) -> anyhow::Result<Run> {
        let now = self.now.clone();
        let clock: Clock = Arc::new(move || now.load(Ordering::SeqCst));
        let disk = Arc::new(self.disk.clone());
        let spool = Spool::open_at(disk, Path::new(DIR), self.config.clone(), clock)?;
        spool.set_exporters(&EXPORTERS)?;
        ensure!(!self.disk.is_down(), "the power went while starting");
        Ok(Run { spool, readers: BTreeMap::new() })
    }

    /// Every exporter can read everything from its position to the head.
    fn check_start(&mut self) -> anyhow::Result<()> {
        let run = self.run.as_mut().context("no spool runs")?;
        ensure!(run.spool.rejected().is_empty(), "{:?}", run.spool.rejected());
        for name in EXPORTERS {
            let mut reader = run.spool.reader(name)?;
            let plan = reader.planned()?;
            let mut records = Vec::new();
            loop {
                let batch = reader.next(7, u64::MAX)?;
                let Some(last) = batch.last() else { break };
                let overrun = plan
                    .as_ref()
                    .is_some_and(|plan| batch[0].seq < plan.end && last.seq >= plan.end);
                ensure!(!overrun, "{name} reads past its plan {plan:?}");
                records.extend(batch);
            }
            self.model.check_start(name, &run.spool, plan, &records)?;
            drop(reader);
            run.readers.insert(name, (run.spool.reader(name)?, Vec::new()));
        }
        self.model.check_account(&run.spool, self.config.full)
    }
}
