//! `run`: config → pipelines → until a signal → drained.

use std::{
    io::{self, Write},
    time::Duration,
};

use anyhow::Context;
use clap::Args as ClapArgs;
use tokio::signal::unix::{SignalKind, signal};

use super::{Failure, config::Sources, select::DataDirArgs};
use crate::{
    config::{self, LogLevel, Options, Resolved},
    data_dir::DataDir,
    file_limit,
    log::Log,
    process::Process,
    reload::{Watch, reload},
};

/// How long everything may take to come to its end.
const GRACE: Duration = Duration::from_secs(5);

/// Arguments of `run`.
#[derive(ClapArgs, Debug)]
pub struct Args {
    #[command(flatten)]
    sources: Sources,
    /// Process to scrape, as http://localhost:6060, in place of a config; may be said again
    #[arg(long, value_name = "URL", conflicts_with = "files")]
    scrape: Vec<String>,
    /// Where to send what is scraped by OTLP, as http://localhost:4318; else what
    /// OTEL_EXPORTER_OTLP_ENDPOINT says, or this host
    #[arg(long, value_name = "URL", requires = "scrape", conflicts_with = "files")]
    otlp_endpoint: Option<String>,
    #[command(flatten)]
    data: DataDirArgs,
    /// Host of the web app
    #[arg(long, value_name = "HOST")]
    web_host: Option<String>,
    /// Port of the web app
    #[arg(short = 'p', long, value_name = "PORT")]
    web_port: Option<u16>,
    /// trace, debug, info, warn or error
    #[arg(short, long, value_name = "LEVEL")]
    log_level: Option<LogLevel>,
}

/// `profpipe run`.
pub fn run(args: Args) -> Result<(), Failure> {
    let options = Options {
        scrape: args.scrape,
        otlp_endpoint: args.otlp_endpoint,
        data_dir: args.data.data_dir,
        web_host: args.web_host,
        web_port: args.web_port,
        log_level: args.log_level,
        ..args.sources.options()?
    };
    let resolved = config::load(&options).map_err(Failure::Config)?;
    let log = Log::start(resolved.telemetry.logs)?;
    for warning in &resolved.warnings {
        tracing::warn!("{warning}");
    }
    let data_dir = DataDir::lock(&options.data_dir).map_err(Failure::DataDir)?;
    file_limit::raise();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("start the runtime")?;
    let ended = runtime.block_on(until_stopped(resolved, data_dir, &options, &log));
    // Blocking work that hangs must not keep the process.
    runtime.shutdown_timeout(Duration::from_millis(200));
    Ok(ended?)
}

async fn until_stopped(
    resolved: Resolved,
    data_dir: DataDir,
    options: &Options,
    log: &Log,
) -> anyhow::Result<()> {
    let listen = |kind| signal(kind).context("listen for signals");
    let mut terminate = listen(SignalKind::terminate())?;
    let mut interrupt = listen(SignalKind::interrupt())?;
    let mut hang_up = listen(SignalKind::hangup())?;
    let mut files = Watch::new(&options.files).await;
    let (mut process, mut requests) = Process::start(resolved, data_dir).await?;
    for url in process.urls() {
        writeln!(io::stdout(), "profpipe is at {url}").context("write to standard output")?;
    }
    let failed = loop {
        let (cause, asked) = tokio::select! {
            _ = terminate.recv() => break None,
            _ = interrupt.recv() => break None,
            error = process.ended() => break Some(error),
            _ = hang_up.recv() => ("signal", None),
            Some(asked) = requests.recv() => ("request", Some(asked)),
            () = files.changed() => ("file", None),
        };
        let done = reload(&mut process, options, log, cause).await;
        if let Some(asked) = asked {
            let _ = asked.send(done); // Who asked may be gone.
        }
    };
    tracing::info!("stopping");
    let stopped = process.stop(GRACE).await;
    match failed {
        Some(error) => Err(error),
        None => stopped,
    }
}
