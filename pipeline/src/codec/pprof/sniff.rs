//! Names what is not a pprof profile: a person who scraped the wrong path learns what came instead.

use crate::reason::{Reason, Refused};

/// What some formats start with.
const STARTS: [(&[u8], &str); 14] = [
    (b"<!DOCTYPE", "an HTML page"),
    (b"<html", "an HTML page"),
    (b"<", "markup"),
    (b"{", "JSON"),
    (b"[", "JSON"),
    (b"heap profile:", "a heap profile in the legacy text format"),
    (b"heapz ", "a heap profile in the legacy text format"),
    (b"growth", "a growth profile in the legacy text format"),
    (b"--- contention", "a contention profile in the legacy text format"),
    (b"--- mutex", "a mutex profile in the legacy text format"),
    (b"--- heap", "a Java heap profile in the legacy text format"),
    (b"--- threadz", "a thread profile in the legacy text format"),
    (b"go 1.", "a Go execution trace"),
    (b"FLR\0", "a Java flight recording"),
];

/// Refuses formats that are told by their first bytes.
pub fn refuse_other_formats(bytes: &[u8]) -> Result<(), Refused> {
    if bytes.is_empty() {
        return Err(Refused::new(Reason::EmptyProfile, "no bytes after inflation"));
    }
    let trimmed = bytes.trim_ascii_start();
    if let Some((_, name)) = STARTS.iter().find(|(start, _)| trimmed.starts_with(start)) {
        return Err(Refused::new(Reason::NotPprof, format!("{name}{}", quoted(bytes))));
    }
    if legacy_cpu(bytes) {
        return Err(Refused::new(Reason::NotPprof, "a CPU profile in the legacy binary format"));
    }
    if bytes.starts_with(&[0x1f, 0x8b]) || bytes.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
        return Err(Refused::new(Reason::NotPprof, "compressed twice"));
    }
    Ok(())
}

/// Says of what could not be read that it is text, if it is.
pub fn explain(refused: Refused, bytes: &[u8]) -> Refused {
    let head = &bytes[..bytes.len().min(64)];
    let text = std::str::from_utf8(head).is_ok_and(|t| t.chars().all(|c| !is_control(c)));
    match text && head.len() >= 8 {
        true => Refused::new(Reason::NotPprof, format!("text{}", quoted(bytes))),
        false => refused,
    }
}

fn is_control(c: char) -> bool {
    c.is_control() && !c.is_whitespace()
}

/// The first 64 bytes, for a message.
fn quoted(bytes: &[u8]) -> String {
    let head = String::from_utf8_lossy(&bytes[..bytes.len().min(64)]);
    let clean: String = head.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    format!(", starting with `{}`", clean.trim())
}

/// The header words 0, 3, 0 of the format of gperftools, or 0, 3, 1 of that of Java, of 32 or 64
/// bits in either byte order.
fn legacy_cpu(bytes: &[u8]) -> bool {
    let word = |size: usize, i: usize| -> Option<u64> {
        let word = bytes.get(i * size..(i + 1) * size)?;
        let little = word.iter().rev().fold(0, |value, byte| (value << 8) | u64::from(*byte));
        let big = word.iter().fold(0, |value, byte| (value << 8) | u64::from(*byte));
        Some(little.min(big))
    };
    [4, 8].into_iter().any(|size| {
        [word(size, 0), word(size, 1)] == [Some(0), Some(3)]
            && word(size, 2).is_some_and(|version| version <= 1)
            && word(size, 3).is_some_and(|period| period > 0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_formats_are_named() {
        for (bytes, want) in [
            (&b"  <html><body>"[..], "an HTML page, starting with `<html><body>`"),
            (b"heap profile: 1: 2 [3: 4] @", "a heap profile in the legacy text format"),
            (b"go 1.26 trace\0\0", "a Go execution trace"),
            (&[0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 16, 39, 0, 0], "legacy binary"),
            (&[0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 39, 16], "legacy binary"),
            (&[0, 0, 0, 0, 3, 0, 0, 0, 1, 0, 0, 0, 16, 39, 0, 0], "legacy binary"),
            (&[0x1f, 0x8b, 8], "compressed twice"),
        ] {
            let refused = refuse_other_formats(bytes).unwrap_err();
            assert_eq!(refused.reason, Reason::NotPprof);
            assert!(refused.detail.contains(want), "{}", refused.detail);
        }
        assert!(refuse_other_formats(&[0x0a, 4, 8, 1, 16, 2]).is_ok());
    }

    #[test]
    fn text_is_told_from_damage() {
        let refused = Refused::new(Reason::Malformed, "field number 0");
        let explained = explain(refused.clone(), b"goroutine profile: total 7\n");
        assert_eq!(
            explained.to_string(),
            "not_pprof: text, starting with `goroutine profile: total 7`"
        );
        assert_eq!(explain(refused.clone(), &[8, 0, 1, 2, 3, 4, 5, 6, 7]), refused);
    }
}
