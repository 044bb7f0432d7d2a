//! Folded stacks, `root;…;leaf value`, as agents of interpreters send them: names and nothing else.

use std::collections::{BTreeMap, HashMap};

use xxhash_rust::xxh3::xxh3_128;

use super::{complete::TypeConfig, name::cut};
use crate::{
    limits::Limits,
    profile::{Builder, Function, Line, Location, Meta, NO_MAPPING, Profile, SampleType},
    reason::{Reason, Refused},
};

/// What the values of folded stacks are.
#[derive(Debug, Default)]
pub(super) struct Counted {
    /// The profile that they make.
    profile: String,
    /// Name, unit and factor of each sample type.
    columns: Vec<(String, String, i64)>,
    /// What is to be known of the sample types.
    pub types: BTreeMap<String, TypeConfig>,
    /// Nanoseconds from sample to sample, of CPU profiles.
    period_ns: i64,
}

/// Endings of application names that say what is measured: profile, sample type and unit.
const ENDINGS: [(&str, [&str; 3]); 10] = [
    ("alloc_objects", ["heap", "alloc_objects", "count"]),
    ("alloc_space", ["heap", "alloc_space", "bytes"]),
    ("block_count", ["block", "contentions", "count"]),
    ("block_duration", ["block", "delay", "nanoseconds"]),
    ("cpu", ["cpu", "", ""]),
    ("goroutines", ["goroutine", "goroutine", "count"]),
    ("inuse_objects", ["heap", "inuse_objects", "count"]),
    ("inuse_space", ["heap", "inuse_space", "bytes"]),
    ("mutex_count", ["mutex", "contentions", "count"]),
    ("mutex_duration", ["mutex", "delay", "nanoseconds"]),
];

/// The service and what is counted, by what the query says. The ending of the name belongs to the
/// service where the body is no text.
pub(super) fn counted<'n>(
    name: &'n str,
    units: &str,
    aggregation: &str,
    rate: u32,
    is_text: bool,
) -> (&'n str, Counted) {
    let ending = name.rsplit_once('.').filter(|_| is_text).and_then(|(service, ending)| {
        let known = ENDINGS.iter().find(|(known, _)| *known == ending)?;
        Some((service, known.1))
    });
    let (service, [profile, kind, unit]) = match (ending, units) {
        (Some(known), _) => known,
        (None, "" | "samples") => (name, ["cpu", "", ""]),
        (None, units) => (name, [units, units, units]),
    };
    let columns: Vec<(String, String, i64)> = match kind {
        "" => {
            let period_ns = 1_000_000_000 / i64::from(rate);
            vec![
                ("samples".into(), "count".into(), 1),
                ("cpu".into(), "nanoseconds".into(), period_ns),
            ]
        }
        kind => vec![(kind.into(), unit.into(), 1)],
    };
    let config = TypeConfig { aggregation: aggregation.to_owned(), ..TypeConfig::default() };
    let types = columns.iter().map(|(kind, ..)| (kind.clone(), config.clone())).collect();
    let period_ns = if kind.is_empty() { columns[1].2 } else { 0 };
    (service, Counted { profile: profile.to_owned(), columns, types, period_ns })
}

/// Reads text of folded stacks; `each` counts every line once.
///
/// # Errors
/// Where a line has no number at its end, there is no line, or a limit is reached.
pub(super) fn read(
    body: &[u8],
    counted: &Counted,
    each: bool,
    limits: &Limits,
) -> Result<Profile, Refused> {
    let not_text = |_| Refused::new(Reason::NotPprof, "folded stacks that are no text");
    let text = std::str::from_utf8(body).map_err(not_text)?;
    let mut builder = Builder::new(limits);
    let mut columns = Vec::new();
    for (kind, unit, _) in &counted.columns {
        columns.push((builder.string(kind)?, builder.string(unit)?));
    }
    let mut places: HashMap<&str, u32> = HashMap::new();
    let mut frames = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() {
            continue;
        }
        let (stack, value) = if each { (line, 1) } else { valued(line, number)? };
        frames.clear();
        for name in stack.rsplit(';').filter(|name| !name.is_empty()) {
            if frames.len() > limits.frames_per_stack_max {
                break; // The builder says that there are too many.
            }
            let place = match places.get(name) {
                Some(place) => *place,
                None => *places.entry(name).or_insert(place(&mut builder, name)?),
            };
            frames.push(place);
        }
        for (.., factor) in &counted.columns {
            let product = value.checked_mul(*factor);
            builder.value(product.ok_or_else(|| wrong(number, line))?);
        }
        builder.sample(&frames)?;
    }
    if builder.values_len() == 0 {
        return Err(Refused::new(Reason::EmptyProfile, "no stacks"));
    }
    let sample_types = columns.iter().map(|&(kind, unit)| SampleType {
        kind,
        unit,
        temporality: crate::profile::Temporality::Delta,
    });
    let meta = Meta {
        name: counted.profile.clone(),
        period: counted.period_ns,
        period_type: columns.get(1).copied().unwrap_or_default(),
        sample_types: sample_types.collect(),
        content_hash: xxh3_128(body),
        ..Meta::default()
    };
    builder.finish(meta)
}

/// A function of this name, as a place.
fn place(builder: &mut Builder, name: &str) -> Result<u32, Refused> {
    let name = builder.string(name)?;
    let function = builder.function(Function { name, ..Function::default() })?;
    builder.line(Line { function, line: 0, column: 0 })?;
    builder.location(Location { mapping: NO_MAPPING, address: 0, folded: false })
}

fn valued(line: &str, number: usize) -> Result<(&str, i64), Refused> {
    let (stack, value) = line.rsplit_once([' ', '\t']).ok_or_else(|| wrong(number, line))?;
    let value: u32 = value.parse().map_err(|_| wrong(number, line))?;
    Ok((stack.trim_end(), value.into()))
}

fn wrong(number: usize, line: &str) -> Refused {
    let detail = format!("line {} is `{}`, not a stack and a count", number + 1, cut(line));
    Refused::new(Reason::Malformed, detail)
}
