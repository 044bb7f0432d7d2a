//! A request that is kept as it came gives the profiles that reading it at once would have given,
//! whatever it holds and however tight the limits are, and though they change later.

use bytes::Bytes;
use std::io::Write;

use opentelemetry_proto::tonic::{
    common::v1::{AnyValue, ArrayValue, any_value::Value as Any},
    profiles::v1development::{Function, KeyValueAndUnit, Line, Location, Stack},
};
use proptest::prelude::*;
use prost::Message;

use super::{Decoded, Decoder, profile, random::Draw, request, sample};
use crate::{
    codec::{otlp, record, samples},
    limits::Limits,
    profile::{Origin, Profile},
};

fn record_of(request: &otlp::Kept) -> Vec<u8> {
    let payload = request.encode();
    assert_eq!(payload.records, request.weight.profiles);
    [payload.head, payload.bytes].concat()
}

/// Whether it was kept, after a look that all is as if it was not.
fn keep(body: &[u8], limits: &Limits) -> bool {
    let read = Decoder::default().decode(body, limits);
    let kept = Decoder::default().keep(&Bytes::copy_from_slice(body), limits);
    let (read, mut kept) = match (read, kept) {
        (Ok(read), Ok(kept)) => (read, kept),
        (read, kept) => {
            assert_eq!(read.map(|_| ()), kept.map(|_| ()));
            return false;
        }
    };
    let Some(request) = kept.kept.take() else {
        let all = |d: Decoded| (d.profiles, d.rejected, d.error);
        assert_eq!(all(kept), all(read));
        return false;
    };
    assert_eq!((kept.profiles.len(), read.rejected, read.error), (0, 0, None));
    assert_eq!(request.weight.profiles as usize, read.profiles.len());
    let samples = read.profiles.iter().map(|profile| profile.len() as u64).sum::<u64>();
    assert!(request.weight.samples <= samples, "{:?} of {samples}", request.weight);
    assert_eq!(request.open().unwrap(), read.profiles);
    let mut decoder = Decoder::default();
    let stored = record::decode_all(&mut decoder, &record_of(&request), &Limits::ACCEPTED).unwrap();
    assert_eq!(stored, read.profiles);
    true
}

/// Limits that many a request is near to.
fn tight(numbers: &[usize; 6]) -> Limits {
    Limits {
        samples_max: numbers[0],
        frames_max: numbers[1] * 4,
        frames_per_stack_max: numbers[2],
        labels_max: numbers[3] * 2,
        labels_per_sample_max: numbers[3],
        strings_max: numbers[4] * 3,
        decoded_bytes_max: numbers[5] * 256,
        string_bytes_max: 1 + numbers[1],
        sample_types_max: 1 + numbers[2],
        ..Limits::default()
    }
}

proptest! {
    #[test]
    fn what_is_kept_is_what_would_be_read(
        numbers in proptest::collection::vec(any::<u32>(), 1..300),
        limits in any::<[u8; 6]>(),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let mut body = Draw::new(&numbers).request().encode_to_vec();
        keep(&body, &Limits::default());
        keep(&body, &tight(&limits.map(usize::from)));
        let at = at.index(body.len());
        body[at] = byte;
        keep(&body, &Limits::default());
        keep(&body[..at], &Limits::default());
    }

    #[test]
    fn what_is_ordinary_is_kept(
        seeds in proptest::collection::vec(any::<u32>(), 1..200),
        types in 1..5usize,
    ) {
        let mut profile = samples::profile(&seeds, types);
        profile.meta.name = "cpu".into();
        prop_assert!(keep(&otlp::encode([&profile]), &Limits::default()));
    }
}

/// Samples of two types that share nothing but the stack, in which much is inlined, so that what
/// they take together is a multiple of what the dictionary says.
fn repeated() -> Vec<u8> {
    let mut d = super::dictionary(&["a", "b"]);
    d.function_table.push(Function { name_strindex: 1, ..Function::default() });
    let lines = vec![Line { function_index: 1, line: 1, column: 0 }; 7];
    d.location_table.push(Location { address: 1, lines, ..Location::default() });
    d.stack_table.push(Stack { location_indices: vec![1; 40] });
    for name in ["x", "y"] {
        let values = vec![super::text(name), super::text("z")];
        let value = Some(AnyValue { value: Some(Any::ArrayValue(ArrayValue { values })) });
        d.attribute_table.push(KeyValueAndUnit { key_strindex: 1, value, unit_strindex: 0 });
    }
    let of = |kind, attribute| {
        let on = super::Sample { stack_index: 1, attribute_indices: vec![attribute], ..sample(1) };
        super::OtlpProfile { period_type: None, ..profile(kind, vec![on; 50]) }
    };
    request(vec![of(1, 1), of(2, 2)], d).encode_to_vec()
}

/// Reads within each limit alone, from none of it to all that the request needs.
#[test]
fn each_limit_alone_is_kept_to() {
    let numbers: Vec<u32> = (1..200).map(|n: u32| n.wrapping_mul(2_654_435_761) >> 8).collect();
    let mut profile = samples::profile(&numbers, 3);
    profile.meta.name = "cpu".into();
    let many: Vec<_> = std::iter::repeat_n(&profile, 3).collect();
    let bodies = [otlp::encode(many), repeated()];
    type Set = fn(&mut Limits, usize);
    let limits: [(&str, usize, Set); 8] = [
        ("samples", 1, |limits, max| limits.samples_max = max),
        ("frames", 1, |limits, max| limits.frames_max = max),
        ("frames a stack", 1, |limits, max| limits.frames_per_stack_max = max),
        ("labels", 1, |limits, max| limits.labels_max = max),
        ("labels a sample", 1, |limits, max| limits.labels_per_sample_max = max),
        ("strings", 1, |limits, max| limits.strings_max = max),
        ("types", 1, |limits, max| limits.sample_types_max = max),
        ("bytes", 101, |limits, max| limits.decoded_bytes_max = max),
    ];
    for (what, step, set) in limits {
        for body in &bodies {
            let within = |n: usize| {
                let mut limits = Limits::default();
                set(&mut limits, n * step);
                keep(body, &limits)
            };
            let kept = (0..5_000).position(within);
            assert!(kept.is_some_and(|n| n > 0), "{what}: {kept:?}");
        }
    }
}

#[test]
fn times_that_come_late_are_told_apart() {
    let timed = super::Sample { timestamps_unix_nano: vec![3], ..sample(1) };
    let both = |kind, timed: &[super::Sample]| {
        let samples = [&[sample(1)], timed].concat();
        super::OtlpProfile { period_type: None, ..profile(kind, samples) }
    };
    let strings = super::dictionary(&["a", "b"]);
    let apart =
        request(vec![both(1, std::slice::from_ref(&timed)), both(2, &[timed])], strings.clone());
    assert!(!keep(&apart.encode_to_vec(), &Limits::default()));
    let together = request(vec![both(1, &[]), both(2, &[])], strings);
    assert!(keep(&together.encode_to_vec(), &Limits::default()));
}

fn origin() -> Origin {
    Origin { receiver: "otlp/x".into(), peer: "127.0.0.1:1".into() }
}

#[test]
fn time_and_origin_come_from_who_received_it() {
    let timed =
        |time_unix_nano| super::OtlpProfile { time_unix_nano, ..profile(0, vec![sample(1)]) };
    let plain = request(vec![timed(0), timed(7)], super::dictionary(&[])).encode_to_vec();
    let mut gzip = flate2::write::GzEncoder::new(vec![], flate2::Compression::fast());
    gzip.write_all(&plain).unwrap();
    let zstd = zstd::bulk::compress(&plain, 1).unwrap();
    for body in [plain, gzip.finish().unwrap(), zstd] {
        let body = body.into();
        let mut kept = Decoder::default().keep(&body, &Limits::default()).unwrap().kept.unwrap();
        (kept.origin, kept.received_ns) = (origin(), 5);
        let of = |profiles: Vec<Profile>| -> Vec<_> {
            profiles
                .into_iter()
                .map(|profile| (profile.meta.time_ns, profile.meta.origin))
                .collect()
        };
        let want = [(5, origin()), (7, origin())];
        assert_eq!(of(kept.open().unwrap()), want);
        let record = record_of(&kept);
        let mut decoder = Decoder::default();
        let stored = record::decode_all(&mut decoder, &record, &Limits::default()).unwrap();
        assert_eq!(of(stored), want);
        for length in 0..record.len() {
            let cut = &record[..length];
            assert!(record::decode_all(&mut decoder, cut, &Limits::default()).is_err(), "{length}");
        }
    }
}

#[test]
fn a_request_of_nothing_is_not_kept() {
    for body in [&[][..], &request(vec![], super::dictionary(&[])).encode_to_vec()] {
        let body = Bytes::copy_from_slice(body);
        let decoded = Decoder::default().keep(&body, &Limits::default()).unwrap();
        assert_eq!((decoded.kept, decoded.profiles.len()), (None, 0));
    }
}

/// Records as versions 4 and 5 wrote them. The files stay as they are when versions follow;
/// `UPDATE_FIXTURES=1` writes the newest where it is missing.
#[test]
fn records_of_all_versions_are_read() {
    let timed = super::OtlpProfile { time_unix_nano: 7, ..profile(1, vec![sample(3)]) };
    let body = request(vec![timed], super::dictionary(&["cpu"])).encode_to_vec().into();
    let mut kept = Decoder::default().keep(&body, &Limits::default()).unwrap().kept.unwrap();
    (kept.origin, kept.received_ns) = (origin(), 5);
    for version in [4, otlp::kept::VERSION] {
        let path = format!("../tests/fixtures/record-v{version}.bin");
        let is_missing = std::fs::metadata(&path).is_err();
        if std::env::var_os("UPDATE_FIXTURES").is_some() && is_missing {
            std::fs::write(&path, record_of(&kept)).unwrap();
        }
        let stored = std::fs::read(path).unwrap();
        assert_eq!(stored[0], version);
        let read = record::decode_all(&mut Decoder::default(), &stored, &Limits::ACCEPTED);
        assert_eq!(read, kept.open(), "{version}");
    }
}
