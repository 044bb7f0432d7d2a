//! The form in which a profile stands in the spool: our own, so that it holds all that the model
//! holds. A version, then the tables and columns as varints, compressed by zstd.
//!
//! A record is read back through the builder, so that a damaged one is refused, not trusted.

mod reader;

use std::sync::Arc;

use reader::Reader;

use super::{inflate::Inflater, otlp, wire::put_varint};
use crate::{
    limits::Limits,
    profile::{
        Attributes, Builder, Extra, Function, Label, LabelValue, Line, Location, Mapping, Meta,
        NO_MAPPING, Origin, Profile, SampleType, Strings, Temporality,
    },
    reason::{Reason, Refused},
};

/// The version that is written. A reader takes this one and those before it.
pub const VERSION: u8 = 3;
/// Since this version a record ends with what OTLP says beyond pprof.
const WITH_EXTRA: u8 = 2;
/// Since this version numbers are varints, and before it eight bytes each: a third of the bytes
/// costs a third of the time to compress.
const WITH_VARINTS: u8 = 3;
const ZSTD_LEVEL: i32 = 1;

/// The profile as a record.
pub fn encode(profile: &Profile) -> Vec<u8> {
    let mut out = Writer(Vec::with_capacity(profile.bytes()));
    meta(profile, &mut out);
    let (text, ends) = profile.strings().parts();
    out.bytes(text.as_bytes());
    out.numbers(ends.iter().map(|end| *end as u64));
    let mappings = profile.mappings().iter().flat_map(|m| {
        let has = m.has.iter().rev().fold(0, |bits, bit| (bits << 1) | u64::from(*bit));
        [m.start, m.limit, m.offset, m.file.into(), m.build_id.into(), has]
    });
    out.numbers(mappings);
    let functions = profile
        .functions()
        .iter()
        .flat_map(|f| [f.name.into(), f.system_name.into(), f.file.into(), f.start_line as u64]);
    out.numbers(functions);
    let locations =
        profile.locations().iter().zip(profile.lines().iter()).flat_map(|(l, lines)| {
            [l.mapping.into(), l.address, u64::from(l.folded), lines.len() as u64]
        });
    out.numbers(locations);
    let lines = profile.lines().parts().0.iter();
    out.numbers(lines.flat_map(|l| [l.function.into(), l.line as u64, l.column as u64]));
    samples(profile, &mut out);
    extra(profile, &mut out);
    let mut record = vec![VERSION];
    record.extend(
        zstd::bulk::compress(&out.0, ZSTD_LEVEL).expect("memory takes all that is written"),
    );
    record
}

fn meta(profile: &Profile, out: &mut Writer) {
    let meta = &profile.meta;
    for text in [&meta.name, &meta.origin.receiver, &meta.origin.peer] {
        out.bytes(text.as_bytes());
    }
    out.numbers([meta.resource.len() as u64]);
    for (key, value) in meta.resource.iter() {
        out.bytes(key.as_bytes());
        out.bytes(value.as_bytes());
    }
    out.numbers([
        meta.time_ns as u64,
        meta.duration_ns as u64,
        meta.period as u64,
        meta.period_type.0.into(),
        meta.period_type.1.into(),
        meta.default_type.into(),
        meta.drop_frames.into(),
        meta.keep_frames.into(),
        meta.doc_url.into(),
        meta.content_hash as u64,
        (meta.content_hash >> 64) as u64,
    ]);
    out.numbers(meta.comments.iter().map(|index| u64::from(*index)));
    let types = meta.sample_types.iter();
    out.numbers(types.flat_map(|t| [t.kind.into(), t.unit.into(), t.temporality as u64]));
}

/// As JSON, because it is rare, has many forms, and new ones will come.
fn extra(profile: &Profile, out: &mut Writer) {
    let extra = profile.meta.extra.as_deref();
    let json = extra.map(|extra| serde_json::to_vec(extra).expect("it has only keys of text"));
    out.bytes(&json.unwrap_or_default());
}

fn read_extra(reader: &mut Reader<'_>) -> Result<Option<Arc<Extra>>, Refused> {
    let json = reader.text()?;
    if json.is_empty() {
        return Ok(None);
    }
    let extra = serde_json::from_str(json).map_err(|_| reader.broken("the OTLP part"))?;
    Ok(Some(Arc::new(extra)))
}

fn samples(profile: &Profile, out: &mut Writer) {
    let samples = profile.samples();
    let rows = samples.stacks.iter().zip(&samples.label_sets);
    let sizes = rows.clone().flat_map(|(stack, labels)| {
        [profile.stacks().get(*stack).len() as u64, profile.label_sets().get(*labels).len() as u64]
    });
    out.numbers(sizes);
    let frames = rows.clone().flat_map(|(stack, _)| profile.stacks().get(*stack));
    out.numbers(frames.map(|location| u64::from(*location)));
    let labels = rows.flat_map(|(_, labels)| profile.label_sets().get(*labels));
    out.numbers(labels.flat_map(|label| match label.value {
        LabelValue::Text(text) => [label.key.into(), 0, text.into(), 0],
        LabelValue::Number(number, unit) => [label.key.into(), 1, number as u64, unit.into()],
    }));
    out.numbers(samples.values.iter().map(|value| *value as u64));
}

/// Whether a record holds a request of several profiles, as [`otlp::Kept`] writes it.
pub fn is_request(record: &[u8]) -> bool {
    record.first().is_some_and(|version| otlp::kept::is_version(*version))
}

/// Reads all profiles of a record: one, or those of a request. Each comes by its place in it.
pub fn decode_all(
    decoder: &mut otlp::Decoder,
    record: &[u8],
    limits: &Limits,
) -> Result<Vec<Profile>, Refused> {
    match is_request(record) {
        true => otlp::kept::decode(decoder, record, limits),
        false => decode(record, limits).map(|profile| vec![profile]),
    }
}

/// Reads a record of one profile. What is not whole is refused, as is a version newer than ours.
pub fn decode(record: &[u8], limits: &Limits) -> Result<Profile, Refused> {
    let version = match record.first() {
        Some(version @ 1..=VERSION) => *version,
        Some(version) => {
            let newest = otlp::kept::VERSION;
            let detail = format!("record version {version} is newer than {newest}");
            return Err(Refused::new(Reason::Malformed, detail));
        }
        None => return Err(Refused::new(Reason::EmptyProfile, "no bytes")),
    };
    let mut inflater = Inflater::default();
    // Columns of eight bytes, as they once were, are larger than the varints that they came from.
    let (bytes, length) =
        inflater.inflate(&record[1..], limits.inflated_bytes_max.saturating_mul(8))?;
    let mut reader = Reader::new(&bytes[..length], version < WITH_VARINTS);
    let mut meta = read_meta(&mut reader)?;
    let mut builder = Builder::new(limits);
    let text = reader.text()?.to_owned();
    let ends = reader.indexes()?;
    let strings = Strings::from_parts(text, ends);
    builder.strings(strings.ok_or_else(|| reader.broken("a string table"))?)?;
    for [start, limit, offset, file, build_id, has] in reader.rows()? {
        let has = [0, 1, 2, 3].map(|bit| has >> bit & 1 == 1);
        let (file, build_id) = (index(file), index(build_id));
        builder.mapping(Mapping { start, limit, offset, file, build_id, has })?;
    }
    for [name, system_name, file, start_line] in reader.rows()? {
        let [name, system_name, file] = [name, system_name, file].map(index);
        builder.function(Function { name, system_name, file, start_line: start_line as i64 })?;
    }
    let locations: Vec<[u64; 4]> = reader.rows()?.collect();
    let mut lines = reader.rows()?;
    for [mapping, address, folded, count] in locations {
        for [function, line, column] in lines.by_ref().take(count as usize) {
            let (line, column) = (line as i64, column as i64);
            builder.line(Line { function: index(function), line, column })?;
        }
        let mapping = if mapping == u64::from(NO_MAPPING) { NO_MAPPING } else { index(mapping) };
        builder.location(Location { mapping, address, folded: folded != 0 })?;
    }
    read_samples(&mut reader, &mut builder, meta.sample_types.len())?;
    if version >= WITH_EXTRA {
        meta.extra = read_extra(&mut reader)?;
    }
    meta.sample_types.shrink_to_fit();
    builder.finish(meta)
}

/// A number to an index; one that is too large names nothing, which the builder refuses.
fn index(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn read_meta(reader: &mut Reader<'_>) -> Result<Meta, Refused> {
    let name = reader.text()?.to_owned();
    let origin = Origin { receiver: reader.text()?.to_owned(), peer: reader.text()?.to_owned() };
    let [pairs] = reader.fixed()?;
    let mut resource = Vec::new();
    for _ in 0..pairs {
        resource.push((reader.text()?, reader.text()?));
    }
    let resource: Attributes = resource.into_iter().collect();
    let [time, duration, period, period_kind, period_unit, default_type, rest @ ..] =
        reader.fixed::<11>()?;
    let [drop_frames, keep_frames, doc_url, hash_low, hash_high] = rest;
    Ok(Meta {
        name,
        time_ns: time as i64,
        duration_ns: duration as i64,
        period: period as i64,
        period_type: (index(period_kind), index(period_unit)),
        default_type: index(default_type),
        comments: reader.indexes()?,
        drop_frames: index(drop_frames),
        keep_frames: index(keep_frames),
        doc_url: index(doc_url),
        sample_types: reader
            .rows()?
            .map(|[kind, unit, temporality]| SampleType {
                kind: index(kind),
                unit: index(unit),
                temporality: match temporality {
                    1 => Temporality::Instant,
                    2 => Temporality::Cumulative,
                    _ => Temporality::Delta,
                },
            })
            .collect(),
        resource,
        origin,
        content_hash: u128::from(hash_low) | (u128::from(hash_high) << 64),
        extra: None,
    })
}

fn read_samples(
    reader: &mut Reader<'_>,
    builder: &mut Builder,
    types: usize,
) -> Result<(), Refused> {
    let sizes: Vec<[u64; 2]> = reader.rows()?.collect();
    let frames = reader.indexes()?;
    let mut labels: std::vec::IntoIter<[u64; 4]> = reader.rows()?.collect::<Vec<_>>().into_iter();
    let mut values = reader.rows()?;
    builder.reserve(0, sizes.len());
    let mut at = 0_usize;
    for [frame_count, label_count] in sizes {
        let end = at.saturating_add(frame_count as usize);
        let stack = frames.get(at..end).ok_or_else(|| reader.broken("a stack"))?;
        at = end;
        for [key, kind, value, unit] in labels.by_ref().take(label_count as usize) {
            let value = match kind {
                0 => LabelValue::Text(index(value)),
                _ => LabelValue::Number(value as i64, index(unit)),
            };
            builder.label(Label { key: index(key), value })?;
        }
        values.by_ref().take(types).for_each(|[value]| builder.value(value as i64));
        builder.sample(stack)?;
    }
    Ok(())
}

/// Appends lists of bytes and numbers, each behind its length in eight bytes.
struct Writer(Vec<u8>);

impl Writer {
    fn bytes(&mut self, bytes: &[u8]) {
        self.0.extend((bytes.len() as u64).to_le_bytes());
        self.0.extend_from_slice(bytes);
    }

    fn numbers(&mut self, numbers: impl IntoIterator<Item = u64>) {
        let at = self.0.len();
        self.0.extend([0; 8]);
        numbers.into_iter().for_each(|number| put_varint(&mut self.0, number));
        let length = (self.0.len() - at - 8) as u64;
        self.0[at..at + 8].copy_from_slice(&length.to_le_bytes());
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        codec::samples,
        profile::{Attribute, Scope, Timed, TypeExtra, Typed, Value},
    };

    proptest! {
        #[test]
        fn records_come_back(
            numbers in proptest::collection::vec(any::<u32>(), 1..200),
            types in 1..5usize,
        ) {
            let mut profile = samples::profile(&numbers, types);
            profile.meta.resource = [("service.name", "shop"), ("zone", "ä")].into_iter().collect();
            profile.meta.origin = Origin { receiver: "pprof".into(), peer: "http://a:1".into() };
            profile.meta.content_hash = u128::MAX - u128::from(numbers[0]);
            profile.meta.name = "cpu".into();
            profile.meta.sample_types[0].temporality = Temporality::Cumulative;
            prop_assert_eq!(decode(&encode(&profile), &Limits::default()), Ok(profile));
        }

        #[test]
        fn damage_is_refused_or_read(
            numbers in proptest::collection::vec(any::<u32>(), 1..60),
            at in any::<prop::sample::Index>(),
            byte in any::<u8>(),
        ) {
            let record = encode(&samples::profile(&numbers, 2));
            let plain = zstd::bulk::decompress(&record[1..], 1 << 24).unwrap();
            for mut bytes in [record[1..].to_vec(), plain] {
                let at = at.index(bytes.len());
                bytes[at] = byte;
                let whole = [&[VERSION], &bytes[..]].concat();
                let _ = decode(&whole, &Limits::default());
                let _ = decode(&whole[..at], &Limits::default());
            }
        }
    }

    /// A record as version 1 wrote it. The file stays as it is when versions follow;
    /// `UPDATE_FIXTURES=1` writes it where it is missing.
    #[test]
    fn records_of_version_1_are_read() {
        let path = "../tests/fixtures/record-v1.bin";
        let numbers: Vec<u32> = (1..150_u32).map(|n| n.wrapping_mul(2_654_435_761)).collect();
        let mut profile = samples::profile(&numbers, 2);
        profile.meta.name = "cpu".into();
        profile.meta.resource = [("service.name", "shop")].into_iter().collect();
        profile.meta.content_hash = 1;
        if std::env::var_os("UPDATE_FIXTURES").is_some() && std::fs::metadata(path).is_err() {
            std::fs::write(path, encode(&profile)).unwrap();
        }
        let record = std::fs::read(path).unwrap();
        assert_eq!(record[0], 1);
        assert_eq!(decode(&record, &Limits::default()), Ok(profile));
    }

    /// The same of versions 2 and 3, with what they have beyond version 1.
    #[test]
    fn records_of_later_versions_are_read() {
        let numbers: Vec<u32> = (1..50_u32).map(|n| n.wrapping_mul(2_654_435_761)).collect();
        let mut profile = samples::profile(&numbers, 1);
        let scope = Scope { name: "runtime/pprof".into(), ..Scope::default() };
        let folded = Attribute::new("profile.frame.type", Value::text("go"));
        let typed = Typed::Value(Value::List(vec![Value::Double(1), Value::Empty]), "s".into());
        let mut timed = Timed::default();
        timed.at.add(&[1, 2]);
        timed.values.add(&[]);
        let payload = TypeExtra { id: vec![7; 16], payload: vec![1, 255], ..TypeExtra::default() };
        profile.meta.extra = Some(Arc::new(Extra {
            scope,
            types: vec![payload],
            locations: vec![(2, folded)],
            texts: vec![(1, Typed::Link), (3, typed)],
            timed: Some(timed),
            ..Extra::default()
        }));
        for version in 2..=VERSION {
            let path = format!("../tests/fixtures/record-v{version}.bin");
            if std::env::var_os("UPDATE_FIXTURES").is_some() && std::fs::metadata(&path).is_err() {
                std::fs::write(&path, encode(&profile)).unwrap();
            }
            let record = std::fs::read(path).unwrap();
            assert_eq!(record[0], version);
            assert_eq!(decode(&record, &Limits::default()).as_ref(), Ok(&profile));
        }
    }

    #[test]
    fn a_newer_version_is_refused_by_name() {
        let refused = decode(&[9, 0, 0], &Limits::default()).unwrap_err();
        assert_eq!(refused.to_string(), "malformed: record version 9 is newer than 5");
        assert_eq!(decode(&[], &Limits::default()).unwrap_err().reason, Reason::EmptyProfile);
    }
}
