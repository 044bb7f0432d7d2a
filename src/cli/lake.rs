//! `lake`: the tables themselves.

use std::{
    collections::BTreeMap,
    io::{self, Write},
    path::Path,
};

use anyhow::Context;
use clap::Subcommand;
use lake::{Selection, time::TimeRange};
use pipeline::picture::unit;

use super::{Failure, ask::ask, import::plural, select::LakeArgs};

/// What can be asked of a lake.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Services, types and hours that are there
    Ls(LakeArgs),
    /// Read every file whole, and name those that are damaged; exit code 1 if there are any
    Check(LakeArgs),
}

/// Files and bytes of something.
#[derive(Clone, Copy, Default)]
struct Size {
    files: u64,
    bytes: u64,
}

/// `profpipe lake`.
pub fn run(command: &Command) -> Result<(), Failure> {
    match command {
        Command::Ls(args) => ls(args),
        Command::Check(args) => check(args),
    }
}

fn check(args: &LakeArgs) -> Result<(), Failure> {
    let lake = args.open()?;
    let checked = ask(|allowance| lake.check(allowance))?;
    let mut out = io::stdout().lock();
    for bad in &checked.bad {
        writeln!(out, "{}: {}", args.path().join(&bad.path).display(), bad.reason)?;
    }
    let foreign = checked.bad.iter().filter(|bad| bad.is_foreign()).count();
    let (files, rows, bad) = (checked.files, checked.rows, checked.bad.len() - foreign);
    let are = |count: usize| if count == 1 { "file is" } else { "files are" };
    if foreign > 0 {
        writeln!(out, "{foreign} {} not profpipe's and not read", are(foreign))?;
    }
    match bad {
        0 if files == 0 => Ok(writeln!(out, "there is nothing in {}", args.path().display())?),
        0 => Ok(writeln!(out, "{files} files with {rows} rows are sound")?),
        bad => Err(Failure::Failed(anyhow::anyhow!("{bad} {} damaged", are(bad)))),
    }
}

fn ls(args: &LakeArgs) -> Result<(), Failure> {
    let (root, lake) = (args.path(), args.open()?);
    let mut out = io::stdout().lock();
    let selection = Selection::new(TimeRange::ALL);
    let (services, notes) = ask(|allowance| lake.services(&selection, allowance))?;
    for service in &services {
        let at = |us: i64| {
            let at = jiff::Timestamp::from_second(us.div_euclid(1_000_000));
            at.map_or_else(|_| us.to_string(), |at| at.to_string())
        };
        let (first, last) = (at(service.first_us), at(service.last_us));
        writeln!(out, "{}  {first} to {last}", service.service)?;
        for kind in &service.types {
            let (unit, temporality) = (&kind.unit, kind.temporality.as_str());
            writeln!(out, "  {kind}  {unit}, {temporality}")?;
        }
    }
    let mut all = 0;
    for table in ["samples", "profiles", "functions"] {
        let mut hours = BTreeMap::new();
        sizes(&root.join(table), "", &mut hours)?;
        if hours.is_empty() {
            continue;
        }
        let total = hours.values().fold(Size::default(), |sum, size| Size {
            files: sum.files + size.files,
            bytes: sum.bytes + size.bytes,
        });
        all += total.files;
        let bytes = unit::human(total.bytes as i64, "bytes");
        let of = |count, noun| format!("{count} {}", plural(count, noun));
        let (hours, files) = (of(hours.len(), "hour"), of(total.files as usize, "file"));
        writeln!(out, "{table}: {hours}, {files}, {bytes}")?;
    }
    if all == 0 {
        writeln!(out, "there is nothing in {}", root.display())?;
    }
    for line in notes.lines() {
        writeln!(out, "{line}")?;
    }
    Ok(())
}

/// Adds up the Parquet files below a directory by the directory that they are in.
fn sizes(dir: &Path, name: &str, found: &mut BTreeMap<String, Size>) -> anyhow::Result<()> {
    let entries = match std::fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries.with_context(|| format!("list {}", dir.display()))?,
    };
    for entry in entries {
        let entry = entry?;
        let file = entry.file_name().to_string_lossy().into_owned();
        let kind = entry.file_type()?;
        if kind.is_dir() {
            sizes(&entry.path(), &format!("{name}/{file}"), found)?;
        } else if kind.is_file() && file.ends_with(".parquet") && !file.starts_with('.') {
            let size = found.entry(name.to_owned()).or_default();
            size.files += 1;
            size.bytes += entry.metadata()?.len();
        }
    }
    Ok(())
}
