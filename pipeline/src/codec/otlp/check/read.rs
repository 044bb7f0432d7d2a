//! Tables of a dictionary as they stand, whatever they refer to.

use crate::{
    codec::wire::{Cursor, Span, Value},
    reason::Refused,
};

/// The tables.
#[derive(Default)]
pub struct Dictionary<'a> {
    pub mappings: Vec<Mapping>,
    pub locations: Vec<Location>,
    pub functions: Vec<Function>,
    pub links: Vec<Link<'a>>,
    pub strings: Vec<&'a [u8]>,
    pub attributes: Vec<Attribute<'a>>,
    pub stacks: Vec<Vec<i64>>,
}

/// `Mapping`.
#[derive(Default, PartialEq, Eq, Hash)]
pub struct Mapping {
    pub start: u64,
    pub limit: u64,
    pub offset: u64,
    pub file: i64,
    pub attributes: Vec<i64>,
}

/// `Location`.
#[derive(Default, PartialEq)]
pub struct Location {
    pub mapping: i64,
    pub address: u64,
    pub lines: Vec<Line>,
    pub attributes: Vec<i64>,
}

/// `Line`.
#[derive(Default, PartialEq)]
pub struct Line {
    pub function: i64,
    pub line: i64,
    pub column: i64,
}

/// `Function`.
#[derive(Default, PartialEq)]
pub struct Function {
    /// Name, name in the binary, file.
    pub strings: [i64; 3],
    pub start_line: i64,
}

/// `Link`.
#[derive(Default, PartialEq)]
pub struct Link<'a> {
    pub trace: &'a [u8],
    pub span: &'a [u8],
}

/// `KeyValueAndUnit`.
#[derive(Default)]
pub struct Attribute<'a> {
    pub key: i64,
    pub unit: i64,
    /// The fields of the `AnyValue`.
    pub value: Option<Cursor<'a>>,
}

impl<'a> Dictionary<'a> {
    /// Reads the dictionary, which may come in parts, out of the message `bytes`.
    pub fn read(bytes: &'a [u8], parts: &[Span]) -> Result<Self, Refused> {
        let mut tables = Self::default();
        for &part in parts {
            let mut cursor = Cursor::new(bytes, part);
            while let Some((field, value)) = cursor.field()? {
                if !(1..=7).contains(&field) {
                    continue;
                }
                let entry = value.message(&cursor)?;
                match field {
                    1 => tables.mappings.push(mapping(entry)?),
                    2 => tables.locations.push(location(entry)?),
                    3 => tables.functions.push(function(entry)?),
                    4 => tables.links.push(link(entry)?),
                    5 => tables.strings.push(entry.bytes()),
                    6 => tables.attributes.push(attribute(entry)?),
                    _ => tables.stacks.push(stack(entry)?),
                }
            }
        }
        Ok(tables)
    }

    /// A string, where there is one.
    pub fn string(&self, index: i64) -> Option<&'a [u8]> {
        self.strings.get(usize::try_from(index).ok()?).copied()
    }
}

/// A signed number.
pub fn int(value: Value<'_>, at: &Cursor<'_>) -> Result<i64, Refused> {
    Ok(value.int(at)? as i64)
}

/// Adds numbers, packed or not.
pub fn ints(value: Value<'_>, at: &Cursor<'_>, list: &mut Vec<i64>) -> Result<(), Refused> {
    match value {
        Value::Bytes(mut packed) => packed.packed(|number| list.push(number as i64))?,
        number => list.push(int(number, at)?),
    }
    Ok(())
}

fn mapping(mut entry: Cursor<'_>) -> Result<Mapping, Refused> {
    let mut mapping = Mapping::default();
    while let Some((field, value)) = entry.field()? {
        match field {
            1 => mapping.start = value.int(&entry)?,
            2 => mapping.limit = value.int(&entry)?,
            3 => mapping.offset = value.int(&entry)?,
            4 => mapping.file = int(value, &entry)?,
            5 => ints(value, &entry, &mut mapping.attributes)?,
            _ => {}
        }
    }
    Ok(mapping)
}

fn location(mut entry: Cursor<'_>) -> Result<Location, Refused> {
    let mut location = Location::default();
    while let Some((field, value)) = entry.field()? {
        match field {
            1 => location.mapping = int(value, &entry)?,
            2 => location.address = value.int(&entry)?,
            3 => {
                let (mut line, mut message) = (Line::default(), value.message(&entry)?);
                while let Some((field, value)) = message.field()? {
                    match field {
                        1 => line.function = int(value, &message)?,
                        2 => line.line = int(value, &message)?,
                        3 => line.column = int(value, &message)?,
                        _ => {}
                    }
                }
                location.lines.push(line);
            }
            4 => ints(value, &entry, &mut location.attributes)?,
            _ => {}
        }
    }
    Ok(location)
}

fn function(mut entry: Cursor<'_>) -> Result<Function, Refused> {
    let mut function = Function::default();
    while let Some((field, value)) = entry.field()? {
        match field {
            1..=3 => function.strings[field as usize - 1] = int(value, &entry)?,
            4 => function.start_line = int(value, &entry)?,
            _ => {}
        }
    }
    Ok(function)
}

fn link<'a>(mut entry: Cursor<'a>) -> Result<Link<'a>, Refused> {
    let mut link = Link::default();
    while let Some((field, value)) = entry.field()? {
        match field {
            1 => link.trace = value.message(&entry)?.bytes(),
            2 => link.span = value.message(&entry)?.bytes(),
            _ => {}
        }
    }
    Ok(link)
}

fn attribute<'a>(mut entry: Cursor<'a>) -> Result<Attribute<'a>, Refused> {
    let mut attribute = Attribute::default();
    while let Some((field, value)) = entry.field()? {
        match field {
            1 => attribute.key = int(value, &entry)?,
            2 => attribute.value = Some(value.message(&entry)?),
            3 => attribute.unit = int(value, &entry)?,
            _ => {}
        }
    }
    Ok(attribute)
}

fn stack(mut entry: Cursor<'_>) -> Result<Vec<i64>, Refused> {
    let mut stack = Vec::new();
    while let Some((field, value)) = entry.field()? {
        if field == 1 {
            ints(value, &entry, &mut stack)?;
        }
    }
    Ok(stack)
}
