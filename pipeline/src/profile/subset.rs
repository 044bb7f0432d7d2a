//! A part of a profile as a profile of its own: some columns, some rows, and of the tables only
//! what these refer to.

use std::sync::Arc;

use super::{
    Builder, Function, Label, LabelValue, Line, Location, Mapping, Meta, NO_MAPPING, Profile,
    SampleType,
};
use crate::{
    limits::Limits,
    reason::{Reason, Refused},
};

const UNKNOWN: u32 = u32::MAX;

/// Makes a profile of the columns `columns` (indexes of sample types). `values` gives the values of
/// a row, one for each of these columns, or `None` to leave the row out. The description stays, but
/// for the sample types.
///
/// # Errors
/// Where the profile is over the limits.
pub fn subset(
    profile: &Profile,
    columns: &[usize],
    limits: &Limits,
    mut values: impl FnMut(usize, &mut [i64]) -> bool,
) -> Result<Profile, Refused> {
    let mut part = Part::new(profile, limits);
    let mut row_values = vec![0; columns.len()];
    let samples = profile.samples();
    for row in 0..profile.len() {
        if !values(row, &mut row_values) {
            continue;
        }
        part.frames.clear();
        for &location in profile.stacks().get(samples.stacks[row]) {
            let location = part.location(location)?;
            part.frames.push(location);
        }
        for label in profile.label_sets().get(samples.label_sets[row]) {
            part.label(label)?;
        }
        row_values.iter().for_each(|value| part.builder.value(*value));
        part.builder.sample(&part.frames)?;
    }
    part.finish(columns)
}

/// A profile with those of its sample types that are named.
///
/// # Errors
/// Where it has none of them, or is over the limits.
pub fn keep_types(
    profile: &Profile,
    names: &[String],
    limits: &Limits,
) -> Result<Profile, Refused> {
    let types = &profile.meta.sample_types;
    let name = |column: &usize| profile.text(types[*column].kind);
    let kept = |column: &usize| names.iter().any(|wanted| wanted == name(column));
    let columns: Vec<usize> = (0..types.len()).filter(kept).collect();
    if columns.is_empty() {
        let there: Vec<_> = (0..types.len()).map(|column| name(&column)).collect();
        let detail = format!("no sample type that is kept, but {}", there.join(", "));
        return Err(Refused::new(Reason::EmptyProfile, detail));
    }
    let all = &profile.samples().values;
    subset(profile, &columns, limits, |row, values| {
        for (value, column) in values.iter_mut().zip(&columns) {
            *value = all[row * types.len() + column];
        }
        values.iter().any(|value| *value != 0)
    })
}

/// A profile in the making, and where entries of the old tables are in the new ones.
struct Part<'p> {
    profile: &'p Profile,
    builder: Builder,
    strings: Vec<u32>,
    mappings: Vec<u32>,
    functions: Vec<u32>,
    locations: Vec<u32>,
    frames: Vec<u32>,
}

impl<'p> Part<'p> {
    fn new(profile: &'p Profile, limits: &Limits) -> Self {
        let unknown = |entries: usize| vec![UNKNOWN; entries];
        Self {
            profile,
            builder: Builder::new(limits),
            strings: unknown(profile.strings().len()),
            mappings: unknown(profile.mappings().len()),
            functions: unknown(profile.functions().len()),
            locations: unknown(profile.locations().len()),
            frames: Vec::new(),
        }
    }

    fn string(&mut self, index: u32) -> Result<u32, Refused> {
        let known = self.strings[index as usize];
        if known != UNKNOWN {
            return Ok(known);
        }
        let made = self.builder.string(self.profile.text(index))?;
        self.strings[index as usize] = made;
        Ok(made)
    }

    /// Mapping 0 is the main binary, so it comes first whatever is asked for first.
    fn mapping(&mut self, index: u32) -> Result<u32, Refused> {
        if index == NO_MAPPING {
            return Ok(NO_MAPPING);
        }
        if index != 0 {
            self.mapping(0)?;
        }
        let known = self.mappings[index as usize];
        if known != UNKNOWN {
            return Ok(known);
        }
        let old = self.profile.mappings()[index as usize];
        let (file, build_id) = (self.string(old.file)?, self.string(old.build_id)?);
        let made = self.builder.mapping(Mapping { file, build_id, ..old })?;
        self.mappings[index as usize] = made;
        Ok(made)
    }

    fn function(&mut self, index: u32) -> Result<u32, Refused> {
        let known = self.functions[index as usize];
        if known != UNKNOWN {
            return Ok(known);
        }
        let Function { name, system_name, file, start_line } =
            self.profile.functions()[index as usize];
        let name = self.string(name)?;
        let system_name = self.string(system_name)?;
        let file = self.string(file)?;
        let made = self.builder.function(Function { name, system_name, file, start_line })?;
        self.functions[index as usize] = made;
        Ok(made)
    }

    fn location(&mut self, index: u32) -> Result<u32, Refused> {
        let known = self.locations[index as usize];
        if known != UNKNOWN {
            return Ok(known);
        }
        let profile = self.profile;
        let old = profile.locations()[index as usize];
        let mapping = self.mapping(old.mapping)?;
        for line in profile.lines().get(index) {
            let function = self.function(line.function)?;
            self.builder.line(Line { function, ..*line })?;
        }
        let made = self.builder.location(Location { mapping, ..old })?;
        self.locations[index as usize] = made;
        Ok(made)
    }

    fn label(&mut self, label: &Label) -> Result<(), Refused> {
        let key = self.string(label.key)?;
        let value = match label.value {
            LabelValue::Text(text) => LabelValue::Text(self.string(text)?),
            LabelValue::Number(number, unit) => LabelValue::Number(number, self.string(unit)?),
        };
        self.builder.label(Label { key, value })
    }

    fn finish(mut self, columns: &[usize]) -> Result<Profile, Refused> {
        let old = &self.profile.meta;
        let mut meta = Meta { sample_types: Vec::new(), comments: Vec::new(), ..old.clone() };
        meta.extra = old.extra.as_ref().map(|extra| Arc::new(extra.detached(columns)));
        for &column in columns {
            let SampleType { kind, unit, temporality } = old.sample_types[column];
            let (kind, unit) = (self.string(kind)?, self.string(unit)?);
            meta.sample_types.push(SampleType { kind, unit, temporality });
        }
        // What is shown first of the whole is said, because the last column may be another here.
        let default = old.sample_types.get(self.profile.default_type());
        let default = default.map_or(0, |sample_type| sample_type.kind);
        for comment in &old.comments {
            let comment = self.string(*comment)?;
            meta.comments.push(comment);
        }
        for index in [
            &mut meta.period_type.0,
            &mut meta.period_type.1,
            &mut meta.drop_frames,
            &mut meta.keep_frames,
            &mut meta.doc_url,
        ] {
            *index = self.string(*index)?;
        }
        meta.default_type = self.string(default)?;
        if !self.mappings.is_empty() {
            self.mapping(0)?; // It names the build also where no row is left.
        }
        self.builder.finish(meta)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::Temporality;

    #[test]
    fn types_that_are_not_named_are_gone() {
        let limits = Limits::default();
        let mut builder = Builder::new(&limits);
        let kinds = ["a", "b", "c"].map(|name| builder.string(name).unwrap());
        let typed = |kind| SampleType { kind, unit: 0, temporality: Temporality::Delta };
        for row in [[1, 2, 3], [4, 0, 0]] {
            row.into_iter().for_each(|value| builder.value(value));
            builder.sample(&[]).unwrap();
        }
        let meta = Meta { sample_types: kinds.map(typed).into(), ..Meta::default() };
        let whole = builder.finish(meta).unwrap();
        let kept = keep_types(&whole, &["c".into(), "b".into(), "x".into()], &limits).unwrap();
        let names: Vec<_> = kept.meta.sample_types.iter().map(|t| kept.text(t.kind)).collect();
        assert_eq!((names, &kept.samples().values[..]), (vec!["b", "c"], &[2, 3][..]));
        let refused = keep_types(&whole, &["x".into()], &limits).unwrap_err();
        assert_eq!(refused.to_string(), "empty_profile: no sample type that is kept, but a, b, c");
    }
}
