//! The rules of the house that a tool can check and clippy does not: each reads the tree as git has
//! it and names every place that breaks it. CONTRIBUTING.md says why there are such rules.

mod crates;
mod licences;
mod names;
mod text;
mod tree;

use tree::Tree;

/// Gives the places that break a rule, a line each.
type Rule = fn(&Tree) -> Vec<String>;

/// All rules, each with what it demands.
const RULES: &[(&str, Rule)] = &[
    ("crates depend one way only", crates::edges),
    ("every crate takes the lints of the workspace", crates::lints),
    ("every receiver and exporter has its folder and README", names::components),
    ("a source file has 500 lines at most", text::file_lines),
    ("a line of Rust has 100 columns at most", text::line_columns),
    ("a Rust file opens with `//!`", text::opening),
    ("nothing is left for later", text::unfinished),
    ("no path of one machine is in the tree", text::local_paths),
    ("a file has 512 KiB at most", text::file_bytes),
];

#[test]
fn the_tree_keeps_the_rules() {
    let Some(tree) = Tree::of_git() else { return };
    let mut broken = Vec::new();
    for (demand, rule) in RULES {
        broken.extend(rule(&tree).into_iter().map(|place| format!("{demand}: {place}")));
    }
    assert!(broken.is_empty(), "{} places:\n{}", broken.len(), broken.join("\n"));
}

/// A tree that keeps all rules.
fn good() -> Tree {
    let manifest = "[package]\nname = \"NAME\"\n[dependencies]\nDEPS\n[lints]\nworkspace = true\n";
    let crate_of = |name: &str, deps: &str| manifest.replace("NAME", name).replace("DEPS", deps);
    let mut tree = Tree::default();
    for (path, text) in [
        ("Cargo.toml", crate_of("profpipe", "exporter.workspace = true\nserde = \"1\"")),
        ("pipeline/Cargo.toml", crate_of("pipeline", "serde.workspace = true")),
        ("exporter/Cargo.toml", crate_of("exporter", "pipeline = { path = \"../pipeline\" }")),
        ("exporter/src/lib.rs", "//! Out.\npub const KINDS: &[&str] = &[\"ui\"];\n".into()),
        ("exporter/src/ui/mod.rs", "//! Shows.\n".into()),
        ("exporter/src/ui/README.md", "# ui\n".into()),
        ("receiver/src/lib.rs", "//! In.\npub const KINDS: &[&str] = &[];\n".into()),
    ] {
        tree.put(path, &text);
    }
    tree
}

/// One change for each way in which a rule can be broken: the rule, the file, its text, and what
/// the message says.
fn breaches() -> Vec<(Rule, &'static str, String, &'static str)> {
    let dependency = |section: &str| format!("[package]\nname = \"pipeline\"\n{section}\n");
    // Words that must not be in the tree are put together here, because this file is in it.
    let word = |parts: &[&str]| format!("//! X.\n// {}\n", parts.concat());
    vec![
        (
            crates::edges,
            "pipeline/Cargo.toml",
            dependency("[dependencies]\nexporter = { path = \"../exporter\" }"),
            "pipeline → exporter",
        ),
        (
            crates::edges,
            "pipeline/Cargo.toml",
            dependency("[dev-dependencies]\nlake.workspace = true"),
            "pipeline → lake",
        ),
        (
            crates::edges,
            "pipeline/Cargo.toml",
            dependency("[target.'cfg(unix)'.dependencies.other]\npackage = \"receiver\""),
            "pipeline → receiver",
        ),
        (crates::edges, "new/Cargo.toml", "[package]\nname = \"new\"\n".into(), "new is not"),
        (
            crates::lints,
            "pipeline/Cargo.toml",
            dependency("[lints.rust]\nunsafe_code = \"allow\""),
            "pipeline/Cargo.toml",
        ),
        (names::components, "exporter/src/otlp/mod.rs", "//! X.\n".into(), "otlp/README.md"),
        (names::components, "exporter/src/otlp/README.md", "# otlp\n".into(), "`otlp` is no"),
        (
            names::components,
            "exporter/src/lib.rs",
            "pub const KINDS: &[&str] = &[\"ui\", \"debug\"];".into(),
            "`debug` has no folder",
        ),
        (text::file_lines, "a.rs", "//! X.\n".repeat(501), "a.rs has 501"),
        (text::file_lines, "a.tsx", "\n".repeat(501), "a.tsx has 501"),
        (text::file_lines, "a.go", "\n".repeat(501), "a.go has 501"),
        (text::line_columns, "a.rs", format!("//! X.\n{}\n", "ä".repeat(101)), "a.rs:2 has 101"),
        (text::opening, "a.rs", "\n//! X.\n".into(), "a.rs"),
        (text::unfinished, "a.rs", word(&["TO", "DO: x"]), "a.rs:2"),
        (text::unfinished, "a.go", word(&["FIX", "ME"]), "a.go:2"),
        (text::unfinished, "a.md", word(&["(X", "XX)"]), "a.md:2"),
        (text::unfinished, "a.rs", word(&["#[ig", "nore = \"x\"]"]), "a.rs:2"),
        (text::unfinished, "a.rs", word(&["to", "do!()"]), "a.rs:2"),
        (text::local_paths, "a.rs", word(&["/wo", "rk/x"]), "a.rs:2"),
        (text::local_paths, "a.sh", word(&[".lib", "rary"]), "a.sh:2"),
        (text::local_paths, "a.md", word(&["see /ho", "me/x"]), "a.md:2"),
        (text::local_paths, "a.md", word(&["(/tm", "p/x)"]), "a.md:2"),
        (text::file_bytes, "a.bin", "x".repeat((512 << 10) + 1), "a.bin has 524289"),
    ]
}

#[test]
fn a_tree_that_keeps_the_rules_passes() {
    for (demand, rule) in RULES {
        assert_eq!(rule(&good()), [""; 0], "{demand}");
    }
}

#[test]
fn every_rule_can_fail() {
    let breaches = breaches();
    for (rule, path, text, says) in &breaches {
        let mut tree = good();
        tree.put(path, text);
        let found = rule(&tree);
        assert!(matches!(&found[..], [one] if one.contains(says)), "{path}, {says}: {found:?}");
    }
    for (demand, rule) in RULES {
        let tried = breaches.iter().any(|(other, ..)| std::ptr::fn_addr_eq(*other, *rule));
        assert!(tried, "{demand}: no breach of it is tried");
    }
}

#[test]
fn what_only_looks_like_a_breach_passes() {
    let mut tree = good();
    // A crate may name itself for its tests, and a workspace of its own has rules of its own.
    let own = "[package]\nname = \"pipeline\"\n[dev-dependencies]\npipeline = { path = \".\" }\n";
    tree.put("pipeline/Cargo.toml", &format!("{own}[lints]\nworkspace = true\n"));
    let alone = "[workspace]\n[package]\nname = \"fuzz\"\n[dependencies]\npipeline.path = \"..\"\n";
    tree.put("tests/fuzz/Cargo.toml", alone);
    let template = ["mktemp -d /x.XX", "XXXX"].concat();
    tree.put("a.sh", &template);
    tree.put("a.rs", &format!("//! X.\n{}\n", "ä".repeat(100)));
    for (demand, rule) in RULES {
        assert_eq!(rule(&tree), [""; 0], "{demand}");
    }
}
