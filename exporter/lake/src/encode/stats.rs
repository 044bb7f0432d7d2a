//! Bounds for text columns that fit into a footer: of a long string only the start is kept, for
//! the maximum one that sorts behind everything with that start.

use parquet::{
    data_type::ByteArray,
    file::statistics::{Statistics, ValueStatistics},
};

/// Longest bound in bytes.
const BYTES_MAX: usize = 64;

/// Statistics of a text column. `None` where no bound of that length exists.
pub fn text(min: &[u8], max: &[u8], nulls: u64) -> Option<Statistics> {
    let (low, high) =
        (lower(std::str::from_utf8(min).ok()?), upper(std::str::from_utf8(max).ok()?)?);
    let exact = (low.len() == min.len(), max.len() <= BYTES_MAX);
    let value = |text: String| Some(ByteArray::from(text.into_bytes()));
    let stats = ValueStatistics::new(value(low), value(high), None, Some(nulls), false)
        .with_min_is_exact(exact.0)
        .with_max_is_exact(exact.1);
    Some(Statistics::ByteArray(stats))
}

fn lower(text: &str) -> String {
    text[..text.floor_char_boundary(BYTES_MAX)].to_string()
}

fn upper(text: &str) -> Option<String> {
    if text.len() <= BYTES_MAX {
        return Some(text.to_string());
    }
    let mut bound = lower(text);
    while let Some(last) = bound.pop() {
        let next = match last {
            '\u{d7ff}' => Some('\u{e000}'),
            _ => char::from_u32(last as u32 + 1),
        };
        // A longer encoding than before may pass the limit: then an earlier character grows.
        if let Some(next) = next.filter(|next| bound.len() + next.len_utf8() <= BYTES_MAX) {
            bound.push(next);
            return Some(bound);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn bounds_hold(text in "\\PC{0,100}") {
            let low = lower(&text);
            prop_assert!(low.len() <= BYTES_MAX && low <= text);
            if let Some(high) = upper(&text) {
                prop_assert!(high.len() <= BYTES_MAX && high >= text);
            }
        }
    }

    #[test]
    fn the_last_character_has_no_successor() {
        assert_eq!(upper(&"\u{10ffff}".repeat(20)), None);
        let text = format!("a{}", "\u{10ffff}".repeat(20));
        assert_eq!(upper(&text), Some("b".into()));
        assert_eq!(upper(&"\u{d7ff}".repeat(30)).map(|text| text.chars().count()), Some(21));
    }
}
