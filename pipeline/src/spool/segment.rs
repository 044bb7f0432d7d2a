//! A segment: an immutable file of records with checksums at both ends and over the whole.
//!
//! Its frame (header and tail) is small and checked when the spool opens; its body is checked when
//! it is read. README.md has the layout byte by byte.

use std::ops::Range;

use bytes::{BufMut, Bytes, BytesMut};

use super::wire::Fields;

const MAGIC: &[u8; 8] = b"ppspool\n";
const END_MAGIC: &[u8; 8] = b"ppsp-end";
/// The newest format of segments, in which records may share a payload; without such it is 1.
pub(super) const VERSION: u32 = 2;
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
    /// Its place among the records that share the payload.
    pub part: u32,
}

impl Record {
    /// Whether another record was appended with the very same payload.
    pub fn shares(&self, other: &Self) -> bool {
        self.payload.as_ptr() == other.payload.as_ptr()
    }
}

/// What is appended: bytes that are one record, or that stand for several.
#[derive(Debug, Clone)]
pub struct Payload {
    /// What stands before the bytes.
    pub head: Bytes,
    /// The bytes.
    pub bytes: Bytes,
    /// How many records they are, one at least.
    pub records: u32,
}

impl From<Bytes> for Payload {
    fn from(bytes: Bytes) -> Self {
        Self { head: Bytes::new(), bytes, records: 1 }
    }
}

impl Payload {
    /// Bytes of all of it.
    pub(super) fn len(&self) -> usize {
        self.head.len() + self.bytes.len()
    }
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
pub(super) fn encoded_bytes(payloads: &[Payload]) -> u64 {
    let bytes = |payload: &Payload| {
        let index = INDEX_ENTRY_BYTES as u64 * u64::from(payload.records);
        RECORD_HEADER_BYTES as u64 + payload.len() as u64 + index
    };
    (HEADER_BYTES + TAIL_BYTES) as u64 + payloads.iter().map(bytes).sum::<u64>()
}

/// Records that these payloads are.
pub(super) fn records(payloads: &[Payload]) -> u64 {
    payloads.iter().map(|payload| u64::from(payload.records)).sum()
}

/// Builds the segment whose first record is `first`; the caller has checked the limits, which keep
/// offsets and counts below 2³².
pub(super) fn encode(first: u64, appended_unix_ms: u64, payloads: &[Payload]) -> (Frame, Bytes) {
    let count = records(payloads) as u32;
    let version = if count as usize == payloads.len() { 1 } else { VERSION };
    let mut out = BytesMut::with_capacity(encoded_bytes(payloads) as usize);
    put_header(&mut out, version, first, count);
    let mut offsets = Vec::with_capacity(count as usize);
    for payload in payloads {
        let at = out.len();
        offsets.extend((0..payload.records).map(|_| at as u32));
        out.put_u32_le(payload.len() as u32);
        out.put_u64_le(appended_unix_ms);
        let crc = crc32c::crc32c_append(crc32c::crc32c(&out[at..]), &payload.head);
        out.put_u32_le(crc32c::crc32c_append(crc, &payload.bytes));
        out.put_slice(&payload.head);
        out.put_slice(&payload.bytes);
    }
    sealed(out, first, &offsets, appended_unix_ms)
}

/// Segments whose records follow each other as one; the caller has checked the limits.
pub(super) fn join(segments: &[Segment]) -> (Frame, Bytes) {
    let first = segments.first().map_or(0, |segment| segment.frame.records.start);
    let count = |segment: &Segment| segment.frame.records.end - segment.frame.records.start;
    let count = segments.iter().map(count).sum::<u64>() as u32;
    let version = if segments.iter().any(Segment::may_share) { VERSION } else { 1 };
    let mut out = BytesMut::with_capacity(segments.iter().map(|s| s.bytes.len()).sum());
    put_header(&mut out, version, first, count);
    let mut offsets = Vec::with_capacity(count as usize);
    for segment in segments {
        let shift = out.len() - HEADER_BYTES;
        let entries = segment.frame.records.clone().filter_map(|seq| segment.entry(seq));
        offsets.extend(entries.map(|entry| (entry + shift) as u32));
        // A record's own sum says nothing of its place.
        out.put_slice(&segment.bytes[HEADER_BYTES..segment.index_at()]);
    }
    let oldest = segments.iter().map(|segment| segment.frame.oldest_unix_ms).min();
    sealed(out, first, &offsets, oldest.unwrap_or_default())
}

fn put_header(out: &mut BytesMut, version: u32, first: u64, count: u32) {
    out.put_slice(MAGIC);
    out.put_u32_le(version);
    out.put_u64_le(first);
    out.put_u32_le(count);
    put_crc(out, 0);
    debug_assert_eq!(out.len(), HEADER_BYTES);
}

/// Puts index and tail behind the records.
fn sealed(mut out: BytesMut, first: u64, offsets: &[u32], oldest_unix_ms: u64) -> (Frame, Bytes) {
    let (index_at, count) = (out.len() as u32, offsets.len() as u32);
    offsets.iter().for_each(|offset| out.put_u32_le(*offset));
    let tail = out.len();
    let whole_crc = crc32c::crc32c(&out);
    out.put_u64_le(first);
    out.put_u32_le(count);
    out.put_u32_le(index_at);
    out.put_u64_le(oldest_unix_ms);
    out.put_u64_le(tail as u64);
    out.put_u32_le(whole_crc);
    // The tail has a sum of its own, so that opening a spool reads no bodies.
    put_crc(&mut out, tail);
    out.put_slice(END_MAGIC);
    let records = first..first + u64::from(count);
    (Frame { records, bytes: out.len() as u64, oldest_unix_ms }, out.freeze())
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
        let may_share = segment.may_share();
        // The sums are right, so a wrong length or offset would be a writer's bug; walking the
        // records once makes sure that no later step can run past the end.
        let (mut at, mut before) = (HEADER_BYTES, None);
        for seq in segment.frame.records.clone() {
            let entry = segment.entry(seq).ok_or(Flaw::Checksum)?;
            if may_share && before == Some(entry) {
                continue;
            }
            let (_, payload) =
                segment.locate(entry).filter(|_| entry == at).ok_or(Flaw::Checksum)?;
            (at, before) = (payload.end, Some(entry));
        }
        Ok(segment)
    }

    /// Whether it is of the version in which records may share a payload.
    fn may_share(&self) -> bool {
        self.bytes[MAGIC.len()..MAGIC.len() + 4] != 1_u32.to_le_bytes()
    }

    /// The record with this number; `None` where the segment has no such record.
    pub(super) fn record(&self, seq: u64) -> Option<Record> {
        let entry = self.entry(seq)?;
        let (appended_unix_ms, payload) = self.locate(entry)?;
        // Places rise, so the first record at this one is found by halves.
        let (mut first, mut after) = (self.frame.records.start, seq);
        while first < after {
            let middle = first + (after - first) / 2;
            match self.entry(middle) == Some(entry) {
                true => after = middle,
                false => first = middle + 1,
            }
        }
        let part = (seq - first) as u32;
        Some(Record { seq, appended_unix_ms, payload: self.bytes.slice(payload), part })
    }

    /// These records, one after the other. What several share is looked at once.
    pub(super) fn walk(&self, records: Range<u64>) -> impl Iterator<Item = Option<Record>> {
        let mut last: Option<(usize, Record)> = None;
        records.map(move |seq| {
            let entry = self.entry(seq)?;
            let record = match last.take() {
                Some((at, before)) if at == entry => {
                    Record { seq, part: before.part + 1, ..before }
                }
                _ => self.record(seq)?,
            };
            last = Some((entry, record.clone()));
            Some(record)
        })
    }

    /// What the index says of a record: where it is.
    fn entry(&self, seq: u64) -> Option<usize> {
        if !self.frame.records.contains(&seq) {
            return None;
        }
        let at = self.index_at() + (seq - self.frame.records.start) as usize * INDEX_ENTRY_BYTES;
        Some(Fields(self.bytes.get(at..)?).u32()? as usize)
    }

    fn index_at(&self) -> usize {
        let count = self.frame.records.end - self.frame.records.start;
        self.bytes.len() - TAIL_BYTES - count as usize * INDEX_ENTRY_BYTES
    }

    /// When the record at this place was appended, and where its payload is; `None` unless it lies
    /// inside and the sum is right.
    fn locate(&self, at: usize) -> Option<(u64, Range<usize>)> {
        let index_at = self.index_at();
        let mut fields = Fields(self.bytes.get(at..index_at)?);
        let len = fields.u32()? as usize;
        let appended_unix_ms = fields.u64()?;
        let crc = fields.u32()?;
        let start = at + RECORD_HEADER_BYTES;
        let payload = start..start.checked_add(len).filter(|end| *end <= index_at)?;
        let sum = crc32c::crc32c(&self.bytes[at..at + RECORD_HEADER_BYTES - 4]);
        let sum = crc32c::crc32c_append(sum, &self.bytes[payload.clone()]);
        (sum == crc).then_some((appended_unix_ms, payload))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sample() -> (Vec<Bytes>, Bytes) {
        let payloads: Vec<Bytes> =
            [&b"first"[..], b"", &[9; 300]].map(Bytes::copy_from_slice).into();
        let (_, bytes) = encode(41, 1_700_000_000_123, &alone(&payloads));
        (payloads, bytes)
    }

    fn alone(payloads: &[Bytes]) -> Vec<Payload> {
        payloads.iter().cloned().map(Payload::from).collect()
    }

    #[test]
    fn records_share_a_payload() {
        let of = |text: &'static str, records| {
            let (head, bytes) = text.split_at(text.len() / 3);
            Payload { head: head.into(), bytes: bytes.into(), records }
        };
        let payloads = [of("same", 1), of("same", 3), of("", 2), of("last", 1)];
        let (frame, bytes) = encode(7, 5, &payloads);
        assert_eq!(frame.records, 7..14);
        assert_eq!(bytes.len() as u64, encoded_bytes(&payloads));
        let segment = check(&bytes).unwrap();
        let got: Vec<_> = (7..14).map(|seq| segment.record(seq).unwrap()).collect();
        let texts: Vec<_> = got.iter().map(|record| (&record.payload[..], record.part)).collect();
        let walked: Option<Vec<_>> = segment.walk(9..14).collect();
        assert_eq!(walked.unwrap(), got[2..]);
        let s = &b"same"[..];
        assert_eq!(texts, [(s, 0), (s, 0), (s, 1), (s, 2), (b"", 0), (b"", 1), (b"last", 0)]);
        assert_eq!(got[1].payload.as_ptr(), got[3].payload.as_ptr(), "it stands there once");
        // What version 1 did not have is damage there.
        let mut old = bytes.to_vec();
        old[8] = 1;
        let crc = crc32c::crc32c(&old[..HEADER_BYTES - 4]);
        old[HEADER_BYTES - 4..HEADER_BYTES].copy_from_slice(&crc.to_le_bytes());
        let tail = old.len() - TAIL_BYTES;
        let whole = crc32c::crc32c(&old[..tail]);
        old[tail + 32..tail + 36].copy_from_slice(&whole.to_le_bytes());
        let own = crc32c::crc32c(&old[tail..tail + 36]);
        old[tail + 36..tail + 40].copy_from_slice(&own.to_le_bytes());
        assert_eq!(check(&old).unwrap_err(), Flaw::Checksum);
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
            assert_eq!(
                segment.record(seq),
                Some(Record { seq, appended_unix_ms, payload, part: 0 })
            );
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
        assert_eq!(bytes.len() as u64, encoded_bytes(&alone(&sample().0)));
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
            let (frame, bytes) = encode(first, time, &alone(&payloads));
            prop_assert_eq!(frame.bytes, bytes.len() as u64);
            let segment = check(&bytes).unwrap();
            prop_assert_eq!(&segment.frame, &frame);
            for (seq, payload) in frame.records.clone().zip(payloads) {
                let record = Record { seq, appended_unix_ms: time, payload, part: 0 };
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
