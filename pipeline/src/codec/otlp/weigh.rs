//! Whether a request may be kept as it came, without making profiles of it: all that reading it
//! later could refuse is looked at here, or bounded from above. What comes near a limit or is in
//! doubt is read in full instead, which then says what is wrong.

use super::{
    build::{Sample, Source, observed},
    header::Header,
    labels::to_labels,
    tables::Tables,
    values::{self, Budget},
};
use crate::{
    limits::Limits,
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
fn doubt() -> Refused {
    Refused::new(Reason::CountLimit, "near a limit")
}

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
        let Limits { sample_types_max, strings_max, .. } = *source.limits;
        within(group.len(), sample_types_max)?;
        let mut strings = self.strings + 2 * group.len() + 8;
        budget.take(self.bytes + source.extra(group, None).bytes())?;
        budget.take(source.owner.default_type.len())?;
        let (mut sum, mut most) = (Sum::default(), 0);
        for header in group {
            let common = &header.common;
            let texts = [&common.name, &common.drop_frames, &common.keep_frames, &common.doc_url];
            let texts = texts.into_iter().chain(&common.comments);
            budget.take(texts.map(|text| 4 + text.len()).sum())?;
            strings += common.comments.len();
            let before = sum.samples;
            self.samples(source, header, group.len(), &mut sum, budget)?;
            most = most.max(sum.samples - before);
        }
        within(strings, strings_max)?;
        self.weight.profiles += 1;
        self.weight.samples += most as u64;
        Ok(())
    }

    fn samples(
        &mut self,
        source: &Source<'_, '_>,
        header: &Header,
        types: usize,
        sum: &mut Sum,
        budget: &mut Budget,
    ) -> Result<(), Refused> {
        let (tables, limits) = (source.tables, source.limits);
        let mut bytes = 0;
        let mut cursor = tables.cursor(header.span);
        while let Some((field, value)) = cursor.field()? {
            if field != 2 {
                continue;
            }
            let sample = &mut self.sample;
            source.sample(value.message(&cursor)?, sample)?;
            observed(sample)?;
            if !sample.times.is_empty() && types > 1 {
                return Err(doubt());
            }
            let frames = match sample.stack {
                0 => 0,
                stack => tables.stacks.get(stack).len(),
            };
            within(frames.saturating_mul(self.inlined), limits.frames_per_stack_max)?;
            let of = |attribute: &u32| self.labels.get(*attribute as usize).copied().unwrap_or(0);
            let link = if sample.link == 0 { 0 } else { 2 };
            let labels = sample.attributes.iter().map(of).sum::<usize>() + link;
            within(labels, limits.labels_per_sample_max)?;
            sum.samples += 1;
            sum.frames += frames;
            sum.labels += labels;
            bytes += 40 + 4 * (frames + sample.attributes.len()) + 16 * types + 40 * labels;
            bytes += 48 * sample.times.len();
        }
        within(sum.samples, limits.samples_max)?;
        within(sum.frames, limits.frames_max)?;
        within(sum.labels, limits.labels_max)?;
        budget.take(bytes)
    }
}

/// What the profiles of one group hold, those of all types added up.
#[derive(Default)]
struct Sum {
    samples: usize,
    frames: usize,
    labels: usize,
}
