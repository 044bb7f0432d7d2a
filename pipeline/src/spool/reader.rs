//! The reading side: one exporter takes records, plans what it will make durable, and accounts for
//! every record.

use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

use super::cursor::Cursor;
use super::error::is_media_error;
use super::segment::{Flaw, Frame, Segment};
use super::{DropReason, Exporter, Outcome, Record, Spool, SpoolError, State, lock};

const READ_ATTEMPTS: u32 = 3;

/// One exporter's way through the spool. Dropping it gives back what has no outcome: the next
/// reader gets it again.
pub struct Reader {
    spool: Arc<Spool>,
    exporter: String,
    id: u64,
    /// The segment under way, so that small batches do not read it again.
    loaded: Option<Arc<Segment>>,
}

/// Where the next records are.
struct Run {
    frame: Frame,
    records: Range<u64>,
    /// Records below never expire: they are part of a plan.
    planned_until: u64,
}

impl Reader {
    pub(super) fn new(spool: Arc<Spool>, exporter: String, id: u64) -> Self {
        Self { spool, exporter, id, loaded: None }
    }

    /// The next records in order, at most `records_max` with `bytes_max` bytes of payload in all,
    /// but always one if there is any; empty at the head. Lost and expired records are counted and
    /// left out. After a restart no batch goes over the end of the plan under way.
    pub fn next(&mut self, records_max: usize, bytes_max: u64) -> Result<Vec<Record>, SpoolError> {
        let mut batch = Vec::new();
        let mut room = bytes_max;
        while let Some(run) = self.locate()? {
            let Some(segment) = self.load(&run.frame)? else { continue };
            let Range { start, end } = run.records;
            let mut stop = end;
            for (seq, record) in (start..end).zip(segment.walk(start..end)) {
                let record = record.ok_or_else(|| self.out_of_order("read", seq..end))?;
                if self.is_expired(&record) && seq >= run.planned_until {
                    let expired = Outcome::Dropped(DropReason::Expired);
                    self.with_cursor(|cursor| cursor.settle(seq..seq + 1, expired))?;
                    continue;
                }
                // What records share is taken once.
                let shared = record.part > 0 && !batch.is_empty();
                let bytes = if shared { 0 } else { record.payload.len() as u64 };
                if batch.len() == records_max || (bytes > room && !batch.is_empty()) {
                    stop = seq;
                    break;
                }
                room = room.saturating_sub(bytes);
                batch.push(record);
            }
            self.with_cursor(|cursor| cursor.read = cursor.read.max(stop))?;
            if stop < end || stop == run.planned_until {
                break;
            }
        }
        Ok(batch)
    }

    /// The plan under way: what to make durable as one piece, under a name made from this range.
    /// After a restart read exactly up to its end first. Records of it may be missing only if the
    /// spool had to drop them; its name stays.
    pub fn planned(&self) -> Result<Option<Range<u64>>, SpoolError> {
        self.with_cursor(|cursor| cursor.progress.plan.clone())
    }

    /// Notes durably that the exporter is about to make `range` durable as one piece; everything
    /// before must have its outcome. The plan ends when all of the range has.
    pub fn plan(&self, range: Range<u64>) -> Result<(), SpoolError> {
        let planned = self.with_cursor(|cursor| {
            let Cursor { progress, read, .. } = cursor;
            let other = progress.plan.as_ref().is_some_and(|plan| *plan != range);
            let in_order = range.start <= progress.position && range.end <= *read;
            if other || !in_order || range.is_empty() {
                return Err(self.out_of_order("planned", range.clone()));
            }
            // All of it may have been dropped while it was read; then there is nothing to keep.
            let open = range.end > progress.position;
            let before = std::mem::replace(&mut progress.plan, open.then(|| range.clone()));
            Ok(open.then_some(before))
        })??;
        let Some(before) = planned else { return Ok(()) };
        self.spool.save(&self.exporter).inspect_err(|_| {
            // Of a new plan the exporter has begun nothing, so either state on disk is right; of
            // one that was there before it may have, so that one stays.
            let _ = self.with_cursor(|cursor| cursor.progress.plan = before);
        })
    }

    /// Notes what became of records that were read. Where some already have an outcome it stays.
    /// In memory only: after a crash, records since the last [`Self::save`] are read again.
    pub fn done(&self, range: Range<u64>, outcome: Outcome) -> Result<(), SpoolError> {
        self.with_cursor(|cursor| {
            if range.end > cursor.read {
                return Err(self.out_of_order("done", range.clone()));
            }
            cursor.settle(range, outcome);
            Ok(())
        })?
    }

    /// Makes all outcomes so far durable and lets the spool free its segments. To be called about
    /// once a second and at the end.
    pub fn save(&self) -> Result<(), SpoolError> {
        self.with_cursor(|_| ())?;
        self.spool.save(&self.exporter)
    }

    /// Whether a record is over the maximal age, so that trying on is useless.
    pub fn is_expired(&self, record: &Record) -> bool {
        let max_age_ms = u64::try_from(self.spool.max_age().as_millis()).unwrap_or(u64::MAX);
        let age_ms = self.spool.now_unix_ms().saturating_sub(record.appended_unix_ms);
        age_ms > max_age_ms
    }

    /// Keeps what the destination refused for good; see [`Spool::dead_letter`].
    pub fn dead_letter(&self, payload: &[u8], reason: &str) -> Result<(), SpoolError> {
        self.spool.dead_letter(&self.exporter, payload, reason)
    }

    fn out_of_order(&self, action: &'static str, range: Range<u64>) -> SpoolError {
        SpoolError::OutOfOrder { action, start: range.start, end: range.end }
    }

    /// This reader's cursor; an error if the exporter was removed.
    fn cursor<'a>(
        &self,
        exporters: &'a mut BTreeMap<String, Exporter>,
    ) -> Result<&'a mut Cursor, SpoolError> {
        let exporter = exporters.get_mut(&self.exporter);
        let cursor = exporter.map(|exporter| &mut exporter.cursor);
        let ours = cursor.filter(|cursor| cursor.reader == Some(self.id));
        ours.ok_or_else(|| SpoolError::UnknownExporter(self.exporter.clone()))
    }

    fn with_cursor<T>(&self, work: impl FnOnce(&mut Cursor) -> T) -> Result<T, SpoolError> {
        Ok(work(self.cursor(&mut lock(&self.spool.state).exporters)?))
    }

    /// Finds the next records that have no outcome; gaps on the way are counted as lost.
    fn locate(&self) -> Result<Option<Run>, SpoolError> {
        let State { exporters, segments, head, .. } = &mut *lock(&self.spool.state);
        let cursor = self.cursor(exporters)?;
        loop {
            if let Some(end) = cursor.settled_until(cursor.read) {
                cursor.read = end;
                continue;
            }
            let seq = cursor.read;
            let plan_end = cursor.progress.plan.as_ref().map_or(0, |plan| plan.end);
            let limit = if seq < plan_end { plan_end.min(*head) } else { *head };
            if seq >= limit {
                return Ok(None);
            }
            let at = segments.partition_point(|frame| frame.records.end <= seq);
            let next = segments.get(at);
            if let Some(frame) = next.filter(|frame| frame.records.start <= seq) {
                let settled = cursor.settled_after(seq).unwrap_or(u64::MAX);
                let end = frame.records.end.min(limit).min(settled);
                let (frame, records) = (frame.clone(), seq..end);
                return Ok(Some(Run { frame, records, planned_until: plan_end }));
            }
            let end = next.map_or(*head, |frame| frame.records.start);
            cursor.settle(seq..end, Outcome::Dropped(DropReason::Corrupt));
            cursor.read = cursor.read.max(end);
        }
    }

    /// The segment, checked; `None` if it has left the spool, or has to because it is damaged.
    fn load(&mut self, frame: &Frame) -> Result<Option<Arc<Segment>>, SpoolError> {
        if let Some(loaded) = self.loaded.as_ref().filter(|loaded| loaded.frame == *frame) {
            return Ok(Some(loaded.clone()));
        }
        self.loaded = None;
        let fresh = lock(&self.spool.state).fresh.clone();
        self.loaded = match fresh.filter(|fresh| fresh.frame == *frame) {
            Some(fresh) => Some(fresh),
            None => match self.spool.read_segment(frame)? {
                Ok(segment) => Some(Arc::new(segment)),
                Err(flaw) => {
                    self.spool.lose(frame, flaw)?;
                    None
                }
            },
        };
        Ok(self.loaded.clone())
    }
}

impl Spool {
    /// A segment from the disk, checked; or what is wrong with it.
    pub(super) fn read_segment(&self, frame: &Frame) -> Result<Result<Segment, Flaw>, SpoolError> {
        let path = self.segment_path(frame);
        let mut attempts = 0;
        let error = loop {
            attempts += 1;
            match self.disk.read(&path, frame.bytes) {
                Ok(bytes) => {
                    let segment = Segment::decode(Bytes::from(bytes));
                    return Ok(segment.and_then(|segment| {
                        if segment.frame == *frame { Ok(segment) } else { Err(Flaw::Misnamed) }
                    }));
                }
                Err(error) if is_media_error(&error) && attempts < READ_ATTEMPTS => {}
                Err(error) => break error,
            }
        };
        let lost = matches!(
            error.kind(),
            io::ErrorKind::NotFound | io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput
        );
        if lost || is_media_error(&error) {
            return Ok(Err(Flaw::Unreadable));
        }
        Err(super::error::io_error("read", &path)(error))
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let _ = self.with_cursor(|cursor| cursor.reader = None);
    }
}
