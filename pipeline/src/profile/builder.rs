//! The only way to make a profile. Every reference and every count is checked as it comes in, so
//! a profile that exists is whole and within its limits.

use super::{
    Function, Label, LabelValue, Line, Lists, Location, Mapping, Meta, NO_MAPPING, Profile,
    Samples, Strings,
};
use crate::{
    limits::Limits,
    reason::{Reason, Refused},
};

/// Collects the tables of one profile, in the order of their dependencies: strings, mappings and
/// functions, locations, then samples. A method refuses what names an entry that is not there yet
/// or is one too many; the builder is then to be dropped.
pub struct Builder {
    limits: Limits,
    strings: Strings,
    mappings: Vec<Mapping>,
    functions: Vec<Function>,
    locations: Vec<Location>,
    lines: Lists<Line>,
    stacks: Lists<u32>,
    label_sets: Lists<Label>,
    samples: Samples,
    /// One above the highest location of the stack that is open.
    frames_end: u32,
    /// Frames of the stack that is open.
    frames_open: usize,
    /// Lines of the location that has most of them.
    lines_most: usize,
}

/// Refuses the entry that would be one too many.
#[inline(always)]
fn below(have: usize, max: usize, what: &str) -> Result<(), Refused> {
    if have < max { Ok(()) } else { Err(too_many(max, what)) }
}

/// Refuses an index that names no entry.
#[inline(always)]
fn known(index: u32, len: usize, what: &str) -> Result<(), Refused> {
    if (index as usize) < len { Ok(()) } else { Err(unknown(index, len, what)) }
}

#[cold]
#[inline(never)]
fn too_many(max: usize, what: &str) -> Refused {
    Refused::new(Reason::CountLimit, format!("more than {max} {what}"))
}

#[cold]
#[inline(never)]
fn unknown(index: u32, len: usize, what: &str) -> Refused {
    Refused::new(Reason::BadReference, format!("{what} {index} of {len} is not there"))
}

#[cold]
#[inline(never)]
fn too_large(max: usize) -> Refused {
    Refused::new(Reason::SizeLimit, format!("more than {max} bytes once it is read"))
}

impl Builder {
    /// An empty profile under these limits.
    pub fn new(limits: &Limits) -> Self {
        let mut label_sets = Lists::default();
        label_sets.close();
        Self {
            limits: *limits,
            strings: Strings::default(),
            mappings: Vec::new(),
            functions: Vec::new(),
            locations: Vec::new(),
            lines: Lists::default(),
            stacks: Lists::default(),
            label_sets,
            samples: Samples::default(),
            frames_end: 0,
            frames_open: 0,
            lines_most: 0,
        }
    }

    /// Refuses what would take more memory than a profile may.
    #[inline(always)]
    fn within(&self, strings: usize) -> Result<(), Refused> {
        let held = strings
            + 4 * (self.stacks.items_len() + self.stacks.len())
            + size_of::<Function>() * self.functions.len()
            + size_of::<Location>() * self.locations.len()
            + size_of::<Line>() * self.lines.items_len()
            + size_of::<Label>() * self.label_sets.items_len()
            + 8 * (self.samples.values.len() + self.samples.stacks.len());
        let max = self.limits.decoded_bytes_max;
        if held <= max { Ok(()) } else { Err(too_large(max)) }
    }

    /// An empty profile in the memory of one that is no longer needed, and the memory of its
    /// strings, for a table that is taken in whole.
    pub fn reuse(profile: Profile, limits: &Limits) -> (Self, (Vec<u8>, Vec<u32>)) {
        let Profile {
            strings,
            mut mappings,
            mut functions,
            mut locations,
            mut lines,
            mut stacks,
            mut label_sets,
            mut samples,
            ..
        } = profile;
        mappings.clear();
        functions.clear();
        locations.clear();
        lines.clear();
        stacks.clear();
        label_sets.clear();
        label_sets.close();
        samples.stacks.clear();
        samples.label_sets.clear();
        samples.values.clear();
        let builder = Self {
            mappings,
            functions,
            locations,
            lines,
            stacks,
            label_sets,
            samples,
            ..Self::new(limits)
        };
        (builder, strings.into_parts())
    }

    /// Makes room for what is about to come.
    pub fn reserve(&mut self, locations: usize, samples: usize) {
        self.locations.reserve(locations);
        self.lines.reserve(locations, locations);
        self.stacks.reserve(samples, samples * 16);
        self.samples.stacks.reserve(samples);
        self.samples.label_sets.reserve(samples);
    }

    /// Takes a whole table of strings, before anything refers to one.
    pub fn strings(&mut self, strings: Strings) -> Result<(), Refused> {
        if strings.len() > self.limits.strings_max {
            let detail = format!("more than {} strings", self.limits.strings_max);
            return Err(Refused::new(Reason::CountLimit, detail));
        }
        debug_assert!(self.strings.len() == 1 && self.functions.is_empty());
        self.strings = strings;
        Ok(())
    }

    /// Adds a string and returns its index; the empty string is always 0.
    pub fn string(&mut self, text: &str) -> Result<u32, Refused> {
        if text.is_empty() {
            return Ok(0);
        }
        below(self.strings.len(), self.limits.strings_max, "strings")?;
        let max = self.limits.string_bytes_max;
        let cut = text.ceil_char_boundary(text.len().saturating_sub(max));
        Ok(self.strings.push(&text[cut..]))
    }

    /// Number of strings so far, the empty one included.
    pub fn strings_len(&self) -> usize {
        self.strings.len()
    }

    /// The index of a string, if it is there.
    pub fn find(&self, text: &str) -> Option<u32> {
        (0..self.strings.len() as u32).find(|index| self.strings.get(*index) == text)
    }

    /// The string with this index, which must be there.
    pub fn text(&self, index: u32) -> &str {
        self.strings.get(index)
    }

    /// Adds a mapping and returns its index.
    pub fn mapping(&mut self, mapping: Mapping) -> Result<u32, Refused> {
        below(self.mappings.len(), self.limits.mappings_max, "mappings")?;
        for index in [mapping.file, mapping.build_id] {
            known(index, self.strings.len(), "string")?;
        }
        self.mappings.push(mapping);
        Ok(self.mappings.len() as u32 - 1)
    }

    /// Adds a function and returns its index.
    #[inline(always)]
    pub fn function(&mut self, function: Function) -> Result<u32, Refused> {
        below(self.functions.len(), self.limits.functions_max, "functions")?;
        let strings = self.strings.len();
        for index in [function.name, function.system_name, function.file] {
            known(index, strings, "string")?;
        }
        self.functions.push(function);
        Ok(self.functions.len() as u32 - 1)
    }

    /// Adds a line to the next location, innermost inlined call first.
    #[inline(always)]
    pub fn line(&mut self, line: Line) -> Result<(), Refused> {
        below(self.lines.open().len(), self.limits.frames_per_stack_max, "lines of a location")?;
        below(self.lines.items_len(), self.limits.frames_max, "lines")?;
        known(line.function, self.functions.len(), "function")?;
        self.lines.push(line);
        Ok(())
    }

    /// Adds a location with the lines added since the last one, and returns its index.
    #[inline(always)]
    pub fn location(&mut self, location: Location) -> Result<u32, Refused> {
        below(self.locations.len(), self.limits.locations_max, "locations")?;
        if location.mapping != NO_MAPPING {
            known(location.mapping, self.mappings.len(), "mapping")?;
        }
        self.within(0)?;
        self.lines_most = self.lines_most.max(self.lines.open().len());
        self.lines.close();
        self.locations.push(location);
        Ok(self.locations.len() as u32 - 1)
    }

    /// Adds a label of the next sample.
    #[inline(always)]
    pub fn label(&mut self, label: Label) -> Result<(), Refused> {
        below(
            self.label_sets.open().len(),
            self.limits.labels_per_sample_max,
            "labels of a sample",
        )?;
        below(self.label_sets.items_len(), self.limits.labels_max, "labels")?;
        let index = match label.value {
            LabelValue::Text(text) => text,
            LabelValue::Number(_, unit) => unit,
        };
        for index in [label.key, index] {
            known(index, self.strings.len(), "string")?;
        }
        self.label_sets.push(label);
        Ok(())
    }

    /// Adds the next value of the next sample.
    #[inline]
    pub fn value(&mut self, value: i64) {
        self.samples.values.push(value);
    }

    /// Number of values so far, of all samples.
    pub fn values_len(&self) -> usize {
        self.samples.values.len()
    }

    /// Adds a frame to the stack of the next sample, leaf first, as the index of its location.
    /// Frames beyond one too many are counted only: the sample will be refused.
    #[inline(always)]
    pub fn frame(&mut self, location: u32) {
        if self.frames_open <= self.limits.frames_per_stack_max {
            self.stacks.push(location);
        }
        self.frames_open += 1;
        self.frames_end = self.frames_end.max(location.saturating_add(1));
    }

    /// Adds up to `count_max` frames to the stack of the next sample, leaf first. `fill` writes
    /// them into the room that it is given, and says how many there are and one above the highest;
    /// those that the room is too small for are counted only: the sample will be refused.
    #[inline(always)]
    pub fn frames(
        &mut self,
        count_max: usize,
        fill: impl FnOnce(&mut [u32]) -> Result<(usize, u32), Refused>,
    ) -> Result<(), Refused> {
        let allowed = (self.limits.frames_per_stack_max + 1).saturating_sub(self.frames_open);
        let (count, end) = self.stacks.extend_open(count_max.min(allowed), fill)?;
        self.frames_open += count;
        self.frames_end = self.frames_end.max(end);
        Ok(())
    }

    /// Adds a sample with its frames; see [`Builder::frame`] and [`Builder::close_sample`].
    pub fn sample(&mut self, frames: &[u32]) -> Result<(), Refused> {
        self.fits(frames.len())?;
        frames.iter().for_each(|frame| self.frame(*frame));
        self.close_sample()
    }

    /// Refuses a stack of too many frames.
    #[inline(always)]
    fn fits(&self, frames: usize) -> Result<(), Refused> {
        let max = self.limits.frames_per_stack_max;
        if frames <= max { Ok(()) } else { Err(too_many(max, "frames in a stack")) }
    }

    /// Refuses a stack that has too many frames once the inlined ones are counted; its locations
    /// are there.
    #[cold]
    fn fits_inlined(&self) -> Result<(), Refused> {
        let lines = |location: &u32| self.lines.get(*location).len().max(1);
        self.fits(self.stacks.open().iter().map(lines).sum())
    }

    /// Ends a sample: the frames, labels and values added since the last one are its own. That it
    /// has as many values as there are types is checked by `finish`, which knows the types.
    #[inline(always)]
    pub fn close_sample(&mut self) -> Result<(), Refused> {
        below(self.samples.stacks.len(), self.limits.samples_max, "samples")?;
        let frames = std::mem::take(&mut self.frames_open);
        self.fits(frames)?;
        if self.stacks.items_len() > self.limits.frames_max {
            return Err(too_many(self.limits.frames_max, "frames in all stacks"));
        }
        if std::mem::take(&mut self.frames_end) as usize > self.locations.len() {
            return Err(Refused::new(Reason::BadReference, "a location of a sample is not there"));
        }
        // Few stacks come near the limit: only those are counted frame by frame.
        if frames * self.lines_most > self.limits.frames_per_stack_max {
            self.fits_inlined()?;
        }
        self.within(self.strings.parts().0.len())?;
        self.samples.stacks.push(self.stacks.close());
        let set = if self.label_sets.open().is_empty() { 0 } else { self.label_sets.close() };
        self.samples.label_sets.push(set);
        Ok(())
    }

    /// Checks what spans tables and gives the profile. Equal neighbouring label sets stay apart.
    pub fn finish(self, meta: Meta) -> Result<Profile, Refused> {
        let types = meta.sample_types.len();
        if types == 0 {
            return Err(Refused::new(Reason::Malformed, "no sample types"));
        }
        if types > self.limits.sample_types_max {
            let detail = format!("more than {} sample types", self.limits.sample_types_max);
            return Err(Refused::new(Reason::CountLimit, detail));
        }
        if self.samples.values.len() != self.samples.stacks.len() * types {
            let detail = format!(
                "{} values in {} samples of {types} types",
                self.samples.values.len(),
                self.samples.stacks.len()
            );
            return Err(Refused::new(Reason::Malformed, detail));
        }
        let fixed = [
            meta.period_type.0,
            meta.period_type.1,
            meta.default_type,
            meta.drop_frames,
            meta.keep_frames,
            meta.doc_url,
        ];
        let typed = meta.sample_types.iter().flat_map(|t| [t.kind, t.unit]);
        for index in typed.chain(fixed).chain(meta.comments.iter().copied()) {
            known(index, self.strings.len(), "string")?;
        }
        Ok(self.into_profile(meta))
    }

    fn into_profile(self, meta: Meta) -> Profile {
        Profile {
            meta,
            strings: self.strings,
            mappings: self.mappings,
            functions: self.functions,
            locations: self.locations,
            lines: self.lines,
            stacks: self.stacks,
            label_sets: self.label_sets,
            samples: self.samples,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::{SampleType, Temporality};

    fn cpu(builder: &mut Builder) -> Meta {
        let (kind, unit) = (builder.string("cpu").unwrap(), builder.string("nanoseconds").unwrap());
        let sample_types = vec![SampleType { kind, unit, temporality: Temporality::Delta }];
        Meta { sample_types, ..Meta::default() }
    }

    #[test]
    fn builds_what_it_was_given() {
        let mut builder = Builder::new(&Limits::default());
        let meta = cpu(&mut builder);
        let name = builder.string("main.work").unwrap();
        let function = builder.function(Function { name, ..Function::default() }).unwrap();
        builder.line(Line { function, line: 7, column: 0 }).unwrap();
        let location = Location { mapping: NO_MAPPING, address: 0, folded: false };
        let location = builder.location(location).unwrap();
        builder.value(10);
        builder.sample(&[location]).unwrap();
        let profile = builder.finish(meta).unwrap();
        let line = profile.lines().get(profile.stacks().get(0)[0])[0];
        let function = profile.functions()[line.function as usize];
        assert_eq!((profile.text(function.name), profile.len()), ("main.work", 1));
        assert_eq!((profile.samples().values.as_slice(), profile.default_type()), (&[10][..], 0));
    }

    #[test]
    fn refuses_what_is_not_there_or_too_much() {
        let limits =
            Limits { samples_max: 1, strings_max: 4, frames_per_stack_max: 0, ..Limits::default() };
        let reason = |result: Result<u32, Refused>| result.unwrap_err().reason;
        let mut builder = Builder::new(&limits);
        let meta = cpu(&mut builder);
        let function = Function { name: 9, ..Function::default() };
        assert_eq!(reason(builder.function(function)), Reason::BadReference);
        let location = Location { mapping: 0, address: 0, folded: false };
        assert_eq!(reason(builder.location(location)), Reason::BadReference);
        let line = Line { function: 0, line: 1, column: 1 };
        assert_eq!(builder.line(line).unwrap_err().reason, Reason::CountLimit);
        builder.string("last").unwrap();
        assert_eq!(reason(builder.string("one too many")), Reason::CountLimit);
        assert_eq!(builder.sample(&[0]).unwrap_err().reason, Reason::CountLimit);
        builder.sample(&[]).unwrap();
        assert_eq!(builder.sample(&[]).unwrap_err().reason, Reason::CountLimit);
        assert_eq!(builder.finish(meta).unwrap_err().reason, Reason::Malformed);
    }

    #[test]
    fn memory_is_bounded_whatever_it_is_spent_on() {
        let limits = Limits { decoded_bytes_max: 10_000, ..Limits::default() };
        let location = Location { mapping: NO_MAPPING, address: 0, folded: false };
        let spend = |what: &str| {
            let mut builder = Builder::new(&limits);
            builder.function(Function::default())?;
            builder.location(location)?;
            for _ in 0..1000 {
                match what {
                    "values" => (0..16).for_each(|_| builder.value(1)),
                    "labels" => (0..16).try_for_each(|_| {
                        builder.label(Label { key: 0, value: LabelValue::Number(1, 0) })
                    })?,
                    "lines" => {
                        let line = Line { function: 0, line: 1, column: 0 };
                        (0..16).try_for_each(|_| builder.line(line))?;
                        builder.location(location)?;
                    }
                    _ => {}
                }
                builder.sample(&[0; 4])?;
            }
            Ok::<_, Refused>(())
        };
        for what in ["values", "labels", "lines", "frames"] {
            assert_eq!(spend(what).unwrap_err().reason, Reason::SizeLimit, "{what}");
        }
    }

    #[test]
    fn long_strings_keep_their_tail() {
        let limits = Limits { string_bytes_max: 4, ..Limits::default() };
        let mut builder = Builder::new(&limits);
        let index = builder.string("päckage.Func").unwrap();
        assert_eq!(builder.text(index), "Func");
    }
}
