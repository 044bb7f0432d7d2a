//! A request without the freedom that OTLP leaves: references resolved, lists sorted whose order
//! says nothing, resources and scopes that are equal joined.

use std::collections::BTreeMap;

use super::{KeyValue, OtlpProfile, ProfilesDictionary, Request, ValueType};

/// The profiles by resource and scope, each as text.
pub fn canonical(request: &Request) -> BTreeMap<String, Vec<String>> {
    let dictionary = request.dictionary.clone().unwrap_or_default();
    let mut out = BTreeMap::<String, Vec<String>>::new();
    for resource in &request.resource_profiles {
        let mut own = resource.resource.clone().unwrap_or_default();
        let attributes = sorted(&own.attributes);
        own.attributes.clear();
        let head = format!("{attributes:?} {own:?} {}", resource.schema_url);
        for scope in &resource.scope_profiles {
            let mut own = scope.scope.clone().unwrap_or_default();
            let attributes = sorted(&own.attributes);
            own.attributes.clear();
            let head = format!("{head}\n{attributes:?} {own:?} {}", scope.schema_url);
            let profiles = scope.profiles.iter().map(|profile| one(profile, &dictionary));
            out.entry(head).or_default().extend(profiles);
        }
    }
    out.values_mut().for_each(|profiles| profiles.sort());
    out
}

fn sorted(pairs: &[KeyValue]) -> Vec<String> {
    let mut pairs: Vec<_> = pairs.iter().map(|pair| format!("{pair:?}")).collect();
    pairs.sort();
    pairs
}

fn one(profile: &OtlpProfile, d: &ProfilesDictionary) -> String {
    let string = |index: i32| &d.string_table[index as usize];
    let typed = |t: Option<ValueType>| {
        let t = t.unwrap_or_default();
        format!("{}/{}", string(t.type_strindex), string(t.unit_strindex))
    };
    let attributes = |indices: &[i32]| {
        let mut all: Vec<_> = indices
            .iter()
            .map(|index| &d.attribute_table[*index as usize])
            .map(|a| format!("{}={:?}{}", string(a.key_strindex), a.value, string(a.unit_strindex)))
            .collect();
        all.sort();
        all.join(",")
    };
    let mapping = |index: i32| {
        let m = &d.mapping_table[index as usize];
        let numbers = (m.memory_start, m.memory_limit, m.file_offset);
        format!("{numbers:?} {} {}", string(m.filename_strindex), attributes(&m.attribute_indices))
    };
    let location = |index: &i32| {
        let l = &d.location_table[*index as usize];
        let lines = l.lines.iter().map(|line| {
            let f = &d.function_table[line.function_index as usize];
            let names = [f.name_strindex, f.system_name_strindex, f.filename_strindex].map(string);
            format!("{names:?} {} {} {}", f.start_line, line.line, line.column)
        });
        let lines: Vec<_> = lines.collect();
        let attributes = attributes(&l.attribute_indices);
        format!("{:x} in {} {lines:?} {attributes}", l.address, mapping(l.mapping_index))
    };
    let mut samples: Vec<_> = profile
        .samples
        .iter()
        .map(|s| {
            let stack = &d.stack_table[s.stack_index as usize].location_indices;
            let frames: Vec<_> = stack.iter().map(location).collect();
            let link = d.link_table.get(s.link_index as usize);
            let attributes = attributes(&s.attribute_indices);
            let numbers = (&s.values, &s.timestamps_unix_nano);
            format!("\n  {numbers:?} {attributes} {link:?} {frames:#?}")
        })
        .collect();
    samples.sort();
    let numbers = (profile.time_unix_nano, profile.duration_nano, profile.period);
    let others = (
        &profile.profile_id,
        profile.dropped_attributes_count,
        &profile.original_payload_format,
        &profile.original_payload,
    );
    let types = [profile.sample_type, profile.period_type].map(typed);
    let attributes = attributes(&profile.attribute_indices);
    format!("{types:?} {numbers:?} {others:?} {attributes} {}", samples.concat())
}
