//! Gauges of scrapes that are never quite on time, that were missed, and that came late.

use proptest::prelude::*;

use crate::{Gauge, SeriesOptions, series::Series};

use super::{
    gauges::{heap, lake, series, total},
    support::{Row, SECOND, START_US},
};

/// A million bytes of each instance: phase of each, and how far off each of its scrapes is.
fn rows(
    interval_us: i64,
    phases: &[f64],
    off: &[Vec<f64>],
    scraped: impl Fn(i64) -> bool,
) -> Vec<Row> {
    let mut rows = vec![];
    for (n, (phase, off)) in phases.iter().zip(off).enumerate() {
        for (tick, off) in (0..).zip(off).filter(|(tick, _)| scraped(*tick)) {
            let at = (tick as f64 + phase + off) * interval_us as f64;
            rows.push(heap(&format!("{n}"), START_US + at as i64, 1_000_000));
        }
    }
    rows
}

fn values(answer: &Series) -> &[Option<f64>] {
    assert_eq!(answer.lines.len(), 1);
    &answer.lines[0].values
}

/// The level of every step; none may lack.
fn flat(answer: &Series, level: f64) {
    for (at, value) in values(answer).iter().enumerate() {
        let value = value.unwrap_or(f64::NAN);
        assert!((value - level).abs() < 1e-3, "{value} in step {at} instead of {level}");
    }
    assert!((answer.lines[0].mean.unwrap() - level).abs() < 1e-3);
}

/// All that is told of instances that were there all the time: to the byte, and flat.
fn constant(rows: &[Row], instances: usize, interval_us: i64) {
    let (_root, lake) = lake(rows, rows);
    let level = instances as i64 * 1_000_000;
    for gauge in [Gauge::Mean, Gauge::Last, Gauge::Max] {
        assert_eq!(total(&lake, gauge), level, "{gauge:?}");
    }
    let stacks: &(dyn Fn(&str) -> bool + Sync) = &|_| true;
    for stacks in [None, Some(stacks)] {
        for step_us in [None, Some(interval_us), Some(interval_us / 4), Some(interval_us * 7 / 3)] {
            let options = SeriesOptions { stacks, step_us, ..SeriesOptions::default() };
            flat(&series(&lake, options), level as f64);
        }
    }
}

#[test]
fn half_a_percent_of_jitter_costs_nothing() {
    let off = |seed: i64| (0..60).map(move |tick| ((tick * seed) % 21 - 10) as f64 / 2_000.0);
    let off: Vec<Vec<f64>> = [7, 13].map(|seed| off(seed).collect()).to_vec();
    for phases in [[0.0, 0.0], [0.0, 0.5], [0.2, 0.999], [0.004, 0.0]] {
        constant(&rows(60 * SECOND, &phases, &off, |_| true), 2, 60 * SECOND);
    }
}

#[test]
fn a_missed_scrape_is_bridged_and_an_outage_is_not() {
    let exact = [vec![0.0; 60], vec![0.0; 60]];
    let late = |tick: usize| if tick == 31 { 0.04 } else { -0.04 };
    let jitter: [Vec<f64>; 2] = [vec![0.0; 60], (0..60).map(late).collect()];
    for off in [&exact, &jitter] {
        constant(&rows(60 * SECOND, &[0.0, 0.3], off, |tick| tick != 30), 2, 60 * SECOND);
    }
    // One of two is away for ten intervals, and then both are.
    let [mut one, both] =
        [0, 1].map(|_| rows(60 * SECOND, &[0.0, 0.3], &exact, |tick| !(20..30).contains(&tick)));
    one.extend(rows(60 * SECOND, &[0.0], &exact[..1], |tick| (20..30).contains(&tick)));
    for (rows, away) in [(one, Some(1_000_000.0)), (both, None)] {
        let (_root, lake) = lake(&rows, &rows);
        let step_us = Some(60 * SECOND);
        let answer = series(&lake, SeriesOptions { step_us, ..SeriesOptions::default() });
        let wanted = |at| if (20..30).contains(&at) { away } else { Some(2_000_000.0) };
        let wanted: Vec<_> = (0..60).map(wanted).collect();
        // Steps begin with the minute, so that they are cut otherwise than scrapes.
        let same = values(&answer).iter().zip(&wanted).filter(|(got, want)| got == want).count();
        assert!(same >= 58, "{:?}", values(&answer));
        let mean = total(&lake, Gauge::Mean);
        let lowest = if away.is_some() { 1_830_000 } else { 2_000_000 };
        assert!((lowest..=lowest + 10_000).contains(&mean), "{mean}");
    }
}

#[test]
fn a_chart_begins_and_ends_with_all_that_were_there() {
    // Cut in steps of five seconds, the first has one of four instances, and the last another.
    let phases = [0.0, 0.3, 0.6, 0.9];
    let rows = rows(60 * SECOND, &phases, &vec![vec![0.0; 8]; 4], |_| true);
    let (_root, lake) = lake(&rows, &rows);
    for seconds in [5, 60, 90] {
        let step_us = Some(seconds * SECOND);
        let answer = series(&lake, SeriesOptions { step_us, ..SeriesOptions::default() });
        flat(&answer, 4e6);
    }
    // Who comes later than that was not there before.
    let mut late = rows.clone();
    late.extend((3..8).map(|tick| heap("9", START_US + tick * 60 * SECOND, 1_000_000)));
    let (_root, lake) = self::lake(&late, &late);
    let step_us = Some(5 * SECOND);
    let answer = series(&lake, SeriesOptions { step_us, ..SeriesOptions::default() });
    let values: Vec<f64> = values(&answer).iter().map(|value| value.unwrap()).collect();
    assert!(values[..36].iter().all(|value| (value - 4e6).abs() < 1.0), "{values:?}");
    assert!(values[37..].iter().all(|value| (value - 5e6).abs() < 1.0), "{values:?}");
}

/// A rate is of what was profiled: nothing stands for a window that was not.
#[test]
fn rates_are_not_carried() {
    let mut rows = rows(60 * SECOND, &[0.0], &[vec![0.0; 20]], |tick| tick != 10);
    for row in &mut rows {
        row.insert("temporality", super::support::Cell::Text("delta".into()));
    }
    let (_root, lake) = lake(&rows, &rows);
    let step_us = Some(60 * SECOND);
    let answer = series(&lake, SeriesOptions { step_us, ..SeriesOptions::default() });
    let known = values(&answer).iter().filter(|value| value.is_some()).count();
    assert_eq!((values(&answer).len(), known), (20, 19));
}

fn scrapes() -> impl Strategy<Value = (Vec<f64>, Vec<Vec<f64>>)> {
    (1usize..=6, 4usize..80).prop_flat_map(|(instances, ticks)| {
        let off = prop::collection::vec(-0.05..0.05, ticks);
        (prop::collection::vec(0.0..1.0, instances), prop::collection::vec(off, instances))
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
    #[test]
    fn constant_gauges_are_exact_and_flat_whatever_the_jitter(
        (phases, off) in scrapes(),
        interval in prop::sample::select(vec![15i64, 60, 61]),
    ) {
        let rows = rows(interval * SECOND, &phases, &off, |_| true);
        constant(&rows, phases.len(), interval * SECOND);
    }
}
