//! The mapping against the generated types of crate `opentelemetry-proto`, which know nothing of
//! our reader and writer.

mod canonical;
mod hostile;
mod kept;
mod mapping;
mod random;
mod round_trip;

use opentelemetry_proto::tonic::{
    collector::profiles::v1development::ExportProfilesServiceRequest as Request,
    common::v1::{AnyValue, KeyValue, any_value::Value as Any},
    profiles::v1development::{
        Profile as OtlpProfile, ProfilesDictionary, ResourceProfiles, Sample, ScopeProfiles,
        ValueType,
    },
};
use prost::Message;

use super::{Decoded, Decoder};
use crate::{limits::Limits, profile::Profile, reason::Refused};

fn decode(request: &Request) -> Result<Decoded, Refused> {
    Decoder::default().decode(&request.encode_to_vec(), &Limits::default())
}

/// All profiles of a request, none of which is rejected.
fn profiles(request: &Request) -> Vec<Profile> {
    let decoded = decode(request).unwrap();
    assert_eq!((decoded.rejected, decoded.error), (0, None));
    decoded.profiles
}

/// What we write, as others read it.
fn encoded<'p>(profiles: impl IntoIterator<Item = &'p Profile>) -> Request {
    Request::decode(super::encode(profiles).as_slice()).unwrap()
}

fn text(text: &str) -> AnyValue {
    AnyValue { value: Some(Any::StringValue(text.into())) }
}

fn pair(key: &str, value: AnyValue) -> KeyValue {
    KeyValue { key: key.into(), value: Some(value), key_strindex: 0 }
}

/// A request of one resource and one scope over this dictionary.
fn request(profiles: Vec<OtlpProfile>, dictionary: ProfilesDictionary) -> Request {
    let scope_profiles = vec![ScopeProfiles { profiles, ..ScopeProfiles::default() }];
    Request {
        resource_profiles: vec![ResourceProfiles { scope_profiles, ..ResourceProfiles::default() }],
        dictionary: Some(dictionary),
    }
}

/// A dictionary with these strings behind the empty one, and the empty entry in all tables.
fn dictionary(strings: &[&str]) -> ProfilesDictionary {
    ProfilesDictionary {
        mapping_table: vec![Default::default()],
        location_table: vec![Default::default()],
        function_table: vec![Default::default()],
        link_table: vec![Default::default()],
        string_table: [&[""], strings].concat().into_iter().map(String::from).collect(),
        attribute_table: vec![Default::default()],
        stack_table: vec![Default::default()],
    }
}

/// A profile of one type and these samples.
fn profile(kind: i32, samples: Vec<Sample>) -> OtlpProfile {
    let sample_type = Some(ValueType { type_strindex: kind, unit_strindex: 0 });
    OtlpProfile { sample_type, samples, period_type: sample_type, ..OtlpProfile::default() }
}

fn sample(value: i64) -> Sample {
    Sample { values: vec![value], ..Sample::default() }
}
