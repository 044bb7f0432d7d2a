//! Any bytes as the cursor file of an exporter: as they are, and cut into two slots whose checksums
//! are right, which leads past the sums to positions and counts that lie.
#![no_main]

use fuzz::bench::Bench;
use libfuzzer_sys::fuzz_target;

const SLOT_BYTES: usize = 4096;
const SUM_BYTES: usize = 4;
const HEADER_BYTES: usize = 24;
/// Bytes of a slot that are in use, and so of each half of an input.
const USED_BYTES: usize = 120;

fuzz_target!(init: fuzz::seeds::write(&seeds()), |bytes: &[u8]| {
    check(bytes);
    let middle = bytes.len().min(USED_BYTES);
    let slots = [&bytes[..middle], &bytes[middle..]].map(slot);
    check(&slots.concat());
});

/// A new cursor, one that has moved, and some whose accounts add up at the end of all numbers.
fn seeds() -> Vec<Vec<u8>> {
    let bench = Bench::default();
    let file = |bench: &Bench| {
        let bytes = bench.get("cursors/x.cur");
        [&bytes[..USED_BYTES], &bytes[SLOT_BYTES..][..USED_BYTES]].concat()
    };
    let new = file(&bench);
    bench.append(&[b"one", b"two"]);
    bench.drive();
    let mut seeds = vec![file(&bench), bench.get("cursors/x.cur")];
    // Position and delivered, the end of a plan, two counts: places in the body of the slot that
    // is written first, which is the second of the file.
    for fields in [&[1, 4][..], &[3], &[6, 7]] {
        let mut hostile = new.clone();
        for field in fields {
            hostile[USED_BYTES + HEADER_BYTES + 8 * field..][..8].fill(0xff);
        }
        seeds.push(hostile);
    }
    seeds.push(new);
    seeds
}

/// Drives a spool of five records with this cursor.
fn check(cursor: &[u8]) {
    let bench = Bench::default();
    bench.append(&[b"0", b"1", b"2"]);
    bench.append(&[b"3", b"4"]);
    bench.put("cursors", "x.cur", cursor);
    bench.drive();
}

/// A slot that begins with these bytes and whose sum is right.
fn slot(content: &[u8]) -> Vec<u8> {
    let mut slot = content[..content.len().min(SLOT_BYTES - SUM_BYTES)].to_vec();
    slot.resize(SLOT_BYTES - SUM_BYTES, 0);
    let sum = crc32c::crc32c(&slot);
    slot.extend(sum.to_le_bytes());
    slot
}
