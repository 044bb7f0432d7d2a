//! Ids of a profile to indexes of our tables. Go counts them from 1 in the order of the table, so
//! that there is nothing to look up; others have a vector where ids are small, a map for the rest.

use std::collections::HashMap;

use crate::{
    codec::wire::{Cursor, Fault},
    reason::{Reason, Refused},
};

const NONE: u32 = u32::MAX;

/// A map from ids to indexes; id 0 is never in it.
#[derive(Default)]
pub struct Ids {
    /// How many entries have come as 1, 2, 3, …; these are in neither of the others.
    counted: u32,
    dense: Vec<u32>,
    sparse: HashMap<u64, u32>,
    /// Entries that the table will have.
    entries: usize,
}

impl Ids {
    /// Empties the map for a table of `entries` entries.
    pub fn reset(&mut self, entries: usize) {
        self.counted = 0;
        self.entries = entries;
        self.dense.clear();
        self.sparse.clear();
    }

    /// Notes where an entry is. Zero and ids that are taken are refused.
    #[inline(always)]
    pub fn set(&mut self, id: u64, index: u32, what: &str) -> Result<(), Refused> {
        if id == u64::from(index) + 1 && index == self.counted && self.dense.is_empty() {
            self.counted += 1;
            return Ok(());
        }
        self.set_apart(id, index, what)
    }

    #[cold]
    #[inline(never)]
    fn set_apart(&mut self, id: u64, index: u32, what: &str) -> Result<(), Refused> {
        if self.dense.is_empty() {
            self.dense.resize(2 * self.entries + 16, NONE);
        }
        let before = match self.dense.get_mut(id as usize) {
            Some(slot) => std::mem::replace(slot, index),
            None => self.sparse.insert(id, index).unwrap_or(NONE),
        };
        if before != NONE || (1..=u64::from(self.counted)).contains(&id) {
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
        let index = id.wrapping_sub(1);
        if index < u64::from(self.counted) { index as u32 } else { self.get_apart(id) }
    }

    /// Writes the indexes of packed ids into the room, as far as it goes; how many there are, and
    /// one above the highest.
    #[inline(always)]
    pub fn indexes(&self, ids: Cursor<'_>, room: &mut [u32]) -> Result<(usize, u32), Fault> {
        let (count, end) = write(ids, room, |id| id.wrapping_sub(1))?;
        if end <= u64::from(self.counted) {
            return Ok((count, end as u32));
        }
        let (count, end) = write(ids, room, |id| u64::from(self.get(id)))?;
        Ok((count, u32::try_from(end).unwrap_or(NONE)))
    }

    #[cold]
    #[inline(never)]
    fn get_apart(&self, id: u64) -> u32 {
        match self.dense.get(id as usize) {
            Some(index) => *index,
            None => self.sparse.get(&id).copied().unwrap_or(NONE),
        }
    }
}

#[inline(always)]
fn write(
    mut ids: Cursor<'_>,
    room: &mut [u32],
    index: impl Fn(u64) -> u64,
) -> Result<(usize, u64), Fault> {
    let (mut count, mut most) = (0, 0);
    ids.packed(|id| {
        let index = index(id);
        if let Some(place) = room.get_mut(count) {
            *place = index as u32;
        }
        count += 1;
        most = index.max(most);
    })?;
    Ok((count, if count == 0 { 0 } else { most.saturating_add(1) }))
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

    #[test]
    fn ids_that_count_are_found_beside_others() {
        let mut ids = Ids::default();
        ids.reset(5);
        for (index, id) in [(0, 1), (1, 2), (2, 9), (3, 4), (4, 5)] {
            ids.set(id, index, "location").unwrap();
        }
        assert_eq!([1, 2, 9, 4, 5].map(|id| ids.get(id)), [0, 1, 2, 3, 4]);
        assert_eq!([0, 3, 6, 8, u64::MAX].map(|id| ids.get(id)), [NONE; 5]);
        for taken in [1, 2, 4, 9] {
            assert!(ids.set(taken, 5, "location").is_err(), "{taken}");
        }
        assert!(ids.set(3, 5, "location").is_ok());
        ids.reset(1);
        assert_eq!(ids.get(1), NONE);
    }
}
