//! The seal of a file: a hash of all its bytes in its own footer, so that damage shows wherever it
//! is. Parquet's own checksums are of pages only, and damage within a page need not be noticed by
//! who inflates it.
//!
//! The value has a fixed length and counts as zeros for the hash, so that it can be put in when
//! everything else is there. Other engines see one more pair of metadata.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    ops::Range,
};

use memchr::memmem;
use xxhash_rust::xxh3::{Xxh3, xxh3_128};

use crate::schema::key;

/// The value before the hash is known.
pub(crate) const OPEN: &str = "00000000000000000000000000000000";
/// What stands between key and value in the footer (Thrift compact protocol): the next field, a
/// binary of 32 bytes.
const BETWEEN: [u8; 2] = [0x18, 32];
/// Largest footer that is looked through.
const FOOTER_BYTES_MAX: u64 = 32 << 20;
/// Bytes that are hashed at a time.
const BLOCK: usize = 1 << 20;

/// Puts the hash into a finished file.
pub(crate) fn close(bytes: &mut [u8]) {
    if let Some(value) = value_in(bytes) {
        let hash = format!("{:032x}", xxh3_128(bytes));
        bytes[value].copy_from_slice(hash.as_bytes());
    }
}

/// Whether the file is as it was sealed; `None` where it has no seal, which
/// each file of ours has.
pub(crate) fn holds(file: &mut File) -> io::Result<Option<bool>> {
    let len = file.seek(SeekFrom::End(0))?;
    let tail_at = len.saturating_sub(FOOTER_BYTES_MAX);
    let mut tail = Vec::new();
    file.seek(SeekFrom::Start(tail_at))?;
    file.read_to_end(&mut tail)?;
    let Some(value) = value_in(&tail) else { return Ok(None) };
    let found = tail[value.clone()].to_vec();
    tail[value].fill(b'0');
    let mut hash = Xxh3::new();
    file.seek(SeekFrom::Start(0))?;
    let mut before = file.take(tail_at);
    let mut block = vec![0; BLOCK.min(tail_at as usize)];
    loop {
        match before.read(&mut block)? {
            0 => break,
            n => hash.update(&block[..n]),
        }
    }
    hash.update(&tail);
    Ok(Some(format!("{:032x}", hash.digest128()).into_bytes() == found))
}

/// Where the value is: behind the last place that has the key with a value of that length.
fn value_in(bytes: &[u8]) -> Option<Range<usize>> {
    let mut end = bytes.len();
    loop {
        let key_at = memmem::rfind(&bytes[..end], key::SEAL.as_bytes())?;
        let at = key_at + key::SEAL.len();
        let value = at + BETWEEN.len()..at + BETWEEN.len() + OPEN.len();
        if bytes.get(at..value.start) == Some(&BETWEEN[..]) && value.end <= bytes.len() {
            return Some(value);
        }
        end = key_at;
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn on_disk(bytes: &[u8]) -> Option<bool> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        holds(&mut file).unwrap()
    }

    #[test]
    fn every_flipped_bit_breaks_it() {
        let pair = [key::SEAL.as_bytes(), &BETWEEN, OPEN.as_bytes()].concat();
        let mut bytes = [b"PAR1 pages ", &pair[..], b" more profpipe.xxh3 PAR1"].concat();
        assert_eq!(on_disk(&bytes), Some(false));
        close(&mut bytes);
        assert_eq!(on_disk(&bytes), Some(true));
        for bit in 0..bytes.len() * 8 {
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert_ne!(on_disk(&bytes), Some(true), "{bit}");
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
        assert_eq!(on_disk(b"no seal"), None);
    }
}
