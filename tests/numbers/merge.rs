//! Many profiles as one: in the lake, out of the lake as pprof, and of files.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use pipeline::{
    codec::pprof,
    limits::Limits,
    profile::{
        Builder, Function, Label, LabelValue, Line, Location, Meta, NO_MAPPING, SampleType,
        Temporality,
    },
};

use super::{expected, read};
use crate::support::{
    cli::{import, profpipe, top},
    made::{MINUTE_NS, START_NS},
    oracle::{Oracle, Sums},
    profiles, scratch,
};

/// CPU profiles by service: their values add over time.
fn services() -> Option<BTreeMap<String, Vec<PathBuf>>> {
    let mut services: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
    for (service, file) in profiles::cpu()? {
        services.entry(service.clone()).or_default().push(file.clone());
    }
    assert_eq!(services.len(), 5);
    Some(services)
}

#[test]
fn sums_over_time_are_those_of_merged_files() {
    let (Some(oracle), Some(services)) = (Oracle::new(), services()) else { return };
    let folder = scratch();
    let lake = folder.path().to_str().unwrap();
    for (service, files) in &services {
        import(folder.path(), service, files).ok();
    }
    for (service, files) in &services {
        for (kind, sums) in &oracle.merged(files).types {
            let of_lake = top(&["--lake", lake, "--all", "-s", service, "-t", kind]);
            assert_eq!(of_lake, expected::in_lake(sums), "{kind} of {service}");
            let files = files.iter().map(|file| file.to_str().unwrap());
            let of_files = top(&["-t", kind].into_iter().chain(files).collect::<Vec<_>>());
            assert_eq!(of_files, expected::in_file(sums), "{kind} of the files of {service}");
        }
    }
}

/// Asserts that two profiles add up to the same, by function and by label.
fn assert_same(got: &Sums, want: &Sums, what: &str) {
    assert_eq!(got.error, None, "{what}");
    assert!(got.types.keys().eq(want.types.keys()), "{what}");
    for (kind, sums) in &want.types {
        let (got, want) = (expected::in_lake(&got.types[kind]), expected::in_lake(sums));
        assert_eq!(got, want, "{kind} of {what}");
    }
    assert_eq!(got.labels, want.labels, "labels of {what}");
    assert_eq!(got.numbers, want.numbers, "numeric labels of {what}");
}

#[test]
fn merged_files_add_up() {
    let (Some(oracle), Some(mut services)) = (Oracle::new(), services()) else { return };
    let Some(heap) = profiles::heap() else { return };
    services.insert("heap".to_owned(), heap.to_vec());
    let real = profiles::corpus("parca/many");
    if !real.is_empty() {
        services.insert("real".to_owned(), real);
    }
    let folder = scratch();
    for (service, files) in &services {
        let merged = folder.path().join(service);
        let output = ["merge".as_ref(), "-o".as_ref(), merged.as_path()];
        profpipe(output.into_iter().chain(files.iter().map(PathBuf::as_path))).ok();
        assert_same(&oracle.sums(&[merged])[0], &oracle.merged(files), service);
    }
}

/// `profpipe merge` of all that a service has.
fn merge_lake(lake: &Path, service: &str, into: &Path) {
    let args = ["merge", "--all", "--service", service, "--lake", lake.to_str().unwrap()];
    profpipe(args.iter().chain(&["-o", into.to_str().unwrap()])).ok();
}

#[test]
fn what_comes_out_of_the_lake_adds_up_to_what_went_in() {
    let (Some(oracle), Some(mut services)) = (Oracle::new(), services()) else { return };
    let Some(heap) = profiles::heap() else { return };
    // Gauges are not added over time, so one snapshot.
    services.insert("heap".to_owned(), heap[..1].to_vec());
    let folder = scratch();
    let lake = folder.path().join("lake");
    for (service, files) in &services {
        import(&lake, service, files).ok();
        let merged = folder.path().join(service);
        merge_lake(&lake, service, &merged);
        let mut want = oracle.merged(files);
        // The size of what was allocated multiplies rows, so the lake drops it.
        let dropped = want.numbers.remove("bytes");
        assert_eq!(dropped.is_some(), service == "heap", "{service}");
        assert_same(&oracle.sums(&[merged])[0], &want, service);
    }
}

/// Writes a CPU profile with text and numeric labels, with and without units, one and several of a
/// key.
fn write_labelled(file: &Path) {
    let mut b = Builder::new(&Limits::default());
    let [kind, unit, name] =
        ["cpu", "nanoseconds", "main.work"].map(|text| b.string(text).unwrap());
    let [size, bytes, rows, many] = ["size", "bytes", "rows", "many"].map(|t| b.string(t).unwrap());
    let [tier, gold, widgets] = ["tier", "gold", "widgets"].map(|text| b.string(text).unwrap());
    let system_name = b.string("main.work-fm").unwrap();
    let function = b.function(Function { name, system_name, ..Function::default() }).unwrap();
    b.line(Line { function, line: 1, column: 0 }).unwrap();
    let location = Location { mapping: NO_MAPPING, address: 0, folded: false };
    let location = b.location(location).unwrap();
    let number = |number, unit| LabelValue::Number(number, unit);
    for (value, labels) in [
        (3, vec![(size, number(512, bytes)), (rows, number(7, 0)), (tier, LabelValue::Text(gold))]),
        (4, vec![(rows, number(-8, 0)), (many, number(1, widgets)), (many, number(2, widgets))]),
        (5, vec![(rows, number(i64::MIN, 0)), (rows, number(7, 0)), (size, number(0, bytes))]),
        (6, vec![]),
    ] {
        for (key, value) in labels {
            b.label(Label { key, value }).unwrap();
        }
        b.value(value);
        b.sample(&[location]).unwrap();
    }
    let temporality = Temporality::Delta;
    let sample_types = vec![SampleType { kind, unit, temporality }];
    let (time_ns, duration_ns) = (START_NS, MINUTE_NS);
    let meta = Meta { sample_types, time_ns, duration_ns, ..Meta::default() };
    std::fs::write(file, pprof::encode(&b.finish(meta).unwrap())).unwrap();
}

#[test]
fn numeric_labels_come_out_of_the_lake_as_numbers() {
    let Some(oracle) = Oracle::new() else { return };
    let folder = scratch();
    let [file, lake, merged] = ["a.pb.gz", "lake", "b.pb.gz"].map(|name| folder.path().join(name));
    write_labelled(&file);
    import(&lake, "labelled", &[&file]).ok();
    merge_lake(&lake, "labelled", &merged);
    let [came, left] = [&file, &merged].map(|file| {
        let profile = read(file).unwrap();
        let system = |function: &Function| profile.text(function.system_name).to_owned();
        profile.functions().iter().map(system).collect::<Vec<_>>()
    });
    assert_eq!((left, came), (vec!["main.work-fm".to_owned()], vec!["main.work-fm".to_owned()]));
    let sums = oracle.sums(&[file, merged]);
    let units: Vec<&str> =
        sums[0].numbers.values().flat_map(|v| v.keys()).map(|v| v.as_str()).collect();
    let rows = ["-8 ", "-9223372036854775808 ", "7 "];
    assert_eq!(units, [&["1 widgets", "2 widgets"][..], &rows, &["0 bytes", "512 bytes"]].concat());
    assert_same(&sums[1], &sums[0], "labels of every kind");
}
