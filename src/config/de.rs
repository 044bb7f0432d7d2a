//! Reads typed configs out of a tree. Each error carries the path of its node; the node is then
//! struck out of the tree and reading starts again, so that one run finds all errors.

use std::{fmt, iter::Enumerate, slice};

use serde::{
    Deserialize, Deserializer,
    de::{
        self, DeserializeSeed, MapAccess, SeqAccess, Unexpected, Visitor, value::StrDeserializer,
    },
};

use super::{
    foreign,
    node::{Entry, Node, Path, Step, Value},
    problem::{Problem, suggestion},
};

/// Errors found before reading is given up.
const PROBLEMS_MAX: usize = 100;

/// The name under which serde knows `pipeline::secret::Secret`; a test of `print` holds it.
const SECRET: &str = "Secret";

/// Reads a `T`, or what is left of it when all its errors and the Collector's keys without effect
/// are taken out. `None` if nothing is.
pub(crate) fn read<T: for<'de> Deserialize<'de>>(
    root: &mut Node,
    problems: &mut Vec<Problem>,
    warnings: &mut Vec<Problem>,
) -> Option<T> {
    for _ in 0..PROBLEMS_MAX {
        let error = match T::deserialize(NodeDe(root)) {
            Ok(value) => return Some(value),
            Err(error) => error,
        };
        let mut path = error.path;
        path.0.reverse();
        if error.foreign.is_some_and(|key| pass_over(root, &path, key, warnings)) {
            continue;
        }
        let follows = error.missing.is_some_and(|field| root.is_struck(&path.key(field)));
        if !follows {
            problems.push(match error.unknown {
                true => at_key(root, path.clone(), error.message),
                false => root.problem(path.clone(), error.message),
            });
        }
        if path.0.is_empty() || !root.strike(&path) {
            return None;
        }
    }
    if problems.is_empty() {
        problems.push(root.problem(Path::default(), "there are too many keys without effect"));
    }
    None
}

/// Takes a key of the Collector out where nothing is lost without it. Says whether it did.
fn pass_over(root: &mut Node, path: &Path, key: foreign::Key, warnings: &mut Vec<Problem>) -> bool {
    let says_nothing = root.at_mut(path).is_some_and(|node| node.says_nothing());
    match key {
        _ if says_nothing => {}
        foreign::Key::Ignored(why) => {
            let message = format!("has no effect here: {why}");
            warnings.push(at_key(root, path.clone(), message));
        }
        foreign::Key::Refused(_) => return false,
    }
    root.remove(path)
}

/// A problem whose place is that of the key, not of its value.
fn at_key(root: &Node, path: Path, message: String) -> Problem {
    let place = root.key_place(&path).unwrap_or_else(|| root.place_of(&path));
    Problem { place, path, message }
}

/// What reading found wrong.
#[derive(Debug)]
pub(crate) struct Error {
    /// From the node up to the root.
    path: Path,
    message: String,
    /// The name of a field that is not there.
    missing: Option<&'static str>,
    /// Whether the key is wrong, not its value.
    unknown: bool,
    /// What is known of a key of the Collector.
    foreign: Option<foreign::Key>,
}

impl Error {
    fn below(mut self, step: impl FnOnce() -> Step) -> Self {
        self.path.0.push(step());
        self
    }
}

impl de::Error for Error {
    fn custom<T: fmt::Display>(message: T) -> Self {
        let message = message.to_string();
        Self { path: Path::default(), message, missing: None, unknown: false, foreign: None }
    }

    fn unknown_field(field: &str, known: &'static [&'static str]) -> Self {
        let foreign = foreign::Key::of(field);
        let why = match foreign {
            Some(foreign::Key::Refused(why)) => format!(": {why}"),
            _ => suggestion(field, known),
        };
        let mut error = Self::custom(format!("unknown field{why}"));
        (error.unknown, error.foreign) = (true, foreign);
        error.below(|| Step::Key(field.to_owned()))
    }

    fn unknown_variant(variant: &str, known: &'static [&'static str]) -> Self {
        Self::custom(format!("unknown value `{variant}`{}", suggestion(variant, known)))
    }

    fn missing_field(field: &'static str) -> Self {
        let mut error = Self::custom(format!("`{field}` is missing"));
        error.missing = Some(field);
        error
    }

    fn invalid_type(got: Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::custom(format!("expected {}, found {}", wanted(&expected.to_string()), Found(got)))
    }

    fn invalid_value(got: Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::invalid_type(got, expected)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

/// Names of Rust types in words of a config.
fn wanted(expected: &str) -> &str {
    match expected {
        "u16" => "a whole number from 0 to 65535",
        "u32" | "u64" | "usize" => "a whole number, 0 or more",
        "a boolean" => "true or false",
        "a sequence" => "a list",
        "path string" => "a path",
        _ if expected.starts_with("struct ") => "a map",
        _ => expected,
    }
}

struct Found<'a>(Unexpected<'a>);

impl fmt::Display for Found<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Unexpected::Unit => f.write_str("nothing"),
            Unexpected::Map => f.write_str("a map"),
            Unexpected::Seq => f.write_str("a list"),
            Unexpected::Str(text) => write!(f, "`{text}`"),
            Unexpected::Bool(value) => write!(f, "`{value}`"),
            Unexpected::Unsigned(value) => write!(f, "`{value}`"),
            Unexpected::Signed(value) => write!(f, "`{value}`"),
            Unexpected::Float(value) => write!(f, "`{value}`"),
            other => write!(f, "{other}"),
        }
    }
}

struct NodeDe<'a>(&'a Node);

impl NodeDe<'_> {
    /// Text where text is wanted; a scalar that is a number or a word to YAML counts as well.
    fn text(&self) -> Option<&str> {
        match &self.0.value {
            Value::Scalar { text, .. } => Some(text),
            _ => None,
        }
    }
}

/// Reads numbers out of text, so that they may come from variables and stand in quotes.
macro_rules! numbers {
    ($($method:ident $visit:ident $type:ty,)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            match self.text().map(str::parse::<$type>) {
                Some(Ok(number)) => visitor.$visit(number),
                _ => self.deserialize_any(visitor),
            }
        }
    )*};
}

impl<'de> Deserializer<'de> for NodeDe<'_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match &self.0.value {
            Value::Null | Value::Reported => visitor.visit_unit(),
            Value::Seq(nodes) => visitor.visit_seq(Items(nodes.iter().enumerate())),
            Value::Map(entries) => visitor.visit_map(Entries(entries.iter(), None)),
            Value::Scalar { text, quoted: true } => visitor.visit_str(text),
            Value::Scalar { text, quoted: false } => match text.as_str() {
                "true" | "True" | "TRUE" => visitor.visit_bool(true),
                "false" | "False" | "FALSE" => visitor.visit_bool(false),
                text => match (text.parse(), text.parse(), text.parse::<f64>()) {
                    (Ok(number), _, _) => visitor.visit_u64(number),
                    (_, Ok(number), _) => visitor.visit_i64(number),
                    (_, _, Ok(number)) if text.ends_with(|c: char| c.is_ascii_digit()) => {
                        visitor.visit_f64(number)
                    }
                    _ => visitor.visit_str(text),
                },
            },
        }
    }

    numbers! {
        deserialize_i8 visit_i8 i8,
        deserialize_i16 visit_i16 i16,
        deserialize_i32 visit_i32 i32,
        deserialize_i64 visit_i64 i64,
        deserialize_u8 visit_u8 u8,
        deserialize_u16 visit_u16 u16,
        deserialize_u32 visit_u32 u32,
        deserialize_u64 visit_u64 u64,
        deserialize_f32 visit_f32 f32,
        deserialize_f64 visit_f64 f64,
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.text() {
            Some(text) => visitor.visit_str(text),
            None => self.deserialize_any(visitor),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0.value {
            Value::Null | Value::Reported => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    /// Nothing at all, as in `parquet:`, is an empty list or map where one is wanted.
    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0.value {
            Value::Null => visitor.visit_seq(Items([].iter().enumerate())),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0.value {
            Value::Null => visitor.visit_map(Entries([].iter(), None)),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self.0.value {
            // A derived struct would read a list as its fields in order.
            Value::Seq(_) => Err(de::Error::custom("expected a map, found a list")),
            _ => self.deserialize_map(visitor),
        }
    }

    /// A word counts in any case where its exact form is none: the Collector takes `INFO`, too.
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        known: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self.text() {
            Some(text) if !known.contains(&text) => {
                let lower = text.to_lowercase();
                let word = known.iter().find(|word| **word == lower).copied().unwrap_or(text);
                visitor.visit_enum(StrDeserializer::new(word))
            }
            Some(text) => visitor.visit_enum(StrDeserializer::new(text)),
            None => Err(de::Error::custom("expected a word")),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        if name == SECRET {
            self.0.secret.set(true);
        }
        visitor.visit_newtype_struct(self)
    }

    serde::forward_to_deserialize_any! {
        bool i128 u128 char bytes byte_buf unit unit_struct tuple tuple_struct identifier
        ignored_any
    }
}

/// Items of a list.
struct Items<'a>(Enumerate<slice::Iter<'a, Node>>);

impl<'de> SeqAccess<'de> for Items<'_> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Error> {
        for (index, node) in self.0.by_ref() {
            if !matches!(node.value, Value::Reported) {
                let value = seed.deserialize(NodeDe(node));
                return value.map(Some).map_err(|e| e.below(|| Step::Index(index)));
            }
        }
        Ok(None)
    }
}

/// Entries of a map, and the one whose value is to be read.
struct Entries<'a>(slice::Iter<'a, Entry>, Option<&'a Entry>);

impl<'de> MapAccess<'de> for Entries<'_> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Error> {
        self.1 = self.0.find(|entry| !matches!(entry.node.value, Value::Reported));
        let Some(entry) = self.1 else { return Ok(None) };
        let key = seed.deserialize(StrDeserializer::new(&entry.key));
        key.map(Some).map_err(|mut error: Error| {
            if error.path.0.is_empty() {
                error.unknown = true;
                error = error.below(|| Step::Key(entry.key.clone()));
            }
            error
        })
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        let Some(entry) = self.1 else { return Err(de::Error::custom("a value without a key")) };
        let value = seed.deserialize(NodeDe(&entry.node));
        value.map_err(|error| error.below(|| Step::Key(entry.key.clone())))
    }
}
