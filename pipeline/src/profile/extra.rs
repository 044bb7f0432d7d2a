//! What OTLP can say of a profile beyond what pprof can, kept beside the tables so that a profile
//! leaves as it came. Nothing but the OTLP codec looks into it.

use serde::{Deserialize, Serialize};

use super::{Attribute, Lists, Value};

/// Beside a profile that came by OTLP. Lists by index are sorted by it; an index that names nothing
/// is of no effect.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Extra {
    /// Which instrumentation made the profile.
    pub scope: Scope,
    /// Of the resource, what its attributes as text do not say.
    pub resource: ResourceExtra,
    /// What is said of each sample type, in order.
    pub types: Vec<TypeExtra>,
    /// The profile came without a name and temporalities, so that it leaves without them.
    pub unnamed: bool,
    /// The first sample type is the one to show, which no attribute had to say.
    pub first_is_default: bool,
    /// Attributes of mappings, by index.
    pub mappings: Vec<(u32, Attribute)>,
    /// Attributes of locations, by index.
    pub locations: Vec<(u32, Attribute)>,
    /// What texts of labels stand for, by string index.
    pub texts: Vec<(u32, Typed)>,
    /// When samples were taken.
    pub timed: Option<Timed>,
}

/// What the text of a label stands for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Typed {
    /// An id of a link, and no attribute.
    Link,
    /// An attribute of another type, or with a unit.
    Value(Value, String),
}

/// An instrumentation scope.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Scope {
    /// Name of the instrumentation.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its attributes, but for those that the sample types tell.
    pub attributes: Vec<Attribute>,
    /// Attributes that were dropped before.
    pub dropped: u32,
    /// The schema of the attributes.
    pub schema_url: String,
}

/// What a resource has beside attributes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ResourceExtra {
    /// Attributes that are no text. One counts only where the resource still has its text.
    pub typed: Vec<Attribute>,
    /// Attributes that were dropped before.
    pub dropped: u32,
    /// The schema of the attributes.
    pub schema_url: String,
    /// References to entities, as messages of protobuf.
    pub entity_refs: Vec<Vec<u8>>,
}

/// What is said of the profile of one sample type.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TypeExtra {
    /// Its id of 16 bytes; empty where there was none.
    pub id: Vec<u8>,
    /// Attributes that were dropped before.
    pub dropped: u32,
    /// The format of the original.
    pub payload_format: String,
    /// The profile as it was before it became OTLP.
    pub payload: Vec<u8>,
    /// Attributes that the model has no place for.
    pub attributes: Vec<Attribute>,
}

/// When samples were taken: a list a row. Where a row has times, its value in the profile is the
/// sum of its values at these times, or the number of times where there are no such values.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Timed {
    /// Nanoseconds since 1970.
    pub at: Lists<u64>,
    /// A value for each time, or none.
    pub values: Lists<i64>,
}

impl Extra {
    /// What the text with this string index stands for.
    pub fn typed(&self, text: u32) -> Option<&Typed> {
        let at = self.texts.binary_search_by_key(&text, |(index, _)| *index).ok()?;
        Some(&self.texts[at].1)
    }

    /// The part that does not depend on indexes, for a profile with other tables. `columns` are the
    /// sample types that it keeps.
    pub fn detached(&self, columns: &[usize]) -> Self {
        let types = columns.iter().filter_map(|column| self.types.get(*column).cloned());
        Self {
            scope: self.scope.clone(),
            resource: self.resource.clone(),
            // An id names the whole, and the original is the whole.
            types: types
                .map(|t| TypeExtra { attributes: t.attributes, ..TypeExtra::default() })
                .collect(),
            unnamed: self.unnamed,
            ..Self::default()
        }
    }

    /// Bytes of memory that it holds, about.
    pub fn bytes(&self) -> usize {
        let by_index = self.mappings.iter().chain(&self.locations);
        let types = self.types.iter().flat_map(|t| {
            std::iter::once(t.payload.len() + 128).chain(t.attributes.iter().map(Attribute::bytes))
        });
        let texts = self.texts.iter().map(|(_, typed)| match typed {
            Typed::Link => 8,
            Typed::Value(value, unit) => 8 + unit.len() + value.bytes(),
        });
        let listed = self.scope.attributes.iter().chain(&self.resource.typed);
        let timed = self.timed.as_ref().map_or(0, |timed| {
            8 * (timed.at.items_len() + timed.values.items_len())
                + 4 * (timed.at.len() + timed.values.len())
        });
        by_index.map(|(_, attribute)| attribute.bytes()).sum::<usize>()
            + types.sum::<usize>()
            + texts.sum::<usize>()
            + listed.map(Attribute::bytes).sum::<usize>()
            + self.resource.entity_refs.iter().map(|bytes| 24 + bytes.len()).sum::<usize>()
            + timed
            + 256
    }
}
