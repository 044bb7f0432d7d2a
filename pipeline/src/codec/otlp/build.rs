//! Profiles of OTLP that belong together to one of ours: what their samples refer to is copied out
//! of the dictionary, and samples of one identity become one with a value for each type.

use std::{collections::HashMap, sync::Arc};

use super::{
    header::{Common, HELP, Header, old_wire, push_indexes},
    rows::Rows,
    tables::{Tables, index},
    touched::Touched,
    values::Budget,
};
use crate::{
    codec::wire::{Cursor, Value as Field},
    limits::Limits,
    profile::{
        Attributes, Builder, Extra, Meta, Origin, Profile, ResourceExtra, SampleType, Scope, Timed,
        kind,
    },
    reason::{Reason, Refused},
};

/// Times of one sample, and values at them.
const OBSERVATIONS_MAX: usize = 1 << 20;

/// What a resource and a scope say of the profiles below them.
#[derive(Default)]
pub struct Owner {
    pub resource: Attributes,
    pub resource_extra: ResourceExtra,
    pub scope: Scope,
    /// The default sample type that the scope names.
    pub default_type: String,
    /// Whether the scope tells the order of the types.
    pub ordered: bool,
}

/// A sample as it is read.
#[derive(Default)]
pub struct Sample {
    pub stack: u32,
    pub attributes: Vec<u32>,
    pub link: u32,
    pub values: Vec<i64>,
    pub times: Vec<u64>,
}

/// What the builder of a profile needs from outside of it.
pub struct Source<'s, 'a> {
    pub tables: &'s Tables<'a>,
    pub limits: &'s Limits,
    pub owner: &'s Owner,
}

/// Why a group cannot be one profile.
pub enum Failed {
    /// One of its profiles has times, so each is to be built alone.
    Timed,
    Refused(Refused),
}

impl From<Refused> for Failed {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}

impl Source<'_, '_> {
    /// Builds the profile of these types, the first of which stands first in the request.
    pub fn build(
        &self,
        group: &[&Header],
        first: &Header,
        touched: &mut Touched,
        budget: &mut Budget,
    ) -> Result<Profile, Failed> {
        let mut rows = Rows::new(group.len());
        let mut timed = None;
        let mut sample = Sample::default();
        for (column, header) in group.iter().enumerate() {
            let mut cursor = self.tables.cursor(header.span);
            while let Some((field, value)) = cursor.field().map_err(Refused::from)? {
                if field != 2 {
                    continue;
                }
                let message = value.message(&cursor).map_err(Refused::from)?;
                let at = message.span().0 as usize;
                self.sample(message, &mut sample).map_err(|refused| refused.at(at))?;
                if !sample.times.is_empty() && group.len() > 1 {
                    return Err(Failed::Timed);
                }
                let value = observed(&sample).map_err(|refused| refused.at(at))?;
                budget.take(16 + 4 * sample.attributes.len() + 8 * group.len())?;
                rows.add(&sample, column, value);
                if timed.is_some() || !sample.times.is_empty() {
                    let timed = timed.get_or_insert_with(Timed::default);
                    add_times(timed, &sample, rows.len(), budget)?;
                }
            }
        }
        Ok(self.finish(group, first, &rows, timed, touched, budget)?)
    }

    /// Reads a sample, and checks what it refers to.
    pub fn sample(&self, mut message: Cursor<'_>, sample: &mut Sample) -> Result<(), Refused> {
        sample.attributes.clear();
        sample.values.clear();
        sample.times.clear();
        (sample.stack, sample.link) = (0, 0);
        // What writers send, in the order in which they do.
        if let Some(stack) = message.int_if(1 << 3)? {
            sample.stack = index(stack);
        }
        let labels_max = self.limits.labels_per_sample_max;
        if let Some(attributes) = message.message_if(2 << 3 | 2)? {
            push_indexes(Field::Bytes(attributes), &message, &mut sample.attributes, labels_max)?;
        }
        if let Some(mut packed) = message.message_if(4 << 3 | 2)? {
            while !packed.is_done() && sample.values.len() <= OBSERVATIONS_MAX {
                sample.values.push(packed.varint_of_any_length()? as i64);
            }
            packed.within()?;
        }
        while let Some((field, value)) = message.field()? {
            match (field, value) {
                (1, Field::Int(stack)) => sample.stack = index(stack),
                (2, value) => {
                    push_indexes(value, &message, &mut sample.attributes, labels_max)?;
                }
                (3, Field::Int(link)) => sample.link = index(link),
                (4, Field::Bytes(mut packed)) => {
                    while !packed.is_done() && sample.values.len() <= OBSERVATIONS_MAX {
                        sample.values.push(packed.varint()? as i64);
                    }
                    packed.within()?;
                }
                (4, value) => sample.values.push(value.int(&message)? as i64),
                (5, Field::Bytes(mut packed)) => {
                    while !packed.is_done() && sample.times.len() <= OBSERVATIONS_MAX {
                        sample.times.push(packed.fixed64()?);
                    }
                }
                (5, value) => sample.times.push(value.fixed(&message)?),
                // Before v1.10 the attributes were here, and the values where they are now.
                (1 | 3, _) => return Err(old_wire()),
                _ => {}
            }
        }
        if sample.values.len().max(sample.times.len()) > OBSERVATIONS_MAX {
            let detail = format!("more than {OBSERVATIONS_MAX} values in a sample");
            return Err(Refused::new(Reason::CountLimit, detail));
        }
        if sample.values.is_empty() && sample.times.is_empty() && !sample.attributes.is_empty() {
            return Err(old_wire());
        }
        let known = |index: u32, len: usize| index == 0 || (index as usize) < len;
        let broken = |what: &str| {
            let detail = format!("the {what} of a sample is not there");
            Err(Refused::new(Reason::BadReference, detail))
        };
        let attributes = self.tables.attributes.len();
        if !known(sample.stack, self.tables.stacks.len()) {
            broken("stack")
        } else if !known(sample.link, self.tables.links.len()) {
            broken("link")
        } else if sample.attributes.iter().any(|at| *at as usize >= attributes) {
            // They may be the values of an older version.
            let detail = format!("the attribute of a sample is not there; if not, {HELP}");
            Err(Refused::new(Reason::BadReference, detail))
        } else {
            Ok(())
        }
    }

    fn finish(
        &self,
        group: &[&Header],
        first: &Header,
        rows: &Rows,
        timed: Option<Timed>,
        touched: &mut Touched,
        budget: &mut Budget,
    ) -> Result<Profile, Refused> {
        touched.start(self.tables);
        let mut builder = Builder::new(self.limits);
        let mut extra = self.extra(group, timed);
        let mut part = touched.part(self.tables, &mut builder, &mut extra, budget);
        let stacks = rows.iter().map(|row| row.stack);
        part.mappings_of(stacks)?;
        let mut frames = Vec::new();
        for (row, entry) in rows.iter().enumerate() {
            part.frames(entry.stack, &mut frames)?;
            part.labels(entry.attributes, entry.link)?;
            part.sample(&frames, rows.values(row))?;
        }
        let common = &first.common;
        let mut sample_types = Vec::new();
        for header in group {
            let (kind, unit) = header.sample_type;
            let name = self.tables.text(kind);
            let temporality = header.temporality;
            sample_types.push(SampleType {
                kind: part.dictionary_string(kind)?,
                unit: part.dictionary_string(unit)?,
                temporality: temporality
                    .unwrap_or_else(|| kind::temporality(&name, common.duration_ns)),
            });
        }
        let default_type = match self.owner.default_type.as_str() {
            "" if self.owner.ordered || group.len() == 1 => 0,
            "" => part.dictionary_string(first.sample_type.0)?,
            name => part.string(name)?,
        };
        let comments: Result<_, _> = common.comments.iter().map(|c| part.string(c)).collect();
        let meta = Meta {
            name: self.name(common, group, first),
            time_ns: common.time_ns,
            duration_ns: common.duration_ns,
            period: common.period,
            period_type: (
                part.dictionary_string(common.period_type.0)?,
                part.dictionary_string(common.period_type.1)?,
            ),
            default_type,
            comments: comments?,
            drop_frames: part.string(&common.drop_frames)?,
            keep_frames: part.string(&common.keep_frames)?,
            doc_url: part.string(&common.doc_url)?,
            sample_types,
            resource: self.owner.resource.clone(),
            origin: Origin::default(),
            content_hash: 0,
            extra: None,
        };
        extra.texts.sort_by_key(|(index, _)| *index);
        budget.take(extra.bytes())?;
        let mut profile = builder.finish(Meta { extra: Some(Arc::new(extra)), ..meta })?;
        profile.meta.content_hash = content_hash(&profile);
        Ok(profile)
    }

    fn name(&self, common: &Common, group: &[&Header], first: &Header) -> String {
        if !common.name.is_empty() {
            return common.name.clone();
        }
        let names: Vec<_> = group.iter().map(|h| self.tables.text(h.sample_type.0)).collect();
        let names: Vec<&str> = names.iter().map(|name| &**name).collect();
        let fallback = self.tables.text(first.sample_type.0);
        match kind::name(&names, &self.owner.scope.name, &fallback) {
            "" => "unknown".to_owned(),
            name => name.to_owned(),
        }
    }

    pub fn extra(&self, group: &[&Header], timed: Option<Timed>) -> Extra {
        let named =
            |header: &&Header| !header.common.name.is_empty() || header.temporality.is_some();
        Extra {
            scope: self.owner.scope.clone(),
            resource: self.owner.resource_extra.clone(),
            types: group.iter().map(|header| header.extra.clone()).collect(),
            unnamed: !group.iter().any(named),
            first_is_default: self.owner.default_type.is_empty() && !self.owner.ordered,
            timed,
            ..Extra::default()
        }
    }
}

/// Notes the times of the last of so many rows; those before it may have had none.
fn add_times(
    timed: &mut Timed,
    sample: &Sample,
    rows: usize,
    budget: &mut Budget,
) -> Result<(), Refused> {
    budget.take(16 * sample.times.len() + 8)?;
    while timed.at.len() + 1 < rows {
        timed.at.close();
        timed.values.close();
    }
    timed.at.add(&sample.times);
    timed.values.add(if sample.times.is_empty() { &[] } else { &sample.values });
    Ok(())
}

/// What a sample adds to its row.
pub fn observed(sample: &Sample) -> Result<i64, Refused> {
    match (sample.values.len(), sample.times.len()) {
        (0, times) => Ok(times as i64),
        (1, 0) => Ok(sample.values[0]),
        (values, times) if values == times => {
            Ok(sample.values.iter().fold(0, |sum, value| sum.saturating_add(*value)))
        }
        (values, times) => {
            let detail = format!("a sample of {values} values and {times} times");
            Err(Refused::new(Reason::Malformed, detail))
        }
    }
}

/// Equal for profiles that say the same in the same order, also where the rest of their requests
/// differs. An id that came with the profile tells as much.
fn content_hash(profile: &Profile) -> u128 {
    let mut hash = xxhash_rust::xxh3::Xxh3::new();
    let ids = profile.meta.extra.iter().flat_map(|extra| &extra.types).map(|t| &t.id);
    if ids.clone().all(|id| id.len() == 16) {
        ids.for_each(|id| hash.update(id));
        return hash.digest128();
    }
    let (text, ends) = profile.strings().parts();
    hash.update(text.as_bytes());
    for numbers in [ends, profile.stacks().parts().0, profile.stacks().parts().1] {
        hash.update(bytemuck::cast_slice(numbers));
    }
    hash.update(bytemuck::cast_slice(&profile.samples().values));
    let meta = &profile.meta;
    for number in [meta.time_ns, meta.duration_ns, meta.period, profile.len() as i64] {
        hash.update(&number.to_le_bytes());
    }
    hash.digest128()
}

/// For lookups by number, which no sender can make collide on purpose.
pub type ByHash = HashMap<u64, u32>;
