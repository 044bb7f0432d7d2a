//! The exporter `debug`: writes what passes by to the log, or to standard output.

mod config;
mod print;

use std::{
    fs::OpenOptions,
    io::{self, Write},
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context;
use async_trait::async_trait;
use pipeline::{
    codec::otlp,
    component::{Export, ExportError, Exporter, Taken},
};
use serde_json::Value;

pub use config::{Config, Verbosity};

/// Writes profiles and takes them all.
pub struct Debug {
    id: Arc<str>,
    config: Arc<Config>,
    /// When the second began that is sampled, and pushes of it.
    second: (Instant, u64),
}

impl Debug {
    /// An exporter of this id that writes as much as the config says.
    pub fn new(id: &str, config: &Config) -> Self {
        let second = (Instant::now(), 0);
        Self { id: id.into(), config: Arc::new(config.clone()), second }
    }

    /// Whether this push is one of those that are written.
    fn sampled(&mut self) -> bool {
        if self.second.0.elapsed() >= Duration::from_secs(1) {
            self.second = (Instant::now(), 0);
        }
        self.second.1 += 1;
        let Config { sampling_initial: initial, sampling_thereafter: every, .. } = *self.config;
        let later = self.second.1.saturating_sub(initial);
        later == 0 || (every > 0 && later.is_multiple_of(every))
    }
}

#[async_trait]
impl Exporter for Debug {
    async fn export(&mut self, export: &Export) -> Result<Taken, ExportError> {
        if !self.sampled() {
            return Ok(Taken::default());
        }
        let (id, config) = (Arc::clone(&self.id), Arc::clone(&self.config));
        let profiles = export.profiles.iter().map(|stored| Arc::clone(&stored.profile));
        let profiles: Vec<_> = profiles.collect();
        let written = tokio::task::spawn_blocking(move || {
            let bytes = otlp::encode(profiles.iter().map(|profile| &**profile));
            let request = serde_json::from_slice(&otlp::json::request(&bytes));
            write(&id, &config, &request.context("read own JSON")?)
        });
        let written = written.await.context("write profiles");
        written.flatten().map_err(ExportError::Permanent).map(|()| Taken::default())
    }
}

fn write(id: &str, config: &Config, request: &Value) -> anyhow::Result<()> {
    let (resources, samples) = print::counts(request);
    let text = match config.verbosity {
        Verbosity::Basic => String::new(),
        Verbosity::Normal => print::normal(request),
        Verbosity::Detailed => print::detailed(request),
    };
    if config.use_internal_logger {
        tracing::info!(
            "resource profiles" = resources,
            "sample records" = samples,
            exporter = id,
            "Profiles"
        );
        if !text.is_empty() {
            tracing::info!(exporter = id, "{text}");
        }
        return Ok(());
    }
    let head = format!(
        "Profiles\t{{\"resource profiles\": {resources}, \"sample records\": {samples}}}\n"
    );
    for path in &config.output_paths {
        // The text is an entry of its own, which ends with one more line.
        let end = if text.is_empty() { "" } else { "\n" };
        let all = [&head, &text, end].concat();
        match path.as_str() {
            "stderr" => io::stderr().lock().write_all(all.as_bytes()),
            "stdout" => io::stdout().lock().write_all(all.as_bytes()),
            file => append(file.strip_prefix("file://").unwrap_or(file), all.as_bytes()),
        }
        .with_context(|| format!("write to {path}"))?;
    }
    Ok(())
}

fn append(file: &str, bytes: &[u8]) -> io::Result<()> {
    OpenOptions::new().append(true).create(true).open(file)?.write_all(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_a_second_are_written_and_some_of_the_others() {
        let sampled = |initial, every| {
            let config = Config {
                sampling_initial: initial,
                sampling_thereafter: every,
                ..Config::default()
            };
            let mut debug = Debug::new("debug", &config);
            (0..8).map(|_| u8::from(debug.sampled())).collect::<Vec<_>>()
        };
        assert_eq!(sampled(2, 1), [1; 8]);
        assert_eq!(sampled(2, 3), [1, 1, 0, 0, 1, 0, 0, 1]);
        assert_eq!(sampled(1, 0), [1, 0, 0, 0, 0, 0, 0, 0]);
        let config = Config { sampling_thereafter: 0, ..Config::default() };
        let mut debug = Debug::new("debug", &config);
        debug.second = (Instant::now() - Duration::from_secs(2), 99);
        assert!(debug.sampled(), "another second");
    }
}
