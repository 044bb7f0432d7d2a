//! JSON Schema as far as our documents use it: enough to hold an answer against its schema.

use serde_json::{Map, Value};

/// Everything in `value` that `schema` does not allow, each with its place. References are looked
/// up in `root`.
pub fn breaches(root: &Value, schema: &Value, value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    check(root, schema, value, "", &mut found);
    found
}

fn check(root: &Value, schema: &Value, value: &Value, at: &str, found: &mut Vec<String>) {
    if let Some(reference) = schema["$ref"].as_str() {
        let target = root.pointer(reference.trim_start_matches('#'));
        let target = target.unwrap_or_else(|| panic!("{reference} is nowhere"));
        return check(root, target, value, at, found);
    }
    if let Some(any) = schema["anyOf"].as_array().or(schema["oneOf"].as_array()) {
        if !any.iter().any(|one| breaches(root, one, value).is_empty()) {
            found.push(format!("{at}: {value} is none of {any:?}"));
        }
        return;
    }
    if let Some(allowed) = schema["enum"].as_array()
        && !allowed.contains(value)
    {
        found.push(format!("{at}: {value} is none of {allowed:?}"));
    }
    if !schema["const"].is_null() && schema["const"] != *value {
        found.push(format!("{at}: {value} is not {}", schema["const"]));
    }
    let types = match &schema["type"] {
        Value::Array(types) => types.clone(),
        Value::Null => Vec::new(),
        one => vec![one.clone()],
    };
    if !types.is_empty() && !types.iter().filter_map(Value::as_str).any(|t| is(t, value)) {
        found.push(format!("{at}: {value} is no {types:?}"));
    }
    match value {
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                check(root, &schema["items"], item, &format!("{at}/{index}"), found);
            }
        }
        Value::Object(members) => object(root, schema, members, at, found),
        _ => {}
    }
}

/// A member that a schema with properties does not name is a breach: docs must know all of them.
fn object(
    root: &Value,
    schema: &Value,
    members: &Map<String, Value>,
    at: &str,
    found: &mut Vec<String>,
) {
    for name in schema["required"].as_array().into_iter().flatten() {
        if !members.contains_key(name.as_str().expect("a name")) {
            found.push(format!("{at}: {name} is missing"));
        }
    }
    for (name, member) in members {
        let at = format!("{at}/{name}");
        match (&schema["properties"][name], &schema["additionalProperties"]) {
            (Value::Null, Value::Null) if schema["type"] == "object" => {
                found.push(format!("{at} is not described"));
            }
            (Value::Null, rest) => check(root, rest, member, &at, found),
            (known, _) => check(root, known, member, &at, found),
        }
    }
}

fn is(kind: &str, value: &Value) -> bool {
    match kind {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("{other} is no type of JSON Schema"),
    }
}

#[test]
fn breaches_are_found() {
    let schema = serde_json::json!({
        "type": "object",
        "required": ["a"],
        "properties": {"a": {"type": ["integer", "null"]}, "b": {"$ref": "#/$defs/b"}},
        "$defs": {"b": {"type": "array", "items": {"enum": ["x"]}}},
    });
    for (value, says) in [
        (serde_json::json!({"a": 1, "b": ["x"]}), ""),
        (serde_json::json!({"a": null}), ""),
        (serde_json::json!({"a": "1"}), "/a: "),
        (serde_json::json!({"b": []}), "\"a\" is missing"),
        (serde_json::json!({"a": 1, "b": ["x", "y"]}), "/b/1: "),
        (serde_json::json!({"a": 1, "c": 1}), "/c is not described"),
        (serde_json::json!([]), "is no"),
    ] {
        let found = breaches(&schema, &schema, &value).join("\n");
        assert!(found.contains(says) && found.is_empty() == says.is_empty(), "{value}: {found}");
    }
}
