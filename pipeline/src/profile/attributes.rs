//! Who was profiled (resource attributes, exported) and how it came here (origin, never exported).

use std::sync::Arc;

/// Attributes sorted by key, each key once. Cloning is cheap: the profiles of a target share them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Attributes(Arc<[(String, String)]>);

impl Attributes {
    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&str> {
        let at = self.0.binary_search_by(|(k, _)| k.as_str().cmp(key)).ok()?;
        Some(&self.0[at].1)
    }

    /// All pairs, sorted by key.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// Number of pairs.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no pair.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What the lake has as a column of its own: one of [`crate::matcher::FIXED_KEYS`]. Empty where
    /// no attribute says it.
    pub fn column(&self, key: &str) -> Option<&str> {
        let any = |keys: &[&str]| keys.iter().find_map(|key| self.get(key)).unwrap_or_default();
        match key {
            "service" => Some(self.service()),
            "service_version" => Some(any(&["service.version"])),
            "namespace" => Some(any(&["service.namespace", "k8s.namespace.name"])),
            "instance" => Some(any(&["service.instance.id", "k8s.pod.name"])),
            "host" => Some(any(&["host.name", "k8s.node.name"])),
            _ => None,
        }
    }

    /// `service.name`, or `unknown_service`, as OpenTelemetry has it.
    pub fn service(&self) -> &str {
        self.get("service.name").unwrap_or("unknown_service")
    }
}

/// Of equal keys the last one stays.
impl<K: Into<String>, V: Into<String>> FromIterator<(K, V)> for Attributes {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        let map: std::collections::BTreeMap<String, String> =
            pairs.into_iter().map(|(key, value)| (key.into(), value.into())).collect();
        Self(map.into_iter().collect())
    }
}

/// How a profile came here, for logs and for `source` in the table `profiles`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// The receiver: `pprof`, `import`.
    pub receiver: String,
    /// Who sent it or was asked: an URL, a file, an address.
    pub peer: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sorted_unique_and_named() {
        let attributes: Attributes =
            [("zone", "a"), ("service.name", "old"), ("service.name", "orders")]
                .into_iter()
                .collect();
        assert_eq!(attributes.iter().next(), Some(("service.name", "orders")));
        assert_eq!((attributes.service(), attributes.get("zone")), ("orders", Some("a")));
        assert_eq!((attributes.len(), attributes.get("x")), (2, None));
        assert_eq!(Attributes::default().service(), "unknown_service");
        let columns: Vec<_> =
            crate::matcher::FIXED_KEYS.iter().filter_map(|key| attributes.column(key)).collect();
        assert_eq!(columns, ["orders", "", "", "", ""]);
        assert_eq!(attributes.column("zone"), None);
    }
}
