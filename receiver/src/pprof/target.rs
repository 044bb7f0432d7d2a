//! What to ask of one process, and when: the typed form that every way to name targets ends in
//! (static lists, monitors, discovery).

use std::{sync::Arc, time::Duration};

use pipeline::{nearest::nearest, target::Target};
use reqwest::Url;

use super::{
    config::Scheme,
    http::HttpSettings,
    kind::{self, Kind},
};

/// Time beyond the window that an answer may take, where none is set.
pub const TIMEOUT_DEFAULT: Duration = Duration::from_secs(10);

/// One process and all that is asked of it. Two equal values share one scrape loop, so a reload
/// that changes nothing here keeps the window in flight.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ScrapeTarget {
    /// The process.
    pub target: Target,
    /// Its profiles, each name once.
    pub profiles: Vec<ProfileSettings>,
}

/// How one profile of a target is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ProfileSettings {
    /// The name that it is stored under.
    pub name: String,
    /// Path and maybe query, from the `/` behind the target's address on.
    pub path: String,
    /// Query parameters behind those of the path.
    pub params: Vec<(String, String)>,
    /// Length of the window, sent as `?seconds=`; `None` asks for a snapshot.
    pub seconds: Option<u32>,
    /// When it is asked for.
    pub schedule: Schedule,
    /// Time beyond the window that the whole answer may take.
    pub timeout: Duration,
    /// In place of the scheme of the target's address.
    pub scheme: Option<Scheme>,
    /// How the target is spoken to.
    pub http: Arc<HttpSettings>,
    /// Names of the sample types that are kept; none names all.
    pub keep_sample_types: Vec<String>,
}

/// When a profile is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Schedule {
    /// A window starts where the one before it ended; a snapshot, a default interval later.
    BackToBack,
    /// Start to start, pinned to wall time and spread over targets by hash.
    Every(Duration),
}

impl ScrapeTarget {
    /// A target with its profiles. Of two settings for one name (`heap` and `allocs` are one
    /// profile) the more frequent one stays.
    pub fn new(target: Target, profiles: impl IntoIterator<Item = ProfileSettings>) -> Self {
        let mut kept: Vec<ProfileSettings> = Vec::new();
        for settings in profiles {
            match kept.iter_mut().find(|other| other.name == settings.name) {
                Some(other) if other.period() <= settings.period() => {}
                Some(other) => *other = settings,
                None => kept.push(settings),
            }
        }
        Self { target, profiles: kept }
    }
}

impl Default for ProfileSettings {
    /// Settings without a name, to be filled in.
    fn default() -> Self {
        Self {
            name: String::new(),
            path: "/".into(),
            params: Vec::new(),
            seconds: None,
            schedule: Schedule::BackToBack,
            timeout: TIMEOUT_DEFAULT,
            scheme: None,
            http: Arc::default(),
            keep_sample_types: Vec::new(),
        }
    }
}

impl ProfileSettings {
    /// What `<key>: {seconds: N, path: P}` of a monitor means: CPU windows of N seconds back to
    /// back, and for all else a snapshot each N seconds. Fails with a message for a name that is
    /// neither known nor has a path.
    pub fn monitor(
        key: &str,
        seconds: Option<u32>,
        path: Option<&str>,
    ) -> Result<Self, (&'static str, String)> {
        let kind = kind::find(key);
        let (name, path) = name_and_path(kind, key, path).map_err(|message| ("path", message))?;
        if seconds == Some(0) {
            return Err(("seconds", "must be above 0".into()));
        }
        let windowed = kind.is_some_and(|kind| kind.windowed);
        let schedule = match seconds {
            Some(seconds) if !windowed => Schedule::Every(Duration::from_secs(seconds.into())),
            _ => Schedule::BackToBack,
        };
        let seconds = windowed.then(|| seconds.unwrap_or(kind::SECONDS_DEFAULT));
        let checked = seconds.map_or(Ok(()), kind::check_seconds);
        checked.map_err(|message| ("seconds", message))?;
        Ok(Self { name, path, seconds, schedule, ..Self::default() })
    }

    /// The window; zero for a snapshot.
    pub fn window(&self) -> Duration {
        Duration::from_secs(self.seconds.unwrap_or(0).into())
    }

    /// Time from start to start while all goes well.
    pub fn period(&self) -> Duration {
        match (self.schedule, self.seconds) {
            (Schedule::Every(interval), _) => interval,
            (Schedule::BackToBack, Some(_)) => self.window(),
            (Schedule::BackToBack, None) => Duration::from_secs(kind::SNAPSHOT_INTERVAL_DEFAULT_S),
        }
    }

    /// What is asked of the target at `address`.
    pub fn url(&self, address: &str) -> Result<Url, String> {
        let text = format!("{address}{}", self.path);
        let mut url = Url::parse(&text).map_err(|error| format!("`{text}`: {error}"))?;
        if let Some(scheme) = self.scheme {
            let changed = url.set_scheme(scheme.as_str());
            changed.map_err(|()| format!("`{text}` cannot be had by {}", scheme.as_str()))?;
        }
        if !self.params.is_empty() {
            url.query_pairs_mut().extend_pairs(&self.params);
        }
        if let Some(seconds) = self.seconds {
            url.query_pairs_mut().append_pair("seconds", &seconds.to_string());
        }
        Ok(url)
    }
}

/// The stored name and the path of a key; a message where there is no path.
pub(super) fn name_and_path(
    kind: Option<&Kind>,
    key: &str,
    path: Option<&str>,
) -> Result<(String, String), String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    if key.is_empty() || key.len() > 64 || !key.chars().all(fits) {
        return Err("a profile is named by at most 64 letters, digits, `_`, `-` and `.`".into());
    }
    let name = kind.map_or(key, |kind| kind.name);
    let Some(path) = path.or(kind.map(|kind| kind.path)) else {
        let known: Vec<_> = kind::KINDS.iter().map(|kind| kind.key).collect();
        return Err(match nearest(key, known.iter().copied()) {
            Some(near) => format!("did you mean `{near}`? another profile needs a path"),
            None => format!("not one of {}, so it needs a path", known.join(", ")),
        });
    };
    if !path.starts_with('/') || path.contains(['#', '\\']) || path.contains(char::is_whitespace) {
        return Err(format!("`{path}` is not a path such as /debug/pprof/heap"));
    }
    Ok((name.into(), path.into()))
}

/// Brings an address to the form of [`Target::address`]: scheme, host, port if one is given, and
/// maybe the start of a path, without a slash at the end. `scheme` is put before an address that
/// has none. Fails with a message for what cannot be scraped or would carry a secret.
pub fn address(text: &str, scheme: &str) -> Result<String, String> {
    let wrong =
        |what: &str| Err(format!("`{text}` is not an address such as 10.0.0.1:6060: {what}"));
    let full = if text.contains("://") { text.into() } else { format!("{scheme}://{text}") };
    if full.contains(char::is_whitespace) || full.contains(char::is_control) {
        return wrong("it has a blank in it");
    }
    let url = match Url::parse(&full) {
        Ok(url) => url,
        Err(error) => return wrong(&error.to_string()),
    };
    if !matches!(url.scheme(), "http" | "https") {
        return wrong("only http and https can be scraped");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("credentials do not belong into an address".into());
    }
    if url.query().is_some() || url.fragment().is_some() {
        return wrong("it has a query or a fragment");
    }
    if url.port() == Some(0) {
        return wrong("port 0 cannot be reached");
    }
    Ok(url.as_str().trim_end_matches('/').into())
}

/// What is wrong with an address that has the path of the profiles in it: each is asked for with
/// its whole path behind the address, so there would be nothing.
pub fn path_twice<'a>(
    address: &str,
    profiles: impl IntoIterator<Item = &'a ProfileSettings>,
) -> Option<String> {
    const PATH: &str = "/debug/pprof";
    let (before, rest) = address.split_once(PATH)?;
    let whole = rest.is_empty() || rest.starts_with('/');
    let twice = whole && profiles.into_iter().any(|profile| profile.path.starts_with(PATH));
    twice.then(|| format!("`{address}` has {PATH} in it, which is added to it: write `{before}`"))
}

/// Host and port of an address, the port of the scheme where none is given.
pub(super) fn host_port(address: &str) -> String {
    let Ok(url) = Url::parse(address) else { return address.into() };
    match (url.host_str(), url.port_or_known_default()) {
        (Some(host), Some(port)) => format!("{host}:{port}"),
        _ => address.into(),
    }
}
