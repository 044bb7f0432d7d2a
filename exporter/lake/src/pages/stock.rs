//! Columns through parquet-rs, for files in a layout that is not ours: other codecs, other page
//! formats, strings without a dictionary. The result has the same shape. What is used is its
//! reader of plain columns: the one of Arrow arrays brings casts between all types with it, which
//! are a fifth of the whole program.

use std::{collections::HashMap, fs::File};

use parquet::{
    basic::{ConvertedType, LogicalType, TimeUnit},
    column::reader::{ColumnReader, ColumnReaderImpl},
    data_type::{ByteArray, DataType},
    file::reader::{FileReader, SerializedFileReader},
    schema::types::ColumnDescPtr,
};

use super::{Codes, Dict, Ints, NULL, PageError, Run, Sets, Texts, map::Interner, push_run};

/// Rows that are decoded at a time.
const BATCH_ROWS: usize = 1 << 14;

/// A text column.
pub(crate) fn texts(file: File, group: usize, column: &str) -> Result<Codes, PageError> {
    let (mut coder, mut runs) = (Coder::default(), vec![]);
    let [(leaf, about)] = leaves(file, group, column)?;
    let ColumnReader::ByteArrayColumnReader(leaf) = leaf else { return Err(other_type()) };
    each(leaf, &about, |text| {
        let code = text.map_or(Ok(NULL), |text| coder.code(&text));
        push_run(&mut runs, code?, 1);
        Ok(())
    })?;
    Ok(Codes { dict: Dict::Texts(coder.texts()), runs })
}

/// An integer or time column as runs.
pub(crate) fn int_codes(file: File, group: usize, column: &str) -> Result<Codes, PageError> {
    let (mut codes, mut dict, mut runs) = (HashMap::new(), vec![], vec![]);
    each_int(file, group, column, |value| {
        let code = value.map_or(NULL, |value| {
            *codes.entry(value).or_insert_with(|| {
                dict.push(value);
                dict.len() as u32 - 1
            })
        });
        push_run(&mut runs, code, 1);
    })?;
    Ok(Codes { dict: Dict::Ints(dict), runs })
}

/// An integer column, null as 0.
pub(crate) fn ints(file: File, group: usize, column: &str) -> Result<Ints, PageError> {
    let mut out = vec![];
    each_int(file, group, column, |value| out.push(value.unwrap_or(0)))?;
    Ok(Ints::new(out))
}

/// A map column.
pub(crate) fn sets(file: File, group: usize, column: &str) -> Result<Sets, PageError> {
    let [(names, of_names), (texts, of_texts)] = leaves(file, group, column)?;
    let (
        ColumnReader::ByteArrayColumnReader(mut names),
        ColumnReader::ByteArrayColumnReader(mut texts),
    ) = (names, texts)
    else {
        return Err(other_type());
    };
    if (of_names.max_rep_level(), of_texts.max_rep_level()) != (1, 1) {
        return Err(other_type());
    }
    let (mut keys, mut values) = (Coder::default(), Coder::default());
    let (mut sets, mut runs): (_, Vec<Run>) = (Interner::default(), vec![]);
    loop {
        let (rows, names) = batch(&mut names, &of_names)?;
        let (same, texts) = batch(&mut texts, &of_texts)?;
        if rows == 0 {
            return Ok(Sets { keys: keys.texts(), values: values.texts(), sets: sets.sets, runs });
        }
        if same != rows || names.len() != texts.len() {
            return Err(PageError::damaged("keys and values of a map differ in shape"));
        }
        let (mut set, mut open) = (vec![], false);
        for ((starts, name), (_, text)) in names.into_iter().zip(texts) {
            if starts && open {
                push_run(&mut runs, sets.code(&set), 1);
                set.clear();
            }
            open = true;
            if let Some(name) = name {
                let value = text.map_or(Ok(NULL), |text| values.code(&text));
                set.push((keys.code(&name)?, value?));
            }
        }
        push_run(&mut runs, sets.code(&set), 1);
    }
}

fn other_type() -> PageError {
    PageError::damaged("a column of another type")
}

/// The leaves of a column in a row group, of which there must be so many.
fn leaves<const N: usize>(
    file: File,
    group: usize,
    column: &str,
) -> Result<[(ColumnReader, ColumnDescPtr); N], PageError> {
    let reader = SerializedFileReader::new(file)?;
    let about = reader.metadata().file_metadata().schema_descr_ptr();
    let is_of = |leaf: &ColumnDescPtr| leaf.path().parts().first().is_some_and(|x| x == column);
    let found = about.columns().iter().enumerate().filter(|(_, leaf)| is_of(leaf));
    let group = reader.get_row_group(group)?;
    let found = found.map(|(index, leaf)| Ok((group.get_column_reader(index)?, leaf.clone())));
    let found: Vec<_> = found.collect::<Result<_, PageError>>()?;
    found.try_into().map_err(|_| other_type())
}

/// Entries of a column of so many rows: whether each starts a row, and its value.
type Batch<V> = (usize, Vec<(bool, Option<V>)>);

/// The next rows of a leaf; none at its end.
fn batch<T: DataType>(
    leaf: &mut ColumnReaderImpl<T>,
    about: &ColumnDescPtr,
) -> Result<Batch<T::T>, PageError> {
    let (mut there, mut starts, mut values) = (vec![], vec![], vec![]);
    let (rows, _, entries) =
        leaf.read_records(BATCH_ROWS, Some(&mut there), Some(&mut starts), &mut values)?;
    let mut values = values.into_iter();
    let entry = |index: usize| {
        let is_there = there.get(index).is_none_or(|level| *level == about.max_def_level());
        let starts = starts.get(index).is_none_or(|level| *level == 0);
        (starts, is_there.then(|| values.next()).flatten())
    };
    Ok((rows, (0..entries).map(entry).collect()))
}

/// Calls `f` with each row of a leaf that has one value a row, or none.
fn each<T: DataType>(
    mut leaf: ColumnReaderImpl<T>,
    about: &ColumnDescPtr,
    mut f: impl FnMut(Option<T::T>) -> Result<(), PageError>,
) -> Result<(), PageError> {
    if about.max_rep_level() != 0 {
        return Err(other_type());
    }
    loop {
        let (rows, entries) = batch(&mut leaf, about)?;
        if rows == 0 {
            return Ok(());
        }
        entries.into_iter().try_for_each(|(_, value)| f(value))?;
    }
}

/// Calls `f` with each row of a column: integers as they are, times in microseconds.
fn each_int(
    file: File,
    group: usize,
    column: &str,
    mut f: impl FnMut(Option<i64>),
) -> Result<(), PageError> {
    let [(leaf, about)] = leaves(file, group, column)?;
    let scale = scale(&about);
    let is_unsigned = match about.logical_type_ref() {
        Some(LogicalType::Integer(integer)) => !integer.is_signed,
        _ => false,
    };
    let mut give = |value| {
        f(value);
        Ok(())
    };
    match leaf {
        ColumnReader::Int32ColumnReader(leaf) => each(leaf, &about, |value| {
            give(value.map(|value| match is_unsigned {
                true => i64::from(value as u32),
                false => i64::from(value),
            }))
        }),
        ColumnReader::Int64ColumnReader(leaf) => each(leaf, &about, |value| give(value.map(scale))),
        ColumnReader::Int96ColumnReader(leaf) => {
            each(leaf, &about, |value| give(value.map(|time| time.to_micros())))
        }
        _ => Err(other_type()),
    }
}

/// What makes microseconds of times; other integers stay.
fn scale(about: &ColumnDescPtr) -> fn(i64) -> i64 {
    match (about.logical_type_ref(), about.converted_type()) {
        (Some(LogicalType::Timestamp(time)), _) => match time.unit {
            TimeUnit::MILLIS => |time| time.saturating_mul(1_000),
            TimeUnit::MICROS => |time| time,
            TimeUnit::NANOS => |time| time / 1_000,
        },
        (_, ConvertedType::TIMESTAMP_MILLIS) => |time| time.saturating_mul(1_000),
        _ => |value| value,
    }
}

/// Codes for strings in order of first use.
#[derive(Default)]
struct Coder {
    codes: HashMap<Box<str>, u32>,
    texts: Vec<Box<str>>,
}

impl Coder {
    fn code(&mut self, text: &ByteArray) -> Result<u32, PageError> {
        let text = text.as_utf8()?;
        if let Some(code) = self.codes.get(text) {
            return Ok(*code);
        }
        self.texts.push(text.into());
        self.codes.insert(text.into(), self.texts.len() as u32 - 1);
        Ok(self.texts.len() as u32 - 1)
    }

    fn texts(self) -> Texts {
        self.texts.iter().map(|text| &**text).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::{
        array::{
            ArrayRef, Int32Array, MapBuilder, StringArray, StringBuilder, TimestampNanosecondArray,
            UInt32Array,
        },
        record_batch::RecordBatch,
    };
    use parquet::{
        arrow::ArrowWriter,
        data_type::{Int96, Int96Type},
        file::{properties::WriterProperties, writer::SerializedFileWriter},
        schema::parser::parse_message_type,
    };

    use super::*;

    /// More than one batch.
    const ROWS: usize = 2 * BATCH_ROWS + 7;

    /// A file of one column, in two row groups of which the second counts.
    fn file(array: ArrayRef) -> File {
        let batch = RecordBatch::try_from_iter_with_nullable([("c", array, true)]).unwrap();
        let plain = WriterProperties::builder().set_dictionary_enabled(false).build();
        let mut file = tempfile::tempfile().unwrap();
        let mut writer = ArrowWriter::try_new(&mut file, batch.schema(), Some(plain)).unwrap();
        writer.write(&batch.slice(0, 1)).unwrap();
        writer.flush().unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        file
    }

    #[test]
    fn integers_and_times_of_any_kind() {
        let nth = |row: usize| !row.is_multiple_of(3);
        let small = Int32Array::from_iter((0..ROWS).map(|row| nth(row).then_some(-(row as i32))));
        let large = UInt32Array::from_iter((0..ROWS).map(|row| nth(row).then_some(u32::MAX)));
        let times = (0..ROWS).map(|row| nth(row).then_some(row as i64 * 1_000 + 999));
        let times = TimestampNanosecondArray::from_iter(times);
        type Want = fn(usize) -> i64;
        let cases: [(ArrayRef, Want); 3] = [
            (Arc::new(small), |row| -(row as i64)),
            (Arc::new(large), |_| i64::from(u32::MAX)),
            (Arc::new(times), |row| row as i64),
        ];
        for (array, value) in cases {
            let want = |row| if nth(row) { value(row) } else { 0 };
            let file = file(array);
            let got = ints(file.try_clone().unwrap(), 1, "c").unwrap().values;
            assert!(got.into_iter().eq((0..ROWS).map(want)));
            let codes = int_codes(file.try_clone().unwrap(), 1, "c").unwrap();
            let rows = codes.runs.iter().flat_map(|(code, rows)| vec![*code; *rows as usize]);
            assert!(rows.map(|code| codes.int(code)).eq((0..ROWS).map(want)));
            assert!(
                texts(file, 1, "c").is_err()
                    && ints(tempfile::tempfile().unwrap(), 1, "c").is_err()
            );
        }
    }

    #[test]
    fn times_as_spark_writes_them() {
        let schema = parse_message_type("message m { required int96 c; }").unwrap();
        let mut file = tempfile::tempfile().unwrap();
        let mut writer =
            SerializedFileWriter::new(&mut file, Arc::new(schema), Default::default()).unwrap();
        let mut group = writer.next_row_group().unwrap();
        let mut column = group.next_column().unwrap().unwrap();
        // Two seconds into the day after the first of 1970, which is Julian day 2,440,588.
        let mut time = Int96::new();
        let nanos = 2_000_000_000_u64;
        time.set_data(nanos as u32, (nanos >> 32) as u32, 2_440_589);
        column.typed::<Int96Type>().write_batch(&[time], None, None).unwrap();
        column.close().unwrap();
        group.close().unwrap();
        writer.close().unwrap();
        assert_eq!(ints(file, 0, "c").unwrap().values, [86_402_000_000]);
    }

    #[test]
    fn texts_and_maps_with_holes() {
        let array = (0..ROWS).map(|row| (row % 2 == 0).then(|| format!("t{}", row % 5)));
        let codes = texts(file(Arc::new(StringArray::from_iter(array))), 1, "c").unwrap();
        let rows = codes.runs.iter().flat_map(|(code, rows)| vec![*code; *rows as usize]);
        let got = rows.map(|code| (code != NULL).then(|| codes.text(code).to_owned()));
        assert!(got.eq((0..ROWS).map(|row| (row % 2 == 0).then(|| format!("t{}", row % 5)))));
        assert_eq!(codes.len(), 5);

        let mut maps = MapBuilder::new(None, StringBuilder::new(), StringBuilder::new());
        for row in 0..ROWS {
            for pair in 0..row % 3 {
                maps.keys().append_value(format!("k{pair}"));
                maps.values().append_option((pair == 0).then(|| format!("v{}", row % 7)));
            }
            maps.append(row % 5 != 0).unwrap();
        }
        let sets = sets(file(Arc::new(maps.finish())), 1, "c").unwrap();
        let rows = sets.runs.iter().flat_map(|(set, rows)| vec![*set; *rows as usize]);
        for (row, set) in rows.enumerate() {
            let got: Vec<_> = sets.pairs(set).map(|(k, v)| format!("{k}={v}")).collect();
            let (first, second) = (format!("k0=v{}", row % 7), "k1=".to_owned());
            let want = [first, second].into_iter().take(row % 3);
            assert!(
                row % 5 == 0 && got.is_empty() || got.iter().cloned().eq(want),
                "{row}: {got:?}"
            );
        }
        assert_eq!(sets.runs.iter().map(|run| run.1 as usize).sum::<usize>(), ROWS);
    }
}
