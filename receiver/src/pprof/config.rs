//! The config of the receiver in the Collector's shape, and what it means: a list of targets with
//! typed settings. `monitors` at the top of a file end in the same list.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use pipeline::{limits::Limits, target::Target};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use super::{
    kind,
    target::{ProfileSettings, Schedule, ScrapeTarget, TIMEOUT_DEFAULT, address, name_and_path},
};

/// What is wrong in a config: the path of the key, dots between names, and a message.
pub type Problem = (String, String);

/// `receivers: {pprof: …}`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Start to start, for each type that has no interval of its own; without one, windows follow
    /// each other back to back and snapshots are a minute apart.
    #[serde(deserialize_with = "some_duration")]
    #[schemars(with = "Option<pipeline::quantity::DurationText>")]
    pub interval: Option<Duration>,
    /// Time beyond its window that an answer may take.
    #[serde(with = "pipeline::quantity::duration")]
    #[schemars(with = "pipeline::quantity::DurationText")]
    pub timeout: Duration,
    /// For targets that are named without one.
    pub scheme: Scheme,
    /// What is scraped, by name.
    #[serde(deserialize_with = "profiles")]
    #[schemars(with = "BTreeMap<String, ProfileConfig>")]
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
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ProfileConfig {
    /// Length of the window; a custom profile with one is asked with `?seconds=`.
    pub seconds: Option<u32>,
    /// Start to start, instead of the interval of the receiver.
    #[serde(deserialize_with = "some_duration")]
    #[schemars(with = "Option<pipeline::quantity::DurationText>")]
    pub interval: Option<Duration>,
    /// Where the target serves it.
    pub path: Option<String>,
    /// Instead of the timeout of the receiver.
    #[serde(deserialize_with = "some_duration")]
    #[schemars(with = "Option<pipeline::quantity::DurationText>")]
    pub timeout: Option<Duration>,
}

/// Targets with the resource attributes that they share.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct StaticConfig {
    /// Addresses: `host:port`, or with a scheme.
    pub targets: Vec<String>,
    /// Resource attributes, such as `service.name`.
    pub labels: BTreeMap<String, String>,
}

/// How a target is spoken to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
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
            (Some(seconds), Schedule::Every(interval))
                if interval >= MIN && settings.window() >= interval =>
            {
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

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn parse(value: Value) -> Config {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn example_of_the_reference() {
        let config = parse(json!({
            "interval": "60s",
            "profiles": {"cpu": {"seconds": 10}, "heap": {}, "mutex": {"interval": "5m"},
                "widgets": {"path": "/w?x=1", "seconds": 3, "timeout": "20s"}, "goroutine": null},
            "static_configs": [
                {"targets": ["10.0.0.1:6060"], "labels": {"service.name": "orders"}},
                {"targets": ["https://a/base/", "[::1]:1"]}],
        }));
        assert_eq!(config.check(), []);
        let targets = config.scrape_targets("pprof");
        let addresses: Vec<_> = targets.iter().map(|t| t.target.address.as_str()).collect();
        assert_eq!(addresses, ["http://10.0.0.1:6060", "https://a/base", "http://[::1]:1"]);
        assert_eq!(targets[0].target.attributes.service(), "orders");
        let asked = |name: &str| {
            let settings = targets[1].profiles.iter().find(|p| p.name == name).unwrap();
            let url = settings.url("https://a/base").unwrap().to_string();
            (url, settings.period().as_secs(), settings.timeout.as_secs())
        };
        let path = "https://a/base/debug/pprof";
        assert_eq!(asked("cpu"), (format!("{path}/profile?seconds=10"), 60, 10));
        assert_eq!(asked("mutex"), (format!("{path}/mutex"), 300, 10));
        assert_eq!(asked("widgets"), ("https://a/base/w?x=1&seconds=3".into(), 60, 20));
        assert_eq!(targets[1].profiles.len(), 5);
    }

    #[test]
    fn defaults_are_back_to_back() {
        let config = parse(json!({"static_configs": [{"targets": ["h:1"]}]}));
        let profiles = config.scrape_targets("pprof").remove(0).profiles;
        assert!(profiles.iter().all(|p| p.schedule == Schedule::BackToBack));
        let periods: Vec<_> =
            profiles.iter().map(|p| (p.name.as_str(), p.period().as_secs())).collect();
        let minute = ["goroutine", "heap", "mutex"].map(|name| (name, 60));
        assert_eq!(periods[..2], [("block", 60), ("cpu", 10)]);
        assert_eq!(periods[2..], minute);
    }

    #[test]
    fn mistakes_are_named_with_their_place() {
        let one = |profiles: Value| json!({"interval": "60s", "profiles": profiles});
        let at = |address: &str| json!({"static_configs": [{"targets": ["ok:1", address]}]});
        for (value, path, message) in [
            (json!({"interval": "0"}), "interval", "1s or more"),
            (json!({"timeout": "0"}), "timeout", "1s or more"),
            (one(json!({"cpu": {"seconds": 0}})), "profiles.cpu.seconds", "above 0"),
            (one(json!({"cpu": {"seconds": 60}})), "profiles.cpu.seconds", "does not fit"),
            (one(json!({"heap": {"seconds": 5}})), "profiles.heap.seconds", "use `interval`"),
            (one(json!({"heap": {"interval": "0"}})), "profiles.heap.interval", "1s or more"),
            (one(json!({"heap": {"timeout": "0"}})), "profiles.heap.timeout", "1s or more"),
            (one(json!({"heap": {"path": "heap"}})), "profiles.heap", "not a path"),
            (one(json!({"heaps": {}})), "profiles.heaps", "needs a path"),
            (one(json!({"a/b": {"path": "/x"}})), "profiles.a/b", "letters"),
            (one(json!({"cpu": {}, "profile": {}})), "profiles.profile", "the same profile"),
            (at("ok:1"), "static_configs[0].targets[1]", "twice"),
            (at("ftp://h"), "static_configs[0].targets[1]", "only http"),
            (at("h:99999"), "static_configs[0].targets[1]", "port"),
            (at("h:0"), "static_configs[0].targets[1]", "port 0"),
            (at("u:p@h:1"), "static_configs[0].targets[1]", "credentials"),
            (at("h:1/?a=b"), "static_configs[0].targets[1]", "query"),
            (at("a b:1"), "static_configs[0].targets[1]", "blank"),
            (at(""), "static_configs[0].targets[1]", "empty host"),
        ] {
            let problems = parse(value.clone()).check();
            assert_eq!(problems.len(), 1, "{value}: {problems:?}");
            assert_eq!(problems[0].0, path, "{value}");
            assert!(problems[0].1.contains(message), "{value}: {}", problems[0].1);
        }
        for value in [json!({"intervall": "1s"}), json!({"interval": 5}), one(json!({"cpu": 5}))] {
            assert!(serde_json::from_value::<Config>(value.clone()).is_err(), "{value}");
        }
    }

    #[test]
    fn heap_and_allocs_are_one_and_monitors_mean_what_they_did() {
        let keys = [("allocs", 60), ("profile", 120), ("heap", 30), ("goroutine", 5)];
        let settings = keys.map(|(key, s)| ProfileSettings::monitor(key, Some(s), None).unwrap());
        let target = Target { job: "m".into(), address: "http://h:1".into(), ..target() };
        let target = ScrapeTarget::new(target, settings);
        let got: Vec<_> = target
            .profiles
            .iter()
            .map(|p| (p.name.as_str(), p.seconds, p.period().as_secs()))
            .collect();
        assert_eq!(got, [("heap", None, 30), ("cpu", Some(120), 120), ("goroutine", None, 5)]);
        assert!(ProfileSettings::monitor("trace", Some(1), None).is_err());
        assert!(ProfileSettings::monitor("heap", Some(0), None).is_err());
        let custom = ProfileSettings::monitor("widgets", Some(9), Some("/w")).unwrap();
        assert_eq!((custom.seconds, custom.period().as_secs()), (None, 9));
    }

    fn target() -> Target {
        Target { job: String::new(), address: String::new(), attributes: Default::default() }
    }
}
