//! Labels through the lake and out of it as pprof: numbers stay numbers.

use std::{collections::BTreeMap, slice, sync::Arc};

use pipeline::{
    limits::Limits,
    profile::{Builder, Label, LabelValue, Meta, SampleType, Temporality},
    storage::Disk,
};

use super::support::START_US;
use crate::{Allowance, Gauge, Incoming, Lake, Selection, time::TimeRange, write_tests::writer};

/// A label: its key, and a text, or a number with its unit.
type Pair = (&'static str, Result<&'static str, (i64, &'static str)>);

fn string(builder: &mut Builder, text: &str) -> u32 {
    match builder.find(text) {
        Some(index) => index,
        None => builder.string(text).unwrap(),
    }
}

/// A CPU profile of a minute: a value and the labels of each sample.
fn incoming(minute: i64, samples: &[(i64, Vec<Pair>)]) -> Incoming {
    let mut builder = Builder::new(&Limits::default());
    for (sum, labels) in samples {
        for (key, value) in labels {
            let key = string(&mut builder, key);
            let value = match value {
                Ok(text) => LabelValue::Text(string(&mut builder, text)),
                Err((number, unit)) => LabelValue::Number(*number, string(&mut builder, unit)),
            };
            builder.label(Label { key, value }).unwrap();
        }
        builder.value(*sum);
        builder.sample(&[]).unwrap();
    }
    let [kind, unit] = ["cpu", "nanoseconds"].map(|text| string(&mut builder, text));
    let ingest_ns = (START_US + minute * 60_000_000) * 1_000;
    let meta = Meta {
        name: "cpu".into(),
        time_ns: ingest_ns,
        duration_ns: 10_000_000_000,
        content_hash: ingest_ns as u128,
        sample_types: vec![SampleType { kind, unit, temporality: Temporality::Delta }],
        resource: [("service.name", "orders")].into_iter().collect(),
        ..Meta::default()
    };
    Incoming { profile: Arc::new(builder.finish(meta).unwrap()), ingest_ns }
}

/// The labels that come out of the lake by the value of their sample: a text in quotes, a number
/// with its unit behind it.
fn merged(profiles: &[Incoming]) -> BTreeMap<i64, String> {
    let root = tempfile::tempdir().unwrap();
    let mut writer = writer(Disk, root.path());
    for (n, profile) in (0..).zip(profiles) {
        writer.write(n, n, slice::from_ref(profile)).unwrap();
    }
    let selection = Selection::new(TimeRange::ALL).of("cpu:cpu").unwrap();
    // One thread, so that files are read in order.
    let allowance = Allowance { threads_max: 1, ..Allowance::default() };
    let (merged, _) = Lake::open(root.path()).merge(&selection, Gauge::Mean, &allowance).unwrap();
    let show = |label: &Label| match label.value {
        LabelValue::Text(text) => format!("{}={:?}", merged.text(label.key), merged.text(text)),
        LabelValue::Number(number, unit) => {
            format!("{}={number}{}", merged.text(label.key), merged.text(unit))
        }
    };
    let samples = merged.samples();
    let rows = samples.values.iter().zip(&samples.label_sets);
    rows.map(|(value, set)| {
        let labels: Vec<String> = merged.label_sets().get(*set).iter().map(show).collect();
        (*value, labels.join(" "))
    })
    .collect()
}

#[test]
fn numbers_come_back_with_their_unit_and_in_their_order() {
    let plain = |number: i64| Err((number, ""));
    let widgets = |number: i64| ("many", Err((number, "widgets")));
    let samples: [(i64, Vec<Pair>); 6] = [
        (1, vec![("size", Err((512, "bytes"))), ("tier", Ok("gold")), ("rows", plain(7))]),
        (
            2,
            vec![("rows", plain(i64::MAX)), ("rows", plain(i64::MIN)), ("size", Err((0, "bytes")))],
        ),
        (4, vec![widgets(2), widgets(1), widgets(2)]),
        (8, vec![("tier", Ok("gold")), ("tier", Ok("7")), ("rows", Ok("007"))]),
        (16, vec![("wait", plain(1)), ("wait", Err((2, "ms"))), ("wait", Err((3, "h")))]),
        (32, vec![]),
    ];
    let want = [
        (1, "rows=7 size=512bytes tier=\"gold\""),
        (2, "rows=9223372036854775807 rows=-9223372036854775808 size=0bytes"),
        (4, "many=2widgets many=1widgets many=2widgets"),
        // Several texts are one, since each may hold a comma; what no number looks like is text.
        (8, "rows=\"007\" tier=\"gold,7\""),
        // A key has one unit: the first.
        (16, "wait=1ms wait=2ms wait=3ms"),
        (32, ""),
    ];
    let want = want.map(|(value, labels)| (value, labels.to_owned()));
    assert_eq!(merged(&[incoming(0, &samples)]), BTreeMap::from(want));
}

#[test]
fn no_number_comes_back_cut() {
    let many: Vec<Pair> = (0..60).map(|i| ("id", Err((i64::MAX - i, "")))).collect();
    let labels = &merged(&[incoming(0, &[(1, many)])])[&1];
    assert!(labels.starts_with("id=\"9223372036854775807,9223372036854775806,"), "{labels}");
    assert!(labels.ends_with(",9223\""), "{labels}");
}

#[test]
fn one_unit_of_several_profiles_stays_whatever_their_order() {
    for units in [["bytes", "", "seconds"], ["seconds", "", "bytes"], ["", "bytes", ""]] {
        let profile = |(minute, unit): (i64, &'static str)| {
            let value = 1_i64 << minute;
            incoming(minute, &[(value, vec![("size", Err((value, unit)))])])
        };
        let profiles: Vec<Incoming> = (0..).zip(units).map(profile).collect();
        let want = [1, 2, 4].map(|value| (value, format!("size={value}bytes")));
        assert_eq!(merged(&profiles), BTreeMap::from(want), "{units:?}");
    }
}
