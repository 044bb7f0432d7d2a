//! Any bytes as an OTLP request, in protobuf and in JSON: they are refused, or what they hold can
//! be sent on and is read again. A decoder that is used again gives the same as a new one.
#![no_main]

use std::cell::RefCell;

use fuzz::{assert_within, limits, seeds};
use libfuzzer_sys::fuzz_target;
use pipeline::{
    codec::otlp::{Decoder, encode, json},
    limits::Limits,
};

thread_local! {
    static USED: RefCell<Decoder> = RefCell::default();
}

fuzz_target!(init: seeds::write(&seeds::otlp()), |body: &[u8]| {
    let is_json = body.first() == Some(&b'{');
    let decode = |decoder: &mut Decoder, limits: &Limits| match is_json {
        true => decoder.decode_json(body, limits),
        false => decoder.decode(body, limits),
    };
    let decoded = decode(&mut Decoder::default(), &limits());
    let again = USED.with_borrow_mut(|decoder| decode(decoder, &limits()));
    let bytes = bytes::Bytes::copy_from_slice(body);
    if !is_json && let Ok(Some(kept)) = Decoder::default().keep(&bytes, &limits()).map(|d| d.kept) {
        let read = decoded.as_ref().expect("what is kept can be read");
        assert_eq!((read.rejected, &read.error), (0, &None));
        assert_eq!(kept.open().as_ref(), Ok(&read.profiles));
        assert_eq!(kept.weight.profiles as usize, read.profiles.len());
    }
    let (Ok(decoded), Ok(again)) = (&decoded, &again) else {
        assert_eq!(decoded.err().map(|r| r.reason), again.err().map(|r| r.reason));
        return;
    };
    assert_eq!((&decoded.profiles, decoded.rejected), (&again.profiles, again.rejected));
    decoded.profiles.iter().for_each(|profile| assert_within(profile, &limits()));
    let sent = encode(&decoded.profiles);
    let back = Decoder::default().decode(&sent, &Limits::default());
    let back = back.expect("what we write we can read");
    assert_eq!(back.error, None);
    let total = |profiles: &[pipeline::profile::Profile]| -> i128 {
        profiles.iter().flat_map(|p| &p.samples().values).map(|value| i128::from(*value)).sum()
    };
    assert_eq!(total(&back.profiles), total(&decoded.profiles));
    let by_json = Decoder::default().decode_json(&json::request(&sent), &Limits::default());
    assert_eq!(by_json.expect("our own JSON").profiles, back.profiles);
});
