//! Rules on crates: which may know which, and that none leaves the lints.

use super::tree::Tree;

/// Which of our crates each may depend on, as ARCHITECTURE.md has it.
const EDGES: &[(&str, &[&str])] = &[
    ("profpipe", &["pipeline", "receiver", "exporter", "lake"]),
    ("receiver", &["pipeline"]),
    ("exporter", &["pipeline", "lake"]),
    ("lake", &["pipeline"]),
    ("pipeline", &[]),
    ("fuzz", &["pipeline"]),
];

/// A manifest as far as the rules need it.
struct Manifest<'a> {
    path: &'a str,
    name: &'a str,
    /// Crates that it depends on in any way, for its tests and build too.
    dependencies: Vec<&'a str>,
    inherits_lints: bool,
    /// Whether it is a workspace of its own beside ours.
    is_apart: bool,
}

/// Crates know those of [`EDGES`], and for their tests themselves.
pub fn edges(tree: &Tree) -> Vec<String> {
    let mut broken = Vec::new();
    for Manifest { path, name, dependencies, .. } in manifests(tree) {
        let Some((_, allowed)) = EDGES.iter().find(|(known, _)| *known == name) else {
            broken.push(format!("{path}: {name} is not in the list of crates"));
            continue;
        };
        let ours = dependencies.into_iter().filter(|to| EDGES.iter().any(|(own, _)| own == to));
        let others = ours.filter(|to| *to != name && !allowed.contains(to));
        broken.extend(others.map(|to| format!("{path}: {name} → {to}")));
    }
    broken
}

/// Every crate of the workspace has `[lints] workspace = true`.
pub fn lints(tree: &Tree) -> Vec<String> {
    let crates = manifests(tree).filter(|manifest| !manifest.is_apart && !manifest.inherits_lints);
    crates.map(|manifest| manifest.path.to_owned()).collect()
}

fn manifests(tree: &Tree) -> impl Iterator<Item = Manifest<'_>> {
    let manifests = tree.texts().filter(|(path, _)| path.rsplit('/').next() == Some("Cargo.toml"));
    manifests.map(|(path, text)| manifest(path, text))
}

/// Reads a manifest line by line: ours have no value over several lines that looks like a key.
fn manifest<'a>(path: &'a str, text: &'a str) -> Manifest<'a> {
    let mut found = Manifest {
        path,
        name: "",
        dependencies: Vec::new(),
        inherits_lints: false,
        is_apart: path != "Cargo.toml" && text.lines().any(|line| line.trim() == "[workspace]"),
    };
    let mut section = "";
    for line in text.lines().map(str::trim).filter(|line| !line.starts_with('#')) {
        if let Some(header) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            section = header;
            // The form `[dependencies.NAME]`.
            if let Some((_, name)) = header.rsplit_once("dependencies.") {
                found.dependencies.push(name);
            }
            continue;
        }
        let Some((key, value)) = line.split_once('=') else { continue };
        let (key, value) = (key.trim(), value.trim());
        match (section, key) {
            ("package", "name") => found.name = value.trim_matches('"'),
            ("lints", "workspace") => found.inherits_lints = value == "true",
            // Where the workspace names versions, nobody depends on anything yet.
            (section, _) if section.starts_with("workspace") => {}
            (section, _) if section.ends_with("dependencies") => {
                found.dependencies.extend(key.split('.').next());
                found.dependencies.extend(renamed(value));
            }
            (section, "package") if section.contains("dependencies.") => {
                found.dependencies.push(value.trim_matches('"'));
            }
            _ => {}
        }
    }
    found
}

/// The crate behind `{ package = "NAME" }`.
fn renamed(value: &str) -> Option<&str> {
    value.split_once("package")?.1.split('"').nth(1)
}
