//! `flame -o` in each format: what a program that reads the format finds in it, with the sums of
//! `top`.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{CPU, Made};
use crate::support::made::{START_NS, pprof};

/// A name that is markup where it is not escaped, and one that ends a script.
const STACKS: [(&str, i64); 3] = [
    ("main.main;main.(*List[go.shape.int]).<b>walk</b>&\"'", 70_000_000),
    ("main.main;main.</script><script>alert(1)//", 20_000_000),
    ("main.main", 10_000_000),
];

fn drawn(name: &str, extra: &[&str]) -> String {
    let made = Made::new();
    let file = made.dir.path().join("cpu.pb.gz");
    pprof(&file, CPU, (START_NS, 10_000_000_000), &STACKS);
    let out = made.dir.path().join(name);
    let (file, path) = (file.to_str().unwrap(), out.to_str().unwrap());
    let ran = crate::support::cli::profpipe(["flame", file, "-o", path].iter().chain(extra));
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), ""), "{name}: {}", ran.stderr);
    std::fs::read_to_string(out).unwrap()
}

#[test]
fn folded_text_has_the_sums_of_top() {
    for (name, extra) in [("x.folded", &[][..]), ("x.txt", &[]), ("x", &["--format", "folded"])] {
        let text = drawn(name, extra);
        let lines = text.lines().map(|line| line.rsplit_once(' ').unwrap());
        let folded: BTreeMap<&str, i64> = lines.map(|(s, v)| (s, v.parse().unwrap())).collect();
        assert_eq!(folded, STACKS.into(), "{name}");
    }
}

#[test]
fn json_has_a_column_for_each_thing() {
    let flame: Value = serde_json::from_str(&drawn("x.json", &[])).unwrap();
    assert_eq!((&flame["unit"], &flame["total"][0]), (&"nanoseconds".into(), &100_000_000.into()));
    let names = flame["names"].as_array().unwrap();
    for (stack, _) in STACKS {
        let leaf = stack.rsplit(';').next().unwrap();
        assert!(names.iter().any(|name| name == leaf), "{leaf}: {names:?}");
    }
    let own: i64 = flame["self"].as_array().unwrap().iter().filter_map(Value::as_i64).sum();
    assert_eq!(own, 100_000_000);
}

/// Python's own parser of XML, which refuses what is not well-formed; prints the texts of titles.
const TITLES: &str = "import sys, xml.etree.ElementTree as tree
root = tree.parse(sys.argv[1]).getroot()
assert root.tag == '{http://www.w3.org/2000/svg}svg', root.tag
for element in root.iter():
    assert not element.tag.endswith('}b'), 'markup of a name'
    if element.tag.endswith('}title'): print(' '.join(element.text.split()))";

#[test]
fn svg_is_xml_with_a_title_for_each_frame() {
    if std::process::Command::new("python3").arg("--version").output().is_err() {
        return crate::support::skip("python3");
    }
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("x.svg");
    std::fs::write(&file, drawn("x.svg", &["--width", "900"])).unwrap();
    let titles = crate::support::output("python3", ["-c", TITLES, file.to_str().unwrap()]);
    for (stack, share) in STACKS.iter().zip(["(70.00%)", "(20.00%)"]) {
        let leaf = stack.0.rsplit(';').next().unwrap();
        let title = titles.lines().find(|title| title.contains(leaf));
        let title = title.unwrap_or_else(|| panic!("no frame of {leaf}: {titles}"));
        assert!(title.contains(share), "{title}");
    }
}

#[test]
fn html_is_one_file_that_needs_no_other() {
    for name in ["x.html", "x.htm"] {
        let page = drawn(name, &[]);
        assert!(page.trim_start().to_lowercase().starts_with("<!doctype html>"), "{name}");
        for outside in ["src=", "href=", "@import", "url(", "fetch(", "XMLHttpRequest"] {
            assert!(!page.contains(outside), "{name} needs {outside}");
        }
        // What a profile says is not markup, and ends no script.
        assert!(!page.contains("<b>walk") && !page.contains("</script><script>alert"), "{name}");
        assert!(page.contains("main.main"), "{name}");
    }
}

#[test]
fn what_is_no_picture_is_refused() {
    let made = Made::new();
    let file = made.cpu("cpu.pb.gz", 0, &STACKS);
    let out = made.dir.path().join("x.png");
    let args = ["flame", file.to_str().unwrap(), "-o", out.to_str().unwrap()];
    let ran = crate::support::cli::profpipe(args);
    assert_eq!(ran.code, Some(2));
    assert!(ran.stderr.contains("`.png` is no picture: use .svg, .html"), "{}", ran.stderr);
    assert!(out.metadata().is_err());
}
