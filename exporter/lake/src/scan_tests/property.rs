//! Random lakes, random layouts, random questions.

use std::collections::BTreeMap;

use parquet::{
    basic::{Compression, Encoding, ZstdLevel},
    file::properties::{WriterProperties, WriterVersion},
    schema::types::ColumnPath,
};
use pipeline::profile::{Temporality, kind};
use proptest::prelude::*;

use crate::{
    Allowance, Error, Gauge, Lake, Selection,
    matcher::parse_matchers,
    schema::{PROFILES, SAMPLES},
    selection::Type,
    time::TimeRange,
};

use super::{
    naive::{self, Stacks},
    support::{Cell, Layout, Row, SECOND, START_US, write},
};

/// One random window: when, who, which profile, and its samples.
#[derive(Clone, Debug)]
struct Window {
    tick: i64,
    instance: u8,
    profile: u8,
    samples: Vec<(u8, u8, i64, i64)>,
}

/// Sample types of profiles: type and its twin, unit, temporality.
const KINDS: [(&str, &str, &str, &str, Temporality); 4] = [
    ("cpu", "cpu", "samples", "nanoseconds", Temporality::Delta),
    ("heap", "inuse_space", "inuse_objects", "bytes", Temporality::Instant),
    ("heap", "alloc_space", "alloc_objects", "bytes", Temporality::Delta),
    ("heap", "alloc_space", "alloc_objects", "bytes", Temporality::Cumulative),
];
const STACKS: [&str; 5] = ["", "main", "main;a", "main;a;b", "x;main"];

fn text(value: &str) -> Cell {
    Cell::Text(value.to_owned())
}

fn common(window: &Window) -> Row {
    let (profile, _, _, _, temporality) = KINDS[usize::from(window.profile)];
    let pod = format!("pod-{}", window.instance);
    let zone =
        Cell::Map(BTreeMap::from([("zone".to_owned(), format!("z{}", window.instance % 2))]));
    let mut row = naive::row([
        ("time", Cell::Int(START_US + window.tick * 10 * SECOND)),
        ("duration_ns", Cell::Int(10_000_000_000)),
        ("service", text(if window.instance < 3 { "orders" } else { "users" })),
        ("instance", text(&pod)),
        ("profile", text(profile)),
        ("temporality", text(temporality.as_str())),
        ("resource", zone),
    ]);
    if window.instance != 1 {
        row.insert("namespace", text("shop"));
    }
    row
}

fn rows(windows: &[Window]) -> (Vec<Row>, Vec<Row>) {
    let (mut samples, mut profiles) = (vec![], vec![]);
    for window in windows {
        let (_, sample_type, twin, unit, _) = KINDS[usize::from(window.profile)];
        for (name, unit) in [(sample_type, unit), (twin, "count")] {
            let mut row = common(window);
            row.extend([("sample_type", text(name)), ("unit", text(unit))]);
            row.insert("default_type", text(sample_type));
            profiles.push(row);
        }
        for (stack, label, value, count) in &window.samples {
            let mut row = common(window);
            row.extend([("sample_type", text(sample_type)), ("unit", text(unit))]);
            row.insert("stack", text(STACKS[usize::from(*stack)]));
            row.extend([("value", Cell::Int(*value)), ("count", Cell::Int(*count))]);
            let labels = match label {
                0 => BTreeMap::new(),
                1 => BTreeMap::from([("endpoint".to_owned(), "/a".to_owned())]),
                _ => BTreeMap::from([
                    ("endpoint".to_owned(), "/b".to_owned()),
                    ("user".to_owned(), "u".to_owned()),
                ]),
            };
            row.insert("labels", Cell::Map(labels));
            samples.push(row);
        }
    }
    (samples, profiles)
}

fn windows() -> impl Strategy<Value = Vec<Window>> {
    let value = prop_oneof![0i64..100, Just(1 << 40), any::<i32>().prop_map(i64::from)];
    let sample = (0u8..5, 0u8..3, value, 0i64..5);
    let samples = prop::collection::vec(sample, 0..6);
    let window = (0i64..400, 0u8..5, 0u8..4, samples);
    let window = window.prop_map(|(tick, instance, profile, samples)| {
        // Equal stack and labels of a window are one row in the lake.
        let mut seen = std::collections::HashSet::new();
        let samples = samples.into_iter().filter(|s| seen.insert((s.0, s.1))).collect();
        Window { tick, instance, profile, samples }
    });
    prop::collection::vec(window, 1..30).prop_map(|mut windows| {
        windows.sort_by_key(|w| (w.profile, w.instance, w.tick));
        windows.dedup_by_key(|w| (w.profile, w.instance, w.tick));
        windows
    })
}

fn layout() -> impl Strategy<Value = Layout> {
    (any::<bool>(), 0u8..4, 1usize..9, any::<bool>()).prop_map(|(own, style, rows, v2)| {
        let mut builder = WriterProperties::builder()
            .set_data_page_row_count_limit(rows)
            .set_write_batch_size(rows)
            .set_max_row_group_row_count(Some(rows * 3));
        let version = if v2 { WriterVersion::PARQUET_2_0 } else { WriterVersion::PARQUET_1_0 };
        builder = builder.set_writer_version(version);
        let value = ColumnPath::from("value");
        builder = match style {
            0 => builder,
            1 => builder.set_compression(Compression::ZSTD(ZstdLevel::default())),
            2 => builder.set_dictionary_enabled(false).set_compression(Compression::SNAPPY),
            _ => builder
                .set_column_dictionary_enabled(value.clone(), false)
                .set_column_encoding(value, Encoding::DELTA_BINARY_PACKED),
        };
        Layout { properties: builder.build(), own, millis: !own && v2 }
    })
}

const MATCHERS: [&str; 8] = [
    "",
    r#"instance=~"pod-[0-2]""#,
    r#"namespace="""#,
    r#"zone="z1""#,
    r#"zone!="z1", instance!="pod-2""#,
    r#"endpoint="/a""#,
    r#"endpoint="", zone=~"z.""#,
    r#"user!~"u|v""#,
];

fn close(got: &Stacks, want: &Stacks, tolerance: f64) -> bool {
    let total = |stacks: &Stacks| stacks.values().sum::<f64>();
    let near = |stack: &String| {
        let at = |stacks: &Stacks| stacks.get(stack).copied().unwrap_or(0.0);
        (at(got) - at(want)).abs() <= tolerance + at(want).abs() * 1e-9
    };
    got.keys().chain(want.keys()).all(near)
        && (total(got) - total(want)).abs() <= tolerance + total(want).abs() * 1e-9
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]
    #[test]
    fn the_scan_agrees_with_single_rows(
        windows in windows(),
        layout in layout(),
        files in 1usize..4,
        matcher in 0usize..8,
        from in 0i64..300,
        length in 1i64..400,
        service in 0u8..3,
        questions in prop::collection::vec((0usize..4, any::<bool>(), 0u8..3), 1..4),
    ) {
        let root = tempfile::tempdir().unwrap();
        for (n, part) in windows.chunks(windows.len().div_ceil(files)).enumerate() {
            let (samples, profiles) = rows(part);
            if !samples.is_empty() {
                write(root.path(), &SAMPLES, &samples, n as u64, &layout);
            }
            write(root.path(), &PROFILES, &profiles, n as u64, &layout);
        }
        let (samples, profiles) = rows(&windows);
        let lake = Lake::open(root.path());
        let range = TimeRange {
            from_us: START_US + from * 10 * SECOND,
            to_us: START_US + (from + length) * 10 * SECOND,
        };
        let matchers = parse_matchers(MATCHERS[matcher]).unwrap();
        let mut selection = Selection::new(range).matching(matchers);
        let services = [None, Some("orders"), Some("users")];
        selection.service = services[usize::from(service)].map(str::to_owned);
        for (kind_index, twin, gauge) in questions {
            let (profile, sample_type, count, unit, temporality) = KINDS[kind_index];
            let (sample_type, unit) = if twin { (count, "count") } else { (sample_type, unit) };
            let wanted = Type {
                profile: profile.into(),
                sample_type: sample_type.into(),
                unit: unit.into(),
                temporality,
            };
            let selection = selection.clone().of(&format!("{profile}:{sample_type}")).unwrap();
            let gauge = [Gauge::Mean, Gauge::Last, Gauge::Max][usize::from(gauge)];
            let flame = match lake.flame(&selection, gauge, &Allowance::default()) {
                Ok(flame) => flame,
                // Nothing of this type in the selection.
                Err(Error::Empty(_) | Error::Input { .. }) => {
                    let rows = naive::flame(&samples, &profiles, &selection, &wanted, gauge);
                    prop_assert!(rows.is_empty(), "{rows:?}");
                    continue;
                }
                Err(error) => panic!("{error}"),
            };
            prop_assert_eq!(&flame.notes.skipped, &vec![]);
            let wanted = flame.kind.clone();
            let want = naive::flame(&samples, &profiles, &selection, &wanted, gauge);
            let got = naive::stacks(&flame, &flame.own);
            // Two steps may have the same total, and sums of f64 depend on the order.
            let tolerance = if wanted.temporality == Temporality::Delta { 0.0 } else { 1.0 };
            if gauge != Gauge::Max || wanted.temporality == Temporality::Delta {
                let what = format!("{wanted:?} {gauge:?}\n{got:?}\n{want:?}");
                prop_assert!(close(&got, &want, tolerance), "{what}");
            } else {
                let total = |stacks: &Stacks| stacks.values().sum::<f64>();
                let (got, want) = (total(&got), total(&want));
                prop_assert!((got - want).abs() <= 1.0 + want.abs() * 1e-9, "{got} {want}");
            }
            let is_twin = kind::counts(&wanted.sample_type).is_empty();
            prop_assert_eq!(is_twin, !twin);
        }
    }
}
