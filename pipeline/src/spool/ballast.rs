//! Room set aside for the moment when the disk is full: giving it back lets the segment under way
//! and the cursors be finished. It is made again when there is room.

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use crate::storage::Storage;

const CHUNK_BYTES: u64 = 64 * 1024;
/// Writing it is not cheap, so a full disk is not tried more often.
const RETRY_MS: u64 = 1_000;

pub(super) struct Ballast {
    disk: Arc<dyn Storage>,
    path: PathBuf,
    bytes: u64,
    present: bool,
    retry_at_ms: u64,
}

impl Ballast {
    /// Takes over a file of the right size that an earlier run has left; any other is removed.
    pub(super) fn open(disk: Arc<dyn Storage>, path: PathBuf, bytes: u64, found: u64) -> Self {
        let present = bytes > 0 && found == bytes;
        if !present {
            // Most often there is none.
            let _ = disk.remove(&path);
        }
        Self { disk, path, bytes, present, retry_at_ms: 0 }
    }

    /// Gives the room back; false if it was given back before.
    pub(super) fn release(&mut self) -> bool {
        let released = self.present && self.disk.remove(&self.path).is_ok();
        self.present &= !released;
        released
    }

    pub(super) fn is_present(&self) -> bool {
        self.present
    }

    /// Bytes that have to be set aside again.
    pub(super) fn missing_bytes(&self) -> u64 {
        if self.present { 0 } else { self.bytes }
    }

    /// Sets the room aside again; true if it is there now.
    pub(super) fn restore(&mut self, now_ms: u64) -> bool {
        if self.missing_bytes() == 0 {
            return true;
        }
        if now_ms < self.retry_at_ms {
            return false;
        }
        self.retry_at_ms = now_ms + RETRY_MS;
        self.present = self.fill().is_ok();
        if !self.present {
            let _ = self.disk.remove(&self.path);
        }
        self.present
    }

    fn fill(&self) -> std::io::Result<()> {
        // Written rather than only reserved: then every file system has really given the blocks.
        let zeroes = vec![0; CHUNK_BYTES.min(self.bytes) as usize];
        let mut file = self.disk.create_new(&self.path)?;
        let mut left = self.bytes;
        while left > 0 {
            let chunk = &zeroes[..left.min(CHUNK_BYTES) as usize];
            file.write_all(chunk)?;
            left -= chunk.len() as u64;
        }
        file.sync()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::SimDisk;

    #[test]
    fn ballast_gives_its_room_back_and_returns() {
        let disk = SimDisk::new(1);
        let open = |found| Ballast::open(Arc::new(disk.clone()), "/b".into(), 100_000, found);
        let mut ballast = open(0);
        assert!(ballast.restore(0) && ballast.is_present());
        assert_eq!(disk.used_bytes(), 100_000);
        assert!(open(100_000).is_present());
        assert!(ballast.release() && !ballast.release());
        assert_eq!((disk.used_bytes(), ballast.missing_bytes()), (0, 100_000));
        disk.set_capacity_bytes(99_999);
        assert!(!ballast.restore(5_000));
        assert_eq!(disk.used_bytes(), 0, "a failed try leaves nothing behind");
        disk.set_capacity_bytes(100_000);
        assert!(!ballast.restore(5_999), "too early");
        assert!(ballast.restore(6_000));
        assert!(!open(7).is_present());
        assert_eq!(disk.used_bytes(), 0, "a file of another size is not kept");
    }
}
