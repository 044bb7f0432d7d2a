//! Labels of a series to attributes of a resource: names of OpenTelemetry where there are some, so
//! that what was pushed and what was scraped are found by the same names.

use super::name::cut;
use crate::{
    profile::Attributes,
    reason::{Reason, Refused},
};

/// Labels of one series.
pub(super) const LABELS_MAX: usize = 64;
/// Bytes of a label's name, and of its value.
const NAME_BYTES_MAX: usize = 1 << 10;
const VALUE_BYTES_MAX: usize = 4 << 10;

/// What agents, and Prometheus' way of writing dots, call what OpenTelemetry has a name for.
const NAMES: [(&str, &str); 22] = [
    ("service_name", "service.name"),
    ("service_namespace", "service.namespace"),
    ("service_version", "service.version"),
    ("service_instance_id", "service.instance.id"),
    ("instance", "service.instance.id"),
    ("hostname", "host.name"),
    ("host_name", "host.name"),
    ("namespace", "k8s.namespace.name"),
    ("k8s_namespace_name", "k8s.namespace.name"),
    ("pod", "k8s.pod.name"),
    ("k8s_pod_name", "k8s.pod.name"),
    ("container", "k8s.container.name"),
    ("k8s_container_name", "k8s.container.name"),
    ("node", "k8s.node.name"),
    ("k8s_node_name", "k8s.node.name"),
    ("k8s_deployment_name", "k8s.deployment.name"),
    ("k8s_cluster_name", "k8s.cluster.name"),
    ("deployment_environment", "deployment.environment"),
    ("process_runtime_name", "process.runtime.name"),
    ("process_runtime_version", "process.runtime.version"),
    ("otel_scope_name", "otel.scope.name"),
    ("otel_scope_version", "otel.scope.version"),
];

/// What the labels of a series say.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Labels {
    /// Who was profiled.
    pub resource: Attributes,
    /// What was measured, as profpipe names it, where `__name__` says so.
    pub profile: Option<String>,
    /// Whether the sender has made deltas of what only grows.
    pub is_delta: bool,
}

/// Reads the labels of a series. Those between underscores are for the server and are no
/// attributes; the session tells processes apart where nothing else does.
///
/// # Errors
/// Where there are too many, or one is too long or has no name.
pub(super) fn read(labels: &[(&str, &str)]) -> Result<Labels, Refused> {
    let limit = |what: String| Refused::new(Reason::CountLimit, what);
    if labels.len() > LABELS_MAX {
        return Err(limit(format!("more than {LABELS_MAX} labels of a series")));
    }
    let mut read = Labels::default();
    let (mut renamed, mut own) = (Vec::new(), Vec::new());
    let mut session = None;
    for &(name, value) in labels {
        if name.is_empty() {
            return Err(Refused::new(Reason::Malformed, "a label without a name"));
        }
        if name.len() > NAME_BYTES_MAX || value.len() > VALUE_BYTES_MAX {
            return Err(limit(format!("the label `{}` is too long", cut(name))));
        }
        match name {
            "__name__" => {
                let (profile, is_delta) = profile(value);
                read.is_delta |= is_delta;
                read.profile = Some(profile.to_owned());
            }
            // The server is told not to compute a delta, because this is one.
            "__delta__" => read.is_delta |= value == "false",
            "__session_id__" => session = Some(value),
            name if name.starts_with("__") => {}
            // In Prometheus, no value and no label are the same.
            _ if value.is_empty() => {}
            name => match NAMES.iter().find(|(label, _)| *label == name) {
                Some((_, attribute)) => renamed.push((*attribute, value)),
                None => own.push((name, value)),
            },
        }
    }
    let has = |wanted: &str| renamed.iter().chain(&own).any(|(name, _)| *name == wanted);
    if let Some(session) = session
        && !has("service.instance.id")
        && !has("k8s.pod.name")
    {
        renamed.push(("service.instance.id", session));
    }
    // Of equal names the last one stays: one that needed no other name.
    read.resource = renamed.into_iter().chain(own).collect();
    Ok(read)
}

/// The name of a profile by `__name__`, and whether that says that it is a delta.
fn profile(name: &str) -> (&str, bool) {
    let plain = name.strip_prefix("godeltaprof_");
    let profile = match plain.unwrap_or(name) {
        "process_cpu" => "cpu",
        "memory" => "heap",
        "goroutines" => "goroutine",
        other => other,
    };
    (profile, plain.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_become_attributes() {
        let labels = read(&[
            ("__name__", "godeltaprof_memory"),
            ("__session_id__", "0a"),
            ("__meta_x", "gone"),
            ("service_name", "orders"),
            ("pod", "orders-1"),
            ("zone", "<b>"),
            ("empty", ""),
            ("service.version", "2"),
            ("service_version", "1"),
        ])
        .unwrap();
        let want: Attributes = [
            ("service.name", "orders"),
            ("k8s.pod.name", "orders-1"),
            ("zone", "<b>"),
            ("service.version", "2"),
        ]
        .into_iter()
        .collect();
        assert_eq!(labels.resource, want);
        assert_eq!((labels.profile.as_deref(), labels.is_delta), (Some("heap"), true));
        let labels = read(&[("__session_id__", "0a"), ("__delta__", "false")]).unwrap();
        assert_eq!(labels.resource.get("service.instance.id"), Some("0a"));
        assert!(labels.is_delta && labels.profile.is_none());
        assert!(!read(&[("__name__", "process_cpu")]).unwrap().is_delta);
    }

    #[test]
    fn labels_have_limits() {
        let long = "x".repeat(VALUE_BYTES_MAX + 1);
        for (labels, reason) in [
            (vec![("a", "b"); LABELS_MAX + 1], Reason::CountLimit),
            (vec![("a", long.as_str())], Reason::CountLimit),
            (vec![(long.as_str(), "a")], Reason::CountLimit),
            (vec![("", "a")], Reason::Malformed),
        ] {
            assert_eq!(read(&labels).map_err(|r| r.reason), Err(reason));
        }
        assert!(read(&[("a", "b"); LABELS_MAX]).is_ok());
    }
}
