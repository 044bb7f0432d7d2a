//! The exporter `ui`: stores nothing, shows a lake.

mod config;

pub use config::Config;
