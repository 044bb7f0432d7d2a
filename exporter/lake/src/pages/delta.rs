//! DELTA_BINARY_PACKED: integers as bit-packed differences.
//! Format: Encodings.md of apache/parquet-format.

use super::PageError;
use super::hybrid::{load, uleb};

/// Appends the `count` values of a page to `out`.
pub(super) fn delta(bytes: &[u8], count: usize, out: &mut Vec<i64>) -> Result<(), PageError> {
    let mut at = 0;
    let block = uleb(bytes, &mut at)?;
    let minis = uleb(bytes, &mut at)?;
    let total = uleb(bytes, &mut at)?;
    let first = unzigzag(uleb(bytes, &mut at)?);
    let shaped = minis > 0 && block <= 1 << 20 && block % minis == 0 && block / minis % 8 == 0;
    if !shaped || total != count as u64 {
        return Err(PageError::damaged("a delta page with a wrong head"));
    }
    if count == 0 {
        return Ok(());
    }
    let (minis, per_mini) = (minis as usize, (block / minis) as usize);
    out.push(first);
    let (mut value, mut left) = (first, count - 1);
    while left > 0 {
        let min = unzigzag(uleb(bytes, &mut at)?);
        let widths = bytes.get(at..at + minis).ok_or(ends_early())?;
        at += minis;
        for &width in widths {
            if left == 0 {
                break;
            }
            let (width, n) = (usize::from(width), per_mini.min(left));
            let packed = bytes.get(at..).unwrap_or_default();
            if width > 64 || packed.len() < (n * width).div_ceil(8) {
                return Err(ends_early());
            }
            for i in 0..n {
                let difference = min.wrapping_add(bits(packed, i * width, width) as i64);
                value = value.wrapping_add(difference);
                out.push(value);
            }
            at += per_mini * width / 8;
            left -= n;
        }
    }
    Ok(())
}

fn ends_early() -> PageError {
    PageError::damaged("a delta page ends early")
}

fn unzigzag(raw: u64) -> i64 {
    (raw >> 1) as i64 ^ -((raw & 1) as i64)
}

/// `width` bits from bit `at`.
#[inline]
fn bits(bytes: &[u8], at: usize, width: usize) -> u64 {
    if width == 0 {
        return 0;
    }
    let (low, shift) = (load(bytes, at / 8), at % 8);
    let word = if shift + width <= 64 {
        low >> shift
    } else {
        low >> shift | load(bytes, at / 8 + 8) << (64 - shift)
    };
    word & u64::MAX >> (64 - width)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The encoder of the standard: blocks of 128 in four parts.
    fn encode(values: &[i64]) -> Vec<u8> {
        fn put(out: &mut Vec<u8>, mut v: u64) {
            while v >= 0x80 {
                out.push(v as u8 | 0x80);
                v >>= 7;
            }
            out.push(v as u8);
        }
        let zigzag = |v: i64| (v << 1 ^ v >> 63) as u64;
        let mut out = vec![];
        [128, 4, values.len() as u64].into_iter().for_each(|v| put(&mut out, v));
        put(&mut out, zigzag(values.first().copied().unwrap_or(0)));
        let deltas: Vec<i64> = values.windows(2).map(|w| w[1].wrapping_sub(w[0])).collect();
        for block in deltas.chunks(128) {
            let min = block.iter().copied().min().unwrap_or(0);
            put(&mut out, zigzag(min));
            let rest = |mini: &[i64]| mini.iter().map(|d| d.wrapping_sub(min) as u64).collect();
            let minis: Vec<Vec<u64>> = block.chunks(32).map(rest).collect();
            let width = |mini: &Vec<u64>| 64 - mini.iter().fold(0, |a, d| a | d).leading_zeros();
            (0..4).for_each(|i| out.push(minis.get(i).map_or(0, width) as u8));
            for mini in &minis {
                let w = width(mini) as usize;
                let mut packed = vec![0u8; 32 * w / 8];
                for (i, d) in mini.iter().enumerate() {
                    for b in (0..w).filter(|b| d >> b & 1 == 1) {
                        packed[(i * w + b) / 8] |= 1 << ((i * w + b) % 8);
                    }
                }
                out.extend(packed);
            }
        }
        out
    }

    proptest! {
        #[test]
        fn values_come_back(
            values in prop::collection::vec(
                prop_oneof![any::<i64>(), -5i64..5, Just(i64::MIN), Just(i64::MAX)], 0..300)
        ) {
            let bytes = encode(&values);
            let mut out = vec![];
            delta(&bytes, values.len(), &mut out).unwrap();
            prop_assert_eq!(&out, &values);
            prop_assert!(delta(&bytes, values.len() + 1, &mut out).is_err());
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let _ = delta(&bytes, 200, &mut vec![]);
        }
    }
}
