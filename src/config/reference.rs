//! The reference of all keys, made of the types themselves: what doc comments say, and defaults.
//! docs/config.md is this page; `profpipe components` prints the defaults.

use std::fmt::Write as _;

use pipeline::{extension, processor};
use schemars::{Schema, schema_for};
use serde_json::{Map, Value, json};

use super::model::Config;

/// How a section of the page gets the schema of a type of component.
type Schemas = fn(&str) -> Option<Schema>;

/// Sections of components: their key in a config, their types, and what each can be told.
const SECTIONS: [(&str, &[&str], Schemas); 4] = [
    ("receivers", receiver::KINDS, receiver::schema),
    ("processors", processor::KINDS, processor::schema),
    ("exporters", exporter::KINDS, exporter::schema),
    ("extensions", extension::KINDS, extension::schema),
];

const HEAD: &str = "\
# Config reference

Every key of a config with its default, made of the doc comments in the code: a test compares
this page.
Examples are in `configs/`, mistakes and what is said of them in `configs/bad/`.

Values: a duration is `250ms`, `10s`, `1m30s`, `15d`; a size is `512MiB`, `10GiB`, `1MB`; `a.b`
below is `b` in the map `a`, `a[].b` is `b` in each entry of the list `a`, and NAME stands for a
name of your own. `${env:X}` and `${env:X:-default}` are replaced by what the environment holds,
`$$` is a dollar sign. Several `--config` files are laid over each other: maps deeply, everything
else is replaced; `--set a::b=value` comes last.

Exporters `otlp_grpc` and `otlp_http` without an `endpoint` take it, and whatever else they leave
open, from the variables of OpenTelemetry: `OTEL_EXPORTER_OTLP_ENDPOINT`, `_HEADERS`,
`_COMPRESSION`, `_TIMEOUT` (milliseconds), `_CERTIFICATE`, `_CLIENT_KEY`, `_CLIENT_CERTIFICATE`,
`_INSECURE` and `_PROTOCOL`, those of `OTEL_EXPORTER_OTLP_PROFILES_` before them. One whose
endpoint is in the file takes none, so that no header goes to another backend than the one it is
meant for. `OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES` name own telemetry, and what
`profpipe run --scrape URL --otlp-endpoint URL` scrapes, which needs no file at all. Where no
endpoint is said there or to `profpipe export`, it is `http://localhost:4318`, or port 4317 for
gRPC.

A config of the OpenTelemetry Collector with its otlp and debug components loads as it is. A warning
names what has no effect, such as `cookies`, and pipelines of traces, metrics and logs, which are
not run. Pipelines with the same receivers and processors run as one, with the exporters of both.

`profpipe validate` says what is wrong, `profpipe print-config` what counts, `profpipe components`
what there is.
";

/// The page docs/config.md.
pub fn page() -> String {
    let mut page = HEAD.to_owned();
    section(&mut page, "\n## Top level\n", &schema_for!(Config));
    for (key, kinds, schemas) in SECTIONS {
        let _ = write!(page, "\n## {}{}\n", key[..1].to_uppercase(), &key[1..]);
        for kind in kinds {
            if let Some(schema) = schemas(kind) {
                section(&mut page, &format!("\n### `{kind}`\n"), &schema);
            }
        }
    }
    page
}

/// What this binary has, with defaults, as a tree for YAML.
pub fn components() -> Value {
    let mut all = Map::new();
    let info = json!({"command": "profpipe", "version": env!("CARGO_PKG_VERSION")});
    all.insert("buildinfo".into(), info);
    for (key, kinds, schemas) in SECTIONS {
        let of_kind = kinds.iter().map(|kind| {
            let schema = schemas(kind).unwrap_or_default();
            let fields = schema.get("properties").and_then(Value::as_object);
            let fields = fields.into_iter().flatten();
            let defaults = fields.map(|(key, field)| (key.clone(), field["default"].clone()));
            let defaults = set(&Value::Object(defaults.collect()));
            let docs = format!("docs/config.md#{kind}");
            ((*kind).to_owned(), json!({"docs": docs, "defaults": defaults}))
        });
        all.insert(key.into(), Value::Object(of_kind.collect()));
    }
    Value::Object(all)
}

/// The value without keys that are not set.
fn set(value: &Value) -> Value {
    let Value::Object(map) = value else { return value.clone() };
    let kept = map.iter().filter(|(_, value)| !value.is_null());
    Value::Object(kept.map(|(key, value)| (key.clone(), set(value))).collect())
}

fn section(page: &mut String, heading: &str, schema: &Schema) {
    let _ =
        write!(page, "{heading}\n| key | value | default | meaning |\n| --- | --- | --- | --- |\n");
    let root = schema.as_value();
    Walk { root, page }.properties(root, "", None);
}

/// Writes a row for each key below a schema.
struct Walk<'a> {
    root: &'a Value,
    page: &'a mut String,
}

impl<'a> Walk<'a> {
    /// `defaults` are those of the map that the keys are in, where it has any.
    fn properties(&mut self, schema: &'a Value, prefix: &str, defaults: Option<&'a Value>) {
        let properties = schema["properties"].as_object();
        for (key, field) in properties.into_iter().flatten() {
            let default = defaults.and_then(|map| map.get(key)).or_else(|| field.get("default"));
            self.field(&format!("{prefix}{key}"), field, default);
        }
    }

    fn field(&mut self, path: &str, field: &'a Value, default: Option<&'a Value>) {
        let schema = self.resolve(field);
        let meaning = field["description"].as_str().or(schema["description"].as_str());
        let meaning = meaning.unwrap_or_default().replace('\n', " ").replace('|', "\\|");
        let items = self.resolve(&schema["items"]);
        let values = self.resolve(&schema["additionalProperties"]);
        let shown = match default {
            Some(Value::Null) | None => String::new(),
            Some(Value::Object(map)) if schema["properties"].is_object() || map.is_empty() => {
                String::new()
            }
            Some(Value::Array(list)) if list.is_empty() => String::new(),
            Some(Value::String(text)) if text.is_empty() => String::new(),
            Some(Value::String(text)) => format!("`{text}`"),
            Some(Value::Object(map)) => {
                let keys: Vec<_> = map.keys().map(|key| format!("`{key}`")).collect();
                keys.join(", ")
            }
            Some(other) => format!("`{other}`"),
        };
        let kind = kind(schema, items, values);
        let _ = writeln!(self.page, "| `{path}` | {kind} | {shown} | {meaning} |");
        self.properties(schema, &format!("{path}."), default);
        self.properties(items, &format!("{path}[]."), None);
        self.properties(values, &format!("{path}.NAME."), None);
    }

    /// The schema itself: behind references, and of what may be missing that which may be there.
    fn resolve(&self, schema: &'a Value) -> &'a Value {
        if let Some(name) = schema["$ref"].as_str() {
            let name = name.trim_start_matches("#/$defs/");
            return self.resolve(&self.root["$defs"][name]);
        }
        let any = schema["anyOf"].as_array();
        match any.and_then(|any| any.iter().find(|one| one["type"] != "null")) {
            Some(one) => self.resolve(one),
            None => schema,
        }
    }
}

/// The value of a key in words.
fn kind(schema: &Value, items: &Value, values: &Value) -> String {
    let words = |list: &[Value], of: fn(&Value) -> Option<&str>| {
        let words: Vec<_> = list.iter().filter_map(of).map(|word| format!("`{word}`")).collect();
        words.join(", ")
    };
    if let Some(list) = schema["enum"].as_array() {
        return words(list, Value::as_str);
    }
    if let Some(list) = schema["oneOf"].as_array() {
        return words(list, |one| one["const"].as_str());
    }
    let name = match &schema["type"] {
        Value::Array(types) => types.iter().find(|t| *t != "null").and_then(Value::as_str),
        one => one.as_str(),
    };
    match (name, schema["format"].as_str()) {
        (Some("string"), Some(format @ ("duration" | "size"))) => format.into(),
        (Some("string"), Some("password")) => "secret".into(),
        (Some("string"), _) => "text".into(),
        (Some("boolean"), _) => "true or false".into(),
        (Some("integer"), _) => "whole number".into(),
        (Some("number"), _) => "number".into(),
        (Some("array"), _) if items["properties"].is_object() => "list of maps".into(),
        (Some("array"), _) => "list".into(),
        (Some("object"), _) if values.is_object() => "map by name".into(),
        _ => "map".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_page_is_that_of_the_types() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/config.md");
        let page = page();
        if std::env::var_os("PROFPIPE_UPDATE").is_some() {
            std::fs::write(path, &page).expect("is writable");
        }
        let committed = std::fs::read_to_string(path).unwrap_or_default();
        assert!(committed == page, "docs/config.md is old: PROFPIPE_UPDATE=1 writes it again");
    }

    #[test]
    fn every_key_says_what_it_is() {
        for line in page().lines().filter(|line| line.starts_with("| `")) {
            let cells: Vec<_> = line.trim_matches('|').split(" | ").map(str::trim).collect();
            assert!(!cells[1].is_empty(), "what can be its value? {line}");
            assert!(cells.last().is_some_and(|meaning| !meaning.is_empty()), "{line}");
        }
        for key in [
            "`exporters`",
            "`service.telemetry.logs.level`",
            "`monitors[].TYPE.seconds`",
            "`retention.max_age` | duration | `15d`",
            "`static_configs[].targets`",
            "`profiles.NAME.seconds`",
        ] {
            assert!(page().contains(key), "{key}");
        }
    }
}
