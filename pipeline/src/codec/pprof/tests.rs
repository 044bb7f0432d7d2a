//! What a profile says survives both ways, and no bytes break the decoder.

use proptest::prelude::*;

use super::{Decoder, decode, encode, encode_raw};
use crate::{
    codec::{
        samples::named,
        wire::{put_bytes, put_int, put_varint},
    },
    limits::Limits,
    profile::Profile,
    reason::{Reason, Refused},
};

/// The profile without what is not in the format.
fn bare(mut profile: Profile) -> Profile {
    profile.meta.content_hash = 0;
    profile.meta.name.clear();
    profile
}

proptest! {
    #[test]
    fn what_is_encoded_comes_back(
        numbers in proptest::collection::vec(any::<u32>(), 1..200),
        types in 1..5usize,
    ) {
        let profile = named(&numbers, types);
        let bytes = encode(&profile);
        let back = decode(&bytes, &Limits::default()).unwrap();
        prop_assert_eq!(encode(&back), bytes);
        prop_assert_eq!(bare(back), bare(profile));
    }

    #[test]
    fn damage_is_refused_or_read(
        numbers in proptest::collection::vec(any::<u32>(), 1..80),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let mut decoder = Decoder::default();
        let good = encode_raw(&named(&numbers, 2));
        let mut bytes = good.clone();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let _ = decoder.decode(&bytes, &Limits::default());
        let _ = decoder.decode(&bytes[..at], &Limits::default());
        prop_assert!(decoder.decode(&good, &Limits::default()).is_ok());
    }

    #[test]
    fn any_bytes_are_refused_or_read(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = decode(&bytes, &Limits::default());
    }
}

/// A profile of one type, as a list of fields that a test can change.
pub(super) fn fields() -> Vec<(u64, Vec<u8>)> {
    let strings = ["", "cpu", "nanoseconds", "main"].map(|s| (6, s.as_bytes().to_vec()));
    let head = vec![
        (1, vec![8, 1, 16, 2]),
        (2, vec![10, 1, 1, 18, 1, 5]),
        (3, vec![8, 1]),
        (4, vec![8, 1, 16, 1, 34, 4, 8, 1, 16, 7]),
        (5, vec![8, 1, 16, 3]),
    ];
    head.into_iter().chain(strings).collect()
}

#[test]
fn a_label_that_nobody_wants_is_checked_and_left_out() {
    let limits = Limits::default();
    let labelled = |label: &[u8]| {
        let mut fields = fields();
        let two = [3 << 3 | 2, 4, 8, 3, 24, 64]; // main: 64
        fields[1].1.extend([&two, &[3 << 3 | 2, label.len() as u8][..], label].concat());
        encode_fields(&fields)
    };
    let labels = |decoder: &mut Decoder, label: &[u8]| {
        let profile = decoder.decode(&labelled(label), &limits)?;
        Ok(profile.label_sets().parts().0.len())
    };
    let mut without = Decoder::without("nanoseconds");
    let number = [8, 2, 24, 5];
    assert_eq!(labels(&mut Decoder::default(), &number), Ok(2));
    assert_eq!(labels(&mut without, &number), Ok(1));
    assert_eq!(labels(&mut without, &[8, 2, 16, 1]), Ok(2), "a text is another label");
    let broken: Result<_, Refused> = labels(&mut without, &[8, 2, 24, 5, 32, 9]);
    assert_eq!(broken.unwrap_err().reason, Reason::BadReference);
}

pub(super) fn encode_fields(fields: &[(u64, Vec<u8>)]) -> Vec<u8> {
    let mut out = vec![];
    fields.iter().for_each(|(field, bytes)| put_bytes(&mut out, *field, bytes));
    out
}

#[test]
fn what_is_wrong_is_refused_with_its_reason() {
    let limits = Limits { samples_max: 3, frames_per_stack_max: 4, ..Limits::default() };
    assert!(decode(&encode_fields(&fields()), &limits).is_ok());
    let change = |index: usize, bytes: &[u8]| {
        let mut fields = fields();
        fields[index].1 = bytes.to_vec();
        encode_fields(&fields)
    };
    let without = |field: u64| {
        encode_fields(&fields().into_iter().filter(|f| f.0 != field).collect::<Vec<_>>())
    };
    let twice = |index: usize| {
        let mut fields = fields();
        fields.push(fields[index].clone());
        encode_fields(&fields)
    };
    let timed = [encode_fields(&fields()), vec![9 << 3, 1], vec![9 << 3, 2]].concat();
    let many = [encode_fields(&fields()), [(2 << 3) | 2, 0].repeat(3)].concat();
    let comment = [encode_fields(&fields()), vec![(13 << 3) | 5, 0, 0, 0, 0]].concat();
    let group = [encode_fields(&fields()), vec![(20 << 3) | 3]].concat();
    for (what, body, reason) in [
        ("sample without its value", change(1, &[10, 1, 1]), Reason::Malformed),
        ("two types of one name", twice(0), Reason::Malformed),
        ("value behind its end", change(1, &[18, 1, 0x85, 1]), Reason::Truncated),
        ("sample of two values", change(1, &[18, 2, 5, 6]), Reason::Malformed),
        ("unknown location", change(1, &[10, 1, 9, 18, 1, 5]), Reason::BadReference),
        ("deep stack", change(1, &[10, 5, 1, 1, 1, 1, 1, 18, 1, 5]), Reason::CountLimit),
        ("unknown key", change(1, &[18, 1, 5, 26, 4, 8, 99, 16, 1]), Reason::BadReference),
        ("mapping 0", change(2, &[8, 0]), Reason::BadReference),
        ("location 0", change(3, &[8, 0]), Reason::BadReference),
        ("unknown mapping", change(3, &[8, 1, 16, 2]), Reason::BadReference),
        ("unknown function", change(3, &[8, 1, 34, 2, 8, 9]), Reason::BadReference),
        ("line without function", change(3, &[8, 1, 34, 2, 16, 9]), Reason::BadReference),
        ("unknown name", change(4, &[8, 1, 16, 99]), Reason::BadReference),
        (
            "negative name",
            change(4, &[8, 1, 16, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1]),
            Reason::BadReference,
        ),
        ("first string", change(5, b"x"), Reason::BadReference),
        ("no strings", without(6), Reason::BadReference),
        ("no types", without(1), Reason::Malformed),
        ("function twice", twice(4), Reason::BadReference),
        ("location twice", twice(3), Reason::BadReference),
        ("mapping twice", twice(2), Reason::BadReference),
        ("two profiles", timed, Reason::Concatenated),
        ("too many samples", many, Reason::CountLimit),
        ("group", group, Reason::Malformed),
        ("number for message", [vec![8, 1], encode_fields(&fields())].concat(), Reason::Malformed),
        ("fixed number as value", change(1, &[17, 5, 0, 0, 0, 0, 0, 0, 0]), Reason::Malformed),
        ("fixed number as location", change(1, &[13, 1, 0, 0, 0, 18, 1, 5]), Reason::Malformed),
        ("fixed number as id", change(4, &[13, 1, 0, 0, 0]), Reason::Malformed),
        ("fixed number as comment", comment, Reason::Malformed),
        ("text", b"goroutine profile: total 5".to_vec(), Reason::NotPprof),
    ] {
        let refused = decode(&body, &limits).unwrap_err();
        assert_eq!(refused.reason, reason, "{what}: {refused}");
        // What is missing has no place; everything else is where its message starts, or closer.
        let missing = ["no strings", "text"].contains(&what);
        assert_eq!(refused.offset.is_none(), missing, "{what}: {refused}");
    }
}

#[test]
fn empty_messages_do_not_become_memory() {
    let mut zip = libdeflater::Compressor::new(libdeflater::CompressionLvl::new(9).unwrap());
    let bomb = [(2 << 3) | 2, 0].repeat(16 << 20);
    let mut body = vec![0; zip.gzip_compress_bound(bomb.len())];
    let length = zip.gzip_compress(&bomb, &mut body).unwrap();
    let refused = decode(&body[..length], &Limits::default()).unwrap_err();
    assert_eq!(refused.reason, Reason::CountLimit);
    assert_eq!(refused.offset, Some(1_000_000 + 2));
}

#[test]
fn strings_that_are_no_text_are_repaired() {
    let mut fields = fields();
    let mut decoder = Decoder::default();
    let mut read = |fields: &[(u64, Vec<u8>)]| {
        let profile = decoder.decode(&encode_fields(fields), &Limits::default()).unwrap();
        (profile, decoder.repaired())
    };
    assert_eq!(read(&fields).1, 0);
    fields[8].1 = vec![b'm', 0xff, b'n'];
    let (profile, repaired) = read(&fields);
    assert_eq!((profile.text(profile.functions()[0].name), repaired), ("m\u{fffd}n", 1));
    fields[8].1 = [b"x".repeat(1 << 17), b"tail".to_vec()].concat();
    let (profile, repaired) = read(&fields);
    assert_eq!(repaired, 1);
    let name = profile.text(profile.functions()[0].name);
    assert_eq!((name.len(), &name[name.len() - 5..]), (64 << 10, "xtail"));
}

#[test]
fn sparse_ids_and_unpacked_lists_are_read() {
    let mut location = vec![];
    put_int(&mut location, 1, 1 << 63);
    let mut sample = vec![8];
    put_varint(&mut sample, 1 << 63);
    sample.extend([16, 5]);
    let mut fields = fields();
    (fields[3].1, fields[1].1) = (location, sample);
    let profile = decode(&encode_fields(&fields), &Limits::default()).unwrap();
    assert_eq!((profile.stacks().get(0), &profile.samples().values[..]), (&[0][..], &[5][..]));
}
