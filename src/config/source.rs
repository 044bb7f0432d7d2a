//! Files and `--set` arguments into one tree.

use std::{fs::File, io::Read, path::Path as FilePath};

use super::{
    Options,
    environment::{self, Variables},
    node::{Entry, Node, Path, Place, Value},
    problem::Problem,
    yaml,
};

/// What runs when no file is named: profpipe profiles itself.
const BUILT_IN: &str = "self_telemetry: {pprof_port: 7000, interval_seconds: 5}\n";

/// Number of files and `--set` arguments that are taken.
const SOURCES_MAX: usize = 1_000;

/// All files and then all `--set` arguments laid over each other.
pub(crate) fn read(options: &Options, variables: Variables) -> Result<Node, Vec<Problem>> {
    let files = options.files.iter().map(|file| read_file(file));
    let has_flags = !options.scrape.is_empty();
    let built_in = options.files.is_empty().then(|| match has_flags {
        true => environment::of_flags(options, variables),
        false => yaml::parse(BUILT_IN, "built-in config"),
    });
    let sets = options.sets.iter().map(|set| read_set(set));
    let (mut root, mut problems) = (None::<Node>, Vec::new());
    for tree in built_in.into_iter().chain(files).chain(sets).take(SOURCES_MAX) {
        match tree.and_then(must_be_map) {
            Err(found) => problems.extend(found),
            Ok(tree) => match &mut root {
                Some(root) => root.merge(tree),
                None => root = Some(tree),
            },
        }
    }
    match root {
        Some(root) if problems.is_empty() => Ok(root),
        _ => Err(problems),
    }
}

fn must_be_map(tree: Node) -> Result<Node, Vec<Problem>> {
    match tree.value {
        Value::Map(_) | Value::Null => Ok(tree),
        _ => {
            let message = "expected a map with keys such as `monitors` or `receivers`";
            Err(vec![tree.problem(Path::default(), message)])
        }
    }
}

fn read_file(file: &FilePath) -> Result<Node, Vec<Problem>> {
    let name = file.display().to_string();
    let wrong = |message| problem(&name, message);
    let mut bytes = Vec::new();
    // One byte more than the limit tells a file that is too long from one that just fits.
    File::open(file)
        .and_then(|file| file.take(yaml::FILE_BYTES_MAX as u64 + 1).read_to_end(&mut bytes))
        .map_err(|error| wrong(format!("cannot read the file: {error}")))?;
    if bytes.len() > yaml::FILE_BYTES_MAX {
        return Err(wrong("file is larger than 1 MiB".into()));
    }
    match std::str::from_utf8(&bytes) {
        Ok(text) => yaml::parse(text, &name),
        Err(error) => {
            let before = &bytes[..error.valid_up_to()];
            let line = before.iter().filter(|byte| **byte == b'\n').count() as u64 + 1;
            let start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
            let column = String::from_utf8_lossy(&before[start..]).chars().count() as u64 + 1;
            let place = Place { file: name.as_str().into(), line, column };
            let message = "file is not UTF-8".into();
            Err(vec![Problem { place, path: Path::default(), message }])
        }
    }
}

/// `a::b=value`, the value being YAML.
fn read_set(set: &str) -> Result<Node, Vec<Problem>> {
    let (keys, value) = set.split_once('=').unwrap_or((set, ""));
    let name = format!("--set {keys}");
    let keys: Vec<_> = keys.split("::").collect();
    if !set.contains('=') || keys.iter().any(|key| key.is_empty()) {
        let message = format!("`{set}` is not of the form a::b=value");
        return Err(problem("--set", message));
    }
    let value = yaml::parse(value, &name)?;
    let place = Place { file: name.as_str().into(), line: 1, column: 1 };
    Ok(keys.iter().rev().fold(value, |node, key| {
        let entry = Entry { key: (*key).to_owned(), place: place.clone(), node };
        Node::new(place.clone(), Value::Map(vec![entry]))
    }))
}

fn problem(file: &str, message: String) -> Vec<Problem> {
    let place = Place { file: file.into(), line: 0, column: 0 };
    vec![Problem { place, path: Path::default(), message }]
}
