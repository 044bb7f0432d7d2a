//! The samples of one profile on their way into a request: what they refer to goes into the
//! dictionary, and each sample type gets a list of its own.

use std::{
    collections::{HashMap, HashSet},
    hash::BuildHasherDefault,
    ops::Range,
};

use super::{
    dictionary::{Dictionary, Hashed},
    encode::put_times,
    labels::{LinkFinder, Plain, to_attribute},
    touched::{FOLDED, HAS, build_id_key, is_build_id},
};
use crate::{
    codec::wire::{flush, put_bytes, put_int, put_varint, varint_len},
    profile::{Attribute, Extra, Label, LabelValue, NO_MAPPING, Profile, Typed, Value, from_hex},
};

const UNKNOWN: u32 = u32::MAX;

/// Where the entries of a profile are in the dictionary.
pub struct Part<'p, 'd> {
    profile: &'p Profile,
    pub dictionary: &'d mut Dictionary,
    strings: Vec<u32>,
    mappings: Vec<u32>,
    functions: Vec<u32>,
    locations: Vec<u32>,
    label_sets: HashMap<&'p [Label], (Vec<u32>, u32)>,
}

/// A sample without its values: its row in the profile, and what identifies it.
pub struct Sample {
    row: usize,
    /// The fields 1 to 3 of the message.
    head: Vec<u8>,
    /// Whether another sample of the profile is identified by the same.
    has_equals: bool,
}

impl<'p, 'd> Part<'p, 'd> {
    /// Nothing of the profile is in the dictionary yet.
    pub fn new(profile: &'p Profile, dictionary: &'d mut Dictionary) -> Self {
        let unknown = |entries: usize| vec![UNKNOWN; entries];
        Self {
            profile,
            dictionary,
            strings: unknown(profile.strings().len()),
            mappings: unknown(profile.mappings().len()),
            functions: unknown(profile.functions().len()),
            locations: unknown(profile.locations().len()),
            label_sets: HashMap::new(),
        }
    }

    /// The samples of these rows.
    pub fn samples(&mut self, rows: Range<usize>) -> Vec<Sample> {
        let samples = self.profile.samples();
        // The main binary comes first, whatever is referred to first, unless nothing refers to it.
        let locations = self.profile.locations();
        let in_main = |frame: &u32| locations[*frame as usize].mapping == 0;
        let stacks = self.profile.stacks();
        if rows.clone().any(|row| stacks.get(samples.stacks[row]).iter().any(in_main)) {
            self.mapping(0);
        }
        let mut out = Vec::with_capacity(rows.len());
        let mut seen: HashSet<u64, BuildHasherDefault<Hashed>> = HashSet::default();
        let mut twice = seen.clone();
        let (mut frames, mut packed) = (Vec::new(), Vec::new());
        for row in rows {
            let profile = self.profile;
            frames.clear();
            for frame in profile.stacks().get(samples.stacks[row]) {
                frames.push(self.location(*frame));
            }
            let stack = self.dictionary.stack(&frames);
            let (attributes, link) = self.labels(samples.label_sets[row]);
            let mut head = Vec::with_capacity(16);
            packed.clear();
            put_int(&mut head, 1, stack.into());
            attributes.iter().for_each(|attribute| put_varint(&mut packed, (*attribute).into()));
            if !packed.is_empty() {
                put_bytes(&mut head, 2, &packed);
            }
            put_int(&mut head, 3, (*link).into());
            let hash = xxhash_rust::xxh3::xxh3_64(&head);
            if !seen.insert(hash) {
                twice.insert(hash);
            }
            out.push(Sample { row, head, has_equals: false });
        }
        if !twice.is_empty() {
            for sample in &mut out {
                sample.has_equals = twice.contains(&xxhash_rust::xxh3::xxh3_64(&sample.head));
            }
        }
        out
    }

    /// Writes the profile of one type: its type, its samples, its times and its period; and gives
    /// the number of samples. A zero is left out where the sample is found by its other types: half
    /// of a heap profile are such zeros.
    pub fn profile(&mut self, column: usize, samples: &[Sample], out: &mut Vec<u8>) -> usize {
        let profile = self.profile;
        let meta = &profile.meta;
        let types = meta.sample_types.len();
        let (kind, unit) = (meta.sample_types[column].kind, meta.sample_types[column].unit);
        let mut message = self.value_type((kind, unit));
        flush(out, 1, &mut message);
        let values = &profile.samples().values;
        let is_needed = |sample: &Sample| {
            let row = &values[sample.row * types..(sample.row + 1) * types];
            let first = column == profile.default_type();
            row[column] != 0 || sample.has_equals || (first && row.iter().all(|value| *value == 0))
        };
        let mut written = 0;
        for sample in samples.iter().filter(|sample| is_needed(sample)) {
            self.sample(sample, column, &mut message);
            flush(out, 2, &mut message);
            written += 1;
        }
        // A type without samples is refused by some, and would be lost to us.
        if let (0, Some(sample)) = (written, samples.first()) {
            self.sample(sample, column, &mut message);
            flush(out, 2, &mut message);
            written = 1;
        }
        put_times(out, profile);
        let mut message = self.value_type(meta.period_type);
        flush(out, 5, &mut message);
        put_int(out, 6, meta.period as u64);
        written
    }

    fn sample(&self, sample: &Sample, column: usize, out: &mut Vec<u8>) {
        let profile = self.profile;
        out.extend_from_slice(&sample.head);
        let timed = profile.meta.extra.as_ref().and_then(|extra| extra.timed.as_ref());
        let row = sample.row as u32;
        let timed = timed.filter(|t| sample.row < t.at.len().min(t.values.len()));
        let (times, values) =
            timed.map_or((&[][..], &[][..]), |t| (t.at.get(row), t.values.get(row)));
        if times.is_empty() {
            let types = profile.meta.sample_types.len();
            let value = profile.samples().values[sample.row * types + column] as u64;
            put_varint(out, 4 << 3 | 2);
            put_varint(out, varint_len(value) as u64);
            return put_varint(out, value);
        }
        let mut packed = Vec::new();
        values.iter().for_each(|value| put_varint(&mut packed, *value as u64));
        if !packed.is_empty() {
            put_bytes(out, 4, &packed);
        }
        let times: Vec<u8> = times.iter().flat_map(|time| time.to_le_bytes()).collect();
        put_bytes(out, 5, &times);
    }

    fn value_type(&mut self, (kind, unit): (u32, u32)) -> Vec<u8> {
        let mut message = Vec::new();
        put_int(&mut message, 1, self.string(kind).into());
        put_int(&mut message, 2, self.string(unit).into());
        message
    }

    fn string(&mut self, index: u32) -> u32 {
        let known = self.strings[index as usize];
        if known != UNKNOWN {
            return known;
        }
        let made = self.dictionary.string(self.profile.text(index));
        self.strings[index as usize] = made;
        made
    }

    fn mapping(&mut self, index: u32) -> u32 {
        let known = self.mappings[index as usize];
        if known != UNKNOWN {
            return known;
        }
        let profile = self.profile;
        let mapping = profile.mappings()[index as usize];
        let others = of_index(self.extra().map(|extra| extra.mappings.as_slice()), index);
        let mut attributes = Vec::new();
        let build_id = profile.text(mapping.build_id);
        let said = others.iter().any(|(_, attribute)| {
            is_build_id(&attribute.key) && attribute.value == Value::text(build_id)
        });
        if !build_id.is_empty() && !said {
            let key = build_id_key(build_id);
            attributes.push(Attribute::new(key, Value::text(build_id)));
        }
        let flags = HAS.into_iter().zip(mapping.has).filter(|(_, has)| *has);
        attributes.extend(flags.map(|(key, _)| Attribute::new(key, Value::Bool(true))));
        attributes.extend(others.iter().map(|(_, attribute)| attribute.clone()));
        let mut message = Vec::new();
        put_int(&mut message, 1, mapping.start);
        put_int(&mut message, 2, mapping.limit);
        put_int(&mut message, 3, mapping.offset);
        put_int(&mut message, 4, self.string(mapping.file).into());
        self.put_attributes(&mut message, 5, &attributes);
        let made = self.dictionary.mapping(&message);
        self.mappings[index as usize] = made;
        made
    }

    fn function(&mut self, index: u32) -> u32 {
        let known = self.functions[index as usize];
        if known != UNKNOWN {
            return known;
        }
        let function = self.profile.functions()[index as usize];
        let mut message = Vec::with_capacity(32);
        for (field, text) in (1..).zip([function.name, function.system_name, function.file]) {
            put_int(&mut message, field, self.string(text).into());
        }
        put_int(&mut message, 4, function.start_line as u64);
        let made = self.dictionary.function(&message);
        self.functions[index as usize] = made;
        made
    }

    fn location(&mut self, index: u32) -> u32 {
        let known = self.locations[index as usize];
        if known != UNKNOWN {
            return known;
        }
        let profile = self.profile;
        let location = profile.locations()[index as usize];
        let (mut message, mut line_message) = (Vec::with_capacity(64), Vec::with_capacity(16));
        if location.mapping != NO_MAPPING {
            put_int(&mut message, 1, self.mapping(location.mapping).into());
        }
        put_int(&mut message, 2, location.address);
        for line in profile.lines().get(index) {
            put_int(&mut line_message, 1, self.function(line.function).into());
            put_int(&mut line_message, 2, line.line as u64);
            put_int(&mut line_message, 3, line.column as u64);
            flush(&mut message, 3, &mut line_message);
        }
        let others = of_index(self.extra().map(|extra| extra.locations.as_slice()), index);
        let mut attributes: Vec<_> = others.iter().map(|(_, a)| a.clone()).collect();
        if location.folded {
            attributes.push(Attribute::new(FOLDED, Value::Bool(true)));
        }
        self.put_attributes(&mut message, 4, &attributes);
        let made = self.dictionary.location(&message);
        self.locations[index as usize] = made;
        made
    }

    fn extra(&self) -> Option<&'p Extra> {
        self.profile.meta.extra.as_deref()
    }

    fn put_attributes(&mut self, out: &mut Vec<u8>, field: u64, attributes: &[Attribute]) {
        let mut packed = Vec::new();
        for attribute in attributes {
            put_varint(&mut packed, self.dictionary.whole_attribute(attribute).into());
        }
        if !packed.is_empty() {
            put_bytes(out, field, &packed);
        }
    }

    /// Attributes and link of a label set.
    fn labels(&mut self, set: u32) -> &(Vec<u32>, u32) {
        let labels = self.profile.label_sets().get(set);
        if !self.label_sets.contains_key(labels) {
            let made = self.make_labels(labels);
            self.label_sets.insert(labels, made);
        }
        &self.label_sets[labels]
    }

    fn make_labels(&mut self, labels: &[Label]) -> (Vec<u32>, u32) {
        let profile = self.profile;
        let extra = self.extra();
        let mut finder = LinkFinder::default();
        let (mut trace, mut span) = (None, None);
        // The labels of each key, in the order of the keys.
        let mut keys: Vec<(u32, Vec<&Label>)> = Vec::new();
        for label in labels {
            let key = profile.text(label.key);
            if let LabelValue::Text(index) = label.value {
                let text = profile.text(index);
                match extra.and_then(|extra| extra.typed(index)) {
                    Some(Typed::Link) => {
                        trace = trace.or_else(|| from_hex(text));
                        span = span.or_else(|| from_hex(text));
                        continue;
                    }
                    Some(Typed::Value(..)) => {}
                    None => finder.see(key, text),
                }
            }
            let key = self.string(label.key);
            match keys.iter_mut().find(|(known, _)| *known == key) {
                Some((_, labels)) => labels.push(label),
                None => keys.push((key, vec![label])),
            }
        }
        let attributes = keys.into_iter().map(|(key, labels)| self.attribute(key, &labels));
        let attributes = attributes.collect();
        let link = match (trace, span) {
            (None, None) => finder.link(),
            (trace, span) => Some((trace.unwrap_or_default(), span.unwrap_or_default())),
        };
        (attributes, link.map_or(0, |link| self.dictionary.link(link)))
    }

    fn attribute(&mut self, key: u32, labels: &[&Label]) -> u32 {
        if let [Label { value: LabelValue::Text(index), .. }] = labels
            && let Some(Typed::Value(value, unit)) =
                self.extra().and_then(|extra| extra.typed(*index))
        {
            return self.dictionary.attribute(key, value, unit);
        }
        let text = |index| self.profile.text(index);
        let plain: Vec<_> = labels.iter().map(|label| Plain::of(label.value, text)).collect();
        let (value, unit) = to_attribute(&plain);
        self.dictionary.attribute(key, &value, &unit)
    }
}

/// The entries of this index in a list that is sorted by it.
fn of_index(list: Option<&[(u32, Attribute)]>, index: u32) -> &[(u32, Attribute)] {
    let list = list.unwrap_or_default();
    let start = list.partition_point(|(at, _)| *at < index);
    let end = list.partition_point(|(at, _)| *at <= index);
    list.get(start..end).unwrap_or_default()
}
