//! A filter on a profile itself, for downloads: what `go tool pprof` would show with its flags.

use regex::Regex;

use super::filter::Filter;
use crate::{
    limits::Limits,
    profile::{Builder, Profile},
    reason::Refused,
};

/// What a filter says of a frame, or of all frames of a location.
#[derive(Clone, Copy, Default)]
struct Verdict {
    focused: bool,
    ignored: bool,
    hidden: bool,
}

/// The profile with the stacks and frames that the filter keeps. Tables keep what nothing refers to
/// any more.
///
/// # Errors
/// Where the profile is over the limits.
pub fn refine(profile: &Profile, filter: &Filter, limits: &Limits) -> Result<Profile, Refused> {
    let mut builder = Builder::new(limits);
    builder.strings(profile.strings().clone())?;
    for mapping in profile.mappings() {
        builder.mapping(*mapping)?;
    }
    let mut functions = Vec::with_capacity(profile.functions().len());
    for function in profile.functions() {
        builder.function(*function)?;
        let name = match function.name {
            0 => function.system_name,
            name => name,
        };
        functions.push(filter.verdict(profile.text(name), profile.text(function.file)));
    }
    let mut locations = Vec::with_capacity(profile.locations().len());
    for (index, location) in profile.locations().iter().enumerate() {
        let lines = profile.lines().get(index as u32);
        let mut verdict = Verdict { hidden: true, ..Verdict::default() };
        for line in lines {
            let of_line = functions[line.function as usize];
            verdict.focused |= of_line.focused;
            verdict.ignored |= of_line.ignored;
            if !of_line.hidden {
                verdict.hidden = false;
                builder.line(*line)?;
            }
        }
        if lines.is_empty() {
            verdict = filter.verdict(&profile.unsymbolised(*location), "");
        }
        builder.location(*location)?;
        locations.push(verdict);
    }
    samples(profile, &locations, &mut builder)?;
    builder.finish(profile.meta.clone())
}

fn samples(profile: &Profile, locations: &[Verdict], builder: &mut Builder) -> Result<(), Refused> {
    let samples = profile.samples();
    let types = profile.meta.sample_types.len();
    let mut left = Vec::new();
    for (row, values) in samples.values.chunks_exact(types).enumerate() {
        let stack = profile.stacks().get(samples.stacks[row]);
        let verdicts = || stack.iter().map(|location| locations[*location as usize]);
        left.clear();
        left.extend(stack.iter().filter(|location| !locations[**location as usize].hidden));
        if left.is_empty() || !verdicts().any(|v| v.focused) || verdicts().any(|v| v.ignored) {
            continue;
        }
        for label in profile.label_sets().get(samples.label_sets[row]) {
            builder.label(*label)?;
        }
        values.iter().for_each(|value| builder.value(*value));
        builder.sample(&left)?;
    }
    Ok(())
}

impl Filter {
    fn verdict(&self, name: &str, file: &str) -> Verdict {
        let matches = |regex: &Regex| regex.is_match(name) || regex.is_match(file);
        Verdict {
            focused: self.focus.as_ref().is_none_or(matches),
            ignored: self.ignore.as_ref().is_some_and(matches),
            hidden: self.hide.as_ref().is_some_and(matches)
                || !self.show.as_ref().is_none_or(matches),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::{Function, Line, Location, Meta, NO_MAPPING, SampleType, Temporality};

    /// Stacks root→leaf of one-letter functions, each with the value 1, 2, 4, …
    fn profile(stacks: &[&str]) -> Profile {
        let mut builder = Builder::new(&Limits::default());
        let kind = builder.string("cpu").expect("fits");
        for letter in 'a'..='e' {
            let name = builder.string(&letter.to_string()).expect("fits");
            let function = builder.function(Function { name, ..Function::default() });
            let line = Line { function: function.expect("fits"), line: 1, column: 0 };
            builder.line(line).expect("is there");
            let location = Location { mapping: NO_MAPPING, address: 0, folded: false };
            builder.location(location).expect("fits");
        }
        for (i, stack) in stacks.iter().enumerate() {
            let frames: Vec<u32> = stack.bytes().rev().map(|b| u32::from(b - b'a')).collect();
            builder.value(1 << i);
            builder.sample(&frames).expect("is there");
        }
        let temporality = Temporality::Delta;
        let sample_types = vec![SampleType { kind, unit: 0, temporality }];
        builder.finish(Meta { sample_types, ..Meta::default() }).expect("whole")
    }

    #[test]
    fn stacks_and_frames_are_kept_as_in_pprof() {
        let whole = profile(&["ab", "abc", "ad", "e"]);
        for ([focus, ignore, hide, show], values, frames) in [
            (["", "", "", ""], vec![1, 2, 4, 8], 8),
            (["b", "", "", ""], vec![1, 2], 5),
            (["", "b", "", ""], vec![4, 8], 3),
            (["a", "c", "", ""], vec![1, 4], 4),
            (["", "", "a|e", ""], vec![1, 2, 4], 4),
            (["", "", "", "b|c"], vec![1, 2], 3),
            (["x", "", "", ""], vec![], 0),
        ] {
            let filter = Filter::new(focus, ignore, hide, show).expect("is right");
            let refined = refine(&whole, &filter, &Limits::default()).expect("fits");
            assert_eq!(refined.samples().values, values, "{focus} {ignore} {hide} {show}");
            assert_eq!(refined.stacks().items_len(), frames, "{focus} {ignore} {hide} {show}");
        }
    }
}
