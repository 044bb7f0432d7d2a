//! From config files to what is to be run. Files become trees with places (`yaml`), which are
//! merged (`source`), get their variables (`expand`), become typed (`de`, `model`, `monitors`),
//! and are turned into pipelines after a check of all that types cannot say (`resolve`).
//!
//! Nothing here does I/O beyond reading the files.

mod clash;
mod components;
mod de;
mod environment;
mod expand;
mod extensions;
mod foreign;
mod model;
mod monitors;
mod node;
mod print;
mod problem;
mod reference;
mod resolve;
mod source;
mod telemetry;
#[cfg(test)]
mod tests;
mod traces;
mod twins;
mod yaml;

use std::path::PathBuf;

pub use components::ComponentId;
pub use extensions::HealthSpec;
pub use problem::{Problem, Problems};
pub use reference::{components, page};
pub use resolve::{PipelineSpec, Resolved, SelfProfile, UiSpec};
pub use telemetry::{
    Header, LogEncoding, LogLevel, Logs, Metrics, Otlp, Periodic, Protocol, PushExporter, Reader,
    Telemetry, Temporality,
};
pub use traces::Traces;

/// Where a config comes from: files, and the flags that stand above them.
#[derive(Clone, Debug)]
pub struct Options {
    /// Config files; a later one is laid over those before. None means the built-in config.
    pub files: Vec<PathBuf>,
    /// `a::b=value` of `--set`, laid over the files.
    pub sets: Vec<String>,
    /// Addresses of processes: with `otlp_endpoint` a whole config, where no file is named.
    pub scrape: Vec<String>,
    /// Where profiles of `scrape` are sent; without it the environment says.
    pub otlp_endpoint: Option<String>,
    /// Where lakes stand whose path the config leaves open.
    pub data_dir: PathBuf,
    /// Host of the pages instead of the one in the config.
    pub web_host: Option<String>,
    /// Port of the pages instead of the one in the config.
    pub web_port: Option<u16>,
    /// Level of the log instead of the one in the config.
    pub log_level: Option<LogLevel>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            files: Vec::new(),
            sets: Vec::new(),
            scrape: Vec::new(),
            otlp_endpoint: None,
            data_dir: "profpipe-data".into(),
            web_host: None,
            web_port: None,
            log_level: None,
        }
    }
}

/// Reads and checks a config. An error lists all problems that could be found; the caller ends
/// with exit code 2. Variables come from the environment of the process.
pub fn load(options: &Options) -> Result<Resolved, Problems> {
    load_with(options, &|name| std::env::var(name).ok())
}

/// The type of the exporter that flags make: by the protocol that the environment names, or the
/// port.
///
/// # Errors
/// Where the environment is wrong.
pub fn kind_of_flags(options: &Options) -> Result<&'static str, Problems> {
    match environment::exporter_kind(options, &|name| std::env::var(name).ok()) {
        (kind, None) => Ok(kind),
        (_, Some(problem)) => Err(Problems::new(vec![problem])),
    }
}

/// The same with variables from elsewhere.
pub fn load_with(
    options: &Options,
    variables: &dyn Fn(&str) -> Option<String>,
) -> Result<Resolved, Problems> {
    read(options, variables).map(|(_, resolved)| resolved)
}

/// The config as it counts, as YAML that loads to the same; `redact` takes secrets out.
///
/// # Errors
/// As `load`: what cannot run is not printed.
pub fn print(options: &Options, redact: bool) -> Result<anyhow::Result<String>, Problems> {
    let (root, _) = read(options, &|name| std::env::var(name).ok())?;
    Ok(print::yaml(&root, redact))
}

fn read(
    options: &Options,
    variables: &dyn Fn(&str) -> Option<String>,
) -> Result<(node::Node, Resolved), Problems> {
    let mut root = source::read(options, variables).map_err(Problems::new)?;
    let (mut problems, mut warnings) = (Vec::new(), Vec::new());
    expand::expand(&mut root, variables, &mut problems);
    environment::apply(&mut root, variables, &mut problems);
    foreign::set_aside(&mut root, &mut warnings);
    let config = de::read(&mut root, &mut problems, &mut warnings);
    let resolved =
        config.map(|config| resolve::resolve(config, &root, options, &mut problems, warnings));
    match resolved {
        Some(resolved) if problems.is_empty() => Ok((root, resolved)),
        _ => Err(Problems::new(problems)),
    }
}
