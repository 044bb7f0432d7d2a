//! `export`: profiles of a lake by OTLP to whoever takes them, newest first. With a cursor file it
//! goes on where a run before was broken off: nothing is sent twice but the batch in flight.

mod cursor;
mod pages;
mod stop;

use std::{
    io::{self, Write},
    path::PathBuf,
    time::{Duration, Instant},
};

use anyhow::Context;
use clap::Args as ClapArgs;
use lake::{Lake, WriterId};
use pipeline::component::{Export, ExportError, Exporter, Taken};

use self::{cursor::Cursor, pages::Pages, stop::Stop};
use super::{
    Failure,
    progress::Progress,
    select::{LakeArgs, SelectArgs},
};
use crate::{
    config::{self, LogLevel, Logs, Options},
    log::Log,
};

/// The first wait after a failure that may pass, and the longest one.
const WAIT: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

const ASKED: &str = "it was asked to stop";

/// Arguments of `export`.
#[derive(ClapArgs, Debug)]
pub struct Args {
    /// Where to, as http://localhost:4318; else what OTEL_EXPORTER_OTLP_ENDPOINT says,
    /// or this host
    #[arg(long, value_name = "URL")]
    otlp: Option<String>,
    /// Setting of the exporter over those of the environment, as compression=zstd
    #[arg(long = "set", value_name = "KEY=VALUE")]
    sets: Vec<String>,
    /// File that says how far it came; a run that is broken off goes on there
    #[arg(long, value_name = "FILE")]
    cursor: Option<PathBuf>,
    /// How long the other end may take no profile before this gives up
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = duration)]
    give_up_after: Duration,
    #[command(flatten)]
    lake: LakeArgs,
    #[command(flatten)]
    select: SelectArgs,
}

fn duration(text: &str) -> Result<Duration, String> {
    pipeline::quantity::parse_duration(text).map_err(|error| error.to_string())
}

/// `profpipe export`.
pub fn run(args: Args) -> Result<(), Failure> {
    let _log = Log::start(Logs { level: LogLevel::Warn, ..Logs::default() })?;
    let (id, config) = exporter(&args)?;
    let lake = args.lake.open()?;
    let mut selection = args.select.selection()?;
    let about = cursor::about(&args.lake.path(), &id, &config, &selection);
    let (mut cursor, known) =
        Cursor::open(args.cursor.as_deref(), &about, selection.range).map_err(Failure::Usage)?;
    // A range such as the last hour is that of the first run.
    selection.range = cursor.range();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.context("start the runtime")?;
    let stop = {
        let _within = runtime.enter();
        Stop::listen()?
    };
    let writer = WriterId::random(); // Only lakes are written under it.
    let mut replay = Replay {
        exporter: exporter::build(&id, &config, &writer)?,
        give_up_after: args.give_up_after,
        progress: Progress::new("profiles", "sent"),
        sent: cursor.sent,
        stop,
    };
    if known {
        let sent = cursor.sent;
        writeln!(io::stderr(), "profpipe: goes on after {sent} profiles that were sent before")?;
    }
    let result = replay.all(&lake, &runtime, &mut cursor, selection);
    let sent = replay.sent;
    drop(replay);
    match result {
        Ok(()) => {
            cursor.remove()?;
            Ok(writeln!(io::stdout(), "{sent} profiles sent")?)
        }
        Err(error) => {
            let hint = match &args.cursor {
                Some(_) => "; the same command goes on from there",
                None => "; with --cursor FILE another run could have gone on from there",
            };
            Err(Failure::Failed(error.context(format!("stopped after {sent} profiles{hint}"))))
        }
    }
}

/// The exporter that flags and environment make.
fn exporter(args: &Args) -> Result<(String, exporter::Config), Failure> {
    let sets = args.sets.iter();
    let options = |kind: &str| Options {
        sets: sets.clone().map(|set| format!("exporters::{kind}::{set}")).collect(),
        // Names the pipeline of the exporter; nothing is scraped.
        scrape: vec!["localhost:1".into()],
        otlp_endpoint: args.otlp.clone(),
        ..Options::default()
    };
    let kind = config::kind_of_flags(&options("")).map_err(Failure::Config)?;
    let resolved = config::load(&options(kind)).map_err(Failure::Config)?;
    let exporters = resolved.pipelines.into_iter().flat_map(|pipeline| pipeline.exporters);
    let (id, config) = exporters.last().context("there is no exporter")?;
    Ok((id.to_string(), config))
}

/// What sends.
struct Replay {
    exporter: Box<dyn Exporter>,
    give_up_after: Duration,
    progress: Progress,
    /// Profiles that were sent, by runs before as well.
    sent: u64,
    stop: Stop,
}

impl Replay {
    fn all(
        &mut self,
        lake: &Lake,
        runtime: &tokio::runtime::Runtime,
        cursor: &mut Cursor,
        selection: lake::Selection,
    ) -> anyhow::Result<()> {
        let total = pages::count(lake, &selection)?;
        if total == 0 {
            return Err(usage_of_nothing());
        }
        self.progress.goes_on_at(self.sent, total);
        let mut pages = Pages::new(lake, selection, cursor.at());
        let mut number = 0;
        while let Some(batch) = pages.next_batch()? {
            anyhow::ensure!(!self.stop.asked, ASKED);
            number += 1;
            let export = Export { first: number, last: number, profiles: batch.profiles };
            runtime.block_on(self.send(&export))?;
            self.sent += batch.entries;
            cursor.advance(batch.last, self.sent)?;
            self.progress.at(self.sent, total);
        }
        Ok(())
    }

    /// Sends a batch until the other end has it.
    async fn send(&mut self, export: &Export) -> anyhow::Result<()> {
        let (start, mut wait) = (Instant::now(), WAIT.0);
        loop {
            let result = tokio::select! {
                result = self.exporter.export(export) => result,
                () = self.stop.too_late() => anyhow::bail!(ASKED),
            };
            let (error, after) = match result {
                Ok(Taken { refused, .. }) if !refused.places.is_empty() => {
                    let (profiles, reason) = (refused.places.len(), refused.reason);
                    anyhow::bail!("{profiles} profiles were refused: {reason}");
                }
                Ok(Taken { rejected: 0, .. }) => return Ok(()),
                Ok(Taken { rejected, reason, .. }) => {
                    self.progress
                        .say(format_args!("profpipe: {rejected} profiles were rejected: {reason}"));
                    return Ok(());
                }
                Err(ExportError::Permanent(error)) => return Err(error),
                Err(ExportError::Retryable { source, after }) => (source, after),
            };
            let pause = after.unwrap_or(wait);
            if start.elapsed() + pause > self.give_up_after {
                return Err(error);
            }
            self.progress.say(format_args!("profpipe: {error:#}; tries again in {pause:?}"));
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.stop.asked() => anyhow::bail!(ASKED),
            }
            wait = (wait * 2).min(WAIT.1);
        }
    }
}

fn usage_of_nothing() -> anyhow::Error {
    anyhow::anyhow!("the selection has no profiles: it begins with --since, 1h unless said")
}
