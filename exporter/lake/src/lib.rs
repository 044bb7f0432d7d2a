//! Profiles as plain Parquet: the schema of the tables, the writer and its commit protocol, and the
//! one scan that every picture comes from. No DataFusion here, and no network.

mod commit;
mod encode;
mod retention;
mod rows;
pub mod schema;
mod symbols;
mod write;
#[cfg(test)]
mod write_tests;
mod writer_id;

pub use commit::StorageError;
pub use retention::{Removed, Retention};
pub use write::{Incoming, Options, WriteError, Writer, Written};
pub use writer_id::WriterId;
