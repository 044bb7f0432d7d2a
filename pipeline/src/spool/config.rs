//! Limits and policies of one spool, with the defaults that its users see.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

const MIB: u64 = 1 << 20;

/// What a spool may take and what it does when it is full.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpoolConfig {
    /// Most bytes in segments.
    pub bytes_max: u64,
    /// What the disk must keep free; below it the spool is full.
    pub free_floor: FreeFloor,
    /// Bytes set aside for the moment when the disk is full; 0 for none.
    pub ballast_bytes: u64,
    /// Most bytes in one record.
    pub record_bytes_max: u64,
    /// Most bytes in one segment file; also what a reader holds in memory at a time.
    pub segment_bytes_max: u64,
    /// Most records in one segment.
    pub segment_records_max: usize,
    /// Number of segments above which small ones are joined.
    pub segments_many: usize,
    /// A record older than this is dropped as `expired` when a reader comes to it.
    pub max_age: Duration,
    /// What happens to records when the spool is full.
    pub full: FullPolicy,
    /// Most bytes of dead letters for each exporter, and of files set aside as corrupt.
    pub ring_bytes_max: u64,
    /// Most files of dead letters for each exporter, and of files set aside as corrupt.
    pub ring_files_max: usize,
}

impl Default for SpoolConfig {
    fn default() -> Self {
        Self {
            bytes_max: 1024 * MIB,
            free_floor: FreeFloor::default(),
            ballast_bytes: 16 * MIB,
            record_bytes_max: 16 * MIB,
            segment_bytes_max: 32 * MIB,
            segment_records_max: 16_384,
            segments_many: 10_000,
            max_age: Duration::from_secs(24 * 60 * 60),
            full: FullPolicy::Block,
            ring_bytes_max: 64 * MIB,
            ring_files_max: 1_000,
        }
    }
}

/// What the disk must keep free: the larger of a share and a size, but never more than a quarter
/// of the disk, so that a small volume can be used at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FreeFloor {
    /// Share of the file system, in percent.
    pub percent: u8,
    /// Size in bytes.
    pub bytes: u64,
}

impl Default for FreeFloor {
    fn default() -> Self {
        Self { percent: 5, bytes: 512 * MIB }
    }
}

impl FreeFloor {
    /// The floor in bytes on a file system of `total_bytes`.
    pub fn bytes_of(self, total_bytes: u64) -> u64 {
        let share = total_bytes / 100 * u64::from(self.percent);
        share.max(self.bytes).min(total_bytes / 4)
    }
}

/// What happens to records when the spool is full.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum FullPolicy {
    /// New records are refused, so that their sender tries again.
    Block,
    /// The oldest segments make room; exporters that had not passed them count the loss.
    DropOldest,
    /// New records are taken and dropped at once; every exporter counts the loss.
    DropNewest,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_floor_is_the_larger_but_at_most_a_quarter() {
        let floor = FreeFloor::default();
        for (total, expected) in
            [(100_000 * MIB, 5_000 * MIB), (4_000 * MIB, 512 * MIB), (48 * MIB, 12 * MIB), (0, 0)]
        {
            assert_eq!(floor.bytes_of(total), expected, "disk of {total} bytes");
        }
    }
}
