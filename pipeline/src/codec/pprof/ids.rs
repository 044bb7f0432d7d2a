//! Ids of a profile to indexes of our tables: a vector where ids are small, as all known writers
//! have them, and a map for the rest.

use std::collections::HashMap;

use crate::reason::{Reason, Refused};

const NONE: u32 = u32::MAX;

/// A map from ids to indexes; id 0 is never in it.
#[derive(Default)]
pub struct Ids {
    dense: Vec<u32>,
    sparse: HashMap<u64, u32>,
}

impl Ids {
    /// Empties the map for a table of `entries` entries.
    pub fn reset(&mut self, entries: usize) {
        self.dense.clear();
        self.dense.resize(2 * entries + 16, NONE);
        self.sparse.clear();
    }

    /// Notes where an entry is. Zero and ids that are taken are refused.
    #[inline]
    pub fn set(&mut self, id: u64, index: u32, what: &str) -> Result<(), Refused> {
        let before = match self.dense.get_mut(id as usize) {
            Some(slot) => std::mem::replace(slot, index),
            None => self.sparse.insert(id, index).unwrap_or(NONE),
        };
        if before != NONE {
            return Err(Refused::new(Reason::BadReference, format!("{what} id {id} occurs twice")));
        }
        if id == 0 {
            return Err(Refused::new(
                Reason::BadReference,
                format!("{what} with the reserved id 0"),
            ));
        }
        Ok(())
    }

    /// The index of an id, or `u32::MAX`, which no table has.
    #[inline(always)]
    pub fn get(&self, id: u64) -> u32 {
        match self.dense.get(id as usize) {
            Some(index) => *index,
            None => self.sparse.get(&id).copied().unwrap_or(NONE),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_and_large_ids_are_found() {
        let mut ids = Ids::default();
        ids.reset(3);
        for (index, id) in [(0, 7), (1, 1 << 63), (2, u64::MAX)] {
            ids.set(id, index, "location").unwrap();
        }
        assert_eq!(
            [7, 1 << 63, u64::MAX, 0, 8, 1 << 40].map(|id| ids.get(id)),
            [0, 1, 2, NONE, NONE, NONE]
        );
        assert_eq!(
            ids.set(7, 3, "location").unwrap_err().to_string(),
            "bad_reference: location id 7 occurs twice"
        );
        assert!(ids.set(1 << 63, 3, "location").is_err());
        assert!(ids.set(0, 3, "location").is_err());
        ids.reset(0);
        assert_eq!(ids.get(7), NONE);
    }
}
