//! What stands in the columns, and what a file says of itself.

use std::path::Path;

use parquet::file::metadata::KeyValue;
use pipeline::{
    profile::{Mapping, Origin},
    testing::SimDisk,
};

use super::*;
use crate::schema::{self, functions, profiles, samples};

const ROOT: &str = "/lake";
const T: i64 = 1_795_378_727_123_456_789;

fn write(profile: Profile, options: Options) -> SimDisk {
    let (disk, id) = (SimDisk::new(1), WriterId::parse("01HZZZZZZZZZZZZZZZZZZZZZZZ").unwrap());
    let mut writer = Writer::open(disk.clone(), ROOT, id, options).unwrap();
    let incoming = Incoming { profile: Arc::new(profile), ingest_ns: T + 1_000 };
    writer.write(7, 9, &[incoming]).unwrap();
    disk
}

fn rows_of(disk: &SimDisk, name: &str) -> Vec<Vec<String>> {
    table(disk, Path::new(ROOT), name)
}

/// A heap profile with everything that a column can show.
fn full() -> Profile {
    let mut builder = Builder::new(&Limits::default());
    let mut text = |text: &str| builder.string(text).unwrap();
    let [path, build_id, space, bytes] = ["/usr/bin/app", "b1d", "space", "bytes"].map(&mut text);
    let [alloc, inuse] = ["alloc_space", "inuse_space"].map(&mut text);
    let [name, system, one, other] = ["gen<a;b>", "_Zgen", "one.cc", "other;.cc"].map(&mut text);
    let [first, second, tag, value] = ["first", "second", "tag", "v"].map(&mut text);
    let mapping =
        Mapping { start: 0x1000, offset: 0x40, file: path, build_id, ..Mapping::default() };
    let mapping = builder.mapping(mapping).unwrap();
    for (file, line) in [(one, 5), (other, 6)] {
        let function = Function { name, system_name: system, file, start_line: 4 };
        let function = builder.function(function).unwrap();
        builder.line(Line { function, line, column: 0 }).unwrap();
    }
    let at = |mapping, address| Location { mapping, address, folded: false };
    let inlined = builder.location(at(mapping, 0x1010)).unwrap();
    let bare = builder.location(at(mapping, 0x1020)).unwrap();
    let empty = builder.location(at(NO_MAPPING, 0)).unwrap();
    builder.label(Label { key: tag, value: LabelValue::Text(value) }).unwrap();
    builder.label(Label { key: bytes, value: LabelValue::Number(48, bytes) }).unwrap();
    [100, 20].into_iter().for_each(|value| builder.value(value));
    builder.sample(&[empty, inlined, bare, empty]).unwrap();
    let kind = |kind, temporality| SampleType { kind, unit: bytes, temporality };
    let resource = attributes(&[
        ("service.name", "orders"),
        ("service.version", "1.2"),
        ("k8s.namespace.name", "shop"),
        ("k8s.pod.name", "orders-0"),
        ("host.name", "node-1"),
    ]);
    let meta = Meta {
        name: "heap".into(),
        time_ns: T,
        duration_ns: 15,
        period: 524_288,
        period_type: (space, bytes),
        default_type: inuse,
        comments: vec![first, second],
        sample_types: vec![kind(alloc, Temporality::Delta), kind(inuse, Temporality::Instant)],
        resource,
        origin: Origin { receiver: "pprof".into(), peer: "http://10.0.0.1:6060".into() },
        content_hash: 77,
        ..Meta::default()
    };
    builder.finish(meta).unwrap()
}

const RESOURCE: &str = "host.name=node-1 k8s.namespace.name=shop k8s.pod.name=orders-0 \
                        service.name=orders service.version=1.2";

#[test]
fn samples_say_all() {
    let profile = full();
    let id = profile.id().to_string();
    let disk = write(profile, Options::default());
    let rows = rows_of(&disk, "samples");
    let time = (T / 1000).to_string();
    let stack = "app+0x60;gen<a:b>;gen<a:b>";
    let common = |kind, value, temporality| {
        [
            &*time,
            "15",
            "orders",
            "1.2",
            "shop",
            "orders-0",
            "node-1",
            "heap",
            kind,
            "bytes",
            value,
            "-",
            temporality,
            "524288",
            "gen<a:b>",
            "one.cc",
            stack,
            "0;6;5",
            ";other:.cc;one.cc",
        ]
        .map(String::from)
    };
    assert_eq!(rows[0][..19], common("alloc_space", "100", "delta"));
    assert_eq!(rows[1][..19], common("inuse_space", "20", "instant"));
    let tail = ["b1d", "tag=v", RESOURCE, "-", "-", &id].map(String::from);
    assert_eq!(rows[0][samples::BUILD_ID..], tail);
    assert_eq!((rows.len(), &rows[0][samples::STACK_ID]), (2, &rows[1][samples::STACK_ID]));
}

#[test]
fn profiles_and_functions_say_the_rest() {
    let profile = full();
    let id = profile.id().to_string();
    let disk = write(profile, Options { keep_bytes_label: true, ..Options::default() });
    assert_eq!(rows_of(&disk, "samples")[0][samples::LABELS], "bytes=48 tag=v");
    let rows = rows_of(&disk, "profiles");
    let [time, ingest] = [T / 1000, T / 1000 + 1].map(|time| time.to_string());
    let want = [
        &*id,
        &time,
        "15",
        "orders",
        "1.2",
        "shop",
        "orders-0",
        "node-1",
        "heap",
        "alloc_space",
        "bytes",
        "delta",
        "524288",
        "space",
        "bytes",
        "inuse_space",
        "first\nsecond",
        "bytes=bytes",
        "100",
        "1",
        "pprof http://10.0.0.1:6060",
        &ingest,
        "b1d",
        RESOURCE,
    ];
    assert_eq!(rows[0], want.map(String::from));
    assert_eq!(rows[1][profiles::SAMPLE_TYPE], "inuse_space");
    let rows = rows_of(&disk, "functions");
    assert_eq!(rows[0], ["gen<a:b>", "b1d", "_Zgen", "one.cc", "4"].map(String::from));
    assert_eq!((rows.len(), rows[1][functions::FILE].as_str()), (2, "other;.cc"));
    // Without the label there is no unit of it either.
    let disk = write(full(), Options::default());
    assert_eq!(rows_of(&disk, "profiles")[0][profiles::LABEL_UNITS], "");
}

#[test]
fn files_say_who_wrote_them() {
    let disk = write(full(), Options::default());
    let paths = files(&disk, Path::new(ROOT));
    let ms = T / 1_000_000;
    let name = format!("L0-{ms}-{ms}-01HZZZZZZZZZZZZZZZZZZZZZZZ-7-9.parquet");
    for (path, table) in paths.iter().zip(["functions", "profiles", "samples"]) {
        let want = format!("{ROOT}/{table}/date=2026-11-22/hour=20/{name}");
        assert_eq!(path.to_string_lossy(), want);
        let bytes = Bytes::from(disk.read(path, 1 << 20).unwrap());
        let reader = ParquetRecordBatchReaderBuilder::try_new(bytes).unwrap();
        let file = reader.metadata().file_metadata();
        assert_eq!(schema::check("f", file.key_value_metadata()), Ok(()));
        let pairs: &Vec<KeyValue> = file.key_value_metadata().unwrap();
        let value = |key: &str| pairs.iter().find(|pair| pair.key == key)?.value.as_deref();
        let range = [schema::key::WRITER, schema::key::FIRST, schema::key::LAST].map(value);
        assert_eq!(range, [Some("01HZZZZZZZZZZZZZZZZZZZZZZZ"), Some("7"), Some("9")]);
        assert!(file.created_by().unwrap().starts_with("profpipe version "));
        let group = reader.metadata().row_group(0);
        let sorting = group.sorting_columns().unwrap();
        let names =
            sorting.iter().map(|s| group.column(s.column_idx as usize).column_path().string());
        let names: Vec<String> = names.collect();
        let want = [&schema::FUNCTIONS, &schema::PROFILES, &schema::SAMPLES]
            .into_iter()
            .find(|known| known.name == table)
            .map(|known| {
                known.sorted_by.iter().map(|at| known.columns[*at].name).collect::<Vec<_>>()
            });
        assert_eq!(Some(names.iter().map(String::as_str).collect()), want);
        for column in group.columns() {
            let name = column.column_path().string();
            let filtered =
                ["time", "service", "namespace", "instance", "profile", "sample_type", "function"];
            let has = column.statistics().is_some_and(|stats| stats.min_bytes_opt().is_some());
            assert_eq!(has, filtered.contains(&&*name), "{table} {name}");
        }
    }
    assert_eq!(paths.len(), 3);
}

#[test]
fn one_by_one_is_the_same_as_at_once() {
    let stack = sample(&[("main", "main.go", 1)], &[1, 10]);
    let [first, second, other] = [("a", T), ("b", T + 2 * HOUR), ("c", T)]
        .map(|(service, time)| cpu(service, time, vec![stack.clone()]).incoming());
    let disks = [SimDisk::new(1), SimDisk::new(1)];
    let [mut at_once, mut one_by_one] =
        [0, 1].map(|disk: usize| writer(disks[disk].clone(), Path::new(ROOT)));
    // What a call before took in and did not commit is no part of this one.
    at_once.add(&other.profile, other.ingest_ns);
    let written = at_once.write(7, 9, &[first.clone(), second.clone()]).unwrap();
    [first, second].iter().for_each(|one| one_by_one.add(&one.profile, one.ingest_ns));
    assert_eq!(one_by_one.commit(7, 9).unwrap(), written);
    let paths = disks.each_ref().map(|disk| files(disk, Path::new(ROOT)));
    assert_eq!((paths[0].len(), &paths[0]), (6, &paths[1]));
    for path in &paths[0] {
        let [one, other] = disks.each_ref().map(|disk| disk.read(path, 1 << 30).unwrap());
        assert!(one == other, "{}", path.display());
    }
}
