//! Requests that are wrong, large on purpose, or of another version.

use opentelemetry_proto::tonic::profiles::v1development::{
    Function, KeyValueAndUnit, Line, Link, Location, Mapping, ResourceProfiles, Stack,
};
use prost::Message;

use super::{
    Decoder, OtlpProfile, ProfilesDictionary, Request, Sample, decode, dictionary, pair, profile,
    request, sample, text,
};
use crate::{
    codec::{
        otlp,
        wire::{put_bytes, put_int},
    },
    limits::Limits,
    reason::Reason,
};

fn refused(request: &Request) -> Reason {
    decode(request).unwrap_err().reason
}

#[test]
fn a_broken_dictionary_is_refused() {
    type Change = fn(&mut ProfilesDictionary);
    let changes: [(&str, Change); 16] = [
        ("string 0", |d| d.string_table[0] = "x".into()),
        ("mapping 0", |d| d.mapping_table[0].memory_start = 1),
        ("location 0", |d| d.location_table[0].address = 1),
        ("lines of location 0", |d| d.location_table[0].lines = vec![Line::default()]),
        ("function 0", |d| d.function_table[0].start_line = 1),
        ("link 0", |d| d.link_table[0].trace_id = vec![1; 16]),
        ("attribute 0", |d| d.attribute_table[0].key_strindex = 1),
        ("stack 0", |d| d.stack_table[0].location_indices = vec![0]),
        ("file", |d| d.mapping_table.push(Mapping { filename_strindex: 9, ..Mapping::default() })),
        ("negative name", |d| {
            d.function_table.push(Function { name_strindex: -1, ..Function::default() });
        }),
        ("mapping", |d| {
            d.location_table.push(Location { mapping_index: 7, ..Location::default() });
        }),
        ("negative mapping", |d| {
            d.location_table.push(Location { mapping_index: -1, ..Location::default() });
        }),
        ("function", |d| {
            let lines = vec![Line { function_index: 4, line: 1, column: 0 }];
            d.location_table.push(Location { lines, ..Location::default() });
        }),
        ("location", |d| d.stack_table.push(Stack { location_indices: vec![3] })),
        ("key", |d| {
            d.attribute_table.push(KeyValueAndUnit { key_strindex: 9, ..Default::default() });
        }),
        ("attribute of a mapping", |d| {
            d.mapping_table.push(Mapping { attribute_indices: vec![5], ..Mapping::default() });
        }),
    ];
    for (what, change) in changes {
        let mut d = dictionary(&["a"]);
        change(&mut d);
        assert_eq!(refused(&request(vec![], d)), Reason::BadReference, "{what}");
    }
    let mut d = dictionary(&[]);
    d.link_table.push(Link { trace_id: vec![1; 3], span_id: vec![] });
    assert_eq!(refused(&request(vec![], d)), Reason::Malformed);
    // The empty link may be written out, and tables may be left away.
    let mut d = dictionary(&[]);
    d.link_table[0] = Link { trace_id: vec![0; 16], span_id: vec![0; 8] };
    assert!(decode(&request(vec![], d)).is_ok());
    assert!(decode(&request(vec![], ProfilesDictionary::default())).is_ok());
}

#[test]
fn a_broken_profile_does_not_cost_the_others() {
    let bad = |sample: Sample| profile(1, vec![sample]);
    let two = Sample { values: vec![1, 2], ..Sample::default() };
    let cut = Sample { values: vec![1, 2], timestamps_unix_nano: vec![1], ..Sample::default() };
    for (what, profile, reason) in [
        ("stack", bad(Sample { stack_index: 9, ..sample(1) }), Reason::BadReference),
        ("negative stack", bad(Sample { stack_index: -1, ..sample(1) }), Reason::BadReference),
        ("link", bad(Sample { link_index: 1, ..sample(1) }), Reason::BadReference),
        (
            "attribute",
            bad(Sample { attribute_indices: vec![1], ..sample(1) }),
            Reason::BadReference,
        ),
        ("type", profile(7, vec![]), Reason::BadReference),
        ("two values", bad(two), Reason::Malformed),
        ("values and times", bad(cut), Reason::Malformed),
        ("time", OtlpProfile { time_unix_nano: u64::MAX, ..profile(1, vec![]) }, Reason::Malformed),
        ("id", OtlpProfile { profile_id: vec![1; 17], ..profile(1, vec![]) }, Reason::Malformed),
        (
            "its attribute",
            OtlpProfile { attribute_indices: vec![4], ..profile(1, vec![]) },
            Reason::BadReference,
        ),
    ] {
        let good = OtlpProfile { time_unix_nano: 5, ..super::profile(1, vec![sample(3)]) };
        let decoded = decode(&request(vec![profile, good], dictionary(&["a"]))).unwrap();
        assert_eq!((decoded.rejected, decoded.profiles.len()), (1, 1), "{what}");
        assert_eq!(decoded.error.unwrap().reason, reason, "{what}");
        assert_eq!(decoded.profiles[0].samples().values, [3]);
    }
}

#[test]
fn limits_hold_before_memory_is_taken() {
    let small = Limits {
        samples_max: 2,
        strings_max: 4,
        frames_per_stack_max: 3,
        labels_per_sample_max: 1,
        profiles_max: 3,
        ..Limits::default()
    };
    let decode = |request: &Request| {
        Decoder::default()
            .decode(&request.encode_to_vec(), &small)
            .map(|decoded| decoded.error.map(|refused| refused.reason))
    };
    let many = Err(Reason::CountLimit);
    let reason = |request: &Request| decode(request).map_err(|refused| refused.reason);
    assert_eq!(reason(&request(vec![], dictionary(&["a", "b", "c", "d"]))), many);
    assert_eq!(reason(&request(vec![profile(0, vec![]); 4], dictionary(&[]))), many);
    let three = profile(0, vec![sample(1); 3]);
    assert_eq!(reason(&request(vec![three], dictionary(&[]))), Ok(Some(Reason::CountLimit)));
    let mut d = dictionary(&[]);
    d.stack_table.push(Stack { location_indices: vec![0; 4] });
    assert_eq!(reason(&request(vec![], d)), many);
    let labels = Sample { attribute_indices: vec![0, 0], ..sample(1) };
    let labels = request(vec![profile(0, vec![labels])], dictionary(&[]));
    assert_eq!(reason(&labels), Ok(Some(Reason::CountLimit)));
}

#[test]
fn a_few_bytes_do_not_become_much_memory() {
    let limits =
        Limits { inflated_bytes_max: 1 << 20, decoded_bytes_max: 4 << 20, ..Limits::default() };
    let decode = |request: &Request| {
        let body = request.encode_to_vec();
        assert!(body.len() < 1 << 20);
        let decoded = Decoder::default().decode(&body, &limits);
        decoded.map(|d| d.error.map(|refused| refused.reason)).map_err(|refused| refused.reason)
    };
    // One large attribute, of which each of many profiles has its own copy.
    let mut d = dictionary(&["key"]);
    let value = Some(text(&"x".repeat(100_000)));
    d.attribute_table.push(KeyValueAndUnit { key_strindex: 1, value, unit_strindex: 0 });
    let other = |n| OtlpProfile {
        attribute_indices: vec![1],
        time_unix_nano: n,
        ..profile(0, vec![sample(1)])
    };
    let copies = request((0..1000).map(other).collect(), d.clone());
    assert_eq!(decode(&copies), Ok(Some(Reason::SizeLimit)));
    // One long stack, on which each of many samples lies.
    d.location_table.push(Location { address: 1, ..Location::default() });
    d.stack_table.push(Stack { location_indices: vec![1; 4000] });
    let on_stack = Sample { stack_index: 1, ..sample(1) };
    let deep = request(vec![profile(0, vec![on_stack; 5000])], d);
    assert_eq!(decode(&deep), Ok(Some(Reason::SizeLimit)));
    // Values within values.
    let mut any = vec![];
    for _ in 0..1000 {
        let mut list = vec![];
        put_bytes(&mut list, 1, &any);
        any.clear();
        put_bytes(&mut any, 5, &list);
    }
    let (mut key_value, mut resource, mut body) = (vec![], vec![], vec![]);
    put_bytes(&mut key_value, 2, &any);
    put_bytes(&mut resource, 1, &key_value);
    put_bytes(&mut body, 1, &resource);
    let mut whole = vec![];
    put_bytes(&mut whole, 1, &body);
    let refused = Decoder::default().decode(&whole, &limits).unwrap_err();
    assert_eq!(refused.reason, Reason::CountLimit);
}

/// A request whose only profile has these bytes.
fn of_profile(profile: &[u8]) -> Vec<u8> {
    let (mut scope, mut resource, mut out) = (vec![], vec![], vec![]);
    put_bytes(&mut scope, 2, profile);
    put_bytes(&mut resource, 2, &scope);
    put_bytes(&mut out, 1, &resource);
    put_bytes(&mut out, 2, &dictionary(&["cpu"]).encode_to_vec());
    out
}

#[test]
fn older_versions_are_refused_with_what_helps() {
    let v1_9 = |fields: &dyn Fn(&mut Vec<u8>)| {
        let (mut sample, mut profile) = (vec![], vec![]);
        put_int(&mut sample, 1, 1);
        fields(&mut sample);
        put_bytes(&mut profile, 2, &sample);
        of_profile(&profile)
    };
    let mut tables_inside = vec![];
    put_bytes(&mut tables_inside, 3, &[0]); // v1.7: location indices
    let mut id_as_field_8 = vec![];
    put_bytes(&mut id_as_field_8, 8, &[1; 16]); // v1.8
    let mut tables_outside = vec![];
    put_bytes(&mut tables_outside, 3, &[]); // v1.6
    for (what, body) in [
        ("values in field 2", v1_9(&|sample| put_bytes(sample, 2, &[5]))),
        ("attributes in field 3", v1_9(&|sample| put_bytes(sample, 3, &[1]))),
        ("tables in the profile", of_profile(&tables_inside)),
        ("id in field 8", of_profile(&id_as_field_8)),
        ("tables beside the profiles", tables_outside),
    ] {
        let refused = Decoder::default().decode(&body, &Limits::default()).unwrap_err();
        assert_eq!(refused.reason, Reason::OldWire, "{what}");
        assert!(refused.detail.contains("Collector 0.148 or later"), "{refused}");
    }
}

#[test]
fn keys_and_texts_by_reference_are_resolved() {
    use opentelemetry_proto::tonic::{
        common::v1::{AnyValue, KeyValue, any_value::Value},
        resource::v1::Resource,
    };
    let reference = |index| AnyValue { value: Some(Value::StringValueStrindex(index)) };
    let by = |key: &str, key_strindex, value| KeyValue {
        key: key.into(),
        key_strindex,
        value: Some(value),
    };
    let mut whole = request(vec![profile(0, vec![])], dictionary(&["service.name", "shop"]));
    let attributes =
        vec![by("", 1, reference(2)), by("wins", 1, text("in place")), pair("x", reference(0))];
    let resource = Some(Resource { attributes, ..Resource::default() });
    whole.resource_profiles[0].resource = resource;
    let profiles = super::profiles(&whole);
    let resource: Vec<_> = profiles[0].meta.resource.iter().collect();
    assert_eq!(resource, [("service.name", "shop"), ("wins", "in place"), ("x", "")]);
    for (key, value) in [(9, text("")), (-1, text("")), (0, reference(9)), (0, reference(-1))] {
        let attributes = vec![by("", key, value)];
        let resource = Some(Resource { attributes, ..Resource::default() });
        whole.resource_profiles[0].resource = resource;
        assert_eq!(refused(&whole), Reason::BadReference);
    }
}

#[test]
fn a_scope_that_orders_no_profiles_has_none() {
    let body = br#"{"resourceProfiles":[{"scopeProfiles":[{"scope":{"attributes":[
        {"key":"pprof.scope.sample_type_order","value":{"arrayValue":{"values":[]}}}]}}]}]}"#;
    let decoded = Decoder::default().decode_json(body, &Limits::default());
    assert_eq!(decoded.map(|decoded| decoded.profiles.len()).ok(), Some(0));
}

#[test]
fn an_id_of_another_length_is_none() {
    let mut wanted = request(vec![profile(1, vec![sample(7)])], dictionary(&["a"]));
    for (bytes, kept) in [(vec![7; 16], 16), (vec![7; 9], 0), (vec![], 0)] {
        wanted.resource_profiles[0].scope_profiles[0].profiles[0].profile_id = bytes;
        let decoded = decode(&wanted).unwrap();
        let extra = decoded.profiles[0].meta.extra.clone();
        let id = extra.and_then(|extra| extra.types.first().map(|of_type| of_type.id.len()));
        assert_eq!(id.unwrap_or(0), kept);
    }
}

/// With times in place of attributes and links nothing but the numbers is odd.
#[test]
fn values_of_an_older_version_may_be_attributes_that_are_not_there() {
    let (mut sample, mut profile) = (vec![], vec![]);
    put_bytes(&mut sample, 2, &[0xac, 2]);
    put_bytes(&mut sample, 5, &[1; 8]);
    put_bytes(&mut profile, 2, &sample);
    let decoded = Decoder::default().decode(&of_profile(&profile), &Limits::default()).unwrap();
    let refused = decoded.error.unwrap();
    assert_eq!((decoded.rejected, refused.reason), (1, Reason::BadReference));
    assert!(refused.detail.contains("Collector 0.148 or later"), "{refused}");
}

/// An entity goes on as it is written in JSON, and one that is no message is refused here, not by
/// who gets the request next.
#[test]
fn entities_are_read_though_they_are_kept_as_bytes() {
    let of_entity = |entity: &[u8]| {
        let (mut resource, mut all, mut out) = (vec![], vec![], of_profile(&[]));
        put_bytes(&mut resource, 3, entity);
        put_bytes(&mut all, 1, &resource);
        let mut scope = vec![];
        put_bytes(&mut scope, 2, &profile(1, vec![sample(1)]).encode_to_vec());
        put_bytes(&mut all, 2, &scope);
        put_bytes(&mut out, 1, &all);
        Decoder::default().decode(&out, &Limits::default())
    };
    let mut odd = vec![];
    put_bytes(&mut odd, 3, b"n");
    put_int(&mut odd, 9, 9);
    put_bytes(&mut odd, 2, b"before");
    put_bytes(&mut odd, 2, b"ho\xffst");
    let read = of_entity(&odd).unwrap();
    let sent = otlp::encode(&read.profiles);
    let request = Request::decode(&sent[..]).unwrap();
    let entities = |resource: &ResourceProfiles| resource.resource.clone().unwrap().entity_refs;
    let entity = request.resource_profiles.iter().flat_map(entities).next().unwrap();
    assert_eq!((entity.r#type.as_str(), entity.id_keys), ("ho\u{fffd}st", vec!["n".to_owned()]));
    let json = Decoder::default().decode_json(&otlp::json::request(&sent), &Limits::default());
    assert_eq!(json.unwrap().profiles, read.profiles);
    put_bytes(&mut odd, 1, b"cut");
    assert_eq!(of_entity(&odd[..odd.len() - 1]).unwrap_err().reason, Reason::Truncated);
}
