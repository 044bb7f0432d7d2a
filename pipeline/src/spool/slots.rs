//! A small file that is overwritten in place and never torn: two slots, written in turn.
//!
//! The file is created whole, so saving needs no new space and works on a full disk. A power cut
//! while one slot is written leaves the other, which has the state saved before.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::SpoolError;
use super::error::io_error;
use super::wire::Fields;
use crate::storage::{self, Storage, StorageFile};

pub(super) const SLOT_BYTES: usize = 4096;
const FILE_BYTES: usize = 2 * SLOT_BYTES;
const VERSION: u32 = 1;
const CRC_AT: usize = SLOT_BYTES - 4;
const ATTEMPTS: u32 = 3;

/// The file and the generation that was saved last.
pub(super) struct SlotFile {
    disk: Arc<dyn Storage>,
    path: PathBuf,
    magic: &'static [u8; 8],
    generation: u64,
    handle: Option<Box<dyn StorageFile>>,
}

impl SlotFile {
    /// Creates the file with `body` as its state, durable when this returns.
    pub(super) fn create(
        disk: Arc<dyn Storage>,
        path: &Path,
        magic: &'static [u8; 8],
        body: &[u8],
    ) -> Result<Self, SpoolError> {
        let generation = 1;
        let mut bytes = vec![0; FILE_BYTES];
        let slot = encode(magic, generation, body);
        bytes[slot_at(generation)..][..SLOT_BYTES].copy_from_slice(&slot);
        let dir = path.parent().unwrap_or(path);
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        storage::put(&*disk, dir, &format!(".{name}.tmp"), name, &bytes)
            .map_err(io_error("create", path))?;
        Ok(Self { disk, path: path.into(), magic, generation, handle: None })
    }

    /// Opens the file and gives the newest state that is whole; `None` where neither slot is.
    pub(super) fn open(
        disk: Arc<dyn Storage>,
        path: &Path,
        magic: &'static [u8; 8],
    ) -> Result<Option<(Self, Vec<u8>)>, SpoolError> {
        let bytes = disk.read_at(path, 0, FILE_BYTES).map_err(io_error("read", path))?;
        let mut newest: Option<(u64, Vec<u8>)> = None;
        for (at, slot) in bytes.chunks_exact(SLOT_BYTES).enumerate() {
            let Some((version, generation, body)) = decode(magic, slot) else { continue };
            if slot_at(generation) != at * SLOT_BYTES {
                continue; // It was not written here, and what is saved next would overwrite it.
            }
            if version > VERSION {
                let file = path.into();
                return Err(SpoolError::NewerVersion { file, version, known: VERSION });
            }
            if newest.as_ref().is_none_or(|(newest, _)| is_newer(generation, *newest)) {
                newest = Some((generation, body.to_vec()));
            }
        }
        let Some((generation, body)) = newest else { return Ok(None) };
        let mut file = Self { disk, path: path.into(), magic, generation, handle: None };
        // After a failed sync and a kill this state may be in the page cache only. Nobody may act
        // on what a power cut can take back, so it is written again, to the same slot: the other
        // one may be all that is on disk. On a full disk nothing was written lately.
        match file.write_slot(generation, &body) {
            Err(error) if !error.is_disk_full() => Err(error),
            _ => Ok(Some((file, body))),
        }
    }

    /// Makes `body` the durable state. After an error either state may come back.
    pub(super) fn save(&mut self, body: &[u8]) -> Result<(), SpoolError> {
        let generation = self.generation.wrapping_add(1);
        self.write_slot(generation, body)?;
        self.generation = generation;
        Ok(())
    }

    fn write_slot(&mut self, generation: u64, body: &[u8]) -> Result<(), SpoolError> {
        let slot = encode(self.magic, generation, body);
        let mut attempts = 0;
        while let Err(error) = self.write(slot_at(generation) as u64, &slot) {
            attempts += 1;
            if attempts == ATTEMPTS || storage::is_full(&error) {
                return Err(io_error("save", &self.path)(error));
            }
        }
        Ok(())
    }

    /// Keeps the handle only if all went well: after a failed fsync nothing but new bytes through
    /// a new handle can be trusted.
    fn write(&mut self, offset: u64, slot: &[u8]) -> std::io::Result<()> {
        let mut handle = match self.handle.take() {
            Some(handle) => handle,
            None => self.disk.open(&self.path)?,
        };
        handle.write_at(offset, slot)?;
        handle.sync()?;
        self.handle = Some(handle);
        Ok(())
    }
}

/// Generations go around, so that after each there is a next, whatever a damaged file says.
fn is_newer(generation: u64, other: u64) -> bool {
    generation.wrapping_sub(other).cast_signed() > 0
}

fn slot_at(generation: u64) -> usize {
    (generation % 2) as usize * SLOT_BYTES
}

fn encode(magic: &[u8; 8], generation: u64, body: &[u8]) -> Vec<u8> {
    let mut slot = Vec::with_capacity(SLOT_BYTES);
    slot.extend_from_slice(magic);
    slot.extend_from_slice(&VERSION.to_le_bytes());
    slot.extend_from_slice(&generation.to_le_bytes());
    slot.extend_from_slice(&(body.len() as u32).to_le_bytes());
    slot.extend_from_slice(body);
    assert!(slot.len() <= CRC_AT, "a slot's body has a small, fixed size");
    slot.resize(CRC_AT, 0);
    slot.extend_from_slice(&crc32c::crc32c(&slot).to_le_bytes());
    slot
}

/// Version, generation and body of a slot, if it is whole.
fn decode<'a>(magic: &[u8; 8], slot: &'a [u8]) -> Option<(u32, u64, &'a [u8])> {
    let (content, crc) = slot.split_at_checked(CRC_AT)?;
    if Fields(crc).u32()? != crc32c::crc32c(content) {
        return None;
    }
    let mut fields = Fields(content);
    if fields.take(magic.len())? != magic {
        return None;
    }
    let (version, generation, len) = (fields.u32()?, fields.u64()?, fields.u32()?);
    Some((version, generation, fields.take(len as usize)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::SimDisk;

    const MAGIC: &[u8; 8] = b"pp-tests";

    fn saved(disk: &SimDisk) -> (SlotFile, PathBuf) {
        let path = PathBuf::from("/x");
        let mut file = SlotFile::create(Arc::new(disk.clone()), &path, MAGIC, b"one").unwrap();
        file.save(b"two").unwrap();
        file.save(b"three").unwrap();
        (file, path)
    }

    fn state(disk: &SimDisk) -> Option<Vec<u8>> {
        let opened = SlotFile::open(Arc::new(disk.clone()), Path::new("/x"), MAGIC).unwrap();
        opened.map(|(_, body)| body)
    }

    #[test]
    fn every_flipped_bit_and_cut_leaves_a_saved_state() {
        let disk = SimDisk::new(1);
        let (_, path) = saved(&disk);
        let good = disk.read(&path, FILE_BYTES as u64).unwrap();
        let (mut last, mut before) = (0, 0);
        for byte in 0..FILE_BYTES {
            disk.rot(&path, |bytes| bytes[byte] ^= 1 << (byte % 8));
            match state(&disk).unwrap().as_slice() {
                b"three" => last += 1,
                b"two" => before += 1,
                other => panic!("{other:?}"),
            }
            disk.rot(&path, |bytes| bytes.clone_from(&good));
        }
        assert_eq!((last, before), (SLOT_BYTES, SLOT_BYTES));
        for len in 0..FILE_BYTES {
            disk.rot(&path, |bytes| bytes.truncate(len));
            let found = state(&disk);
            let whole = len >= SLOT_BYTES;
            assert_eq!(found.is_some(), whole, "cut at {len}");
            disk.rot(&path, |bytes| bytes.clone_from(&good));
        }
    }

    #[test]
    fn after_every_generation_there_is_a_next() {
        for made_up in [u64::MAX, u64::MAX - 1, 1 << 62, 1 << 63, (1 << 63) + 3] {
            let disk = SimDisk::new(1);
            let (_, path) = saved(&disk);
            let slot = encode(MAGIC, made_up, b"made up");
            let at = slot_at(made_up);
            disk.rot(&path, |bytes| bytes[at..][..SLOT_BYTES].copy_from_slice(&slot));
            for body in [b"four", b"five", b"five"] {
                let opened = SlotFile::open(Arc::new(disk.clone()), &path, MAGIC).unwrap();
                opened.expect("a slot is whole").0.save(body).unwrap();
                assert_eq!(state(&disk).unwrap(), body, "{made_up}");
            }
        }
    }

    #[test]
    fn a_slot_in_the_place_of_the_other_is_damage() {
        let disk = SimDisk::new(1);
        let (_, path) = saved(&disk);
        let slot = encode(MAGIC, 8, b"made up");
        disk.rot(&path, |bytes| bytes[slot_at(9)..][..SLOT_BYTES].copy_from_slice(&slot));
        assert_eq!(state(&disk).unwrap(), b"two");
    }

    #[test]
    fn a_power_cut_leaves_the_old_or_the_new_state() {
        for seed in 0..200 {
            let disk = SimDisk::new(seed);
            let (mut file, _) = saved(&disk);
            disk.crash_after(1 + seed % 3);
            let result = file.save(b"four");
            disk.power_cut();
            let found = state(&disk).unwrap();
            assert!(found == b"four" || (found == b"three" && result.is_err()), "seed {seed}");
        }
    }

    #[test]
    fn failed_syncs_are_repeated_with_a_new_handle() {
        let disk = SimDisk::new(3);
        let (mut file, _) = saved(&disk);
        disk.fail_file_syncs(2);
        file.save(b"four").unwrap();
        disk.power_cut();
        assert_eq!(state(&disk).unwrap(), b"four");
        let (mut file, _) =
            SlotFile::open(Arc::new(disk.clone()), Path::new("/x"), MAGIC).unwrap().unwrap();
        disk.fail_file_syncs(3);
        assert!(file.save(b"five").is_err());
        file.save(b"six").unwrap();
        disk.power_cut();
        assert_eq!(state(&disk).unwrap(), b"six");
    }

    #[test]
    fn what_an_open_has_shown_is_not_taken_back() {
        for seed in 0..50 {
            let disk = SimDisk::new(seed);
            let (mut file, _) = saved(&disk);
            disk.fail_file_syncs(3);
            assert!(file.save(b"four").is_err());
            disk.kill();
            let seen = state(&disk).unwrap();
            disk.power_cut();
            assert_eq!(state(&disk).unwrap(), seen, "seed {seed}");
        }
    }

    #[test]
    fn saving_works_on_a_full_disk() {
        let disk = SimDisk::new(1);
        let (mut file, _) = saved(&disk);
        disk.set_capacity_bytes(0);
        file.save(b"four").unwrap();
        assert_eq!(state(&disk).unwrap(), b"four");
    }

    #[test]
    fn a_newer_version_is_refused_by_name() {
        let disk = SimDisk::new(1);
        let (_, path) = saved(&disk);
        disk.rot(&path, |bytes| {
            bytes[8] = 2;
            let crc = crc32c::crc32c(&bytes[..CRC_AT]);
            bytes[CRC_AT..SLOT_BYTES].copy_from_slice(&crc.to_le_bytes());
        });
        let opened = SlotFile::open(Arc::new(disk), &path, MAGIC).map(|_| ());
        let message = opened.unwrap_err().to_string();
        assert_eq!(message, "/x has format version 2, newer than 1");
    }
}
