//! Which entries of the dictionary are referred to, and which are there twice.

use std::collections::HashMap;

use super::{
    Checker,
    read::{Dictionary, Mapping},
    rules::Rule,
};

/// Names of the tables in the order of [`Used`].
const TABLES: [&str; 7] = [
    "mapping_table",
    "location_table",
    "function_table",
    "link_table",
    "string_table",
    "attribute_table",
    "stack_table",
];

/// A table of the dictionary, by its place in [`TABLES`].
#[derive(Clone, Copy)]
pub enum Table {
    Mapping,
    Location,
    Function,
    Link,
    String,
    Attribute,
    Stack,
}

/// For each table, for each entry, whether something refers to it. Entry 0 stands for none.
pub struct Used([Vec<bool>; 7]);

impl Used {
    /// Nothing is referred to yet.
    pub fn of(dictionary: &Dictionary<'_>) -> Self {
        let Dictionary { mappings, locations, functions, links, strings, attributes, stacks } =
            dictionary;
        let lens = [
            mappings.len(),
            locations.len(),
            functions.len(),
            links.len(),
            strings.len(),
            attributes.len(),
            stacks.len(),
        ];
        Self(lens.map(|len| vec![false; len]))
    }

    /// Notes a reference; one that names nothing is none.
    pub fn note(&mut self, table: Table, index: i64) {
        let entry = usize::try_from(index).ok().and_then(|at| self.0[table as usize].get_mut(at));
        if let Some(entry) = entry {
            *entry = true;
        }
    }

    /// The number of entries of a table.
    pub fn len(&self, table: Table) -> usize {
        self.0[table as usize].len()
    }
}

impl Checker {
    /// Every entry but the first must be referred to, once all references are noted.
    pub fn orphans(&mut self, used: &Used) {
        for (table, entries) in TABLES.iter().zip(&used.0) {
            let orphans = entries.iter().enumerate().skip(1).filter(|(_, used)| !**used);
            for (at, _) in orphans {
                let place = format!("{table}[{at}]");
                self.breach(Rule::DictionaryOrphan, place, "nothing refers to it");
            }
        }
    }

    /// Strings and mappings must differ; attributes of a mapping are a set.
    pub fn duplicates(&mut self, dictionary: &Dictionary<'_>) {
        let mut strings = HashMap::new();
        for (at, string) in dictionary.strings.iter().enumerate() {
            let first = *strings.entry(*string).or_insert(at);
            if first != at {
                let reason = format!("the same as string {first}");
                self.breach(Rule::DictionaryDuplicate, format!("string_table[{at}]"), reason);
            }
        }
        let mut mappings = HashMap::new();
        for (at, mapping) in dictionary.mappings.iter().enumerate().skip(1) {
            let mut attributes = mapping.attributes.clone();
            attributes.sort_unstable();
            let Mapping { start, limit, offset, file, .. } = *mapping;
            let key = (start, limit, offset, file, attributes);
            let first = *mappings.entry(key).or_insert(at);
            if first != at {
                let reason = format!("the same as mapping {first}");
                self.breach(Rule::DictionaryDuplicate, format!("mapping_table[{at}]"), reason);
            }
        }
    }
}
