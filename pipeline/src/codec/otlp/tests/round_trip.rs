//! What comes by OTLP leaves as it came, and what is pprof comes back as it was.

use proptest::prelude::*;
use prost::Message;

use super::{Decoder, Request, canonical::canonical, decode, encoded, profiles, random::Draw};
use crate::{
    codec::{otlp, record, samples},
    limits::Limits,
    profile::Profile,
};

/// What google/pprof compares, as text. Tables count as far as samples refer to them.
fn described(profile: &Profile) -> Vec<String> {
    let text = |index| profile.text(index);
    let m = &profile.meta;
    let types = m.sample_types.iter().map(|t| (text(t.kind), text(t.unit), t.temporality));
    let texts = [m.default_type, m.drop_frames, m.keep_frames, m.doc_url].map(text);
    let comments: Vec<_> = m.comments.iter().map(|c| text(*c)).collect();
    let head = format!(
        "{} {:?} {texts:?} {comments:?} {:?} {:?} {:?}",
        m.name,
        types.collect::<Vec<_>>(),
        (m.time_ns, m.duration_ns, m.period),
        (text(m.period_type.0), text(m.period_type.1)),
        m.resource,
    );
    let samples = profile.samples();
    let frame = |index: &u32| {
        let location = profile.locations()[*index as usize];
        let mapping = profile
            .mappings()
            .get(location.mapping as usize)
            .map(|m| (m.start, m.limit, m.offset, text(m.file), text(m.build_id), m.has));
        let lines = profile.lines().get(*index).iter().map(|line| {
            let f = profile.functions()[line.function as usize];
            let names = [f.name, f.system_name, f.file].map(text);
            (names, f.start_line, line.line, line.column)
        });
        let lines: Vec<_> = lines.collect();
        format!("{:x} {} {mapping:?} {lines:?}", location.address, location.folded)
    };
    let types = m.sample_types.len();
    let mut rows: Vec<_> = (0..profile.len())
        .map(|row| {
            let stack = profile.stacks().get(samples.stacks[row]);
            let frames: Vec<_> = stack.iter().map(frame).collect();
            let mut labels: Vec<_> = profile
                .label_sets()
                .get(samples.label_sets[row])
                .iter()
                .map(|label| {
                    let value = otlp::labels::Plain::of(label.value, text);
                    (text(label.key), value)
                })
                .collect();
            labels.sort_by_key(|(key, _)| *key);
            let values = &samples.values[row * types..(row + 1) * types];
            format!("{values:?} {labels:?} {frames:?}")
        })
        .collect();
    rows.sort();
    rows.insert(0, head);
    rows
}

/// Asserts that two requests say the same, profile by profile.
fn same(got: &Request, want: &Request) {
    let (got, want) = (canonical(got), canonical(want));
    assert!(got.keys().eq(want.keys()), "{:#?} {:#?}", got.keys(), want.keys());
    for (head, profiles) in &want {
        assert_eq!(got[head].len(), profiles.len());
        for (got, want) in got[head].iter().zip(profiles) {
            let differs = got.lines().zip(want.lines()).find(|(got, want)| got != want);
            assert!(got == want, "{differs:#?}");
        }
    }
}

proptest! {
    #[test]
    fn otlp_leaves_as_it_came(numbers in proptest::collection::vec(any::<u32>(), 1..300)) {
        let request = Draw::new(&numbers).request();
        let decoded = profiles(&request);
        let again = encoded(&decoded);
        same(&again, &request);
        // Through JSON.
        let json = otlp::json::request(&request.encode_to_vec());
        let by_json = Decoder::default().decode_json(&json, &Limits::default()).unwrap();
        prop_assert_eq!(&by_json.profiles, &decoded);
        // And through the spool.
        let stored: Vec<_> = decoded
            .iter()
            .map(|profile| record::decode(&record::encode(profile), &Limits::default()).unwrap())
            .collect();
        prop_assert_eq!(&stored, &decoded);
        same(&encoded(&stored), &request);
    }

    #[test]
    fn pprof_comes_back(
        seeds in proptest::collection::vec(any::<u32>(), 1..200),
        types in 1..5usize,
        profiles_count in 1..4usize,
    ) {
        let all: Vec<Profile> = (0..profiles_count)
            .map(|n| {
                let mut profile = samples::named(&seeds[n.min(seeds.len() - 1)..], types);
                profile.meta.name = format!("profile {n}");
                let service = format!("service {}", n / 2);
                profile.meta.resource = [("service.name", service)].into_iter().collect();
                profile.meta.time_ns += 1;
                profile
            })
            .collect();
        let decoded = Decoder::default().decode(&otlp::encode(&all), &Limits::default()).unwrap();
        prop_assert_eq!((decoded.rejected, &decoded.error), (0, &None));
        let mut want: Vec<_> = all.iter().map(described).collect();
        let mut got: Vec<_> = decoded.profiles.iter().map(described).collect();
        want.sort();
        got.sort();
        prop_assert_eq!(got, want);
    }

    #[test]
    fn damage_is_refused_or_read(
        numbers in proptest::collection::vec(any::<u32>(), 1..100),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let good = Draw::new(&numbers).request().encode_to_vec();
        let mut bytes = good.clone();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let mut decoder = Decoder::default();
        for body in [&bytes[..], &bytes[..at]] {
            if let Ok(decoded) = decoder.decode(body, &Limits::default()) {
                let again = otlp::encode(&decoded.profiles);
                prop_assert!(decoder.decode(&again, &Limits::default()).is_ok());
            }
        }
        prop_assert!(decoder.decode(&good, &Limits::default()).is_ok());
    }

    #[test]
    fn any_bytes_are_refused_or_read(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = Decoder::default().decode(&bytes, &Limits::default());
    }
}

#[test]
fn nothing_is_a_request_of_no_profiles() {
    assert_eq!(decode(&super::Request::default()).unwrap().profiles, []);
}
