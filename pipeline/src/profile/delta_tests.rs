//! Deltas of made-up snapshots: growth, new stacks, restarts, lost deltas.

use super::*;
use crate::profile::{Builder, Function, Label, Line, Location, Meta, NO_MAPPING, SampleType};

/// A heap snapshot: rows of (function, bytes label, objects, space, in use).
fn heap(time_ns: i64, rows: &[(&str, i64, i64, i64, i64)]) -> Profile {
    let mut builder = Builder::new(&Limits::default());
    let names = ["alloc_objects", "alloc_space", "inuse_space", "bytes"];
    let [objects, space, inuse, key] = names.map(|name| builder.string(name).unwrap());
    for (index, (function, label, allocated, bytes, used)) in rows.iter().enumerate() {
        let name = builder.string(function).unwrap();
        let function = builder.function(Function { name, ..Function::default() }).unwrap();
        builder.line(Line { function, line: 1, column: 0 }).unwrap();
        let location = Location { mapping: NO_MAPPING, address: 0, folded: false };
        builder.location(location).unwrap();
        builder.label(Label { key, value: LabelValue::Number(*label, 0) }).unwrap();
        [*allocated, *bytes, *used].into_iter().for_each(|value| builder.value(value));
        builder.sample(&[index as u32]).unwrap();
    }
    let typed = |kind, temporality| SampleType { kind, unit: 0, temporality };
    let sample_types = vec![
        typed(objects, Temporality::Cumulative),
        typed(space, Temporality::Cumulative),
        typed(inuse, Temporality::Instant),
    ];
    let meta = Meta { name: "heap".into(), sample_types, time_ns, ..Meta::default() };
    builder.finish(meta).unwrap()
}

/// Rows as text: leaf function, label and values.
fn rows(profile: &Profile) -> Vec<String> {
    let samples = profile.samples();
    let types = profile.meta.sample_types.len();
    let rows = samples.values.chunks_exact(types).enumerate().map(|(row, values)| {
        let location = profile.stacks().get(samples.stacks[row])[0];
        let line = profile.lines().get(location)[0];
        let name = profile.text(profile.functions()[line.function as usize].name);
        let label = profile.label_sets().get(samples.label_sets[row])[0];
        let LabelValue::Number(label, _) = label.value else { panic!("a number was put in") };
        format!("{name}/{label} {values:?}")
    });
    rows.collect()
}

fn step(profile: Profile, baseline: Option<&Baseline>) -> Delta {
    delta(profile, baseline, &Limits::default()).unwrap()
}

#[test]
fn the_first_snapshot_is_a_baseline_and_the_next_a_delta() {
    let first = step(heap(100, &[("a", 8, 10, 80, 16), ("b", 8, 5, 40, 0)]), None);
    assert_eq!(first.profiles.len(), 1, "gauges only");
    assert_eq!(rows(&first.profiles[0]), ["a/8 [16]"]);
    let second = heap(160, &[("new", 8, 1, 8, 8), ("b", 8, 5, 40, 0), ("a", 8, 12, 96, 0)]);
    let second = step(second, first.baseline.as_ref());
    let [gauges, deltas] = &second.profiles[..] else { panic!("gauges and deltas") };
    assert_eq!(rows(gauges), ["new/8 [8]"]);
    assert_eq!(rows(deltas), ["new/8 [1, 8]", "a/8 [2, 16]"]);
    assert_eq!((deltas.meta.time_ns, deltas.meta.duration_ns), (100, 60));
    assert_eq!((gauges.meta.time_ns, gauges.meta.duration_ns), (160, 0));
    assert!(deltas.meta.sample_types.iter().all(|t| t.temporality == Temporality::Delta));
    assert_ne!(gauges.id(), deltas.id());
    for part in [gauges, deltas] {
        assert_eq!(part.text(part.meta.default_type), "inuse_space", "as of the whole");
    }
    assert!(!second.restarted);
}

#[test]
fn a_counter_that_falls_or_goes_is_a_restart() {
    let first = step(heap(1, &[("a", 8, 10, 80, 0), ("b", 8, 5, 40, 0)]), None);
    for after in [
        &[("a", 8, 9, 80, 0), ("b", 8, 50, 400, 0)][..],
        &[("a", 8, 11, 88, 0)],
        &[("a", 16, 11, 88, 0), ("b", 8, 5, 40, 0)],
    ] {
        let next = step(heap(2, after), first.baseline.as_ref());
        assert!(next.restarted && next.profiles.len() == 1, "{after:?}");
        let later = step(heap(3, after), next.baseline.as_ref());
        assert_eq!((later.restarted, later.profiles.len()), (false, 2));
        assert!(later.profiles[1].is_empty(), "nothing happened, which is a delta too");
    }
}

#[test]
fn a_lost_delta_is_part_of_the_next() {
    let first = step(heap(10, &[("a", 8, 1, 8, 0)]), None);
    let lost = step(heap(20, &[("a", 8, 3, 24, 0)]), first.baseline.as_ref());
    drop(lost);
    let next = step(heap(30, &[("a", 8, 4, 32, 0)]), first.baseline.as_ref());
    assert_eq!(rows(&next.profiles[1]), ["a/8 [3, 24]"]);
    assert_eq!((next.profiles[1].meta.time_ns, next.profiles[1].meta.duration_ns), (10, 20));
}

#[test]
fn rows_of_one_key_are_one_counter() {
    let first = step(heap(1, &[("a", 8, 1, 8, 0), ("a", 8, 2, 16, 0)]), None);
    let next = step(heap(2, &[("a", 8, 4, 32, 0), ("a", 8, 0, 0, 0)]), first.baseline.as_ref());
    assert_eq!(rows(&next.profiles[1]), ["a/8 [1, 8]"]);
}

#[test]
fn other_types_or_an_older_clock_start_anew() {
    let first = step(heap(100, &[("a", 8, 1, 8, 0)]), None).baseline.unwrap();
    let other = Baseline { counters: vec!["delay".into()], ..first.clone() };
    for (baseline, time_ns, back) in
        [(&other, 200, false), (&first, 100, false), (&first, 50, true)]
    {
        let next = step(heap(time_ns, &[("a", 8, 2, 16, 0)]), Some(baseline));
        assert_eq!((next.profiles.len(), next.restarted), (1, false));
        assert_eq!(next.turned_back, back, "{time_ns}");
    }
}

#[test]
fn a_profile_without_counters_stays_as_it_is() {
    let mut profile = heap(1, &[("a", 8, 1, 8, 3)]);
    for sample_type in &mut profile.meta.sample_types {
        sample_type.temporality = Temporality::Delta;
    }
    let whole = step(profile.clone(), None);
    assert_eq!((whole.profiles, whole.baseline), (vec![profile], None));
}

/// Real pairs of snapshots, where they are at hand: totals grow by what the delta says, and a pair
/// in which a counter falls is a restart.
#[test]
fn real_pairs_add_up() {
    let dir = std::path::Path::new("../../shared/corpus/alloy-delta");
    if !dir.is_dir() {
        return println!("skipped: there is no {}", dir.display());
    }
    let read = |name: &str, time_ns: i64| {
        let body = std::fs::read(dir.join(name)).unwrap();
        let limits =
            Limits { inflated_bytes_max: 1 << 30, decoded_bytes_max: 1 << 30, ..Limits::default() };
        let mut profile = crate::codec::pprof::decode(&body, &limits).unwrap();
        profile.meta.time_ns = time_ns;
        profile.meta.duration_ns = 0;
        let names: Vec<String> =
            profile.meta.sample_types.iter().map(|t| profile.text(t.kind).to_owned()).collect();
        for (sample_type, name) in profile.meta.sample_types.iter_mut().zip(names) {
            sample_type.temporality = crate::profile::kind::temporality(&name, 0);
        }
        profile
    };
    let totals = |profile: &Profile, columns: &[usize]| -> Vec<i64> {
        let types = profile.meta.sample_types.len();
        let rows = || profile.samples().values.chunks_exact(types);
        columns.iter().map(|column| rows().map(|row| row[*column]).sum()).collect()
    };
    let mut compared = 0;
    for name in ["heap", "block", "stress-failure"] {
        let before = read(&format!("{name}.before.pprof"), 1);
        let after = read(&format!("{name}.after.pprof"), 2);
        let baseline = step(before.clone(), None).baseline.unwrap();
        let delta = step(after.clone(), Some(&baseline));
        let columns: Vec<usize> = (0..baseline.counters.len()).collect();
        let (old, new) = (totals(&before, &columns), totals(&after, &columns));
        println!("{name}: {old:?} to {new:?}, restarted {}", delta.restarted);
        if !delta.restarted {
            let grown = totals(delta.profiles.last().unwrap(), &columns);
            let want: Vec<i64> = new.iter().zip(&old).map(|(new, old)| new - old).collect();
            assert_eq!(grown, want, "{name}");
            compared += 1;
        }
    }
    assert!(compared >= 2, "only {compared} pairs could be compared");
}
