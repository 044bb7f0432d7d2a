//! What a config of the Collector says that has no place here. Keys without effect and pipelines of
//! other signals are taken out of the tree, each with a warning that says what happens instead; a
//! key that would be missed is refused.

use pipeline::processor;

use super::{
    node::{Entry, Node, Path, Value},
    problem::Problem,
};

/// A key of the Collector that no config of ours has, with what stands in its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    /// Nothing is lost without it.
    Ignored(&'static str),
    /// Requests would be another without it, or less safe.
    Refused(&'static str),
}

const KEYS: [(&str, Key); 14] = [
    ("ca_file", Key::Ignored("clients are known by client_ca_file")),
    ("ca_pem", Key::Ignored("clients are known by client_ca_file")),
    ("check_collector_pipeline", Key::Ignored("the conditions of readiness are what counts")),
    ("cipher_suites", Key::Ignored("all suites of TLS that are held to be safe are offered")),
    ("compression_params", Key::Ignored("the level of compression is fixed")),
    ("cookies", Key::Ignored("no cookies are kept")),
    ("cors", Key::Ignored("pages of other sites are not answered")),
    ("curve_preferences", Key::Ignored("all key exchanges that are held to be safe are offered")),
    ("dialer", Key::Ignored("the time for a connection to come about is fixed")),
    ("include_insecure_cipher_suites", Key::Ignored("only suites that are safe are offered")),
    ("include_system_ca_certs_pool", Key::Ignored("clients are known by client_ca_file")),
    ("middlewares", Key::Refused("there are no extensions that change requests")),
    ("request_params", Key::Ignored("who sends is known by a header alone")),
    ("tpm", Key::Refused("keys are read from files, not from a TPM")),
];

/// Signals of pipelines that are not run.
const SIGNALS: [&str; 3] = ["logs", "metrics", "traces"];

/// Parts of a pipeline, which are sections of the file as well, and the types that there are.
const SECTIONS: [(&str, &[&str]); 3] = [
    ("receivers", receiver::KINDS),
    ("processors", processor::KINDS),
    ("exporters", exporter::KINDS),
];

impl Key {
    /// What is known of a key.
    pub fn of(name: &str) -> Option<Self> {
        KEYS.iter().find(|(known, _)| *known == name).map(|(_, key)| *key)
    }
}

/// Takes pipelines of other signals out where there is one of profiles, and components of foreign
/// types that they alone name.
pub(crate) fn set_aside(root: &mut Node, warnings: &mut Vec<Problem>) {
    let path = Path::of(&["service", "pipelines"]);
    let Some(pipelines) = root.at_mut(&path) else { return };
    let (others, ours): (Vec<Entry>, Vec<Entry>) =
        pipelines.entries().iter().cloned().partition(|entry| SIGNALS.contains(&kind(&entry.key)));
    if ours.is_empty() {
        return;
    }
    for other in &others {
        let message = "is not run, nor is what it alone names: there are only profiles here";
        warnings.push(root.problem(path.key(&other.key), message));
        root.remove(&path.key(&other.key));
    }
    set_connectors_aside(root, &ours);
    for (section, kinds) in SECTIONS {
        let ids = others.iter().flat_map(|pipeline| names(pipeline, section));
        for id in ids.filter(|id| !kinds.contains(&kind(id))) {
            let is_ours = ours.iter().any(|pipeline| names(pipeline, section).any(|own| own == id));
            if !is_ours {
                root.remove(&Path::of(&[section, id]));
            }
        }
    }
}

/// Takes what connects pipelines of other signals out.
fn set_connectors_aside(root: &mut Node, ours: &[Entry]) {
    let connectors = root.entry("connectors").map(|entry| entry.node.entries());
    let is_ours = |id: &str| {
        let all = ours.iter();
        all.flat_map(|own| SECTIONS.iter().flat_map(|(section, _)| names(own, section)))
            .any(|own| own == id)
    };
    if connectors.is_some_and(|all| !all.iter().any(|entry| is_ours(&entry.key))) {
        root.remove(&Path::of(&["connectors"]));
    }
}

/// The ids that a pipeline names.
fn names<'a>(pipeline: &'a Entry, section: &str) -> impl Iterator<Item = &'a str> {
    let nodes = match pipeline.node.entry(section).map(|entry| &entry.node.value) {
        Some(Value::Seq(nodes)) => nodes.as_slice(),
        _ => &[],
    };
    nodes.iter().filter_map(|node| match &node.value {
        Value::Scalar { text, .. } => Some(text.as_str()),
        _ => None,
    })
}

fn kind(id: &str) -> &str {
    id.split('/').next().unwrap_or_default()
}
