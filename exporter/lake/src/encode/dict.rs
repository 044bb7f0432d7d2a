//! Dictionary pages in the making: codes in order of first use, entries in PLAIN encoding.

use parquet::file::statistics::Statistics;

use super::{NULL, Runs, stats};

/// The entries of a dictionary page.
#[derive(Debug, Default)]
pub struct Dict {
    page: Vec<u8>,
    len: u32,
}

impl Dict {
    /// Adds a string and returns its code. Equal strings are not joined.
    pub fn push_text(&mut self, text: &str) -> u32 {
        self.page.extend_from_slice(&(text.len() as u32).to_le_bytes());
        self.page.extend_from_slice(text.as_bytes());
        self.len += 1;
        self.len - 1
    }

    fn push_int(&mut self, value: i64) -> u32 {
        self.page.extend_from_slice(&value.to_le_bytes());
        self.len += 1;
        self.len - 1
    }

    /// Number of entries.
    pub fn len(&self) -> u32 {
        self.len
    }

    /// Bytes of the page.
    pub fn bytes(&self) -> usize {
        self.page.len()
    }

    /// The page.
    pub fn into_page(self) -> Vec<u8> {
        self.page
    }

    /// Minimum and maximum of integer entries.
    pub fn int_stats(&self, nulls: u64) -> Option<Statistics> {
        let ints = self.page.chunks_exact(8).filter_map(|bytes| bytes.try_into().ok());
        let (min, max) = ints.map(i64::from_le_bytes).fold((None, None), |(min, max), value| {
            (
                Some(min.map_or(value, |m: i64| m.min(value))),
                Some(max.map_or(value, |m: i64| m.max(value))),
            )
        });
        min.is_some().then(|| Statistics::int64(min, max, None, Some(nulls), false))
    }

    /// Minimum and maximum of text entries, cut to a length that fits a footer.
    pub fn text_stats(&self, nulls: u64) -> Option<Statistics> {
        let (mut rest, mut min, mut max) = (self.page.as_slice(), None::<&[u8]>, None::<&[u8]>);
        while let Some((len, tail)) = rest.split_first_chunk::<4>() {
            let (entry, tail) = tail.split_at_checked(u32::from_le_bytes(*len) as usize)?;
            min = Some(min.map_or(entry, |min| min.min(entry)));
            max = Some(max.map_or(entry, |max| max.max(entry)));
            rest = tail;
        }
        stats::text(min?, max?, nulls)
    }
}

/// Runs and numbers of a column whose memory is kept, 1 MiB each: a larger one goes back to the
/// system, so that one large profile does not stay for good.
const KEPT_MAX: usize = 1 << 17;

/// Room that is kept from column to column: a code per id, and the memory of the last large page,
/// runs and numbers.
#[derive(Debug, Default)]
pub struct Scratch {
    codes: Vec<u32>,
    page: Vec<u8>,
    runs: Runs,
}

impl Scratch {
    /// Empty runs.
    pub fn runs(&mut self) -> Runs {
        let mut runs = std::mem::take(&mut self.runs);
        runs.clear();
        runs
    }

    /// Takes runs back once their column is coded.
    pub fn give_back_runs(&mut self, runs: Runs) {
        if runs.room() <= KEPT_MAX {
            self.runs = runs;
        }
    }

    /// Takes a page back once it is compressed, to be filled again.
    pub fn give_back(&mut self, page: Vec<u8>) {
        if page.capacity() > self.page.capacity() {
            self.page = page;
        }
    }
}

/// Codes for strings and integers that have dense ids.
pub struct IdCoder<'a> {
    codes: &'a mut Vec<u32>,
    used: Vec<u32>,
    dict: Dict,
}

impl<'a> IdCoder<'a> {
    /// A coder for ids below `ids`.
    pub fn new(scratch: &'a mut Scratch, ids: usize) -> Self {
        if scratch.codes.len() < ids {
            scratch.codes.resize(ids, NULL);
        }
        let mut page = std::mem::take(&mut scratch.page);
        page.clear();
        Self { codes: &mut scratch.codes, used: Vec::new(), dict: Dict { page, len: 0 } }
    }

    /// The code of an id; `text` is asked for once.
    #[inline]
    pub fn code<'t>(&mut self, id: u32, text: impl FnOnce() -> &'t str) -> u32 {
        let code = &mut self.codes[id as usize];
        if *code == NULL {
            *code = self.dict.push_text(text());
            self.used.push(id);
        }
        *code
    }

    /// The code of the id of an integer; equal integers of different ids are not joined.
    #[inline]
    pub fn int(&mut self, id: u32, value: i64) -> u32 {
        let code = &mut self.codes[id as usize];
        if *code == NULL {
            *code = self.dict.push_int(value);
            self.used.push(id);
        }
        *code
    }

    /// The dictionary; the scratch is clean again.
    pub fn finish(self) -> Dict {
        for id in self.used {
            self.codes[id as usize] = NULL;
        }
        self.dict
    }
}

/// Codes for integers, by a small table with open addressing.
pub struct IntCoder {
    slots: Vec<(i64, u32)>,
    dict: Dict,
}

impl Default for IntCoder {
    fn default() -> Self {
        Self { slots: vec![(0, NULL); 256], dict: Dict::default() }
    }
}

impl IntCoder {
    /// The slot that holds `value`, or that is free for it.
    #[inline]
    fn slot(slots: &[(i64, u32)], value: i64) -> usize {
        let mask = slots.len() - 1;
        let mut at = ((value as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as usize & mask;
        while slots[at].1 != NULL && slots[at].0 != value {
            at = (at + 1) & mask;
        }
        at
    }

    /// The code of a value.
    #[inline]
    pub fn code(&mut self, value: i64) -> u32 {
        let at = Self::slot(&self.slots, value);
        if self.slots[at].1 != NULL {
            return self.slots[at].1;
        }
        let code = self.dict.push_int(value);
        self.slots[at] = (value, code);
        if self.dict.len as usize * 2 > self.slots.len() {
            self.grow();
        }
        code
    }

    fn grow(&mut self) {
        let mut bigger = vec![(0, NULL); self.slots.len() * 4];
        for &(value, code) in self.slots.iter().filter(|slot| slot.1 != NULL) {
            let at = Self::slot(&bigger, value);
            bigger[at] = (value, code);
        }
        self.slots = bigger;
    }

    /// The dictionary so far.
    pub fn dict(&self) -> &Dict {
        &self.dict
    }

    /// The dictionary.
    pub fn finish(self) -> Dict {
        self.dict
    }
}

/// The dictionary of a list of byte strings, for tests of statistics.
#[cfg(test)]
fn dict_of(texts: &[&str]) -> Dict {
    let mut dict = Dict::default();
    texts.iter().for_each(|text| {
        dict.push_text(text);
    });
    dict
}

#[cfg(test)]
mod tests {
    use parquet::data_type::ByteArray;

    use super::*;

    #[test]
    fn codes_in_order_of_first_use() {
        let mut scratch = Scratch::default();
        for _ in 0..2 {
            let mut coder = IdCoder::new(&mut scratch, 9);
            assert_eq!([8, 3, 8].map(|id| coder.code(id, || "x")), [0, 1, 0]);
            assert_eq!(coder.int(5, 7), 2);
            let dict = coder.finish();
            assert_eq!((dict.len(), dict.bytes()), (3, 2 * 5 + 8));
            scratch.give_back(dict.into_page());
        }
        let mut ints = IntCoder::default();
        for round in 0..2 {
            for value in 0..2000 {
                assert_eq!(ints.code(i64::MIN + value * 7919), value as u32, "round {round}");
            }
        }
        assert_eq!(ints.finish().bytes(), 16_000);
    }

    #[test]
    fn statistics_bound_the_entries() {
        let mut ints = IntCoder::default();
        assert!(ints.dict.int_stats(0).is_none());
        assert_eq!([5, i64::MIN, 7].map(|value| ints.code(value)), [0, 1, 2]);
        let stats = ints.dict.int_stats(3).unwrap();
        assert_eq!(stats, Statistics::int64(Some(i64::MIN), Some(7), None, Some(3), false));
        let stats = dict_of(&["b", "a", "c"]).text_stats(0).unwrap();
        let (min, max) = (Some(ByteArray::from("a")), Some(ByteArray::from("c")));
        assert_eq!(stats, Statistics::byte_array(min, max, None, Some(0), false));
        assert!(dict_of(&[]).text_stats(0).is_none());
    }
}
