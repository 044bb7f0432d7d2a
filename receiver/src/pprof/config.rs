//! The config of the receiver in the Collector's shape, and what it means: a list of targets with
//! typed settings. `monitors` at the top of a file end in the same list.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use pipeline::{limits::Limits, target::Target};
use serde::{Deserialize, Deserializer};

use super::{
    kind,
    target::{ProfileSettings, Schedule, ScrapeTarget, TIMEOUT_DEFAULT, address, name_and_path},
};

/// What is wrong in a config: the path of the key, dots between names, and a message.
pub type Problem = (String, String);

/// `receivers: {pprof: …}`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Start to start, for each type that has no interval of its own; without one, windows follow
    /// each other back to back and snapshots are a minute apart.
    #[serde(deserialize_with = "some_duration")]
    pub interval: Option<Duration>,
    /// Time beyond its window that an answer may take.
    #[serde(deserialize_with = "pipeline::quantity::duration::deserialize")]
    pub timeout: Duration,
    /// For targets that are named without one.
    pub scheme: Scheme,
    /// What is scraped, by name.
    #[serde(deserialize_with = "profiles")]
    pub profiles: BTreeMap<String, ProfileConfig>,
    /// Targets that are always there.
    pub static_configs: Vec<StaticConfig>,
    /// What one answer may cost.
    pub limits: Limits,
    /// Targets that were made elsewhere in the file, such as under `monitors`.
    #[serde(skip)]
    pub targets: Vec<ScrapeTarget>,
}

/// One entry of `profiles`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ProfileConfig {
    /// Length of the window; a custom profile with one is asked with `?seconds=`.
    pub seconds: Option<u32>,
    /// Start to start, instead of the interval of the receiver.
    #[serde(deserialize_with = "some_duration")]
    pub interval: Option<Duration>,
    /// Where the target serves it.
    pub path: Option<String>,
    /// Instead of the timeout of the receiver.
    #[serde(deserialize_with = "some_duration")]
    pub timeout: Option<Duration>,
}

/// Targets with the resource attributes that they share.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StaticConfig {
    /// Addresses: `host:port`, or with a scheme.
    pub targets: Vec<String>,
    /// Resource attributes, such as `service.name`.
    pub labels: BTreeMap<String, String>,
}

/// How a target is spoken to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scheme {
    /// In the clear.
    #[default]
    Http,
    /// Under TLS, the certificate checked.
    Https,
}

impl Default for Config {
    fn default() -> Self {
        let profiles = ["block", "cpu", "goroutine", "heap", "mutex"];
        Self {
            interval: None,
            timeout: TIMEOUT_DEFAULT,
            scheme: Scheme::default(),
            profiles: profiles.map(|name| (name.into(), ProfileConfig::default())).into(),
            static_configs: Vec::new(),
            limits: Limits::default(),
            targets: Vec::new(),
        }
    }
}

impl Scheme {
    /// As an URL has it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

impl Config {
    /// Everything that is wrong with it, in the order of the keys.
    pub fn check(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut say = |path: String, message: String| problems.push((path, message));
        if self.interval.is_some_and(|interval| interval < MIN) {
            say("interval".into(), "must be 1s or more".into());
        }
        if self.timeout < MIN {
            say("timeout".into(), "must be 1s or more".into());
        }
        for (key, profile) in &self.profiles {
            if let Err((field, message)) = self.settings(key, profile) {
                say(format!("profiles.{key}{field}"), message);
            }
        }
        let mut seen = BTreeSet::new();
        for (i, group) in self.static_configs.iter().enumerate() {
            for (j, text) in group.targets.iter().enumerate() {
                let path = format!("static_configs[{i}].targets[{j}]");
                match address(text, self.scheme.as_str()) {
                    Err(message) => say(path, message),
                    Ok(address) if seen.insert(address.clone()) => {}
                    Ok(address) => say(path, format!("`{address}` is listed twice")),
                }
            }
        }
        problems
    }

    /// The targets, as members of the group `job`; an address that `check` complains about is
    /// left out.
    pub fn scrape_targets(&self, job: &str) -> Vec<ScrapeTarget> {
        let settings = self.profiles.iter().filter_map(|(key, p)| self.settings(key, p).ok());
        let settings: Vec<_> = settings.collect();
        let mut targets = self.targets.clone();
        for group in &self.static_configs {
            for text in &group.targets {
                let Ok(address) = address(text, self.scheme.as_str()) else { continue };
                let attributes = group.labels.clone().into_iter().collect();
                let target = Target { job: job.into(), address, attributes };
                targets.push(ScrapeTarget::new(target, settings.iter().cloned()));
            }
        }
        targets
    }

    /// What one entry of `profiles` means, or the field below it that is wrong and why.
    fn settings(
        &self,
        key: &str,
        profile: &ProfileConfig,
    ) -> Result<ProfileSettings, (&'static str, String)> {
        let kind = kind::find(key);
        let (name, path) =
            name_and_path(kind, key, profile.path.as_deref()).map_err(|message| ("", message))?;
        if let Some(other) = kind.and_then(|kind| self.twin(kind)) {
            return Err(("", format!("is the same profile as `{other}`: keep one of them")));
        }
        let windowed = kind.map_or(profile.seconds.is_some(), |kind| kind.windowed);
        let seconds = windowed.then(|| profile.seconds.unwrap_or(kind::SECONDS_DEFAULT));
        if !windowed && profile.seconds.is_some() {
            let message = "is for windows, and this is a snapshot: use `interval`";
            return Err((".seconds", message.into()));
        }
        let timeout = profile.timeout.unwrap_or(self.timeout);
        if profile.timeout.is_some() && timeout < MIN {
            return Err((".timeout", "must be 1s or more".into()));
        }
        if profile.interval.is_some_and(|interval| interval < MIN) {
            return Err((".interval", "must be 1s or more".into()));
        }
        let schedule = match profile.interval.or(self.interval) {
            Some(interval) => Schedule::Every(interval),
            None => Schedule::BackToBack,
        };
        let settings = ProfileSettings { name, path, seconds, schedule, timeout };
        match (seconds, schedule) {
            (Some(0), _) => Err((".seconds", "must be above 0".into())),
            (Some(seconds), Schedule::Every(interval)) if settings.window() >= interval => {
                let message =
                    format!("a window of {seconds}s does not fit into an interval of {interval:?}");
                Err((".seconds", message))
            }
            _ => Ok(settings),
        }
    }

    /// The other name of a CPU profile, if the config has both. (`heap` and `allocs` may both be
    /// there, as users of Go expect two; they become one.)
    fn twin(&self, kind: &kind::Kind) -> Option<&'static str> {
        let both = ["cpu", "profile"].iter().all(|key| self.profiles.contains_key(*key));
        (both && kind.key == "profile").then_some("cpu")
    }
}

/// The shortest interval and timeout.
const MIN: Duration = Duration::from_secs(1);

fn some_duration<'de, D: Deserializer<'de>>(de: D) -> Result<Option<Duration>, D::Error> {
    pipeline::quantity::duration::deserialize(de).map(Some)
}

/// A map in which `heap:` alone means `heap: {}`.
fn profiles<'de, D: Deserializer<'de>>(de: D) -> Result<BTreeMap<String, ProfileConfig>, D::Error> {
    let map = BTreeMap::<String, Option<ProfileConfig>>::deserialize(de)?;
    Ok(map.into_iter().map(|(key, profile)| (key, profile.unwrap_or_default())).collect())
}
