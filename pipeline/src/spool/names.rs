//! File names of a spool: segments by their sequence numbers, exporters by an escaped name.

use std::ops::Range;

use super::{SEQ_END, SpoolError};

const EXPORTER_BYTES_MAX: usize = 80;
const REASON_CHARS_MAX: usize = 80;

/// The file name of the segment with these records; names sort as the numbers do.
pub(super) fn segment(records: &Range<u64>) -> String {
    format!("{:020}-{:020}.seg", records.start, records.end - 1)
}

/// The records of a segment by its file name; `None` where no segment is called so.
pub(super) fn parse_segment(name: &str) -> Option<Range<u64>> {
    let (first, last) = name.strip_suffix(".seg")?.split_once('-')?;
    let records = first.parse().ok()?..last.parse::<u64>().ok()?.checked_add(1)?;
    let is_plausible = records.start < records.end && records.end <= SEQ_END;
    (is_plausible && segment(&records) == name).then_some(records)
}

/// An exporter's name as a file name: all but letters, digits, `-`, `_` and inner dots is `%XX`.
pub(super) fn escape(exporter: &str) -> Result<String, SpoolError> {
    if exporter.is_empty() || exporter.len() > EXPORTER_BYTES_MAX {
        return Err(SpoolError::BadName(exporter.into()));
    }
    let mut name = String::new();
    for byte in exporter.bytes() {
        let plain = byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if plain || (byte == b'.' && !name.is_empty()) {
            name.push(byte.into());
        } else {
            name.push_str(&format!("%{byte:02X}"));
        }
    }
    Ok(name)
}

/// A reason as the end of a file name, cut to a length that fits.
pub(super) fn reason(reason: &str) -> String {
    let word = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' };
    reason.chars().take(REASON_CHARS_MAX).map(word).collect()
}

/// The exporter that [`escape`] gave this name; `None` where it gave it to nobody.
pub(super) fn unescape(name: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = name.bytes();
    while let Some(byte) = rest.next() {
        let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
        let byte = match byte {
            b'%' => u8::try_from(digit(rest.next())? * 16 + digit(rest.next())?).ok()?,
            byte => byte,
        };
        bytes.push(byte);
    }
    let exporter = String::from_utf8(bytes).ok()?;
    (escape(&exporter).ok()? == name).then_some(exporter)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn segment_names_sort_and_parse() {
        assert_eq!(segment(&(7..9)), "00000000000000000007-00000000000000000008.seg");
        assert!(segment(&(9..10)) < segment(&(10..11)));
        for bad in ["", "7-8.seg", "x.seg", "00000000000000000009-00000000000000000008.seg"] {
            assert_eq!(parse_segment(bad), None, "{bad}");
        }
        let last = format!("{:020}-{:020}.seg", 1, u64::MAX);
        assert_eq!(parse_segment(&last), None, "there is no record after the last number");
    }

    #[test]
    fn exporter_names_have_limits() {
        assert_eq!(escape("parquet/x").unwrap(), "parquet%2Fx");
        assert_eq!(escape("../..").unwrap(), "%2E.%2F..");
        assert!(escape("").is_err() && escape(&"x".repeat(81)).is_err());
        for bad in ["", "a/b", "%2", "%zz", "%41", ".x"] {
            assert_eq!(unescape(bad), None, "{bad}");
        }
    }

    #[test]
    fn reasons_are_safe_in_names() {
        assert_eq!(reason("400 bad/../request\0"), "400_bad____request_");
        assert_eq!(reason(&"é".repeat(300)).len(), 80);
    }

    proptest! {
        #[test]
        fn names_come_back(start in 0..SEQ_END - 5, len in 1..5_u64, exporter in ".{1,20}") {
            let records = start..start + len;
            prop_assert_eq!(parse_segment(&segment(&records)), Some(records));
            let name = escape(&exporter).unwrap();
            prop_assert!(name.is_ascii() && !name.contains('/') && !name.starts_with('.'));
            prop_assert_eq!(unescape(&name), Some(exporter));
        }
    }
}
