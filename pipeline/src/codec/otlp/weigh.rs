//! Whether a request may be kept as it came, without making profiles of it: all that reading it
//! later could refuse is looked at here, or bounded from above. What comes near a limit or is in
//! doubt is read in full instead, which then says what is wrong.

use super::{
    build::{Sample, Source, observed},
    header::{Header, Held},
    labels::to_labels,
    tables::{Tables, index},
    values::{self, Budget},
};
use crate::{
    codec::wire::Cursor,
    reason::{Reason, Refused},
};

/// What a request holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Weight {
    /// Profiles that reading it gives.
    pub profiles: u32,
    /// Samples of them, each with all of its types.
    pub samples: u64,
}

/// Adds up what the profiles of a request hold.
pub struct Scale {
    pub weight: Weight,
    sample: Sample,
    /// Labels that each attribute becomes.
    labels: Vec<usize>,
    /// Frames that one location is, at most.
    inlined: usize,
    /// What one profile may copy of the dictionary, at most.
    strings: usize,
    bytes: usize,
}

/// In doubt. Nobody sees it: the request is read in full then.
#[cold]
#[inline(never)]
fn doubt() -> Refused {
    Refused::new(Reason::CountLimit, "near a limit")
}

#[inline(always)]
fn within(count: usize, max: usize) -> Result<(), Refused> {
    if count <= max { Ok(()) } else { Err(doubt()) }
}

impl Scale {
    /// Looks at the dictionary.
    pub fn new(tables: &Tables<'_>, budget: &mut Budget) -> Result<Self, Refused> {
        let texts = tables.text_bytes().ok_or_else(doubt)?;
        let mut scale = Self {
            weight: Weight::default(),
            sample: Sample::default(),
            labels: Vec::with_capacity(tables.attributes.len()),
            inlined: tables.lines.iter().map(<[_]>::len).max().unwrap_or(1).max(1),
            strings: tables.strings_len() + tables.mappings.len() + 2 * tables.links.len() + 2,
            bytes: texts
                + 4 * tables.strings_len()
                + 24 * (tables.functions.len() + tables.locations.len())
                + 24 * tables.lines.items_len()
                + 160 * (tables.links.len() + 1),
        };
        let mut costs = Vec::with_capacity(tables.attributes.len());
        for raw in &tables.attributes {
            let before = budget.left();
            let attribute = values::attribute(*raw, tables, budget)?;
            let cost = before - budget.left();
            let labels = to_labels(&attribute.value, &attribute.unit).map_or(1, |all| all.len());
            // Read, copied as strings, and kept as a value where labels cannot say it.
            scale.bytes += 3 * cost + 64 + 40 * labels;
            scale.strings += 1 + 2 * labels;
            scale.labels.push(labels);
            costs.push(cost);
        }
        let lists = [&tables.mapping_attributes, &tables.location_attributes];
        for attribute in lists.iter().flat_map(|lists| lists.parts().0) {
            scale.bytes += 3 * costs.get(*attribute as usize).ok_or_else(doubt)?;
        }
        Ok(scale)
    }

    /// Adds the profiles of OTLP that belong to one of ours.
    pub fn add(
        &mut self,
        source: &Source<'_, '_>,
        group: &[&Header],
        budget: &mut Budget,
    ) -> Result<(), Refused> {
        let limits = source.limits;
        within(group.len(), limits.sample_types_max)?;
        let mut strings = self.strings + 2 * group.len() + 8;
        budget.take(self.bytes + source.extra(group, None).bytes())?;
        budget.take(source.owner.default_type.len())?;
        let mut sum = Held::default();
        for header in group {
            let common = &header.common;
            let texts = [&common.name, &common.drop_frames, &common.keep_frames, &common.doc_url];
            let texts = texts.into_iter().chain(&common.comments);
            budget.take(texts.map(|text| 4 + text.len()).sum())?;
            strings += common.comments.len();
            let Held { samples, timed, frames, labels, bytes } = header.held;
            within(usize::from(timed) * group.len(), 1)?;
            budget.take(bytes + 16 * group.len() * samples)?;
            sum.samples += samples;
            sum.frames += frames;
            sum.labels += labels;
        }
        within(strings, limits.strings_max)?;
        within(sum.samples, limits.samples_max)?;
        within(sum.frames, limits.frames_max)?;
        within(sum.labels, limits.labels_max)?;
        let most = group.iter().map(|header| header.held.samples).max();
        self.weight.profiles += 1;
        self.weight.samples += most.unwrap_or_default() as u64;
        Ok(())
    }

    /// Looks at a sample of a profile that holds what is before it.
    #[inline(always)]
    pub fn sample(
        &mut self,
        source: &Source<'_, '_>,
        message: Cursor<'_>,
        held: &mut Held,
    ) -> Result<(), Refused> {
        let Source { tables, limits, .. } = *source;
        let seen = match self.plain(tables, message)? {
            Some(seen) => seen,
            None => self.any(source, message)?,
        };
        let frames = if seen.stack == 0 { 0 } else { tables.stacks.get(seen.stack).len() };
        within(frames.saturating_mul(self.inlined), limits.frames_per_stack_max)?;
        within(seen.attributes.max(seen.labels), limits.labels_per_sample_max)?;
        held.samples += 1;
        held.timed |= seen.times > 0;
        held.frames += frames;
        held.labels += seen.labels;
        held.bytes += 40 + 4 * (frames + seen.attributes) + 40 * seen.labels + 48 * seen.times;
        Ok(())
    }

    /// What nearly all samples are: a stack, attributes, and one value. `None` if it is more.
    #[inline(always)]
    fn plain(&self, tables: &Tables<'_>, mut message: Cursor<'_>) -> Result<Option<Seen>, Refused> {
        let mut seen = Seen::default();
        if let Some(stack) = message.int_if(1 << 3)? {
            seen.stack = index(stack);
        }
        if let Some(mut packed) = message.message_if(2 << 3 | 2)? {
            while !packed.is_done() {
                let Some(labels) = self.labels.get(packed.varint()? as usize) else {
                    return Ok(None);
                };
                seen.attributes += 1;
                seen.labels += labels;
            }
            packed.within()?;
        }
        let Some(mut values) = message.message_if(4 << 3 | 2)? else { return Ok(None) };
        values.varint_of_any_length()?;
        let is_one = values.is_done() && values.within().is_ok() && message.is_done();
        let is_there = seen.stack == 0 || (seen.stack as usize) < tables.stacks.len();
        Ok(if is_one && is_there { Some(seen) } else { None })
    }

    #[inline(never)]
    fn any(&mut self, source: &Source<'_, '_>, message: Cursor<'_>) -> Result<Seen, Refused> {
        let sample = &mut self.sample;
        source.sample(message, sample)?;
        observed(sample)?;
        let of = |attribute: &u32| self.labels.get(*attribute as usize).copied().unwrap_or(0);
        let link = if sample.link == 0 { 0 } else { 2 };
        Ok(Seen {
            stack: sample.stack,
            attributes: sample.attributes.len(),
            labels: sample.attributes.iter().map(of).sum::<usize>() + link,
            times: sample.times.len(),
        })
    }
}

/// What is weighed of a sample.
#[derive(Default)]
struct Seen {
    stack: u32,
    attributes: usize,
    labels: usize,
    times: usize,
}
