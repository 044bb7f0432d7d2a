//! Interned strings and lists: each distinct one lies once in a common buffer and has a dense id.
//! They are known by their hashes alone: to compare what is stored would cost a few misses of the
//! cache for each that is met again, which is nearly every one.

use bytemuck::cast_slice;
use xxhash_rust::xxh3::xxh3_128_with_seed;

use super::table::WideTable;

/// Interned strings.
pub struct Texts {
    bytes: String,
    ends: Vec<usize>,
    table: WideTable,
    seed: u64,
}

impl Texts {
    /// An empty table. The seed keeps strings from the network from aiming at one slot.
    pub fn new(seed: u64) -> Self {
        Self { bytes: String::new(), ends: Vec::new(), table: WideTable::default(), seed }
    }

    #[inline]
    fn range(ends: &[usize], id: u32) -> std::ops::Range<usize> {
        let id = id as usize;
        let start = if id == 0 { 0 } else { ends[id - 1] };
        start..ends[id]
    }

    /// The string with this id.
    #[inline]
    pub fn get(&self, id: u32) -> &str {
        &self.bytes[Self::range(&self.ends, id)]
    }

    /// The id of a string, a new one if it is new.
    #[inline]
    pub fn intern(&mut self, text: &str) -> u32 {
        self.intern_hashed(self.hash(text), || text)
    }

    /// The hash of a string.
    #[inline]
    pub fn hash(&self, text: &str) -> u128 {
        xxh3_128_with_seed(text.as_bytes(), self.seed)
    }

    /// The same as `intern` for a string whose hash is known.
    #[inline]
    pub fn intern_hashed<'a>(&mut self, hash: u128, text: impl FnOnce() -> &'a str) -> u32 {
        match self.table.find(hash) {
            Some(id) => id,
            None => self.add(hash, text()),
        }
    }

    /// Reads where these hashes would be, so that `intern_hashed` finds them in the cache.
    #[inline]
    pub fn touch(&self, hashes: &[u128]) {
        self.table.touch(hashes);
    }

    #[cold]
    fn add(&mut self, hash: u128, text: &str) -> u32 {
        let id = self.ends.len() as u32;
        // In few steps: each copies what is there, and memory that nobody touched costs nothing.
        if self.bytes.capacity() - self.bytes.len() < text.len() {
            self.bytes.reserve(3 * self.bytes.len() + text.len());
        }
        self.bytes.push_str(text);
        self.ends.push(self.bytes.len());
        self.table.insert(hash, id);
        id
    }

    /// Number of strings.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Bytes of all strings on a dictionary page.
    pub fn page_bytes(&self) -> usize {
        self.bytes.len() + self.ends.len() * 4
    }

    /// Bytes of memory.
    pub fn bytes(&self) -> usize {
        self.bytes.len() + self.ends.len() * 8 + self.table.bytes()
    }
}

/// Interned lists of 64-bit words.
pub struct Words {
    words: Vec<u64>,
    ends: Vec<u32>,
    table: WideTable,
    seed: u64,
}

impl Words {
    /// An empty table.
    pub fn new(seed: u64) -> Self {
        Self { words: Vec::new(), ends: Vec::new(), table: WideTable::default(), seed }
    }

    #[inline]
    fn range(ends: &[u32], id: u32) -> std::ops::Range<usize> {
        let id = id as usize;
        let start = if id == 0 { 0 } else { ends[id - 1] as usize };
        start..ends[id] as usize
    }

    /// The list with this id.
    #[inline]
    pub fn get(&self, id: u32) -> &[u64] {
        &self.words[Self::range(&self.ends, id)]
    }

    /// The id of a list, a new one if it is new.
    #[inline]
    pub fn intern(&mut self, list: &[u64]) -> u32 {
        self.intern_hashed(self.hash(list), list)
    }

    /// The hash of a list.
    #[inline]
    pub fn hash(&self, list: &[u64]) -> u128 {
        match list {
            // Most locations are one frame: words that differ have hashes that differ.
            [word] => {
                let product = (word ^ self.seed).wrapping_mul(MIX ^ self.seed.rotate_left(29) | 1);
                u128::from(product ^ product >> 32)
            }
            list => xxh3_128_with_seed(cast_slice(list), self.seed),
        }
    }

    /// Reads where these hashes would be, so that `intern_hashed` finds them in the cache.
    #[inline]
    pub fn touch(&self, hashes: &[u128]) {
        self.table.touch(hashes);
    }

    /// The same as `intern` for a list whose hash is known.
    #[inline]
    pub fn intern_hashed(&mut self, hash: u128, list: &[u64]) -> u32 {
        match self.table.find(hash) {
            Some(id) => id,
            None => self.add(hash, list),
        }
    }

    #[cold]
    fn add(&mut self, hash: u128, list: &[u64]) -> u32 {
        let id = self.ends.len() as u32;
        self.words.extend_from_slice(list);
        self.ends.push(self.words.len() as u32);
        self.table.insert(hash, id);
        id
    }

    /// Number of lists.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Bytes of memory.
    pub fn bytes(&self) -> usize {
        self.words.len() * 8 + self.ends.len() * 4 + self.table.bytes()
    }
}

/// A factor whose bits are mixed well.
const MIX: u64 = 0x9e37_79b9_7f4a_7c15;

/// A seeded hash of one word.
#[inline]
pub fn mix(word: u64, seed: u64) -> u64 {
    let product = u128::from(word ^ seed) * u128::from(MIX ^ seed.rotate_left(29));
    (product as u64 ^ (product >> 64) as u64).wrapping_mul(0xd6e8_feb8_6659_fd93)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_ones_share_an_id() {
        let mut texts = Texts::new(7);
        assert_eq!(["", "ä", "b", "ä", ""].map(|text| texts.intern(text)), [0, 1, 2, 1, 0]);
        assert_eq!((texts.get(0), texts.get(1), texts.len()), ("", "ä", 3));
        let mut words = Words::new(7);
        let lists: [&[u64]; 5] = [&[], &[1], &[1, 2], &[1], &[2, 1]];
        assert_eq!(lists.map(|list| words.intern(list)), [0, 1, 2, 1, 3]);
        assert_eq!((words.get(2), words.get(0), words.len()), (&[1, 2][..], &[][..], 4));
    }
}
