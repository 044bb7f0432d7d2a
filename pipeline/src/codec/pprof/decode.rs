//! Bytes to a profile.

use super::{ids::Ids, scan::Parts, sniff, tables};
use crate::{
    codec::{
        inflate::Inflater,
        wire::{Cursor, Span, Value},
    },
    limits::Limits,
    profile::{Builder, Label, LabelValue, Meta, Profile, SampleType, kind},
    reason::{Reason, Refused},
};

/// Memory that is kept from profile to profile; above it, it is given back.
const KEPT_BYTES_MAX: usize = 8 << 20;

/// Reads profiles, and keeps its buffers from one to the next.
#[derive(Default)]
pub struct Decoder {
    inflater: Inflater,
    parts: Parts,
    mappings: Ids,
    functions: Ids,
    locations: Ids,
    /// A profile that is no longer needed, for its memory.
    spare: Option<Profile>,
    /// Key of a numeric label that nobody wants.
    unwanted: Option<&'static str>,
    /// Strings of the profile at hand that are not as they came.
    repaired: u64,
}

/// Reads one profile; see [`Decoder::decode`].
pub fn decode(body: &[u8], limits: &Limits) -> Result<Profile, Refused> {
    Decoder::default().decode(body, limits)
}

impl Decoder {
    /// A decoder that checks numeric labels of this key and leaves them out. Go's heap profiles
    /// have one on every sample.
    pub fn without(label: &'static str) -> Self {
        Self { unwanted: Some(label), ..Self::default() }
    }

    /// Reads a profile from the body that a process or a file gives: gzip of any number of members,
    /// zstd, or plain protobuf. Name, temporalities and default type follow from the content;
    /// resource and origin are left empty. What `google/pprof` refuses is refused.
    pub fn decode(&mut self, body: &[u8], limits: &Limits) -> Result<Profile, Refused> {
        if body.len() > limits.body_bytes_max {
            let detail = format!("a body of more than {} bytes", limits.body_bytes_max);
            return Err(Refused::new(Reason::SizeLimit, detail));
        }
        let mut inflater = std::mem::take(&mut self.inflater);
        // Offsets are of 32 bits.
        let bytes_max = limits.inflated_bytes_max.min(i32::MAX as usize);
        let profile = inflater.inflate(body, bytes_max).and_then(|(bytes, length)| {
            sniff::refuse_other_formats(&bytes[..length])?;
            self.parse(bytes, length, limits)
                .map_err(|refused| sniff::explain(refused, &bytes[..length]))
        });
        inflater.shrink(KEPT_BYTES_MAX);
        self.inflater = inflater;
        profile
    }

    /// How many strings of the last profile were no UTF-8, or too long.
    pub fn repaired(&self) -> u64 {
        self.repaired
    }

    /// Takes a profile back that is no longer needed: the next one is built in its memory.
    pub fn recycle(&mut self, profile: Profile) {
        self.spare = Some(profile).filter(|profile| profile.bytes() <= KEPT_BYTES_MAX);
    }

    fn parse(&mut self, bytes: &[u8], length: usize, limits: &Limits) -> Result<Profile, Refused> {
        let mut parts = std::mem::take(&mut self.parts);
        let scanned = parts.scan(bytes, length, limits);
        let profile = scanned.and_then(|()| self.build(bytes, &parts, limits));
        self.parts = parts;
        let mut profile = profile?;
        profile.meta.content_hash = xxhash_rust::xxh3::xxh3_128(&bytes[..length]);
        Ok(profile)
    }

    fn build(&mut self, bytes: &[u8], parts: &Parts, limits: &Limits) -> Result<Profile, Refused> {
        let (mut builder, memory) = match self.spare.take() {
            Some(profile) => Builder::reuse(profile, limits),
            None => (Builder::new(limits), Default::default()),
        };
        let (strings, repaired) = tables::strings(bytes, &parts.strings, limits, memory)?;
        builder.strings(strings)?;
        self.repaired = repaired;
        builder.reserve(parts.locations.len(), parts.samples.len());
        let Self { mappings, functions, locations, .. } = self;
        mappings.reset(parts.mappings.len());
        functions.reset(parts.functions.len());
        locations.reset(parts.locations.len());
        for &span in &parts.mappings {
            tables::mapping(Cursor::new(bytes, span), &mut builder, mappings).map_err(at(span))?;
        }
        for &span in &parts.functions {
            tables::function(Cursor::new(bytes, span), &mut builder, functions)
                .map_err(at(span))?;
        }
        for &span in &parts.locations {
            let ids = [&mut *mappings, &mut *functions, &mut *locations];
            tables::location(Cursor::new(bytes, span), &mut builder, ids).map_err(at(span))?;
        }
        let meta = meta(bytes, parts, &builder)?;
        let types = meta.sample_types.len();
        let unwanted = self.unwanted.and_then(|key| builder.find(key));
        for &span in &parts.samples {
            let message = Cursor::new(bytes, span);
            self.sample(message, &mut builder, types, unwanted).map_err(at(span))?;
        }
        builder.finish(meta)
    }

    fn sample(
        &self,
        mut message: Cursor<'_>,
        builder: &mut Builder,
        types: usize,
        unwanted: Option<u32>,
    ) -> Result<(), Refused> {
        let values_before = builder.values_len();
        // What writers send, in the order in which they do.
        if let Some(packed) = message.message_if(1 << 3 | 2)? {
            builder.frames(packed.left(), |room| Ok(self.locations.indexes(packed, room)?))?;
        }
        if let Some(packed) = message.message_if(2 << 3 | 2)? {
            values(packed, builder, types)?;
        }
        while let Some(inner) = message.message_if(3 << 3 | 2)? {
            label(inner, builder, unwanted)?;
        }
        while let Some((field, value)) = message.field()? {
            match (field, value) {
                (1, Value::Bytes(mut packed)) => {
                    packed.packed(|id| builder.frame(self.locations.get(id)))?;
                }
                (1, id) => builder.frame(self.locations.get(id.int(&message)?)),
                (2, Value::Bytes(packed)) => {
                    let have = builder.values_len() - values_before;
                    values(packed, builder, types.saturating_sub(have))?;
                }
                (2, value) => builder.value(value.int(&message)? as i64),
                (3, value) => label(value.message(&message)?, builder, unwanted)?,
                _ => {}
            }
        }
        let values = builder.values_len() - values_before;
        if values != types {
            let detail = format!("a sample of {values} values, where there are {types} types");
            return Err(Refused::new(Reason::Malformed, detail));
        }
        builder.close_sample()
    }
}

/// Adds the place of a message to a refusal that does not know a closer one.
fn at(span: Span) -> impl Fn(Refused) -> Refused {
    move |refused| refused.at(span.0 as usize)
}

/// Packed values of a sample. At most one more than are right is taken, which will be refused: a
/// body of values must not become a profile of them.
#[inline(always)]
fn values(mut packed: Cursor<'_>, builder: &mut Builder, right: usize) -> Result<(), Refused> {
    for _ in 0..=right {
        if packed.is_done() {
            break;
        }
        builder.value(packed.varint_of_any_length()? as i64);
    }
    Ok(packed.within()?)
}

fn label(
    mut message: Cursor<'_>,
    builder: &mut Builder,
    unwanted: Option<u32>,
) -> Result<(), Refused> {
    let (mut key, mut text, mut number, mut unit) = (0, 0, 0, 0);
    if let Some(index) = message.int_if(1 << 3)? {
        key = tables::string(index, builder)?;
    }
    if let Some(index) = message.int_if(2 << 3)? {
        text = tables::string(index, builder)?;
    }
    if message.next_is(3 << 3) {
        number = message.varint_of_any_length()? as i64;
    }
    if let Some(index) = message.int_if(4 << 3)? {
        unit = tables::string(index, builder)?;
    }
    while let Some((field, value)) = message.field()? {
        match field {
            1 => key = tables::string(value.int(&message)?, builder)?,
            2 => text = tables::string(value.int(&message)?, builder)?,
            3 => number = value.int(&message)? as i64,
            4 => unit = tables::string(value.int(&message)?, builder)?,
            _ => {}
        }
    }
    // As google/pprof has it: a text index makes a text, and a label of nothing is none.
    let value = match text {
        0 if number == 0 && unit == 0 => return Ok(()),
        0 if unwanted == Some(key) => return Ok(()),
        0 => LabelValue::Number(number, unit),
        text => LabelValue::Text(text),
    };
    builder.label(Label { key, value })
}

fn meta(bytes: &[u8], parts: &Parts, builder: &Builder) -> Result<Meta, Refused> {
    let mut types = Vec::with_capacity(parts.sample_types.len());
    for &span in &parts.sample_types {
        types.push(tables::value_type(Cursor::new(bytes, span), builder).map_err(at(span))?);
    }
    let names: Vec<&str> = types.iter().map(|(kind, _)| builder.text(*kind)).collect();
    if let Some(twice) = (1..names.len()).find(|at| names[..*at].contains(&names[*at])) {
        // go tool pprof shows neither of them, and a sum of both would be of neither.
        let detail = format!("two sample types are named `{}`", names[twice]);
        return Err(
            Refused::new(Reason::Malformed, detail).at(parts.sample_types[twice].0 as usize)
        );
    }
    let string = |index| tables::string(index, builder);
    let default_type = string(parts.default_type)?;
    let fallback = match default_type {
        0 => names.last().copied().unwrap_or_default(),
        index => builder.text(index),
    };
    Ok(Meta {
        name: kind::name(&names, "", fallback).to_owned(),
        time_ns: parts.time_ns,
        duration_ns: parts.duration_ns,
        period: parts.period,
        period_type: match parts.period_type {
            Some(span) => {
                tables::value_type(Cursor::new(bytes, span), builder).map_err(at(span))?
            }
            None => (0, 0),
        },
        default_type,
        comments: parts.comments.iter().map(|i| string(*i)).collect::<Result<_, _>>()?,
        drop_frames: string(parts.drop_frames)?,
        keep_frames: string(parts.keep_frames)?,
        doc_url: string(parts.doc_url)?,
        sample_types: types
            .iter()
            .zip(&names)
            .map(|(&(kind, unit), name)| {
                let temporality = kind::temporality(name, parts.duration_ns);
                SampleType { kind, unit, temporality }
            })
            .collect(),
        ..Meta::default()
    })
}
