//! The exporter `debug`: writes what passes by to the log.

mod config;

pub use config::{Config, Verbosity};
