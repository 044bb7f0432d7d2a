//! One name per thing: the folder of a component is its key in configs.

use std::collections::BTreeSet;

use super::tree::Tree;

/// Folders that are no component: what several of them share.
const SHARED: [&str; 1] = ["receiver/src/server/"];

/// Folders below `receiver/src` and `exporter/src` are the `KINDS` of their crate, and each has a
/// README.
pub fn components(tree: &Tree) -> Vec<String> {
    ["receiver/src/", "exporter/src/"].iter().flat_map(|crate_| of_crate(tree, crate_)).collect()
}

fn of_crate(tree: &Tree, sources: &str) -> Vec<String> {
    let below = tree.files().filter_map(|(path, _)| path.strip_prefix(sources));
    let mut folders: BTreeSet<&str> =
        below.filter_map(|path| Some(path.split_once('/')?.0)).collect();
    folders.retain(|folder| !SHARED.contains(&format!("{sources}{folder}/").as_str()));
    let kinds = kinds(tree.text(&format!("{sources}lib.rs")));
    let kinds: BTreeSet<&str> = kinds.into_iter().map(folder_of).collect();
    let mut broken = Vec::new();
    for kind in kinds.difference(&folders) {
        broken.push(format!("{sources}lib.rs: `{kind}` has no folder"));
    }
    for folder in folders {
        let readme = format!("{sources}{folder}/README.md");
        if tree.text(&readme).is_empty() {
            broken.push(format!("{readme} is missing"));
        } else if !kinds.contains(folder) {
            broken.push(format!("{sources}{folder}: `{folder}` is no kind in configs"));
        }
    }
    broken
}

/// The folder of a kind: its name, but the protocols of OTLP and their older names share one.
fn folder_of(kind: &str) -> &str {
    if kind.starts_with("otlp") { "otlp" } else { kind }
}

/// The strings of `const KINDS`.
fn kinds(source: &str) -> BTreeSet<&str> {
    let list = source.split_once("const KINDS").and_then(|(_, rest)| rest.split_once(';'));
    let list = list.map_or("", |(list, _)| list);
    list.split('"').skip(1).step_by(2).collect()
}
