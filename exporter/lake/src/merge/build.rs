//! Rows of text to the tables of a profile.

use std::collections::HashMap;

use pipeline::{
    limits::Limits,
    profile::{
        Attributes, Builder, Function, Label, LabelValue, Line, Location, Meta, NO_MAPPING,
        Profile, SampleType,
    },
    reason::Refused,
};

use crate::{functions::Details, symbols::JOINED_BYTES_MAX};

use super::{Head, Sample, Table};

/// Functions by name, each with its build.
type ByName = HashMap<String, Vec<(String, Details)>>;

/// Nothing that comes out of the lake is too much: a question's memory was counted before.
const LIMITS: Limits = Limits {
    body_bytes_max: usize::MAX,
    inflated_bytes_max: usize::MAX,
    decoded_bytes_max: usize::MAX,
    samples_max: 1 << 30,
    locations_max: 1 << 30,
    functions_max: 1 << 30,
    mappings_max: 1 << 30,
    strings_max: 1 << 30,
    string_bytes_max: 1 << 30,
    frames_per_stack_max: 1 << 30,
    frames_max: 1 << 30,
    labels_per_sample_max: 1 << 20,
    labels_max: usize::MAX,
    profiles_max: usize::MAX,
    sample_types_max: 1 << 20,
};

/// The profile of a table.
pub(super) fn build(head: &Head, table: &Table, details: &ByName) -> Result<Profile, Refused> {
    let mut maker = Maker {
        builder: Builder::new(&LIMITS),
        strings: HashMap::new(),
        functions: HashMap::new(),
        locations: HashMap::new(),
        details,
    };
    let mut frames = vec![];
    for (sample, values) in table {
        maker.frames(sample, &mut frames)?;
        for (key, value) in &sample.labels {
            match head.label_units.get(key).zip(numbers(value)) {
                Some((unit, numbers)) => {
                    let (key, unit) = (maker.string(key)?, maker.string(unit)?);
                    for number in numbers {
                        let value = LabelValue::Number(number, unit);
                        maker.builder.label(Label { key, value })?;
                    }
                }
                None => {
                    let (key, value) = (maker.string(key)?, maker.string(value)?);
                    let value = LabelValue::Text(value);
                    maker.builder.label(Label { key, value })?;
                }
            }
        }
        values.iter().for_each(|value| maker.builder.value(*value));
        maker.builder.sample(&frames)?;
    }
    let meta = maker.meta(head)?;
    maker.builder.finish(meta)
}

/// The numbers of a label, which the lake joins; `None` where it is text, or so long that the last
/// number may be cut.
fn numbers(text: &str) -> Option<Vec<i64>> {
    let whole = text.len() < JOINED_BYTES_MAX;
    if whole { text.split(',').map(number).collect() } else { None }
}

/// A number as the lake writes it: `007` and `+7` can only be text.
fn number(text: &str) -> Option<i64> {
    text.parse().ok().filter(|number: &i64| number.to_string() == text)
}

struct Maker<'a> {
    builder: Builder,
    strings: HashMap<String, u32>,
    /// By name, system name, file and first line.
    functions: HashMap<(u32, u32, u32, i64), u32>,
    /// By function and line.
    locations: HashMap<(u32, i64), u32>,
    details: &'a ByName,
}

impl Maker<'_> {
    fn string(&mut self, text: &str) -> Result<u32, Refused> {
        if let Some(index) = self.strings.get(text) {
            return Ok(*index);
        }
        let index = self.builder.string(text)?;
        self.strings.insert(text.to_owned(), index);
        Ok(index)
    }

    /// Locations of a sample's stack, leaf first.
    fn frames(&mut self, sample: &Sample, frames: &mut Vec<u32>) -> Result<(), Refused> {
        frames.clear();
        if sample.stack.is_empty() {
            return Ok(());
        }
        let mut lines = sample.lines.split(';');
        let mut files = sample.files.split(';');
        for name in sample.stack.split(';') {
            let line = lines.next().and_then(|line| line.parse().ok()).unwrap_or(0);
            let function = self.function(name, &sample.build_id, files.next().unwrap_or(""))?;
            let location = match self.locations.get(&(function, line)) {
                Some(location) => *location,
                None => {
                    self.builder.line(Line { function, line, column: 0 })?;
                    let location = Location { mapping: NO_MAPPING, address: 0, folded: false };
                    let location = self.builder.location(location)?;
                    self.locations.insert((function, line), location);
                    location
                }
            };
            frames.push(location);
        }
        frames.reverse();
        Ok(())
    }

    /// A function of a build; of several of one name the one in this file.
    fn function(&mut self, name: &str, build_id: &str, file: &str) -> Result<u32, Refused> {
        let all = self.details.get(name).map_or(&[][..], Vec::as_slice);
        let in_file = |d: &&(String, Details)| file.is_empty() || d.1.file == file;
        let best = all.iter().filter(in_file).find(|d| d.0 == build_id);
        let found = best.or_else(|| all.iter().find(in_file)).map(|d| &d.1);
        let unknown = Details { file: file.to_owned(), ..Details::default() };
        let Details { system_name, file, start_line } = found.unwrap_or(&unknown);
        let system_name = if system_name.is_empty() { name } else { system_name };
        let (name, system_name) = (self.string(name)?, self.string(system_name)?);
        let (file, start_line) = (self.string(file)?, *start_line);
        let key = (name, system_name, file, start_line);
        if let Some(function) = self.functions.get(&key) {
            return Ok(*function);
        }
        let function = Function { name, system_name, file, start_line };
        let index = self.builder.function(function)?;
        self.functions.insert(key, index);
        Ok(index)
    }

    fn meta(&mut self, head: &Head) -> Result<Meta, Refused> {
        let mut sample_types = vec![];
        for ((kind, unit), temporality) in head.types.iter().zip(&head.temporalities) {
            let (kind, unit) = (self.string(kind)?, self.string(unit)?);
            sample_types.push(SampleType { kind, unit, temporality: *temporality });
        }
        let comments: Result<Vec<u32>, Refused> =
            head.comments.iter().map(|comment| self.string(comment)).collect();
        let durations = head.windows.values().copied();
        let resource: Attributes = match head.services.first() {
            Some(service) if head.services.len() == 1 => {
                [("service.name", service.as_str())].into_iter().collect()
            }
            _ => Attributes::default(),
        };
        Ok(Meta {
            name: head.name.clone(),
            time_ns: head.time_us.saturating_mul(1_000),
            duration_ns: durations.fold(0, i64::saturating_add),
            period: head.period,
            period_type: (self.string(&head.period_type)?, self.string(&head.period_unit)?),
            default_type: self.string(&head.default_type)?,
            comments: comments?,
            sample_types,
            resource,
            ..Meta::default()
        })
    }
}

#[cfg(test)]
mod tests {
    use pipeline::profile::Temporality;

    use super::*;

    #[test]
    fn numbers_are_what_the_lake_writes_for_numbers() {
        for (text, want) in [
            ("7", Some(vec![7])),
            ("-8,0,9", Some(vec![-8, 0, 9])),
            ("-9223372036854775808", Some(vec![i64::MIN])),
            ("9223372036854775808", None),
            ("", None),
            ("7,", None),
            ("7, 8", None),
            ("a,7", None),
            ("007", None),
            ("+7", None),
            ("-0", None),
        ] {
            assert_eq!(numbers(text), want, "{text}");
        }
        let many = "1,".repeat(JOINED_BYTES_MAX / 2 - 1) + "1";
        assert_eq!(numbers(&many), Some(vec![1; JOINED_BYTES_MAX / 2]));
        assert_eq!(numbers(&(many + "2")), None, "12 may be the start of 123");
    }

    /// Older files have units only, so plain numbers are text there.
    #[test]
    fn keys_without_an_entry_are_of_texts() {
        let label = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        let labels = vec![label("rows", "7"), label("size", "512")];
        let table = Table::from([(Sample { labels, ..Sample::default() }, vec![1])]);
        let head = Head {
            types: vec![label("cpu", "nanoseconds")],
            temporalities: vec![Temporality::Delta],
            label_units: [label("size", "bytes")].into(),
            ..Head::default()
        };
        let profile = build(&head, &table, &ByName::new()).unwrap();
        let [rows, size] = profile.label_sets().get(1) else { panic!("two labels") };
        let text = |label: &Label| match label.value {
            LabelValue::Text(text) => profile.text(text).to_owned(),
            LabelValue::Number(number, unit) => format!("{number} {}", profile.text(unit)),
        };
        assert_eq!((text(rows), text(size)), ("7".to_owned(), "512 bytes".to_owned()));
    }
}
