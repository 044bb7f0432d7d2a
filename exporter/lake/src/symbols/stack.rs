//! Stacks: their texts are built once, and their order is kept from batch to batch.

use bytemuck::cast_slice;
use xxhash_rust::xxh3::xxh3_64;

use super::{Function, Symbols, arena::mix, pair, unpair};

/// Longest folded stack in bytes. A longer one keeps its leaf side, and its root says so.
const FOLDED_BYTES_MAX: usize = 1 << 20;
const CUT: &str = "(truncated)";

/// What the lake knows of a stack. Stacks that differ in addresses only are one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stack {
    /// Id of the folded names.
    pub folded: u32,
    /// Id of the folded lines.
    pub lines: u32,
    /// String id of the leaf's name.
    pub function: u32,
    /// String id of the leaf's file.
    pub file: u32,
    /// Hash of names, files and lines, the same in every process.
    pub id: i64,
}

/// Space to fold in, kept from stack to stack.
#[derive(Default)]
pub struct Buffer {
    frames: Vec<u64>,
    names: String,
    lines: String,
    detail: Vec<u64>,
}

impl Symbols {
    /// The stack of a list of locations, leaf first, with this hash.
    #[inline]
    pub fn stack(&mut self, hash: u128, locations: &[u32]) -> u32 {
        match self.memo.find(hash) {
            Some(id) => id,
            None => self.new_stack(hash, locations),
        }
    }

    /// Reads where these hashes would be, so that `stack` finds them in the cache.
    #[inline]
    pub fn touch(&self, hashes: &[u128]) {
        self.memo.touch(hashes);
    }

    #[cold]
    fn new_stack(&mut self, hash: u128, locations: &[u32]) -> u32 {
        let mut buffer = std::mem::take(&mut self.buffer);
        let stack = self.fold(locations, &mut buffer);
        self.buffer = buffer;
        let key = mix(stack.id as u64 ^ u64::from(stack.folded).rotate_left(40), self.seed);
        let id = match self.stack_table.find(key, |id| self.stacks[id as usize] == stack) {
            Ok(id) => id,
            Err(missing) => {
                let id = self.stacks.len() as u32;
                self.stacks.push(stack);
                self.stack_locations.extend_from_slice(locations);
                self.stack_ends.push(self.stack_locations.len());
                self.stack_table.insert(missing, id);
                id
            }
        };
        self.memo.insert(hash, id);
        id
    }

    fn fold(&mut self, locations: &[u32], buffer: &mut Buffer) -> Stack {
        let Buffer { frames, names, lines, detail } = buffer;
        frames.clear();
        names.clear();
        lines.clear();
        detail.clear();
        for &location in locations {
            frames.extend_from_slice(self.locations.get(location));
        }
        let kept = self.within_limit(frames);
        if kept < frames.len() {
            names.push_str(CUT);
            lines.push('0');
        }
        for &frame in frames[..kept].iter().rev() {
            let (function, line) = unpair(frame);
            if !names.is_empty() {
                names.push(';');
                lines.push(';');
            }
            names.push_str(self.strings.get(self.functions[function as usize].name));
            push_decimal(lines, line);
        }
        // All frames take part, so that stacks that were cut stay apart.
        for &frame in frames.iter().rev() {
            let (function, line) = unpair(frame);
            detail.extend([self.stable[function as usize], u64::from(line)]);
        }
        let leaf = frames.first().map(|frame| self.functions[unpair(*frame).0 as usize]);
        Stack {
            folded: self.folded.intern(names),
            lines: self.lines.intern(lines),
            function: leaf.map_or(0, |function| function.name),
            file: leaf.map_or(0, |function| function.file),
            id: xxh3_64(cast_slice(detail)) as i64,
        }
    }

    /// How many frames from the leaf fit into the longest folded stack.
    fn within_limit(&self, frames: &[u64]) -> usize {
        let mut bytes = CUT.len();
        let fits = |frame: &&u64| {
            let function = self.functions[unpair(**frame).0 as usize];
            bytes += self.strings.get(function.name).len() + 1;
            bytes <= FOLDED_BYTES_MAX
        };
        frames.iter().take_while(fits).count()
    }

    /// Bytes of a location's names, separators included.
    pub fn location_bytes(&self, location: u32) -> usize {
        let frames = self.locations.get(location).iter().map(|frame| unpair(*frame).0);
        let names = frames.map(|function| self.functions[function as usize].name);
        names.map(|name| self.strings.get(name).len() + 1).sum()
    }

    /// A location that stands for frames that were left out.
    pub fn cut_location(&mut self) -> u32 {
        let name = self.strings.intern(CUT);
        let function = self.function(Function { name, ..Function::default() });
        self.locations.intern(&[Self::frame(function, 0)])
    }

    /// The stack with this id.
    #[inline]
    pub fn stack_at(&self, id: u32) -> &Stack {
        &self.stacks[id as usize]
    }

    /// Number of stacks.
    pub fn stacks_len(&self) -> usize {
        self.stacks.len()
    }

    /// The functions of a stack, root first, as (function, line).
    pub fn frames(&self, stack: u32) -> impl Iterator<Item = (u32, u32)> {
        let index = stack as usize;
        let start = if index == 0 { 0 } else { self.stack_ends[index - 1] };
        let locations = self.stack_locations[start..self.stack_ends[index]].iter().rev();
        locations
            .flat_map(|location| self.locations.get(*location).iter().rev().map(|f| unpair(*f)))
    }

    /// The place of each stack in order of (folded, id).
    pub fn rank_stacks(&mut self) {
        let key = |id: u32| {
            let stack = &self.stacks[id as usize];
            (self.folded.get(stack.folded), stack.id)
        };
        self.stack_order.extend_to(self.stacks.len(), |a, b| key(a).cmp(&key(b)));
    }

    /// All stacks in the order that `rank_stacks` last made.
    pub fn ranked_stacks(&self) -> &[u32] {
        self.stack_order.ids()
    }

    /// The place of a stack in the order that `rank_stacks` last made.
    #[inline]
    pub fn stack_rank(&self, stack: u32) -> u32 {
        self.stack_order.rank(stack)
    }

    /// One frame of a location.
    pub(super) fn frame(function: u32, line: i64) -> u64 {
        pair(function, u32::try_from(line.max(0)).unwrap_or(u32::MAX))
    }
}

fn push_decimal(text: &mut String, mut number: u32) {
    let (mut digits, mut at) = ([0; 10], 10);
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    digits[at..].iter().for_each(|digit| text.push(char::from(*digit)));
}
