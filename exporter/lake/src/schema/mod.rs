//! The three tables of the lake as data: one list of columns each, from which come the Arrow
//! schema, what the writer encodes, and the page for users. Changes within a major version only
//! add nullable columns, so readers find columns by name.

mod tables;

use std::{fmt::Write as _, sync::Arc};

use arrow::datatypes::{DataType, Field, Fields, Schema, TimeUnit};
use parquet::file::metadata::KeyValue;
use thiserror::Error;

pub use tables::{FUNCTIONS, PROFILES, SAMPLES, functions, profiles, samples};

/// The major version that this code writes, and the newest that it reads.
pub const MAJOR: u32 = 1;

/// Keys of the file metadata.
pub mod key {
    /// Major version of the schema, decimal.
    pub const SCHEMA: &str = "profpipe.schema";
    /// Id of the writer.
    pub const WRITER: &str = "profpipe.writer";
    /// First record of the range that the file holds, decimal.
    pub const FIRST: &str = "profpipe.first";
    /// Last record of the range that the file holds, decimal.
    pub const LAST: &str = "profpipe.last";
    /// Hash of the whole file, with zeros in place of this value: XXH3 of 128 bits, 32 hex digits.
    pub const SEAL: &str = "profpipe.xxh3";
}

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Microseconds since 1970, UTC.
    Time,
    /// A signed 64-bit integer.
    Int,
    /// A dictionary-encoded string.
    Text,
    /// A map from string to string; its leaves are the key and the value.
    Map,
}

/// One column of a table.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// The name.
    pub name: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// Whether it may be null.
    pub nullable: bool,
    /// Whether its minimum and maximum are kept, because people sort or filter by it.
    pub stats: bool,
    /// Its meaning and unit, for the page for users.
    pub meaning: &'static str,
}

/// A table of the lake.
#[derive(Debug)]
pub struct Table {
    /// The name, and the directory below the root.
    pub name: &'static str,
    /// The columns in order.
    pub columns: &'static [Column],
    /// Indexes of the columns that rows are sorted by; the declared order of a file.
    pub sorted_by: &'static [usize],
}

impl Column {
    const fn new(name: &'static str, kind: Kind, meaning: &'static str) -> Self {
        Self { name, kind, nullable: false, stats: false, meaning }
    }

    const fn nullable(mut self) -> Self {
        self.nullable = true;
        self
    }

    const fn stats(mut self) -> Self {
        self.stats = true;
        self
    }

    fn field(&self) -> Field {
        let data_type = match self.kind {
            Kind::Time => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            Kind::Int => DataType::Int64,
            Kind::Text => dictionary(),
            Kind::Map => {
                let pair = Fields::from(vec![
                    Field::new("key", dictionary(), false),
                    Field::new("value", dictionary(), true),
                ]);
                // The names are those of the Parquet specification; Arrow's own differ.
                let entry = Field::new("key_value", DataType::Struct(pair), false);
                DataType::Map(Arc::new(entry), false)
            }
        };
        Field::new(self.name, data_type, self.nullable)
    }
}

fn dictionary() -> DataType {
    DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8))
}

impl Table {
    /// The Arrow schema: strings are dictionaries of `Int32` to `Utf8`.
    pub fn arrow(&self) -> Schema {
        Schema::new(self.columns.iter().map(Column::field).collect::<Vec<_>>())
    }

    /// Index of the first Parquet leaf of a column; a map has two, the key first.
    pub fn leaf(&self, column: usize) -> usize {
        column + self.columns[..column].iter().filter(|c| c.kind == Kind::Map).count()
    }

    /// Index of a column by its name.
    pub fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|c| c.name == name)
    }

    /// The columns as a Markdown table, which the page for users holds word for word.
    pub fn markdown(&self) -> String {
        let mut page = String::from("| column | type | null | meaning |\n|---|---|---|---|\n");
        for column in self.columns {
            let kind = match column.kind {
                Kind::Time => "timestamp(µs, UTC)",
                Kind::Int => "int64",
                Kind::Text => "string",
                Kind::Map => "map<string, string>",
            };
            let null = if column.nullable { "yes" } else { "" };
            let _ = writeln!(page, "| `{}` | {kind} | {null} | {} |", column.name, column.meaning);
        }
        page
    }
}

/// A file that this version cannot read.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum SchemaError {
    /// The file has a major version above [`MAJOR`].
    #[error("{file} has schema {found}, newer than {MAJOR}: read it with a newer profpipe")]
    Newer {
        /// The file.
        file: String,
        /// Its major version.
        found: u32,
    },
    /// The file does not say that profpipe wrote it.
    #[error("{file} has no readable {}", key::SCHEMA)]
    Foreign {
        /// The file.
        file: String,
    },
}

/// Checks the metadata of a file: that it is of the lake and not of a newer major version.
pub fn check(file: &str, metadata: Option<&Vec<KeyValue>>) -> Result<(), SchemaError> {
    let pair = metadata.into_iter().flatten().find(|pair| pair.key == key::SCHEMA);
    let version = pair.and_then(|pair| pair.value.as_deref());
    // A minor part, should there ever be one, is no reason to refuse.
    let major = version.and_then(|text| text.split('.').next()?.parse::<u32>().ok());
    match major {
        Some(found) if found > MAJOR => Err(SchemaError::Newer { file: file.into(), found }),
        Some(_) => Ok(()),
        None => Err(SchemaError::Foreign { file: file.into() }),
    }
}

#[cfg(test)]
mod tests {
    use parquet::arrow::ArrowSchemaConverter;

    use super::*;

    #[test]
    fn leaves_are_those_of_parquet() {
        for table in [&SAMPLES, &PROFILES, &FUNCTIONS] {
            let schema = table.arrow();
            let parquet = ArrowSchemaConverter::new().convert(&schema).unwrap();
            for (index, column) in table.columns.iter().enumerate() {
                let leaf = parquet.column(table.leaf(index));
                let path = leaf.path().string();
                match column.kind {
                    Kind::Map => assert_eq!(path, format!("{}.key_value.key", column.name)),
                    _ => assert_eq!(path, column.name),
                }
            }
            for index in table.sorted_by {
                assert!(*index < table.columns.len() && !table.columns[*index].nullable);
            }
        }
    }

    /// The page for users holds the columns of each table as they are; `UPDATE_DOCS=1` renews it.
    #[test]
    fn the_page_for_users_is_up_to_date() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/lake.md");
        let mut page = std::fs::read_to_string(path).unwrap();
        for table in [&SAMPLES, &PROFILES, &FUNCTIONS] {
            let title = format!("## Table `{}`\n", table.name);
            let section = page.find(&title).unwrap() + title.len();
            let start = section + page[section..].find("| column |").unwrap();
            let end = start + page[start..].find("\n\n").unwrap() + 1;
            if std::env::var_os("UPDATE_DOCS").is_some() {
                page.replace_range(start..end, &table.markdown());
                std::fs::write(path, &page).unwrap();
            } else {
                assert_eq!(page[start..end], table.markdown(), "run with UPDATE_DOCS=1");
            }
        }
    }

    #[test]
    fn newer_and_foreign_files_are_named() {
        let pairs =
            |version: &str| vec![KeyValue::new(key::SCHEMA.to_string(), version.to_string())];
        assert_eq!(check("a", Some(&pairs("1"))), Ok(()));
        assert_eq!(check("a", Some(&pairs("1.7"))), Ok(()));
        let newer = SchemaError::Newer { file: "a".into(), found: 2 };
        assert_eq!(
            newer.to_string(),
            "a has schema 2, newer than 1: read it with a newer profpipe"
        );
        assert_eq!(check("a", Some(&pairs("2"))), Err(newer));
        for foreign in [None, Some(&pairs("x")), Some(&vec![])] {
            assert_eq!(check("a", foreign), Err(SchemaError::Foreign { file: "a".into() }));
        }
    }
}
