//! Copies of a shared dictionary what one profile refers to into its builder, each entry once.
//! Which entries were copied is remembered by generation, so that a request of many small profiles
//! over a large dictionary does not pay for the whole of it each time.

use std::borrow::Cow;

use super::{
    labels::{LinkFinder, Plain, to_labels},
    tables::Tables,
    values::{self, Budget},
};
use crate::{
    profile::{
        Attribute, Builder, Extra, Function, Label, LabelValue, Line, Location, NO_MAPPING, Typed,
        Value, hex,
    },
    reason::Refused,
};

/// The keys of build ids in the order in which they are believed. Go's own holds slashes.
const BUILD_IDS: [&str; 3] = [
    "process.executable.build_id.gnu",
    "process.executable.build_id.go",
    "process.executable.build_id.htlhash",
];
/// What a mapping has, in the order of [`Mapping::has`].
pub const HAS: [&str; 4] = [
    "pprof.mapping.has_functions",
    "pprof.mapping.has_filenames",
    "pprof.mapping.has_line_numbers",
    "pprof.mapping.has_inline_frames",
];
/// Whether identical code was folded.
pub const FOLDED: &str = "pprof.location.is_folded";

/// The key under which a build id goes out: what is hex is the linker's, what has slashes is Go's.
pub fn build_id_key(build_id: &str) -> &'static str {
    if build_id.contains('/') { BUILD_IDS[1] } else { BUILD_IDS[0] }
}

/// Whether a key is one of a build id.
pub fn is_build_id(key: &str) -> bool {
    BUILD_IDS.contains(&key)
}

/// Index and generation of what was copied.
#[derive(Default)]
struct Copied(Vec<(u32, u32)>);

impl Copied {
    fn get(&self, index: u32, generation: u32) -> Option<u32> {
        self.0.get(index as usize).filter(|(made, _)| *made == generation).map(|(_, at)| *at)
    }

    fn set(&mut self, index: u32, generation: u32, at: u32) {
        if let Some(slot) = self.0.get_mut(index as usize) {
            *slot = (generation, at);
        }
    }
}

/// Where entries of the dictionary are in the tables of the profile that is being built.
#[derive(Default)]
pub struct Touched {
    generation: u32,
    strings: Copied,
    mappings: Copied,
    functions: Copied,
    locations: Copied,
    attributes: Copied,
    links: Copied,
    /// The strings `trace_id` and `span_id`.
    link_keys: Option<[u32; 2]>,
    /// Labels of each attribute and each link that was copied.
    labels: Vec<Vec<Label>>,
}

impl Touched {
    /// Forgets the profile before.
    pub fn start(&mut self, tables: &Tables<'_>) {
        self.generation += 1;
        self.labels.clear();
        self.link_keys = None;
        for (copied, len) in [
            (&mut self.strings, tables.strings_len()),
            (&mut self.mappings, tables.mappings.len()),
            (&mut self.functions, tables.functions.len()),
            (&mut self.locations, tables.locations.len()),
            (&mut self.attributes, tables.attributes.len()),
            (&mut self.links, tables.links.len()),
        ] {
            copied.0.resize(len, (0, 0));
        }
    }

    /// A profile in the making.
    pub fn part<'p, 'a>(
        &'p mut self,
        tables: &'p Tables<'a>,
        builder: &'p mut Builder,
        extra: &'p mut Extra,
        budget: &'p mut Budget,
    ) -> Part<'p, 'a> {
        Part { touched: self, tables, builder, extra, budget }
    }
}

/// See [`Touched::part`].
pub struct Part<'p, 'a> {
    touched: &'p mut Touched,
    tables: &'p Tables<'a>,
    builder: &'p mut Builder,
    extra: &'p mut Extra,
    budget: &'p mut Budget,
}

impl Part<'_, '_> {
    /// Adds a text.
    pub fn string(&mut self, text: &str) -> Result<u32, Refused> {
        self.budget.take(4 + text.len())?;
        self.builder.string(text)
    }

    /// Adds a string of the dictionary.
    pub fn dictionary_string(&mut self, index: u32) -> Result<u32, Refused> {
        if index == 0 {
            return Ok(0);
        }
        let generation = self.touched.generation;
        if let Some(at) = self.touched.strings.get(index, generation) {
            return Ok(at);
        }
        let text: Cow<'_, str> = self.tables.text(index);
        let at = self.string(&text)?;
        self.touched.strings.set(index, generation, at);
        Ok(at)
    }

    /// Adds all mappings of these stacks in the order of the dictionary, because the first one is
    /// the main binary.
    pub fn mappings_of(&mut self, stacks: impl Iterator<Item = u32>) -> Result<(), Refused> {
        let mut wanted: Vec<u32> = Vec::new();
        let mut seen = vec![false; self.tables.mappings.len()];
        let mut last = u32::MAX;
        for stack in stacks.filter(|stack| *stack != 0) {
            if std::mem::replace(&mut last, stack) == stack {
                continue;
            }
            for &location in self.tables.stacks.get(stack) {
                let mapping = self.location_of(location).mapping;
                if let Some(seen) = seen.get_mut(mapping as usize)
                    && !std::mem::replace(seen, true)
                {
                    wanted.push(mapping);
                }
            }
        }
        wanted.sort_unstable();
        wanted.into_iter().try_for_each(|mapping| self.mapping(mapping))
    }

    /// Index 0 stands for none also where the table is empty.
    fn location_of(&self, index: u32) -> Location {
        let none = Location { mapping: NO_MAPPING, address: 0, folded: false };
        self.tables.locations.get(index as usize).copied().unwrap_or(none)
    }

    fn mapping(&mut self, index: u32) -> Result<(), Refused> {
        let mut mapping = self.tables.mappings.get(index as usize).copied().unwrap_or_default();
        mapping.file = self.dictionary_string(mapping.file)?;
        let mut others = Vec::new();
        for &attribute in self.tables.mapping_attributes.get(index) {
            others.push(self.attribute(attribute)?);
        }
        let build_id = BUILD_IDS.iter().find_map(|key| {
            let of_key = others.iter().find(|attribute| attribute.key == *key);
            of_key.and_then(|attribute| match &attribute.value {
                Value::Text(text) if !text.is_empty() => Some((*key, text.clone())),
                _ => None,
            })
        });
        if let Some((key, text)) = &build_id {
            mapping.build_id = self.string(text)?;
            if *key == build_id_key(text) {
                others.retain(|attribute| attribute.key != *key);
            }
        }
        others.retain(|attribute| match HAS.iter().position(|key| *key == attribute.key) {
            Some(at) if attribute.value == Value::Bool(true) => {
                mapping.has[at] = true;
                false
            }
            _ => true,
        });
        let at = self.builder.mapping(mapping)?;
        self.extra.mappings.extend(others.into_iter().map(|attribute| (at, attribute)));
        self.touched.mappings.set(index, self.touched.generation, at);
        Ok(())
    }

    fn attribute(&mut self, index: u32) -> Result<Attribute, Refused> {
        let raw = self.tables.attributes.get(index as usize).copied().unwrap_or_default();
        values::attribute(raw, self.tables, self.budget)
    }

    fn function(&mut self, index: u32) -> Result<u32, Refused> {
        let generation = self.touched.generation;
        if let Some(at) = self.touched.functions.get(index, generation) {
            return Ok(at);
        }
        let old = self.tables.functions.get(index as usize).copied().unwrap_or_default();
        let name = self.dictionary_string(old.name)?;
        let system_name = self.dictionary_string(old.system_name)?;
        let file = self.dictionary_string(old.file)?;
        self.budget.take(24)?;
        let at = self.builder.function(Function { name, system_name, file, ..old })?;
        self.touched.functions.set(index, generation, at);
        Ok(at)
    }

    fn location(&mut self, index: u32) -> Result<u32, Refused> {
        let generation = self.touched.generation;
        if let Some(at) = self.touched.locations.get(index, generation) {
            return Ok(at);
        }
        let tables = self.tables;
        let mut location = self.location_of(index);
        if location.mapping != NO_MAPPING {
            let copied = self.touched.mappings.get(location.mapping, generation);
            location.mapping = copied.unwrap_or(NO_MAPPING);
        }
        let lines = if tables.lines.is_empty() { &[][..] } else { tables.lines.get(index) };
        for line in lines {
            let function = self.function(line.function)?;
            self.builder.line(Line { function, ..*line })?;
        }
        let mut others = Vec::new();
        if !tables.location_attributes.is_empty() {
            for &attribute in tables.location_attributes.get(index) {
                let attribute = self.attribute(attribute)?;
                if attribute.key == FOLDED && attribute.value == Value::Bool(true) {
                    location.folded = true;
                } else {
                    others.push(attribute);
                }
            }
        }
        self.budget.take(24 + 24 * lines.len())?;
        let at = self.builder.location(location)?;
        self.extra.locations.extend(others.into_iter().map(|attribute| (at, attribute)));
        self.touched.locations.set(index, generation, at);
        Ok(at)
    }

    /// The locations of a stack, leaf first.
    pub fn frames(&mut self, stack: u32, frames: &mut Vec<u32>) -> Result<(), Refused> {
        frames.clear();
        if stack != 0 {
            let tables = self.tables;
            for &location in tables.stacks.get(stack) {
                frames.push(self.location(location)?);
            }
        }
        Ok(())
    }

    /// Adds the labels of a sample. The ids of a link become labels, unless labels say them.
    pub fn labels(&mut self, attributes: &[u32], link: u32) -> Result<(), Refused> {
        let mut finder = LinkFinder::default();
        for &attribute in attributes {
            let at = self.labels_of(attribute)?;
            for label in &self.touched.labels[at as usize] {
                if let (LabelValue::Text(text), true) = (label.value, link != 0)
                    && self.extra.typed(text).is_none()
                {
                    finder.see(self.builder.text(label.key), self.builder.text(text));
                }
                self.budget.take(16)?;
                self.builder.label(*label)?;
            }
        }
        if link == 0 {
            return Ok(());
        }
        let (trace, span) = self.tables.links.get(link as usize).copied().unwrap_or_default();
        if finder.link() == Some((trace, span)) {
            return Ok(());
        }
        let at = self.labels_of_link(link, [hex(&trace), hex(&span)])?;
        for label in &self.touched.labels[at as usize] {
            self.budget.take(16)?;
            self.builder.label(*label)?;
        }
        Ok(())
    }

    /// Where the labels of a link are, which stand for no attributes.
    fn labels_of_link(&mut self, link: u32, ids: [String; 2]) -> Result<u32, Refused> {
        let generation = self.touched.generation;
        if let Some(at) = self.touched.links.get(link, generation) {
            return Ok(at);
        }
        let keys = match self.touched.link_keys {
            Some(keys) => keys,
            None => [self.string("trace_id")?, self.string("span_id")?],
        };
        self.touched.link_keys = Some(keys);
        let mut labels = Vec::with_capacity(2);
        for (key, id) in keys.into_iter().zip(ids) {
            let text = self.string(&id)?;
            self.extra.texts.push((text, Typed::Link));
            labels.push(Label { key, value: LabelValue::Text(text) });
        }
        let at = self.touched.labels.len() as u32;
        self.touched.labels.push(labels);
        self.touched.links.set(link, generation, at);
        Ok(at)
    }

    /// Where the labels of an attribute are.
    fn labels_of(&mut self, index: u32) -> Result<u32, Refused> {
        let generation = self.touched.generation;
        if let Some(at) = self.touched.attributes.get(index, generation) {
            return Ok(at);
        }
        let Attribute { key, value, unit } = self.attribute(index)?;
        let key = self.string(&key)?;
        let labels = match to_labels(&value, &unit) {
            Some(plain) => {
                let mut labels = Vec::with_capacity(plain.len());
                for label in plain {
                    let value = match label {
                        Plain::Text(text) => LabelValue::Text(self.string(&text)?),
                        Plain::Number(number, unit) => {
                            LabelValue::Number(number, self.string(&unit)?)
                        }
                    };
                    labels.push(Label { key, value });
                }
                labels
            }
            None => {
                // A string of its own, which stands for nothing else; so it must not be empty.
                let text = value.to_string();
                let text = self.string(if text.is_empty() { "\"\"" } else { &text })?;
                self.extra.texts.push((text, Typed::Value(value, unit)));
                vec![Label { key, value: LabelValue::Text(text) }]
            }
        };
        let at = self.touched.labels.len() as u32;
        self.budget.take(24 + 16 * labels.len())?;
        self.touched.labels.push(labels);
        self.touched.attributes.set(index, generation, at);
        Ok(at)
    }

    /// Adds a sample with the labels that were added since the last one.
    pub fn sample(&mut self, frames: &[u32], values: &[i64]) -> Result<(), Refused> {
        self.budget.take(16 + 4 * frames.len() + 8 * values.len())?;
        values.iter().for_each(|value| self.builder.value(*value));
        self.builder.sample(frames)
    }
}
