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
    /// What stands alone: a file whose flag was forgotten
    #[arg(hide = true, value_name = "FILE")]
    stray: Vec<String>,
}

impl Sources {
    /// What they say, all else as it is by default.
    pub fn options(self) -> Result<config::Options, Failure> {
        if let Some(stray) = self.stray.first() {
            let message = format!("`{stray}` stands alone: each file has a flag, --config {stray}");
            return Err(Failure::Usage(anyhow::anyhow!(message)));
        }
        Ok(config::Options { files: self.files, sets: self.sets, ..Default::default() })
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
    let resolved = config::load(&sources.options()?).map_err(Failure::Config)?;
    for warning in &resolved.warnings {
        writeln!(io::stderr(), "warning: {warning}").context("write to standard error")?;
    }
    Ok(writeln!(io::stdout(), "the config is valid").context("write to standard output")?)
}

/// `profpipe print-config`.
pub fn print(args: PrintArgs) -> Result<(), Failure> {
    let redact = args.mode == Mode::Redacted;
    let text = config::print(&args.sources.options()?, redact).map_err(Failure::Config)?;
    let text = text.context("print the config")?;
    Ok(io::stdout().write_all(text.as_bytes()).context("write to standard output")?)
}

/// `profpipe components`.
pub fn components() -> Result<(), Failure> {
    let text = serde_saphyr::to_string(&config::components()).context("print components")?;
    Ok(io::stdout().write_all(text.as_bytes()).context("write to standard output")?)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        sources: Sources,
    }

    #[test]
    fn a_file_without_its_flag_is_told_how_to_be_named() {
        let parse = |args: &[&str]| Command::try_parse_from(args).unwrap().sources.options();
        let options = parse(&["validate", "-c", "a", "-c", "b", "--set", "c::d=e"]).unwrap();
        assert_eq!((options.files.len(), options.sets.len()), (2, 1));
        let Err(Failure::Usage(error)) = parse(&["validate", "-c", "a", "b"]) else { panic!() };
        assert_eq!(error.to_string(), "`b` stands alone: each file has a flag, --config b");
    }
}
