//! Whatever profiles come in, the sums by type, stack and labels come out, and files are sorted.

use std::{collections::BTreeMap, path::Path};

use pipeline::{profile::Temporality, testing::SimDisk};
use proptest::prelude::*;

use super::*;
use crate::schema::{SAMPLES, samples as column};

const FRAMES: [Frame; 6] = [
    ("main.main", "main.go", 10),
    ("main.work", "work.go", 7),
    ("main.work", "work.go", 123),
    ("a;b", "semi.go", 0),
    ("ünïcode.(*T).λ", "日本.go", 4_000_000_000),
    ("runtime.gc", "gc.go", 1),
];
const TYPES: [&[(&str, &str)]; 4] = [
    &[("samples", "count"), ("cpu", "nanoseconds")],
    &[
        ("alloc_objects", "count"),
        ("alloc_space", "bytes"),
        ("inuse_objects", "count"),
        ("inuse_space", "bytes"),
    ],
    &[("goroutine", "count")],
    &[("contentions", "count"), ("delay", "nanoseconds"), ("widgets", "count")],
];
const LABELS: [&[(&str, Result<&str, i64>)]; 6] = [
    &[],
    &[("b", Ok("x")), ("a", Ok("y"))],
    &[("a", Ok("y")), ("b", Ok("x"))],
    &[("n", Err(-5)), ("n", Err(6)), ("bytes", Err(64))],
    &[("bytes", Err(32))],
    &[("trace_id", Ok("0af7")), ("span_id", Ok("b7ad"))],
];

prop_compose! {
    fn samples(types: usize)(
        samples in prop::collection::vec(
            (
                prop::collection::vec(0usize..6, 0..6),
                0usize..6,
                prop::collection::vec(
                    prop_oneof![Just(0), 1i64..50, -3i64..3, any::<i32>().prop_map(i64::from)],
                    types,
                ),
            ),
            0..40,
        ),
    ) -> Vec<Sample> {
        samples.into_iter().map(|(stack, labels, values)| Sample {
            stack: stack.into_iter().map(|frame| FRAMES[frame]).collect(),
            labels: LABELS[labels].into(),
            values,
        }).collect()
    }
}

fn spec() -> impl Strategy<Value = Spec> {
    (0usize..4).prop_flat_map(|types| {
        (samples(TYPES[types].len()), 0usize..3, 0i64..4).prop_map(
            move |(samples, service, step)| Spec {
                name: ["cpu", "heap", "goroutine", "mutex"][types],
                types: TYPES[types].into(),
                temporality: if types == 2 { Temporality::Instant } else { Temporality::Delta },
                service: ["b", "a", "ä"][service],
                time_ns: 1_795_378_727_000_000_000 + step * HOUR / 3,
                samples,
            },
        )
    })
}

/// Sums by service, profile, type, stack, lines and labels. A type that has a value type as its
/// twin is read from `count`.
type Sums = BTreeMap<[String; 6], i64>;

fn labels_of(sample: &Sample) -> String {
    let mut joined: BTreeMap<&str, String> = BTreeMap::new();
    for (key, value) in &sample.labels {
        let value = value.map_or_else(|number| number.to_string(), str::to_string);
        if *key == "bytes" {
            continue;
        }
        let entry = joined.entry(key).or_default();
        *entry = if entry.is_empty() { value } else { format!("{entry},{value}") };
    }
    joined.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(" ")
}

fn wanted(specs: &[Spec]) -> Sums {
    let mut sums = Sums::new();
    for spec in specs {
        for sample in &spec.samples {
            let names: Vec<String> = sample.stack.iter().map(|f| f.0.replace(';', ":")).collect();
            let lines: Vec<String> = sample.stack.iter().map(|f| f.2.to_string()).collect();
            for ((kind, _), value) in spec.types.iter().zip(&sample.values) {
                let key = [
                    spec.service,
                    spec.name,
                    kind,
                    &names.join(";"),
                    &lines.join(";"),
                    &labels_of(sample),
                ];
                *sums.entry(key.map(String::from)).or_default() += value;
            }
        }
    }
    sums.retain(|_, value| *value != 0);
    sums
}

fn found(rows: &[Vec<String>]) -> Sums {
    let mut sums = Sums::new();
    for row in rows {
        let link = [("span_id", column::SPAN_ID), ("trace_id", column::TRACE_ID)];
        let link = link
            .iter()
            .filter(|(_, at)| row[*at] != "-")
            .map(|(key, at)| format!("{key}={}", row[*at]));
        let labels =
            [row[column::LABELS].clone()].into_iter().filter(|text| !text.is_empty()).chain(link);
        let labels = labels.collect::<Vec<_>>().join(" ");
        let mut add = |kind: &str, value: &str| {
            let key = [
                &row[column::SERVICE],
                &row[column::PROFILE],
                kind,
                &row[column::STACK],
                &row[column::STACK_LINES],
                &labels,
            ];
            *sums.entry(key.map(String::from)).or_default() += value.parse::<i64>().unwrap();
        };
        let kind = row[column::SAMPLE_TYPE].as_str();
        add(kind, &row[column::VALUE]);
        let twin = [
            ("cpu", "samples"),
            ("alloc_space", "alloc_objects"),
            ("inuse_space", "inuse_objects"),
            ("delay", "contentions"),
        ];
        match twin.iter().find(|twin| twin.0 == kind) {
            Some((_, counter)) => add(counter, &row[column::COUNT]),
            None => assert_eq!(row[column::COUNT], "-"),
        }
    }
    sums.retain(|_, value| *value != 0);
    sums
}

/// Rows of a file obey the order that it declares, and labels come after it.
fn assert_sorted(rows: &[Vec<String>]) {
    let key = |row: &Vec<String>| {
        let texts = SAMPLES.sorted_by[..4].iter().map(|at| row[*at].clone()).collect::<Vec<_>>();
        (texts, row[column::STACK_ID].parse::<i64>().unwrap())
    };
    assert!(rows.is_sorted_by_key(key));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn sums_survive(batches in prop::collection::vec(prop::collection::vec(spec(), 0..6), 1..4)) {
        let (disk, root) = (SimDisk::new(1), Path::new("/lake"));
        let mut writer = writer(disk.clone(), root);
        for (at, batch) in batches.iter().enumerate() {
            let incoming: Vec<Incoming> = batch.iter().map(Spec::incoming).collect();
            let written = writer.write(at as u64 * 10, at as u64 * 10 + 9, &incoming).unwrap();
            for path in &written.files {
                let rows = super::rows(disk.read(&root.join(path), 1 << 30).unwrap());
                if path.starts_with("samples") {
                    assert_sorted(&rows);
                }
            }
        }
        let specs = batches.concat();
        prop_assert_eq!(found(&table(&disk, root, "samples")), wanted(&specs));
        // Every type of every profile has its row with the total, samples or not.
        let mut totals: Vec<String> = specs.iter().flat_map(|spec| {
            let total = |i: usize| spec.samples.iter().map(|sample| sample.values[i]).sum::<i64>();
            let row = move |(i, (kind, _)): (usize, &(&str, &str))| {
                format!("{} {kind} {}", spec.service, total(i))
            };
            spec.types.iter().enumerate().map(row)
        }).collect();
        use crate::schema::profiles as column;
        let rows = table(&disk, root, "profiles");
        let mut got: Vec<String> = rows.iter().map(|row| {
            let columns = [column::SERVICE, column::SAMPLE_TYPE, column::TOTAL];
            columns.map(|at| row[at].as_str()).join(" ")
        }).collect();
        totals.sort();
        got.sort();
        prop_assert_eq!(got, totals);
    }
}
