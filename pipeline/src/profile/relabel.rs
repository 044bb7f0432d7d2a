//! A profile with other labels on its samples; everything else stays as it is.

use super::{Builder, Label, LabelValue, Profile};
use crate::{limits::Limits, reason::Refused};

/// A label of a sample in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SampleLabel {
    /// Its key.
    pub key: String,
    /// Its value.
    pub value: SampleValue,
}

/// The value of a label of a sample.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SampleValue {
    /// A text.
    Text(String),
    /// A number and its unit.
    Number(i64, String),
}

/// Gives each label set to `edit`, which changes it and says whether it did; samples without labels
/// have the empty set. `None` where no set changes. Samples that become alike stay apart.
///
/// # Errors
/// Where the profile is over the limits.
pub fn relabel(
    profile: &Profile,
    limits: &Limits,
    mut edit: impl FnMut(&mut Vec<SampleLabel>) -> bool,
) -> Result<Option<Profile>, Refused> {
    let mut changed = false;
    let used = match profile.samples().label_sets.contains(&0) {
        true => 0,
        false => 1, // Nobody has the empty set.
    };
    let mut sets: Vec<Vec<SampleLabel>> = Vec::with_capacity(profile.label_sets().len());
    for index in 0..profile.label_sets().len() {
        let labels = profile.label_sets().get(index as u32);
        let mut set = labels.iter().map(|label| in_words(profile, label)).collect();
        changed |= index >= used && edit(&mut set);
        sets.push(set);
    }
    if !changed {
        return Ok(None);
    }
    let mut builder = copied(profile, limits)?;
    let mut made = Vec::with_capacity(sets.len());
    for set in &sets {
        let labels = set.iter().map(|label| intern(&mut builder, label));
        made.push(labels.collect::<Result<Vec<Label>, Refused>>()?);
    }
    let (samples, types) = (profile.samples(), profile.meta.sample_types.len());
    for row in 0..profile.len() {
        for label in &made[samples.label_sets[row] as usize] {
            builder.label(*label)?;
        }
        for value in &samples.values[row * types..(row + 1) * types] {
            builder.value(*value);
        }
        builder.sample(profile.stacks().get(samples.stacks[row]))?;
    }
    builder.finish(profile.meta.clone()).map(Some)
}

fn in_words(profile: &Profile, label: &Label) -> SampleLabel {
    let text = |index| profile.text(index).to_owned();
    let value = match label.value {
        LabelValue::Text(index) => SampleValue::Text(text(index)),
        LabelValue::Number(number, unit) => SampleValue::Number(number, text(unit)),
    };
    SampleLabel { key: text(label.key), value }
}

fn intern(builder: &mut Builder, label: &SampleLabel) -> Result<Label, Refused> {
    let key = builder.string(&label.key)?;
    let value = match &label.value {
        SampleValue::Text(text) => LabelValue::Text(builder.string(text)?),
        SampleValue::Number(number, unit) => LabelValue::Number(*number, builder.string(unit)?),
    };
    Ok(Label { key, value })
}

/// All tables but samples, each entry where it was.
fn copied(profile: &Profile, limits: &Limits) -> Result<Builder, Refused> {
    let mut builder = Builder::new(limits);
    builder.strings(profile.strings().clone())?;
    for mapping in profile.mappings() {
        builder.mapping(*mapping)?;
    }
    for function in profile.functions() {
        builder.function(*function)?;
    }
    for (index, location) in profile.locations().iter().enumerate() {
        for line in profile.lines().get(index as u32) {
            builder.line(*line)?;
        }
        builder.location(*location)?;
    }
    Ok(builder)
}
