//! Odd and hostile profiles: the writer takes them and the sums stand.

use std::path::Path;

use pipeline::testing::SimDisk;

use super::*;
use crate::schema::{profiles, samples as column};

const ROOT: &str = "/lake";

fn write(specs: &[Spec]) -> SimDisk {
    let disk = SimDisk::new(1);
    let incoming: Vec<Incoming> = specs.iter().map(Spec::incoming).collect();
    writer(disk.clone(), Path::new(ROOT)).write(1, 2, &incoming).unwrap();
    disk
}

fn samples_of(disk: &SimDisk) -> Vec<Vec<String>> {
    table(disk, Path::new(ROOT), "samples")
}

#[test]
fn nothing_and_next_to_nothing() {
    assert!(files(&write(&[]), Path::new(ROOT)).is_empty());
    // An empty window is known by its row in `profiles`.
    let disk = write(&[cpu("a", HOUR, vec![])]);
    assert_eq!((files(&disk, Path::new(ROOT)).len(), samples_of(&disk).len()), (1, 0));
    let rows = table(&disk, Path::new(ROOT), "profiles");
    assert_eq!(rows.len(), 2);
    let row = &rows[0];
    assert_eq!((row[profiles::SAMPLE_TYPE].as_str(), row[profiles::TOTAL].as_str()), ("cpu", "0"));
    // Zeros make no row, but one zero of twins does; an empty stack is a stack.
    let disk = write(&[cpu("a", HOUR, vec![sample(&[], &[0, 0]), sample(&[], &[3, 0])])]);
    let rows = samples_of(&disk);
    assert_eq!(rows.len(), 1);
    let row = &rows[0];
    assert_eq!(
        [column::STACK, column::VALUE, column::COUNT].map(|at| row[at].as_str()),
        ["", "0", "3"]
    );
}

#[test]
fn extreme_values_do_not_wrap() {
    let frame = [("f", "f.go", i64::MAX)];
    let twice = vec![sample(&frame, &[i64::MAX, i64::MIN]), sample(&frame, &[i64::MAX, i64::MIN])];
    let disk = write(&[cpu("a", i64::MIN, twice.clone()), cpu("a", i64::MAX, twice)]);
    let rows = samples_of(&disk);
    assert_eq!(rows.len(), 2);
    for row in rows {
        let values = [column::VALUE, column::COUNT, column::STACK_LINES].map(|at| row[at].clone());
        assert_eq!(values, [i64::MIN.to_string(), i64::MAX.to_string(), u32::MAX.to_string()]);
    }
    let paths = files(&disk, Path::new(ROOT));
    let name = |at: usize| paths[at].to_string_lossy().into_owned();
    assert!(name(0).starts_with("/lake/functions/date=1970-01-01/hour=00/L0-0-0-"), "{}", name(0));
    assert!(name(1).starts_with("/lake/functions/date=2262-04-11/hour=23/"), "{}", name(1));
}

#[test]
fn deep_stacks_and_many_labels() {
    const KEYS: [&str; 100] = {
        let mut keys = ["k"; 100];
        keys[50] = "\u{202e}k\n\0";
        keys
    };
    let deep: Vec<Frame> = (0..4096).map(|line| ("recursive.call", "r.go", line)).collect();
    let mut labelled = sample(&deep, &[1, 1]);
    labelled.labels = KEYS.iter().map(|key| (*key, Ok("v"))).collect();
    let rows = samples_of(&write(&[cpu("a", HOUR, vec![labelled])]));
    let row = &rows[0];
    assert_eq!(row[column::STACK].split(';').count(), 4096);
    assert!(row[column::STACK_LINES].ends_with(";4094;4095"));
    let values = ["v"; 99].join(",");
    assert_eq!(row[column::LABELS], format!("k={values} \u{202e}k\n\0=v"));
}

#[test]
fn a_stack_longer_than_a_page_keeps_its_leaf() {
    let name: &'static str = "x".repeat(60_000).leak();
    let mut stack: Vec<Frame> = vec![(name, "x.go", 1); 100];
    stack.push(("leaf", "leaf.go", 2));
    let rows = samples_of(&write(&[cpu("a", HOUR, vec![sample(&stack, &[1, 1])])]));
    let text = &rows[0][column::STACK];
    assert!(text.starts_with("(truncated);x") && text.ends_with("x;leaf"));
    assert!(text.len() <= 1 << 20 && text.len() > (1 << 20) - 60_100, "{}", text.len());
    let lines = rows[0][column::STACK_LINES].split(';').count();
    assert_eq!((text.split(';').count(), rows[0][column::FUNCTION].as_str()), (lines, "leaf"));
}

#[test]
fn dictionaries_end_before_their_limit() {
    // 40 stacks of 600 kB are more than one dictionary page holds.
    let names: Vec<&'static str> =
        (0..40).map(|i| &*format!("{i}{}", "y".repeat(60_000)).leak()).collect();
    let stack = |name| vec![(name, "y.go", 1); 10];
    let samples = names.iter().map(|name| sample(&stack(*name), &[1, 1])).collect();
    let disk = write(&[cpu("a", HOUR, samples)]);
    assert_eq!(samples_of(&disk).len(), 40);
    let path = files(&disk, &Path::new(ROOT).join("samples")).remove(0);
    let bytes = Bytes::from(disk.read(&path, 1 << 30).unwrap());
    let reader = ParquetRecordBatchReaderBuilder::try_new(bytes).unwrap();
    assert_eq!(reader.metadata().num_row_groups(), 2);
    for group in reader.metadata().row_groups() {
        assert!(group.column(column::STACK).uncompressed_size() < (16 << 20) + 4096);
    }
}

#[test]
fn many_rows_are_cut_between_services() {
    let frame: Frame = ("f", "f.go", 1);
    let mut many = sample(&[frame], &[1, 1]);
    let mut specs = Vec::new();
    // Each service has 100,000 rows: two make a row group, the third begins another.
    let numbers: Vec<&'static str> = (0..100_000).map(|n| &*n.to_string().leak()).collect();
    for service in ["a", "b", "c"] {
        let samples = numbers.iter().map(|number| {
            many.labels = vec![("n", Ok(number))];
            many.clone()
        });
        specs.push(cpu(service, HOUR, samples.collect()));
    }
    let disk = write(&specs);
    let path = files(&disk, &Path::new(ROOT).join("samples")).remove(0);
    let bytes = Bytes::from(disk.read(&path, 1 << 30).unwrap());
    let reader = ParquetRecordBatchReaderBuilder::try_new(bytes).unwrap();
    let rows = |group: &parquet::file::metadata::RowGroupMetaData| group.num_rows();
    let rows: Vec<i64> = reader.metadata().row_groups().iter().map(rows).collect();
    assert_eq!(rows, [200_000, 100_000]);
}
