//! `Profile`: what every component passes on. Our own model, not a wire format, so that a change
//! of pprof or OTLP stays in its codec.
//!
//! Tables of strings, functions, mappings, locations, stacks and label sets, and columns of
//! samples that refer to them by index; the values of all sample types of a sample stand side by
//! side. The tables hold what the source held, in its order: nothing is joined or dropped here.
//! Only [`Builder`] makes a profile, and it checks every reference, so later code relies on them.

mod attributes;
mod builder;
mod delta;
mod extra;
pub mod kind;
mod merge;
mod relabel;
mod subset;
mod table;
mod value;

use std::{fmt, sync::Arc};

pub use attributes::{Attributes, Origin};
pub use builder::Builder;
pub use delta::{Baseline, Delta, delta, split};
pub use extra::{Extra, ResourceExtra, Scope, Timed, TypeExtra, Typed};
pub use kind::Temporality;
pub use merge::merge;
pub use relabel::{SampleLabel, SampleValue, relabel};
pub use subset::keep_types;
pub use table::{Lists, Strings};
pub use value::{Attribute, Value, from_hex, hex};

/// The reference of a location that belongs to no mapping.
pub const NO_MAPPING: u32 = u32::MAX;

/// One immutable profile: one window of one process, with one or more values per sample.
#[derive(Clone, Debug, PartialEq)]
pub struct Profile {
    /// What describes the profile as a whole. A receiver completes it after decoding.
    pub meta: Meta,
    strings: Strings,
    mappings: Vec<Mapping>,
    functions: Vec<Function>,
    locations: Vec<Location>,
    lines: Lists<Line>,
    stacks: Lists<u32>,
    label_sets: Lists<Label>,
    samples: Samples,
}

/// What describes a profile as a whole. String indexes refer to the profile's own table; they are
/// made by the builder, and [`Profile::text`] reads them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Meta {
    /// What was measured: `cpu`, `heap`, `mutex`, `block`, `goroutine`, `threadcreate`, or custom.
    pub name: String,
    /// Start of the window, nanoseconds since 1970; 0 where the source did not say.
    pub time_ns: i64,
    /// Length of the window in nanoseconds; 0 for a snapshot.
    pub duration_ns: i64,
    /// One sample stands for this much of `period_type`; 0 where the source did not say.
    pub period: i64,
    /// Type and unit of `period`, as string indexes.
    pub period_type: (u32, u32),
    /// String index of the sample type to show first; 0: the last one, as in pprof.
    pub default_type: u32,
    /// String indexes of free text comments.
    pub comments: Vec<u32>,
    /// String index of a regular expression: frames to drop, as pprof means it.
    pub drop_frames: u32,
    /// String index of a regular expression: frames to keep although `drop_frames` matches.
    pub keep_frames: u32,
    /// String index of a link to documentation.
    pub doc_url: u32,
    /// One for each value of a sample, in order.
    pub sample_types: Vec<SampleType>,
    /// Who was profiled: `service.name`, `k8s.*` and so on.
    pub resource: Attributes,
    /// How the profile came here; never exported.
    pub origin: Origin,
    /// Hash of the content: equal for equal inflated bytes.
    pub content_hash: u128,
    /// What OTLP says and pprof cannot; none where the profile did not come by it.
    pub extra: Option<Arc<Extra>>,
}

/// One column of values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SampleType {
    /// String index of the name: `cpu`, `alloc_space`.
    pub kind: u32,
    /// String index of the unit as pprof gives it: `nanoseconds`, `bytes`, `count`.
    pub unit: u32,
    /// Whether values add over time.
    pub temporality: Temporality,
}

/// A file that was mapped into the process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Mapping {
    /// First address.
    pub start: u64,
    /// Address behind the last.
    pub limit: u64,
    /// Offset in the file of `start`.
    pub offset: u64,
    /// String index of the path.
    pub file: u32,
    /// String index of the build id.
    pub build_id: u32,
    /// Functions, filenames, line numbers, inline frames: what the source resolved.
    pub has: [bool; 4],
}

/// A function, known by its name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Function {
    /// String index of the name for people.
    pub name: u32,
    /// String index of the name in the binary.
    pub system_name: u32,
    /// String index of the source file.
    pub file: u32,
    /// First line of the function; 0 where unknown.
    pub start_line: i64,
}

/// A place in the program. Its lines, innermost inlined call first, are the list of the same
/// index in [`Profile::lines`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Location {
    /// Index of the mapping, or [`NO_MAPPING`].
    pub mapping: u32,
    /// Instruction address; 0 where unknown.
    pub address: u64,
    /// Whether several places were folded into this one by identical code.
    pub folded: bool,
}

/// A function at a line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Line {
    /// Index of the function.
    pub function: u32,
    /// Line number, 1-based; 0 where unknown.
    pub line: i64,
    /// Column number, 1-based; 0 where unknown.
    pub column: i64,
}

/// One label of a sample. A key may occur more than once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Label {
    /// String index of the key.
    pub key: u32,
    /// The value.
    pub value: LabelValue,
}

/// The value of a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LabelValue {
    /// String index of a text.
    Text(u32),
    /// A number, and the string index of its unit.
    Number(i64, u32),
}

/// Columns of samples. Row `i` has stack `stacks[i]`, label set `label_sets[i]`, and the values
/// `values[i * types .. (i + 1) * types]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Samples {
    /// Index into the stacks, a row each.
    pub stacks: Vec<u32>,
    /// Index into the label sets, a row each; set 0 is empty.
    pub label_sets: Vec<u32>,
    /// Values, as many a row as there are sample types.
    pub values: Vec<i64>,
}

impl Profile {
    /// The string with this index.
    pub fn text(&self, index: u32) -> &str {
        self.strings.get(index)
    }

    /// The table of strings.
    pub fn strings(&self) -> &Strings {
        &self.strings
    }

    /// The table of mappings. Mapping 0 is the main binary.
    pub fn mappings(&self) -> &[Mapping] {
        &self.mappings
    }

    /// The table of functions.
    pub fn functions(&self) -> &[Function] {
        &self.functions
    }

    /// The table of locations.
    pub fn locations(&self) -> &[Location] {
        &self.locations
    }

    /// The lines of each location, innermost inlined call first; empty where not symbolised.
    pub fn lines(&self) -> &Lists<Line> {
        &self.lines
    }

    /// Stacks as lists of location indexes, leaf first.
    pub fn stacks(&self) -> &Lists<u32> {
        &self.stacks
    }

    /// Label sets. Set 0 is empty.
    pub fn label_sets(&self) -> &Lists<Label> {
        &self.label_sets
    }

    /// The columns of samples.
    pub fn samples(&self) -> &Samples {
        &self.samples
    }

    /// Number of samples.
    pub fn len(&self) -> usize {
        self.samples.stacks.len()
    }

    /// Whether there is no sample, which a quiet process gives.
    pub fn is_empty(&self) -> bool {
        self.samples.stacks.is_empty()
    }

    /// Bytes of memory that the profile holds, about.
    pub fn bytes(&self) -> usize {
        let (text, ends) = self.strings.parts();
        text.len()
            + 4 * (ends.len() + self.stacks.items_len() + self.stacks.len())
            + 24 * (self.functions.len() + self.locations.len() + self.lines.items_len())
            + 24 * self.label_sets.items_len()
            + 40 * self.mappings.len()
            + 8 * (self.samples.values.len() + self.samples.stacks.len())
            + self.meta.extra.as_ref().map_or(0, |extra| extra.bytes())
    }

    /// Identity of the profile: equal for the same content, name, service and resource, so that
    /// what arrives twice is known.
    pub fn id(&self) -> ProfileId {
        let mut hash = xxhash_rust::xxh3::Xxh3::new();
        hash.update(&self.meta.content_hash.to_le_bytes());
        hash.update(self.meta.name.as_bytes());
        for (key, value) in self.meta.resource.iter() {
            for part in [key, value] {
                hash.update(&[0]);
                hash.update(part.as_bytes());
            }
        }
        ProfileId(hash.digest128())
    }

    /// Index of the sample type that is shown where none is asked for: the default type of the
    /// profile, else the last one, as in pprof.
    pub fn default_type(&self) -> usize {
        let types = &self.meta.sample_types;
        let wanted = self.text(self.meta.default_type);
        let named = types.iter().position(|t| !wanted.is_empty() && self.text(t.kind) == wanted);
        named.unwrap_or(types.len().saturating_sub(1))
    }

    /// Name of a location without lines: the mapping's file name and the offset in the file, or
    /// the address alone.
    pub fn unsymbolised(&self, location: Location) -> String {
        let mapping = self.mappings.get(location.mapping as usize).copied().unwrap_or_default();
        match self.text(mapping.file).rsplit('/').next().unwrap_or_default() {
            "" => format!("0x{:x}", location.address),
            file => {
                let in_mapping = location.address.wrapping_sub(mapping.start);
                format!("{file}+0x{:x}", in_mapping.wrapping_add(mapping.offset))
            }
        }
    }
}

/// Identity of a profile; 32 hex digits as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProfileId(pub u128);

impl fmt::Display for ProfileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}
