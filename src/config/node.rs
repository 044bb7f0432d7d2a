//! A config as a tree whose nodes know where they stand. Files are merged, variables expanded and
//! errors placed here, so that typed configs need not carry positions.

use std::{cell::Cell, fmt, rc::Rc};

use super::problem::Problem;

/// Where a node stands. Lines and columns start at 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub file: Rc<str>,
    pub line: u64,
    pub column: u64,
}

/// One step from a node to a child.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Key(String),
    Index(usize),
}

/// The way from the root to a node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Path(pub Vec<Step>);

#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub place: Place,
    pub value: Value,
    /// Set when it is read as a secret: it is not to be shown.
    pub secret: Cell<bool>,
}

#[derive(Clone, Debug)]
pub(crate) enum Value {
    Null,
    /// Text as it stands in the file, quotes taken off.
    Scalar {
        text: String,
        quoted: bool,
    },
    Seq(Vec<Node>),
    Map(Vec<Entry>),
    /// Had an error that is reported already: as good as not there.
    Reported,
}

#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub key: String,
    pub place: Place,
    pub node: Node,
}

impl Node {
    /// A node that is no secret as far as is known.
    pub fn new(place: Place, value: Value) -> Self {
        Self { place, value, secret: Cell::new(false) }
    }

    /// Lays `later` over this tree: maps deeply, everything else is replaced.
    pub fn merge(&mut self, later: Node) {
        match (&mut self.value, later.value) {
            (Value::Map(_), Value::Null) => {}
            (Value::Map(entries), Value::Map(others)) => {
                for other in others {
                    match entries.iter_mut().find(|entry| entry.key == other.key) {
                        Some(entry) => {
                            entry.node.merge(other.node);
                            entry.place = other.place;
                        }
                        None => entries.push(other),
                    }
                }
            }
            (_, value) => *self = Node::new(later.place, value),
        }
    }

    /// The entry of a map.
    pub fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries().iter().find(|entry| entry.key == key)
    }

    /// All entries of a map; none of anything else.
    pub fn entries(&self) -> &[Entry] {
        match &self.value {
            Value::Map(entries) => entries,
            _ => &[],
        }
    }

    /// The same, to be changed.
    pub fn entries_mut(&mut self) -> &mut [Entry] {
        match &mut self.value {
            Value::Map(entries) => entries,
            _ => &mut [],
        }
    }

    /// The node at `path`, to be changed.
    pub fn at_mut(&mut self, path: &Path) -> Option<&mut Node> {
        path.0.iter().try_fold(self, |node, step| match (&mut node.value, step) {
            (Value::Map(entries), Step::Key(key)) => {
                entries.iter_mut().find(|e| &e.key == key).map(|entry| &mut entry.node)
            }
            (Value::Seq(nodes), Step::Index(index)) => nodes.get_mut(*index),
            _ => None,
        })
    }

    /// Takes the node at `path` out, because its error is reported. Says whether it was there.
    pub fn strike(&mut self, path: &Path) -> bool {
        let Some(node) = self.at_mut(path) else { return false };
        !matches!(std::mem::replace(&mut node.value, Value::Reported), Value::Reported)
    }

    /// Takes the entry of a map at `path` out as if it had never been there. Says whether it was.
    pub fn remove(&mut self, path: &Path) -> bool {
        let Some((Step::Key(key), parent)) = path.0.split_last() else { return false };
        let Some(parent) = self.at_mut(&Path(parent.to_vec())) else { return false };
        let Value::Map(entries) = &mut parent.value else { return false };
        let before = entries.len();
        entries.retain(|entry| entry.key != *key);
        entries.len() < before
    }

    /// Whether it says no more than that something is off, or is left open.
    pub fn says_nothing(&self) -> bool {
        match &self.value {
            Value::Null => true,
            Value::Scalar { text, .. } => matches!(text.as_str(), "" | "false"),
            Value::Seq(nodes) => nodes.iter().all(Self::says_nothing),
            Value::Map(entries) => entries.iter().all(|entry| entry.node.says_nothing()),
            Value::Reported => false,
        }
    }

    /// Where to point for `path`: at a scalar or an item of a list itself, at the key of anything
    /// larger, and at the nearest parent of what is not there.
    pub fn place_of(&self, path: &Path) -> Place {
        let (mut node, mut place) = (self, self.place.clone());
        for step in &path.0 {
            match (&node.value, step) {
                (Value::Map(_), Step::Key(key)) => match node.entry(key) {
                    Some(entry) => (node, place) = (&entry.node, entry.pointer()),
                    None => break,
                },
                (Value::Seq(nodes), Step::Index(index)) => match nodes.get(*index) {
                    Some(child) => (node, place) = (child, child.place.clone()),
                    None => break,
                },
                _ => break,
            }
        }
        place
    }

    /// Where the key at the end of `path` stands.
    pub fn key_place(&self, path: &Path) -> Option<Place> {
        match self.parent_of(path)? {
            (node, Step::Key(key)) => node.entry(key).map(|entry| entry.place.clone()),
            _ => None,
        }
    }

    /// Whether the value of the key at the end of `path` was struck out.
    pub fn is_struck(&self, path: &Path) -> bool {
        let Some((node, Step::Key(key))) = self.parent_of(path) else { return false };
        node.entry(key).is_some_and(|entry| matches!(entry.node.value, Value::Reported))
    }

    /// Whether anything at or below `path`, or a parent of it, was struck out.
    pub fn has_struck(&self, path: &Path) -> bool {
        let mut node = self;
        for step in &path.0 {
            let child = match (&node.value, step) {
                (Value::Reported, _) => return true,
                (Value::Map(_), Step::Key(key)) => node.entry(key).map(|entry| &entry.node),
                (Value::Seq(nodes), Step::Index(index)) => nodes.get(*index),
                _ => None,
            };
            match child {
                Some(child) => node = child,
                None => return false,
            }
        }
        node.any_struck()
    }

    fn any_struck(&self) -> bool {
        match &self.value {
            Value::Reported => true,
            Value::Map(entries) => entries.iter().any(|entry| entry.node.any_struck()),
            Value::Seq(nodes) => nodes.iter().any(Node::any_struck),
            Value::Null | Value::Scalar { .. } => false,
        }
    }

    fn parent_of<'a>(&self, path: &'a Path) -> Option<(&Self, &'a Step)> {
        let (last, steps) = path.0.split_last()?;
        let parent = steps.iter().try_fold(self, |node, step| match (&node.value, step) {
            (Value::Map(_), Step::Key(key)) => node.entry(key).map(|entry| &entry.node),
            (Value::Seq(nodes), Step::Index(index)) => nodes.get(*index),
            _ => None,
        })?;
        Some((parent, last))
    }

    /// A problem at `path`.
    pub fn problem(&self, path: Path, message: impl Into<String>) -> Problem {
        Problem { place: self.place_of(&path), path, message: message.into() }
    }
}

impl Entry {
    /// Where to point for the value of this entry.
    pub fn pointer(&self) -> Place {
        match self.node.value {
            Value::Scalar { .. } => self.node.place.clone(),
            _ => self.place.clone(),
        }
    }
}

impl Path {
    /// A path of keys.
    pub fn of(keys: &[&str]) -> Self {
        Self(keys.iter().map(|key| Step::Key((*key).to_owned())).collect())
    }

    /// This path with one more key.
    pub fn key(&self, key: &str) -> Self {
        let mut path = self.clone();
        path.0.push(Step::Key(key.to_owned()));
        path
    }

    /// This path with one more index.
    pub fn index(&self, index: usize) -> Self {
        let mut path = self.clone();
        path.0.push(Step::Index(index));
        path
    }

    /// This path with the steps of a field such as `static_configs[0].labels`.
    pub fn field(&self, field: &str) -> Self {
        field.split('.').fold(self.clone(), |path, part| {
            let mut pieces = part.split('[');
            let path = path.key(pieces.next().unwrap_or_default());
            let indices = pieces.filter_map(|piece| piece.trim_end_matches(']').parse().ok());
            indices.fold(path, |path, index| path.index(index))
        })
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, step) in self.0.iter().enumerate() {
            match step {
                Step::Key(key) if position == 0 => f.write_str(key)?,
                Step::Key(key) => write!(f, ".{key}")?,
                Step::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What was said on the command line or could not be read has no lines to point at.
        match self.line == 0 || self.file.starts_with("--") {
            true => f.write_str(&self.file),
            false => write!(f, "{}:{}:{}", self.file, self.line, self.column),
        }
    }
}
