//! The dictionary of a request that is written: each entry once. An entry is known by its bytes,
//! because all that it refers to is in the dictionary as well.

use std::collections::HashMap;

use crate::{
    codec::wire::{put_bytes, put_int, put_varint},
    profile::{Attribute, Value},
};

/// One table.
struct Table {
    field: u64,
    index: HashMap<Box<[u8]>, u32>,
    out: Vec<u8>,
}

impl Table {
    /// A table that holds the empty entry, as all must.
    fn new(field: u64) -> Self {
        let mut table = Self { field, index: HashMap::new(), out: Vec::new() };
        table.intern(&[]);
        table
    }

    fn intern(&mut self, entry: &[u8]) -> u32 {
        if let Some(index) = self.index.get(entry) {
            return *index;
        }
        let index = self.index.len() as u32;
        put_bytes(&mut self.out, self.field, entry);
        self.index.insert(entry.into(), index);
        index
    }
}

/// All tables of a request.
pub struct Dictionary {
    mappings: Table,
    locations: Table,
    functions: Table,
    links: Table,
    strings: Table,
    attributes: Table,
    stacks: Table,
}

impl Default for Dictionary {
    fn default() -> Self {
        Self {
            mappings: Table::new(1),
            locations: Table::new(2),
            functions: Table::new(3),
            links: Table::new(4),
            strings: Table::new(5),
            attributes: Table::new(6),
            stacks: Table::new(7),
        }
    }
}

impl Dictionary {
    /// The index of a string.
    pub fn string(&mut self, text: &str) -> u32 {
        self.strings.intern(text.as_bytes())
    }

    /// The index of a mapping, as its message.
    pub fn mapping(&mut self, message: &[u8]) -> u32 {
        self.mappings.intern(message)
    }

    /// The index of a location, as its message.
    pub fn location(&mut self, message: &[u8]) -> u32 {
        self.locations.intern(message)
    }

    /// The index of a function, as its message.
    pub fn function(&mut self, message: &[u8]) -> u32 {
        self.functions.intern(message)
    }

    /// The index of a stack of locations, leaf first.
    pub fn stack(&mut self, locations: impl Iterator<Item = u32>) -> u32 {
        let (mut packed, mut message) = (Vec::new(), Vec::new());
        locations.for_each(|location| put_varint(&mut packed, location.into()));
        if !packed.is_empty() {
            put_bytes(&mut message, 1, &packed);
        }
        self.stacks.intern(&message)
    }

    /// The index of a link.
    pub fn link(&mut self, (trace, span): ([u8; 16], [u8; 8])) -> u32 {
        let mut message = Vec::new();
        put_bytes(&mut message, 1, &trace);
        put_bytes(&mut message, 2, &span);
        self.links.intern(&message)
    }

    /// The index of an attribute, whose key is a string of the dictionary.
    pub fn attribute(&mut self, key: u32, value: &Value, unit: &str) -> u32 {
        let (mut message, mut any) = (Vec::new(), Vec::new());
        put_int(&mut message, 1, key.into());
        put_value(&mut any, value);
        put_bytes(&mut message, 2, &any);
        put_int(&mut message, 3, self.string(unit).into());
        self.attributes.intern(&message)
    }

    /// The same for an attribute with its texts.
    pub fn whole_attribute(&mut self, attribute: &Attribute) -> u32 {
        let key = self.string(&attribute.key);
        self.attribute(key, &attribute.value, &attribute.unit)
    }

    fn tables(&self) -> [&Table; 7] {
        let Self { mappings, locations, functions, links, strings, attributes, stacks } = self;
        [mappings, locations, functions, links, strings, attributes, stacks]
    }

    /// The message `ProfilesDictionary`.
    pub fn message(&self) -> Vec<u8> {
        self.tables().map(|table| table.out.as_slice()).concat()
    }
}

/// Appends the fields of an `AnyValue`.
pub fn put_value(out: &mut Vec<u8>, value: &Value) {
    let mut message = Vec::new();
    let (field, bytes) = match value {
        Value::Empty => return,
        // A field of a oneof is written also where it holds the default.
        Value::Bool(value) => return out.extend([2 << 3, u8::from(*value)]),
        Value::Int(value) => {
            out.push(3 << 3);
            return put_varint(out, *value as u64);
        }
        Value::Double(bits) => {
            out.push(4 << 3 | 1);
            return out.extend(bits.to_le_bytes());
        }
        Value::Text(text) => (1, text.as_bytes()),
        Value::Bytes(bytes) => (7, bytes.as_slice()),
        Value::List(values) => {
            let mut any = Vec::new();
            for value in values {
                any.clear();
                put_value(&mut any, value);
                put_bytes(&mut message, 1, &any);
            }
            (5, message.as_slice())
        }
        Value::Map(pairs) => {
            for (key, value) in pairs {
                put_bytes(&mut message, 1, &key_value(key, value));
            }
            (6, message.as_slice())
        }
    };
    put_bytes(out, field, bytes);
}

/// The message `KeyValue`, with key and value in place: what refers to the dictionary from outside
/// of it is not understood everywhere.
pub fn key_value(key: &str, value: &Value) -> Vec<u8> {
    let (mut message, mut any) = (Vec::new(), Vec::new());
    put_bytes(&mut message, 1, key.as_bytes());
    put_value(&mut any, value);
    put_bytes(&mut message, 2, &any);
    message
}
