//! A segment: an immutable file of records with checksums at both ends and over the whole.
//!
//! Its frame (header and tail) is small and checked when the spool opens; its body is checked when
//! it is read. README.md has the layout byte by byte.

use std::ops::Range;

use bytes::{BufMut, Bytes, BytesMut};

use super::wire::Fields;

const MAGIC: &[u8; 8] = b"ppspool\n";
const END_MAGIC: &[u8; 8] = b"ppsp-end";
/// The newest format of segments.
pub(super) const VERSION: u32 = 1;
pub(super) const HEADER_BYTES: usize = 28;
const RECORD_HEADER_BYTES: usize = 16;
pub(super) const TAIL_BYTES: usize = 48;
const INDEX_ENTRY_BYTES: usize = 4;

/// A record as readers get it. The payload shares the memory of its whole segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its number; the first record of a spool has 0, and none is given twice.
    pub seq: u64,
    /// When it was appended, in milliseconds since 1970.
    pub appended_unix_ms: u64,
    /// What was appended.
    pub payload: Bytes,
}

/// What the frame of a segment says about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) records: Range<u64>,
    pub(super) bytes: u64,
    pub(super) oldest_unix_ms: u64,
}

/// A checked segment in memory.
#[derive(Debug, Clone)]
pub(super) struct Segment {
    pub(super) frame: Frame,
    bytes: Bytes,
}

/// Why a file is no segment, in the words that its name gets in `corrupt/`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flaw {
    /// Shorter than its frame, or not as long as its frame says.
    Truncated,
    /// Does not start as a segment does.
    Foreign,
    /// Bytes changed since they were written.
    Checksum,
    /// Written by a newer program.
    NewerVersion(u32),
    /// The name and the frame disagree, or the name is no segment's.
    Misnamed,
    /// Another segment has some of its records.
    Overlap,
    /// The disk gives an error for it, or it is no regular file.
    Unreadable,
}

impl std::fmt::Display for Flaw {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Truncated => f.write_str("truncated"),
            Self::Foreign => f.write_str("foreign"),
            Self::Checksum => f.write_str("checksum"),
            Self::NewerVersion(version) => write!(f, "newer-version-{version}"),
            Self::Misnamed => f.write_str("misnamed"),
            Self::Overlap => f.write_str("overlap"),
            Self::Unreadable => f.write_str("unreadable"),
        }
    }
}

/// Bytes of a segment with payloads of these sizes.
pub(super) fn encoded_bytes(payloads: &[Bytes]) -> u64 {
    let records = payloads.len() * (RECORD_HEADER_BYTES + INDEX_ENTRY_BYTES);
    let frame = HEADER_BYTES + TAIL_BYTES;
    (frame + records) as u64 + payloads.iter().map(|payload| payload.len() as u64).sum::<u64>()
}

/// Builds the segment whose first record is `first`; the caller has checked the limits, which keep
/// offsets and counts below 2³².
pub(super) fn encode(first: u64, appended_unix_ms: u64, payloads: &[Bytes]) -> (Frame, Bytes) {
    let count = payloads.len() as u32;
    let mut out = BytesMut::with_capacity(encoded_bytes(payloads) as usize);
    out.put_slice(MAGIC);
    out.put_u32_le(VERSION);
    out.put_u64_le(first);
    out.put_u32_le(count);
    put_crc(&mut out, 0);
    debug_assert_eq!(out.len(), HEADER_BYTES);
    let mut offsets = Vec::with_capacity(payloads.len());
    for payload in payloads {
        let at = out.len();
        offsets.push(at as u32);
        out.put_u32_le(payload.len() as u32);
        out.put_u64_le(appended_unix_ms);
        let crc = crc32c::crc32c_append(crc32c::crc32c(&out[at..]), payload);
        out.put_u32_le(crc);
        out.put_slice(payload);
    }
    let index_at = out.len() as u32;
    offsets.into_iter().for_each(|offset| out.put_u32_le(offset));
    let tail = out.len();
    let whole_crc = crc32c::crc32c(&out);
    out.put_u64_le(first);
    out.put_u32_le(count);
    out.put_u32_le(index_at);
    out.put_u64_le(appended_unix_ms);
    out.put_u64_le(tail as u64);
    out.put_u32_le(whole_crc);
    // The tail has a sum of its own, so that opening a spool reads no bodies.
    put_crc(&mut out, tail);
    out.put_slice(END_MAGIC);
    let frame = Frame {
        records: first..first + u64::from(count),
        bytes: out.len() as u64,
        oldest_unix_ms: appended_unix_ms,
    };
    (frame, out.freeze())
}

fn put_crc(out: &mut BytesMut, from: usize) {
    let crc = crc32c::crc32c(&out[from..]);
    out.put_u32_le(crc);
}

/// Checks both ends of a file of `file_bytes` bytes.
pub(super) fn decode_frame(header: &[u8], tail: &[u8], file_bytes: u64) -> Result<Frame, Flaw> {
    let mut fields = Fields(header);
    if fields.take(MAGIC.len()).ok_or(Flaw::Truncated)? != MAGIC {
        return Err(Flaw::Foreign);
    }
    let version = fields.u32().ok_or(Flaw::Truncated)?;
    if version > VERSION {
        return Err(Flaw::NewerVersion(version));
    }
    let first = fields.u64().ok_or(Flaw::Truncated)?;
    let count = fields.u32().ok_or(Flaw::Truncated)?;
    if fields.u32().ok_or(Flaw::Truncated)? != crc32c::crc32c(&header[..HEADER_BYTES - 4]) {
        return Err(Flaw::Checksum);
    }
    let mut fields = Fields(tail);
    let mut ours = fields.u64() == Some(first) && fields.u32() == Some(count);
    let index_at = fields.u32().ok_or(Flaw::Truncated)?;
    let oldest_unix_ms = fields.u64().ok_or(Flaw::Truncated)?;
    let tail_at = fields.u64().ok_or(Flaw::Truncated)?;
    fields.u32().ok_or(Flaw::Truncated)?;
    let crc = fields.u32().ok_or(Flaw::Truncated)?;
    if fields.0 != END_MAGIC {
        return Err(Flaw::Truncated);
    }
    ours &= crc == crc32c::crc32c(&tail[..TAIL_BYTES - 12]);
    ours &= tail_at.checked_add(TAIL_BYTES as u64) == Some(file_bytes);
    let index_bytes = u64::from(count) * INDEX_ENTRY_BYTES as u64;
    ours &= u64::from(index_at).checked_add(index_bytes) == Some(tail_at);
    let end = first.checked_add(u64::from(count)).filter(|end| *end > first);
    match end {
        Some(end) if ours => Ok(Frame { records: first..end, bytes: file_bytes, oldest_unix_ms }),
        _ => Err(Flaw::Checksum),
    }
}

impl Segment {
    /// A segment that was just encoded, and needs no check.
    pub(super) fn sealed(frame: Frame, bytes: Bytes) -> Self {
        Self { frame, bytes }
    }

    /// Checks a whole file.
    pub(super) fn decode(bytes: Bytes) -> Result<Self, Flaw> {
        let tail_at = bytes.len().checked_sub(TAIL_BYTES).ok_or(Flaw::Truncated)?;
        let header = bytes.get(..HEADER_BYTES).ok_or(Flaw::Truncated)?;
        let frame = decode_frame(header, &bytes[tail_at..], bytes.len() as u64)?;
        let whole_crc = Fields(&bytes[tail_at + TAIL_BYTES - 16..]).u32();
        if whole_crc != Some(crc32c::crc32c(&bytes[..tail_at])) {
            return Err(Flaw::Checksum);
        }
        let segment = Self { frame, bytes };
        // The sums are right, so a wrong length or offset would be a writer's bug; walking the
        // records once makes sure that no later step can run past the end.
        let mut at = HEADER_BYTES;
        for seq in segment.frame.records.clone() {
            let (_, payload) =
                segment.locate(seq).filter(|(start, _)| *start == at).ok_or(Flaw::Checksum)?;
            at = payload.end;
        }
        Ok(segment)
    }

    /// The record with this number; `None` where the segment has no such record.
    pub(super) fn record(&self, seq: u64) -> Option<Record> {
        let (at, payload) = self.locate(seq)?;
        let appended_unix_ms = Fields(&self.bytes[at + 4..]).u64()?;
        Some(Record { seq, appended_unix_ms, payload: self.bytes.slice(payload) })
    }

    /// Where a record and its payload are; `None` unless both lie inside and the sum is right.
    fn locate(&self, seq: u64) -> Option<(usize, Range<usize>)> {
        if !self.frame.records.contains(&seq) {
            return None;
        }
        let count = self.frame.records.end - self.frame.records.start;
        let index_at = self.bytes.len() - TAIL_BYTES - count as usize * INDEX_ENTRY_BYTES;
        let entry = index_at + (seq - self.frame.records.start) as usize * INDEX_ENTRY_BYTES;
        let at = Fields(self.bytes.get(entry..)?).u32()? as usize;
        let mut fields = Fields(self.bytes.get(at..index_at)?);
        let len = fields.u32()? as usize;
        fields.u64()?;
        let crc = fields.u32()?;
        let start = at + RECORD_HEADER_BYTES;
        let payload = start..start.checked_add(len).filter(|end| *end <= index_at)?;
        let sum = crc32c::crc32c(&self.bytes[at..at + RECORD_HEADER_BYTES - 4]);
        let sum = crc32c::crc32c_append(sum, &self.bytes[payload.clone()]);
        (sum == crc).then_some((at, payload))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sample() -> (Vec<Bytes>, Bytes) {
        let payloads: Vec<Bytes> =
            [&b"first"[..], b"", &[9; 300]].map(Bytes::copy_from_slice).into();
        let (_, bytes) = encode(41, 1_700_000_000_123, &payloads);
        (payloads, bytes)
    }

    /// A segment as version 1 wrote it. The file stays as it is when versions follow;
    /// `UPDATE_FIXTURES=1` writes it where it is missing.
    #[test]
    fn segments_of_version_1_are_read() {
        let path = "../tests/fixtures/segment-v1.seg";
        let (payloads, bytes) = sample();
        if std::env::var_os("UPDATE_FIXTURES").is_some() && std::fs::metadata(path).is_err() {
            std::fs::write(path, &bytes).unwrap();
        }
        let segment = Segment::decode(std::fs::read(path).unwrap().into()).unwrap();
        for (seq, payload) in (41..).zip(payloads) {
            let appended_unix_ms = 1_700_000_000_123;
            assert_eq!(segment.record(seq), Some(Record { seq, appended_unix_ms, payload }));
        }
    }

    /// What opening the spool and then reading the segment sees.
    fn check(bytes: &[u8]) -> Result<Segment, Flaw> {
        let header = &bytes[..bytes.len().min(HEADER_BYTES)];
        let tail = &bytes[bytes.len().saturating_sub(TAIL_BYTES)..];
        let frame = decode_frame(header, tail, bytes.len() as u64)?;
        let segment = Segment::decode(Bytes::copy_from_slice(bytes))?;
        assert_eq!(segment.frame, frame);
        Ok(segment)
    }

    #[test]
    fn the_layout_is_frozen() {
        let (_, bytes) = sample();
        assert_eq!(&bytes[..12], b"ppspool\n\x01\0\0\0");
        assert_eq!(bytes[12..24], [41, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0]);
        assert_eq!(bytes[28..32], [5, 0, 0, 0], "length of the first record");
        assert_eq!(&bytes[44..49], b"first");
        assert_eq!(bytes.len() as u64, encoded_bytes(&sample().0));
        assert_eq!(crc32c::crc32c(&bytes), 304_649_135, "the bytes of this version never change");
    }

    #[test]
    fn every_flipped_bit_is_found() {
        let (_, good) = sample();
        for bit in 0..good.len() * 8 {
            let mut bad = good.to_vec();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(check(&bad).is_err(), "bit {bit} of {}", good.len() * 8);
        }
    }

    #[test]
    fn every_cut_and_every_tail_too_long_is_found() {
        let (_, good) = sample();
        for len in 0..good.len() {
            assert!(check(&good[..len]).is_err(), "cut at {len}");
        }
        let mut long = good.to_vec();
        long.extend_from_slice(&good);
        assert!(check(&long).is_err());
    }

    #[test]
    fn a_newer_version_is_named() {
        let (_, good) = sample();
        let mut newer = good.to_vec();
        newer[8] = 9;
        assert_eq!(check(&newer).unwrap_err(), Flaw::NewerVersion(9));
        assert_eq!(Flaw::NewerVersion(9).to_string(), "newer-version-9");
    }

    proptest! {
        #[test]
        fn records_come_back(
            first in 0..u64::MAX / 2, time in any::<u64>(),
            payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..100), 1..20),
        ) {
            let payloads: Vec<Bytes> = payloads.into_iter().map(Bytes::from).collect();
            let (frame, bytes) = encode(first, time, &payloads);
            prop_assert_eq!(frame.bytes, bytes.len() as u64);
            let segment = check(&bytes).unwrap();
            prop_assert_eq!(&segment.frame, &frame);
            for (seq, payload) in frame.records.clone().zip(payloads) {
                let record = Record { seq, appended_unix_ms: time, payload };
                prop_assert_eq!(segment.record(seq), Some(record));
            }
            prop_assert_eq!(segment.record(frame.records.end), None);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(check(&bytes).is_err());
        }

        /// Sums that fit do not make lengths and offsets right.
        #[test]
        fn a_lying_writer_is_found(at in 28..370_usize, byte in any::<u8>()) {
            let (_, good) = sample();
            let mut bytes = good.to_vec();
            bytes[at] = byte;
            let tail = bytes.len() - TAIL_BYTES;
            let whole = crc32c::crc32c(&bytes[..tail]);
            bytes[tail + 32..tail + 36].copy_from_slice(&whole.to_le_bytes());
            let own = crc32c::crc32c(&bytes[tail..tail + 36]);
            bytes[tail + 36..tail + 40].copy_from_slice(&own.to_le_bytes());
            prop_assert_eq!(check(&bytes).is_ok(), good[at] == byte);
        }
    }
}
