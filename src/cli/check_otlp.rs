//! `check-otlp`: whether files hold OTLP profiles as they have to be.

use std::{
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

use anyhow::Context;
use clap::{Args as ClapArgs, ValueEnum};
use pipeline::codec::otlp::check::{self, Breach, Source};
use serde::Serialize;

use super::Failure;
use crate::files;

/// Breaches of one file that are told.
const TOLD_MAX: usize = 1_000;

/// Arguments of `check-otlp`.
#[derive(ClapArgs, Debug)]
pub struct Args {
    /// Requests in protobuf or JSON, or what the Collector's file exporter wrote; gzip and zstd
    /// too; `-` is standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Only the rules of the profiling SIG and of who is named; else all
    #[arg(long = "for", value_enum, value_name = "WHO")]
    peers: Vec<Peer>,
    /// How it is written
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Whose rules hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Peer {
    /// The specification, as the profiling SIG's profcheck has it
    Sig,
    /// What Parca refuses
    Parca,
    /// What Pyroscope refuses
    Pyroscope,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A line for each breach
    #[default]
    Text,
    /// An object for each file, a line each
    Json,
}

/// What was found in a file.
#[derive(Default, Serialize)]
struct Found {
    file: String,
    messages: usize,
    profiles: usize,
    samples: usize,
    breaches: Vec<Told>,
    /// Breaches beyond those that are told.
    more: usize,
    /// Why it could not be read to its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// A breach as it is told.
#[derive(Serialize)]
struct Told {
    rule: &'static str,
    source: &'static str,
    place: String,
    reason: String,
}

impl Found {
    fn is_good(&self) -> bool {
        self.breaches.is_empty() && self.error.is_none()
    }
}

/// `profpipe check-otlp`.
pub fn run(args: &Args) -> Result<(), Failure> {
    let mut out = BufWriter::new(io::stdout().lock());
    let mut bad = 0;
    for file in &args.files {
        let found = look(file, &args.peers);
        bad += usize::from(!found.is_good());
        match args.format {
            Format::Text => text(&found, &mut out)?,
            Format::Json => {
                serde_json::to_writer(&mut out, &found).context("write what was found")?;
                writeln!(out)?;
            }
        }
    }
    out.flush()?;
    match bad {
        0 => Ok(()),
        bad => {
            let all = args.files.len();
            Err(Failure::Failed(anyhow::anyhow!("{bad} of {all} files break rules")))
        }
    }
}

fn look(file: &Path, peers: &[Peer]) -> Found {
    let mut found = Found { file: file.display().to_string(), ..Found::default() };
    let (wanted, mut reports) = (wanted(peers), Vec::new());
    let mut bytes = Vec::new();
    let read = files::read_whole(file, &mut bytes);
    let read = read.and_then(|()| {
        let take = |message: &[u8], form| reports.push(check::check_for(message, form, &wanted));
        Ok(check::messages(&bytes, files::limits().inflated_bytes_max, take)?)
    });
    found.error = read.err().map(|error| format!("{error:#}"));
    found.messages = reports.len();
    let several = reports.len() > 1;
    for (at, report) in reports.into_iter().enumerate() {
        found.profiles += report.profiles;
        found.samples += report.samples;
        found.more += report.more;
        for breach in report.breaches {
            if found.breaches.len() == TOLD_MAX {
                found.more += 1;
                continue;
            }
            let Breach { rule, place, reason } = breach;
            let place = match (several, place.as_str()) {
                (false, _) => place,
                (true, "") => format!("messages[{at}]"),
                (true, place) => format!("messages[{at}].{place}"),
            };
            let (rule, source) = (rule.as_str(), rule.source().as_str());
            found.breaches.push(Told { rule, source, place, reason });
        }
    }
    found
}

/// Whose rules hold: the specification's always.
fn wanted(peers: &[Peer]) -> Vec<Source> {
    let mut wanted = vec![Source::Sig];
    for (peer, source) in [(Peer::Parca, Source::Parca), (Peer::Pyroscope, Source::Pyroscope)] {
        if peers.is_empty() || peers.contains(&peer) {
            wanted.push(source);
        }
    }
    wanted
}

fn text(found: &Found, out: &mut impl Write) -> io::Result<()> {
    let Found { file, messages, profiles, samples, breaches, more, error } = found;
    for Told { rule, source, place, reason } in breaches {
        let place = if place.is_empty() { "the message" } else { place };
        writeln!(out, "{file}: {place}: {rule} ({source}): {reason}")?;
    }
    if let Some(error) = error {
        writeln!(out, "{file}: {error}")?;
    }
    let (counted, verdict) = (breaches.len() + more, if found.is_good() { "ok" } else { "bad" });
    writeln!(
        out,
        "{file}: {verdict}: messages {messages}, profiles {profiles}, samples {samples}, \
         breaches {counted}"
    )
}
