//! A request that keeps all rules, and for each rule a change to it that breaks that one alone.

use std::collections::BTreeSet;

use opentelemetry_proto::tonic::{
    collector::profiles::v1development::ExportProfilesServiceRequest as Request,
    common::v1::{
        AnyValue, ArrayValue, InstrumentationScope, KeyValue, KeyValueList, any_value::Value as Any,
    },
    profiles::v1development::{
        Function, KeyValueAndUnit, Line, Link, Location, Mapping, Profile, ProfilesDictionary,
        ResourceProfiles, Sample, ScopeProfiles, Stack, ValueType,
    },
    resource::v1::Resource,
};
use prost::Message;

use super::{Form, Report, Rule, Source, TOLD_MAX, check, check_for, messages};
use crate::{
    codec::{otlp, samples},
    reason::Reason,
};

const STRINGS: [&str; 10] = [
    "",
    "cpu",
    "nanoseconds",
    "main.work",
    "main.go",
    "/bin/main",
    "thread.id",
    "process.executable.build_id.go",
    "By",
    "team",
];

fn any(value: Any) -> Option<AnyValue> {
    Some(AnyValue { value: Some(value) })
}

fn pair(key: &str, value: Any) -> KeyValue {
    KeyValue { key: key.into(), value: any(value), key_strindex: 0 }
}

fn attribute(key_strindex: i32, value: Any, unit_strindex: i32) -> KeyValueAndUnit {
    KeyValueAndUnit { key_strindex, value: any(value), unit_strindex }
}

/// Every table has an entry that is referred to, and none twice.
fn dictionary() -> ProfilesDictionary {
    let lines = vec![Line { function_index: 1, line: 7, column: 2 }];
    let function =
        Function { name_strindex: 3, system_name_strindex: 3, filename_strindex: 4, start_line: 5 };
    ProfilesDictionary {
        mapping_table: vec![
            Mapping::default(),
            Mapping {
                memory_start: 4096,
                memory_limit: 8192,
                file_offset: 0,
                filename_strindex: 5,
                attribute_indices: vec![2],
            },
        ],
        location_table: vec![
            Location::default(),
            Location { mapping_index: 1, address: 4100, lines, attribute_indices: vec![] },
        ],
        function_table: vec![Function::default(), function],
        link_table: vec![Link::default(), Link { trace_id: vec![1; 16], span_id: vec![2; 8] }],
        string_table: STRINGS.map(String::from).to_vec(),
        attribute_table: vec![
            KeyValueAndUnit::default(),
            attribute(6, Any::IntValue(7), 8),
            attribute(7, Any::StringValue("b/c".into()), 0),
            attribute(9, Any::StringValue("red".into()), 0),
        ],
        stack_table: vec![Stack::default(), Stack { location_indices: vec![1] }],
    }
}

fn good() -> Request {
    let sample = |value| Sample {
        stack_index: 1,
        attribute_indices: vec![1, 3],
        link_index: 1,
        values: vec![value],
        timestamps_unix_nano: vec![],
    };
    let cpu = Some(ValueType { type_strindex: 1, unit_strindex: 2 });
    let profile = Profile {
        sample_type: cpu,
        samples: vec![sample(30), sample(0)],
        time_unix_nano: 1_000,
        duration_nano: 100,
        period_type: cpu,
        period: 10,
        profile_id: vec![9; 16],
        ..Profile::default()
    };
    let attributes = vec![
        pair("service.name", Any::StringValue("orders".into())),
        pair("list", Any::ArrayValue(ArrayValue { values: vec![AnyValue { value: None }] })),
        pair("map", {
            let values = vec![pair("k", Any::BoolValue(false))];
            Any::KvlistValue(KeyValueList { values })
        }),
    ];
    let scope = InstrumentationScope { name: "cpu".into(), ..InstrumentationScope::default() };
    let scope_profiles =
        vec![ScopeProfiles { scope: Some(scope), profiles: vec![profile], ..Default::default() }];
    let resource = Some(Resource { attributes, ..Resource::default() });
    Request {
        resource_profiles: vec![ResourceProfiles {
            resource,
            scope_profiles,
            ..Default::default()
        }],
        dictionary: Some(dictionary()),
    }
}

/// A change to the parts of a request.
type Change = fn(&mut Parts<'_>);

struct Parts<'r> {
    attributes: &'r mut Vec<KeyValue>,
    profile: &'r mut Profile,
    d: &'r mut ProfilesDictionary,
}

fn changed(change: Change) -> Report {
    let mut request = good();
    let resource = &mut request.resource_profiles[0];
    change(&mut Parts {
        attributes: &mut resource.resource.as_mut().unwrap().attributes,
        profile: &mut resource.scope_profiles[0].profiles[0],
        d: request.dictionary.as_mut().unwrap(),
    });
    check(&request.encode_to_vec(), Form::Request)
}

/// Changes to a part, each with the rule that it breaks and the place in the part.
const OF_PROFILES: &[(Rule, &str, Change)] = &[
    (Rule::SamplesEmpty, "samples", |p| {
        p.profile.samples.clear();
        // Nothing refers to anything any more, which is not what this is about.
        *p.d = ProfilesDictionary {
            string_table: STRINGS[..3].iter().map(|s| (*s).into()).collect(),
            mapping_table: vec![Mapping::default()],
            location_table: vec![Location::default()],
            function_table: vec![Function::default()],
            link_table: vec![Link::default()],
            attribute_table: vec![KeyValueAndUnit::default()],
            stack_table: vec![Stack::default()],
        };
    }),
    (Rule::SampleTypeMissing, "sample_type", |p| p.profile.sample_type = None),
    (Rule::PeriodTypeMissing, "period_type", |p| p.profile.period_type = None),
    (Rule::PeriodNegative, "period", |p| p.profile.period = -1),
    (Rule::ProfileId, "profile_id", |p| p.profile.profile_id = vec![0; 16]),
    (Rule::ProfileId, "profile_id", |p| p.profile.profile_id = vec![1; 15]),
    (Rule::OriginalPayload, "original_payload", |p| {
        p.profile.original_payload_format = "pprof".into();
    }),
    (Rule::IndexRange, "sample_type.type_strindex", |p| {
        p.profile.sample_type = Some(ValueType { type_strindex: 10, unit_strindex: 2 });
    }),
    (Rule::IndexRange, "attribute_indices[0]", |p| p.profile.attribute_indices = vec![4]),
    (Rule::AttributeKeyUnique, "samples[1].attribute_indices[2]", |p| {
        p.profile.samples[1].attribute_indices.push(1);
    }),
    (Rule::IndexRange, "samples[1].stack_index", |p| p.profile.samples[1].stack_index = -1),
    (Rule::IndexRange, "samples[1].link_index", |p| p.profile.samples[1].link_index = 2),
    (Rule::SampleValues, "samples[1]", |p| p.profile.samples[1].values.clear()),
    (Rule::SampleValues, "samples[1].values", |p| p.profile.samples[1].values.push(1)),
    (Rule::SampleValues, "samples[0].values", |p| {
        p.profile.samples.truncate(1);
        p.profile.samples[0].timestamps_unix_nano = vec![1_000, 1_001];
    }),
    (Rule::SampleShape, "samples[1]", |p| {
        p.profile.samples[1].values.clear();
        p.profile.samples[1].timestamps_unix_nano = vec![1_050];
    }),
    (Rule::TimestampRange, "samples[0].timestamps_unix_nano[0]", |p| {
        p.profile.samples.truncate(1);
        p.profile.samples[0].timestamps_unix_nano = vec![1_100];
    }),
    (Rule::ValuesWithPeriod, "samples[0].values", |p| {
        p.profile.samples.truncate(1);
        p.profile.samples[0].timestamps_unix_nano = vec![1_000, 1_001];
        p.profile.samples[0].values = vec![1, 2];
    }),
];

const OF_RESOURCES: &[(Rule, &str, Change)] = &[
    (Rule::AttributeKeyMissing, "attributes[0].key", |p| p.attributes[0].key.clear()),
    (Rule::AttributeValueMissing, "attributes[0].value", |p| p.attributes[0].value = None),
    (Rule::AttributeValueMissing, "attributes[0].value", |p| {
        p.attributes[0].value = Some(AnyValue { value: None });
    }),
    (Rule::AttributeKeyUnique, "attributes[1]", |p| p.attributes[1].key = "service.name".into()),
    (Rule::AttributeReference, "attributes[0]", |p| p.attributes[0].key_strindex = 6),
    (Rule::AttributeInline, "attributes[0].key_strindex", |p| {
        p.attributes[0].key.clear();
        p.attributes[0].key_strindex = 6;
    }),
    (Rule::AttributeInline, "attributes[0].value.string_value_strindex", |p| {
        p.attributes[0].value = any(Any::StringValueStrindex(3));
    }),
    (Rule::IndexRange, "attributes[0].key_strindex", |p| p.attributes[0].key_strindex = 99),
];

const OF_DICTIONARIES: &[(Rule, &str, Change)] = &[
    (Rule::TableEmpty, "link_table", |p| {
        p.d.link_table.clear();
        p.profile.samples.clear();
    }),
    (Rule::TableZero, "mapping_table[0]", |p| p.d.mapping_table[0].file_offset = 1),
    (Rule::TableZero, "location_table[0]", |p| p.d.location_table[0].address = 1),
    (Rule::TableZero, "function_table[0]", |p| p.d.function_table[0].start_line = 1),
    (Rule::TableZero, "link_table[0]", |p| p.d.link_table[0].trace_id = vec![0; 16]),
    (Rule::TableZero, "attribute_table[0]", |p| p.d.attribute_table[0].unit_strindex = 8),
    (Rule::TableZero, "stack_table[0]", |p| p.d.stack_table[0].location_indices = vec![1]),
    (Rule::IndexRange, "mapping_table[1].filename_strindex", |p| {
        p.d.string_table.pop();
        p.d.attribute_table[3].key_strindex = 5;
        p.d.mapping_table[1].filename_strindex = 9;
    }),
    (Rule::IndexRange, "location_table[1].lines[1].function_index", |p| {
        p.d.location_table[1].lines.push(Line { function_index: 2, ..Line::default() });
    }),
    (Rule::IndexRange, "attribute_table[1].unit_strindex", |p| {
        p.d.attribute_table[1].unit_strindex = -1;
        p.d.attribute_table[0].unit_strindex = 0;
        p.d.function_table[1].system_name_strindex = 8;
    }),
    (Rule::IndexRange, "stack_table[1].location_indices[1]", |p| {
        p.d.stack_table[1].location_indices.push(2);
    }),
    (Rule::MappingRange, "mapping_table[1]", |p| p.d.mapping_table[1].memory_limit = 4096),
    (Rule::LineNegative, "location_table[1].lines[0].line", |p| {
        p.d.location_table[1].lines[0].line = -1;
    }),
    (Rule::LineNegative, "location_table[1].lines[0].column", |p| {
        p.d.location_table[1].lines[0].column = -1;
    }),
    (Rule::LineNegative, "function_table[1].start_line", |p| p.d.function_table[1].start_line = -1),
    (Rule::LinkIds, "link_table[1].span_id", |p| p.d.link_table[1].span_id = vec![1; 16]),
    (Rule::LinkIds, "link_table[1].trace_id", |p| p.d.link_table[1].trace_id.clear()),
    (Rule::AttributeValueMissing, "attribute_table[1].value", |p| {
        p.d.attribute_table[1].value = None;
    }),
    (Rule::DictionaryDuplicate, "string_table[10]", |p| {
        p.d.string_table.push("main.go".into());
        p.d.function_table[1].system_name_strindex = 10;
    }),
    (Rule::DictionaryDuplicate, "mapping_table[2]", |p| {
        p.d.mapping_table.push(p.d.mapping_table[1].clone());
        p.d.location_table.push(Location { mapping_index: 2, ..Location::default() });
        p.d.stack_table[1].location_indices.push(2);
    }),
    (Rule::DictionaryOrphan, "string_table[10]", |p| p.d.string_table.push("alone".into())),
    (Rule::DictionaryOrphan, "stack_table[2]", |p| p.d.stack_table.push(Stack::default())),
];

/// Messages that are broken as a whole.
fn broken() -> Vec<(Rule, &'static str, Vec<u8>)> {
    let with = |change: fn(&mut Request)| {
        let mut request = good();
        change(&mut request);
        request.encode_to_vec()
    };
    let no_utf8 = || {
        let mut bytes = good().encode_to_vec();
        let at = bytes.windows(6).position(|w| w == b"orders").unwrap();
        bytes[at] = 0xff;
        bytes
    };
    vec![
        (Rule::Wire, "", vec![0x0a, 9, 1]),
        // A sample of v1.9: attributes are where values are now, and the other way round.
        (Rule::Wire, "", [&[0x0a, 10, 0x12, 8, 0x12, 6][..], &[0x12, 4, 0x1a, 2, 1, 2]].concat()),
        (Rule::Utf8, "resource_profiles[0].resource.attributes[0].value.string_value", no_utf8()),
        (Rule::ResourceProfilesEmpty, "resource_profiles", vec![]),
        (
            Rule::ScopeProfilesEmpty,
            "resource_profiles[1].scope_profiles",
            with(|r| r.resource_profiles.push(ResourceProfiles::default())),
        ),
        (
            Rule::ProfilesEmpty,
            "resource_profiles[0].scope_profiles[1].profiles",
            with(|r| r.resource_profiles[0].scope_profiles.push(ScopeProfiles::default())),
        ),
        (Rule::DictionaryMissing, "dictionary", with(|r| r.dictionary = None)),
    ]
}

#[test]
fn what_is_good_is_found_good() {
    let report = changed(|_| {});
    assert_eq!(report, Report { profiles: 1, samples: 2, ..Report::default() });
}

#[test]
fn every_rule_has_an_example_that_breaks_it() {
    let mut seen = BTreeSet::new();
    let of = "resource_profiles[0]";
    for (list, prefix, alone) in [
        (OF_PROFILES, format!("{of}.scope_profiles[0].profiles[0]."), true),
        (OF_RESOURCES, format!("{of}.resource."), true),
        // What is broken here may be found by who refers to it as well.
        (OF_DICTIONARIES, "dictionary.".to_owned(), false),
    ] {
        for (rule, place, change) in list {
            let report = changed(*change);
            let found: Vec<_> = report.breaches.iter().map(|b| (b.rule, b.place.clone())).collect();
            let want = (*rule, format!("{prefix}{place}"));
            assert!(found.contains(&want), "{want:?} is not among {found:?}");
            assert!(!alone || found == [want.clone()], "{want:?} is not alone: {found:?}");
            seen.insert(*rule);
        }
    }
    for (rule, place, message) in broken() {
        let report = check(&message, Form::Request);
        let found = report.breaches.iter().any(|b| (b.rule, b.place.as_str()) == (rule, place));
        assert!(found, "{rule} at {place:?}: {report:?}");
        seen.insert(rule);
    }
    let all: BTreeSet<_> = Rule::ALL.iter().copied().collect();
    assert_eq!(seen, all);
    let names: BTreeSet<_> = Rule::ALL.iter().map(|rule| rule.as_str()).collect();
    assert_eq!(names.len(), all.len());
}

#[test]
fn references_are_fine_in_files() {
    let mut request = good();
    let attributes = &mut request.resource_profiles[0].resource.as_mut().unwrap().attributes;
    attributes[0] =
        KeyValue { key: String::new(), value: any(Any::StringValueStrindex(10)), key_strindex: 11 };
    let strings = &mut request.dictionary.as_mut().unwrap().string_table;
    strings.extend(["orders".into(), "service.name".into()]);
    let message = request.encode_to_vec();
    assert_eq!(check(&message, Form::Request).breaches.len(), 2);
    assert_eq!(check(&message, Form::Stored).breaches, []);
}

#[test]
fn what_we_write_keeps_all_rules() {
    // Lines below 0, which pprof has a place for, are the only thing that goes on as it is.
    let numbers: Vec<u32> = (1..900_u32).map(|n| n.wrapping_mul(2_654_435_761)).collect();
    for n in 0..9 {
        let profile = samples::profile(&numbers[n * 90..], 2);
        let report = check(&otlp::encode([&profile]), Form::Request);
        let other = |rule| ![Rule::LineNegative, Rule::SamplesEmpty].contains(&rule);
        let other: Vec<_> = report.breaches.iter().filter(|b| other(b.rule)).collect();
        assert!(other.is_empty(), "{other:?}");
    }
}

#[test]
fn every_form_of_a_file_is_read() {
    let message = good().encode_to_vec();
    let frame = |bytes: &[u8]| [&(bytes.len() as u32).to_be_bytes()[..], bytes].concat();
    let json = otlp::json::request(&message);
    let zstd = zstd::encode_all(&message[..], 1).unwrap();
    let lines = [&json[..], b"\n", &json, b"\n"].concat();
    for (what, file, count, form) in [
        ("protobuf", message.clone(), 1, Form::Request),
        ("zstd", zstd.clone(), 1, Form::Request),
        ("JSON", json.clone(), 1, Form::Stored),
        ("lines", lines, 2, Form::Stored),
        ("frames", frame(&message).repeat(3), 3, Form::Stored),
        ("frames of JSON", frame(&json).repeat(2), 2, Form::Stored),
        ("frames of zstd", frame(&zstd).repeat(2), 2, Form::Stored),
        ("all of it in zstd", zstd::encode_all(&frame(&message)[..], 1).unwrap(), 1, Form::Stored),
    ] {
        let mut seen = 0;
        let read = messages(&file, 1 << 20, |bytes, got| {
            assert_eq!((got, check(bytes, got).breaches), (form, vec![]), "{what}");
            seen += 1;
        });
        assert_eq!((read, seen), (Ok(()), count), "{what}");
    }
    for (file, reason) in [
        (vec![], Reason::EmptyProfile),
        (vec![0, 0, 0], Reason::Truncated),
        (vec![0, 0, 0, 9, 1], Reason::Truncated),
        (b"{\"resourceProfiles\":7}".to_vec(), Reason::Malformed),
        (b"{} {".to_vec(), Reason::Malformed),
        (frame(&zstd[..9]), Reason::Truncated),
        (vec![10; (1 << 20) + 1], Reason::SizeLimit),
    ] {
        let read = messages(&file, 1 << 20, |_, _| {});
        assert_eq!(read.map_err(|refused| refused.reason), Err(reason), "{} bytes", file.len());
    }
}

#[test]
fn rules_that_are_not_wanted_hide_none_that_are() {
    let mut request = good();
    let profiles = &mut request.resource_profiles[0].scope_profiles[0].profiles;
    profiles[0].period_type = None;
    *profiles = vec![profiles[0].clone(); TOLD_MAX + 1];
    request.dictionary.as_mut().unwrap().string_table.push("nobody refers to it".into());
    let message = request.encode_to_vec();
    let all = check(&message, Form::Request);
    assert!(all.breaches.iter().all(|breach| breach.rule.source() == Source::Parca), "{all:?}");
    let report = check_for(&message, Form::Request, &[Source::Sig]);
    let sources: Vec<_> = report.breaches.iter().map(|breach| breach.rule.source()).collect();
    assert_eq!((sources, report.more), (vec![Source::Sig], 0), "{report:?}");
}
