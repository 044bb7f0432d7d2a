//! Maps from ids to components: `exporters: {parquet/x: {…}}`. The type in the key says how the
//! value is read, so that errors below it keep their places.

use std::{collections::BTreeMap, fmt, marker::PhantomData, str::FromStr};

use pipeline::{extension, processor};
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, Error, MapAccess, Visitor},
};

use super::problem::suggestion;

/// `type[/name]`, the id of a component or a pipeline.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ComponentId {
    /// The type, such as `parquet`.
    pub kind: String,
    /// What tells it from others of its type.
    pub name: Option<String>,
}

/// What a map of components can hold.
pub(crate) trait Component: Sized {
    /// What it is to people.
    const WHAT: &'static str;
    /// The types there are.
    const KINDS: &'static [&'static str];

    /// Reads a component of type `kind`, one of `KINDS`.
    fn parse<'de, D: Deserializer<'de>>(kind: &str, de: D) -> Result<Self, D::Error>;
}

impl Component for receiver::Config {
    const WHAT: &'static str = "receiver";
    const KINDS: &'static [&'static str] = receiver::KINDS;

    fn parse<'de, D: Deserializer<'de>>(kind: &str, de: D) -> Result<Self, D::Error> {
        Self::parse(kind, de)
    }
}

impl Component for processor::Config {
    const WHAT: &'static str = "processor";
    const KINDS: &'static [&'static str] = processor::KINDS;

    fn parse<'de, D: Deserializer<'de>>(kind: &str, de: D) -> Result<Self, D::Error> {
        Self::parse(kind, de)
    }
}

impl Component for exporter::Config {
    const WHAT: &'static str = "exporter";
    const KINDS: &'static [&'static str] = exporter::KINDS;

    fn parse<'de, D: Deserializer<'de>>(kind: &str, de: D) -> Result<Self, D::Error> {
        Self::parse(kind, de)
    }
}

impl Component for extension::Config {
    const WHAT: &'static str = "extension";
    const KINDS: &'static [&'static str] = extension::KINDS;

    fn parse<'de, D: Deserializer<'de>>(kind: &str, de: D) -> Result<Self, D::Error> {
        Self::parse(kind, de)
    }
}

/// For `#[serde(deserialize_with = "components")]`.
pub(crate) fn components<'de, D: Deserializer<'de>, T: Component>(
    de: D,
) -> Result<BTreeMap<ComponentId, T>, D::Error> {
    de.deserialize_map(Components(PhantomData))
}

impl ComponentId {
    /// An id without a name.
    pub(crate) fn of(kind: &str) -> Self {
        Self { kind: kind.to_owned(), name: None }
    }
}

impl FromStr for ComponentId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (kind, name) = match text.split_once('/') {
            Some((kind, name)) => (kind, Some(name)),
            None => (text, None),
        };
        // A name becomes the name of a directory.
        let fits = |part: &str| {
            let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
            !part.is_empty()
                && part.len() <= 64
                && !part.starts_with('.')
                && part.chars().all(plain)
        };
        if !fits(kind) || !name.is_none_or(fits) {
            return Err(format!("`{text}` is not an id such as parquet or parquet/name"));
        }
        Ok(Self { kind: kind.to_owned(), name: name.map(str::to_owned) })
    }
}

impl fmt::Display for ComponentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(f, "{}/{name}", self.kind),
            None => f.write_str(&self.kind),
        }
    }
}

impl<'de> Deserialize<'de> for ComponentId {
    fn deserialize<D: Deserializer<'de>>(de: D) -> Result<Self, D::Error> {
        String::deserialize(de)?.parse().map_err(D::Error::custom)
    }
}

struct Components<T>(PhantomData<T>);

struct Key<T>(PhantomData<T>);

struct OfKind<'a, T>(&'a str, PhantomData<T>);

impl<'de, T: Component> Visitor<'de> for Components<T> {
    type Value = BTreeMap<ComponentId, T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a map of {}s", T::WHAT)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut components = BTreeMap::new();
        while let Some(id) = map.next_key_seed(Key::<T>(PhantomData))? {
            let component = map.next_value_seed(OfKind(&id.kind, PhantomData))?;
            components.insert(id, component);
        }
        Ok(components)
    }
}

impl<'de, T: Component> DeserializeSeed<'de> for Key<T> {
    type Value = ComponentId;

    fn deserialize<D: Deserializer<'de>>(self, de: D) -> Result<ComponentId, D::Error> {
        let id = ComponentId::deserialize(de)?;
        if T::KINDS.contains(&id.kind.as_str()) {
            return Ok(id);
        }
        let suggestion = suggestion(&id.kind, T::KINDS);
        Err(D::Error::custom(format!("unknown {} type `{}`{suggestion}", T::WHAT, id.kind)))
    }
}

impl<'de, T: Component> DeserializeSeed<'de> for OfKind<'_, T> {
    type Value = T;

    fn deserialize<D: Deserializer<'de>>(self, de: D) -> Result<T, D::Error> {
        T::parse(self.0, de)
    }
}
