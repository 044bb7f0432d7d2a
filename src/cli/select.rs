//! What the commands share that look at profiles: which lake, and what of it.

use std::path::PathBuf;

use clap::{
    Args,
    builder::{PossibleValuesParser, TypedValueParser},
};
use lake::{Gauge, Lake, Selection, TypeSpec, matcher, time};
use pipeline::picture::Filter;

use super::Failure;

/// Where everything is.
#[derive(Args, Clone, Debug)]
pub struct DataDirArgs {
    /// Directory of the spool and the lake
    #[arg(
        short,
        long,
        value_name = "DIR",
        default_value = "./profpipe-data",
        env = "PROFPIPE_DATA_DIR"
    )]
    pub data_dir: PathBuf,
}

/// Where the lake is.
#[derive(Args, Clone, Debug)]
pub struct LakeArgs {
    #[command(flatten)]
    data: DataDirArgs,
    /// A lake elsewhere
    #[arg(long, value_name = "DIR")]
    pub lake: Option<PathBuf>,
}

impl LakeArgs {
    /// The directory of the lake.
    pub fn path(&self) -> PathBuf {
        self.lake.clone().unwrap_or_else(|| self.data.data_dir.join("lake"))
    }

    /// The lake, which must be there: an empty answer would hide a wrong path.
    pub fn open(&self) -> Result<Lake, Failure> {
        let path = self.path();
        if !path.is_dir() {
            return Err(Failure::Usage(anyhow::anyhow!(
                "there is no lake at {}: name one with --lake or --data-dir",
                path.display()
            )));
        }
        Ok(Lake::open(path))
    }
}

/// What says which part of a lake is meant, and so does not go with files.
pub const SELECTION: [&str; 8] =
    ["service", "since", "until", "from", "to", "all", "labels", "gauge"];

/// What of the lake.
#[derive(Args, Clone, Debug)]
pub struct SelectArgs {
    /// Service
    #[arg(short, long, value_name = "NAME")]
    pub service: Option<String>,
    /// Type, as `cpu:cpu` or `heap:inuse_space`; half of it where that is unambiguous
    #[arg(short = 't', long = "type", value_name = "TYPE")]
    pub kind: Option<String>,
    /// The last while, such as 15m, 1h or 7d
    #[arg(long, value_name = "DURATION", default_value = "1h")]
    pub since: String,
    /// Leave out the last while
    #[arg(long, value_name = "DURATION")]
    pub until: Option<String>,
    /// Start: RFC 3339, Unix seconds, or now-2h
    #[arg(long, value_name = "TIME", conflicts_with_all = ["since", "until"])]
    pub from: Option<String>,
    /// End, not included
    #[arg(long, value_name = "TIME", conflicts_with_all = ["since", "until"])]
    pub to: Option<String>,
    /// Everything that is there
    #[arg(long, conflicts_with_all = ["since", "until", "from", "to"])]
    pub all: bool,
    /// Label matchers, as 'pod=~"a.*", zone!="b"'
    #[arg(short, long, value_name = "MATCHERS", default_value = "", hide_default_value = true)]
    pub labels: String,
}

/// What of a gauge.
#[derive(Args, Clone, Debug)]
pub struct GaugeArgs {
    /// What is shown of a gauge such as heap:inuse_space over a range: the average, its end, or
    /// its highest step
    #[arg(
        long,
        value_name = "WHAT",
        default_value_t,
        value_parser = PossibleValuesParser::new(Gauge::NAMES).try_map(|name| name.parse::<Gauge>())
    )]
    pub gauge: Gauge,
}

/// Which frames.
#[derive(Args, Clone, Debug)]
pub struct FilterArgs {
    /// Only stacks with a function that matches
    #[arg(long, value_name = "REGEX", default_value = "", hide_default_value = true)]
    pub focus: String,
    /// No stack with a function that matches
    #[arg(long, value_name = "REGEX", default_value = "", hide_default_value = true)]
    pub ignore: String,
    /// Stacks without the functions that match
    #[arg(long, value_name = "REGEX", default_value = "", hide_default_value = true)]
    pub hide: String,
    /// Stacks with nothing but the functions that match
    #[arg(long, value_name = "REGEX", default_value = "", hide_default_value = true)]
    pub show: String,
}

pub(super) fn usage(error: impl Into<anyhow::Error>) -> Failure {
    Failure::Usage(error.into())
}

impl SelectArgs {
    /// The selection that is meant.
    pub fn selection(&self) -> Result<Selection, Failure> {
        let mut selection = Selection::new(self.range()?);
        selection.service = self.service.clone();
        selection.spec = self.type_spec()?;
        selection.matchers = matcher::parse_matchers(&self.labels)
            .map_err(|error| usage(anyhow::Error::new(error).context("--labels")))?;
        Ok(selection)
    }

    /// The type that is meant, if one is named.
    pub fn type_spec(&self) -> Result<Option<TypeSpec>, Failure> {
        self.kind.as_deref().map(TypeSpec::parse).transpose().map_err(usage)
    }

    fn range(&self) -> Result<time::TimeRange, Failure> {
        let now_us = time::now_us();
        if self.all {
            return Ok(time::TimeRange::ALL);
        }
        let wrong = |flag, error| usage(anyhow::Error::new(error).context(flag));
        let at = |flag, text: &Option<String>, default| match text {
            Some(text) => time::parse_time(text, now_us).map_err(|error| wrong(flag, error)),
            None => Ok(default),
        };
        let before =
            |flag, text: &str| time::parse_duration(text).map_err(|error| wrong(flag, error));
        let from_us = match (&self.from, &self.to) {
            (None, None) => now_us - before("--since", &self.since)?,
            (from, _) => at("--from", from, i64::MIN)?,
        };
        let until_us = self.until.as_deref().map_or(Ok(0), |text| before("--until", text))?;
        let range = time::TimeRange { from_us, to_us: at("--to", &self.to, now_us - until_us)? };
        match range.is_empty() {
            true => Err(usage(anyhow::anyhow!(
                "the range ends before it starts: it begins at --from, or --since, 1h unless said"
            ))),
            false => Ok(range),
        }
    }
}

impl FilterArgs {
    /// The filter on frames.
    pub fn filter(&self) -> Result<Filter, Failure> {
        Filter::new(&self.focus, &self.ignore, &self.hide, &self.show)
            .map_err(|bad| usage(anyhow::anyhow!("--{}: {}", bad.field, bad.message)))
    }
}
