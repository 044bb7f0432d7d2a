//! Any bytes as a segment file of the spool, as they are and with all checksums made right, which
//! leads past the sums to lengths and offsets that lie.
#![no_main]

use fuzz::bench::Bench;
use libfuzzer_sys::fuzz_target;

const HEADER_BYTES: usize = 28;
const RECORD_HEADER_BYTES: usize = 16;
const TAIL_BYTES: usize = 48;

fuzz_target!(init: fuzz::seeds::write(&seeds()), |bytes: &[u8]| {
    check(bytes);
    if let Some(sealed) = seal(bytes) {
        check(&sealed);
    }
});

/// Segments of a few records, and one whose numbers are the last that there are.
fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = [&[b"one" as &[u8]][..], &[b"", b"two", &[7; 200]], &[b"" as &[u8]; 9]]
        .map(|payloads| Bench::default().append(payloads).1)
        .to_vec();
    let mut last = seeds[0].clone();
    let tail = last.len() - TAIL_BYTES;
    for at in [12, tail] {
        last[at..at + 8].copy_from_slice(&(u64::MAX - 1).to_le_bytes());
    }
    seeds.push(last);
    seeds
}

/// Drives a spool with this segment under the name that its header gives it.
fn check(bytes: &[u8]) {
    let [low, high, count] = [12, 16, 20].map(|at| u64::from(u32_at(bytes, at).unwrap_or(0)));
    let first = low | high << 32;
    let last = first.saturating_add(count.saturating_sub(1));
    let bench = Bench::default();
    bench.put("", &format!("{first:020}-{last:020}.seg"), bytes);
    bench.drive();
}

/// The bytes with sums that fit them: of each record that the index names, of both ends, and of
/// the whole; `None` where they are too few to be a segment.
fn seal(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = bytes.to_vec();
    let tail = bytes.len().checked_sub(TAIL_BYTES).filter(|tail| *tail >= HEADER_BYTES)?;
    put_sum(&mut bytes, 0..24, 24);
    let index = u32_at(&bytes, tail + 12)? as usize;
    for entry in (index..tail).step_by(4).take(1_000) {
        let at = u32_at(&bytes, entry)? as usize;
        let payload_bytes = u32_at(&bytes, at).unwrap_or(0) as usize;
        let payload = at + RECORD_HEADER_BYTES;
        if let Some(payload) = bytes.get(payload..payload.saturating_add(payload_bytes)) {
            let sum = crc32c::crc32c_append(crc32c::crc32c(&bytes[at..at + 12]), payload);
            bytes[at + 12..at + 16].copy_from_slice(&sum.to_le_bytes());
        }
    }
    put_sum(&mut bytes, 0..tail, tail + 32);
    put_sum(&mut bytes, tail..tail + 36, tail + 36);
    Some(bytes)
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..)?.first_chunk().copied()?))
}

fn put_sum(bytes: &mut [u8], of: std::ops::Range<usize>, at: usize) {
    let sum = crc32c::crc32c(&bytes[of]);
    bytes[at..at + 4].copy_from_slice(&sum.to_le_bytes());
}
