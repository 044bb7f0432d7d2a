//! Rules on the text of files.

use super::tree::Tree;

const LINES_MAX: usize = 500;
const COLUMNS_MAX: usize = 100;
const BYTES_MAX: usize = 512 << 10;

// Each in two parts, so that this file keeps its own rules.
const UNFINISHED: [&str; 5] =
    [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("X", "XX"), concat!("#[ig", "nore"), LATER];
const LATER: &str = concat!("to", "do!");
const MACHINE: [&str; 2] = [concat!("/wo", "rk/"), concat!(".lib", "rary")];
/// In prose these are somebody's own places too; a script may have reasons.
const HOMES: [&str; 4] =
    [concat!("/ho", "me/"), concat!("/ro", "ot/"), concat!("/Us", "ers/"), concat!("/tm", "p/")];

/// Sources of the languages that we write, by the end of their name.
fn sources<'a>(tree: &'a Tree, ends: &'a [&str]) -> impl Iterator<Item = (&'a str, &'a str)> {
    tree.texts().filter(move |(path, _)| ends.iter().any(|end| path.ends_with(end)))
}

/// Where lines are wrong, as `path:line`.
fn lines(path: &str, text: &str, is_wrong: impl Fn(&str) -> bool) -> Vec<String> {
    let wrong = text.lines().enumerate().filter(|(_, line)| is_wrong(line));
    wrong.map(|(index, _)| format!("{path}:{}", index + 1)).collect()
}

/// No source file is too long to be read at once.
pub fn file_lines(tree: &Tree) -> Vec<String> {
    let counted = sources(tree, &[".rs", ".ts", ".tsx", ".go"])
        .map(|(path, text)| (path, text.lines().count()));
    let long = counted.filter(|(_, count)| *count > LINES_MAX);
    long.map(|(path, count)| format!("{path} has {count}")).collect()
}

/// rustfmt leaves comments and the bodies of macros alone; this does not.
pub fn line_columns(tree: &Tree) -> Vec<String> {
    let mut broken = Vec::new();
    for (path, text) in sources(tree, &[".rs"]) {
        for (index, line) in text.lines().enumerate() {
            let columns = line.chars().count();
            if columns > COLUMNS_MAX {
                broken.push(format!("{path}:{} has {columns}", index + 1));
            }
        }
    }
    broken
}

/// A file says first what it is and why.
pub fn opening(tree: &Tree) -> Vec<String> {
    let silent = sources(tree, &[".rs"]).filter(|(_, text)| !text.starts_with("//! "));
    silent.map(|(path, _)| path.to_owned()).collect()
}

/// No marks of work to do, and no test that does not run.
pub fn unfinished(tree: &Tree) -> Vec<String> {
    let marked = |line: &str| UNFINISHED.iter().any(|mark| has_word(line, mark));
    tree.texts().flat_map(|(path, text)| lines(path, text, marked)).collect()
}

/// No file knows where on somebody's machine it was written.
pub fn local_paths(tree: &Tree) -> Vec<String> {
    let mut broken = Vec::new();
    for (path, text) in tree.texts() {
        let homes = if path.ends_with(".md") { &HOMES[..] } else { &[] };
        let is_local = |line: &str| {
            let starts = MACHINE.iter().chain(homes);
            starts.into_iter().any(|start| line.contains(start))
        };
        broken.extend(lines(path, text, is_local));
    }
    broken
}

/// Nothing is committed that should be generated or fetched.
pub fn file_bytes(tree: &Tree) -> Vec<String> {
    let large = tree.files().filter(|(_, bytes)| bytes.len() > BYTES_MAX);
    large.map(|(path, bytes)| format!("{path} has {}", bytes.len())).collect()
}

/// Whether the word stands in the line with no letter or digit at either side.
fn has_word(line: &str, word: &str) -> bool {
    let is_part = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    line.match_indices(word).any(|(at, _)| {
        !is_part(line[..at].chars().next_back()) && !is_part(line[at + word.len()..].chars().next())
    })
}
