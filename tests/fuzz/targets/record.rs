//! Any bytes as a record of the spool: they are refused, or they are a profile that survives its
//! own encoding, as a record and as pprof.
#![no_main]

use fuzz::{assert_within, limits, seeds};
use libfuzzer_sys::fuzz_target;
use pipeline::{
    codec::{pprof, record},
    limits::Limits,
};

fuzz_target!(init: seeds::write(&seeds::records()), |body: &[u8]| {
    let Ok(profile) = record::decode(body, &limits()) else { return };
    assert_within(&profile, &limits());
    let back = record::decode(&record::encode(&profile), &Limits::default());
    assert_eq!(back.as_ref(), Ok(&profile));
    let back = pprof::decode(&pprof::encode(&profile), &Limits::default());
    assert_eq!(back.expect("what we write we can read").len(), profile.len());
});
