//! An order of ids that is kept while ids are added.

use std::cmp::Ordering;

/// Ids in order, and the place of each.
#[derive(Default)]
pub struct Order {
    ids: Vec<u32>,
    rank: Vec<u32>,
}

impl Order {
    /// Takes the ids up to `len` in: new ones are sorted and merged into the old ones, which keep
    /// their order.
    pub fn extend_to(&mut self, len: usize, compare: impl Fn(u32, u32) -> Ordering) {
        let known = self.ids.len();
        if known == len {
            return;
        }
        let mut fresh: Vec<u32> = (known as u32..len as u32).collect();
        fresh.sort_by(|a, b| compare(*a, *b));
        let mut merged = Vec::with_capacity(len);
        let (mut old, mut fresh) = (self.ids.iter().peekable(), fresh.iter().peekable());
        while let (Some(a), Some(b)) = (old.peek(), fresh.peek()) {
            merged.extend(if compare(**a, **b).is_le() { old.next() } else { fresh.next() });
        }
        merged.extend(old.chain(fresh));
        self.rank.resize(len, 0);
        for (rank, id) in merged.iter().enumerate() {
            self.rank[*id as usize] = rank as u32;
        }
        self.ids = merged;
    }

    /// All ids in order.
    pub fn ids(&self) -> &[u32] {
        &self.ids
    }

    /// The place of an id.
    #[inline]
    pub fn rank(&self, id: u32) -> u32 {
        self.rank[id as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stays_sorted_as_it_grows() {
        let names = ["m", "c", "x", "a", "m", "b"];
        let compare = |a: u32, b: u32| names[a as usize].cmp(names[b as usize]);
        let mut order = Order::default();
        for len in [0, 3, 3, 5, 6] {
            order.extend_to(len, compare);
            assert_eq!(order.ids().len(), len);
            assert!(order.ids().is_sorted_by(|a, b| compare(*a, *b).is_le()));
        }
        assert_eq!(order.ids(), [3, 5, 1, 0, 4, 2]);
        assert_eq!((order.rank(3), order.rank(2)), (0, 5));
    }
}
