//! The RLE / bit-packing hybrid that dictionary codes and levels are stored in, as runs.
//! Format: Encodings.md of apache/parquet-format.

use super::PageError;

/// An unsigned LEB128 number at `at`.
pub(super) fn uleb(bytes: &[u8], at: &mut usize) -> Result<u64, PageError> {
    let (mut value, mut shift) = (0u64, 0);
    loop {
        let byte = *bytes.get(*at).ok_or(PageError::damaged("a number ends early"))?;
        *at += 1;
        if shift > 63 {
            return Err(PageError::damaged("a number has more than 64 bits"));
        }
        value |= u64::from(byte & 0x7f) << shift;
        shift += 7;
        if byte < 0x80 {
            return Ok(value);
        }
    }
}

/// Eight bytes from `at`, zeros past the end.
#[inline]
pub(super) fn load(bytes: &[u8], at: usize) -> u64 {
    if let Some(Ok(word)) = bytes.get(at..at + 8).map(TryInto::try_into) {
        return u64::from_le_bytes(word);
    }
    let rest = bytes.get(at..).unwrap_or_default();
    let rest = &rest[..rest.len().min(8)];
    rest.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte))
}

/// Calls `each(code, rows)` for `count` codes of `width` bits. What comes in one call is equal;
/// neighbouring calls may be equal too.
pub(super) fn hybrid(
    bytes: &[u8],
    width: u32,
    count: usize,
    mut each: impl FnMut(u32, u32),
) -> Result<(), PageError> {
    if width > 32 || count > u32::MAX as usize {
        return Err(PageError::damaged("codes wider than 32 bits"));
    }
    if width == 0 {
        each(0, count as u32);
        return Ok(());
    }
    let (mut at, mut left, code_bytes) = (0, count, width.div_ceil(8) as usize);
    let mask = u64::MAX >> (64 - width);
    while left > 0 {
        let head = uleb(bytes, &mut at)?;
        if head & 1 == 0 {
            let rows = ((head >> 1).min(left as u64)) as usize;
            if at + code_bytes > bytes.len() {
                return Err(PageError::damaged("a run ends early"));
            }
            each((load(bytes, at) & mask) as u32, rows as u32);
            at += code_bytes;
            left -= rows;
        } else {
            let rows = ((head >> 1).saturating_mul(8).min(left as u64)) as usize;
            let packed = bytes.get(at..).unwrap_or_default();
            if packed.len() < (rows * width as usize).div_ceil(8) {
                return Err(PageError::damaged("packed codes end early"));
            }
            unpack(packed, width, mask, rows, &mut each);
            at = at.saturating_add(((head >> 1) as usize).saturating_mul(width as usize));
            left -= rows;
        }
    }
    Ok(())
}

#[inline]
fn unpack(bytes: &[u8], width: u32, mask: u64, rows: usize, each: &mut impl FnMut(u32, u32)) {
    match width {
        8 => bytes[..rows].iter().for_each(|byte| each(u32::from(*byte), 1)),
        16 => bytes[..rows * 2]
            .chunks_exact(2)
            .for_each(|pair| each(u32::from(u16::from_le_bytes([pair[0], pair[1]])), 1)),
        _ => {
            let mut bit = 0;
            for _ in 0..rows {
                each((load(bytes, bit / 8) >> (bit % 8) & mask) as u32, 1);
                bit += width as usize;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn decode(bytes: &[u8], width: u32, count: usize) -> Option<Vec<u32>> {
        let mut out = vec![];
        let each = |code, rows: u32| out.extend(std::iter::repeat_n(code, rows as usize));
        hybrid(bytes, width, count, each).ok()?;
        Some(out)
    }

    #[test]
    fn runs_and_packed_codes() {
        // The example of Encodings.md: 0 to 7 in three bits.
        let packed = [0b11, 0b1000_1000, 0b1100_0110, 0b1111_1010];
        assert_eq!(decode(&packed, 3, 8), Some((0..8).collect()));
        assert_eq!(decode(&packed, 3, 5), Some((0..5).collect()));
        assert_eq!(decode(&[10, 7, 3, 1, 2, 3, 4, 5, 6, 7, 8], 8, 7), {
            Some(vec![7, 7, 7, 7, 7, 1, 2])
        });
        assert_eq!(decode(&[3, 1, 0, 2, 0, 3, 0], 16, 3), Some(vec![1, 2, 3]));
        assert_eq!(decode(&[], 0, 4), Some(vec![0; 4]));
        for (bytes, width, count) in
            [(&[][..], 1, 1), (&[2], 1, 1), (&[3, 1], 8, 3), (&[0x80; 12], 8, 1), (&[2, 0], 33, 1)]
        {
            assert_eq!(decode(bytes, width, count), None, "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_give_the_count_or_an_error(
            bytes in prop::collection::vec(any::<u8>(), 0..64),
            width in 0u32..34,
            count in 0usize..5_000,
        ) {
            if let Some(out) = decode(&bytes, width, count) {
                prop_assert_eq!(out.len(), count);
            }
        }
    }
}
