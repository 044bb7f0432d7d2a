//! Any bytes as what an agent of Pyroscope pushes: they are refused, or what they hold is a profile
//! that can be written and read again. A decoder that is used again gives the same as a new one.
//!
//! An input that starts with `?` is a query, a content type and a body, a line each; one that
//! starts with `{` is a push in JSON, any other one in protobuf.
#![no_main]

use std::cell::RefCell;

use fuzz::{assert_within, limits, seeds};
use libfuzzer_sys::fuzz_target;
use pipeline::{
    codec::{
        otlp::Decoded,
        pprof,
        pyroscope::{Decoder, Ingest},
    },
    limits::Limits,
    profile::Profile,
    reason::Refused,
};

thread_local! {
    static USED: RefCell<Decoder> = RefCell::default();
}

fn decode(decoder: &mut Decoder, input: &[u8]) -> Result<Decoded, Refused> {
    match input.first() {
        Some(b'?') => {
            let mut lines = input[1..].splitn(3, |byte| *byte == b'\n');
            let [query, content_type, body] = [(); 3].map(|()| lines.next().unwrap_or_default());
            let [query, content_type] = [query, content_type].map(String::from_utf8_lossy);
            decoder.ingest(body, &Ingest::parse(&query, &content_type)?, &limits())
        }
        Some(b'{') => decoder.push_json(input, &limits()),
        _ => decoder.push(input, &limits()),
    }
}

fn total(profile: &Profile) -> i128 {
    profile.samples().values.iter().map(|value| i128::from(*value)).sum()
}

fuzz_target!(init: seeds::write(&seeds::pushes()), |input: &[u8]| {
    let decoded = decode(&mut Decoder::default(), input);
    let again = USED.with_borrow_mut(|decoder| decode(decoder, input));
    let (Ok(decoded), Ok(again)) = (&decoded, &again) else {
        assert_eq!(decoded.err().map(|r| r.reason), again.err().map(|r| r.reason));
        return;
    };
    assert_eq!((&decoded.profiles, decoded.rejected), (&again.profiles, again.rejected));
    assert_eq!(decoded.rejected > 0, decoded.error.is_some());
    for profile in &decoded.profiles {
        assert_within(profile, &limits());
        assert!(profile.meta.time_ns >= 0 && profile.meta.duration_ns >= 0);
        assert!(!profile.meta.resource.iter().any(|(name, _)| name.is_empty()));
        let back = pprof::decode(&pprof::encode(profile), &Limits::default());
        assert_eq!(total(&back.expect("what we write we can read")), total(profile));
    }
});
