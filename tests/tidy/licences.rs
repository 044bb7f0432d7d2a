//! What `deny.toml` says of licences, crates and sources, held where cargo-deny is not installed,
//! which is nearly everywhere: from the same file and what cargo knows of all dependencies, without
//! the network.

use std::{
    collections::{BTreeMap, BTreeSet},
    process::Command,
};

use serde_json::Value;

/// The rules that are read out of `deny.toml`.
struct Rules {
    allowed: BTreeSet<String>,
    banned: BTreeSet<String>,
    /// Crates of which there may be one version only.
    single: BTreeSet<String>,
    registries: BTreeSet<String>,
}

/// The text between quotation marks, one after the other.
fn quoted(line: &str) -> impl Iterator<Item = &str> {
    line.split('#').next().unwrap_or_default().split('"').skip(1).step_by(2)
}

/// Reads `deny.toml` line by line: a list stands in one line or has an entry a line.
fn rules(text: &str) -> Rules {
    let list = |key: &str| {
        let start = format!("{key} = [");
        let after = text.split_once(&format!("\n{start}")).map_or("", |(_, after)| after);
        let list = after.split_once(']').map_or("", |(list, _)| list);
        list.lines().flat_map(quoted).map(str::to_owned).collect()
    };
    let crates = || text.lines().filter(|line| line.trim_start().starts_with("{ crate = "));
    let name = |line: &str| quoted(line).next().unwrap_or_default().to_owned();
    let (single, banned): (Vec<_>, Vec<_>) =
        crates().partition(|line| line.contains("deny-multiple-versions = true"));
    Rules {
        allowed: list("allow"),
        banned: banned.into_iter().map(name).collect(),
        single: single.into_iter().map(name).collect(),
        registries: list("allow-registry"),
    }
}

/// Whether licences that are allowed satisfy an expression of SPDX, or one of the old form with
/// slashes. `WITH` binds to its licence; what is not understood is not allowed.
fn satisfied(expression: &str, allowed: &BTreeSet<String>) -> bool {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut rest = &words[..];
    any(&mut rest, allowed).unwrap_or(false) && rest.is_empty()
}

fn any(rest: &mut &[&str], allowed: &BTreeSet<String>) -> Option<bool> {
    let mut holds = all(rest, allowed)?;
    while let ["OR", after @ ..] = *rest {
        *rest = after;
        holds |= all(rest, allowed)?;
    }
    Some(holds)
}

fn all(rest: &mut &[&str], allowed: &BTreeSet<String>) -> Option<bool> {
    let mut holds = one(rest, allowed)?;
    while let ["AND", after @ ..] = *rest {
        *rest = after;
        holds &= one(rest, allowed)?;
    }
    Some(holds)
}

fn one(rest: &mut &[&str], allowed: &BTreeSet<String>) -> Option<bool> {
    let (first, after) = rest.split_first()?;
    *rest = after;
    if *first == "(" {
        let holds = any(rest, allowed)?;
        let [")", after @ ..] = *rest else { return None };
        *rest = after;
        return Some(holds);
    }
    if let ["WITH", exception, after @ ..] = *rest {
        *rest = after;
        return Some(allowed.contains(&format!("{first} WITH {exception}")));
    }
    Some(allowed.contains(*first))
}

/// All that breaks a rule in what `cargo metadata` says.
fn broken(rules: &Rules, metadata: &Value) -> Vec<String> {
    let (mut broken, mut versions) = (Vec::new(), BTreeMap::<&str, usize>::new());
    for package in metadata["packages"].as_array().expect("packages") {
        let name = package["name"].as_str().expect("a name");
        *versions.entry(name).or_default() += 1;
        let licence = package["license"].as_str().unwrap_or("no licence");
        if !satisfied(licence, &rules.allowed) {
            broken.push(format!("{name}: {licence}"));
        }
        if rules.banned.contains(name) {
            broken.push(format!("{name} is banned"));
        }
        let Some(source) = package["source"].as_str() else { continue };
        let registry = source.strip_prefix("registry+");
        if !registry.is_some_and(|registry| rules.registries.contains(registry)) {
            broken.push(format!("{name} comes from {source}"));
        }
    }
    let several = versions.iter().filter(|(_, count)| **count > 1);
    for (name, count) in several.filter(|(name, _)| rules.single.contains(**name)) {
        broken.push(format!("{name} is there in {count} versions"));
    }
    broken
}

#[test]
fn dependencies_have_the_licences_and_sources_that_deny_toml_allows() {
    let rules = rules(include_str!("../../deny.toml"));
    let counts = [rules.allowed.len(), rules.banned.len(), rules.single.len()];
    assert!(counts[0] >= 5 && counts[1] >= 2 && counts[2] >= 5, "{counts:?}");
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["metadata", "--format-version", "1", "--locked", "--all-features"]);
    let done = cargo.current_dir(env!("CARGO_MANIFEST_DIR")).output().expect("cargo runs");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let metadata: Value = serde_json::from_slice(&done.stdout).expect("JSON");
    assert!(metadata["packages"].as_array().map_or(0, Vec::len) > 300);
    assert_eq!(broken(&rules, &metadata), [""; 0]);
}

#[test]
fn what_deny_toml_does_not_allow_is_found() {
    let text = include_str!("../../deny.toml").replace("  \"ISC\",\n", "");
    let rules = rules(&text);
    let registry = "registry+https://github.com/rust-lang/crates.io-index";
    let of = |name: &str, licence: Option<&str>, source: &str| {
        let package: [(&str, Value); 3] =
            [("name", name.into()), ("license", licence.into()), ("source", source.into())];
        package.into_iter().collect::<Value>()
    };
    for (package, want) in [
        (of("a", Some("MIT"), registry), None),
        (of("a", Some("GPL-3.0"), registry), Some("a: GPL-3.0")),
        (of("a", Some("GPL-3.0 OR MIT"), registry), None),
        (of("a", Some("GPL-3.0/MIT"), registry), None),
        (of("a", Some("GPL-3.0 AND MIT"), registry), Some("a: GPL-3.0 AND MIT")),
        (of("a", Some("(ISC OR MIT) AND Zlib"), registry), None),
        (of("a", Some("ISC AND (ISC OR MIT)"), registry), Some("a: ISC AND (ISC OR MIT)")),
        (of("a", Some("MIT WITH x"), registry), Some("a: MIT WITH x")),
        (of("a", Some("(MIT"), registry), Some("a: (MIT")),
        (of("a", None, registry), Some("a: no licence")),
        (of("openssl-sys", Some("MIT"), registry), Some("openssl-sys is banned")),
        (of("a", Some("MIT"), "git+https://x"), Some("a comes from git+https://x")),
    ] {
        let found = broken(&rules, &serde_json::json!({"packages": [package]}));
        assert_eq!(found.first().map(String::as_str), want);
    }
    let [one, other] = [(); 2].map(|()| of("tokio", Some("MIT"), registry));
    let twice = broken(&rules, &serde_json::json!({"packages": [one, other]}));
    assert_eq!(twice, ["tokio is there in 2 versions"]);
}
