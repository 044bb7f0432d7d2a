//! Profiles as text, laid out as the Collector's exporter of this name lays them out, so that who
//! knows the one reads the other. It shows the request that an OTLP exporter would send.
//! <https://github.com/open-telemetry/opentelemetry-collector/tree/main/exporter/debugexporter>

use std::{collections::BTreeMap, fmt::Write};

use jiff::Timestamp;
use serde_json::Value;

/// Bytes of text of one push; what is beyond them is cut off.
const TEXT_BYTES_MAX: usize = 4 << 20;

/// Text that grows up to a limit.
#[derive(Default)]
struct Text(String);

impl Text {
    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        if self.0.len() < TEXT_BYTES_MAX {
            let _ = self.0.write_fmt(line);
            self.0.push('\n');
        }
    }

    fn finish(mut self) -> String {
        if self.0.len() >= TEXT_BYTES_MAX {
            self.0.push_str("and more, which is not shown\n");
        }
        self.0
    }
}

macro_rules! line {
    ($text:expr, $($rest:tt)*) => { $text.line(format_args!($($rest)*)) };
}

/// How many resources and samples a request has.
pub(super) fn counts(request: &Value) -> (usize, usize) {
    let profiles = list(&request["resourceProfiles"])
        .flat_map(|resource| list(&resource["scopeProfiles"]))
        .flat_map(|scope| list(&scope["profiles"]));
    let samples = profiles.map(|profile| list(&profile["samples"]).count()).sum();
    (list(&request["resourceProfiles"]).count(), samples)
}

/// About one line for each profile: its id, number of samples and attributes.
pub(super) fn normal(request: &Value) -> String {
    let (mut text, dictionary) = (Text::default(), &request["dictionary"]);
    for (i, resource) in list(&request["resourceProfiles"]).enumerate() {
        let schema = bracketed(&resource["schemaUrl"]);
        let attributes = pairs(&resource["resource"]["attributes"]);
        line!(text, "ResourceProfiles #{i}{schema}{attributes}");
        for (j, scope) in list(&resource["scopeProfiles"]).enumerate() {
            let own = &scope["scope"];
            let (name, version) = (string(&own["name"]), string(&own["version"]));
            let at = if version.is_empty() { "" } else { "@" };
            let space = if name.is_empty() && version.is_empty() { "" } else { " " };
            let schema = bracketed(&scope["schemaUrl"]);
            let attributes = pairs(&own["attributes"]);
            line!(text, "ScopeProfiles #{j}{space}{name}{at}{version}{schema}{attributes}");
            for profile in list(&scope["profiles"]) {
                let samples = list(&profile["samples"]).count();
                let mut all = String::new();
                for (key, value) in attributes_of(profile, dictionary) {
                    let _ = write!(all, " {key}={}", plain(value));
                }
                line!(text, "{} samples={samples}{all}", id(&profile["profileId"]));
            }
        }
    }
    text.finish()
}

/// Everything: the dictionary, resources, scopes, profiles and their samples.
pub(super) fn detailed(request: &Value) -> String {
    let (mut text, dictionary) = (Text::default(), &request["dictionary"]);
    tables(&mut text, dictionary);
    for (i, resource) in list(&request["resourceProfiles"]).enumerate() {
        line!(text, "ResourceProfiles #{i}");
        line!(text, "Resource SchemaURL: {}", string(&resource["schemaUrl"]));
        attributes(&mut text, "Resource attributes", &resource["resource"]["attributes"]);
        entity_refs(&mut text, &resource["resource"]["entityRefs"]);
        for (j, scope) in list(&resource["scopeProfiles"]).enumerate() {
            let own = &scope["scope"];
            line!(text, "ScopeProfiles #{j}");
            line!(text, "ScopeProfiles SchemaURL: {}", string(&scope["schemaUrl"]));
            let (name, version) = (string(&own["name"]), string(&own["version"]));
            line!(text, "InstrumentationScope {name} {version}");
            attributes(&mut text, "InstrumentationScope attributes", &own["attributes"]);
            for (k, profile) in list(&scope["profiles"]).enumerate() {
                line!(text, "Profile #{k}");
                one(&mut text, profile, dictionary);
            }
        }
    }
    text.finish()
}

fn one(text: &mut Text, profile: &Value, dictionary: &Value) {
    for (name, value) in [
        ("Profile ID", id(&profile["profileId"]).to_owned()),
        ("Start time", time(&profile["timeUnixNano"])),
        ("DurationNano", number(&profile["durationNano"])),
        ("Dropped attributes count", number(&profile["droppedAttributesCount"])),
    ] {
        line!(text, "    {name:<15}: {value}");
    }
    for (i, sample) in list(&profile["samples"]).enumerate() {
        line!(text, "    Sample #{i}");
        line!(text, "        Values: {}", numbers(&sample["values"]));
        let attributes = attributes_of(sample, dictionary);
        if !attributes.is_empty() {
            line!(text, "        Attributes:");
        }
        for (key, value) in attributes {
            line!(text, "             -> {key}: {}", typed(value));
        }
    }
}

fn tables(text: &mut Text, dictionary: &Value) {
    for (i, mapping) in list(&dictionary["mappingTable"]).enumerate() {
        line!(text, "Mapping #{i}");
        for (name, key) in [
            ("Memory start", "memoryStart"),
            ("Memory limit", "memoryLimit"),
            ("File offset", "fileOffset"),
            ("File name", "filenameStrindex"),
        ] {
            line!(text, "    {name}: {}", number(&mapping[key]));
        }
        line!(text, "    Attributes: {}", numbers(&mapping["attributeIndices"]));
    }
    for (i, location) in list(&dictionary["locationTable"]).enumerate() {
        line!(text, "Location #{i}");
        line!(text, "    Mapping index: {}", number(&location["mappingIndex"]));
        line!(text, "    Address: {}", number(&location["address"]));
        for (j, at) in list(&location["lines"]).enumerate() {
            line!(text, "    Line #{j}");
            line!(text, "        Function index: {}", number(&at["functionIndex"]));
            line!(text, "        Line: {}", number(&at["line"]));
            line!(text, "        Column: {}", number(&at["column"]));
        }
        line!(text, "    Attributes: {}", numbers(&location["attributeIndices"]));
    }
    for (i, function) in list(&dictionary["functionTable"]).enumerate() {
        line!(text, "Function #{i}");
        for (name, key) in [
            ("Name", "nameStrindex"),
            ("System name", "systemNameStrindex"),
            ("Filename", "filenameStrindex"),
            ("Start line", "startLine"),
        ] {
            line!(text, "    {name}: {}", number(&function[key]));
        }
    }
    heading(text, "Attribute table", &dictionary["attributeTable"]);
    for attribute in list(&dictionary["attributeTable"]) {
        line!(text, "     -> Key: Int({})", number(&attribute["keyStrindex"]));
        line!(text, "     -> Value: Str({})", plain(&attribute["value"]));
        line!(text, "     -> unit: Int({})", number(&attribute["unitStrindex"]));
    }
    heading(text, "Link table", &dictionary["linkTable"]);
    for link in list(&dictionary["linkTable"]) {
        line!(text, "     -> Trace ID: Str({})", id(&link["traceId"]));
        line!(text, "     -> Span ID: Str({})", id(&link["spanId"]));
    }
    heading(text, "String table", &dictionary["stringTable"]);
    for entry in list(&dictionary["stringTable"]) {
        line!(text, "    {}", string(entry));
    }
}

fn attributes(text: &mut Text, header: &str, map: &Value) {
    heading(text, header, map);
    for pair in list(map) {
        let (key, value) = (string(&pair["key"]), &pair["value"]);
        line!(text, "     -> {key}: {}", typed(value));
    }
}

fn entity_refs(text: &mut Text, refs: &Value) {
    heading(text, "Resource entity refs", refs);
    for (i, entity) in list(refs).enumerate() {
        line!(text, "     -> Entity ref #{i}:");
        line!(text, "          -> Type: {}", string(&entity["type"]));
        if !string(&entity["schemaUrl"]).is_empty() {
            line!(text, "          -> Schema URL: {}", string(&entity["schemaUrl"]));
        }
        for (name, key) in [("ID keys", "idKeys"), ("Description keys", "descriptionKeys")] {
            heading(text, &format!("          -> {name}"), &entity[key]);
            for key in list(&entity[key]) {
                line!(text, "               -> {}", string(key));
            }
        }
    }
}

/// A line above a list that is not empty.
fn heading(text: &mut Text, name: &str, of: &Value) {
    if list(of).next().is_some() {
        line!(text, "{name}:");
    }
}

/// Attributes that a profile or sample refers to, as keys and values.
fn attributes_of<'a>(owner: &Value, dictionary: &'a Value) -> Vec<(&'a str, &'a Value)> {
    let index = |value: &Value| number(value).parse::<usize>().unwrap_or_default();
    let find = |reference| {
        let attribute = &dictionary["attributeTable"][index(reference)];
        let key = string(&dictionary["stringTable"][index(&attribute["keyStrindex"])]);
        (key, &attribute["value"])
    };
    list(&owner["attributeIndices"]).map(find).collect()
}

fn pairs(map: &Value) -> String {
    let mut text = String::new();
    for pair in list(map) {
        let _ = write!(text, " {}={}", string(&pair["key"]), plain(&pair["value"]));
    }
    text
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn string(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// An id in hex; one of nothing but zeros is none.
fn id(value: &Value) -> &str {
    let text = string(value);
    if text.bytes().all(|digit| digit == b'0') { "" } else { text }
}

fn bracketed(value: &Value) -> String {
    match string(value) {
        "" => String::new(),
        text => format!(" [{text}]"),
    }
}

/// A number, which JSON of OTLP has as text where it may need 64 bits; what is left out is 0.
fn number(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => "0".into(),
    }
}

fn numbers(values: &Value) -> String {
    format!("[{}]", list(values).map(number).collect::<Vec<_>>().join(" "))
}

/// A value without its type; lists and maps as JSON, or nothing where they have no JSON.
fn plain(value: &Value) -> String {
    let Some((kind, inner)) = value.as_object().and_then(|value| value.iter().next()) else {
        return String::new();
    };
    match kind.as_str() {
        "arrayValue" | "kvlistValue" => as_json(value).unwrap_or_default(),
        "boolValue" => inner.to_string(),
        "intValue" => number(inner),
        "doubleValue" => double(inner).unwrap_or_else(|| string(inner).to_owned()),
        _ => string(inner).to_owned(),
    }
}

/// As Go's JSON has it, keys sorted. `None` where a double within is not finite.
fn as_json(value: &Value) -> Option<String> {
    let Some((kind, inner)) = value.as_object().and_then(|value| value.iter().next()) else {
        return Some("null".into());
    };
    Some(match kind.as_str() {
        "arrayValue" => {
            let all: Option<Vec<String>> = list(&inner["values"]).map(as_json).collect();
            format!("[{}]", all?.join(","))
        }
        "kvlistValue" => {
            let pair =
                |pair: &Value| Some((string(&pair["key"]).to_owned(), as_json(&pair["value"])?));
            let all: Option<BTreeMap<String, String>> = list(&inner["values"]).map(pair).collect();
            let all = all?.into_iter().map(|(key, value)| format!("{}:{value}", quoted(&key)));
            format!("{{{}}}", all.collect::<Vec<_>>().join(","))
        }
        "boolValue" => inner.to_string(),
        "intValue" => number(inner),
        "doubleValue" => double(inner)?,
        // No bytes are no slice in Go.
        "bytesValue" if string(inner).is_empty() => "null".into(),
        _ => quoted(string(inner)),
    })
}

/// Text in JSON, where Go escapes two more line ends than others do.
fn quoted(text: &str) -> String {
    let json = Value::from(text).to_string();
    json.replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029")
}

/// As ECMAScript writes it, and Go's JSON; `None` of what is not finite, which is text.
fn double(value: &Value) -> Option<String> {
    let value = value.as_f64()?;
    if value == 0.0 || (1e-6..1e21).contains(&value.abs()) {
        return Some(value.to_string());
    }
    let text = format!("{value:e}");
    Some(if text.contains("e-") { text } else { text.replace('e', "e+") })
}

/// A value with its type.
fn typed(value: &Value) -> String {
    format!("{}({})", type_of(value), plain(value))
}

fn type_of(value: &Value) -> &'static str {
    let kind = value.as_object().and_then(|value| value.keys().next());
    match kind.map(String::as_str) {
        Some("stringValue") => "Str",
        Some("boolValue") => "Bool",
        Some("intValue") => "Int",
        Some("doubleValue") => "Double",
        Some("arrayValue") => "Slice",
        Some("kvlistValue") => "Map",
        Some("bytesValue") => "Bytes",
        _ => "Empty",
    }
}

/// A time as Go prints it.
fn time(nanos: &Value) -> String {
    let nanos = number(nanos).parse::<i128>().unwrap_or_default();
    match Timestamp::from_nanosecond(nanos) {
        Ok(time) => time.strftime("%Y-%m-%d %H:%M:%S%.f +0000 UTC").to_string(),
        Err(_) => nanos.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// What a Collector printed of the same values.
    #[test]
    fn values_are_written_as_go_writes_them() {
        let double = |number: &str| format!("\"doubleValue\":{number}");
        let in_list = |values: &[&str]| {
            let values: Vec<String> = values.iter().map(|value| format!("{{{value}}}")).collect();
            format!("\"arrayValue\":{{\"values\":[{}]}}", values.join(","))
        };
        let map = r#""kvlistValue":{"values":[{"key":"z\u2028","value":{"intValue":"1"}},
            {"key":"a","value":{"stringValue":"b"}},{"key":"z\u2028","value":{}}]}"#;
        let largest = f64::MAX.to_string();
        for (value, want) in [
            (double("94245028377.70503"), "Double(94245028377.70503)"),
            (double("100000000000000000000"), "Double(100000000000000000000)"),
            (double("1000000000000000000000"), "Double(1e+21)"),
            (double(&largest), "Double(1.7976931348623157e+308)"),
            (double("0.000001"), "Double(0.000001)"),
            (double("0.0000000649"), "Double(6.49e-8)"),
            (double("-0"), "Double(-0)"),
            (double("\"-Infinity\""), "Double(-Infinity)"),
            (in_list(&[&double("-0"), &double("1e20")]), "Slice([-0,100000000000000000000])"),
            (in_list(&["\"intValue\":\"1\"", &double("\"NaN\"")]), "Slice()"),
            (
                in_list(&["", "\"bytesValue\":\"\"", "\"bytesValue\":\"AQ==\""]),
                "Slice([null,null,\"AQ==\"])",
            ),
            (
                in_list(&[r#""stringValue":"<\u2029\"doubleValue\":7""#]),
                r#"Slice(["<\u2029\"doubleValue\":7"])"#,
            ),
            (map.to_owned(), r#"Map({"a":"b","z\u2028":null})"#),
            (String::new(), "Empty()"),
        ] {
            let read = serde_json::from_str(&format!("{{{value}}}"));
            assert_eq!(typed(&read.unwrap()), want);
        }
        assert_eq!([id(&json!("000")), id(&json!("0a0"))], ["", "0a0"]);
    }

    /// What the Collector's own test of this exporter prints, in our words.
    #[test]
    fn a_request_is_laid_out_as_the_collector_does() {
        let request = json!({
            "dictionary": {
                "mappingTable": [{"memoryStart": "2", "memoryLimit": "3", "fileOffset": "4",
                    "filenameStrindex": 5, "attributeIndices": [7, 8]}],
                "locationTable": [{}, {"mappingIndex": 3, "address": "4", "attributeIndices": [6],
                    "lines": [{"functionIndex": 1, "line": "2", "column": "3"}]}],
                "functionTable": [{"nameStrindex": 2, "startLine": "5"}],
                "attributeTable": [{}, {"keyStrindex": 1, "value": {"intValue": "7"}}],
                "linkTable": [{"traceId": "0302", "spanId": "1112"}],
                "stringTable": ["", "key"],
            },
            "resourceProfiles": [{
                "schemaUrl": "https://schema",
                "resource": {"attributes": [
                    {"key": "a", "value": {"stringValue": "b"}},
                    {"key": "c", "value": {"arrayValue": {"values": [{"intValue": "1"}, {}]}}},
                ], "entityRefs": [{"type": "service", "idKeys": ["a"]}]},
                "scopeProfiles": [{
                    "scope": {"name": "cpu", "version": "v1"},
                    "profiles": [{
                        "profileId": "0102", "timeUnixNano": "1581452772000000321",
                        "durationNano": "1000000000", "attributeIndices": [1],
                        "samples": [{"values": ["4"], "attributeIndices": [1]}, {"values": ["9"]}],
                    }],
                }],
            }],
        });
        assert_eq!(counts(&request), (1, 2));
        assert_eq!(
            normal(&request),
            "ResourceProfiles #0 [https://schema] a=b c=[1,null]\n\
             ScopeProfiles #0 cpu@v1\n0102 samples=2 key=7\n"
        );
        let text = detailed(&request);
        for part in [
            "Mapping #0\n    Memory start: 2\n    Memory limit: 3\n    File offset: 4\n",
            "    File name: 5\n    Attributes: [7 8]\nLocation #0\n    Mapping index: 0\n",
            "    Address: 0\n    Attributes: []\nLocation #1\n    Mapping index: 3\n",
            "    Address: 4\n    Line #0\n        Function index: 1\n        Line: 2\n",
            "        Column: 3\n    Attributes: [6]\nFunction #0\n    Name: 2\n",
            "    System name: 0\n    Filename: 0\n    Start line: 5\nAttribute table:\n",
            "Link table:\n     -> Trace ID: Str(0302)\n     -> Span ID: Str(1112)\n\
             String table:\n    \n    key\nResourceProfiles #0\n\
             Resource SchemaURL: https://schema\nResource attributes:\n     -> a: Str(b)\n     \
             -> c: Slice([1,null])\nResource entity refs:\n     -> Entity ref #0:\n          \
             -> Type: service\n          -> ID keys:\n               -> a\nScopeProfiles #0\n\
             ScopeProfiles SchemaURL: \n\
             InstrumentationScope cpu v1\nProfile #0\n    Profile ID     : 0102\n    \
             Start time     : 2020-02-11 20:26:12.000000321 +0000 UTC\n    \
             DurationNano   : 1000000000\n    Dropped attributes count: 0\n    Sample #0\n        \
             Values: [4]\n        Attributes:\n             -> key: Int(7)\n    Sample #1\n        \
             Values: [9]\n",
        ] {
            assert!(text.contains(part), "{part}\n---\n{text}");
        }
    }
}
