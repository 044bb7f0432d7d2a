//! `spool`: what lies between receivers and exporters, looked at from beside.

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
};

use anyhow::Context;
use clap::Subcommand;
use pipeline::{
    codec::record,
    limits::Limits,
    picture::visible,
    spool::{DeadLetter, dead_letters},
    storage::Disk,
};

use super::{Failure, select::DataDirArgs};
use crate::files;

/// What can be asked of a spool.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Dead letters: profiles that a backend refused for good, with reason and file
    Dead(DataDirArgs),
}

/// `profpipe spool`.
pub fn run(command: &Command) -> Result<(), Failure> {
    let Command::Dead(args) = command;
    let root = args.data_dir.join("spool");
    if !root.is_dir() {
        let root = root.display();
        let error = anyhow::anyhow!("there is no spool at {root}: name one with --data-dir");
        return Err(Failure::Usage(error));
    }
    let mut out = io::stdout().lock();
    let mut found = false;
    for dir in pipelines(&root)? {
        let name = dir.file_name().unwrap_or_default().to_string_lossy();
        for letter in dead_letters(&Disk, &dir)? {
            found = true;
            let DeadLetter { exporter, reason, file } = letter;
            let what = describe(&file).unwrap_or_else(|error| format!("unreadable ({error:#})"));
            writeln!(out, "{name}  {exporter}  {what}  {reason}  {}", file.display())?;
        }
    }
    if !found {
        writeln!(out, "there are no dead letters")?;
    }
    Ok(())
}

/// The spools of a data directory, by name.
fn pipelines(root: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(root).with_context(|| format!("list {}", root.display()))?;
    let paths = entries.map(|entry| entry.map(|entry| entry.path()));
    let mut paths = paths.collect::<Result<Vec<_>, _>>().context("list spools")?;
    paths.retain(|path| path.is_dir());
    paths.sort();
    Ok(paths)
}

/// Time, service, name and size of the profile in a file.
fn describe(file: &Path) -> anyhow::Result<String> {
    let mut bytes = Vec::new();
    files::read_whole(file, &mut bytes)?;
    let profile = record::decode(&bytes, &Limits::ACCEPTED)?;
    let time = jiff::Timestamp::from_second(profile.meta.time_ns.div_euclid(1_000_000_000))?;
    let (service, name) = (visible(profile.meta.resource.service()), visible(&profile.meta.name));
    Ok(format!("{time}  {service}  {name}  {} samples", profile.len()))
}
