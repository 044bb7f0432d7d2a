//! Gauges while instances come and go, and series of gauges and deltas.

use std::collections::BTreeMap;

use crate::{
    Allowance, Gauge, Lake, OTHER, Selection, Series, SeriesOptions,
    matcher::parse_matchers,
    schema::{PROFILES, SAMPLES},
    time::TimeRange,
};

use super::{
    naive,
    support::{Cell, Layout, Row, SECOND, START_US, write},
};

fn text(value: &str) -> Cell {
    Cell::Text(value.to_owned())
}

/// A snapshot of a heap: `value` bytes in `main;a`.
pub(super) fn heap(instance: &str, time_us: i64, value: i64) -> Row {
    naive::row([
        ("time", Cell::Int(time_us)),
        ("service", text("orders")),
        ("instance", text(instance)),
        ("profile", text("heap")),
        ("sample_type", text("inuse_space")),
        ("unit", text("bytes")),
        ("temporality", text("instant")),
        ("default_type", text("inuse_space")),
        ("stack", text("main;a")),
        ("value", Cell::Int(value)),
        ("total", Cell::Int(value)),
        ("resource", Cell::Map(BTreeMap::from([("zone".into(), instance[..1].into())]))),
        ("labels", Cell::Map(BTreeMap::from([("endpoint".into(), "/x".into())]))),
    ])
}

pub(super) fn lake(samples: &[Row], profiles: &[Row]) -> (tempfile::TempDir, Lake) {
    let root = tempfile::tempdir().unwrap();
    if !samples.is_empty() {
        write(root.path(), &SAMPLES, samples, 1, &Layout::default());
    }
    write(root.path(), &PROFILES, profiles, 1, &Layout::default());
    let lake = Lake::open(root.path());
    (root, lake)
}

pub(super) fn total(lake: &Lake, gauge: Gauge) -> i64 {
    let selection = Selection::new(TimeRange::ALL).of("heap").unwrap();
    let flame = lake.flame(&selection, gauge, &Allowance::default()).unwrap();
    flame.own.iter().sum()
}

pub(super) fn series(lake: &Lake, options: SeriesOptions<'_>) -> Series {
    let selection = Selection::new(TimeRange::ALL).of("heap").unwrap();
    lake.series(&selection, options, &Allowance::default()).unwrap()
}

/// Ten hours of snapshots a minute of 100 bytes each, so that a step is ten minutes. In the middle
/// of one, all old instances are replaced.
fn rollout(old: usize, new: usize) -> Vec<Row> {
    let mut rows = vec![];
    for minute in 0..600 {
        let at = START_US + minute * 60 * SECOND;
        let (letter, n) = if minute < 305 { ("a", old) } else { ("b", new) };
        rows.extend((0..n).map(|i| heap(&format!("{letter}{i}"), at + i as i64 * SECOND, 100)));
    }
    rows
}

/// A chart and a picture on one screen tell one average, however it is charted.
fn means_agree(lake: &Lake) {
    let of_flame = total(lake, Gauge::Mean) as f64;
    let stacks: &(dyn Fn(&str) -> bool + Sync) = &|_| true;
    for stacks in [None, Some(stacks)] {
        for step_us in [None, Some(600 * SECOND), Some(7 * 60 * SECOND)] {
            let options = SeriesOptions { stacks, step_us, ..SeriesOptions::default() };
            let mean = series(lake, options).lines[0].mean.unwrap();
            assert!((mean - of_flame).abs() <= 0.5 + 1e-6, "{mean} and {of_flame}");
        }
    }
}

/// What comes late and is there for a part of the last step only: a plain mean of steps is off.
#[test]
fn series_and_flame_tell_one_average() {
    for after in 3..12 {
        let mut rows = vec![];
        for minute in 0..125 {
            let at = START_US + minute * 60 * SECOND + 17 * SECOND;
            rows.push(heap("a", at, 1000));
            if minute >= 125 - after {
                rows.push(heap("b", at + 7 * SECOND, 50_000));
            }
        }
        let (_root, lake) = lake(&rows, &rows);
        means_agree(&lake);
    }
}

#[test]
fn a_rollout_shows_no_bump() {
    for (old, new) in [(3, 5), (5, 3), (3, 3)] {
        let rows = rollout(old, new);
        let (_root, lake) = lake(&rows, &rows);
        let (low, high) = (old.min(new) as f64 * 100.0, old.max(new) as f64 * 100.0);
        for stacks in [None, Some(&(|_: &str| true) as &(dyn Fn(&str) -> bool + Sync))] {
            let answer = series(&lake, SeriesOptions { stacks, ..SeriesOptions::default() });
            assert!(answer.times_us.len() >= 60 && answer.lines.len() == 1);
            for value in answer.lines[0].values.iter().flatten() {
                assert!(*value >= low - 1e-6 && *value <= high + 1e-6, "{value}");
            }
        }
        let middle = (old * 305 + new * 295) as f64 / 600.0 * 100.0;
        assert!((total(&lake, Gauge::Mean) as f64 - middle).abs() <= 10.0);
        means_agree(&lake);
        assert_eq!(total(&lake, Gauge::Last), new as i64 * 100);
        assert_eq!(total(&lake, Gauge::Max), high as i64);
    }
}

/// Scrapes are spread over the interval, so instances are hardly ever in phase.
#[test]
fn instances_out_of_phase_count_in_full() {
    let mut rows = vec![];
    for tick in 0..120 {
        let at = START_US + tick * 10 * SECOND;
        rows.extend([heap("a", at, 100), heap("b", at + 5 * SECOND, 100)]);
    }
    let (_root, lake) = lake(&rows, &rows);
    for gauge in [Gauge::Mean, Gauge::Last, Gauge::Max] {
        assert_eq!(total(&lake, gauge), 200, "{gauge:?}");
    }
    for step in [10, 15, 20, 25, 30, 60] {
        let step_us = Some(step * SECOND);
        let answer = series(&lake, SeriesOptions { step_us, ..SeriesOptions::default() });
        for value in answer.lines[0].values.iter().flatten() {
            assert!((value - 200.0).abs() < 1e-6, "{value} in steps of {step} s");
        }
    }
}

#[test]
fn a_stack_that_a_snapshot_lacks_counts_zero() {
    let all: Vec<Row> =
        (0..10).map(|minute| heap("a", START_US + minute * 60 * SECOND, 100)).collect();
    // Only every other snapshot has the stack.
    let some: Vec<Row> = all.iter().step_by(2).cloned().collect();
    let (_root, lake) = lake(&some, &all);
    assert_eq!((total(&lake, Gauge::Mean), total(&lake, Gauge::Last)), (50, 0));
}

#[test]
fn a_gap_is_no_value_and_no_part_of_the_mean() {
    let minutes = (0..10).chain(30..40);
    let rows: Vec<Row> =
        minutes.map(|minute| heap("a", START_US + minute * 60 * SECOND, 100)).collect();
    let (_root, lake) = lake(&rows, &rows);
    assert_eq!(total(&lake, Gauge::Mean), 100);
    let answer = series(&lake, SeriesOptions { step_us: Some(60 * SECOND), ..Default::default() });
    let values = &answer.lines[0].values;
    assert_eq!((values.len(), values[9], values[10], values[29], values[30]), {
        (40, Some(100.0), None, None, Some(100.0))
    });
}

#[test]
fn samples_that_no_profile_tells_of_still_count() {
    let rows: Vec<Row> =
        (0..6).map(|minute| heap("a", START_US + minute * 60 * SECOND, 100)).collect();
    let (_root, lake) = lake(&rows, &rows[..3]);
    assert_eq!(total(&lake, Gauge::Mean), 100);
    let stacks: &(dyn Fn(&str) -> bool + Sync) = &|stack| stack.contains(";a");
    let options =
        SeriesOptions { stacks: Some(stacks), step_us: Some(60 * SECOND), ..Default::default() };
    assert_eq!(series(&lake, options).lines[0].values, [Some(100.0); 6]);
}

#[test]
fn groups_by_any_label_and_the_rest_as_one() {
    let mut rows = vec![];
    for minute in 0..4 {
        rows.extend((0..25).map(|i| {
            let letter = char::from(b'a' + i as u8);
            heap(&format!("{letter}{i}"), START_US + minute * 60 * SECOND, 100 - i)
        }));
    }
    let (_root, lake) = lake(&rows, &rows);
    for by in ["instance", "zone"] {
        let answer = series(&lake, SeriesOptions { by: Some(by), ..Default::default() });
        assert_eq!(answer.lines.len(), 21, "{by}");
        assert_eq!(answer.lines[0].values[0], Some(100.0));
        assert_eq!(answer.lines[20].label, OTHER);
        assert_eq!(answer.lines[20].values[0], Some((76..=80).sum::<i64>() as f64));
    }
    let by = SeriesOptions { by: Some("endpoint"), ..Default::default() };
    let answer = series(&lake, by);
    let sum = (76..=100).sum::<i64>() as f64;
    assert_eq!((answer.lines.len(), answer.lines[0].label.as_str()), (1, "/x"));
    assert!((answer.lines[0].values[0].unwrap() - sum).abs() < 1e-6);
    let absent = series(&lake, SeriesOptions { by: Some("absent"), ..Default::default() });
    assert_eq!((absent.lines.len(), absent.lines[0].label.as_str()), (1, ""));
    let why = "nothing has the label `absent`; there are `endpoint`, `instance`, `service`, `zone`";
    assert_eq!(absent.notes.lines(), [why]);
    assert!(answer.notes.lines().is_empty());
    assert!(series(&lake, SeriesOptions::default()).notes.lines().is_empty());
}

#[test]
fn deltas_are_per_second_of_what_was_profiled() {
    let mut rows = vec![];
    for minute in 0..5 {
        for instance in ["a", "b"] {
            let mut row = heap(instance, START_US + minute * 60 * SECOND, 5_000_000_000);
            row.extend([("profile", text("cpu")), ("sample_type", text("cpu"))]);
            row.extend([("unit", text("nanoseconds")), ("temporality", text("delta"))]);
            row.insert("duration_ns", Cell::Int(10_000_000_000));
            rows.push(row);
        }
    }
    let (_root, lake) = lake(&rows, &rows);
    let selection = Selection::new(TimeRange::ALL).of("cpu:cpu").unwrap();
    let ask = |selection: &Selection, stacks| {
        let options = SeriesOptions { stacks, ..SeriesOptions::default() };
        lake.series(selection, options, &Allowance::default()).unwrap().lines
    };
    // Half a core each, of windows of ten seconds a minute.
    assert_eq!(ask(&selection, None)[0].values, [Some(1e9); 5]);
    let none: &(dyn Fn(&str) -> bool + Sync) = &|_| false;
    assert_eq!(ask(&selection, Some(none))[0].values, [Some(0.0); 5]);
    let of_sample = selection.clone().matching(parse_matchers(r#"endpoint="/x""#).unwrap());
    assert_eq!(ask(&of_sample, None)[0].values, [Some(1e9); 5]);
    let none = selection.matching(parse_matchers(r#"endpoint="/y""#).unwrap());
    assert_eq!(ask(&none, None)[0].values, [Some(0.0); 5]);
}

#[test]
fn a_snapshot_that_came_twice_counts_once() {
    let of = |id: &str, row: Row| -> Row {
        row.into_iter().chain([("profile_id", text(&format!("{id:0>32}")))]).collect()
    };
    let [a, b] = [of("a", heap("pod", START_US, 70)), of("b", heap("pod", START_US, 30))];
    let next = of("c", heap("pod", START_US + 60 * SECOND, 100));
    // Parts of one snapshot add up, what is there twice does not.
    for rows in [
        vec![a.clone(), b.clone(), next.clone()],
        vec![a.clone(), b.clone(), next.clone(), next.clone(), next.clone()],
        vec![b.clone(), a.clone(), b, a, next],
    ] {
        let (_root, lake) = lake(&rows, &rows);
        for gauge in [Gauge::Mean, Gauge::Last, Gauge::Max] {
            assert_eq!(total(&lake, gauge), 100, "{gauge} of {rows:?}");
        }
        let line = &series(&lake, SeriesOptions::default()).lines[0];
        assert!(line.values.iter().flatten().all(|value| *value == 100.0), "{:?}", line.values);
    }
}
