//! The config of the receiver in the Collector's shape, and what it means: a list of targets with
//! typed settings. `monitors` at the top of a file end in the same list.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Arc,
    time::Duration,
};

use pipeline::{extension::Auth, limits::Limits, target::Target};
use schemars::JsonSchema;
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{Error, SeqAccess, Visitor},
};

use super::{
    http::{
        Authorization, BasicAuth, Credentials, Headers, HttpSettings, TlsConfig, check_headers,
    },
    kind,
    target::{
        ProfileSettings, Schedule, ScrapeTarget, TIMEOUT_DEFAULT, address, name_and_path,
        path_twice,
    },
};

/// What is wrong in a config: the path of the key, dots between names, and a message.
pub type Problem = (String, String);

/// `receivers: {pprof: …}`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Start to start, for each type that has no interval of its own; without one, windows follow
    /// each other back to back and snapshots are a minute apart.
    #[serde(deserialize_with = "pipeline::quantity::some_duration::deserialize")]
    #[schemars(with = "Option<pipeline::quantity::DurationText>")]
    pub interval: Option<Duration>,
    /// Time beyond its window that an answer may take.
    #[serde(with = "pipeline::quantity::duration")]
    #[schemars(with = "pipeline::quantity::DurationText")]
    pub timeout: Duration,
    /// For targets that are named without one.
    pub scheme: Scheme,
    /// Query parameters of every request.
    pub params: BTreeMap<String, Texts>,
    /// How TLS is spoken.
    pub tls_config: TlsConfig,
    /// Name and password for the targets.
    pub basic_auth: Option<BasicAuth>,
    /// A token for the targets.
    pub authorization: Option<Authorization>,
    /// As whom we ask, in place of both.
    pub auth: Option<Auth>,
    /// Header fields of every request.
    pub http_headers: Headers,
    /// Whether redirects within one host are followed.
    pub follow_redirects: bool,
    /// What is scraped, by name.
    #[serde(deserialize_with = "profiles")]
    #[schemars(with = "BTreeMap<String, ProfileConfig>")]
    pub profiles: BTreeMap<String, ProfileConfig>,
    /// Targets that are always there.
    pub static_configs: Vec<StaticConfig>,
    /// What one answer may cost.
    pub limits: Limits,
    /// Targets that the receiver may have.
    pub targets_max: usize,
    /// Keys of Prometheus' scrape configs that mean nothing here yet.
    #[serde(
        rename = "oauth2",
        alias = "proxy_url",
        alias = "relabel_configs",
        alias = "file_sd_configs",
        alias = "http_sd_configs",
        alias = "dns_sd_configs",
        alias = "kubernetes_sd_configs",
        skip_serializing
    )]
    #[schemars(skip)]
    pub later: Later,
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
    #[serde(deserialize_with = "pipeline::quantity::some_duration::deserialize")]
    #[schemars(with = "Option<pipeline::quantity::DurationText>")]
    pub interval: Option<Duration>,
    /// Where the target serves it.
    pub path: Option<String>,
    /// Instead of the timeout of the receiver.
    #[serde(deserialize_with = "pipeline::quantity::some_duration::deserialize")]
    #[schemars(with = "Option<pipeline::quantity::DurationText>")]
    pub timeout: Option<Duration>,
    /// Instead of the scheme of the target.
    pub scheme: Option<Scheme>,
    /// Query parameters, besides those of the receiver.
    pub params: BTreeMap<String, Texts>,
    /// Instead of that of the receiver.
    pub tls_config: Option<TlsConfig>,
    /// Instead of the credentials of the receiver.
    pub basic_auth: Option<BasicAuth>,
    /// Instead of the credentials of the receiver.
    pub authorization: Option<Authorization>,
    /// Header fields, besides those of the receiver.
    pub http_headers: Headers,
    /// Instead of what the receiver says.
    pub follow_redirects: Option<bool>,
    /// Sample types that are kept; all where none is named.
    pub keep_sample_type: Vec<String>,
}

/// One text or several.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Texts(pub Vec<String>);

/// A key that is known and not supported yet, which is another mistake than an unknown one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Later;

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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
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
            params: BTreeMap::new(),
            tls_config: TlsConfig::default(),
            basic_auth: None,
            authorization: None,
            auth: None,
            http_headers: Headers::new(),
            follow_redirects: false,
            profiles: profiles.map(|name| (name.into(), ProfileConfig::default())).into(),
            static_configs: Vec::new(),
            limits: Limits::default(),
            targets_max: TARGETS_MAX_DEFAULT,
            later: Later,
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
        let auth = (self.basic_auth.as_ref(), self.authorization.as_ref());
        let wrong = check_http(Some(&self.tls_config), auth, &self.http_headers, &self.params);
        wrong.into_iter().for_each(|(path, message)| say(path, message));
        if self.auth.is_some() && (self.basic_auth.is_some() || self.authorization.is_some()) {
            let message = "is there beside `basic_auth` or `authorization`: keep one of them";
            say("auth".into(), message.into());
        }
        for (key, profile) in &self.profiles {
            if let Err((field, message)) = self.settings(key, profile) {
                say(format!("profiles.{key}{field}"), message);
            }
            let auth = (profile.basic_auth.as_ref(), profile.authorization.as_ref());
            let tls = profile.tls_config.as_ref();
            let wrong = check_http(tls, auth, &profile.http_headers, &profile.params);
            wrong.into_iter().for_each(|(at, what)| say(format!("profiles.{key}.{at}"), what));
        }
        let settings = self.all_settings();
        let mut seen = BTreeSet::new();
        for (i, group) in self.static_configs.iter().enumerate() {
            for (j, text) in group.targets.iter().enumerate() {
                let path = format!("static_configs[{i}].targets[{j}]");
                match address(text, self.scheme.as_str()) {
                    Err(message) => say(path, message),
                    Ok(address) if !seen.insert(address.clone()) => {
                        say(path, format!("`{address}` is listed twice"));
                    }
                    Ok(address) => {
                        path_twice(&address, &settings)
                            .into_iter()
                            .for_each(|m| say(path.clone(), m));
                    }
                }
            }
        }
        let targets = seen.len() + self.targets.len();
        if targets > self.targets_max {
            let message = format!("is {}, and there are {targets} targets", self.targets_max);
            problems.push(("targets_max".into(), message));
        }
        problems
    }

    /// The targets, as members of the group `job`; an address that `check` complains about is
    /// left out.
    pub fn scrape_targets(&self, job: &str) -> Vec<ScrapeTarget> {
        let settings = self.all_settings();
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

    /// What the entries of `profiles` mean that are right.
    fn all_settings(&self) -> Vec<ProfileSettings> {
        self.profiles.iter().filter_map(|(key, p)| self.settings(key, p).ok()).collect()
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
        let settings = ProfileSettings {
            name,
            path,
            params: self.params(profile),
            seconds,
            schedule,
            timeout,
            scheme: profile.scheme,
            http: Arc::new(self.http(profile)),
            keep_sample_types: profile.keep_sample_type.clone(),
        };
        if let Some(Err(message)) = seconds.map(kind::check_seconds) {
            return Err((".seconds", message));
        }
        match (seconds, schedule) {
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

    /// The parameters of the receiver and, in place of those of one name, of the profile.
    fn params(&self, profile: &ProfileConfig) -> Vec<(String, String)> {
        let mut params = self.params.clone();
        params.extend(profile.params.clone());
        let pairs = |(name, Texts(values)): (String, Texts)| {
            values.into_iter().map(move |value| (name.clone(), value))
        };
        params.into_iter().flat_map(pairs).collect()
    }

    fn http(&self, profile: &ProfileConfig) -> HttpSettings {
        let credentials = match (&profile.basic_auth, &profile.authorization) {
            (None, None) => match &self.auth {
                Some(auth) => Credentials::Extension(auth.clone()),
                None => credentials(&self.basic_auth, &self.authorization),
            },
            (basic, token) => credentials(basic, token),
        };
        let mut headers = self.http_headers.clone();
        headers.extend(profile.http_headers.clone());
        let pairs = headers.into_iter().flat_map(|(name, values)| {
            values.0.into_iter().map(move |value| (name.clone(), value))
        });
        HttpSettings {
            tls: profile.tls_config.as_ref().unwrap_or(&self.tls_config).clone(),
            credentials,
            headers: pairs.collect(),
            follow_redirects: profile.follow_redirects.unwrap_or(self.follow_redirects),
        }
    }

    /// The other name of a CPU profile, if the config has both. (`heap` and `allocs` may both be
    /// there, as users of Go expect two; they become one.)
    fn twin(&self, kind: &kind::Kind) -> Option<&'static str> {
        let both = ["cpu", "profile"].iter().all(|key| self.profiles.contains_key(*key));
        (both && kind.key == "profile").then_some("cpu")
    }
}

fn credentials(basic: &Option<BasicAuth>, token: &Option<Authorization>) -> Credentials {
    match (basic, token) {
        (Some(basic), _) => Credentials::Basic(basic.clone()),
        (_, Some(token)) => Credentials::Token(token.clone()),
        (None, None) => Credentials::None,
    }
}

/// What is wrong with the keys of HTTP, at the receiver or at a profile.
fn check_http(
    tls: Option<&TlsConfig>,
    (basic, token): (Option<&BasicAuth>, Option<&Authorization>),
    headers: &Headers,
    params: &BTreeMap<String, Texts>,
) -> Vec<Problem> {
    let mut problems: Vec<Problem> = Vec::new();
    let wrong = [
        tls.and_then(TlsConfig::check),
        basic.and_then(BasicAuth::check),
        token.and_then(Authorization::check),
    ];
    problems.extend(wrong.into_iter().flatten().map(|(path, what)| (path.into(), what)));
    if basic.is_some() && token.is_some() {
        let message = "is there beside `basic_auth`: keep one of them";
        problems.push(("authorization".into(), message.into()));
    }
    if let Some((name, message)) = check_headers(headers) {
        problems.push((format!("http_headers.{name}"), message));
    }
    if params.contains_key("seconds") {
        let message = "is what a profile's own `seconds` is for";
        problems.push(("params.seconds".into(), message.into()));
    }
    problems
}

/// Targets of a receiver, where nothing is set.
const TARGETS_MAX_DEFAULT: usize = 10_000;

/// The shortest interval and timeout.
const MIN: Duration = Duration::from_secs(1);

impl<'de> Deserialize<'de> for Later {
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Err(D::Error::custom("is not supported yet"))
    }
}

impl<'de> Deserialize<'de> for Texts {
    fn deserialize<D: Deserializer<'de>>(de: D) -> Result<Self, D::Error> {
        de.deserialize_any(TextsVisitor)
    }
}

struct TextsVisitor;

impl<'de> Visitor<'de> for TextsVisitor {
    type Value = Texts;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text or a list of texts")
    }

    fn visit_str<E>(self, text: &str) -> Result<Texts, E> {
        Ok(Texts(vec![text.into()]))
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Texts, E> {
        self.visit_str(&value.to_string())
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Texts, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Texts, A::Error> {
        let mut texts = Vec::new();
        while let Some(text) = items.next_element()? {
            texts.push(text);
        }
        Ok(Texts(texts))
    }
}

/// A map in which `heap:` alone means `heap: {}`.
fn profiles<'de, D: Deserializer<'de>>(de: D) -> Result<BTreeMap<String, ProfileConfig>, D::Error> {
    let map = BTreeMap::<String, Option<ProfileConfig>>::deserialize(de)?;
    Ok(map.into_iter().map(|(key, profile)| (key, profile.unwrap_or_default())).collect())
}

#[cfg(test)]
#[path = "config_tests.rs"]
mod tests;
