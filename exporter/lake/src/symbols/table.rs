//! Hash tables from hash to dense id. What the ids stand for lies elsewhere, so a slot is eight or
//! sixteen bytes and a lookup mostly one cache line.

/// Open addressing with eight-byte slots: above, the hash, whose low bits are also the position,
/// so that growing needs no hashing; below, id + 1.
#[derive(Default)]
pub struct Table {
    slots: Vec<u64>,
    len: usize,
}

/// The half of a hash that a slot keeps.
pub struct Missing(u32);

const SLOTS_MIN: usize = 1024;

impl Table {
    /// The id with this hash for which `same` holds, or what `insert` needs.
    #[inline]
    pub fn find(&self, hash: u64, same: impl Fn(u32) -> bool) -> Result<u32, Missing> {
        let hash = (hash >> 32) as u32;
        let mask = self.slots.len().wrapping_sub(1);
        let mut at = hash as usize & mask;
        while let Some(&slot) = self.slots.get(at).filter(|slot| **slot != 0) {
            if (slot >> 32) as u32 == hash && same(slot as u32 - 1) {
                return Ok(slot as u32 - 1);
            }
            at = (at + 1) & mask;
        }
        Err(Missing(hash))
    }

    /// Adds an id that `find` did not have.
    pub fn insert(&mut self, missing: Missing, id: u32) {
        if self.len * 2 >= self.slots.len() {
            let bigger = vec![0; (self.slots.len() * 2).max(SLOTS_MIN)];
            for slot in std::mem::replace(&mut self.slots, bigger) {
                if slot != 0 {
                    self.place(slot);
                }
            }
        }
        self.place(u64::from(missing.0) << 32 | (u64::from(id) + 1));
        self.len += 1;
    }

    fn place(&mut self, slot: u64) {
        let mask = self.slots.len() - 1;
        let mut at = (slot >> 32) as usize & mask;
        while self.slots[at] != 0 {
            at = (at + 1) & mask;
        }
        self.slots[at] = slot;
    }

    /// Bytes of memory.
    pub fn bytes(&self) -> usize {
        self.slots.len() * 8
    }
}

/// Ids by 96 bits of a seeded 128-bit hash. The keys are not kept: two with the same 96 bits would
/// be taken for one, which nobody can bring about without the seed, and which chance brings about
/// once in 10^17 tables of a million keys.
#[derive(Default)]
pub struct WideTable {
    slots: Vec<WideSlot>,
    len: usize,
}

#[derive(Clone, Copy, Default)]
struct WideSlot {
    low: u64,
    high: u32,
    /// Id + 1; 0 is a free slot.
    id: u32,
}

impl WideTable {
    /// Reads where these hashes would be, for nothing, so that `find` finds them in the cache: the
    /// misses of many hashes in a row overlap.
    #[inline]
    pub fn touch(&self, hashes: &[u128]) {
        let mask = self.slots.len().wrapping_sub(1);
        let slot = |hash: &u128| self.slots.get(*hash as usize & mask).map_or(0, |slot| slot.id);
        std::hint::black_box(hashes.iter().fold(0, |seen, hash| seen ^ slot(hash)));
    }

    /// The id of a hash.
    #[inline]
    pub fn find(&self, hash: u128) -> Option<u32> {
        let (low, high) = (hash as u64, (hash >> 64) as u32);
        let mask = self.slots.len().wrapping_sub(1);
        let mut at = low as usize & mask;
        while let Some(slot) = self.slots.get(at).filter(|slot| slot.id != 0) {
            if slot.low == low && slot.high == high {
                return Some(slot.id - 1);
            }
            at = (at + 1) & mask;
        }
        None
    }

    /// Adds a hash that `find` did not have.
    pub fn insert(&mut self, hash: u128, id: u32) {
        if self.len * 2 >= self.slots.len() {
            let bigger = vec![WideSlot::default(); (self.slots.len() * 2).max(SLOTS_MIN)];
            for slot in std::mem::replace(&mut self.slots, bigger) {
                if slot.id != 0 {
                    self.place(slot);
                }
            }
        }
        self.place(WideSlot { low: hash as u64, high: (hash >> 64) as u32, id: id + 1 });
        self.len += 1;
    }

    fn place(&mut self, slot: WideSlot) {
        let mask = self.slots.len() - 1;
        let mut at = slot.low as usize & mask;
        while self.slots[at].id != 0 {
            at = (at + 1) & mask;
        }
        self.slots[at] = slot;
    }

    /// Bytes of memory.
    pub fn bytes(&self) -> usize {
        self.slots.len() * size_of::<WideSlot>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_went_in_although_hashes_collide() {
        let (mut table, mut wide) = (Table::default(), WideTable::default());
        let hash = |id: u32| u64::from(id % 97) << 32;
        let wide_hash = |id: u32| u128::from(id) << 60 | u128::from(id % 97);
        for id in 0..5000 {
            let missing = table.find(hash(id), |found| found == id).err().unwrap();
            table.insert(missing, id);
            assert_eq!(wide.find(wide_hash(id)), None);
            wide.insert(wide_hash(id), id);
        }
        for id in 0..5000 {
            assert_eq!(table.find(hash(id), |found| found == id).ok(), Some(id));
            assert_eq!(wide.find(wide_hash(id)), Some(id));
        }
        assert!(table.find(hash(1), |_| false).is_err());
        assert_eq!((table.bytes(), wide.bytes()), (16384 * 8, 16384 * 16));
    }
}
