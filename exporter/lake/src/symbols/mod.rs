//! Names across profiles: every string, function, location, stack and label set that a writer
//! meets gets a dense id once, so that one it knows costs a hash and a compare. Profiles of one
//! service share nearly all of them.

mod arena;
mod local;
mod order;
mod stack;
mod table;

use std::hash::{BuildHasher, RandomState};

use bytemuck::cast_slice;
use xxhash_rust::xxh3::{xxh3_64, xxh3_128_with_seed};

pub use arena::Texts;
use arena::{Words, mix};
pub use local::{JOINED_BYTES_MAX, Local, SIZE_LABEL};
use order::Order;
pub use stack::Stack;
use table::{Table, WideTable};

/// The name of a frame that has none, as in pprof.
const UNKNOWN: &str = "<unknown>";

/// A function; names are string ids, 0 is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Function {
    /// The name as a frame has it: without `;`.
    pub name: u32,
    /// The name in the binary, where it is another.
    pub system_name: u32,
    /// Source file.
    pub file: u32,
    /// First line; 0 is unknown.
    pub start_line: u32,
}

/// All tables. They only grow; the writer drops them between batches once they are large.
pub struct Symbols {
    seed: u64,
    /// Strings; id 0 is the empty one.
    pub strings: Texts,
    functions: Vec<Function>,
    /// Hash of each function's name and file, the same in every process.
    stable: Vec<u64>,
    function_table: Table,
    /// From functions as profiles give them to their ids: what comes again needs no look at its
    /// texts.
    given: WideTable,
    /// Frames of each location, innermost first: function in the upper half, line in the lower.
    locations: Words,
    /// Label sets: first the ids of trace and span, then key and value in order of the texts; two
    /// string ids a word. Set 0 is empty.
    sets: Words,
    /// From label sets as profiles give them to their ids.
    given_sets: WideTable,
    /// From lists of locations to stacks.
    memo: WideTable,
    stacks: Vec<Stack>,
    stack_table: Table,
    /// Locations of each stack, leaf first, and where they end.
    stack_locations: Vec<u32>,
    stack_ends: Vec<usize>,
    /// Folded names of stacks.
    pub folded: Texts,
    /// Folded lines of stacks.
    pub lines: Texts,
    stack_order: Order,
    function_order: Order,
    buffer: stack::Buffer,
}

/// Two ids in one word.
#[inline]
fn pair(high: u32, low: u32) -> u64 {
    u64::from(high) << 32 | u64::from(low)
}

/// The ids of a word.
#[inline]
pub fn unpair(word: u64) -> (u32, u32) {
    ((word >> 32) as u32, word as u32)
}

impl Default for Symbols {
    fn default() -> Self {
        // A secret seed, because what comes over the network must not be able to aim.
        let seed = RandomState::new().hash_one(0);
        let mut symbols = Self {
            seed,
            strings: Texts::new(seed),
            functions: Vec::new(),
            stable: Vec::new(),
            function_table: Table::default(),
            given: WideTable::default(),
            locations: Words::new(seed),
            sets: Words::new(seed),
            given_sets: WideTable::default(),
            memo: WideTable::default(),
            stacks: Vec::new(),
            stack_table: Table::default(),
            stack_locations: Vec::new(),
            stack_ends: Vec::new(),
            folded: Texts::new(seed),
            lines: Texts::new(seed),
            stack_order: Order::default(),
            function_order: Order::default(),
            buffer: stack::Buffer::default(),
        };
        symbols.strings.intern("");
        symbols.set(&[pair(0, 0)]);
        symbols
    }
}

impl Symbols {
    /// The secret of all hashes.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Bytes of memory, nearly.
    pub fn bytes(&self) -> usize {
        self.strings.bytes()
            + self.functions.len() * 24
            + self.function_table.bytes()
            + self.given.bytes()
            + self.locations.bytes()
            + self.sets.bytes()
            + self.given_sets.bytes()
            + self.memo.bytes()
            + self.stacks.len() * 48
            + self.stack_table.bytes()
            + self.stack_locations.len() * 4
            + self.folded.bytes()
            + self.lines.bytes()
    }

    /// The id of a function by its texts; the name loses its `;`, which separates frames.
    #[inline]
    fn function(&mut self, given: Function) -> u32 {
        self.function_hashed(self.hash_function(given), given)
    }

    /// The hash of a function as a profile gives it.
    #[inline]
    fn hash_function(&self, given: Function) -> u128 {
        let Function { name, system_name, file, start_line } = given;
        let words = [pair(name, file), pair(start_line, system_name)];
        xxh3_128_with_seed(cast_slice(&words), self.seed)
    }

    /// The same as `function` for one whose hash is known.
    #[inline]
    fn function_hashed(&mut self, hash: u128, given: Function) -> u32 {
        match self.given.find(hash) {
            Some(id) => id,
            None => {
                let id = self.new_function(given);
                self.given.insert(hash, id);
                id
            }
        }
    }

    #[cold]
    fn new_function(&mut self, given: Function) -> u32 {
        let Function { name, system_name, file, start_line } = given;
        let given = if name == 0 { system_name } else { name };
        let text = self.strings.get(given);
        let shown = if text.is_empty() {
            self.strings.intern(UNKNOWN)
        } else if memchr::memchr(b';', text.as_bytes()).is_some() {
            let text = text.replace(';', ":");
            self.strings.intern(&text)
        } else {
            given
        };
        let system_name = if system_name == shown { 0 } else { system_name };
        let function = Function { name: shown, system_name, file, start_line };
        let hash =
            mix(pair(shown, file) ^ pair(start_line, system_name).rotate_left(17), self.seed);
        match self.function_table.find(hash, |id| self.functions[id as usize] == function) {
            Ok(id) => id,
            Err(missing) => {
                let id = self.functions.len() as u32;
                let place = [self.strings.get(shown), self.strings.get(file)].join("\0");
                self.stable.push(xxh3_64(place.as_bytes()));
                self.functions.push(function);
                self.function_table.insert(missing, id);
                id
            }
        }
    }

    /// The function with this id.
    pub fn function_at(&self, id: u32) -> &Function {
        &self.functions[id as usize]
    }

    /// Number of functions.
    pub fn functions_len(&self) -> usize {
        self.functions.len()
    }

    /// All functions in order of name, file, first line and system name.
    pub fn sorted_functions(&mut self) -> &[u32] {
        let key = |id: u32| {
            let function = &self.functions[id as usize];
            let text = |id| self.strings.get(id);
            let [name, file] = [function.name, function.file].map(text);
            (name, file, function.start_line, text(function.system_name))
        };
        self.function_order.extend_to(self.functions.len(), |a, b| key(a).cmp(&key(b)));
        self.function_order.ids()
    }

    /// The id of a label set in canonical form.
    fn set(&mut self, words: &[u64]) -> u32 {
        self.sets.intern(words)
    }

    /// The id of a set of pairs that are sorted by key, each key once.
    pub fn map<'a>(&mut self, pairs: impl Iterator<Item = (&'a str, &'a str)>) -> u32 {
        let mut words = vec![pair(0, 0)];
        for (key, value) in pairs {
            words.push(pair(self.strings.intern(key), self.strings.intern(value)));
        }
        self.set(&words)
    }

    /// The pairs of a label set: string ids of key and value.
    pub fn pairs(&self, set: u32) -> impl Iterator<Item = (u32, u32)> {
        self.sets.get(set)[1..].iter().map(|word| unpair(*word))
    }

    /// String ids of the trace and the span of a label set; 0 is none.
    pub fn link(&self, set: u32) -> (u32, u32) {
        unpair(self.sets.get(set)[0])
    }

    /// Number of label sets.
    pub fn sets_len(&self) -> usize {
        self.sets.len()
    }

    /// The place of each label set in order of its texts, which is the same in every process.
    pub fn set_ranks(&self) -> Vec<u32> {
        let texts = |set: u32| {
            let words = self.sets.get(set).iter().map(|word| unpair(*word));
            // Trace and span come last, as if they were the last labels.
            let rotated = words.clone().skip(1).chain(words.take(1));
            rotated.map(|(key, value)| (self.strings.get(key), self.strings.get(value)))
        };
        let mut order: Vec<u32> = (0..self.sets.len() as u32).collect();
        order.sort_by(|a, b| texts(*a).cmp(texts(*b)));
        let mut ranks = vec![0; order.len()];
        order.iter().enumerate().for_each(|(rank, set)| ranks[*set as usize] = rank as u32);
        ranks
    }

    /// Hash of a list of locations.
    #[inline]
    pub fn hash_stack(&self, locations: &[u32]) -> u128 {
        xxh3_128_with_seed(cast_slice(locations), self.seed)
    }
}
