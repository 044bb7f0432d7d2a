//! Several profiles to one, as `go tool pprof` merges files: equal samples are added.

use std::{
    collections::{HashMap, hash_map::Entry},
    hash::Hash,
    sync::Arc,
};

use super::{Builder, Function, Label, LabelValue, Line, Location, Meta, NO_MAPPING, Profile};
use crate::{limits::Limits, reason::Refused};

/// A location by content: itself, and its lines.
type Place = (Location, Vec<Line>);
/// What tells samples apart: frames, leaf first, and labels.
type SampleKey = (Vec<u32>, Vec<Label>);

/// Adds profiles of the same sample types. Tables are joined by content; a sample that several
/// profiles have occurs once, with the sum of its values. The result starts at the earliest time,
/// lasts as long as all together, and has the description of the first profile.
///
/// # Errors
/// Where there is no profile, sample types differ, or the result is over the limits.
pub fn merge(profiles: &[Profile], limits: &Limits) -> anyhow::Result<Profile> {
    let Some(first) = profiles.first() else { anyhow::bail!("there is no profile to merge") };
    let mut merge = Merge {
        builder: Builder::new(limits),
        strings: HashMap::new(),
        mappings: HashMap::new(),
        functions: HashMap::new(),
        places: HashMap::new(),
        rows: HashMap::new(),
        keys: Vec::new(),
        values: Vec::new(),
    };
    let types = described(first);
    for profile in profiles {
        anyhow::ensure!(
            described(profile) == types,
            "profiles of different types cannot be merged: {} and {}",
            types.join(", "),
            described(profile).join(", ")
        );
        merge.add(profile)?;
    }
    Ok(merge.finish(profiles)?)
}

/// The sample types as text, to compare and to name them.
fn described(profile: &Profile) -> Vec<String> {
    let types = profile.meta.sample_types.iter();
    types.map(|t| format!("{}/{}", profile.text(t.kind), profile.text(t.unit))).collect()
}

struct Merge {
    builder: Builder,
    strings: HashMap<String, u32>,
    mappings: HashMap<super::Mapping, u32>,
    functions: HashMap<Function, u32>,
    places: HashMap<Place, u32>,
    rows: HashMap<SampleKey, usize>,
    keys: Vec<SampleKey>,
    values: Vec<Vec<i64>>,
}

/// The index of an entry, which `add` makes where it is new.
fn intern<K: Hash + Eq + Clone>(
    known: &mut HashMap<K, u32>,
    key: K,
    add: impl FnOnce(K) -> Result<u32, Refused>,
) -> Result<u32, Refused> {
    match known.entry(key) {
        Entry::Occupied(entry) => Ok(*entry.get()),
        Entry::Vacant(entry) => {
            let index = add(entry.key().clone())?;
            Ok(*entry.insert(index))
        }
    }
}

impl Merge {
    fn string(&mut self, text: &str) -> Result<u32, Refused> {
        match self.strings.get(text) {
            Some(index) => Ok(*index),
            None => {
                let index = self.builder.string(text)?;
                self.strings.insert(text.to_owned(), index);
                Ok(index)
            }
        }
    }

    fn add(&mut self, profile: &Profile) -> Result<(), Refused> {
        let strings = profile.strings().iter().map(|text| self.string(text));
        let strings: Vec<u32> = strings.collect::<Result<_, _>>()?;
        let at = |index: u32| strings[index as usize];
        let mut mappings = Vec::new();
        for mapping in profile.mappings() {
            let (file, build_id) = (at(mapping.file), at(mapping.build_id));
            let key = super::Mapping { file, build_id, ..*mapping };
            mappings.push(intern(&mut self.mappings, key, |key| self.builder.mapping(key))?);
        }
        let mut functions = Vec::new();
        for f in profile.functions() {
            let (name, system_name, file) = (at(f.name), at(f.system_name), at(f.file));
            let key = Function { name, system_name, file, start_line: f.start_line };
            functions.push(intern(&mut self.functions, key, |key| self.builder.function(key))?);
        }
        let mut locations = Vec::new();
        for (index, location) in profile.locations().iter().enumerate() {
            let mapping = match location.mapping {
                NO_MAPPING => NO_MAPPING,
                mapping => mappings[mapping as usize],
            };
            let lines = profile.lines().get(index as u32).iter();
            let lines = lines.map(|l| Line { function: functions[l.function as usize], ..*l });
            let key = (Location { mapping, ..*location }, lines.collect());
            locations.push(intern(&mut self.places, key, |(location, lines)| {
                lines.into_iter().try_for_each(|line| self.builder.line(line))?;
                self.builder.location(location)
            })?);
        }
        self.samples(profile, &locations, &strings);
        Ok(())
    }

    fn samples(&mut self, profile: &Profile, locations: &[u32], strings: &[u32]) {
        let samples = profile.samples();
        let types = profile.meta.sample_types.len();
        for (row, values) in samples.values.chunks_exact(types).enumerate() {
            let frames = profile.stacks().get(samples.stacks[row]).iter();
            let labels = profile.label_sets().get(samples.label_sets[row]).iter();
            let labels = labels.map(|label| Label {
                key: strings[label.key as usize],
                value: match label.value {
                    LabelValue::Text(text) => LabelValue::Text(strings[text as usize]),
                    LabelValue::Number(n, unit) => LabelValue::Number(n, strings[unit as usize]),
                },
            });
            let key = (frames.map(|f| locations[*f as usize]).collect(), labels.collect());
            let next = self.keys.len();
            match self.rows.entry(key) {
                Entry::Occupied(entry) => {
                    for (sum, value) in self.values[*entry.get()].iter_mut().zip(values) {
                        *sum = sum.saturating_add(*value);
                    }
                }
                Entry::Vacant(entry) => {
                    self.keys.push(entry.key().clone());
                    self.values.push(values.to_vec());
                    entry.insert(next);
                }
            }
        }
    }

    fn finish(mut self, profiles: &[Profile]) -> Result<Profile, Refused> {
        let first = &profiles[0];
        let mut meta = Meta { comments: Vec::new(), ..first.meta.clone() };
        let columns: Vec<usize> = (0..meta.sample_types.len()).collect();
        meta.extra = meta.extra.map(|extra| Arc::new(extra.detached(&columns)));
        for index in [
            &mut meta.period_type.0,
            &mut meta.period_type.1,
            &mut meta.default_type,
            &mut meta.drop_frames,
            &mut meta.keep_frames,
            &mut meta.doc_url,
        ] {
            *index = self.string(first.text(*index))?;
        }
        for sample_type in &mut meta.sample_types {
            sample_type.kind = self.string(first.text(sample_type.kind))?;
            sample_type.unit = self.string(first.text(sample_type.unit))?;
        }
        for profile in profiles {
            for comment in &profile.meta.comments {
                let comment = self.string(profile.text(*comment))?;
                if !meta.comments.contains(&comment) {
                    meta.comments.push(comment);
                }
            }
        }
        let times = profiles.iter().map(|p| p.meta.time_ns).filter(|time| *time != 0);
        meta.time_ns = times.min().unwrap_or(0);
        let durations = profiles.iter().map(|p| p.meta.duration_ns);
        meta.duration_ns = durations.fold(0, i64::saturating_add);
        meta.period = profiles.iter().map(|p| p.meta.period).max().unwrap_or(0);
        for ((frames, labels), values) in self.keys.into_iter().zip(self.values) {
            labels.into_iter().try_for_each(|label| self.builder.label(label))?;
            values.into_iter().for_each(|value| self.builder.value(value));
            self.builder.sample(&frames)?;
        }
        self.builder.finish(meta)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::{SampleType, Temporality};

    /// A profile of `main` and one more function, with a value each.
    fn profile(other: &str, values: [i64; 2], time_ns: i64) -> Profile {
        let mut builder = Builder::new(&Limits::default());
        let [cpu, main, other, key] =
            ["cpu", "main", other, "tier"].map(|text| builder.string(text).expect("fits"));
        for name in [main, other] {
            let function = builder.function(Function { name, ..Function::default() });
            let line = Line { function: function.expect("fits"), line: 1, column: 0 };
            builder.line(line).expect("is there");
            let location = Location { mapping: NO_MAPPING, address: 0, folded: false };
            builder.location(location).expect("fits");
        }
        for (frame, value) in (0..).zip(values) {
            builder.label(Label { key, value: LabelValue::Number(7, key) }).expect("fits");
            builder.value(value);
            builder.sample(&[frame, 0]).expect("is there");
        }
        let sample_types = vec![SampleType { kind: cpu, unit: 0, temporality: Temporality::Delta }];
        let meta = Meta { sample_types, time_ns, duration_ns: 10, ..Meta::default() };
        builder.finish(meta).expect("whole")
    }

    #[test]
    fn equal_samples_are_added() {
        let profiles =
            [profile("a", [1, 2], 50), profile("b", [10, 20], 40), profile("a", [0, 5], 0)];
        let merged = merge(&profiles, &Limits::default()).expect("of one type");
        assert_eq!((merged.len(), &merged.samples().values[..]), (3, &[11, 7, 20][..]));
        assert_eq!((merged.functions().len(), merged.meta.time_ns), (3, 40));
        assert_eq!(merged.meta.duration_ns, 30);
        let again = merge(std::slice::from_ref(&merged), &Limits::default()).expect("of one type");
        assert_eq!(again, merged);
    }

    #[test]
    fn different_types_are_refused() {
        let mut other = profile("a", [1, 2], 50);
        other.meta.sample_types[0].unit = other.meta.sample_types[0].kind;
        let error = merge(&[profile("a", [1, 2], 50), other], &Limits::default()).unwrap_err();
        assert!(error.to_string().contains("cpu/ and cpu/cpu"), "{error}");
        assert!(merge(&[], &Limits::default()).is_err());
    }
}
