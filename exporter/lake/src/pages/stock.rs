//! Columns through the stock Arrow reader, for files in a layout that is not ours: other codecs,
//! other page formats, strings without a dictionary. The result has the same shape.

use std::{collections::HashMap, fs::File};

use arrow::{
    array::{Array, ArrayRef, AsArray, StringArray},
    compute::cast,
    datatypes::{DataType, Int64Type, TimeUnit},
};
use parquet::arrow::{ProjectionMask, arrow_reader::ParquetRecordBatchReaderBuilder};

use super::{Codes, Dict, Ints, NULL, PageError, Run, Sets, Texts, map::Interner, push_run};

/// Rows that are decoded at a time.
const BATCH_ROWS: usize = 1 << 14;

/// A text column.
pub(crate) fn texts(file: File, group: usize, column: &str) -> Result<Codes, PageError> {
    let (mut coder, mut runs) = (Coder::default(), vec![]);
    each(file, group, column, |array| {
        let texts = strings(array)?;
        for text in &texts {
            push_run(&mut runs, text.map_or(NULL, |text| coder.code(text)), 1);
        }
        Ok(())
    })?;
    Ok(Codes { dict: Dict::Texts(coder.texts()), runs })
}

/// An integer or time column as runs.
pub(crate) fn int_codes(file: File, group: usize, column: &str) -> Result<Codes, PageError> {
    let (mut codes, mut dict, mut runs) = (HashMap::new(), vec![], vec![]);
    each(file, group, column, |array| {
        for value in whole(array)?.as_primitive::<Int64Type>() {
            let code = value.map_or(NULL, |value| {
                *codes.entry(value).or_insert_with(|| {
                    dict.push(value);
                    dict.len() as u32 - 1
                })
            });
            push_run(&mut runs, code, 1);
        }
        Ok(())
    })?;
    Ok(Codes { dict: Dict::Ints(dict), runs })
}

/// An integer column, null as 0.
pub(crate) fn ints(file: File, group: usize, column: &str) -> Result<Ints, PageError> {
    let mut out = vec![];
    each(file, group, column, |array| {
        let array = whole(array)?;
        out.extend(array.as_primitive::<Int64Type>().iter().map(|value| value.unwrap_or(0)));
        Ok(())
    })?;
    Ok(Ints::new(out))
}

/// A map column.
pub(crate) fn sets(file: File, group: usize, column: &str) -> Result<Sets, PageError> {
    let (mut keys, mut values) = (Coder::default(), Coder::default());
    let (mut sets, mut runs): (_, Vec<Run>) = (Interner::default(), vec![]);
    each(file, group, column, |array| {
        let map = array.as_map_opt().ok_or(PageError::damaged("a map column of another type"))?;
        let (names, texts) = (strings(map.keys())?, strings(map.values())?);
        for row in 0..map.len() {
            let at = map.value_offsets()[row] as usize..map.value_offsets()[row + 1] as usize;
            let pair = |i: usize| {
                let value = (!texts.is_null(i)).then(|| values.code(texts.value(i)));
                (keys.code(names.value(i)), value.unwrap_or(NULL))
            };
            let set: Vec<_> = if map.is_null(row) { vec![] } else { at.map(pair).collect() };
            push_run(&mut runs, sets.code(&set), 1);
        }
        Ok(())
    })?;
    Ok(Sets { keys: keys.texts(), values: values.texts(), sets: sets.sets, runs })
}

/// Calls `f` with the column of each batch of a row group.
fn each(
    file: File,
    group: usize,
    column: &str,
    mut f: impl FnMut(&ArrayRef) -> Result<(), PageError>,
) -> Result<(), PageError> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(file)?;
    let root = builder.parquet_schema().root_schema().get_fields();
    let root = root.iter().position(|field| field.name() == column);
    let root = root.ok_or(PageError::damaged("a column went missing"))?;
    let mask = ProjectionMask::roots(builder.parquet_schema(), [root]);
    let builder = builder.with_projection(mask).with_row_groups(vec![group]);
    for batch in builder.with_batch_size(BATCH_ROWS).build()? {
        f(batch?.column(0))?;
    }
    Ok(())
}

/// Integers as they are, times in microseconds.
fn whole(array: &ArrayRef) -> Result<ArrayRef, PageError> {
    let micros = match array.data_type() {
        DataType::Timestamp(_, zone) => {
            &cast(array, &DataType::Timestamp(TimeUnit::Microsecond, zone.clone()))?
        }
        _ => array,
    };
    Ok(cast(micros, &DataType::Int64)?)
}

/// Any array of strings as plain ones.
fn strings(array: &ArrayRef) -> Result<StringArray, PageError> {
    let array = cast(array, &DataType::Utf8)?;
    let strings = array.as_string_opt::<i32>();
    strings.cloned().ok_or(PageError::damaged("a text column of another type"))
}

/// Codes for strings in order of first use.
#[derive(Default)]
struct Coder {
    codes: HashMap<Box<str>, u32>,
    texts: Vec<Box<str>>,
}

impl Coder {
    fn code(&mut self, text: &str) -> u32 {
        if let Some(code) = self.codes.get(text) {
            return *code;
        }
        self.texts.push(text.into());
        self.codes.insert(text.into(), self.texts.len() as u32 - 1);
        self.texts.len() as u32 - 1
    }

    fn texts(self) -> Texts {
        self.texts.iter().map(|text| &**text).collect()
    }
}
