//! The exporter `parquet`: writes a lake.

mod config;

pub use config::{Config, Retention};
