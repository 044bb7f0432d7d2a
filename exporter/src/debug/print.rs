//! Profiles as text for the log.

use std::fmt::Write;

use pipeline::profile::{LabelValue, Profile};

/// Samples of a profile that are written out; the rest is counted.
const SAMPLES_MAX: usize = 100;

/// One line: what, of whom, when, and the total of each type.
pub fn summary(profile: &Profile) -> String {
    let meta = &profile.meta;
    let mut line = format!(
        "{} of {}: time {} ns, duration {} ns, {} samples",
        meta.name,
        meta.resource.service(),
        meta.time_ns,
        meta.duration_ns,
        profile.len()
    );
    for (column, sample_type) in meta.sample_types.iter().enumerate() {
        let values = profile.samples().values.iter().skip(column);
        let total: i128 = values.step_by(meta.sample_types.len()).map(|v| i128::from(*v)).sum();
        let (kind, unit) = (profile.text(sample_type.kind), profile.text(sample_type.unit));
        let temporality = sample_type.temporality.as_str();
        let _ = write!(line, ", {kind} {total} {unit} ({temporality})");
    }
    line
}

/// Resource and samples, a line each; stacks leaf first, as in the profile.
pub fn details(profile: &Profile) -> String {
    let mut text = format!("{} of {}", profile.meta.name, profile.meta.resource.service());
    for (key, value) in profile.meta.resource.iter() {
        let _ = write!(text, "\n  resource {key}={value:?}");
    }
    let samples = profile.samples();
    let types = profile.meta.sample_types.len();
    for (row, values) in samples.values.chunks_exact(types).enumerate().take(SAMPLES_MAX) {
        let _ = write!(text, "\n  {values:?}");
        for label in profile.label_sets().get(samples.label_sets[row]) {
            let key = profile.text(label.key);
            let _ = match label.value {
                LabelValue::Text(value) => write!(text, " {key}={:?}", profile.text(value)),
                LabelValue::Number(value, unit) => {
                    write!(text, " {key}={value}{}", profile.text(unit))
                }
            };
        }
        for &index in profile.stacks().get(samples.stacks[row]) {
            let lines = profile.lines().get(index);
            if lines.is_empty() {
                let name = profile.unsymbolised(profile.locations()[index as usize]);
                let _ = write!(text, "\n    {name}");
            }
            for line in lines {
                let function = profile.functions()[line.function as usize];
                let (name, file) = (profile.text(function.name), profile.text(function.file));
                let _ = write!(text, "\n    {name} {file}:{}", line.line);
            }
        }
    }
    if profile.len() > SAMPLES_MAX {
        let _ = write!(text, "\n  and {} samples more", profile.len() - SAMPLES_MAX);
    }
    text
}

#[cfg(test)]
mod tests {
    use pipeline::{
        limits::Limits,
        profile::{
            Builder, Function, Label, LabelValue, Line, Location, Meta, NO_MAPPING, SampleType,
            Temporality,
        },
    };

    use super::*;

    #[test]
    fn says_what_is_in_a_profile() {
        let mut builder = Builder::new(&Limits::default());
        let [cpu, ns, name, key] = ["cpu", "nanoseconds", "main.work", "tier"]
            .map(|text| builder.string(text).expect("fits"));
        let function = builder.function(Function { name, ..Function::default() }).expect("fits");
        builder.line(Line { function, line: 7, column: 0 }).expect("is there");
        let location = Location { mapping: NO_MAPPING, address: 1, folded: false };
        let frame = builder.location(location).expect("fits");
        for value in [3, 4] {
            builder.label(Label { key, value: LabelValue::Text(name) }).expect("fits");
            builder.value(value);
            builder.sample(&[frame]).expect("is there");
        }
        let temporality = Temporality::Delta;
        let meta = Meta {
            name: "cpu".into(),
            sample_types: vec![SampleType { kind: cpu, unit: ns, temporality }],
            resource: [("service.name", "shop")].into_iter().collect(),
            ..Meta::default()
        };
        let profile = builder.finish(meta).expect("whole");
        assert_eq!(
            summary(&profile),
            "cpu of shop: time 0 ns, duration 0 ns, 2 samples, cpu 7 nanoseconds (delta)"
        );
        assert_eq!(
            details(&profile),
            "cpu of shop\n  resource service.name=\"shop\"\n  [3] tier=\"main.work\"\n    \
             main.work :7\n  [4] tier=\"main.work\"\n    main.work :7"
        );
    }
}
