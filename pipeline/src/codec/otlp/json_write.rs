//! Protobuf that we wrote as JSON.

use super::{
    json::to_base64,
    schema::{Field, Fields, Kind, REQUEST, RESPONSE},
};
use crate::{
    codec::wire::{Cursor, Fault, Span, Value},
    profile::hex,
};

/// A request in protobuf as JSON. What cannot be read is left out, which nothing that we wrote is.
pub fn request(bytes: &[u8]) -> Vec<u8> {
    whole(bytes, &REQUEST)
}

/// A response in protobuf as JSON.
pub fn response(bytes: &[u8]) -> Vec<u8> {
    whole(bytes, &RESPONSE)
}

fn whole(bytes: &[u8], fields: Fields) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() * 3);
    object(bytes, (0, bytes.len() as u32), fields, &mut out);
    out
}

/// Writes a message: its fields in the order of the schema, those of a list together.
fn object(bytes: &[u8], span: Span, fields: Fields, out: &mut Vec<u8>) {
    out.push(b'{');
    let start = out.len();
    for field in fields {
        let before = out.len();
        if before > start {
            out.push(b',');
        }
        let name = out.len();
        out.extend(format!("\"{}\":", field.name).into_bytes());
        let value = out.len();
        if list(bytes, span, field, out).is_err() || out.len() == value {
            out.truncate(name.min(before));
        }
    }
    out.push(b'}');
}

/// Writes all occurrences of a field, and nothing where there is none.
fn list(bytes: &[u8], span: Span, field: &Field, out: &mut Vec<u8>) -> Result<(), Fault> {
    let mut cursor = Cursor::new(bytes, span);
    let start = out.len();
    while let Some((number, value)) = cursor.field()? {
        if number != field.number {
            continue;
        }
        match field.repeated {
            false => out.truncate(start), // Of several, the last one counts.
            true => out.push(if out.len() == start { b'[' } else { b',' }),
        }
        match (value, field.kind) {
            (Value::Bytes(message), Kind::Message(fields)) => {
                object(bytes, message.span(), fields, out);
            }
            (Value::Bytes(text), Kind::Text) => {
                let text = String::from_utf8_lossy(text.bytes());
                out.extend(serde_json::to_vec(&text).unwrap_or_default());
            }
            (Value::Bytes(text), Kind::Bytes) => quoted(&to_base64(text.bytes()), out),
            (Value::Bytes(text), Kind::Id) => quoted(&hex(text.bytes()), out),
            (Value::Bytes(mut packed), kind) => {
                let first = out.len();
                while !packed.is_done() {
                    if out.len() > first {
                        out.push(b',');
                    }
                    let number = match kind {
                        Kind::Fixed64 => packed.fixed64()?,
                        _ => packed.varint()?,
                    };
                    scalar(number, kind, out);
                }
            }
            (Value::Int(number) | Value::Fixed64(number), kind) => scalar(number, kind, out),
            (Value::Fixed32, _) => {}
        }
    }
    if field.repeated && out.len() > start {
        out.push(b']');
    }
    Ok(())
}

fn scalar(number: u64, kind: Kind, out: &mut Vec<u8>) {
    let text = match kind {
        Kind::Bool => (number != 0).to_string(),
        Kind::Int32 => (number as i32).to_string(),
        Kind::Uint32 => (number as u32).to_string(),
        Kind::Int64 => format!("\"{}\"", number as i64),
        Kind::Double => match f64::from_bits(number) {
            number if number.is_finite() => number.to_string(),
            number if number.is_nan() => "\"NaN\"".to_owned(),
            number if number > 0.0 => "\"Infinity\"".to_owned(),
            _ => "\"-Infinity\"".to_owned(),
        },
        _ => format!("\"{number}\""),
    };
    out.extend(text.into_bytes());
}

/// Text that needs no escape.
fn quoted(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    out.extend_from_slice(text.as_bytes());
    out.push(b'"');
}
