//! The two containers that all tables of a profile are made of: each is one or two flat vectors,
//! so that a profile costs a dozen allocations, not one per entry.

use serde::{Deserialize, Serialize};

/// Strings in one buffer. Entry 0 is always the empty string.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Strings {
    bytes: String,
    ends: Vec<u32>,
}

impl Default for Strings {
    fn default() -> Self {
        Self { bytes: String::new(), ends: vec![0] }
    }
}

impl Strings {
    /// A table from its parts: all bytes behind each other, and where each entry ends. `None` if
    /// the ends do not rise, pass the bytes, split a character, or the first entry is not empty.
    pub fn from_parts(bytes: String, ends: Vec<u32>) -> Option<Self> {
        let fits = ends.first() == Some(&0)
            && ends.is_sorted()
            && ends.last().is_some_and(|end| *end as usize == bytes.len())
            && ends.iter().all(|end| bytes.is_char_boundary(*end as usize));
        fits.then_some(Self { bytes, ends })
    }

    /// All bytes behind each other, and where each entry ends.
    pub fn parts(&self) -> (&str, &[u32]) {
        (&self.bytes, &self.ends)
    }

    /// The memory of both parts, with what is in it.
    pub(super) fn into_parts(self) -> (Vec<u8>, Vec<u32>) {
        (self.bytes.into_bytes(), self.ends)
    }

    /// Appends a string and returns its index. Equal strings are not joined.
    pub fn push(&mut self, text: &str) -> u32 {
        self.bytes.push_str(text);
        self.ends.push(self.bytes.len() as u32);
        self.ends.len() as u32 - 1
    }

    /// The string with this index.
    ///
    /// # Panics
    /// If there is no such entry, which the builder rules out for every index in a profile.
    pub fn get(&self, index: u32) -> &str {
        let index = index as usize;
        let start = if index == 0 { 0 } else { self.ends[index - 1] as usize };
        &self.bytes[start..self.ends[index] as usize]
    }

    /// Number of entries, the empty string included.
    #[expect(clippy::len_without_is_empty, reason = "entry 0 is always there")]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// All strings in order of their indexes.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        (0..self.ends.len() as u32).map(|index| self.get(index))
    }
}

/// Lists of `T` in one buffer: the frames of stacks, the labels of samples, the lines of locations.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    try_from = "(Vec<T>, Vec<u32>)",
    into = "(Vec<T>, Vec<u32>)",
    bound(serialize = "T: Clone + Serialize"),
    bound(deserialize = "T: Deserialize<'de>")
)]
pub struct Lists<T> {
    items: Vec<T>,
    ends: Vec<u32>,
}

/// Of the parts, as they are serialized.
impl<T> TryFrom<(Vec<T>, Vec<u32>)> for Lists<T> {
    type Error = &'static str;

    fn try_from((items, ends): (Vec<T>, Vec<u32>)) -> Result<Self, Self::Error> {
        Self::from_parts(items, ends).ok_or("lists that do not fit their items")
    }
}

impl<T: Clone> From<Lists<T>> for (Vec<T>, Vec<u32>) {
    fn from(lists: Lists<T>) -> Self {
        (lists.items, lists.ends)
    }
}

impl<T> Default for Lists<T> {
    fn default() -> Self {
        Self { items: Vec::new(), ends: Vec::new() }
    }
}

impl<T> Lists<T> {
    /// Lists from their parts: all items behind each other, and where each list ends. `None` if
    /// the ends do not rise or pass the items.
    pub fn from_parts(items: Vec<T>, ends: Vec<u32>) -> Option<Self> {
        let last = ends.last().copied().unwrap_or(0) as usize;
        (ends.is_sorted() && last == items.len()).then_some(Self { items, ends })
    }

    /// All items behind each other, and where each list ends.
    pub fn parts(&self) -> (&[T], &[u32]) {
        (&self.items, &self.ends)
    }

    /// Adds an item to the list that the next `close` ends.
    pub fn push(&mut self, item: T) {
        self.items.push(item);
    }

    /// Adds items to the list that is open: `fill` writes them into the room that it is given and
    /// says how many they are, besides something of its own.
    #[inline(always)]
    pub(crate) fn extend_open<R, E>(
        &mut self,
        room: usize,
        fill: impl FnOnce(&mut [T]) -> Result<(usize, R), E>,
    ) -> Result<(usize, R), E>
    where
        T: Copy + Default,
    {
        let start = self.items.len();
        self.items.resize(start + room, T::default());
        let (count, more) = fill(&mut self.items[start..])?;
        self.items.truncate(start + count.min(room));
        Ok((count, more))
    }

    /// The items of the list that is open.
    pub fn open(&self) -> &[T] {
        &self.items[self.ends.last().copied().unwrap_or(0) as usize..]
    }

    /// Ends the open list and returns its index.
    pub fn close(&mut self) -> u32 {
        self.ends.push(self.items.len() as u32);
        self.ends.len() as u32 - 1
    }

    /// Adds a whole list and returns its index.
    pub fn add(&mut self, list: &[T]) -> u32
    where
        T: Copy,
    {
        self.items.extend_from_slice(list);
        self.close()
    }

    /// The list with this index.
    ///
    /// # Panics
    /// If there is no such list, which the builder rules out for every index in a profile.
    pub fn get(&self, index: u32) -> &[T] {
        let index = index as usize;
        let start = if index == 0 { 0 } else { self.ends[index - 1] as usize };
        &self.items[start..self.ends[index] as usize]
    }

    /// Number of lists that are closed.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether no list was closed.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Drops all lists; their memory stays.
    pub(crate) fn clear(&mut self) {
        self.items.clear();
        self.ends.clear();
    }

    /// Makes room for more lists and items.
    pub fn reserve(&mut self, lists: usize, items: usize) {
        self.ends.reserve(lists);
        self.items.reserve(items);
    }

    /// Number of items of all lists, the open one included.
    pub fn items_len(&self) -> usize {
        self.items.len()
    }

    /// All lists in order of their indexes.
    pub fn iter(&self) -> impl Iterator<Item = &[T]> {
        (0..self.ends.len() as u32).map(|index| self.get(index))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_start_with_the_empty_one() {
        let mut strings = Strings::default();
        assert_eq!((strings.push("main"), strings.push("ä"), strings.get(0)), (1, 2, ""));
        assert_eq!(strings.iter().collect::<Vec<_>>(), ["", "main", "ä"]);
        let (bytes, ends) = strings.parts();
        assert_eq!(Strings::from_parts(bytes.into(), ends.into()), Some(strings.clone()));
        for (bytes, ends) in [("a", vec![]), ("a", vec![1]), ("a", vec![0]), ("ä", vec![0, 1, 2])]
        {
            assert_eq!(Strings::from_parts(bytes.into(), ends), None, "{bytes}");
        }
        assert_eq!(Strings::from_parts("ab".into(), vec![0, 2, 1]), None);
    }

    #[test]
    fn lists_are_cut_where_they_were_closed() {
        let mut lists = Lists::default();
        lists.push(7);
        lists.push(8);
        assert_eq!(lists.open(), [7, 8]);
        assert_eq!((lists.close(), lists.close()), (0, 1));
        assert_eq!(lists.iter().collect::<Vec<_>>(), [&[7, 8][..], &[]]);
        assert_eq!(Lists::from_parts(vec![1], vec![2]), None);
        assert_eq!(Lists::from_parts(vec![1, 2], vec![2, 1]), None);
    }
}
