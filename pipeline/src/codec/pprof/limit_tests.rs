//! Every limit on a profile: what is at it is taken, one more is refused by what there is too much
//! of. The decoder is asked with bytes, and the builder, which other codecs share, directly.

use super::{
    decode,
    tests::{encode_fields, fields},
};
use crate::{
    limits::Limits,
    profile::{
        Builder, Function, Label, LabelValue, Line, Location, Mapping, Meta, NO_MAPPING,
        SampleType, Temporality,
    },
    reason::{Reason, Refused},
};

/// What the limits are set to: above what the profile of the tests has of anything.
const MAX: usize = 7;

type Fields = Vec<(u64, Vec<u8>)>;

/// A limit, what a refusal calls it, and a profile with so many.
struct Case {
    set: fn(&mut Limits) -> &mut usize,
    what: &'static str,
    fill: fn(&mut Fields, u8),
}

const SAMPLE: [u8; 6] = [10, 1, 1, 18, 1, 5];
const LABELLED: [u8; 12] = [10, 1, 1, 18, 1, 5, 26, 4, 8, 1, 16, 2];

const fn case(
    set: fn(&mut Limits) -> &mut usize,
    what: &'static str,
    fill: fn(&mut Fields, u8),
) -> Case {
    Case { set, what, fill }
}

/// Adds entries with the ids 2 to `n`.
fn ids(fields: &mut Fields, number: u64, n: u8, rest: &[u8]) {
    fields.extend((2..=n).map(|id| (number, [&[8, id], rest].concat())));
}

const CASES: [Case; 15] = [
    case(
        |l| &mut l.sample_types_max,
        "sample types",
        |fields, n| {
            fields[1].1 = [&[10, 1, 1, 18, n], &*vec![5; n.into()]].concat();
            // Each has a name of its own.
            let named = |k| [(6, vec![b'a' + k]), (1, vec![8, 3 + k, 16, 2])];
            fields.extend((1..n).flat_map(named));
        },
    ),
    case(
        |l| &mut l.samples_max,
        "samples",
        |fields, n| fields.extend((1..n).map(|_| (2, SAMPLE.to_vec()))),
    ),
    case(|l| &mut l.mappings_max, "mappings", |fields, n| ids(fields, 3, n, &[])),
    case(|l| &mut l.locations_max, "locations", |fields, n| ids(fields, 4, n, &[])),
    case(|l| &mut l.functions_max, "functions", |fields, n| ids(fields, 5, n, &[16, 3])),
    case(
        |l| &mut l.strings_max,
        "strings",
        |fields, n| fields.extend((4..n).map(|_| (6, b"text".to_vec()))),
    ),
    case(
        |l| &mut l.strings_max,
        "comments",
        |fields, n| fields.extend((0..n).map(|_| (13, vec![1]))),
    ),
    case(|l| &mut l.strings_max, "comments", |fields, n| fields.push((13, vec![1; n.into()]))),
    case(
        |l| &mut l.frames_per_stack_max,
        "frames in a stack",
        |fields, n| fields[1].1 = [&[10, n], &*vec![1; n.into()], &[18, 1, 5]].concat(),
    ),
    case(
        |l| &mut l.frames_per_stack_max,
        "frames in a stack",
        |fields, n| fields[1].1 = [[8, 1].repeat(n.into()), vec![18, 1, 5]].concat(),
    ),
    case(
        |l| &mut l.frames_per_stack_max,
        "frames in a stack",
        |fields, n| {
            // A location of two lines counts twice; one of none counts once.
            fields[3].1 = [vec![8, 1], [34, 2, 8, 1].repeat(2)].concat();
            fields.push((4, vec![8, 2]));
            let (twice, once) = (usize::from(n) / 2, usize::from(n) % 2);
            let stack = [[8, 1].repeat(twice), [8, 2].repeat(once)].concat();
            fields[1].1 = [stack, vec![18, 1, 5]].concat();
        },
    ),
    case(
        |l| &mut l.frames_per_stack_max,
        "lines of a location",
        |fields, n| fields[3].1 = [vec![8, 1], [34, 2, 8, 1].repeat(n.into())].concat(),
    ),
    case(
        |l| &mut l.frames_max,
        "frames in all stacks",
        |fields, n| fields.extend((1..n).map(|_| (2, SAMPLE.to_vec()))),
    ),
    case(
        |l| &mut l.labels_per_sample_max,
        "labels of a sample",
        |fields, n| fields[1].1.extend([26, 4, 8, 1, 16, 2].repeat(n.into())),
    ),
    case(
        |l| &mut l.labels_max,
        "labels",
        |fields, n| fields.extend((0..n).map(|_| (2, LABELLED.to_vec()))),
    ),
];

#[test]
fn one_more_than_a_limit_is_refused_by_its_name() {
    for Case { set, what, fill } in CASES {
        let mut limits = Limits::default();
        *set(&mut limits) = MAX;
        let ask = |n: usize| {
            let mut fields = fields();
            fill(&mut fields, n as u8);
            decode(&encode_fields(&fields), &limits)
        };
        ask(MAX).unwrap_or_else(|refused| panic!("{what}: {refused}"));
        let refused = ask(MAX + 1).expect_err(what);
        let want = (Reason::CountLimit, format!("more than {MAX} {what}"));
        assert_eq!((refused.reason, refused.detail), want);
    }
}

#[test]
fn one_byte_more_than_a_limit_is_refused() {
    let raw = encode_fields(&fields());
    let profile = decode(&raw, &Limits::default()).unwrap();
    let body = super::encode(&profile);
    let inflated = super::encode_raw(&profile).len();
    let body_max = |body_bytes_max| Limits { body_bytes_max, ..Limits::default() };
    let inflated_max = |inflated_bytes_max| Limits { inflated_bytes_max, ..Limits::default() };
    for (what, limits, size, body) in [
        ("a body of", body_max as fn(usize) -> Limits, body.len(), &body),
        ("inflated", inflated_max, inflated, &body),
        ("inflated", inflated_max, raw.len(), &raw),
    ] {
        decode(body, &limits(size)).unwrap_or_else(|refused| panic!("{what}: {refused}"));
        let refused = decode(body, &limits(size - 1)).expect_err(what);
        assert_eq!(refused.reason, Reason::SizeLimit, "{what}: {refused}");
        assert!(refused.detail.contains(&format!("{} bytes", size - 1)), "{what}: {refused}");
    }
}

#[test]
fn memory_has_one_limit_from_which_on_all_is_taken() {
    let raw = encode_fields(&fields());
    let ask = |max| decode(&raw, &Limits { decoded_bytes_max: max, ..Limits::default() });
    let enough = (0..100_000).find(|max| ask(*max).is_ok()).unwrap();
    let text = "cpunanosecondsmain".len();
    assert!((text + 50..500).contains(&enough), "{enough}");
    assert!((enough..enough + 500).all(|max| ask(max).is_ok()));
    for max in 0..enough {
        let refused = ask(max).unwrap_err();
        assert_eq!(refused.reason, Reason::SizeLimit, "{refused}");
        assert_eq!(refused.detail, format!("more than {max} bytes once it is read"));
    }
}

#[test]
fn a_string_keeps_as_many_bytes_as_it_may() {
    let limits = Limits { string_bytes_max: "nanoseconds".len(), ..Limits::default() };
    for (name, want) in [("0123456789a", "0123456789a"), ("0123456789ab", "123456789ab")] {
        let mut fields = fields();
        fields[8].1 = name.into();
        let profile = decode(&encode_fields(&fields), &limits).unwrap();
        assert_eq!(profile.text(profile.functions()[0].name), want);
    }
}

/// A limit, what a refusal calls it, and the call that adds one.
type Step = (fn(&mut Limits) -> &mut usize, &'static str, fn(&mut Builder) -> Result<(), Refused>);

fn place(builder: &mut Builder) -> Result<(), Refused> {
    builder.location(Location { mapping: NO_MAPPING, address: 0, folded: false }).map(drop)
}

#[test]
fn the_builder_has_the_same_limits() {
    let label =
        |builder: &mut Builder| builder.label(Label { key: 0, value: LabelValue::Number(1, 0) });
    let line = |builder: &mut Builder| builder.line(Line { function: 0, line: 1, column: 0 });
    let steps: [Step; 10] = [
        (|l| &mut l.mappings_max, "mappings", |b| b.mapping(Mapping::default()).map(drop)),
        (|l| &mut l.functions_max, "functions", |b| b.function(Function::default()).map(drop)),
        (|l| &mut l.locations_max, "locations", place),
        (|l| &mut l.strings_max, "strings", |b| b.string("text").map(drop)),
        (|l| &mut l.samples_max, "samples", |b| b.sample(&[])),
        (|l| &mut l.frames_max, "frames in all stacks", |b| b.sample(&[0])),
        (|l| &mut l.frames_per_stack_max, "lines of a location", line),
        (|l| &mut l.frames_max, "lines", line),
        (|l| &mut l.labels_per_sample_max, "labels of a sample", label),
        (|l| &mut l.labels_max, "labels", label),
    ];
    for (set, what, add) in steps {
        let mut limits = Limits::default();
        *set(&mut limits) = MAX;
        let mut builder = Builder::new(&limits);
        // What each table has already: the empty string, and one that others can refer to.
        let have = match what {
            "mappings" | "samples" | "frames in all stacks" => 0,
            "labels" | "labels of a sample" | "lines" | "lines of a location" => 0,
            _ => 1,
        };
        builder.function(Function::default()).unwrap();
        place(&mut builder).unwrap();
        (have..MAX).for_each(|_| add(&mut builder).unwrap_or_else(|no| panic!("{what}: {no}")));
        let refused = add(&mut builder).expect_err(what);
        let want = (Reason::CountLimit, format!("more than {MAX} {what}"));
        assert_eq!((refused.reason, refused.detail), want);
    }
    let limits = Limits { sample_types_max: MAX, ..Limits::default() };
    let types = |n| {
        let one = SampleType { kind: 0, unit: 0, temporality: Temporality::Delta };
        let sample_types = vec![one; n];
        Builder::new(&limits).finish(Meta { sample_types, ..Meta::default() })
    };
    assert!(types(MAX).is_ok());
    assert_eq!(types(MAX + 1).unwrap_err().detail, format!("more than {MAX} sample types"));
}
