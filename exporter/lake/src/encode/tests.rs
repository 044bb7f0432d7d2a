//! Files that are long enough for several pages and row groups, read back by the stock reader.

use arrow::{
    array::{Array, AsArray},
    datatypes::{Int32Type, Int64Type},
};
use bytes::Bytes;
use parquet::{
    arrow::arrow_reader::ParquetRecordBatchReaderBuilder, basic::Encoding,
    file::metadata::PageIndexPolicy,
};

use super::*;
use crate::schema::{Column, Kind, Table};

const fn column(name: &'static str, kind: Kind, nullable: bool) -> Column {
    Column { name, kind, nullable, stats: false, meaning: "" }
}

static TABLE: Table = Table {
    name: "test",
    columns: &[
        column("number", Kind::Int, false),
        column("optional", Kind::Int, true),
        column("text", Kind::Text, true),
        column("map", Kind::Map, false),
    ],
    sorted_by: &[],
};

/// Rows of the test: the first half repeats few numbers, the second is noise.
const ROWS: u32 = 300_000;
const TEXTS: [&str; 3] = ["", "a", "long enough to be told apart"];

fn number(row: u32) -> i64 {
    let noise = u64::from(row).wrapping_mul(0x9e37_79b9_7f4a_7c15) as i64;
    match row {
        0..150_000 => i64::from(row % 7) * 10_000_000,
        200_000 => i64::MIN,
        200_001 => i64::MAX,
        _ => noise >> (row % 61),
    }
}

fn optional(row: u32) -> Option<i64> {
    (row / 1000 % 3 != 1).then(|| number(row))
}

fn text(row: u32) -> Option<&'static str> {
    let index = (row / 10_000) as usize % 4;
    TEXTS.get(index).copied()
}

/// Index of the map of a row; they have 0, 1 and 3 entries.
fn map(row: u32) -> usize {
    (row / if row < 1000 { 1 } else { 4321 }) as usize % 3
}

const MAPS: [&[(&str, &str)]; 3] = [&[], &[("k", "")], &[("a", "1"), ("b", "2"), ("k", "1")]];

fn numbers(rows: std::ops::Range<u32>, groups: Vec<u32>, nullable: bool) -> ColumnData<'static> {
    if !nullable {
        let values = rows.map(number).collect();
        return ColumnData::Numbers(Numbers { values, defined: None, groups });
    }
    let defined = rows.clone().map(|row| if optional(row).is_some() { 1 } else { NULL });
    let defined = Some(defined.collect());
    let values = rows.filter_map(optional).collect();
    ColumnData::Numbers(Numbers { values, defined, groups })
}

fn texts(rows: std::ops::Range<u32>, scratch: &mut Scratch) -> ColumnData<'static> {
    let mut coder = IdCoder::new(scratch, TEXTS.len());
    let mut code = |row| match text(row) {
        Some(text) => coder.code(TEXTS.iter().position(|t| *t == text).unwrap() as u32, || text),
        None => NULL,
    };
    let runs = rows.map(&mut code).collect();
    ColumnData::Coded(coder.finish(), runs)
}

fn maps(rows: std::ops::Range<u32>) -> ColumnData<'static> {
    let mut sets = Sets::default();
    for map in MAPS {
        sets.key_codes.push(map.iter().map(|(key, _)| sets.keys.push_text(key)).collect());
        sets.value_codes.push(map.iter().map(|(_, value)| sets.values.push_text(value)).collect());
    }
    sets.runs = rows.map(|row| map(row) as u32).collect();
    ColumnData::Map(sets)
}

fn file() -> Bytes {
    let mut encoder = Encoder::new().unwrap();
    let info = FileInfo { writer: "w".into(), first: 0, last: 0 };
    let mut file = encoder.file(&TABLE, &info).unwrap();
    for rows in [0..280_000, 280_000..ROWS] {
        let groups = match rows.start {
            0 => vec![1, 149_999, 129_999, 1],
            _ => vec![rows.len() as u32],
        };
        file.row_group(|index, scratch| match index {
            0 => numbers(rows.clone(), groups.clone(), false),
            1 => numbers(rows.clone(), groups.clone(), true),
            2 => texts(rows.clone(), scratch),
            _ => maps(rows.clone()),
        })
        .unwrap();
    }
    file.finish().unwrap().into()
}

#[test]
fn long_columns_come_back() {
    let reader = ParquetRecordBatchReaderBuilder::try_new(file()).unwrap().build().unwrap();
    let mut row = 0;
    for batch in reader.map(Result::unwrap) {
        let numbers = batch.column(0).as_primitive::<Int64Type>();
        let optionals = batch.column(1).as_primitive::<Int64Type>();
        let texts = batch.column(2).as_dictionary::<Int32Type>();
        let texts = texts.downcast_dict::<arrow::array::StringArray>().unwrap();
        let maps = batch.column(3).as_map();
        for i in 0..batch.num_rows() {
            assert_eq!(numbers.value(i), number(row), "row {row}");
            let got = optionals.is_valid(i).then(|| optionals.value(i));
            assert_eq!(got, optional(row), "row {row}");
            let got =
                batch.column(2).is_valid(i).then(|| arrow::array::ArrayAccessor::value(&texts, i));
            assert_eq!(got, text(row), "row {row}");
            assert_eq!(maps.value_length(i) as usize, MAPS[map(row)].len(), "row {row}");
            row += 1;
        }
        let entries: Vec<(&str, &str)> =
            (row - batch.num_rows() as u32..row).flat_map(|row| MAPS[map(row)]).copied().collect();
        let [keys, values] = [maps.keys(), maps.values()].map(|array| {
            let array = array.as_dictionary::<Int32Type>();
            let texts = array.downcast_dict::<arrow::array::StringArray>().unwrap();
            texts.into_iter().map(|text| text.unwrap().to_string()).collect::<Vec<_>>()
        });
        let (start, end) = (maps.offsets()[0] as usize, entries.len());
        for (at, (key, value)) in entries.into_iter().enumerate() {
            assert_eq!((keys[start + at].as_str(), values[start + at].as_str()), (key, value));
        }
        assert_eq!(end, (maps.offsets()[batch.num_rows()] - maps.offsets()[0]) as usize);
    }
    assert_eq!(row, ROWS);
}

#[test]
fn numbers_take_the_encoding_that_suits_them() {
    let options = parquet::arrow::arrow_reader::ArrowReaderOptions::new()
        .with_offset_index_policy(PageIndexPolicy::Required);
    let reader = ParquetRecordBatchReaderBuilder::try_new_with_options(file(), options).unwrap();
    let column = |group: usize| reader.metadata().row_group(group).column(0);
    let encodings = |group| column(group).encodings().collect::<Vec<_>>();
    assert!(encodings(0).contains(&Encoding::RLE_DICTIONARY));
    assert!(encodings(0).contains(&Encoding::DELTA_BINARY_PACKED));
    assert!(!encodings(1).contains(&Encoding::RLE_DICTIONARY));
    assert_eq!(column(1).dictionary_page_offset(), None);
    // The second group of rows is longer than a page; the last one is too short for deltas.
    let index = reader.metadata().offset_index().unwrap();
    let starts: Vec<i64> =
        index[0][0].page_locations().iter().map(|page| page.first_row_index).collect();

    assert_eq!(starts, [0, 1, 131_073, 150_000, 279_999]);
}
