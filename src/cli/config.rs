//! `validate`, `print-config` and `components`: what a config says, without running it.

use std::{
    io::{self, Write},
    path::PathBuf,
};

use anyhow::Context;
use clap::{Args as ClapArgs, ValueEnum};

use super::Failure;
use crate::config;

/// Where a config comes from; the same for all commands that take one.
#[derive(ClapArgs, Clone, Debug)]
pub struct Sources {
    /// Config file; several are laid over each other
    #[arg(short = 'c', long = "config", value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// A value over those of the files, as exporters::parquet::flush_interval=30s
    #[arg(long = "set", value_name = "A::B=VALUE")]
    pub sets: Vec<String>,
}

impl Sources {
    fn options(self) -> config::Options {
        config::Options { files: self.files, sets: self.sets, ..Default::default() }
    }
}

/// Arguments of `print-config`.
#[derive(ClapArgs, Debug)]
pub struct PrintArgs {
    #[command(flatten)]
    sources: Sources,
    /// Whether passwords, tokens and headers are shown
    #[arg(long, value_enum, default_value_t = Mode::Redacted)]
    mode: Mode,
}

/// What `print-config` does with secrets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Mode {
    /// A placeholder stands for each
    Redacted,
    /// They are printed
    Unredacted,
}

/// `profpipe validate`.
pub fn validate(sources: Sources) -> Result<(), Failure> {
    let resolved = config::load(&sources.options()).map_err(Failure::Config)?;
    for warning in &resolved.warnings {
        writeln!(io::stderr(), "warning: {warning}").context("write to standard error")?;
    }
    Ok(writeln!(io::stdout(), "the config is valid").context("write to standard output")?)
}

/// `profpipe print-config`.
pub fn print(args: PrintArgs) -> Result<(), Failure> {
    let redact = args.mode == Mode::Redacted;
    let text = config::print(&args.sources.options(), redact).map_err(Failure::Config)?;
    let text = text.context("print the config")?;
    Ok(io::stdout().write_all(text.as_bytes()).context("write to standard output")?)
}

/// `profpipe components`.
pub fn components() -> Result<(), Failure> {
    let text = serde_saphyr::to_string(&config::components()).context("print components")?;
    Ok(io::stdout().write_all(text.as_bytes()).context("write to standard output")?)
}
