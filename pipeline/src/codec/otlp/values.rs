//! Reads attributes. Keys and texts may stand in place or be references to the dictionary, as
//! OTLP v1.10 allows; what stands in place wins.

use super::tables::{RawAttribute, Tables, index};
use crate::{
    codec::wire::Cursor,
    profile::{Attribute, Value},
    reason::{Reason, Refused},
};

/// Values within values.
const DEPTH_MAX: usize = 16;
/// Attributes of a resource, a scope or a profile.
const ATTRIBUTES_MAX: usize = 1024;

/// What a request may still take of memory, whatever few bytes on the wire it was made of.
pub struct Budget(usize);

impl Budget {
    /// That many bytes.
    pub fn new(bytes: usize) -> Self {
        Self(bytes)
    }

    /// What is left.
    pub fn left(&self) -> usize {
        self.0
    }

    /// Takes a part of it.
    pub fn take(&mut self, bytes: usize) -> Result<(), Refused> {
        let left = self.0.checked_sub(bytes);
        self.0 = left.ok_or_else(|| {
            Refused::new(Reason::SizeLimit, "the profiles of the request take too much memory")
        })?;
        Ok(())
    }
}

/// Reads an attribute in place, a `KeyValue`, and adds it.
pub fn push_key_value(
    list: &mut Vec<Attribute>,
    message: Cursor<'_>,
    tables: &Tables<'_>,
    budget: &mut Budget,
) -> Result<(), Refused> {
    if list.len() >= ATTRIBUTES_MAX {
        let detail = format!("more than {ATTRIBUTES_MAX} attributes");
        return Err(Refused::new(Reason::CountLimit, detail));
    }
    let (key, value) = key_value(message, tables, budget, 0)?;
    budget.take(72)?;
    list.push(Attribute::new(key, value));
    Ok(())
}

/// Reads an entry of the attribute table.
pub fn attribute(
    raw: RawAttribute,
    tables: &Tables<'_>,
    budget: &mut Budget,
) -> Result<Attribute, Refused> {
    let value = match raw.value {
        Some(span) => any_value(tables.cursor(span), tables, budget, 0)?,
        None => Value::Empty,
    };
    let (key, unit) = (tables.text(raw.key), tables.text(raw.unit));
    budget.take(72 + key.len() + unit.len())?;
    Ok(Attribute { key: key.into_owned(), value, unit: unit.into_owned() })
}

fn key_value(
    mut message: Cursor<'_>,
    tables: &Tables<'_>,
    budget: &mut Budget,
    depth: usize,
) -> Result<(String, Value), Refused> {
    let (mut key, mut key_index, mut found) = (String::new(), 0, Value::Empty);
    while let Some((field, value)) = message.field()? {
        match field {
            1 => key = text(value.message(&message)?),
            2 => found = any_value(value.message(&message)?, tables, budget, depth)?,
            3 => key_index = value.int(&message)?,
            _ => {}
        }
    }
    if key.is_empty() && key_index != 0 {
        key = reference(key_index, tables)?;
    }
    budget.take(24 + key.len())?;
    Ok((key, found))
}

fn any_value(
    mut message: Cursor<'_>,
    tables: &Tables<'_>,
    budget: &mut Budget,
    depth: usize,
) -> Result<Value, Refused> {
    if depth > DEPTH_MAX {
        let detail = format!("values more than {DEPTH_MAX} levels deep");
        return Err(Refused::new(Reason::CountLimit, detail));
    }
    budget.take(32)?;
    let mut found = Value::Empty;
    while let Some((field, value)) = message.field()? {
        found = match field {
            1 => Value::Text(text(value.message(&message)?)),
            2 => Value::Bool(value.int(&message)? != 0),
            3 => Value::Int(value.int(&message)? as i64),
            4 => Value::Double(value.fixed(&message)?),
            5 => {
                let mut list = Vec::new();
                let mut array = value.message(&message)?;
                while let Some((field, value)) = array.field()? {
                    if field == 1 {
                        list.push(any_value(value.message(&array)?, tables, budget, depth + 1)?);
                    }
                }
                Value::List(list)
            }
            6 => {
                let mut map = Vec::new();
                let mut pairs = value.message(&message)?;
                while let Some((field, value)) = pairs.field()? {
                    if field == 1 {
                        map.push(key_value(value.message(&pairs)?, tables, budget, depth + 1)?);
                    }
                }
                Value::Map(map)
            }
            7 => Value::Bytes(value.message(&message)?.bytes().to_vec()),
            8 => Value::Text(reference(value.int(&message)?, tables)?),
            _ => continue,
        };
        if let Value::Text(text) = &found {
            budget.take(text.len())?;
        } else if let Value::Bytes(bytes) = &found {
            budget.take(bytes.len())?;
        }
    }
    Ok(found)
}

/// Text that stands in place; what is not UTF-8 is replaced.
pub fn text(message: Cursor<'_>) -> String {
    String::from_utf8_lossy(message.bytes()).into_owned()
}

fn reference(number: u64, tables: &Tables<'_>) -> Result<String, Refused> {
    let at = index(number);
    if at != 0 && at as usize >= tables.strings_len() {
        let detail = format!("string {} of {} is not there", at as i32, tables.strings_len());
        return Err(Refused::new(Reason::BadReference, detail));
    }
    Ok(tables.text(at).into_owned())
}
