//! Durations and sizes as people write them in a config: `1m30s`, `15d`, `10GiB`.

use std::{borrow::Cow, fmt, time::Duration};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserializer, Serializer, de};

/// Reads a duration: numbers with the units `ns us µs ms s m h d w`, from large to small without
/// blanks, or `0`. A bare number is refused, because nobody can tell what it counts.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    const UNITS: [(&str, f64); 9] = [
        ("ns", 1e-9),
        ("us", 1e-6),
        ("µs", 1e-6),
        ("ms", 1e-3),
        ("s", 1.0),
        ("m", 60.0),
        ("h", 3600.0),
        ("d", 86_400.0),
        ("w", 604_800.0),
    ];
    let wrong = || format!("`{text}` is not a duration such as 30s, 1m30s or 15d");
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let (mut rest, mut seconds) = (text, 0.0);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(wrong)?;
        let number: f64 = rest[..digits].parse().map_err(|_| wrong())?;
        rest = &rest[digits..];
        let end = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let unit = UNITS.iter().find(|(unit, _)| *unit == &rest[..end]).ok_or_else(wrong)?;
        seconds += number * unit.1;
        rest = &rest[end..];
    }
    if text.is_empty() {
        return Err(wrong());
    }
    Duration::try_from_secs_f64(seconds).map_err(|_| wrong())
}

/// Reads a size: a number with `B KiB MiB GiB TiB`, their short forms `K M G T`, `kB MB GB TB` in
/// powers of 1000, or no unit for bytes.
pub fn parse_bytes(text: &str) -> Result<u64, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let scale = match text[digits..].trim_start() {
        "" | "B" => 1.0,
        "K" | "Ki" | "KiB" => 1024.0,
        "M" | "Mi" | "MiB" => 1024.0 * 1024.0,
        "G" | "Gi" | "GiB" => 1024.0 * 1024.0 * 1024.0,
        "T" | "Ti" | "TiB" => 1024.0 * 1024.0 * 1024.0 * 1024.0,
        "kB" | "KB" => 1e3,
        "MB" => 1e6,
        "GB" => 1e9,
        "TB" => 1e12,
        _ => return Err(format!("`{text}` is not a size such as 512MiB or 10GiB")),
    };
    let number = text[..digits].parse::<f64>().ok().map(|n| n * scale);
    let number = number.filter(|n| n.fract() == 0.0 && *n < 9e15);
    number
        .map(|n| n as u64)
        .ok_or_else(|| format!("`{text}` is not a size such as 512MiB or 10GiB"))
}

/// A duration as `parse_duration` reads it, in the largest units that leave no fraction.
pub fn duration_text(duration: Duration) -> String {
    let mut nanos = duration.as_nanos();
    if nanos == 0 {
        return "0s".into();
    }
    let mut text = String::new();
    for (unit, size) in [
        ("d", 86_400_000_000_000),
        ("h", 3_600_000_000_000),
        ("m", 60_000_000_000),
        ("s", 1_000_000_000),
        ("ms", 1_000_000),
        ("us", 1_000),
        ("ns", 1),
    ] {
        if nanos >= size {
            text += &format!("{}{unit}", nanos / size);
            nanos %= size;
        }
    }
    text
}

/// A size as `parse_bytes` reads it, in the largest unit that leaves no fraction.
pub fn bytes_text(bytes: u64) -> String {
    let units = [("TiB", 40), ("GiB", 30), ("MiB", 20), ("KiB", 10)];
    let fits = |shift: u32| bytes > 0 && bytes.is_multiple_of(1 << shift);
    match units.into_iter().find(|(_, shift)| fits(*shift)) {
        Some((unit, shift)) => format!("{}{unit}", bytes >> shift),
        None => format!("{bytes}B"),
    }
}

/// For `#[serde(with = "pipeline::quantity::duration")]`.
pub mod duration {
    use super::{Deserializer, Duration, Serializer, Text, duration_text, parse_duration};

    /// Reads a duration from text.
    pub fn deserialize<'de, D: Deserializer<'de>>(de: D) -> Result<Duration, D::Error> {
        de.deserialize_any(Text("a duration such as 30s", parse_duration))
    }

    /// Writes what `deserialize` reads.
    pub fn serialize<S: Serializer>(value: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&duration_text(*value))
    }
}

/// For `#[serde(with = "pipeline::quantity::some_duration")]`: one that may be left out.
pub mod some_duration {
    use super::{Deserializer, Duration, Serializer, duration};

    /// Reads a duration from text.
    pub fn deserialize<'de, D: Deserializer<'de>>(de: D) -> Result<Option<Duration>, D::Error> {
        duration::deserialize(de).map(Some)
    }

    /// Writes what `deserialize` reads.
    pub fn serialize<S: Serializer>(
        value: &Option<Duration>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match value {
            Some(value) => duration::serialize(value, serializer),
            None => serializer.serialize_none(),
        }
    }
}

/// For `#[serde(with = "pipeline::quantity::bytes")]`.
pub mod bytes {
    use super::{Deserializer, Serializer, Text, bytes_text, parse_bytes};

    /// Reads a size from text or from a number of bytes.
    pub fn deserialize<'de, D: Deserializer<'de>>(de: D) -> Result<u64, D::Error> {
        de.deserialize_any(Text("a size such as 512MiB", parse_bytes))
    }

    /// Writes what `deserialize` reads.
    pub fn serialize<S: Serializer>(value: &u64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&bytes_text(*value))
    }
}

/// What docs say of a duration: for `#[schemars(with = "quantity::DurationText")]`.
pub struct DurationText;

/// What docs say of a size.
pub struct BytesText;

impl JsonSchema for DurationText {
    fn schema_name() -> Cow<'static, str> {
        "duration".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "format": "duration"})
    }
}

impl JsonSchema for BytesText {
    fn schema_name() -> Cow<'static, str> {
        "size".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "format": "size"})
    }
}

/// For `#[serde(with = "pipeline::quantity::size")]`: a size in memory.
pub mod size {
    use super::{Deserializer, Serializer, bytes};

    /// Reads a size from text or from a number of bytes.
    pub fn deserialize<'de, D: Deserializer<'de>>(de: D) -> Result<usize, D::Error> {
        // What no address can reach limits nothing either.
        bytes::deserialize(de).map(|bytes| usize::try_from(bytes).unwrap_or(usize::MAX))
    }

    /// Writes what `deserialize` reads.
    pub fn serialize<S: Serializer>(value: &usize, serializer: S) -> Result<S::Ok, S::Error> {
        bytes::serialize(&(*value as u64), serializer)
    }
}

/// Reads a scalar with a parser of text, so that its error carries the place in the file.
struct Text<T>(&'static str, fn(&str) -> Result<T, String>);

impl<T> de::Visitor<'_> for Text<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        (self.1)(text).map_err(E::custom)
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<T, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<T, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<T, E> {
        self.visit_str(&number.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        for (text, want_ms) in [
            ("0", 0),
            ("250ms", 250),
            ("1m30s", 90_000),
            ("1.5h", 5_400_000),
            ("15d", 1_296_000_000),
        ] {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(want_ms)), "{text}");
        }
        for text in ["", "5", "s", "1x", "1m 30s", "-1s", "1..2s", "99999999999999999999w"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        for ms in [0, 1, 999, 1_000, 61_500, 3_600_000, 1_296_000_000, 86_461_001] {
            let duration = Duration::from_millis(ms);
            assert_eq!(parse_duration(&duration_text(duration)), Ok(duration));
        }
        assert_eq!(duration_text(Duration::from_secs(15 * 86_400 + 90)), "15d1m30s");
        for bytes in [0, 1, 1023, 1024, 3 << 19, 10 << 30, (1 << 40) + 1] {
            assert_eq!(parse_bytes(&bytes_text(bytes)), Ok(bytes));
        }
        assert_eq!(bytes_text(10 << 30), "10GiB");
    }

    #[test]
    fn sizes() {
        for (text, want) in [
            ("0", 0),
            ("512", 512),
            ("1KiB", 1024),
            ("10GiB", 10 << 30),
            ("1.5M", 3 << 19),
            ("2 MB", 2_000_000),
        ] {
            assert_eq!(parse_bytes(text), Ok(want), "{text}");
        }
        for text in ["", "GiB", "-1", "1.5", "1XB", "99999999TiB"] {
            assert!(parse_bytes(text).is_err(), "{text}");
        }
    }
}
