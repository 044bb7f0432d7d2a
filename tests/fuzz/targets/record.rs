//! Any bytes as a record of the spool: they are refused, or they are a profile that survives its
//! own encoding, as a record and as pprof.
#![no_main]

use std::collections::HashSet;

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
    // Records of a time when two types could have one name are read.
    let types = &profile.meta.sample_types;
    let names: HashSet<&str> = types.iter().map(|t| profile.text(t.kind)).collect();
    if names.len() < types.len() {
        return;
    }
    let back = pprof::decode(&pprof::encode(&profile), &Limits::default());
    assert_eq!(back.expect("what we write we can read").len(), profile.len());
});
