//! Each row of the mapping between pprof and OTLP: what stands where on the wire.

use super::{Any, Request, encoded, profiles};
use crate::{
    limits::Limits,
    profile::{
        Builder, Function, Label, LabelValue, Line, Location, Mapping, Meta, Profile, SampleType,
        Temporality,
    },
};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const SPAN: &str = "b7ad6b7169203331";

/// A heap profile with something in every place.
fn heap() -> Profile {
    let mut b = Builder::new(&Limits::default());
    let mut string = |text: &str| b.string(text).unwrap();
    let types = ["alloc_objects", "alloc_space", "inuse_objects", "inuse_space"].map(&mut string);
    let [count, bytes, space] = ["count", "bytes", "space"].map(&mut string);
    let [name, system, file, bin, build] =
        ["main.work", "main.work·f", "main.go", "/bin/shop", "abcdef"].map(&mut string);
    let [trace_key, span_key, trace, span] = ["trace_id", "span_id", TRACE, SPAN].map(&mut string);
    let [tier, gold, size, key] = ["tier", "gold", "bytes", "many"].map(&mut string);
    let [comment, drop_frames, keep_frames, doc_url] =
        ["by hand", "drop.*", "keep.*", "https://doc"].map(&mut string);
    let has = [true, true, true, false];
    let mapping = Mapping { start: 1, limit: 9, offset: 2, file: bin, build_id: build, has };
    b.mapping(mapping).unwrap();
    let function = Function { name, system_name: system, file, start_line: 3 };
    b.function(function).unwrap();
    b.line(Line { function: 0, line: 7, column: 5 }).unwrap();
    b.location(Location { mapping: 0, address: 4, folded: true }).unwrap();
    let texts = [(tier, gold), (trace_key, trace), (span_key, span), (key, gold), (key, tier)];
    for (key, text) in texts {
        b.label(Label { key, value: LabelValue::Text(text) }).unwrap();
    }
    b.label(Label { key: size, value: LabelValue::Number(64, bytes) }).unwrap();
    [10, 640, 2, 0].into_iter().for_each(|value| b.value(value));
    b.sample(&[0, 0]).unwrap();
    [0; 4].into_iter().for_each(|value| b.value(value));
    b.sample(&[]).unwrap();
    let temporality = [Temporality::Delta, Temporality::Delta, Temporality::Instant];
    let temporality = temporality.into_iter().chain([Temporality::Instant]);
    let units = [count, bytes, count, bytes].into_iter();
    let typed = types.into_iter().zip(units).zip(temporality);
    let meta = Meta {
        name: "heap".into(),
        time_ns: 1_700_000_000_000_000_000,
        duration_ns: 5,
        period: 524_288,
        period_type: (space, bytes),
        default_type: types[3],
        comments: vec![comment, gold],
        drop_frames,
        keep_frames,
        doc_url,
        sample_types: typed
            .map(|((kind, unit), temporality)| SampleType { kind, unit, temporality })
            .collect(),
        resource: [("service.name", "shop")].into_iter().collect(),
        content_hash: 5,
        ..Meta::default()
    };
    b.finish(meta).unwrap()
}

fn string(request: &Request, index: i32) -> &str {
    &request.dictionary.as_ref().unwrap().string_table[index as usize]
}

/// Attributes as `key=value unit`, sorted.
fn attributes(request: &Request, indices: &[i32]) -> Vec<String> {
    let table = &request.dictionary.as_ref().unwrap().attribute_table;
    let mut all: Vec<_> = indices
        .iter()
        .map(|index| &table[*index as usize])
        .map(|a| {
            let value = show(a.value.as_ref().unwrap().value.as_ref().unwrap());
            let unit = string(request, a.unit_strindex);
            format!("{}={value} {unit}", string(request, a.key_strindex)).trim_end().to_owned()
        })
        .collect();
    all.sort();
    all
}

fn show(value: &Any) -> String {
    match value {
        Any::StringValue(text) => text.clone(),
        Any::BoolValue(value) => value.to_string(),
        Any::IntValue(value) => value.to_string(),
        Any::ArrayValue(list) => {
            let values = list.values.iter().map(|v| show(v.value.as_ref().unwrap()));
            format!("[{}]", values.collect::<Vec<_>>().join(","))
        }
        other => format!("{other:?}"),
    }
}

#[test]
fn one_profile_a_type_and_the_default_first() {
    let request = encoded([&heap()]);
    let resource = &request.resource_profiles[0];
    let named = &resource.resource.as_ref().unwrap().attributes[0];
    assert_eq!((named.key.as_str(), named.key_strindex), ("service.name", 0));
    let scope = &resource.scope_profiles[0];
    let own = scope.scope.as_ref().unwrap();
    assert_eq!(own.name, "heap");
    let own: Vec<_> = own
        .attributes
        .iter()
        .map(|a| (a.key.as_str(), show(a.value.as_ref().unwrap().value.as_ref().unwrap())))
        .collect();
    assert_eq!(
        own,
        [
            ("profpipe.profile", "heap".into()),
            ("pprof.scope.default_sample_type", "inuse_space".into()),
            ("pprof.scope.sample_type_order", "[3,0,1,2]".into())
        ]
    );
    let types: Vec<_> = scope
        .profiles
        .iter()
        .map(|p| p.sample_type.unwrap())
        .map(|t| (string(&request, t.type_strindex), string(&request, t.unit_strindex)))
        .collect();
    let want = [
        ("inuse_space", "bytes"),
        ("alloc_objects", "count"),
        ("alloc_space", "bytes"),
        ("inuse_objects", "count"),
    ];
    assert_eq!(types, want);
    let ids: std::collections::BTreeSet<_> =
        scope.profiles.iter().map(|p| p.profile_id.clone()).collect();
    assert!(ids.len() == 4 && ids.iter().all(|id| id.len() == 16));
}

#[test]
fn times_period_and_attributes_of_a_profile() {
    let request = encoded([&heap()]);
    for (n, profile) in request.resource_profiles[0].scope_profiles[0].profiles.iter().enumerate() {
        let numbers = (profile.time_unix_nano, profile.duration_nano, profile.period);
        assert_eq!(numbers, (1_700_000_000_000_000_000, 5, 524_288));
        let period = profile.period_type.unwrap();
        let period = [period.type_strindex, period.unit_strindex].map(|i| string(&request, i));
        assert_eq!(period, ["space", "bytes"]);
        let temporality = if n == 1 || n == 2 { "delta" } else { "instant" };
        assert_eq!(
            attributes(&request, &profile.attribute_indices),
            [
                "pprof.profile.comment=[by hand,gold]",
                "pprof.profile.doc_url=https://doc",
                "pprof.profile.drop_frames=drop.*",
                "pprof.profile.keep_frames=keep.*",
                "profpipe.profile=heap",
                &format!("profpipe.temporality={temporality}"),
            ]
        );
    }
}

#[test]
fn samples_labels_and_links() {
    let request = encoded([&heap()]);
    let profiles = &request.resource_profiles[0].scope_profiles[0].profiles;
    let values: Vec<Vec<i64>> = profiles
        .iter()
        .map(|p| p.samples.iter().flat_map(|sample| sample.values.clone()).collect())
        .collect();
    // A row of zeros stands in the first profile; other zeros only where a profile has no more.
    assert_eq!(values, [vec![0], vec![10], vec![640], vec![2]]);
    let sample = &profiles[1].samples[0];
    assert_eq!(
        attributes(&request, &sample.attribute_indices),
        [
            "bytes=64 bytes",
            "many=[gold,tier]",
            &format!("span_id={SPAN}"),
            "tier=gold",
            &format!("trace_id={TRACE}"),
        ]
    );
    let links = &request.dictionary.as_ref().unwrap().link_table;
    assert!(links[0].trace_id.is_empty() && links[0].span_id.is_empty());
    let link = &links[sample.link_index as usize];
    assert_eq!((link.trace_id.len(), link.trace_id[0], link.span_id[0]), (16, 0x0a, 0xb7));
}

#[test]
fn locations_functions_and_mappings() {
    let request = encoded([&heap()]);
    let d = request.dictionary.as_ref().unwrap();
    let tables = [
        d.mapping_table.len(),
        d.location_table.len(),
        d.function_table.len(),
        d.link_table.len(),
        d.stack_table.len(),
    ];
    assert_eq!(tables, [2, 2, 2, 2, 2], "each has its empty entry and one more");
    assert_eq!((d.string_table[0].as_str(), d.attribute_table[0].key_strindex), ("", 0));
    assert_eq!(d.stack_table[1].location_indices, [1, 1]);
    let (m, l, f) = (&d.mapping_table[1], &d.location_table[1], &d.function_table[1]);
    assert_eq!((m.memory_start, m.memory_limit, m.file_offset), (1, 9, 2));
    assert_eq!(string(&request, m.filename_strindex), "/bin/shop");
    assert_eq!(
        attributes(&request, &m.attribute_indices),
        [
            "pprof.mapping.has_filenames=true",
            "pprof.mapping.has_functions=true",
            "pprof.mapping.has_line_numbers=true",
            "process.executable.build_id.gnu=abcdef",
        ]
    );
    assert_eq!((l.mapping_index, l.address), (1, 4));
    assert_eq!(attributes(&request, &l.attribute_indices), ["pprof.location.is_folded=true"]);
    assert_eq!((l.lines[0].function_index, l.lines[0].line, l.lines[0].column), (1, 7, 5));
    let names = [f.name_strindex, f.system_name_strindex, f.filename_strindex];
    let names = names.map(|index| string(&request, index));
    assert_eq!((names, f.start_line), (["main.work", "main.work·f", "main.go"], 3));
}

#[test]
fn build_ids_keep_their_kind() {
    for (id, key) in [("abcdef", "gnu"), ("x1/y2/z3", "go")] {
        let mut b = Builder::new(&Limits::default());
        let build_id = b.string(id).unwrap();
        b.mapping(Mapping { limit: 9, build_id, ..Mapping::default() }).unwrap();
        b.location(Location { mapping: 0, address: 4, folded: false }).unwrap();
        b.value(1);
        b.sample(&[0]).unwrap();
        let temporality = Temporality::Delta;
        let sample_types = vec![SampleType { kind: build_id, unit: 0, temporality }];
        let profile = b.finish(Meta { sample_types, ..Meta::default() }).unwrap();
        let request = encoded([&profile]);
        let mapping = &request.dictionary.as_ref().unwrap().mapping_table[1];
        let want = format!("process.executable.build_id.{key}={id}");
        assert_eq!(attributes(&request, &mapping.attribute_indices), [want]);
        let back = &profiles(&request)[0];
        assert_eq!(back.text(back.mappings()[0].build_id), id);
    }
}

#[test]
fn types_come_back_together_with_name_and_temporality() {
    let back = profiles(&encoded([&heap()]));
    assert_eq!(back.len(), 1);
    let back = &back[0];
    assert_eq!((back.meta.name.as_str(), back.meta.resource.service()), ("heap", "shop"));
    let types: Vec<_> =
        back.meta.sample_types.iter().map(|t| (back.text(t.kind), t.temporality)).collect();
    use Temporality::{Delta, Instant};
    let want = [
        ("alloc_objects", Delta),
        ("alloc_space", Delta),
        ("inuse_objects", Instant),
        ("inuse_space", Instant),
    ];
    assert_eq!(types, want);
    assert_eq!(back.samples().values[..4], [10, 640, 2, 0]);
    assert_eq!(back.samples().values[4..], [0, 0, 0, 0]);
    assert_eq!(back.text(back.meta.default_type), "inuse_space");
}

#[test]
fn a_name_that_was_not_said_is_found_by_the_types() {
    use super::{dictionary, profile, request, sample};
    let d = || dictionary(&["contentions", "delay", "alloc_space", "widgets"]);
    let one = |kind, duration_nano| {
        let mut profile = profile(kind, vec![sample(5)]);
        profile.period_type = None;
        profile.duration_nano = duration_nano;
        profile
    };
    for (duration, temporality) in [(0, Temporality::Cumulative), (7, Temporality::Delta)] {
        let both = profiles(&request(vec![one(1, duration), one(2, duration)], d()));
        assert_eq!((both.len(), both[0].meta.name.as_str()), (1, "mutex"));
        assert!(both[0].meta.sample_types.iter().all(|t| t.temporality == temporality));
        let heap = &profiles(&request(vec![one(3, duration)], d()))[0];
        let of_type = heap.meta.sample_types[0].temporality;
        assert_eq!((heap.meta.name.as_str(), of_type), ("heap", temporality));
    }
    assert_eq!(profiles(&request(vec![one(4, 1)], d()))[0].meta.name, "widgets");
    let mut block = request(vec![one(1, 1), one(2, 1)], d());
    let scope = block.resource_profiles[0].scope_profiles[0].scope.get_or_insert_default();
    scope.name = "runtime/block".into();
    assert_eq!(profiles(&block)[0].meta.name, "block");
}

#[test]
fn a_link_without_labels_becomes_labels_here() {
    use super::{Sample, dictionary, profile, request, sample};
    let mut d = dictionary(&["cpu"]);
    d.link_table.push(opentelemetry_proto::tonic::profiles::v1development::Link {
        trace_id: vec![1; 16],
        span_id: vec![2; 8],
    });
    let linked = Sample { link_index: 1, ..sample(1) };
    let profile = &profiles(&request(vec![profile(1, vec![linked, sample(2)])], d))[0];
    let labels: Vec<_> = profile
        .label_sets()
        .get(profile.samples().label_sets[0])
        .iter()
        .map(|label| match label.value {
            LabelValue::Text(text) => (profile.text(label.key), profile.text(text)),
            LabelValue::Number(..) => panic!("an id is a text"),
        })
        .collect();
    assert_eq!(labels, [("trace_id", &*"01".repeat(16)), ("span_id", &*"02".repeat(8))]);
    assert!(profile.label_sets().get(profile.samples().label_sets[1]).is_empty());
}

#[test]
fn comments_by_number_are_read() {
    use super::{dictionary, profile, request, sample, text};
    use opentelemetry_proto::tonic::profiles::v1development::KeyValueAndUnit;
    let mut d = dictionary(&["pprof.profile.comment.0", "pprof.profile.comment.1"]);
    for n in 1..3 {
        let value = Some(text(&format!("comment {n}")));
        d.attribute_table.push(KeyValueAndUnit { key_strindex: n, value, unit_strindex: 0 });
    }
    let mut commented = profile(0, vec![sample(1)]);
    commented.attribute_indices = vec![1, 2];
    let profile = &profiles(&request(vec![commented], d))[0];
    let comments: Vec<_> = profile.meta.comments.iter().map(|c| profile.text(*c)).collect();
    assert_eq!(comments, ["comment 1", "comment 2"]);
}
