//! The command line: what can be said, and which exit code an end has.

mod ask;
mod check_otlp;
mod completions;
mod config;
mod diff;
mod export;
mod import;
mod lake;
mod lists;
mod progress;
mod run;
mod select;
mod spool;
mod status;
mod view;

use std::{
    io::{self, Write},
    process::ExitCode,
};

use clap::{Parser, Subcommand, error::ErrorKind};

use crate::{config::Problems, data_dir::DataDirError, files::NoType};

/// Continuous profiling: scrape Go services, keep their profiles as Parquet, look at them.
#[derive(Debug, Parser)]
#[command(version, about, long_about = None, max_term_width = 100)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the pipeline; without --config, profile profpipe itself
    Run(run::Args),
    /// Say what is wrong with a config, all of it
    Validate(config::Sources),
    /// Print the config as it counts: files merged, variables filled in, secrets taken out
    PrintConfig(config::PrintArgs),
    /// List receivers, processors, exporters and extensions with their defaults
    Components,
    /// Say whether files hold OTLP profiles as the profiling SIG, Parca and Pyroscope want them
    CheckOtlp(check_otlp::Args),
    /// Bring pprof files into the lake
    Import(import::Args),
    /// Send profiles of the lake by OTLP, as if they were scraped anew
    Export(export::Args),
    /// Functions by what they cost, as `go tool pprof -top`
    Top(view::TopArgs),
    /// A flame graph as SVG, HTML, folded text or JSON
    Flame(view::FlameArgs),
    /// One pprof file out of many profiles, for `go tool pprof`
    Merge(view::MergeArgs),
    /// What changed between two selections, or two files
    Diff(diff::DiffArgs),
    /// Values over time
    Series(lists::SeriesArgs),
    /// Labels and their values, which -l and --by take
    Labels(lists::LabelsArgs),
    /// How a running process is doing: config, pipelines, targets and their errors
    Status(status::Args),
    /// Look at the lake itself
    #[command(subcommand)]
    Lake(lake::Command),
    /// Look at what backends refused for good
    #[command(subcommand)]
    Spool(spool::Command),
    /// Write what a shell needs to complete commands and flags
    Completions(completions::Args),
}

/// Why a command ended without success.
#[derive(Debug)]
pub enum Failure {
    /// It failed: exit code 1.
    Failed(anyhow::Error),
    /// It was asked for something that cannot be: 2.
    Usage(anyhow::Error),
    /// The config is wrong: 2.
    Config(Problems),
    /// The lake cannot be used: 3.
    Unusable(anyhow::Error),
    /// The data directory cannot be used, or is in use: 3 or 4.
    DataDir(DataDirError),
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        let error = error.into();
        match error.downcast_ref::<NoType>() {
            Some(_) => Self::Usage(error.context("--type")),
            None => Self::Failed(error),
        }
    }
}

impl Failure {
    fn exit_code(&self) -> u8 {
        match self {
            Self::Failed(_) => 1,
            Self::Usage(_) | Self::Config(_) => 2,
            Self::Unusable(_) | Self::DataDir(DataDirError::Unusable { .. }) => 3,
            Self::DataDir(DataDirError::InUse { .. }) => 4,
        }
    }

    /// Whether nobody reads what is written any more, as after `| head`.
    fn is_broken_pipe(&self) -> bool {
        let Self::Failed(error) = self else { return false };
        let kind = |cause: &(dyn std::error::Error + 'static)| {
            let json = || cause.downcast_ref::<serde_json::Error>()?.io_error_kind();
            cause.downcast_ref::<io::Error>().map(io::Error::kind).or_else(json)
        };
        error.chain().any(|cause| kind(cause) == Some(io::ErrorKind::BrokenPipe))
    }
}

/// Runs the command of this process.
pub fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => {
            let _ = error.print();
            let asked = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
            return ExitCode::from(if asked { 0 } else { 2 });
        }
    };
    let done = match args.command {
        Command::Run(args) => run::run(args),
        Command::Validate(sources) => config::validate(sources),
        Command::PrintConfig(args) => config::print(args),
        Command::Components => config::components(),
        Command::CheckOtlp(args) => check_otlp::run(&args),
        Command::Import(args) => import::run(args),
        Command::Export(args) => export::run(args),
        Command::Top(args) => view::top(&args),
        Command::Flame(args) => view::flame(&args),
        Command::Merge(args) => view::merge(&args),
        Command::Diff(args) => diff::diff(&args),
        Command::Series(args) => lists::series(&args),
        Command::Labels(args) => lists::labels(&args),
        Command::Status(args) => status::run(&args),
        Command::Lake(command) => lake::run(&command),
        Command::Spool(command) => spool::run(&command),
        Command::Completions(args) => completions::run(&args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) if failure.is_broken_pipe() => ExitCode::SUCCESS,
        Err(failure) => {
            let code = failure.exit_code();
            let text = match failure {
                Failure::Failed(error) | Failure::Usage(error) | Failure::Unusable(error) => {
                    format!("profpipe: {error:#}")
                }
                Failure::Config(problems) => problems.to_string(),
                Failure::DataDir(error) => format!("profpipe: {error}"),
            };
            let _ = writeln!(io::stderr(), "{text}");
            ExitCode::from(code)
        }
    }
}
