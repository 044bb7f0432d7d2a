//! The parts of the composition root that tests and benchmarks use as a library.

pub mod config;
