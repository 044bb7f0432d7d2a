//! `monitors` and `self_telemetry`, as rancher-profiling's collector documents them: the types
//! stand right under a monitor or below `sampling`. They end as targets of the receiver `pprof`.

use std::{
    collections::BTreeMap,
    fmt,
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use pipeline::target::Target;
use receiver::pprof::{KINDS, ProfileSettings, ScrapeTarget, address, path_twice};
use schemars::JsonSchema;
use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, Visitor, value::MapAccessDeserializer},
};

use crate::heap_profile;

use super::{
    node::{Node, Path},
    problem::{Problem, suggestion},
};

/// One entry of `monitors`.
#[derive(Debug, Default, JsonSchema)]
pub(crate) struct Monitor {
    /// Its name, and that of its service unless a label has another. Must be set.
    name: Option<String>,
    /// Address of the process: `http://host:port`, maybe with the start of a path. Must be set.
    endpoint: Option<String>,
    /// Resource attributes; `service.name` or `__k8s_name` is the service, `__k8s_namespace` the
    /// namespace.
    labels: BTreeMap<String, String>,
    /// A type right under the monitor: `allocs`, `block`, `cpu`, `goroutine`, `heap`, `mutex`,
    /// `profile`, `threadcreate`, or any other name with a `path`.
    #[schemars(rename = "TYPE", with = "Sampling")]
    direct: BTreeMap<String, Sampling>,
    /// The same types below `sampling`.
    sampling: BTreeMap<String, Sampling>,
}

/// How one type is sampled.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct Sampling {
    /// Length of a CPU window, one after the other; for all else the time between two snapshots.
    seconds: Option<u32>,
    /// Where the process serves a type that is not known.
    path: Option<String>,
}

/// profpipe's own CPU profile.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SelfTelemetry {
    /// Port on loopback where `/debug/pprof/{profile,heap}` are served and scraped; the heap on
    /// Linux only. Must be set.
    pub pprof_port: u16,
    /// Length of a window in seconds.
    #[serde(default = "SelfTelemetry::interval_default")]
    pub interval_seconds: u32,
}

/// The keys of a monitor, for messages.
const FIELDS: &[&str] = &[
    "name",
    "endpoint",
    "labels",
    "sampling",
    "allocs",
    "block",
    "cpu",
    "goroutine",
    "heap",
    "mutex",
    "profile",
    "threadcreate",
];

/// Go's execution trace: no profile, so it is not scraped. The documented collector takes the key
/// and does nothing, too.
const TRACE: &str = "trace";

/// The targets of all monitors. What is wrong goes to `problems`, what is odd to `warnings`.
pub(crate) fn targets(
    monitors: &[Monitor],
    root: &Node,
    problems: &mut Vec<Problem>,
    warnings: &mut Vec<Problem>,
) -> Vec<ScrapeTarget> {
    let mut targets: Vec<ScrapeTarget> = Vec::new();
    let present = present(root);
    for (index, monitor) in present.zip(monitors) {
        let path = Path::of(&["monitors"]).index(index);
        let found = problems.len();
        let target = monitor.target(&path, root, problems, warnings);
        if problems.len() > found {
            continue;
        }
        let same = |other: &&ScrapeTarget| other.target.address == target.target.address;
        for other in targets.iter().filter(same) {
            let (name, other_name) = (&target.target.job, &other.target.job);
            if name == other_name {
                let message = format!("monitor `{name}` is there twice with one endpoint");
                problems.push(root.problem(path.key("name"), message));
            } else if cpu(&target) && cpu(other) {
                let message = format!(
                    "`{other_name}` takes CPU profiles there too, but a Go process gives one at a \
                     time"
                );
                warnings.push(root.problem(path.key("endpoint"), message));
            }
        }
        targets.push(target);
    }
    targets
}

/// Indices of the monitors that could be read: of the others nothing is left.
fn present(root: &Node) -> impl Iterator<Item = usize> {
    use super::node::Value;
    let nodes = match root.entry("monitors").map(|entry| &entry.node.value) {
        Some(Value::Seq(nodes)) => nodes.as_slice(),
        _ => &[],
    };
    let kept = nodes.iter().enumerate().filter(|(_, n)| !matches!(n.value, Value::Reported));
    kept.map(|(index, _)| index).collect::<Vec<_>>().into_iter()
}

fn cpu(target: &ScrapeTarget) -> bool {
    target.profiles.iter().any(|profile| profile.name == "cpu")
}

impl Monitor {
    fn target(
        &self,
        path: &Path,
        root: &Node,
        problems: &mut Vec<Problem>,
        warnings: &mut Vec<Problem>,
    ) -> ScrapeTarget {
        let name = self.required("name", &self.name, path, root, problems);
        let endpoint = self.required("endpoint", &self.endpoint, path, root, problems);
        let address = match address(endpoint, "http") {
            Ok(address) => address,
            Err(message) => {
                if !endpoint.is_empty() {
                    problems.push(root.problem(path.key("endpoint"), message));
                }
                String::new()
            }
        };
        let direct = self.direct.iter().map(|(key, sampling)| (path.key(key), key, sampling));
        let below = path.key("sampling");
        let below = self.sampling.iter().map(|(key, sampling)| (below.key(key), key, sampling));
        let mut profiles = Vec::new();
        for (path, key, sampling) in direct.chain(below) {
            if key == TRACE {
                let message = "execution traces are not profiles and are not scraped";
                warnings.push(root.problem(path, message));
                continue;
            }
            if sampling.path.is_none() && !known(key) {
                let message = format!("unknown profile type{}", suggestion(key, &types()));
                problems.push(root.problem(path, message));
                continue;
            }
            match ProfileSettings::monitor(key, sampling.seconds, sampling.path.as_deref()) {
                Ok(settings) => profiles.push(settings),
                Err((field, message)) => problems.push(root.problem(path.key(field), message)),
            }
        }
        if profiles.is_empty() {
            let message = "names no profile type such as `profile: {seconds: 10}`, so nothing is \
                           scraped";
            warnings.push(root.problem(path.clone(), message));
        }
        if let Some(message) = path_twice(&address, &profiles) {
            problems.push(root.problem(path.key("endpoint"), message));
        }
        let job = name.to_owned();
        ScrapeTarget::new(Target { job, address, attributes: self.attributes(name) }, profiles)
    }

    fn required<'a>(
        &self,
        field: &'static str,
        value: &'a Option<String>,
        path: &Path,
        root: &Node,
        problems: &mut Vec<Problem>,
    ) -> &'a str {
        match value.as_deref() {
            Some(value) if !value.is_empty() => value,
            _ if root.is_struck(&path.key(field)) => "",
            Some(_) => {
                problems.push(root.problem(path.key(field), "must not be empty"));
                ""
            }
            None => {
                problems.push(root.problem(path.clone(), format!("`{field}` is missing")));
                ""
            }
        }
    }

    /// Resource attributes: labels of the documented collector get their OpenTelemetry names.
    fn attributes(&self, name: &str) -> pipeline::profile::Attributes {
        let mut attributes = self.labels.clone();
        let namespace = attributes.remove("__k8s_namespace");
        let service = attributes.remove("__k8s_name").unwrap_or_else(|| name.to_owned());
        attributes.entry("service.name".into()).or_insert(service);
        if let Some(namespace) = namespace {
            attributes.entry("k8s.namespace.name".into()).or_insert(namespace.clone());
            attributes.entry("service.namespace".into()).or_insert(namespace);
        }
        attributes.into_iter().collect()
    }
}

impl SelfTelemetry {
    fn interval_default() -> u32 {
        5
    }

    /// Where profpipe serves its own profiles.
    pub fn listen(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.pprof_port).into()
    }

    /// Length of a window.
    pub fn window(&self) -> Duration {
        Duration::from_secs(self.interval_seconds.into())
    }

    /// What is wrong with it.
    pub fn check(&self, root: &Node, problems: &mut Vec<Problem>) {
        let path = Path::of(&["self_telemetry"]);
        for (field, value) in
            [("pprof_port", self.pprof_port.into()), ("interval_seconds", self.interval_seconds)]
        {
            if value == 0 {
                problems.push(root.problem(path.key(field), "must be above 0"));
            }
        }
    }

    /// profpipe as a target of itself; nothing if `check` complains.
    pub fn target(&self) -> Option<ScrapeTarget> {
        let settings = ProfileSettings::monitor("cpu", Some(self.interval_seconds), None).ok()?;
        let target = Target {
            job: "profpipe".into(),
            address: format!("http://{}", self.listen()),
            attributes: [("service.name", "profpipe")].into_iter().collect(),
        };
        let heap = ProfileSettings::monitor("heap", None, None).ok();
        let heap = heap.filter(|_| heap_profile::AVAILABLE);
        Some(ScrapeTarget::new(target, [Some(settings), heap].into_iter().flatten()))
    }
}

fn known(key: &str) -> bool {
    key == TRACE || KINDS.iter().any(|kind| kind.key == key)
}

fn types() -> Vec<&'static str> {
    KINDS.iter().map(|kind| kind.key).collect()
}

impl<'de> Deserialize<'de> for Monitor {
    fn deserialize<D: Deserializer<'de>>(de: D) -> Result<Self, D::Error> {
        de.deserialize_map(MonitorVisitor)
    }
}

struct MonitorVisitor;

impl<'de> Visitor<'de> for MonitorVisitor {
    type Value = Monitor;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map with name and endpoint")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Monitor, A::Error> {
        let mut monitor = Monitor::default();
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "name" => monitor.name = map.next_value()?,
                "endpoint" => monitor.endpoint = map.next_value()?,
                "labels" => monitor.labels = map.next_value()?,
                "sampling" => monitor.sampling = map.next_value()?,
                known_key if known(known_key) => {
                    monitor.direct.insert(key, map.next_value()?);
                }
                _ => match map.next_value()? {
                    Custom(Some(sampling)) if sampling.path.is_some() => {
                        monitor.direct.insert(key, sampling);
                    }
                    _ => return Err(A::Error::unknown_field(&key, FIELDS)),
                },
            }
        }
        Ok(monitor)
    }
}

/// The value of a key that may be a custom type or a mistake: nothing unless it is a map.
struct Custom(Option<Sampling>);

impl<'de> Deserialize<'de> for Custom {
    fn deserialize<D: Deserializer<'de>>(de: D) -> Result<Self, D::Error> {
        de.deserialize_any(CustomVisitor)
    }
}

struct CustomVisitor;

impl<'de> Visitor<'de> for CustomVisitor {
    type Value = Custom;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map with path and seconds")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Custom, A::Error> {
        Sampling::deserialize(MapAccessDeserializer::new(map))
            .map(|sampling| Custom(Some(sampling)))
    }

    fn visit_unit<E>(self) -> Result<Custom, E> {
        Ok(Custom(None))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Custom, E> {
        Ok(Custom(None))
    }

    fn visit_u64<E>(self, _: u64) -> Result<Custom, E> {
        Ok(Custom(None))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Custom, E> {
        Ok(Custom(None))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Custom, E> {
        Ok(Custom(None))
    }

    fn visit_str<E>(self, _: &str) -> Result<Custom, E> {
        Ok(Custom(None))
    }
}
