//! The tables of a profile: strings, mappings, functions, locations.

use std::borrow::Cow;

use super::ids::Ids;
use crate::{
    codec::wire::{Cursor, Span},
    limits::Limits,
    profile::{Builder, Function, Line, Location, Mapping, NO_MAPPING, Strings},
    reason::{Reason, Refused},
};

/// Bytes that are copied at once: few names are longer, and a copy of known size is no call.
const CHUNK: usize = 64;

/// All strings at once: they are copied behind each other and checked for UTF-8 as one text. What
/// is not UTF-8 is replaced, and of what is too long the tail stays; how many strings that changed
/// comes beside them. They take the place of what is in the memory given.
pub fn strings(
    bytes: &[u8],
    spans: &[Span],
    limits: &Limits,
    (mut text, mut ends): (Vec<u8>, Vec<u32>),
) -> Result<(Strings, u64), Refused> {
    match spans.first() {
        None => return Err(Refused::new(Reason::BadReference, "no string table")),
        Some((start, end)) if start != end => {
            let detail = "the first string is not empty";
            return Err(Refused::new(Reason::BadReference, detail).at(*start as usize));
        }
        Some(_) => {}
    }
    let length: usize = spans.iter().map(|(start, end)| (end - start) as usize).sum();
    text.resize(length + CHUNK, 0);
    ends.clear();
    ends.reserve(spans.len());
    let (mut short, mut at) = (true, 0);
    for &(start, end) in spans {
        let (start, end) = (start as usize, end as usize);
        let length = end - start;
        short &= length <= limits.string_bytes_max;
        match (bytes.get(start..start + CHUNK), text.get_mut(at..at + CHUNK)) {
            // What follows the string is overwritten by the next one.
            (Some(from), Some(to)) if length <= CHUNK => to.copy_from_slice(from),
            _ => text[at..at + length].copy_from_slice(&bytes[start..end]),
        }
        at += length;
        ends.push(at as u32);
    }
    text.truncate(length);
    let whole = short.then(|| String::from_utf8(text).ok()).flatten();
    Ok(whole
        .and_then(|text| Some((Strings::from_parts(text, ends)?, 0)))
        .unwrap_or_else(|| repaired(bytes, spans, limits)))
}

#[cold]
fn repaired(bytes: &[u8], spans: &[Span], limits: &Limits) -> (Strings, u64) {
    let (mut strings, mut count) = (Strings::default(), 0);
    for &(start, end) in &spans[1..] {
        let text = String::from_utf8_lossy(&bytes[start as usize..end as usize]);
        let cut = text.ceil_char_boundary(text.len().saturating_sub(limits.string_bytes_max));
        count += u64::from(cut > 0 || matches!(text, Cow::Owned(_)));
        strings.push(&text[cut..]);
    }
    (strings, count)
}

/// A string index that came over the wire.
#[inline(always)]
pub fn string(index: u64, builder: &Builder) -> Result<u32, Refused> {
    if index < builder.strings_len() as u64 {
        return Ok(index as u32);
    }
    Err(no_string(index, builder.strings_len()))
}

#[cold]
#[inline(never)]
fn no_string(index: u64, len: usize) -> Refused {
    let detail = format!("string {} of {len} is not there", index as i64);
    Refused::new(Reason::BadReference, detail)
}

/// Reads a message of type and unit.
pub fn value_type(mut message: Cursor<'_>, builder: &Builder) -> Result<(u32, u32), Refused> {
    let (mut kind, mut unit) = (0, 0);
    while let Some((field, value)) = message.field()? {
        match field {
            1 => kind = string(value.int(&message)?, builder)?,
            2 => unit = string(value.int(&message)?, builder)?,
            _ => {}
        }
    }
    Ok((kind, unit))
}

/// Reads a mapping into the builder.
pub fn mapping(
    mut message: Cursor<'_>,
    builder: &mut Builder,
    ids: &mut Ids,
) -> Result<(), Refused> {
    let (mut id, mut mapping) = (0, Mapping::default());
    while let Some((field, value)) = message.field()? {
        match field {
            1 => id = value.int(&message)?,
            2 => mapping.start = value.int(&message)?,
            3 => mapping.limit = value.int(&message)?,
            4 => mapping.offset = value.int(&message)?,
            5 => mapping.file = string(value.int(&message)?, builder)?,
            6 => mapping.build_id = string(value.int(&message)?, builder)?,
            7..=10 => mapping.has[field as usize - 7] = value.int(&message)? != 0,
            _ => {}
        }
    }
    let index = builder.mapping(mapping)?;
    ids.set(id, index, "mapping")
}

/// Reads a function into the builder.
pub fn function(
    mut message: Cursor<'_>,
    builder: &mut Builder,
    ids: &mut Ids,
) -> Result<(), Refused> {
    let (mut id, mut function) = (0, Function::default());
    if let Some(value) = message.int_if(1 << 3)? {
        id = value;
    }
    if let Some(index) = message.int_if(2 << 3)? {
        function.name = string(index, builder)?;
    }
    if let Some(index) = message.int_if(3 << 3)? {
        function.system_name = string(index, builder)?;
    }
    if let Some(index) = message.int_if(4 << 3)? {
        function.file = string(index, builder)?;
    }
    if let Some(line) = message.int_if(5 << 3)? {
        function.start_line = line as i64;
    }
    while let Some((field, value)) = message.field()? {
        match field {
            1 => id = value.int(&message)?,
            2 => function.name = string(value.int(&message)?, builder)?,
            3 => function.system_name = string(value.int(&message)?, builder)?,
            4 => function.file = string(value.int(&message)?, builder)?,
            5 => function.start_line = value.int(&message)? as i64,
            _ => {}
        }
    }
    let index = builder.function(function)?;
    ids.set(id, index, "function")
}

/// Reads a location with its lines into the builder.
pub fn location(
    mut message: Cursor<'_>,
    builder: &mut Builder,
    [mappings, functions, locations]: [&mut Ids; 3],
) -> Result<(), Refused> {
    let mut id = 0;
    let mut location = Location { mapping: NO_MAPPING, address: 0, folded: false };
    if let Some(value) = message.int_if(1 << 3)? {
        id = value;
    }
    if let Some(mapping) = message.int_if(2 << 3)? {
        location.mapping = mapped(mapping, mappings)?;
    }
    if let Some(address) = message.int_if(3 << 3)? {
        location.address = address;
    }
    while let Some(inner) = message.message_if(4 << 3 | 2)? {
        builder.line(line(inner, functions)?)?;
    }
    while let Some((field, value)) = message.field()? {
        match field {
            1 => id = value.int(&message)?,
            2 => location.mapping = mapped(value.int(&message)?, mappings)?,
            3 => location.address = value.int(&message)?,
            4 => builder.line(line(value.message(&message)?, functions)?)?,
            5 => location.folded = value.int(&message)? != 0,
            _ => {}
        }
    }
    let index = builder.location(location)?;
    locations.set(id, index, "location")
}

#[inline(always)]
fn mapped(mapping: u64, mappings: &Ids) -> Result<u32, Refused> {
    let index = mappings.get(mapping);
    if mapping != 0 && index == NO_MAPPING {
        return Err(no_entry("mapping", mapping));
    }
    Ok(index)
}

#[cold]
#[inline(never)]
fn no_entry(what: &str, id: u64) -> Refused {
    Refused::new(Reason::BadReference, format!("{what} id {id} is not there"))
}

#[inline(always)]
fn line(mut message: Cursor<'_>, functions: &Ids) -> Result<Line, Refused> {
    let (mut function, mut line) = (0, Line::default());
    if let Some(id) = message.int_if(1 << 3)? {
        function = id;
    }
    if let Some(number) = message.int_if(2 << 3)? {
        line.line = number as i64;
    }
    while let Some((field, value)) = message.field()? {
        match field {
            1 => function = value.int(&message)?,
            2 => line.line = value.int(&message)? as i64,
            3 => line.column = value.int(&message)? as i64,
            _ => {}
        }
    }
    line.function = functions.get(function);
    if line.function == u32::MAX { Err(no_entry("function", function)) } else { Ok(line) }
}
