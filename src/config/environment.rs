//! `OTEL_*` variables, with the meaning that they have elsewhere in OpenTelemetry. They are laid
//! into the tree of the config as if they stood in a file of their name, so that errors name them
//! and `print-config` shows what they do. And the config that flags alone make.
//! <https://opentelemetry.io/docs/specs/otel/protocol/exporter/>

use serde_json::json;

use super::{
    Options,
    node::{Entry, Node, Path, Place, Value},
    problem::Problem,
    yaml,
};

/// Where the config of flags stands.
const FLAGS: &str = "command line";
/// Bytes of a variable.
const VARIABLE_BYTES_MAX: usize = 64 << 10;

/// How variables are looked up.
pub(crate) type Variables<'a> = &'a dyn Fn(&str) -> Option<String>;

/// The config that `--scrape` and `--otlp-endpoint` stand for. Where nothing says where to send, it
/// is this host, as for all of OpenTelemetry.
pub(crate) fn of_flags(options: &Options, variables: Variables) -> Result<Node, Vec<Problem>> {
    let (kind, wrong) = exporter_kind(options, variables);
    let is_said = Environment { variables, problems: &mut Vec::new() }.otlp("ENDPOINT").is_some();
    // In a scalar of a config a dollar sign starts a variable.
    let text = |text: &str| json!(text.replace('$', "$$")).to_string();
    let bare = |url: &String| {
        let url = url.trim_end_matches('/');
        text(url.strip_suffix("/debug/pprof").unwrap_or(url))
    };
    let targets: Vec<_> = options.scrape.iter().map(bare).collect();
    let endpoint = match &options.otlp_endpoint {
        Some(url) => format!("endpoint: {}", text(url)),
        None if is_said => String::new(),
        None if kind == "otlp_grpc" => "endpoint: http://localhost:4317".to_owned(),
        None => "endpoint: http://localhost:4318".to_owned(),
    };
    let config = format!(
        "receivers: {{pprof: {{static_configs: [{{targets: [{}], labels: {{}}}}]}}}}\n\
         exporters: {{{kind}: {{{endpoint}}}}}\n\
         service: {{pipelines: {{profiles: {{receivers: [pprof], exporters: [{kind}]}}}}}}\n",
        targets.join(", "),
    );
    match wrong {
        Some(problem) => Err(vec![problem]),
        None => yaml::parse(&config, FLAGS),
    }
}

/// The exporter of flags: by the protocol of the environment, else gRPC on its port and HTTP on
/// any other.
pub(crate) fn exporter_kind(
    options: &Options,
    variables: Variables,
) -> (&'static str, Option<Problem>) {
    let mut problems = Vec::new();
    let mut environment = Environment { variables, problems: &mut problems };
    let endpoint = options.otlp_endpoint.clone();
    let endpoint = endpoint.or_else(|| environment.otlp("ENDPOINT").map(|found| found.text));
    let is_port = endpoint.is_some_and(|at| at.trim_end_matches('/').ends_with(":4317"));
    let kind = match environment.protocol().as_deref() {
        Some("grpc") => "otlp_grpc",
        None if is_port => "otlp_grpc",
        _ => "otlp_http",
    };
    (kind, problems.pop())
}

/// Lays variables into a config: what exporters without an `endpoint` leave open, the resource of
/// own telemetry, and attributes of what `--scrape` names. An exporter whose endpoint a file names
/// takes nothing, so that a header that is meant for one backend never goes to another.
pub(crate) fn apply(root: &mut Node, variables: Variables, problems: &mut Vec<Problem>) {
    let mut environment = Environment { variables, problems };
    let exporters = root.entries_mut().iter_mut().find(|entry| entry.key == "exporters");
    for entry in exporters.into_iter().flat_map(|entry| entry.node.entries_mut()) {
        let is_grpc = match entry.key.split('/').next() {
            Some("otlp" | "otlp_grpc") => true,
            Some("otlphttp" | "otlp_http") => false,
            _ => continue,
        };
        let of_file = |key| entry.node.entry(key).is_some_and(|at| &*at.place.file != FLAGS);
        let is_map = matches!(entry.node.value, Value::Map(_) | Value::Null);
        if is_map && !of_file("endpoint") && !of_file("profiles_endpoint") {
            environment.exporter(&mut entry.node, is_grpc);
        }
    }
    let attributes = environment.resource();
    for (key, found) in &attributes {
        root.set(&["service", "telemetry", "resource", key], found.node());
    }
    let path = Path::of(&["receivers", "pprof", "static_configs"]).index(0).key("labels");
    if let Some(labels) = root.at_mut(&path).filter(|labels| &*labels.place.file == FLAGS) {
        attributes.iter().for_each(|(key, found)| labels.set(&[key], found.node()));
    }
}

/// What reads variables.
struct Environment<'a> {
    variables: Variables<'a>,
    problems: &'a mut Vec<Problem>,
}

/// A variable that is set.
struct Found {
    name: String,
    text: String,
}

impl Found {
    fn place(&self) -> Place {
        Place { file: self.name.as_str().into(), line: 1, column: 1 }
    }

    fn node(&self) -> Node {
        self.node_of(self.text.clone())
    }

    /// Another text from the same variable.
    fn node_of(&self, text: String) -> Node {
        Node::new(self.place(), Value::Scalar { text, quoted: true })
    }

    fn problem(&self, message: &str) -> Problem {
        Problem { place: self.place(), path: Path::default(), message: message.into() }
    }
}

impl Environment<'_> {
    /// A variable; an empty one is as good as none.
    fn get(&mut self, name: String) -> Option<Found> {
        let text = (self.variables)(&name)?.trim().to_owned();
        let found = Found { name, text };
        if found.text.len() > VARIABLE_BYTES_MAX {
            self.problems.push(found.problem("is longer than 64 KiB"));
            return None;
        }
        (!found.text.is_empty()).then_some(found)
    }

    /// A variable of exporters: that of profiles stands before that of all signals.
    fn otlp(&mut self, end: &str) -> Option<Found> {
        self.get(format!("OTEL_EXPORTER_OTLP_PROFILES_{end}"))
            .or_else(|| self.get(format!("OTEL_EXPORTER_OTLP_{end}")))
    }

    fn protocol(&mut self) -> Option<String> {
        let found = self.otlp("PROTOCOL")?;
        if !matches!(&*found.text, "grpc" | "http/protobuf" | "http/json") {
            self.problems.push(found.problem("must be grpc, http/protobuf or http/json"));
        }
        Some(found.text)
    }

    fn exporter(&mut self, node: &mut Node, is_grpc: bool) {
        if node.entry("endpoint").is_none() {
            let own = self.get("OTEL_EXPORTER_OTLP_PROFILES_ENDPOINT".into());
            let all = self.get("OTEL_EXPORTER_OTLP_ENDPOINT".into());
            match (own, all) {
                // The one of a signal is taken as it is; below the other one the path is added.
                (Some(own), _) if !is_grpc => node.set(&["profiles_endpoint"], own.node()),
                (Some(found), _) | (None, Some(found)) => node.set(&["endpoint"], found.node()),
                (None, None) => {}
            }
        }
        if is_grpc && let Some(found) = self.otlp("INSECURE") {
            match found.text.to_ascii_lowercase().as_str() {
                word @ ("true" | "false") => {
                    let value = Value::Scalar { text: word.into(), quoted: false };
                    node.set(&["tls", "insecure"], Node::new(found.place(), value));
                }
                _ => self.problems.push(found.problem("must be true or false")),
            }
        }
        for (end, key) in
            [("CERTIFICATE", "ca"), ("CLIENT_KEY", "key"), ("CLIENT_CERTIFICATE", "cert")]
        {
            let Some(found) = self.otlp(end) else { continue };
            let tls = node.entry("tls").map(|tls| &tls.node);
            let given = tls.is_some_and(|tls| tls.entry(&format!("{key}_pem")).is_some());
            if !given {
                node.set(&["tls", &format!("{key}_file")], found.node());
            }
        }
        if let Some(found) = self.otlp("COMPRESSION") {
            node.set(&["compression"], found.node());
        }
        if let Some(found) = self.otlp("TIMEOUT") {
            match found.text.parse::<u32>() {
                Ok(0) | Err(_) => {
                    self.problems.push(found.problem("must be a number of milliseconds above 0"));
                }
                Ok(millis) => node.set(&["timeout"], found.node_of(format!("{millis}ms"))),
            }
        }
        if !is_grpc && self.protocol().as_deref() == Some("http/json") {
            let found = self.otlp("PROTOCOL");
            found.into_iter().for_each(|f| node.set(&["encoding"], f.node_of("json".into())));
        }
        if node.entry("headers").is_none()
            && let Some(found) = self.otlp("HEADERS")
        {
            for (key, value) in self.pairs(&found) {
                node.set(&["headers", &key], found.node_of(value));
            }
        }
    }

    /// The attributes of this process; the variable of the name stands before that of all.
    fn resource(&mut self) -> Vec<(String, Found)> {
        let mut attributes = Vec::new();
        if let Some(found) = self.get("OTEL_RESOURCE_ATTRIBUTES".into()) {
            for (key, text) in self.pairs(&found) {
                attributes.push((key, Found { name: found.name.clone(), text }));
            }
        }
        if let Some(found) = self.get("OTEL_SERVICE_NAME".into()) {
            attributes.retain(|(key, _)| key != "service.name");
            attributes.push(("service.name".into(), found));
        }
        attributes
    }

    /// `key=value,key=value`, with percent signs as in W3C Baggage. Values are not quoted in an
    /// error, as they may be secrets.
    fn pairs(&mut self, found: &Found) -> Vec<(String, String)> {
        let mut pairs = Vec::new();
        for (index, part) in found.text.split(',').enumerate() {
            if part.trim().is_empty() {
                continue;
            }
            let pair = part.split_once('=').and_then(|(key, value)| {
                Some((plain(key.trim())?, plain(value.trim())?)).filter(|(key, _)| !key.is_empty())
            });
            match pair {
                Some(pair) => pairs.push(pair),
                None => {
                    let message = format!("entry {} is not of the form key=value", index + 1);
                    self.problems.push(found.problem(&message));
                }
            }
        }
        pairs
    }
}

/// Text without its percent signs; `None` where they are wrong.
fn plain(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        if *first == b'%' {
            let hex = std::str::from_utf8(tail.first_chunk::<2>()?).ok()?;
            bytes.push(u8::from_str_radix(hex, 16).ok()?);
            rest = &tail[2..];
        } else {
            bytes.push(*first);
            rest = tail;
        }
    }
    String::from_utf8(bytes).ok()
}

impl Node {
    /// Sets a value below this map unless it is there, and makes the maps on the way to it. Where
    /// something else is in the way nothing is set: that is an error which reading finds.
    fn set(&mut self, keys: &[&str], value: Node) {
        let Some((key, rest)) = keys.split_first() else { return };
        if let Value::Null = self.value {
            self.value = Value::Map(Vec::new());
        }
        let Value::Map(entries) = &mut self.value else { return };
        let index = entries.iter().position(|entry| entry.key == *key);
        if rest.is_empty() {
            if index.is_none() {
                let place = value.place.clone();
                entries.push(Entry { key: (*key).to_owned(), place, node: value });
            }
            return;
        }
        let index = index.unwrap_or_else(|| {
            let place = value.place.clone();
            let node = Node::new(place.clone(), Value::Map(Vec::new()));
            entries.push(Entry { key: (*key).to_owned(), place, node });
            entries.len() - 1
        });
        entries[index].node.set(rest, value);
    }
}

#[cfg(test)]
mod tests {
    use super::{super::load_with, *};

    fn printed(options: &Options, variables: &[(&str, &str)]) -> Result<String, String> {
        let variables = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        let read = super::super::read(options, &variables);
        let (root, _) = read.map_err(|problems| problems.to_string())?;
        Ok(super::super::print::yaml(&root, false).expect("is printed"))
    }

    fn sidecar(endpoint: Option<&str>) -> Options {
        let scrape = vec!["http://localhost:6060/debug/pprof/".into(), "127.0.0.1:6061".into()];
        Options { otlp_endpoint: endpoint.map(str::to_owned), scrape, ..Options::default() }
    }

    #[test]
    fn flags_make_a_config() {
        for (endpoint, protocol, kind) in [
            ("http://localhost:4318", "", "otlp_http"),
            ("http://localhost:4317", "", "otlp_grpc"),
            ("http://localhost:4317", "http/protobuf", "otlp_http"),
            ("localhost:9000", "grpc", "otlp_grpc"),
        ] {
            let options = sidecar(Some(endpoint));
            let variables =
                |name: &str| (name == "OTEL_EXPORTER_OTLP_PROTOCOL").then(|| protocol.to_owned());
            let resolved = load_with(&options, &variables).unwrap_or_else(|all| panic!("{all}"));
            let [pipeline] = &resolved.pipelines[..] else { panic!("one pipeline") };
            assert_eq!(pipeline.exporters[0].0.to_string(), kind, "{endpoint} {protocol}");
            let receiver::Config::Pprof(pprof) = &pipeline.receivers[0].1 else { panic!() };
            let targets = &pprof.static_configs[0].targets;
            assert_eq!(targets[..], ["http://localhost:6060", "127.0.0.1:6061"]);
        }
        for (variables, endpoint) in [
            (&[][..], "http://localhost:4318"),
            (&[("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")], "http://localhost:4317"),
            (&[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://h:1")], "http://h:1"),
        ] {
            let text = printed(&sidecar(None), variables).unwrap();
            assert!(text.contains(&format!("endpoint: {endpoint}\n")), "{text}");
        }
    }

    #[test]
    fn variables_fill_what_is_open() {
        let variables = [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://all:4318"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "x-a=1%202, x-b = $c"),
            ("OTEL_EXPORTER_OTLP_PROFILES_TIMEOUT", "2500"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "7"),
            ("OTEL_EXPORTER_OTLP_COMPRESSION", "none"),
            ("OTEL_EXPORTER_OTLP_CERTIFICATE", "/ca.pem"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json"),
            ("OTEL_SERVICE_NAME", "shop"),
            ("OTEL_RESOURCE_ATTRIBUTES", "service.name=other,team=red%2Cblue"),
        ];
        let text = printed(&sidecar(None), &variables).unwrap();
        for part in [
            "endpoint: https://all:4318",
            "x-a: 1 2",
            "x-b: $$c",
            "timeout: 2500ms",
            "compression: none",
            "ca_file: /ca.pem",
            "encoding: json",
            "labels:\n            team: red,blue\n            service.name: shop",
        ] {
            let part = part.split_whitespace().collect::<Vec<_>>().join(" ");
            let text = text.split_whitespace().collect::<Vec<_>>().join(" ").replace('"', "");
            assert!(text.contains(&part), "{part}: {text}");
        }
        let own = [variables[0], ("OTEL_EXPORTER_OTLP_PROFILES_ENDPOINT", "https://own/p")];
        let text = printed(&sidecar(None), &own).unwrap();
        assert!(text.contains("profiles_endpoint: https://own/p"), "{text}");
        // What a file says, or a flag, stands before all of them.
        let text = printed(&sidecar(Some("http://flag:4318")), &variables).unwrap();
        assert!(text.contains("endpoint: http://flag:4318") && text.contains("x-a"), "{text}");
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("c.yaml");
        let config = |exporters: &str| {
            let lists = "{receivers: [otlp], exporters: [otlp_http, otlp]}";
            let text = format!(
                "receivers: {{otlp: }}\nexporters: {{{exporters}}}\n\
                 service: {{pipelines: {{profiles: {lists}}}}}"
            );
            std::fs::write(&file, text).expect("is writable");
            Options { files: vec![file.clone()], ..Options::default() }
        };
        let options = config("otlp_http: , otlp: {endpoint: 'elsewhere:4317'}");
        let text = printed(&options, &variables).unwrap();
        assert_eq!(text.matches("x-a").count(), 1, "no header goes elsewhere: {text}");
        let options = config("otlp_http: {timeout: 3s}, otlp: {endpoint: 'e:1', timeout: 4s}");
        let text = printed(&options, &variables).unwrap();
        assert!(text.contains("timeout: 3s") && text.contains("timeout: 4s"), "{text}");
    }

    #[test]
    fn errors_name_the_variable() {
        let end = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://h:4318");
        for (name, value, says) in [
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "10s", "must be a number of milliseconds"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "hunter2", "entry 1 is not of the form key=value"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "a=%zz", "entry 1 is not of the form key=value"),
            ("OTEL_EXPORTER_OTLP_PROFILES_COMPRESSION", "brotli", "unknown value `brotli`"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "http", "must be grpc, http/protobuf or http/json"),
            ("OTEL_EXPORTER_OTLP_PROFILES_ENDPOINT", "h:4318", "must start with http://"),
            ("OTEL_RESOURCE_ATTRIBUTES", "a=b,c", "entry 2 is not of the form key=value"),
        ] {
            let error = printed(&sidecar(None), &[end, (name, value)]).unwrap_err();
            assert!(error.starts_with(name) && error.contains(says), "{error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}
