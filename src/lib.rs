//! The composition root as a library, for tests: `main` is one call.

pub mod cli;
pub mod config;
mod cpu_profile;
mod data_dir;
mod file_limit;
mod files;
mod heap_profile;
mod http;
mod log;
mod metrics;
mod process;
mod reload;
mod self_profile;
mod traces;
