//! DELTA_BINARY_PACKED, for integers that rarely repeat. Format: "Delta Encoding" of the Parquet
//! specification, with blocks of 128 values in four miniblocks.

use super::hybrid::uleb;

const BLOCK: usize = 128;
const MINIBLOCKS: usize = 4;

/// Appends the values.
pub fn delta(out: &mut Vec<u8>, values: &[i64]) {
    uleb(out, BLOCK as u64);
    uleb(out, MINIBLOCKS as u64);
    uleb(out, values.len() as u64);
    uleb(out, zigzag(values.first().copied().unwrap_or(0)));
    let mut deltas: Vec<i64> = values.windows(2).map(|two| two[1].wrapping_sub(two[0])).collect();
    for block in deltas.chunks_mut(BLOCK) {
        let min = block.iter().copied().min().unwrap_or(0);
        uleb(out, zigzag(min));
        let widths = out.len();
        out.extend_from_slice(&[0; MINIBLOCKS]);
        for (i, miniblock) in block.chunks_mut(BLOCK / MINIBLOCKS).enumerate() {
            miniblock.iter_mut().for_each(|delta| *delta = delta.wrapping_sub(min));
            let all = miniblock.iter().fold(0, |all, delta| all | *delta as u64);
            let width = u64::BITS - all.leading_zeros();
            out[widths + i] = width as u8;
            pack(out, miniblock, width);
        }
    }
}

/// Packs a miniblock, padded to its full length.
fn pack(out: &mut Vec<u8>, deltas: &[i64], width: u32) {
    let (mut waiting, mut bits) = (0u128, 0);
    for i in 0..BLOCK / MINIBLOCKS {
        waiting |= u128::from(deltas.get(i).map_or(0, |delta| *delta as u64)) << bits;
        bits += width;
        if bits >= u64::BITS {
            out.extend_from_slice(&(waiting as u64).to_le_bytes());
            waiting >>= u64::BITS;
            bits -= u64::BITS;
        }
    }
    out.extend_from_slice(&waiting.to_le_bytes()[..bits as usize / 8]);
}

fn zigzag(value: i64) -> u64 {
    (value << 1 ^ value >> 63) as u64
}
