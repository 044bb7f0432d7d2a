//! Small lakes, made from rows by the stock writer, and rows read back by the stock reader.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    path::Path,
    sync::Arc,
};

use arrow::{
    array::{
        Array, ArrayRef, AsArray, Int64Array, MapBuilder, RecordBatch, StringArray, StringBuilder,
        TimestampMicrosecondArray,
    },
    compute::cast,
    datatypes::{DataType, Int64Type, Schema, TimeUnit},
};
use parquet::{
    arrow::{ArrowWriter, arrow_reader::ParquetRecordBatchReaderBuilder},
    file::{metadata::KeyValue, properties::WriterProperties},
};

use crate::{
    commit::{hour_dir, hour_of},
    schema::{Kind, MAJOR, Table, key},
};

/// A value of a row.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    Int(i64),
    Text(String),
    Map(BTreeMap<String, String>),
}

/// A row by column; null is not there.
pub type Row = BTreeMap<&'static str, Cell>;

pub const START_US: i64 = 1_763_829_000_000_000;
pub const SECOND: i64 = 1_000_000;

pub fn int(row: &Row, column: &str) -> i64 {
    match row.get(column) {
        Some(Cell::Int(value)) => *value,
        _ => 0,
    }
}

pub fn text<'r>(row: &'r Row, column: &str) -> &'r str {
    match row.get(column) {
        Some(Cell::Text(value)) => value,
        _ => "",
    }
}

pub fn map<'r>(row: &'r Row, column: &str) -> Option<&'r BTreeMap<String, String>> {
    match row.get(column) {
        Some(Cell::Map(value)) => Some(value),
        _ => None,
    }
}

fn array(table: &Table, index: usize, rows: &[Row]) -> ArrayRef {
    let column = &table.columns[index];
    let cells = || rows.iter().map(|row| row.get(column.name));
    let default = if column.nullable { None } else { Some("") };
    let number = |cell: Option<&Cell>| match cell {
        Some(Cell::Int(value)) => Some(*value),
        _ => (!column.nullable).then_some(0),
    };
    match column.kind {
        Kind::Int => Arc::new(Int64Array::from_iter(cells().map(number))),
        Kind::Time => {
            let times = TimestampMicrosecondArray::from_iter(cells().map(number));
            Arc::new(times.with_timezone("UTC"))
        }
        Kind::Text => Arc::new(StringArray::from_iter(cells().map(|cell| match cell {
            Some(Cell::Text(text)) => Some(text.as_str()),
            _ => default,
        }))),
        Kind::Map => {
            let mut builder = MapBuilder::new(None, StringBuilder::new(), StringBuilder::new());
            for cell in cells() {
                if let Some(Cell::Map(map)) = cell {
                    for (key, value) in map {
                        builder.keys().append_value(key);
                        builder.values().append_value(value);
                    }
                }
                builder.append(true).unwrap();
            }
            Arc::new(builder.finish())
        }
    }
}

/// Rows as a batch: in the table's own types, or with plain strings as other tools write them.
fn batch(table: &Table, rows: &[Row], layout: &Layout) -> RecordBatch {
    let schema = table.arrow();
    let arrays: Vec<ArrayRef> = (0..table.columns.len())
        .map(|index| {
            let array = array(table, index, rows);
            let wanted = schema.field(index).data_type();
            match table.columns[index].kind {
                Kind::Text if layout.own => cast(&array, wanted).unwrap(),
                Kind::Time if layout.millis => {
                    let millis = DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into()));
                    cast(&array, &millis).unwrap()
                }
                _ => array,
            }
        })
        .collect();
    let fields = arrays
        .iter()
        .zip(schema.fields())
        .map(|(array, field)| field.as_ref().clone().with_data_type(array.data_type().clone()));
    let schema = Schema::new(fields.collect::<Vec<_>>());
    RecordBatch::try_new(Arc::new(schema), arrays).unwrap()
}

/// How a file is laid out.
#[derive(Clone, Debug)]
pub struct Layout {
    pub properties: WriterProperties,
    /// Dictionaries in Arrow, and sorted rows, as our own writer has them.
    pub own: bool,
    /// Times in milliseconds.
    pub millis: bool,
}

impl Default for Layout {
    fn default() -> Self {
        Self { properties: WriterProperties::builder().build(), own: true, millis: false }
    }
}

/// Writes rows of one table into the hours that they belong to; `n` tells files apart. Rows of the
/// table `functions` have no time and go where `START_US` is.
pub fn write(root: &Path, table: &Table, rows: &[Row], n: u64, layout: &Layout) {
    let mut hours: BTreeMap<i64, Vec<Row>> = BTreeMap::new();
    for row in rows {
        let time = if table.column("time").is_some() { int(row, "time") } else { START_US };
        hours.entry(time.div_euclid(3_600 * SECOND)).or_default().push(row.clone());
    }
    for (hour, mut rows) in hours {
        if layout.own {
            rows.sort_by_key(|row| {
                let sorted = table.sorted_by.iter().map(|at| table.columns[*at].name);
                sorted.map(|c| (text(row, c).to_owned(), int(row, c))).collect::<Vec<_>>()
            });
        }
        let times = rows.iter().map(|row| int(row, "time").max(hour * 3_600 * SECOND));
        let (min, max) = (times.clone().min().unwrap(), times.max().unwrap());
        let directory = root.join(table.name).join(hour_dir(hour_of(min * 1_000)));
        fs::create_dir_all(&directory).unwrap();
        let name = format!("L0-{}-{}-W-{n}-{n}.parquet", min / 1_000, max / 1_000);
        write_file(&directory.join(name), table, &rows, layout);
    }
}

pub fn write_file(path: &Path, table: &Table, rows: &[Row], layout: &Layout) {
    let batch = batch(table, rows, layout);
    let file = File::create(path).unwrap();
    let properties = layout.properties.clone();
    let mut writer = ArrowWriter::try_new(file, batch.schema(), Some(properties)).unwrap();
    writer.append_key_value_metadata(KeyValue::new(key::SCHEMA.into(), MAJOR.to_string()));
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

/// All files of a table.
pub fn paths(root: &Path, table: &Table) -> Vec<std::path::PathBuf> {
    let mut found = vec![];
    let mut open = vec![root.join(table.name)];
    while let Some(path) = open.pop() {
        match fs::read_dir(&path) {
            Ok(entries) => open.extend(entries.map(|entry| entry.unwrap().path())),
            Err(_) if path.is_file() => found.push(path),
            Err(_) => {}
        }
    }
    found.sort();
    found
}

/// All rows of a table by the stock reader.
pub fn read(root: &Path, table: &'static Table) -> Vec<Row> {
    let mut rows = vec![];
    for path in paths(root, table) {
        let builder = ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap());
        for batch in builder.unwrap().build().unwrap() {
            let batch = batch.unwrap();
            let before = rows.len();
            rows.resize(before + batch.num_rows(), Row::new());
            for column in table.columns {
                let Some(array) = batch.column_by_name(column.name) else { continue };
                for (row, cell) in rows[before..].iter_mut().zip(cells(array, column.kind)) {
                    if let Some(cell) = cell {
                        row.insert(column.name, cell);
                    }
                }
            }
        }
    }
    rows
}

fn strings(array: &ArrayRef) -> StringArray {
    cast(array, &DataType::Utf8).unwrap().as_string::<i32>().clone()
}

fn cells(array: &ArrayRef, kind: Kind) -> Vec<Option<Cell>> {
    match kind {
        Kind::Int | Kind::Time => {
            let micros = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
            let array = if kind == Kind::Time { &cast(array, &micros).unwrap() } else { array };
            let array = cast(array, &DataType::Int64).unwrap();
            array.as_primitive::<Int64Type>().iter().map(|v| v.map(Cell::Int)).collect()
        }
        Kind::Text => {
            strings(array).iter().map(|v| v.map(|text| Cell::Text(text.to_owned()))).collect()
        }
        Kind::Map => {
            let map = array.as_map();
            (0..map.len())
                .map(|row| {
                    let pairs = map.value(row);
                    let (keys, values) = (strings(pairs.column(0)), strings(pairs.column(1)));
                    let pairs = (0..keys.len())
                        .map(|i| (keys.value(i).to_owned(), values.value(i).to_owned()));
                    Some(Cell::Map(pairs.collect()))
                })
                .collect()
        }
    }
}
