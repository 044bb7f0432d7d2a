//! Profiles as plain Parquet: the schema of the tables, the writer and its commit protocol, and the
//! one scan that every picture comes from. No DataFusion here, and no network.

mod files;
pub mod matcher;
mod pages;
pub mod schema;
pub mod time;
