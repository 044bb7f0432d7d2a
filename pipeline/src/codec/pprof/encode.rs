//! A profile to bytes: deterministic, and valid for `google/pprof`.

use crate::{
    codec::wire::{flush, put_bytes, put_int, put_varint},
    profile::{Label, LabelValue, NO_MAPPING, Profile},
};

/// Level of gzip: as small as the levels above it for profiles, at half of their cost.
const GZIP_LEVEL: i32 = 4;

/// The profile as gzip pprof.
pub fn encode(profile: &Profile) -> Vec<u8> {
    let raw = encode_raw(profile);
    let level = libdeflater::CompressionLvl::new(GZIP_LEVEL).expect("a level of 0 to 12");
    let mut gzip = libdeflater::Compressor::new(level);
    let mut out = vec![0; gzip.gzip_compress_bound(raw.len())];
    let length = gzip.gzip_compress(&raw, &mut out).expect("the bound is room enough");
    out.truncate(length);
    out
}

/// The profile as plain protobuf. Ids are indexes plus one, and tables keep their order.
pub fn encode_raw(profile: &Profile) -> Vec<u8> {
    let mut out = Vec::with_capacity(profile.bytes());
    let mut message = Vec::new();
    for sample_type in &profile.meta.sample_types {
        value_type(&mut message, (sample_type.kind, sample_type.unit));
        flush(&mut out, 1, &mut message);
    }
    samples(profile, &mut out);
    for (index, mapping) in profile.mappings().iter().enumerate() {
        let numbers = [index as u64 + 1, mapping.start, mapping.limit, mapping.offset];
        let strings = [mapping.file, mapping.build_id].map(u64::from);
        let flags = mapping.has.map(u64::from);
        for (field, value) in (1..).zip(numbers.into_iter().chain(strings).chain(flags)) {
            put_int(&mut message, field, value);
        }
        flush(&mut out, 3, &mut message);
    }
    locations(profile, &mut out);
    for (index, function) in profile.functions().iter().enumerate() {
        let strings = [function.name, function.system_name, function.file].map(u64::from);
        put_int(&mut message, 1, index as u64 + 1);
        for (field, value) in (2..).zip(strings) {
            put_int(&mut message, field, value);
        }
        put_int(&mut message, 5, function.start_line as u64);
        flush(&mut out, 5, &mut message);
    }
    for text in profile.strings().iter() {
        put_bytes(&mut out, 6, text.as_bytes());
    }
    meta(profile, &mut out);
    out
}

fn meta(profile: &Profile, out: &mut Vec<u8>) {
    let meta = &profile.meta;
    let mut message = Vec::new();
    put_int(out, 7, meta.drop_frames.into());
    put_int(out, 8, meta.keep_frames.into());
    put_int(out, 9, meta.time_ns as u64);
    put_int(out, 10, meta.duration_ns as u64);
    if meta.period_type != (0, 0) {
        value_type(&mut message, meta.period_type);
        flush(out, 11, &mut message);
    }
    put_int(out, 12, meta.period as u64);
    if !meta.comments.is_empty() {
        meta.comments.iter().for_each(|index| put_varint(&mut message, (*index).into()));
        flush(out, 13, &mut message);
    }
    put_int(out, 14, meta.default_type.into());
    put_int(out, 15, meta.doc_url.into());
}

fn samples(profile: &Profile, out: &mut Vec<u8>) {
    let samples = profile.samples();
    let types = profile.meta.sample_types.len();
    let (mut message, mut packed) = (Vec::new(), Vec::new());
    for (row, values) in samples.values.chunks_exact(types).enumerate() {
        let stack = profile.stacks().get(samples.stacks[row]);
        stack.iter().for_each(|location| put_varint(&mut packed, u64::from(*location) + 1));
        if !packed.is_empty() {
            flush(&mut message, 1, &mut packed);
        }
        values.iter().for_each(|value| put_varint(&mut packed, *value as u64));
        flush(&mut message, 2, &mut packed);
        for label in profile.label_sets().get(samples.label_sets[row]) {
            put_label(&mut packed, label);
            flush(&mut message, 3, &mut packed);
        }
        flush(out, 2, &mut message);
    }
}

fn put_label(out: &mut Vec<u8>, label: &Label) {
    put_int(out, 1, label.key.into());
    match label.value {
        LabelValue::Text(text) => put_int(out, 2, text.into()),
        LabelValue::Number(number, unit) => {
            put_int(out, 3, number as u64);
            put_int(out, 4, unit.into());
        }
    }
}

fn locations(profile: &Profile, out: &mut Vec<u8>) {
    let (mut message, mut line_message) = (Vec::new(), Vec::new());
    for (index, location) in profile.locations().iter().enumerate() {
        put_int(&mut message, 1, index as u64 + 1);
        if location.mapping != NO_MAPPING {
            put_int(&mut message, 2, u64::from(location.mapping) + 1);
        }
        put_int(&mut message, 3, location.address);
        for line in profile.lines().get(index as u32) {
            put_int(&mut line_message, 1, u64::from(line.function) + 1);
            put_int(&mut line_message, 2, line.line as u64);
            put_int(&mut line_message, 3, line.column as u64);
            flush(&mut message, 4, &mut line_message);
        }
        put_int(&mut message, 5, location.folded.into());
        flush(out, 4, &mut message);
    }
}

fn value_type(out: &mut Vec<u8>, (kind, unit): (u32, u32)) {
    put_int(out, 1, kind.into());
    put_int(out, 2, unit.into());
}
