//! Profiles as plain Parquet: the schema of the tables, the writer and its commit protocol, and the
//! one scan that every picture comes from. No DataFusion here, and no network.

mod allowance;
mod cache;
mod catalog;
mod check;
mod commit;
mod encode;
mod error;
mod files;
mod functions;
mod group;
mod import;
mod lake;
mod listing;
mod merge;
mod pages;
mod retention;
mod rows;
mod scan;
#[cfg(test)]
mod scan_tests;
pub mod schema;
mod seal;
mod selection;
mod series;
mod symbols;
pub mod time;
mod tries;
mod unmatched;
mod write;
#[cfg(test)]
mod write_tests;
mod writer_id;

pub use pipeline::matcher;

pub use allowance::{Allowance, Progress};
pub use catalog::{Label, Service};
pub use check::Checked;
pub use commit::StorageError;
pub use error::{Empty, Error};
pub use files::Skipped;
pub use import::ImportLock;
pub use lake::Lake;
pub use listing::ProfileEntry;
pub use retention::{Removed, Retention};
pub use scan::{Flame, Gauge, Notes};
pub use selection::{Selection, Type, TypeSpec};
pub use series::{Line, OTHER, Series, SeriesOptions};
pub use symbols::SIZE_LABEL;
pub use write::{Incoming, Options, WriteError, Writer, Written};
pub use writer_id::WriterId;
