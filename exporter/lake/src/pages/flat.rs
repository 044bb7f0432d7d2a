//! Flat columns: text and integers, with or without nulls.

use std::collections::HashMap;

use bytes::Bytes;
use parquet::basic::Type;

use super::{
    Chunk, Codes, Dict, Ints, NULL, PageError, Run, Texts,
    chunk::Page,
    delta::delta,
    header::{DELTA_BINARY_PACKED, PLAIN, PLAIN_DICTIONARY, RLE_DICTIONARY},
    hybrid::hybrid,
    push_run,
};

/// The strings of a text column, by code, without looking at its rows.
pub(crate) fn dictionary(mut chunk: Chunk) -> Result<Texts, PageError> {
    match chunk.next(true)? {
        Some(page) if page.is_dictionary() && chunk.physical == Type::BYTE_ARRAY => {
            Texts::plain(page.body.clone(), page.values()?)
        }
        _ => Err(PageError::Other),
    }
}

/// A column of `rows` rows as runs of codes. Text columns that left their dictionary are for the
/// stock reader; integers that did get a dictionary here.
pub(crate) fn codes(mut chunk: Chunk, rows: usize) -> Result<Codes, PageError> {
    flat(&chunk)?;
    let (mut dict, mut coder) = (None, None);
    let (mut runs, mut seen) = (Vec::new(), 0);
    while let Some(page) = chunk.next(true)? {
        if page.is_dictionary() {
            dict = Some(match chunk.physical {
                Type::BYTE_ARRAY => Dict::Texts(Texts::plain(page.body.clone(), page.values()?)?),
                _ => Dict::Ints(plain(&page.body, page.values()?)?),
            });
            continue;
        }
        let values = page.values()?;
        seen += values;
        within(seen, rows)?;
        let (levels, body, present) = levels(&chunk, &page)?;
        match page.header.encoding {
            RLE_DICTIONARY | PLAIN_DICTIONARY => {
                let len = dict.as_ref().map_or(0, dict_len);
                weave(&levels, &body, present, len, &mut runs)?;
            }
            encoding if chunk.physical == Type::INT64 => {
                let Dict::Ints(known) = dict.get_or_insert_with(|| Dict::Ints(vec![])) else {
                    return Err(PageError::Other);
                };
                let coder = coder.get_or_insert_with(|| Coder::new(known));
                let mut next = values_of(encoding, &body, present)?.into_iter();
                for (level, n) in levels {
                    if level == 0 {
                        push_run(&mut runs, NULL, n);
                        continue;
                    }
                    for value in next.by_ref().take(n as usize) {
                        push_run(&mut runs, coder.code(known, value), 1);
                    }
                }
            }
            _ => return Err(PageError::Other),
        }
    }
    complete(seen, rows)?;
    Ok(Codes { dict: dict.unwrap_or(Dict::Texts(Texts::default())), runs })
}

/// The codes alone of a text column that has `codes` of them; its strings are not even inflated.
pub(crate) fn runs(mut chunk: Chunk, rows: usize, codes: usize) -> Result<Vec<Run>, PageError> {
    flat(&chunk)?;
    let (mut runs, mut seen) = (Vec::new(), 0);
    while let Some(page) = chunk.next(false)? {
        if !matches!(page.header.encoding, RLE_DICTIONARY | PLAIN_DICTIONARY) {
            return Err(PageError::Other);
        }
        seen += page.values()?;
        within(seen, rows)?;
        let (levels, body, present) = levels(&chunk, &page)?;
        weave(&levels, &body, present, codes, &mut runs)?;
    }
    complete(seen, rows)?;
    Ok(runs)
}

/// A column of `rows` integers, null as 0.
pub(crate) fn ints(mut chunk: Chunk, rows: usize) -> Result<Ints, PageError> {
    flat(&chunk)?;
    if chunk.physical != Type::INT64 {
        return Err(PageError::Other);
    }
    let (mut dict, mut out) = (vec![], Vec::with_capacity(rows.min(1 << 20)));
    while let Some(page) = chunk.next(true)? {
        if page.is_dictionary() {
            dict = plain(&page.body, page.values()?)?;
            continue;
        }
        let values = page.values()?;
        within(out.len() + values, rows)?;
        let (levels, body, present) = levels(&chunk, &page)?;
        let whole = present == values;
        let before = out.len();
        match page.header.encoding {
            RLE_DICTIONARY | PLAIN_DICTIONARY => spread(&dict, &body, present, &mut out)?,
            DELTA_BINARY_PACKED if whole => delta(&body, present, &mut out)?,
            encoding => out.extend(values_of(encoding, &body, present)?),
        }
        if !whole {
            let mut next = out.split_off(before).into_iter();
            for (level, n) in levels {
                match level {
                    0 => out.resize(out.len() + n as usize, 0),
                    _ => out.extend(next.by_ref().take(n as usize)),
                }
            }
        }
    }
    complete(out.len(), rows)?;
    Ok(Ints::new(out))
}

fn flat(chunk: &Chunk) -> Result<(), PageError> {
    if chunk.max_rep > 0 || chunk.max_def > 1 { Err(PageError::Other) } else { Ok(()) }
}

pub(super) fn within(seen: usize, rows: usize) -> Result<(), PageError> {
    if seen <= rows { Ok(()) } else { Err(PageError::damaged("more values than rows")) }
}

fn complete(seen: usize, rows: usize) -> Result<(), PageError> {
    if seen == rows { Ok(()) } else { Err(PageError::damaged("fewer values than rows")) }
}

fn dict_len(dict: &Dict) -> usize {
    match dict {
        Dict::Texts(texts) => texts.len(),
        Dict::Ints(ints) => ints.len(),
    }
}

/// Runs of definition levels, the bytes behind them, and how many values are not null.
fn levels(chunk: &Chunk, page: &Page) -> Result<(Vec<Run>, Bytes, usize), PageError> {
    let values = page.values()?;
    if chunk.max_def == 0 {
        return Ok((vec![(1, values as u32)], page.body.clone(), values));
    }
    let (bytes, rest) = level_bytes(&page.body)?;
    let (mut runs, mut present) = (vec![], 0);
    hybrid(&bytes, 1, values, |level, n| {
        push_run(&mut runs, level, n);
        present += (level * n) as usize;
    })?;
    Ok((runs, rest, present))
}

/// Levels of a data page come with their length before them.
pub(super) fn level_bytes(body: &Bytes) -> Result<(Bytes, Bytes), PageError> {
    let early = || PageError::damaged("levels end early");
    let len: [u8; 4] = body.get(..4).and_then(|b| b.try_into().ok()).ok_or_else(early)?;
    let end = (u32::from_le_bytes(len) as usize).saturating_add(4);
    if end > body.len() {
        return Err(early());
    }
    Ok((body.slice(4..end), body.slice(end..)))
}

/// The bits of a code and the codes, of a dictionary-encoded page.
pub(super) fn index(body: &[u8], present: usize) -> Result<(u32, &[u8]), PageError> {
    match body.split_first() {
        Some((width, rest)) => Ok((u32::from(*width), rest)),
        None if present == 0 => Ok((0, body)),
        None => Err(PageError::damaged("codes without their width")),
    }
}

/// Appends codes to runs, nulls where the levels say so.
fn weave(
    levels: &[Run],
    body: &[u8],
    present: usize,
    dict_len: usize,
    runs: &mut Vec<Run>,
) -> Result<(), PageError> {
    let (width, body) = index(body, present)?;
    let mut highest = 0;
    if let [(1, _)] = levels {
        hybrid(body, width, present, |code, n| {
            highest = highest.max(code);
            push_run(runs, code, n);
        })?;
    } else {
        let mut levels = levels.iter().copied();
        let mut room = 0;
        hybrid(body, width, present, |code, mut n| {
            highest = highest.max(code);
            while n > 0 {
                while room == 0 {
                    match levels.next() {
                        Some((0, nulls)) => push_run(runs, NULL, nulls),
                        Some((_, rows)) => room = rows,
                        None => return,
                    }
                }
                let part = n.min(room);
                push_run(runs, code, part);
                (n, room) = (n - part, room - part);
            }
        })?;
        for (_, nulls) in levels.filter(|(level, _)| *level == 0) {
            push_run(runs, NULL, nulls);
        }
    }
    if present > 0 && highest as usize >= dict_len {
        return Err(PageError::damaged("a code that is not in the dictionary"));
    }
    Ok(())
}

/// Appends the values of a dictionary-encoded page.
fn spread(dict: &[i64], body: &[u8], present: usize, out: &mut Vec<i64>) -> Result<(), PageError> {
    let (width, body) = index(body, present)?;
    let mut known = true;
    hybrid(body, width, present, |code, n| {
        let value = dict.get(code as usize).copied();
        known &= value.is_some();
        match n {
            1 => out.push(value.unwrap_or(0)),
            _ => out.resize(out.len() + n as usize, value.unwrap_or(0)),
        }
    })?;
    if known || present == 0 {
        return Ok(());
    }
    Err(PageError::damaged("a code that is not in the dictionary"))
}

fn values_of(encoding: i64, body: &[u8], present: usize) -> Result<Vec<i64>, PageError> {
    match encoding {
        PLAIN => plain(body, present),
        DELTA_BINARY_PACKED => {
            let mut out = Vec::with_capacity(present.min(1 << 20));
            delta(body, present, &mut out)?;
            Ok(out)
        }
        _ => Err(PageError::Other),
    }
}

fn plain(body: &[u8], count: usize) -> Result<Vec<i64>, PageError> {
    if count > body.len() / 8 {
        return Err(PageError::damaged("a page of integers ends early"));
    }
    let values = body.as_chunks().0.iter().take(count);
    Ok(values.map(|bytes| i64::from_le_bytes(*bytes)).collect())
}

/// Gives codes to integers that come without one.
struct Coder(HashMap<i64, u32>);

impl Coder {
    fn new(known: &[i64]) -> Self {
        Self(known.iter().enumerate().map(|(code, value)| (*value, code as u32)).collect())
    }

    fn code(&mut self, known: &mut Vec<i64>, value: i64) -> u32 {
        *self.0.entry(value).or_insert_with(|| {
            known.push(value);
            known.len() as u32 - 1
        })
    }
}
