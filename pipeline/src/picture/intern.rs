//! Interned names: each distinct string once, in one arena, with a dense id.
//!
//! A Go service has a few thousand function names and millions of frames; everything above works on
//! ids and touches the text when it draws.

use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Open addressing over ids from 1 on: 0 marks a free slot. At most half of it is full.
#[derive(Clone, Debug)]
pub(super) struct Slots {
    slots: Vec<u32>,
}

impl Slots {
    /// `slots` is a power of two.
    pub fn with_slots(slots: usize) -> Self {
        debug_assert!(slots.is_power_of_two());
        Slots { slots: vec![0; slots] }
    }

    /// The id that `same` accepts, else the free slot where it belongs.
    #[inline]
    pub fn find(&self, hash: u32, mut same: impl FnMut(u32) -> bool) -> Result<u32, usize> {
        let mask = self.slots.len() - 1;
        let mut at = hash as usize & mask;
        loop {
            match self.slots[at] {
                0 => return Err(at),
                id if same(id) => return Ok(id),
                _ => at = (at + 1) & mask,
            }
        }
    }

    /// Puts an id into the slot that `find` gave, and grows when half is used. `hash_of` tells the
    /// hash of each id up to this one.
    pub fn put(&mut self, at: usize, id: u32, hash_of: impl Fn(u32) -> u32) {
        self.slots[at] = id;
        if id as usize * 2 < self.slots.len() {
            return;
        }
        let mask = self.slots.len() * 2 - 1;
        self.slots = vec![0; mask + 1];
        for id in 1..=id {
            let mut at = hash_of(id) as usize & mask;
            while self.slots[at] != 0 {
                at = (at + 1) & mask;
            }
            self.slots[at] = id;
        }
    }

    pub fn bytes(&self) -> usize {
        self.slots.len() * size_of::<u32>()
    }
}

/// The upper half of a seeded hash, which is what the slots of names and nodes go by.
#[inline]
pub(super) fn hash32(text: &str, seed: u64) -> u32 {
    (xxh3_64_with_seed(text.as_bytes(), seed) >> 32) as u32
}

/// Names by id; id 0 is the empty name.
#[derive(Clone, Debug)]
pub(super) struct Names {
    text: String,
    /// Where each name ends in `text`, and its hash.
    ends: Vec<(usize, u32)>,
    slots: Slots,
    seed: u64,
}

impl Names {
    pub fn new(seed: u64) -> Self {
        Names { text: String::new(), ends: vec![(0, 0)], slots: Slots::with_slots(1 << 10), seed }
    }

    pub fn len(&self) -> usize {
        self.ends.len()
    }

    #[inline]
    pub fn get(&self, id: u32) -> &str {
        let start = if id == 0 { 0 } else { self.ends[id as usize - 1].0 };
        &self.text[start..self.ends[id as usize].0]
    }

    /// The id of a name that is here.
    pub fn find(&self, name: &str) -> Option<u32> {
        if name.is_empty() {
            return Some(0);
        }
        let hash = hash32(name, self.seed);
        self.slots.find(hash, |id| self.ends[id as usize].1 == hash && self.get(id) == name).ok()
    }

    pub fn intern(&mut self, name: &str) -> u32 {
        if name.is_empty() {
            return 0;
        }
        let hash = hash32(name, self.seed);
        let same = |id: u32| self.ends[id as usize].1 == hash && self.get(id) == name;
        match self.slots.find(hash, same) {
            Ok(id) => id,
            Err(at) => {
                let id =
                    u32::try_from(self.ends.len()).expect("memory ends before four billion names");
                self.text.push_str(name);
                self.ends.push((self.text.len(), hash));
                self.slots.put(at, id, |id| self.ends[id as usize].1);
                id
            }
        }
    }

    pub fn bytes(&self) -> usize {
        self.text.capacity() + self.ends.capacity() * size_of::<(usize, u32)>() + self.slots.bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_keep_their_ids_as_the_table_grows() {
        let mut names = Names::new(7);
        let ids: Vec<u32> = (0..5_000).map(|n| names.intern(&format!("pkg.F{n}"))).collect();
        assert_eq!(ids, (1..=5_000).collect::<Vec<u32>>());
        for n in (0..5_000).step_by(7) {
            let name = format!("pkg.F{n}");
            assert_eq!(names.intern(&name), n + 1);
            assert_eq!(names.find(&name), Some(n + 1));
            assert_eq!(names.get(n + 1), name);
        }
        assert_eq!((names.intern(""), names.find(""), names.find("absent")), (0, Some(0), None));
        assert_eq!(names.len(), 5_001);
    }
}
