//! Questions to lakes of our own writer: flame, diff, catalogue, profiles, pprof back out.

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::AtomicBool},
    time::Instant,
};

use pipeline::{
    profile::{LabelValue, Profile, Temporality},
    storage::Disk,
};

use crate::{
    Allowance, Error, Gauge, Incoming, Lake, Selection,
    matcher::parse_matchers,
    schema::{PROFILES, SAMPLES},
    time::TimeRange,
    write_tests::{Spec, cpu, sample, writer},
};

use super::{
    naive,
    support::{self, START_US},
};

const START_NS: i64 = START_US * 1_000;
const HEAP: [(&str, &str); 4] = [
    ("alloc_objects", "count"),
    ("alloc_space", "bytes"),
    ("inuse_objects", "count"),
    ("inuse_space", "bytes"),
];

fn heap(service: &'static str, time_ns: i64, value: i64) -> Spec {
    let frames = [("main.main", "main.go", 3), ("main.grow", "grow.go", 9)];
    let samples = vec![
        sample(&frames, &[value, 10 * value, 1, 100 + value]),
        sample(&frames[..1], &[0, 0, 2, 200]),
    ];
    let (name, temporality) = ("heap", Temporality::Instant);
    Spec { name, types: HEAP.into(), temporality, service, time_ns, samples }
}

fn specs() -> Vec<Spec> {
    let main = ("main.main", "main.go", 3);
    let mut specs = vec![];
    for i in 0..6 {
        let at = START_NS + i * 10_000_000_000;
        let mut labelled = sample(&[main, ("main.b", "b.go", 8)], &[3, 30 + i]);
        labelled.labels = vec![("endpoint", Ok("/a")), ("n", Err(7)), ("span_id", Ok("b7ad"))];
        let plain = sample(&[main, ("main.a", "a.go", 4 + i % 2)], &[2, 20]);
        specs.push(cpu("orders", at, vec![plain, labelled, sample(&[], &[1, 5])]));
        specs.push(cpu("users", at, vec![sample(&[main], &[1, 7])]));
        specs.push(heap("orders", at, 2 * i));
    }
    specs
}

/// A profile with an identity of its own.
fn incoming(spec: &Spec) -> Incoming {
    let mut profile = spec.build();
    profile.meta.content_hash = profile.meta.time_ns as u128;
    Incoming { profile: Arc::new(profile), ingest_ns: spec.time_ns }
}

fn lake() -> (tempfile::TempDir, Lake) {
    let root = tempfile::tempdir().unwrap();
    let mut writer = writer(Disk, root.path());
    for (n, part) in specs().chunks(5).enumerate() {
        let incoming: Vec<_> = part.iter().map(incoming).collect();
        writer.write(n as u64, n as u64, &incoming).unwrap();
    }
    let lake = Lake::open(root.path());
    (root, lake)
}

fn all() -> Selection {
    Selection::new(TimeRange::ALL)
}

#[test]
fn flames_agree_with_rows_of_the_stock_reader() {
    let (root, lake) = lake();
    let samples = support::read(root.path(), &SAMPLES);
    let profiles = support::read(root.path(), &PROFILES);
    let part = TimeRange { from_us: START_US + 10_000_000, to_us: START_US + 40_000_000 };
    for (selection, spec) in [
        (all(), "cpu:cpu"),
        (all(), "samples"),
        (all().service("orders"), "cpu"),
        (all(), "heap"),
        (all(), "inuse_objects"),
        (Selection::new(part), "cpu:cpu"),
        (Selection::new(part), "inuse_space"),
        (all().matching(parse_matchers(r#"endpoint="/a", zone="a""#).unwrap()), "cpu:cpu"),
        (all().matching(parse_matchers(r#"endpoint!="/a""#).unwrap()), "cpu:samples"),
    ] {
        let selection = selection.of(spec).unwrap();
        for _ in ["cold", "kept"] {
            let flame = lake.flame(&selection, Gauge::Mean, &Allowance::default()).unwrap();
            let want = naive::flame(&samples, &profiles, &selection, &flame.kind, Gauge::Mean);
            let got = naive::stacks(&flame, &flame.own);
            assert_eq!(got.len(), want.len(), "{spec} {got:?} {want:?}");
            for (stack, value) in want {
                assert!((got[&stack] - value).abs() <= 1.0, "{spec} {stack} {value}");
            }
            assert_eq!(flame.notes, Default::default());
        }
    }
}

#[test]
fn functions_say_where_they_are_and_diffs_share_a_tree() {
    let (_root, lake) = lake();
    let early = TimeRange { from_us: START_US, to_us: START_US + 30_000_000 };
    let base = Selection::new(early);
    let flame = lake.diff(&all().of("cpu:cpu").unwrap(), &base, Gauge::Mean, &Allowance::default());
    let flame = flame.unwrap();
    let of = |own: &[i64]| naive::stacks(&flame, own);
    let (own, base) = (of(&flame.own), of(flame.base.as_ref().unwrap()));
    assert_eq!((own["main.main;main.b"], base["main.main;main.b"]), (195.0, 93.0));
    assert_eq!((own["main.main"], base["main.main"]), (42.0, 21.0));
    let node = (1..flame.trie.len() as u32).find(|n| flame.trie.name(*n) == "main.b").unwrap();
    assert_eq!(flame.trie.file(flame.trie.name_id(node)), "b.go:1");
}

#[test]
fn the_catalogue_lists_what_is_there() {
    let (_root, lake) = lake();
    let allowance = Allowance::default();
    let (services, _) = lake.services(&all(), &allowance).unwrap();
    let names: Vec<_> = services.iter().map(|s| (s.service.as_str(), s.types.len())).collect();
    assert_eq!(names, [("orders", 6), ("users", 2)]);
    assert_eq!((services[0].first_us, services[0].last_us), (START_US, START_US + 50_000_000));
    let (types, _) = lake.types(&all(), &allowance).unwrap();
    let shown: Vec<String> =
        types.iter().filter(|(_, default)| *default).map(|(t, _)| t.to_string()).collect();
    assert_eq!((types.len(), shown), (6, vec!["cpu:cpu".into(), "heap:inuse_space".into()]));
    let (labels, _) = lake.labels(&all(), &allowance).unwrap();
    let labels: BTreeMap<_, _> = labels.into_iter().map(|l| (l.name, l.values)).collect();
    for (name, values) in [
        ("service", &["orders", "users"][..]),
        ("endpoint", &["/a"]),
        ("zone", &["a"]),
        ("n", &["7"]),
    ] {
        assert_eq!(labels[name], values, "{name}");
    }
    let (labels, _) = lake.labels(&all().of("heap").unwrap(), &allowance).unwrap();
    assert!(labels.iter().all(|label| label.name != "endpoint"));

    let (page, more, _) = lake.profiles(&all().service("orders"), 5, &allowance).unwrap();
    assert_eq!((page.len(), more), (6, true), "both profiles of the last time");
    assert_eq!((page[0].time_us, page[5].time_us), (START_US + 50_000_000, START_US + 30_000_000));
    let cpu = page.iter().find(|p| p.profile == "cpu").unwrap();
    assert_eq!((cpu.types.len(), cpu.samples, cpu.duration_ns), (2, 3, 10_000_000_000));
    let before = TimeRange { from_us: i64::MIN, to_us: page[5].time_us };
    let older = Selection::new(before).service("orders");
    let (page, more, _) = lake.profiles(&older, 100, &allowance).unwrap();
    assert_eq!((page.len(), more), (6, false));

    let profile = incoming(&specs()[3]).profile;
    let ids = |time_us| lake.ids_of_hour(time_us, &allowance).unwrap();
    assert!(ids(START_US).contains(&profile.id()));
    assert!(ids(START_US - 3_600_000_000).is_empty());
    let mut one = all().of("cpu").unwrap();
    one.profile_id = Some(profile.id());
    let flame = lake.flame(&one, Gauge::Mean, &allowance).unwrap();
    assert_eq!(flame.own.iter().sum::<i64>(), 56);
}

#[test]
fn an_empty_answer_says_what_there_is() {
    let (_root, lake) = lake();
    let flame = |selection: Selection| {
        let flame = lake.flame(&selection, Gauge::Mean, &Allowance::default());
        flame.map(|f| f.own.iter().sum::<i64>()).map_err(|error| error.to_string())
    };
    let past = TimeRange { from_us: 0, to_us: 1_000_000 };
    let error = flame(Selection::new(past).of("cpu").unwrap()).unwrap_err();
    assert!(error.contains("there are profiles of orders (2025-11-22T16:30:00Z to "), "{error}");
    let error = flame(all().service("nobody").of("cpu").unwrap()).unwrap_err();
    assert!(error.starts_with("no profiles of service `nobody` in all time; "), "{error}");
    let error = flame(all().of("wall").unwrap()).unwrap_err();
    assert!(error.contains("`cpu:cpu`, `cpu:samples`, `heap:alloc_objects`"), "{error}");
    let nothing = parse_matchers(r#"pod="x""#).unwrap();
    assert_eq!(flame(all().of("cpu").unwrap().matching(nothing)), Ok(0));
    let empty = Lake::open(tempfile::tempdir().unwrap().path().join("absent"));
    let error = empty.flame(&all(), Gauge::Mean, &Allowance::default()).unwrap_err();
    assert_eq!(error.to_string(), "the lake holds no profiles yet");
    assert!(empty.services(&all(), &Allowance::default()).unwrap().0.is_empty());
}

#[test]
fn questions_end_when_they_are_stopped_late_or_too_large() {
    let (_root, lake) = lake();
    let ask = |allowance: Allowance| {
        lake.flame(&all().of("cpu").unwrap(), Gauge::Mean, &allowance).unwrap_err()
    };
    let stop = Some(Arc::new(AtomicBool::new(true)));
    assert!(matches!(ask(Allowance { stop, ..Default::default() }), Error::Stopped));
    let deadline = Some(Instant::now());
    assert!(matches!(ask(Allowance { deadline, ..Default::default() }), Error::TooSlow));
    let small = Allowance { bytes_max: 100, ..Default::default() };
    let list = lake.profiles(&all(), 1, &small).unwrap_err();
    assert!(matches!(list, Error::TooLarge { bytes_max: 100 }));
    assert!(matches!(ask(small), Error::TooLarge { bytes_max: 100 }));
}

/// Sums by type, stack with files and lines, and labels.
type Sums = BTreeMap<(String, Vec<String>, Vec<String>), i64>;

fn sums(profile: &Profile, into: &mut Sums) {
    for (i, stack) in profile.samples().stacks.iter().enumerate() {
        let mut frames = vec![];
        for location in profile.stacks().get(*stack) {
            for line in profile.lines().get(*location) {
                let function = profile.functions()[line.function as usize];
                let (name, file) = (profile.text(function.name), profile.text(function.file));
                frames.push(format!("{name} {file}:{} {}", line.line, function.start_line));
            }
        }
        let set = profile.label_sets().get(profile.samples().label_sets[i]);
        let mut labels: Vec<String> = set
            .iter()
            .map(|label| match label.value {
                LabelValue::Text(text) => {
                    format!("{}={}", profile.text(label.key), profile.text(text))
                }
                LabelValue::Number(number, unit) => {
                    format!("{}={number} {}", profile.text(label.key), profile.text(unit))
                }
            })
            .collect();
        labels.sort();
        let types = &profile.meta.sample_types;
        for (at, kind) in types.iter().enumerate() {
            let value = profile.samples().values[i * types.len() + at];
            let key = (profile.text(kind.kind).to_owned(), frames.clone(), labels.clone());
            *into.entry(key).or_default() += value;
        }
    }
    into.retain(|_, value| *value != 0);
}

#[test]
fn a_profile_comes_back_with_lines_labels_and_all_types() {
    let (_root, lake) = lake();
    let allowance = Allowance::default();
    let merge =
        |spec: &str| lake.merge(&all().of(spec).unwrap(), Gauge::Mean, &allowance).unwrap().0;
    let merged = merge("cpu:cpu");
    let (mut got, mut want) = (Sums::new(), Sums::new());
    sums(&merged, &mut got);
    specs().iter().filter(|s| s.name == "cpu").for_each(|s| sums(&s.build(), &mut want));
    assert_eq!(got, want);
    assert!(got.keys().any(|key| key.2 == ["endpoint=/a", "n=7 widgets", "span_id=b7ad"]));
    let meta = &merged.meta;
    let types: Vec<&str> = meta.sample_types.iter().map(|t| merged.text(t.kind)).collect();
    assert_eq!((types, meta.name.as_str()), (vec!["samples", "cpu"], "cpu"));
    assert_eq!((meta.time_ns, meta.duration_ns), (START_NS, 12 * 10_000_000_000));

    // Gauges: the mean of six snapshots.
    let heap = merge("heap:alloc_space");
    let types: Vec<&str> = heap.meta.sample_types.iter().map(|t| heap.text(t.kind)).collect();
    assert_eq!(types, ["alloc_objects", "alloc_space", "inuse_objects", "inuse_space"]);
    let mut got = Sums::new();
    sums(&heap, &mut got);
    let total = |name: &str| -> i64 {
        got.iter().filter(|(key, _)| key.0 == name).map(|(_, value)| value).sum()
    };
    assert_eq!((total("inuse_objects"), total("inuse_space")), (3, 305));
    assert_eq!(heap.meta.resource.service(), "orders");
}
