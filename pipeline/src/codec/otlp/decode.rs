//! A request to profiles.

use bytes::Bytes;

use super::{
    build::{Failed, Owner, Source},
    header::{self, Header, Held, old_wire},
    kept::Kept,
    tables::{Tables, index},
    touched::Touched,
    values::{self, Budget},
    weigh::{Scale, Weight},
};
use crate::{
    codec::{
        inflate::Inflater,
        wire::{Cursor, Span, Value as Field, put_bytes},
    },
    limits::Limits,
    profile::{Attribute, Profile, ResourceExtra, Scope, Value},
    reason::{Reason, Refused},
};

/// The default sample type, an attribute of the scope.
pub const DEFAULT_TYPE: &str = "pprof.scope.default_sample_type";
/// Where each profile of the scope was among the sample types, an attribute of the scope.
pub const TYPE_ORDER: &str = "pprof.scope.sample_type_order";

/// Memory that is kept from request to request; above it, it is given back.
const KEPT_BYTES_MAX: usize = 8 << 20;

/// What a request holds.
#[derive(Debug, Default)]
pub struct Decoded {
    /// The profiles that could be read.
    pub profiles: Vec<Profile>,
    /// How many profiles of OTLP could not; there, each has one sample type.
    pub rejected: usize,
    /// Why the first of them could not.
    pub error: Option<Refused>,
    /// The request in place of its profiles, where that was asked for and all of it can be kept.
    pub kept: Option<Kept>,
}

/// Reads requests, and keeps its buffers from one to the next.
#[derive(Default)]
pub struct Decoder {
    inflater: Inflater,
    touched: Touched,
    /// Memory for tables.
    tables: Tables<'static>,
}

impl Decoder {
    /// Reads a request: gzip, zstd, or plain protobuf.
    ///
    /// # Errors
    /// Where the request as a whole is broken, over the limits, or of an old version. A profile
    /// that is broken by itself is counted as rejected.
    pub fn decode(&mut self, body: &[u8], limits: &Limits) -> Result<Decoded, Refused> {
        self.transformed(body, limits, |decoder, bytes| decoder.plain(bytes, limits))
    }

    /// The same, but gives the request itself where all of its profiles can be read, and makes no
    /// profiles then.
    ///
    /// # Errors
    /// The same.
    pub fn keep(&mut self, body: &Bytes, limits: &Limits) -> Result<Decoded, Refused> {
        self.transformed(body, limits, |decoder, bytes| {
            let parts = Parts::read(bytes, limits, std::mem::take(&mut decoder.tables))?;
            let decoded = match parts.weigh(limits, &mut decoder.touched) {
                Ok(weight) if weight.profiles > 0 => {
                    let kept = Some(Kept::new(weight, body.clone(), limits));
                    Ok(Decoded { kept, ..Decoded::default() })
                }
                _ => parts.build(limits, &mut decoder.touched),
            };
            decoder.tables = parts.tables.into_memory(KEPT_BYTES_MAX);
            decoded
        })
    }

    /// The same for a request in JSON.
    ///
    /// # Errors
    /// The same, and where the JSON is broken.
    pub fn decode_json(&mut self, body: &[u8], limits: &Limits) -> Result<Decoded, Refused> {
        self.transformed(body, limits, |decoder, bytes| {
            let bytes_max = limits.inflated_bytes_max.min(i32::MAX as usize);
            decoder.plain(&super::json::to_protobuf(bytes, bytes_max)?, limits)
        })
    }

    fn transformed(
        &mut self,
        body: &[u8],
        limits: &Limits,
        read: impl FnOnce(&mut Self, &[u8]) -> Result<Decoded, Refused>,
    ) -> Result<Decoded, Refused> {
        if body.is_empty() {
            return Ok(Decoded::default()); // A request of no profiles.
        }
        if body.len() > limits.body_bytes_max {
            let detail = format!("a body of more than {} bytes", limits.body_bytes_max);
            return Err(Refused::new(Reason::SizeLimit, detail));
        }
        let mut inflater = std::mem::take(&mut self.inflater);
        let bytes_max = limits.inflated_bytes_max.min(i32::MAX as usize);
        let decoded = inflater
            .inflate(body, bytes_max)
            .and_then(|(bytes, length)| read(self, &bytes[..length]));
        inflater.shrink(KEPT_BYTES_MAX);
        self.inflater = inflater;
        decoded
    }

    fn plain(&mut self, bytes: &[u8], limits: &Limits) -> Result<Decoded, Refused> {
        let parts = Parts::read(bytes, limits, std::mem::take(&mut self.tables))?;
        let decoded = parts.build(limits, &mut self.touched);
        self.tables = parts.tables.into_memory(KEPT_BYTES_MAX);
        decoded
    }
}

/// The dictionary of a request, and where its resources are.
struct Parts<'a> {
    tables: Tables<'a>,
    resources: Vec<Span>,
}

impl<'a> Parts<'a> {
    fn read(bytes: &'a [u8], limits: &Limits, memory: Tables<'static>) -> Result<Self, Refused> {
        let (mut resources, mut dictionary) = (Vec::new(), Vec::new());
        let mut cursor = Cursor::new(bytes, (0, bytes.len() as u32));
        while let Some((field, value)) = cursor.field()? {
            match (field, value) {
                (1, value) => resources.push(value.message(&cursor)?.span()),
                (2, value) => dictionary.push(value.message(&cursor)?.span()),
                // Here v1.6 had its tables.
                (3..=9, Field::Bytes(_)) => return Err(old_wire()),
                _ => {}
            }
            room(resources.len() + dictionary.len(), limits)?;
        }
        Ok(Self { tables: Tables::read(bytes, &dictionary, limits, memory)?, resources })
    }

    fn walk<'r>(
        &'r self,
        limits: &'r Limits,
        touched: &'r mut Touched,
        budget: Budget,
        scale: Option<Scale>,
    ) -> Result<Read<'r, 'a>, Refused> {
        let (tables, decoded) = (&self.tables, Decoded::default());
        let mut read = Read { tables, limits, budget, touched, seen: 0, decoded, scale };
        self.resources.iter().try_for_each(|span| read.resource(*span))?;
        Ok(read)
    }

    /// Makes the profiles.
    fn build(&self, limits: &Limits, touched: &mut Touched) -> Result<Decoded, Refused> {
        let budget = Budget::new(limits.decoded_bytes_max);
        Ok(self.walk(limits, touched, budget, None)?.decoded)
    }

    /// Says what the request holds. An error is a doubt, and no word about it.
    fn weigh(&self, limits: &Limits, touched: &mut Touched) -> Result<Weight, Refused> {
        let mut budget = Budget::new(limits.decoded_bytes_max);
        let scale = Scale::new(&self.tables, &mut budget)?;
        let read = self.walk(limits, touched, budget, Some(scale))?;
        Ok(read.scale.map(|scale| scale.weight).unwrap_or_default())
    }
}

fn room(have: usize, limits: &Limits) -> Result<(), Refused> {
    match have <= limits.profiles_max {
        true => Ok(()),
        false => {
            let detail = format!("more than {} profiles", limits.profiles_max);
            Err(Refused::new(Reason::CountLimit, detail))
        }
    }
}

/// The walk through a request.
struct Read<'r, 'a> {
    tables: &'r Tables<'a>,
    limits: &'r Limits,
    budget: Budget,
    touched: &'r mut Touched,
    /// Resources, scopes and profiles so far.
    seen: usize,
    decoded: Decoded,
    /// In place of building profiles, they are weighed on it.
    scale: Option<Scale>,
}

impl Read<'_, '_> {
    fn resource(&mut self, span: Span) -> Result<(), Refused> {
        let mut owner = Owner::default();
        let mut attributes = Vec::new();
        let mut scopes = Vec::new();
        let mut cursor = self.tables.cursor(span);
        while let Some((field, value)) = cursor.field()? {
            match field {
                1 => {
                    let message = value.message(&cursor)?;
                    self.resource_fields(message, &mut attributes, &mut owner.resource_extra)?;
                }
                2 => {
                    scopes.push(value.message(&cursor)?.span());
                    room(scopes.len(), self.limits)?;
                }
                3 => owner.resource_extra.schema_url = values::text(value.message(&cursor)?),
                _ => {}
            }
        }
        owner.resource =
            attributes.iter().map(|a: &Attribute| (a.key.clone(), a.value.to_string())).collect();
        attributes.retain(|attribute| !matches!(attribute.value, Value::Text(_)));
        owner.resource_extra.typed = attributes;
        scopes.into_iter().try_for_each(|span| self.scope(span, &mut owner))
    }

    fn resource_fields(
        &mut self,
        mut message: Cursor<'_>,
        attributes: &mut Vec<Attribute>,
        extra: &mut ResourceExtra,
    ) -> Result<(), Refused> {
        while let Some((field, value)) = message.field()? {
            match field {
                1 => {
                    let pair = value.message(&message)?;
                    values::push_key_value(attributes, pair, self.tables, &mut self.budget)?;
                }
                2 => extra.dropped = index(value.int(&message)?),
                3 => {
                    let entity = value.message(&message)?;
                    self.budget.take(64 + 3 * entity.bytes().len())?;
                    extra.entity_refs.push(entity_ref(entity)?);
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn scope(&mut self, span: Span, owner: &mut Owner) -> Result<(), Refused> {
        owner.scope = Scope::default();
        let mut profiles = Vec::new();
        let mut cursor = self.tables.cursor(span);
        while let Some((field, value)) = cursor.field()? {
            match field {
                1 => {
                    let message = value.message(&cursor)?;
                    self.scope_fields(message, &mut owner.scope)?;
                }
                2 => {
                    profiles.push(value.message(&cursor)?.span());
                    self.seen += 1;
                    room(self.seen, self.limits)?;
                }
                3 => owner.scope.schema_url = values::text(value.message(&cursor)?),
                _ => {}
            }
        }
        let mut headers = Vec::with_capacity(profiles.len());
        let source = Source { tables: self.tables, limits: self.limits, owner };
        for span in profiles {
            let Self { tables, limits, budget, .. } = self;
            let read = match &mut self.scale {
                None => Header::read(span, tables, limits, budget, |_| Ok(())),
                Some(scale) => {
                    let mut held = Held::default();
                    let see = |sample: Cursor<'_>| scale.sample(&source, sample, &mut held);
                    let read = Header::read(span, tables, limits, budget, see);
                    read.map(|header| Header { held, ..header })
                }
            };
            match read {
                Ok(header) => headers.push(header),
                Err(refused) => self.reject(refused.at(span.0 as usize), 1)?,
            }
        }
        self.profiles(&headers, owner)
    }

    fn scope_fields(&mut self, mut message: Cursor<'_>, scope: &mut Scope) -> Result<(), Refused> {
        while let Some((field, value)) = message.field()? {
            match field {
                1 => scope.name = values::text(value.message(&message)?),
                2 => scope.version = values::text(value.message(&message)?),
                3 => {
                    let pair = value.message(&message)?;
                    let list = &mut scope.attributes;
                    values::push_key_value(list, pair, self.tables, &mut self.budget)?;
                }
                4 => scope.dropped = index(value.int(&message)?),
                _ => {}
            }
        }
        Ok(())
    }

    fn profiles(&mut self, headers: &[Header], owner: &mut Owner) -> Result<(), Refused> {
        let order = take(&mut owner.scope, TYPE_ORDER, |value| match value {
            Value::List(values) => values.iter().map(int).collect::<Option<Vec<i64>>>(),
            _ => None,
        });
        let groups = header::groups(headers, order.as_deref(), |kind| self.tables.text(kind));
        owner.ordered = order.is_some() && groups.len() == 1;
        if let (Some(order), false) = (order, owner.ordered) {
            let order = Value::List(order.into_iter().map(Value::Int).collect());
            owner.scope.attributes.push(Attribute::new(TYPE_ORDER, order));
        }
        let default = take(&mut owner.scope, DEFAULT_TYPE, |value| match value {
            Value::Text(text) if !text.is_empty() => Some(text.clone()),
            _ => None,
        });
        owner.default_type = default.unwrap_or_default();
        for group in groups {
            let first = group.iter().copied().min().unwrap_or_default();
            let members: Vec<&Header> = group.iter().map(|at| &headers[*at]).collect();
            if let Some(scale) = &mut self.scale {
                let source = Source { tables: self.tables, limits: self.limits, owner };
                scale.add(&source, &members, &mut self.budget)?;
                continue;
            }
            match self.build(&members, &headers[first], owner) {
                Err(Failed::Timed) => {
                    for header in members {
                        let built = self.build(&[header], header, owner);
                        self.settle(built, 1)?;
                    }
                }
                built => self.settle(built, group.len())?,
            }
        }
        Ok(())
    }

    fn build(
        &mut self,
        group: &[&Header],
        first: &Header,
        owner: &Owner,
    ) -> Result<Profile, Failed> {
        let source = Source { tables: self.tables, limits: self.limits, owner };
        source.build(group, first, self.touched, &mut self.budget)
    }

    fn settle(&mut self, built: Result<Profile, Failed>, profiles: usize) -> Result<(), Refused> {
        match built {
            Ok(profile) => self.decoded.profiles.push(profile),
            Err(Failed::Refused(refused)) => self.reject(refused, profiles)?,
            Err(Failed::Timed) => {} // Only several at once fail so.
        }
        Ok(())
    }

    /// Counts profiles that cannot be read; an old version is never that of a part only.
    fn reject(&mut self, refused: Refused, profiles: usize) -> Result<(), Refused> {
        if refused.reason == Reason::OldWire || self.scale.is_some() {
            return Err(refused);
        }
        self.decoded.rejected += profiles;
        self.decoded.error.get_or_insert(refused);
        Ok(())
    }
}

/// A message that is kept as bytes: two texts and two lists of them, in their one canonical form,
/// so that nobody to whom it is sent on refuses it.
fn entity_ref(mut entity: Cursor<'_>) -> Result<Vec<u8>, Refused> {
    let mut fields: [Vec<String>; 4] = Default::default();
    while let Some((field, value)) = entity.field()? {
        let Some(texts) = (field as usize).checked_sub(1).and_then(|at| fields.get_mut(at)) else {
            continue;
        };
        if field <= 2 {
            texts.clear();
        }
        texts.push(values::text(value.message(&entity)?));
    }
    let mut bytes = Vec::new();
    for (field, texts) in (1..).zip(fields) {
        let texts = texts.iter().filter(|text| field > 2 || !text.is_empty());
        texts.for_each(|text| put_bytes(&mut bytes, field, text.as_bytes()));
    }
    Ok(bytes)
}

fn int(value: &Value) -> Option<i64> {
    match value {
        Value::Int(number) => Some(*number),
        _ => None,
    }
}

/// Takes an attribute out of a scope, if it can be read.
fn take<T>(scope: &mut Scope, key: &str, read: impl Fn(&Value) -> Option<T>) -> Option<T> {
    let at = scope.attributes.iter().position(|attribute| attribute.key == key)?;
    let found = read(&scope.attributes[at].value)?;
    scope.attributes.remove(at);
    Some(found)
}
