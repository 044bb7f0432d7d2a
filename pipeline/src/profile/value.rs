//! Values of any type, as OpenTelemetry attributes have them.

use std::fmt::{self, Write};

use base64::{Engine, prelude::BASE64_STANDARD};
use serde::{Deserialize, Serialize};

/// A value of an attribute: `AnyValue` of `opentelemetry/proto/common/v1/common.proto`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Value {
    /// None is set.
    #[default]
    Empty,
    /// A text.
    Text(String),
    /// Yes or no.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// The bits of a floating point number, so that equal ones are equal.
    Double(u64),
    /// Bytes that need not be text.
    Bytes(Vec<u8>),
    /// Values in order.
    List(Vec<Value>),
    /// Values by key, in order.
    Map(Vec<(String, Value)>),
}

/// A value with its key, and the unit of what it counts, if any.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attribute {
    /// The key.
    pub key: String,
    /// The value.
    pub value: Value,
    /// The unit; empty where there is none.
    pub unit: String,
}

impl Attribute {
    /// An attribute without a unit.
    pub fn new(key: impl Into<String>, value: Value) -> Self {
        Self { key: key.into(), value, unit: String::new() }
    }

    /// Bytes of memory that it holds, about.
    pub fn bytes(&self) -> usize {
        72 + self.key.len() + self.unit.len() + self.value.bytes()
    }
}

impl Value {
    /// A text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// Bytes of memory that it holds, about.
    pub fn bytes(&self) -> usize {
        32 + match self {
            Self::Text(text) => text.len(),
            Self::Bytes(bytes) => bytes.len(),
            Self::List(values) => values.iter().map(Self::bytes).sum(),
            Self::Map(pairs) => pairs.iter().map(|(k, v)| 24 + k.len() + v.bytes()).sum(),
            _ => 0,
        }
    }

    fn json(&self) -> serde_json::Value {
        match self {
            Self::Empty => serde_json::Value::Null,
            Self::Text(text) => text.as_str().into(),
            Self::Bool(value) => (*value).into(),
            Self::Int(value) => (*value).into(),
            Self::Double(bits) => f64::from_bits(*bits).into(),
            Self::Bytes(bytes) => BASE64_STANDARD.encode(bytes).into(),
            Self::List(values) => values.iter().map(Self::json).collect(),
            Self::Map(pairs) => pairs.iter().map(|(key, v)| (key.as_str(), v.json())).collect(),
        }
    }
}

/// As OpenTelemetry writes values where only text goes: texts as they are, bytes in base64, lists
/// and maps as JSON.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => Ok(()),
            Self::Text(text) => f.write_str(text),
            Self::Bool(value) => value.fmt(f),
            Self::Int(value) => value.fmt(f),
            Self::Double(bits) => f64::from_bits(*bits).fmt(f),
            Self::Bytes(bytes) => f.write_str(&BASE64_STANDARD.encode(bytes)),
            Self::List(_) | Self::Map(_) => write!(f, "{}", self.json()),
        }
    }
}

/// Bytes as lower case hex.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        let _ = write!(text, "{byte:02x}"); // Text takes what it is given.
        text
    })
}

/// Exactly `N` bytes out of hex of either case; `None` for anything else.
pub fn from_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = text.as_bytes();
    if digits.len() != 2 * N || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_as_text() {
        let list = Value::List(vec![Value::Int(1), Value::text("a\"b"), Value::Empty]);
        for (value, want) in [
            (Value::Empty, ""),
            (Value::text("x y"), "x y"),
            (Value::Bool(true), "true"),
            (Value::Int(-7), "-7"),
            (Value::Double(0.5_f64.to_bits()), "0.5"),
            (Value::Bytes(vec![1, 2, 3]), "AQID"),
            (list.clone(), "[1,\"a\\\"b\",null]"),
            (Value::Map(vec![("k".into(), list)]), "{\"k\":[1,\"a\\\"b\",null]}"),
        ] {
            assert_eq!(value.to_string(), want);
        }
    }

    #[test]
    fn ids_are_hex_of_one_length() {
        assert_eq!(from_hex::<2>("0aFf"), Some([10, 255]));
        for bad in ["0aff0", "0af", "0afg", "+1ff", "ää"] {
            assert_eq!(from_hex::<2>(bad), None, "{bad}");
        }
        assert_eq!(hex(&[10, 255]), "0aff");
    }
}
