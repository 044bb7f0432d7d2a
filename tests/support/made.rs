//! Profiles made in the test, where their values must be known to the unit.

use std::path::Path;

use pipeline::{
    codec::pprof,
    limits::Limits,
    profile::{
        Builder, Function, Label, LabelValue, Line, Location, Meta, NO_MAPPING, SampleType,
        Temporality,
    },
};

/// A minute in nanoseconds.
pub const MINUTE_NS: i64 = 60_000_000_000;
/// 2026-03-01T00:00:00Z in nanoseconds since 1970.
pub const START_NS: i64 = 1_772_323_200_000_000_000;

/// Writes a pprof file of one type, which starts then and whose window is as long; its stacks are
/// names from root to leaf, joined by `;`.
pub fn pprof(path: &Path, kind: (&str, &str), window_ns: (i64, i64), stacks: &[(&str, i64)]) {
    labelled(path, kind, window_ns, stacks, &[]);
}

/// The same with labels on every sample.
pub fn labelled(
    path: &Path,
    kind: (&str, &str),
    window_ns: (i64, i64),
    stacks: &[(&str, i64)],
    labels: &[(&str, &str)],
) {
    let mut builder = Builder::new(&Limits::default());
    for (stack, value) in stacks {
        let mut frames = Vec::new();
        for name in stack.rsplit(';') {
            let name = builder.string(name).unwrap();
            let function = Function { name, system_name: name, ..Function::default() };
            let function = builder.function(function).unwrap();
            builder.line(Line { function, line: 1, column: 0 }).unwrap();
            let location = Location { mapping: NO_MAPPING, address: 0, folded: false };
            frames.push(builder.location(location).unwrap());
        }
        for (key, value) in labels {
            let key = builder.string(key).unwrap();
            let value = LabelValue::Text(builder.string(value).unwrap());
            builder.label(Label { key, value }).unwrap();
        }
        builder.value(*value);
        builder.sample(&frames).unwrap();
    }
    let sample_type = SampleType {
        kind: builder.string(kind.0).unwrap(),
        unit: builder.string(kind.1).unwrap(),
        temporality: Temporality::Delta,
    };
    let meta = Meta {
        time_ns: window_ns.0,
        duration_ns: window_ns.1,
        sample_types: vec![sample_type],
        ..Meta::default()
    };
    std::fs::write(path, pprof::encode(&builder.finish(meta).unwrap())).unwrap();
}
