//! Any bytes as pprof: they are refused, or they are a profile within the limits that survives its
//! own encoding. A decoder that is used again gives the same as a new one.
#![no_main]

use std::cell::RefCell;

use fuzz::{assert_within, limits, seeds, without_hash};
use libfuzzer_sys::fuzz_target;
use pipeline::{
    codec::pprof::{Decoder, decode, encode},
    limits::Limits,
    reason::Refused,
};

thread_local! {
    static USED: RefCell<Decoder> = RefCell::default();
}

fuzz_target!(init: seeds::write(&seeds::pprof()), |body: &[u8]| {
    // Not its words: those of zstd depend on how much room it is given at a time.
    let reason = |refused: Refused| refused.reason;
    let decoded = decode(body, &limits()).map_err(reason);
    let again = USED.with_borrow_mut(|decoder| decoder.decode(body, &limits()));
    assert_eq!(decoded, again.map_err(reason));
    let Ok(profile) = decoded else { return };
    assert_within(&profile, &limits());
    let back = decode(&encode(&profile), &Limits::default()).expect("what we write we can read");
    assert_eq!(without_hash(back), without_hash(profile));
});
