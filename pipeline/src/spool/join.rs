//! Small segments become larger ones where there are many: a file for each batch of the days that a
//! destination is away would make a directory of millions.

use super::segment::{self, Frame, Segment};
use super::{Spool, append::Writer, lock, names};

/// Bytes of segments that become one, at most.
const JOINED_BYTES: u64 = 4 << 20;
/// Files that are read for it at a time.
const RUN_MAX: usize = 1_024;
/// A run is worth it from this share of the segments on, so that no byte is written often.
const RUN_SHARE: usize = 40;

impl Spool {
    /// Joins one run of small neighbours, if there are too many segments. What fails is left as it
    /// is, for the next call.
    pub(super) fn join_small(&self, writer: &mut Writer) {
        let Some(run) = self.small_neighbours() else { return };
        let mut segments = Vec::with_capacity(run.len());
        for frame in &run {
            match self.read_segment(frame) {
                Ok(Ok(segment)) => segments.push(segment),
                // Without it the next run is another.
                Ok(Err(flaw)) => return drop(self.lose(frame, flaw)),
                Err(_) => return,
            }
        }
        let (frame, bytes) = segment::join(&segments);
        if !self.has_room(frame.bytes) {
            return;
        }
        if let Err(error) = self.write_segment(writer, &names::segment(&frame.records), &bytes) {
            tracing::warn!(%error, "cannot join small segments");
            return;
        }
        // A start that finds both takes the joined one.
        let gone = self.replace(&run, &frame);
        for frame in gone.unwrap_or_else(|| vec![frame]) {
            if let Err(error) = self.disk.remove(&self.segment_path(&frame)) {
                tracing::warn!(%error, "cannot remove a segment that was joined");
            }
        }
    }

    /// The first run that is worth it; without the newest segment, which readers have in memory.
    fn small_neighbours(&self) -> Option<Vec<Frame>> {
        let config = &self.config;
        let segments = &lock(&self.state).segments;
        if segments.len() <= config.segments_many {
            return None;
        }
        let least = (config.segments_many / RUN_SHARE).max(2);
        let bytes_max = JOINED_BYTES.min(config.segment_bytes_max);
        let (mut run, mut bytes) = (Vec::<Frame>::new(), 0);
        for frame in segments.range(..segments.len() - 1) {
            let fits = run.first().zip(run.last()).is_none_or(|(first, last)| {
                let records = frame.records.end - first.records.start;
                last.records.end == frame.records.start
                    && bytes + frame.bytes <= bytes_max
                    && records <= config.segment_records_max as u64
                    && run.len() < RUN_MAX
            });
            if !fits {
                if run.len() >= least {
                    break;
                }
                (run, bytes) = (Vec::new(), 0);
            }
            bytes += frame.bytes;
            run.push(frame.clone());
        }
        (run.len() >= least).then_some(run)
    }

    /// Lets readers see the joined segment in place of the run, and gives what it replaced. `None`
    /// where the run is not there any more: the oldest of it may have left meanwhile, no others.
    fn replace(&self, run: &[Frame], joined: &Frame) -> Option<Vec<Frame>> {
        let state = &mut *lock(&self.state);
        let (start, end) = (joined.records.start, joined.records.end);
        let from = state.segments.partition_point(|frame| frame.records.end <= start);
        let to = state.segments.partition_point(|frame| frame.records.end <= end);
        let left: Vec<Frame> = state.segments.range(from..to).cloned().collect();
        if left.is_empty() || !run.ends_with(&left) {
            return None;
        }
        drop(state.segments.drain(from..to));
        state.segments.insert(from, joined.clone());
        state.bytes += joined.bytes;
        state.bytes -= left.iter().map(|frame| frame.bytes).sum::<u64>();
        Some(left)
    }

    /// Whether all that a segment holds stands in a joined one as well.
    pub(super) fn is_joined_in(&self, part: &Frame, joined: &Segment) -> bool {
        let Ok(Ok(part)) = self.read_segment(part) else { return true };
        let records = part.frame.records.clone();
        part.walk(records.clone()).zip(joined.walk(records)).all(|(a, b)| a.is_some() && a == b)
    }
}
