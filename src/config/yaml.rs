//! YAML text into a tree with places. The only code that knows the YAML library.

use std::{collections::BTreeMap, fmt, rc::Rc};

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{
    DuplicateKeyPolicy, Error, Location, Options, Spanned, budget::BudgetBreach,
    options::NonFiniteFloatPolicy,
};

use super::{
    node::{Entry, Node, Path, Place, Value},
    problem::Problem,
};

/// Bytes of one file.
pub(crate) const FILE_BYTES_MAX: usize = 1 << 20;

/// Reads one document. `file` is the name for people. A syntax error ends the reading; duplicate
/// keys are all found.
pub(crate) fn parse(text: &str, file: &str) -> Result<Node, Vec<Problem>> {
    let start = Place { file: file.into(), line: 1, column: 1 };
    let problem = |place, message| vec![Problem { place, path: Path::default(), message }];
    if text.len() > FILE_BYTES_MAX {
        return Err(problem(start, "file is larger than 1 MiB".into()));
    }
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    // A text of comments only has no node that could be read.
    if text.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#')) {
        return Ok(Node::new(start, Value::Null));
    }
    let mut tree = Tree { text, file: start.file, problems: Vec::new() };
    let node = match serde_saphyr::from_str_with_options::<Spanned<Raw>>(text, options()) {
        Ok(raw) => tree.node(raw, &Path::default()),
        Err(error) => {
            let error = error.without_snippet();
            let place = tree.place(error.location().unwrap_or(Location::UNKNOWN));
            return Err(problem(place, message(error)));
        }
    };
    if tree.problems.is_empty() { Ok(node) } else { Err(tree.problems) }
}

fn options() -> Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_events: 100_000,
            max_nodes: 50_000,
            max_depth: 32,
            flow_nesting_limit: 64,
            max_aliases: 1_000,
            max_anchors: 1_000,
            max_documents: 1,
            max_merge_keys: 1_000,
            max_recorded_anchor_events: 100_000,
            max_total_scalar_bytes: FILE_BYTES_MAX,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: 50_000,
            max_replay_stack_depth: 8,
        },
        duplicate_keys: DuplicateKeyPolicy::PassThrough,
        non_finite_float_policy: NonFiniteFloatPolicy::AsString,
        reject_unsupported_tags: true,
        strict_booleans: true,
        with_snippet: false,
    }
}

/// The message without the place, which stands in front of it anyway, and without advice that is
/// for users of the library.
fn message(error: &Error) -> String {
    match error {
        Error::MultipleDocuments { .. }
        | Error::Budget { breach: BudgetBreach::Documents { .. }, .. } => {
            return "file holds more than one document".into();
        }
        Error::Budget { breach: BudgetBreach::Depth { .. }, .. } => {
            return "nested too deeply".into();
        }
        Error::Budget { .. } => return "file holds too much".into(),
        _ => {}
    }
    let text = error.to_string();
    let first = text.lines().next().unwrap_or_default();
    if first.starts_with("alias replay limit exceeded") {
        return "aliases make the file too large".into();
    }
    let end = [" at line ", " (line "].iter().filter_map(|at| first.find(at)).min();
    let text = first[..end.unwrap_or(first.len())].trim_end_matches(['.', ':', ',']);
    let mut chars = text.chars();
    chars.next().map(|c| c.to_lowercase().chain(chars).collect()).unwrap_or_default()
}

/// A node as the library hands it over.
enum Raw {
    Null,
    Text(String),
    Seq(Vec<Spanned<Raw>>),
    Map(Vec<(Spanned<String>, Spanned<Raw>)>),
}

struct Tree<'a> {
    text: &'a str,
    file: Rc<str>,
    problems: Vec<Problem>,
}

impl Tree<'_> {
    fn place(&self, at: Location) -> Place {
        Place { file: self.file.clone(), line: at.line().max(1), column: at.column().max(1) }
    }

    /// Recursion ends, because the reader limits the depth.
    fn node(&mut self, raw: Spanned<Raw>, path: &Path) -> Node {
        let place = self.place(raw.referenced);
        let value = match raw.value {
            Raw::Null => Value::Null,
            Raw::Text(text) => self.scalar(text, raw.defined),
            Raw::Seq(items) => {
                let items = items.into_iter().enumerate();
                Value::Seq(items.map(|(index, raw)| self.node(raw, &path.index(index))).collect())
            }
            Raw::Map(entries) => Value::Map(self.entries(entries, path)),
        };
        Node::new(place, value)
    }

    fn entries(&mut self, raw: Vec<(Spanned<String>, Spanned<Raw>)>, path: &Path) -> Vec<Entry> {
        let mut lines = BTreeMap::new();
        let mut entries = Vec::with_capacity(raw.len());
        for (key, raw) in raw {
            let (path, place) = (path.key(&key.value), self.place(key.referenced));
            let node = self.node(raw, &path);
            if let Some(line) = lines.insert(key.value.clone(), place.line) {
                let message = format!("duplicate key, it is in line {line} too");
                self.problems.push(Problem { place: place.clone(), path, message });
            }
            entries.push(Entry { key: key.value, place, node });
        }
        entries
    }

    /// A scalar as it is written, because `1.10` may be a version and `0123` a name.
    fn scalar(&self, text: String, at: Location) -> Value {
        let span = at.span();
        let range = span.byte_offset().zip(span.byte_len());
        let written = range
            .and_then(|(start, len)| self.text.get(start as usize..(start + len) as usize))
            .unwrap_or(&text)
            .trim();
        let quoted = written.starts_with(['"', '\'', '|', '>']);
        match quoted || written.contains('\n') || written.is_empty() {
            true => Value::Scalar { text, quoted },
            false => Value::Scalar { text: written.to_owned(), quoted },
        }
    }
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(de: D) -> Result<Self, D::Error> {
        de.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Raw, E> {
        Ok(Raw::Text(value.to_string()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Raw, E> {
        Ok(Raw::Text(value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Raw, E> {
        Ok(Raw::Text(value.to_string()))
    }

    fn visit_i128<E>(self, value: i128) -> Result<Raw, E> {
        Ok(Raw::Text(value.to_string()))
    }

    fn visit_u128<E>(self, value: u128) -> Result<Raw, E> {
        Ok(Raw::Text(value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Raw, E> {
        Ok(Raw::Text(value.to_string()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Raw, E> {
        Ok(Raw::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Raw, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Raw::Seq(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Raw, A::Error> {
        let mut entries = Vec::new();
        while let Some((key, value)) = map.next_entry()? {
            entries.push((key, value));
        }
        Ok(Raw::Map(entries))
    }
}
