//! The dictionary of a request that is written: each entry once. An entry is known by its bytes,
//! because all that it refers to is in the dictionary as well; and these by 128 bits of a hash
//! with a secret seed, as nearly all of them are met again.

use std::{
    collections::HashMap,
    hash::{BuildHasher, BuildHasherDefault, Hasher, RandomState},
};

use xxhash_rust::xxh3::xxh3_128_with_seed;

use crate::{
    codec::wire::{put_bytes, put_int, put_varint, varint_len},
    profile::{Attribute, Value},
};

/// Takes what is a hash already as it is.
#[derive(Default)]
pub struct Hashed(u64);

impl Hasher for Hashed {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.0 = self.0.rotate_left(8) ^ u64::from(*byte));
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }

    fn write_u128(&mut self, hash: u128) {
        self.0 = hash as u64;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// One table.
struct Table {
    field: u64,
    seed: u64,
    index: HashMap<u128, u32, BuildHasherDefault<Hashed>>,
    out: Vec<u8>,
}

impl Table {
    /// A table that holds the empty entry, as all must.
    fn new(field: u64, seed: u64) -> Self {
        let mut table = Self { field, seed, index: HashMap::default(), out: Vec::new() };
        table.intern(&[]);
        table
    }

    fn intern(&mut self, entry: &[u8]) -> u32 {
        let next = self.index.len() as u32;
        let hash = xxh3_128_with_seed(entry, self.seed);
        let index = *self.index.entry(hash).or_insert(next);
        if index == next {
            put_bytes(&mut self.out, self.field, entry);
        }
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
    /// Kept from stack to stack.
    packed: Vec<u8>,
}

impl Default for Dictionary {
    fn default() -> Self {
        let seed = RandomState::new().build_hasher().finish();
        let table = |field| Table::new(field, seed);
        Self {
            mappings: table(1),
            locations: table(2),
            functions: table(3),
            links: table(4),
            strings: table(5),
            attributes: table(6),
            stacks: table(7),
            packed: Vec::new(),
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
    pub fn stack(&mut self, locations: &[u32]) -> u32 {
        let message = &mut self.packed;
        message.clear();
        if !locations.is_empty() {
            let bytes: usize = locations.iter().map(|at| varint_len((*at).into())).sum();
            put_varint(message, 1 << 3 | 2);
            put_varint(message, bytes as u64);
            locations.iter().for_each(|location| put_varint(message, (*location).into()));
        }
        self.stacks.intern(message)
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
        let Self { mappings, locations, functions, links, strings, attributes, stacks, .. } = self;
        [mappings, locations, functions, links, strings, attributes, stacks]
    }

    /// Bytes of the message, so far.
    pub fn len(&self) -> usize {
        self.tables().iter().map(|table| table.out.len()).sum()
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
