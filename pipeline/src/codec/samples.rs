//! Profiles for the tests of codecs.

use crate::{
    limits::Limits,
    profile::{
        Builder, Function, Label, LabelValue, Line, Location, Mapping, Meta, NO_MAPPING, Profile,
        SampleType, Temporality,
    },
};

/// A profile drawn from numbers: every table and field is used sooner or later.
pub fn profile(numbers: &[u32], types: usize) -> Profile {
    let mut draw = numbers.iter().copied().cycle();
    let mut next = |below: usize| draw.next().expect("cycles") % below.max(1) as u32;
    let mut builder = Builder::new(&Limits::default());
    for i in 0..8 + next(8) {
        builder.string(&format!("ä{i};{}", next(100))).unwrap();
    }
    let strings = builder.strings_len();
    for _ in 0..next(3) {
        let (file, build_id) = (next(strings), next(strings));
        let has = [next(2), next(2), next(2), next(2)].map(|bit| bit == 1);
        let (start, limit, offset) = (next(99).into(), u64::MAX, next(9).into());
        builder.mapping(Mapping { start, limit, offset, file, build_id, has }).unwrap();
    }
    for _ in 0..4 {
        let (name, system_name, file) = (next(strings), next(strings), next(strings));
        let start_line = i64::from(next(9)) - 1;
        builder.function(Function { name, system_name, file, start_line }).unwrap();
    }
    for _ in 0..6 {
        for _ in 0..next(3) {
            let (line, column) = (i64::from(next(999)) - 9, next(3).into());
            builder.line(Line { function: next(4), line, column }).unwrap();
        }
        let (address, folded) = (u64::from(next(1 << 31)) << 33, next(2) == 1);
        builder.location(Location { mapping: NO_MAPPING, address, folded }).unwrap();
    }
    for _ in 0..next(20) {
        (0..types).for_each(|_| builder.value(i64::from(next(u32::MAX as usize)) - (1 << 31)));
        for _ in 0..next(3) {
            let value = match next(2) {
                0 => LabelValue::Text(1 + next(strings - 1)),
                _ => LabelValue::Number(-i64::from(next(5)), 1 + next(strings - 1)),
            };
            builder.label(Label { key: next(strings), value }).unwrap();
        }
        let frames: Vec<u32> = (0..next(30)).map(|_| next(6)).collect();
        builder.sample(&frames).unwrap();
    }
    let mut typed =
        || SampleType { kind: next(strings), unit: next(strings), temporality: Temporality::Delta };
    let sample_types = (0..types).map(|_| typed()).collect();
    let meta = Meta {
        time_ns: next(9).into(),
        duration_ns: next(9).into(),
        period: next(9).into(),
        period_type: (next(strings), next(strings)),
        default_type: next(strings),
        comments: (0..next(3)).map(|_| next(strings)).collect(),
        drop_frames: next(strings),
        keep_frames: next(strings),
        doc_url: next(strings),
        sample_types,
        ..Meta::default()
    };
    builder.finish(meta).unwrap()
}

/// The same, whose types have a name each.
pub fn named(numbers: &[u32], types: usize) -> Profile {
    let mut profile = profile(numbers, types);
    profile.meta.sample_types.iter_mut().zip(0..).for_each(|(of, kind)| of.kind = kind);
    profile
}
