//! What leaves the spool: segments that every exporter has passed, the oldest ones when room is
//! needed, damaged ones.

use std::path::Path;

use super::segment::{Flaw, Frame};
use super::{DropReason, Outcome, Spool, SpoolError, lock};

impl Spool {
    /// Makes an exporter's progress durable, then frees what nobody needs any more.
    pub(super) fn save(&self, exporter: &str) -> Result<(), SpoolError> {
        self.save_cursor(exporter)?;
        self.collect()
    }

    fn save_cursor(&self, exporter: &str) -> Result<(), SpoolError> {
        let unknown = || SpoolError::UnknownExporter(exporter.into());
        let file = lock(&self.state).exporters.get(exporter).ok_or_else(unknown)?.file.clone();
        let mut file = lock(&file);
        let progress = {
            let state = lock(&self.state);
            state.exporters.get(exporter).ok_or_else(unknown)?.cursor.progress.clone()
        };
        self.with_ballast(|| file.save(&progress.encode()))?;
        if let Some(exporter) = lock(&self.state).exporters.get_mut(exporter) {
            exporter.cursor.durable_position = progress.position;
        }
        Ok(())
    }

    /// Unlinks the segments that all exporters have durably passed.
    pub(super) fn collect(&self) -> Result<(), SpoolError> {
        let (passed, head) = {
            let state = lock(&self.state);
            let positions = state.exporters.values().map(|one| one.cursor.durable_position);
            let passed = positions.min().unwrap_or(state.head);
            if state.segments.front().is_none_or(|frame| frame.records.end > passed) {
                return Ok(());
            }
            (passed, state.head)
        };
        self.keep_numbers(head)?;
        let mut gone = Vec::new();
        {
            let mut state = lock(&self.state);
            while let Some(frame) = state.segments.pop_front_if(|f| f.records.end <= passed) {
                state.bytes -= frame.bytes;
                gone.push(frame);
            }
            state.fresh.take_if(|fresh| fresh.frame.records.end <= passed);
        }
        for frame in gone {
            let path = self.segment_path(&frame);
            if let Err(error) = self.disk.remove(&path) {
                // The next start finds it again, below all cursors.
                tracing::warn!(%error, file = %path.display(), "cannot remove a segment");
            }
        }
        Ok(())
    }

    /// Gives up the oldest segments, `bytes` bytes of them or a little more; false if there are
    /// none. Exporters that had not passed them count the loss before it happens.
    pub(super) fn drop_oldest(&self, bytes: u64) -> Result<bool, SpoolError> {
        let mut lagging = Vec::new();
        {
            let state = &mut *lock(&self.state);
            let mut sum = 0;
            let enough = |frame: &&Frame| {
                let more = sum < bytes;
                sum += frame.bytes;
                more
            };
            let Some(last) = state.segments.iter().take_while(enough).last() else {
                return Ok(false);
            };
            for (name, exporter) in &mut state.exporters {
                let cursor = &mut exporter.cursor;
                let lost = cursor.progress.position..last.records.end;
                cursor.settle(lost, Outcome::Dropped(DropReason::SpoolFull));
                if cursor.durable_position < last.records.end {
                    lagging.push(name.clone());
                }
            }
        }
        for exporter in lagging {
            self.save_cursor(&exporter)?;
        }
        self.collect()?;
        Ok(true)
    }

    /// Takes a damaged segment out of the spool. Its numbers become a gap, which each exporter
    /// counts as `dropped{corrupt}` when it comes there.
    pub(super) fn lose(&self, frame: &Frame, flaw: Flaw) -> Result<(), SpoolError> {
        let head = lock(&self.state).head;
        self.keep_numbers(head)?;
        let mut state = lock(&self.state);
        // It may have become a part of another meanwhile.
        let at = state.segments.binary_search_by_key(&frame.records.start, |f| f.records.start);
        let Some(at) = at.ok().filter(|at| state.segments[*at] == *frame) else { return Ok(()) };
        state.segments.remove(at);
        state.bytes -= frame.bytes;
        drop(state);
        self.set_aside(&self.segment_path(frame), flaw, frame.bytes);
        Ok(())
    }

    /// Moves a file to `corrupt/`, where its name tells its flaw. Failing to is only logged: the
    /// next start will find the file again.
    pub(super) fn set_aside(&self, path: &Path, flaw: Flaw, bytes: u64) {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        tracing::warn!(file = %path.display(), %flaw, "a file of the spool is damaged");
        let moved = lock(&self.corrupt).adopt(path, format!("{name}.{flaw}"), bytes);
        let moved = moved.and_then(|()| self.disk.sync_dir(path.parent().unwrap_or(path)));
        if let Err(error) = moved {
            tracing::warn!(%error, file = %path.display(), "a damaged file stays where it is");
        }
        lock(&self.state).reject(name.into(), flaw.to_string());
    }
}
