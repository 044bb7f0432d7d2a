//! The writing side: one group of records becomes one segment, durable before `append` returns.

use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;

use super::segment::{self, Frame, Payload, Segment};
use super::{FullPolicy, Spool, SpoolError, lock, names};
use crate::storage;

/// Tries for one segment before the spool counts as not writable.
const ATTEMPTS: u32 = 3;
const RETRY_MS: u64 = 1_000;
/// Time between two lines of the log about records that are dropped.
const SAY_MS: u64 = 60_000;

/// What only the writing side needs.
#[derive(Default)]
pub(super) struct Writer {
    /// A name that an append may have left behind when it failed. It must be gone for certain
    /// before its numbers are given to other records.
    doubtful: Option<PathBuf>,
    /// Makes temp names differ, so that a failed file is never written again.
    temp: u64,
    retry_at_ms: u64,
    /// When it was last said that records are dropped.
    said_ms: u64,
}

impl Spool {
    /// Appends a group of records as one segment and gives their numbers. When this returns they
    /// survive a power cut. An error means that none was accepted, although after a crash they may
    /// still turn up, as with any answer that was lost.
    ///
    /// The range is empty if there are no records, or if the spool is full under `drop_newest`.
    pub fn append(&self, payloads: &[Payload]) -> Result<Range<u64>, SpoolError> {
        self.check_limits(payloads)?;
        let mut writer = lock(&self.writer);
        let head = lock(&self.state).head;
        if payloads.is_empty() {
            return Ok(head..head);
        }
        self.repair(&mut writer)?;
        let (frame, bytes) = segment::encode(head, self.now_unix_ms(), payloads);
        if self.make_room(&mut writer, frame.bytes)? && self.seal(&mut writer, &frame, &bytes)? {
            return Ok(self.publish(frame, bytes));
        }
        if self.within_budget(frame.bytes) {
            lock(&self.state).too_many_bytes = frame.bytes;
        }
        if self.full() != FullPolicy::DropNewest {
            return Err(SpoolError::Full);
        }
        // Nothing that counts as dropped may turn up after a crash.
        self.repair(&mut writer)?;
        for exporter in lock(&self.state).exporters.values_mut() {
            exporter.cursor.progress.drop_on_arrival(segment::records(payloads));
        }
        Ok(head..head)
    }

    /// Says now and then that records are dropped, where they are.
    fn say_full(&self, writer: &mut Writer) {
        let (full, now_ms) = (self.full(), self.now_unix_ms());
        if full == FullPolicy::Block || now_ms < writer.said_ms.saturating_add(SAY_MS) {
            return;
        }
        writer.said_ms = now_ms;
        let which = if full == FullPolicy::DropOldest { "oldest" } else { "newest" };
        let dir = self.dir.display();
        tracing::warn!(%dir, "the spool is full: the {which} profiles are dropped");
    }

    /// Looks after the disk: tries again where it failed, sets ballast aside again. To be called
    /// about once a second. Joins small segments where there are many.
    pub fn tend(&self) {
        let mut writer = lock(&self.writer);
        if !self.is_writable() && self.repair(&mut writer).is_ok() {
            match storage::put(&*self.disk, &self.dir, ".probe.tmp", "probe", b"probe") {
                Ok(()) => lock(&self.state).failure = None,
                Err(error) => drop(self.fail(&mut writer, &error)),
            }
            let _ = self.disk.remove(&self.dir.join("probe"));
        }
        let refused = lock(&self.state).too_many_bytes;
        if refused > 0 && self.has_room(refused) {
            lock(&self.state).too_many_bytes = 0;
        }
        if self.has_room(0) {
            lock(&self.ballast).restore(self.now_unix_ms());
        }
        if self.is_writable() && self.repair(&mut writer).is_ok() {
            self.join_small(&mut writer);
        }
    }

    fn check_limits(&self, payloads: &[Payload]) -> Result<(), SpoolError> {
        let config = &self.config;
        let record = payloads.iter().map(|payload| payload.len() as u64).max().unwrap_or(0);
        // Offsets and lengths inside a segment have 32 bits.
        let segment_bytes_max = config.segment_bytes_max.min(u32::MAX.into());
        for (what, value, limit) in [
            ("record", record, config.record_bytes_max),
            ("number of records", segment::records(payloads), config.segment_records_max as u64),
            ("group of records", segment::encoded_bytes(payloads), segment_bytes_max),
            ("group of records", segment::encoded_bytes(payloads), self.bytes_max()),
        ] {
            if value > limit {
                return Err(SpoolError::TooLarge { what, value, limit });
            }
        }
        Ok(())
    }

    /// Ends what a failed append may have left open; refuses while it is too early to try again.
    fn repair(&self, writer: &mut Writer) -> Result<(), SpoolError> {
        if let Some(failure) = lock(&self.state).failure.clone()
            && self.now_unix_ms() < writer.retry_at_ms
        {
            return Err(SpoolError::NotWritable(failure));
        }
        let Some(path) = writer.doubtful.clone() else { return Ok(()) };
        match self.retract(&path) {
            Ok(()) => writer.doubtful = None,
            Err(error) => return Err(self.fail(writer, &error)),
        }
        Ok(())
    }

    /// Takes a segment's name off the disk for certain. A try that fails to sync leaves open what
    /// is on disk, so the next one first takes its step back: then the sync has the same change to
    /// write again, and a crash at any point leaves the whole segment or nothing.
    fn retract(&self, path: &Path) -> io::Result<()> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let aside = self.dir.join(format!(".{name}.retracted.tmp"));
        for (from, to) in [(aside.as_path(), path), (path, aside.as_path())] {
            match self.disk.rename(from, to) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                other => other?,
            }
        }
        self.disk.sync_dir(&self.dir)?;
        // The next start clears temp names.
        let _ = self.disk.remove(&aside);
        Ok(())
    }

    fn fail(&self, writer: &mut Writer, error: &io::Error) -> SpoolError {
        writer.retry_at_ms = self.now_unix_ms() + RETRY_MS;
        let failure = error.to_string();
        lock(&self.state).failure = Some(failure.clone());
        SpoolError::NotWritable(failure)
    }

    fn within_budget(&self, bytes: u64) -> bool {
        lock(&self.state).bytes + bytes <= self.bytes_max()
    }

    /// Whether a segment of this size may be added within budget, floor and ballast.
    pub(super) fn has_room(&self, bytes: u64) -> bool {
        if !self.within_budget(bytes) {
            return false;
        }
        // A disk that does not say how full it is will say so when it is written to.
        let Ok(space) = self.disk.space(&self.dir) else { return true };
        let floor = self.config.free_floor.bytes_of(space.total_bytes);
        space.free_bytes >= bytes + floor + lock(&self.ballast).missing_bytes()
    }

    /// Makes room for a segment of this size as the policy allows; false if there is none.
    fn make_room(&self, writer: &mut Writer, bytes: u64) -> Result<bool, SpoolError> {
        while !self.has_room(bytes) {
            self.say_full(writer);
            if self.full() != FullPolicy::DropOldest || !self.drop_oldest(bytes)? {
                return Ok(false);
            }
        }
        // Without ballast the next full disk would stop the cursors; an empty spool may go ahead,
        // or a disk that is too small for ballast could never be used.
        let ballast = lock(&self.ballast).restore(self.now_unix_ms());
        Ok(ballast || lock(&self.state).segments.is_empty())
    }

    /// Writes the segment; false if the disk is full and nothing may be dropped.
    fn seal(&self, writer: &mut Writer, frame: &Frame, bytes: &[u8]) -> Result<bool, SpoolError> {
        let name = names::segment(&frame.records);
        let mut failures = 0;
        loop {
            match self.write_segment(writer, &name, bytes) {
                Ok(()) => {
                    lock(&self.state).failure = None;
                    return Ok(true);
                }
                Err(error) if storage::is_full(&error) => {
                    let released = lock(&self.ballast).release();
                    let may_drop = self.full() == FullPolicy::DropOldest;
                    let again = released || (may_drop && self.drop_oldest(frame.bytes)?);
                    if !again {
                        return Ok(false);
                    }
                }
                Err(error) => {
                    failures += 1;
                    tracing::warn!(%error, segment = name, failures, "cannot write a segment");
                    if failures == ATTEMPTS {
                        return Err(self.fail(writer, &error));
                    }
                }
            }
        }
    }

    /// Writes a segment under its name, for certain or not at all.
    pub(super) fn write_segment(
        &self,
        writer: &mut Writer,
        name: &str,
        bytes: &[u8],
    ) -> io::Result<()> {
        writer.temp += 1;
        let temp = self.dir.join(format!(".{name}.{}.tmp", writer.temp));
        storage::write_new(&*self.disk, &temp, bytes)?;
        let path = self.dir.join(name);
        // From here on the name may be on disk, whatever the answers are.
        writer.doubtful = Some(path.clone());
        self.disk.rename(&temp, &path)?;
        self.disk.sync_dir(&self.dir)?;
        writer.doubtful = None;
        Ok(())
    }

    /// Lets readers see a segment that is durable.
    fn publish(&self, frame: Frame, bytes: Bytes) -> Range<u64> {
        let records = frame.records.clone();
        let mut state = lock(&self.state);
        state.head = records.end;
        state.bytes += frame.bytes;
        state.segments.push_back(frame.clone());
        state.fresh = Some(Arc::new(Segment::sealed(frame, bytes)));
        state.too_many_bytes = 0;
        drop(state);
        self.head.send_replace(records.end);
        records
    }

    /// Keeps what a destination refused for good, for a person to look at. Durable when this
    /// returns; the oldest letters go when the exporter's ring is full.
    pub fn dead_letter(
        &self,
        exporter: &str,
        payload: &[u8],
        reason: &str,
    ) -> Result<(), SpoolError> {
        let name = names::escape(exporter)?;
        let dir = super::dead_dir(&self.dir).join(&name);
        let mut rings = lock(&self.dead);
        let ring = match rings.entry(name) {
            std::collections::btree_map::Entry::Occupied(entry) => entry.into_mut(),
            std::collections::btree_map::Entry::Vacant(entry) => {
                entry.insert(super::Ring::open(self.disk.clone(), &dir, &self.config)?)
            }
        };
        ring.put(&names::reason(reason), payload)
    }
}
