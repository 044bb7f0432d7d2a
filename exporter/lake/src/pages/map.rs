//! Map columns (`labels`, `resource`) as codes of distinct sets.

use std::collections::HashMap;

use super::{
    Chunk, NULL, PageError, Sets, Texts,
    flat::{index, level_bytes, within},
    header::{PLAIN_DICTIONARY, RLE_DICTIONARY},
    hybrid::hybrid,
    push_run,
};

/// The map whose leaves are `keys` and `values`, of `rows` rows.
pub(crate) fn sets(keys: Chunk, values: Chunk, rows: usize) -> Result<Sets, PageError> {
    let (mut keys, mut values) = (Leaf::new(keys)?, Leaf::new(values)?);
    let mut sets = Interner::default();
    let mut set = vec![];
    let mut runs = Vec::new();
    let (mut seen, mut open) = (0, false);
    while let Some((level, key)) = keys.next()? {
        let Some((same, value)) = values.next()? else {
            return Err(PageError::damaged("fewer values than keys in a map"));
        };
        if same != level {
            return Err(PageError::damaged("keys and values of a map differ in shape"));
        }
        if level == 0 {
            if open {
                push_run(&mut runs, sets.code(&set), 1);
                set.clear();
            }
            (seen, open) = (seen + 1, true);
            within(seen, rows)?;
        }
        if key != NULL {
            set.push((key, value));
        }
    }
    if open {
        push_run(&mut runs, sets.code(&set), 1);
    }
    if seen != rows {
        return Err(PageError::damaged("fewer maps than rows"));
    }
    Ok(Sets { keys: keys.texts, values: values.texts, sets: sets.sets, runs })
}

/// Codes for sets, given in order of first use.
#[derive(Default)]
pub(super) struct Interner {
    codes: HashMap<Box<[(u32, u32)]>, u32>,
    pub sets: Vec<Box<[(u32, u32)]>>,
    last: u32,
}

impl Interner {
    pub fn code(&mut self, set: &[(u32, u32)]) -> u32 {
        if self.sets.get(self.last as usize).is_some_and(|last| **last == *set) {
            return self.last;
        }
        self.last = match self.codes.get(set) {
            Some(code) => *code,
            None => {
                self.sets.push(set.into());
                self.codes.insert(set.into(), self.sets.len() as u32 - 1);
                self.sets.len() as u32 - 1
            }
        };
        self.last
    }
}

/// One leaf of a map, entry by entry; a page at a time is in memory.
struct Leaf {
    chunk: Chunk,
    texts: Texts,
    /// Repetition level (0 begins a row) and code of each entry of the page; `NULL` where the
    /// entry, or the map, is not there.
    entries: std::vec::IntoIter<(u8, u32)>,
}

impl Leaf {
    fn new(chunk: Chunk) -> Result<Self, PageError> {
        if chunk.max_rep != 1 || !(1..=3).contains(&chunk.max_def) {
            return Err(PageError::Other);
        }
        Ok(Self { chunk, texts: Texts::default(), entries: vec![].into_iter() })
    }

    fn next(&mut self) -> Result<Option<(u8, u32)>, PageError> {
        loop {
            if let Some(entry) = self.entries.next() {
                return Ok(Some(entry));
            }
            let Some(page) = self.chunk.next(true)? else { return Ok(None) };
            if page.is_dictionary() {
                self.texts = Texts::plain(page.body.clone(), page.values()?)?;
                continue;
            }
            if !matches!(page.header.encoding, RLE_DICTIONARY | PLAIN_DICTIONARY) {
                return Err(PageError::Other);
            }
            self.entries = self.page(&page.body, page.values()?)?.into_iter();
        }
    }

    fn page(&self, body: &bytes::Bytes, count: usize) -> Result<Vec<(u8, u32)>, PageError> {
        // A count comes from the file, and a run of any length takes three bytes.
        if count > 1 << 26 {
            return Err(PageError::damaged("a map page with too many entries"));
        }
        let (repetition, rest) = level_bytes(body)?;
        let (definition, rest) = level_bytes(&rest)?;
        let mut entries = Vec::with_capacity(count);
        hybrid(&repetition, 1, count, |level, n| {
            entries.resize(entries.len() + n as usize, (level as u8, NULL));
        })?;
        let max = self.chunk.max_def as u32;
        let (mut at, mut present) = (0, vec![]);
        hybrid(&definition, 32 - max.leading_zeros(), count, |level, n| {
            if level == max {
                present.extend(at..at + n);
            }
            at += n;
        })?;
        let (width, codes) = index(&rest, present.len())?;
        let (mut slots, mut highest) = (present.iter(), 0);
        hybrid(codes, width, present.len(), |code, n| {
            highest = highest.max(code);
            for slot in slots.by_ref().take(n as usize) {
                entries[*slot as usize].1 = code;
            }
        })?;
        if !present.is_empty() && highest as usize >= self.texts.len() {
            return Err(PageError::damaged("a code that is not in the dictionary"));
        }
        Ok(entries)
    }
}
