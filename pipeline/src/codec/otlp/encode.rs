//! Profiles to a request. What leaves here is accepted by the Collector, Pyroscope and Parca: all
//! tables with their empty first entry, one value a sample, a period type, keys in place.

use std::{collections::HashMap, ops::Range};

use super::{
    decode::{DEFAULT_TYPE, TYPE_ORDER},
    dictionary::{Dictionary, key_value},
    header::{COMMENT, DOC_URL, DROP_FRAMES, KEEP_FRAMES, NAME, TEMPORALITY},
    part::Part,
};
use crate::{
    codec::wire::{flush, put_bytes, put_fixed64, put_int, put_varint},
    profile::{Attribute, Extra, Profile, TypeExtra, Value, kind},
};

/// Bytes for the lengths of a resource, a scope and a profile, at most.
const LENGTHS: usize = 20;

/// Gathers profiles for one request.
#[derive(Default)]
pub struct Encoder {
    dictionary: Dictionary,
    resources: Vec<Resource>,
    by_resource: HashMap<Vec<u8>, usize>,
    /// Bytes of the resources.
    bytes: usize,
    /// Profiles of OTLP, and samples of them.
    pub(super) counts: (usize, usize),
}

/// The profiles of one resource.
struct Resource {
    /// All fields of `ResourceProfiles` but the scopes.
    head: Vec<u8>,
    /// The fields of `ScopeProfiles` but the profiles, and these.
    scopes: Vec<(Vec<u8>, Vec<u8>)>,
}

/// The profiles as one request.
pub fn encode<'p>(profiles: impl IntoIterator<Item = &'p Profile>) -> Vec<u8> {
    let mut encoder = Encoder::default();
    profiles.into_iter().for_each(|profile| encoder.add(profile, 0..profile.len()));
    encoder.finish()
}

impl Encoder {
    /// Adds these rows of a profile, as one profile of OTLP for each sample type.
    pub fn add(&mut self, profile: &Profile, rows: Range<usize>) {
        let columns = columns(profile);
        let mut head = resource(profile);
        let scope = scope(profile, &columns);
        let mut out = Vec::new();
        let mut message = Vec::new();
        let mut part = Part::new(profile, &mut self.dictionary);
        let samples = part.samples(rows.clone());
        let shared = shared_attributes(profile);
        let named = is_named(profile, &columns);
        for &column in &columns {
            let extra = profile.meta.extra.as_deref();
            let extra = extra.and_then(|extra| extra.types.get(column));
            self.counts.1 += part.profile(column, &samples, &mut message);
            let mut attributes = shared.clone();
            if named {
                let temporality = profile.meta.sample_types[column].temporality.as_str();
                attributes.push(Attribute::new(NAME, Value::text(&profile.meta.name)));
                attributes.push(Attribute::new(TEMPORALITY, Value::text(temporality)));
            }
            attributes.extend(extra.into_iter().flat_map(|extra| extra.attributes.clone()));
            put_extra(&mut message, extra, || id(profile, column, rows.start));
            let mut packed = Vec::new();
            for attribute in &attributes {
                put_varint(&mut packed, part.dictionary.whole_attribute(attribute).into());
            }
            if !packed.is_empty() {
                put_bytes(&mut message, 11, &packed);
            }
            flush(&mut out, 2, &mut message);
        }
        self.counts.0 += columns.len();
        self.bytes += head.len() + scope.len() + out.len() + LENGTHS;
        let at = *self.by_resource.entry(head.clone()).or_insert_with(|| {
            let scopes = Vec::new();
            self.resources.push(Resource { head: std::mem::take(&mut head), scopes });
            self.resources.len() - 1
        });
        let scopes = &mut self.resources[at].scopes;
        // Only where the scope says nothing of its types may several profiles share it.
        let shares = profile.meta.extra.as_ref().is_some_and(|extra| extra.first_is_default);
        match scopes.iter_mut().find(|(head, _)| shares && *head == scope) {
            Some((_, profiles)) => profiles.extend(out),
            None => scopes.push((scope, out)),
        }
    }

    /// Bytes of the message so far, and a few more for lengths.
    pub(super) fn len(&self) -> usize {
        self.bytes + self.dictionary.len()
    }

    /// The message `ExportProfilesServiceRequest`, which is that of `ProfilesData` too.
    pub fn finish(self) -> Vec<u8> {
        let (mut out, mut message, mut inner) = (Vec::new(), Vec::new(), Vec::new());
        for resource in self.resources {
            message.extend(resource.head);
            for (scope, profiles) in resource.scopes {
                inner.extend(scope);
                inner.extend(profiles);
                flush(&mut message, 2, &mut inner);
            }
            flush(&mut out, 1, &mut message);
        }
        put_bytes(&mut out, 2, &self.dictionary.message());
        out
    }
}

/// The columns in the order of OTLP, where the one to show comes first.
fn columns(profile: &Profile) -> Vec<usize> {
    let first = profile.default_type();
    let others = (0..profile.meta.sample_types.len()).filter(|column| *column != first);
    std::iter::once(first).chain(others).collect()
}

/// Whether the name and the temporalities have to be said: always, but for what came by OTLP
/// without them and would be called the same again.
fn is_named(profile: &Profile, columns: &[usize]) -> bool {
    let meta = &profile.meta;
    let Some(extra) = meta.extra.as_deref().filter(|extra| extra.unnamed) else { return true };
    let names: Vec<&str> = meta.sample_types.iter().map(|t| profile.text(t.kind)).collect();
    let fallback = columns.first().map(|column| names[*column]).unwrap_or_default();
    let name = kind::name(&names, &extra.scope.name, fallback);
    let of_name = meta.name == if name.is_empty() { "unknown" } else { name };
    let same = meta.sample_types.iter().zip(names);
    !of_name
        || same
            .into_iter()
            .any(|(t, name)| t.temporality != kind::temporality(name, meta.duration_ns))
}

fn shared_attributes(profile: &Profile) -> Vec<Attribute> {
    let meta = &profile.meta;
    let mut attributes = Vec::new();
    if !meta.comments.is_empty() {
        let comments = meta.comments.iter().map(|c| Value::text(profile.text(*c))).collect();
        attributes.push(Attribute::new(COMMENT, Value::List(comments)));
    }
    for (key, index) in
        [(DROP_FRAMES, meta.drop_frames), (KEEP_FRAMES, meta.keep_frames), (DOC_URL, meta.doc_url)]
    {
        if !profile.text(index).is_empty() {
            attributes.push(Attribute::new(key, Value::text(profile.text(index))));
        }
    }
    attributes
}

/// The fields of `ResourceProfiles` but the scopes.
fn resource(profile: &Profile) -> Vec<u8> {
    let extra = profile.meta.extra.as_deref().map(|extra| &extra.resource);
    let typed = extra.map(|extra| extra.typed.as_slice()).unwrap_or_default();
    let mut message = Vec::new();
    for (key, text) in profile.meta.resource.iter() {
        let typed = typed.iter().find(|a| a.key == key && a.value.to_string() == text);
        let value = typed.map_or_else(|| Value::text(text), |attribute| attribute.value.clone());
        put_bytes(&mut message, 1, &key_value(key, &value));
    }
    let mut out = Vec::new();
    if let Some(extra) = extra {
        put_int(&mut message, 2, extra.dropped.into());
        extra.entity_refs.iter().for_each(|bytes| put_bytes(&mut message, 3, bytes));
    }
    flush(&mut out, 1, &mut message);
    if let Some(extra) = extra.filter(|extra| !extra.schema_url.is_empty()) {
        put_bytes(&mut out, 3, extra.schema_url.as_bytes());
    }
    out
}

/// The fields of `ScopeProfiles` but the profiles. A profile that did not come by OTLP has a scope
/// of its own name, by which Parca calls it.
fn scope(profile: &Profile, columns: &[usize]) -> Vec<u8> {
    let meta = &profile.meta;
    let own = Extra::default();
    let extra = meta.extra.as_deref().unwrap_or(&own);
    let scope = &extra.scope;
    let name = if meta.extra.is_some() { &scope.name } else { &meta.name };
    let mut attributes = scope.attributes.clone();
    if meta.extra.is_none() {
        // Who looks at scopes alone, as Pyroscope does, tells a mutex profile from a block profile.
        attributes.push(Attribute::new(NAME, Value::text(&meta.name)));
    }
    if !(extra.first_is_default && profile.default_type() == 0) {
        if meta.default_type != 0 {
            let default = Value::text(profile.text(meta.default_type));
            attributes.push(Attribute::new(DEFAULT_TYPE, default));
        }
        if columns.len() > 1 {
            let order = columns.iter().map(|column| Value::Int(*column as i64)).collect();
            attributes.push(Attribute::new(TYPE_ORDER, Value::List(order)));
        }
    }
    let (mut message, mut out) = (Vec::new(), Vec::new());
    for (field, text) in [(1, name), (2, &scope.version)] {
        if !text.is_empty() {
            put_bytes(&mut message, field, text.as_bytes());
        }
    }
    for attribute in &attributes {
        put_bytes(&mut message, 3, &key_value(&attribute.key, &attribute.value));
    }
    put_int(&mut message, 4, scope.dropped.into());
    flush(&mut out, 1, &mut message);
    if !scope.schema_url.is_empty() {
        put_bytes(&mut out, 3, scope.schema_url.as_bytes());
    }
    out
}

/// Fields 7 to 10 of a profile: those that it came with, or an id by which a backend can tell that
/// it has the profile already.
fn put_extra(out: &mut Vec<u8>, extra: Option<&TypeExtra>, id: impl FnOnce() -> [u8; 16]) {
    let Some(extra) = extra else { return put_bytes(out, 7, &id()) };
    if !extra.id.is_empty() {
        put_bytes(out, 7, &extra.id);
    }
    put_int(out, 8, extra.dropped.into());
    if !extra.payload_format.is_empty() {
        put_bytes(out, 9, extra.payload_format.as_bytes());
    }
    if !extra.payload.is_empty() {
        put_bytes(out, 10, &extra.payload);
    }
}

fn id(profile: &Profile, column: usize, first_row: usize) -> [u8; 16] {
    let mut hash = xxhash_rust::xxh3::Xxh3::new();
    hash.update(&profile.id().0.to_le_bytes());
    hash.update(&[column as u8]);
    hash.update(&(first_row as u64).to_le_bytes());
    hash.digest128().max(1).to_be_bytes()
}

/// Appends what a profile says of its time; its samples come from [`Part`].
pub(super) fn put_times(out: &mut Vec<u8>, profile: &Profile) {
    let meta = &profile.meta;
    put_fixed64(out, 3, meta.time_ns.max(0) as u64);
    put_int(out, 4, meta.duration_ns.max(0) as u64);
}
