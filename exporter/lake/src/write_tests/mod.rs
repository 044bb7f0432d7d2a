//! Tests of the writer from profiles to files, read back by the stock reader.

mod bad_input;
mod chain;
mod corpus;
mod crash;
mod sums;
mod tables;

use std::{path::Path, sync::Arc};

use arrow::{
    array::{Array, AsArray, RecordBatch},
    datatypes::{Int32Type, Int64Type, TimestampMicrosecondType},
};
use bytes::Bytes;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use pipeline::{
    limits::Limits,
    profile::{
        Attributes, Builder, Function, Label, LabelValue, Line, Location, Meta, NO_MAPPING,
        Profile, SampleType, Temporality,
    },
    storage::{EntryKind, Storage},
};

use crate::{Incoming, Options, Writer, WriterId};

/// A frame: name, file, line.
pub type Frame = (&'static str, &'static str, i64);

/// A sample in words; the stack is root first.
#[derive(Clone, Debug)]
pub struct Sample {
    pub stack: Vec<Frame>,
    pub labels: Vec<(&'static str, Result<&'static str, i64>)>,
    pub values: Vec<i64>,
}

pub fn sample(stack: &[Frame], values: &[i64]) -> Sample {
    Sample { stack: stack.into(), labels: vec![], values: values.into() }
}

/// A profile in words.
#[derive(Clone, Debug)]
pub struct Spec {
    pub name: &'static str,
    pub types: Vec<(&'static str, &'static str)>,
    pub temporality: Temporality,
    pub service: &'static str,
    pub time_ns: i64,
    pub samples: Vec<Sample>,
}

pub const CPU: [(&str, &str); 2] = [("samples", "count"), ("cpu", "nanoseconds")];
pub const HOUR: i64 = 3_600_000_000_000;

pub fn cpu(service: &'static str, time_ns: i64, samples: Vec<Sample>) -> Spec {
    let (name, temporality) = ("cpu", Temporality::Delta);
    Spec { name, types: CPU.into(), temporality, service, time_ns, samples }
}

impl Spec {
    pub fn build(&self) -> Profile {
        let limits = Limits::default();
        let mut builder = Builder::new(&limits);
        for sample in &self.samples {
            let mut frames = Vec::new();
            for &(name, file, line) in sample.stack.iter().rev() {
                let [name, file] = [name, file].map(|text| builder.string(text).unwrap());
                let function = Function { name, system_name: name, file, start_line: 1 };
                let function = builder.function(function).unwrap();
                builder.line(Line { function, line, column: 0 }).unwrap();
                let location = Location { mapping: NO_MAPPING, address: 0, folded: false };
                frames.push(builder.location(location).unwrap());
            }
            for &(key, value) in &sample.labels {
                let key = builder.string(key).unwrap();
                let unit = builder.string("widgets").unwrap();
                let value = match value {
                    Ok(text) => LabelValue::Text(builder.string(text).unwrap()),
                    Err(number) => LabelValue::Number(number, unit),
                };
                builder.label(Label { key, value }).unwrap();
            }
            sample.values.iter().for_each(|value| builder.value(*value));
            builder.sample(&frames).unwrap();
        }
        let sample_types = self.types.iter().map(|(kind, unit)| SampleType {
            kind: builder.string(kind).unwrap(),
            unit: builder.string(unit).unwrap(),
            temporality: self.temporality,
        });
        let meta = Meta {
            name: self.name.into(),
            time_ns: self.time_ns,
            duration_ns: 10_000_000_000,
            sample_types: sample_types.collect(),
            resource: [("service.name", self.service), ("zone", "a")].into_iter().collect(),
            ..Meta::default()
        };
        builder.finish(meta).unwrap()
    }

    pub fn incoming(&self) -> Incoming {
        Incoming { profile: Arc::new(self.build()), ingest_ns: self.time_ns.saturating_add(7_000) }
    }
}

pub fn writer<S: Storage>(storage: S, root: &Path) -> Writer<S> {
    let id = WriterId::parse("01HZZZZZZZZZZZZZZZZZZZZZZZ").unwrap();
    Writer::open(storage, root, id, Options::default()).unwrap()
}

/// Paths of all files below a directory, temp files included.
pub fn files(disk: &dyn Storage, dir: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in disk.list(dir).unwrap_or_default() {
        let path = dir.join(&entry.name);
        match entry.kind {
            EntryKind::Dir => found.extend(files(disk, &path)),
            _ => found.push(path),
        }
    }
    found.sort();
    found
}

pub fn read(bytes: Vec<u8>) -> Vec<RecordBatch> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(Bytes::from(bytes)).unwrap();
    reader.build().unwrap().map(Result::unwrap).collect()
}

/// All rows of a file, each column as text; null is `-`.
pub fn rows(bytes: Vec<u8>) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    for batch in read(bytes) {
        for row in 0..batch.num_rows() {
            rows.push(batch.columns().iter().map(|column| text(column, row)).collect());
        }
    }
    rows
}

/// All rows of a table.
pub fn table(disk: &dyn Storage, root: &Path, name: &str) -> Vec<Vec<String>> {
    let paths = files(disk, &root.join(name));
    paths.iter().flat_map(|path| rows(disk.read(path, 1 << 30).unwrap())).collect()
}

fn text(column: &dyn Array, row: usize) -> String {
    if column.is_null(row) {
        return "-".into();
    }
    if let Some(ints) = column.as_primitive_opt::<Int64Type>() {
        return ints.value(row).to_string();
    }
    if let Some(times) = column.as_primitive_opt::<TimestampMicrosecondType>() {
        return times.value(row).to_string();
    }
    if let Some(map) = column.as_map_opt() {
        let entries = map.value(row);
        let pair = |i| [0, 1].map(|part| text(entries.column(part), i)).join("=");
        return (0..entries.len()).map(pair).collect::<Vec<_>>().join(" ");
    }
    let codes = column.as_dictionary::<Int32Type>();
    codes.values().as_string::<i32>().value(codes.keys().value(row) as usize).to_string()
}

/// Resource attributes of these pairs.
pub fn attributes(pairs: &[(&str, &str)]) -> Attributes {
    pairs.iter().copied().collect()
}
