//! The log: lines of text or JSON on standard error, from a level on.

use std::io::{self, IsTerminal};

use anyhow::Context;
use tracing_subscriber::{
    EnvFilter, Registry, fmt, layer::SubscriberExt, reload, util::SubscriberInitExt,
};

use crate::config::{LogEncoding, LogLevel, Logs};

/// What is too noisy below a warning: the profiler tells of every sample that it drops, and what
/// carries own metrics of every connection.
const QUIET: [&str; 6] = ["pprof", "hyper", "h2", "tonic", "tower", "opentelemetry"];

/// The log of this process.
#[derive(Clone)]
pub struct Log(reload::Handle<EnvFilter, Registry>);

impl Log {
    /// Starts it; there is one in a process.
    pub fn start(logs: Logs) -> anyhow::Result<Self> {
        let (filter, handle) = reload::Layer::new(filter(logs.level)?);
        let lines = fmt::layer().with_writer(io::stderr).with_target(false);
        let registry = tracing_subscriber::registry().with(filter);
        let started = match logs.encoding {
            LogEncoding::Console => {
                registry.with(lines.with_ansi(io::stderr().is_terminal())).try_init()
            }
            LogEncoding::Json => registry.with(lines.json().flatten_event(true)).try_init(),
        };
        started.context("start the log")?;
        Ok(Self(handle))
    }

    /// Changes the level.
    pub fn set_level(&self, level: LogLevel) -> anyhow::Result<()> {
        self.0.reload(filter(level)?).context("change the log level")
    }
}

fn filter(level: LogLevel) -> anyhow::Result<EnvFilter> {
    let level = level.as_str().parse().context("read the log level")?;
    let mut filter = EnvFilter::builder().with_default_directive(level).from_env_lossy();
    for name in QUIET {
        filter = filter.add_directive(format!("{name}=warn").parse().context("read a directive")?);
    }
    Ok(filter)
}
