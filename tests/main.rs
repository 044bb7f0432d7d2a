//! Integration tests: the real binary, real Go processes, other people's tools. One test binary, a
//! module for each thing that is tested: more binaries would link the whole program again.

#![allow(clippy::unwrap_used, clippy::print_stderr)]

mod commands;
mod deploy;
mod e2e;
mod numbers;
mod otlp;
mod pages;
mod process;
mod pyroscope;
mod readers;
mod support;
mod tidy;
