//! The exporter `debug` beside the Collector's: both write the same request, and the same text.

use std::{fs, path::Path, time::Duration};

use crate::support::{
    collector::{self, Collector},
    free_ports,
    process::{Running, eventually},
};

/// What only OTLP can say: entities, types of values, links, attributes of a scope.
const REQUEST: &str = r#"{
  "dictionary": {
    "mappingTable": [{}, {"memoryStart": "4096", "memoryLimit": "8192", "filenameStrindex": 1}],
    "locationTable": [{}, {"mappingIndex": 1, "address": "4100",
      "lines": [{"functionIndex": 1, "line": "7", "column": "3"}], "attributeIndices": [1]}],
    "functionTable": [{}, {"nameStrindex": 2, "systemNameStrindex": 2, "filenameStrindex": 3,
      "startLine": "5"}],
    "linkTable": [{}, {"traceId": "0af7651916cd43dd8448eb211c80319c",
      "spanId": "b7ad6b7169203331"}],
    "stringTable": ["", "/bin/app", "main.work", "main.go", "cpu", "nanoseconds", "tier", "<gold>",
      "bytes", "profile.frame.type", "go", "ratio"],
    "attributeTable": [{}, {"keyStrindex": 9, "value": {"stringValue": "go"}},
      {"keyStrindex": 6, "value": {"stringValue": "<gold>"}},
      {"keyStrindex": 8, "value": {"intValue": "512"}, "unitStrindex": 8},
      {"keyStrindex": 11, "value": {"doubleValue": 0.25}}],
    "stackTable": [{}, {"locationIndices": [1]}]
  },
  "resourceProfiles": [{
    "schemaUrl": "https://opentelemetry.io/schemas/1.40.0",
    "resource": {
      "attributes": [
        {"key": "service.name", "value": {"stringValue": "shop"}},
        {"key": "process.pid", "value": {"intValue": "7"}},
        {"key": "ratio", "value": {"doubleValue": 1.5}},
        {"key": "small", "value": {"doubleValue": 1e-9}},
        {"key": "whole", "value": {"doubleValue": 3}},
        {"key": "on", "value": {"boolValue": true}},
        {"key": "raw", "value": {"bytesValue": "AQID"}},
        {"key": "list", "value": {"arrayValue": {"values": [
          {"stringValue": "a<b"}, {"intValue": "2"}, {"doubleValue": 2}, {"boolValue": false}]}}},
        {"key": "map", "value": {"kvlistValue": {"values": [
          {"key": "z", "value": {"intValue": "1"}}, {"key": "a", "value": {"stringValue": "b"}}]}}}
      ],
      "entityRefs": [{"schemaUrl": "https://s", "type": "service", "idKeys": ["service.name"],
        "descriptionKeys": ["process.pid", "on"]}, {"type": "host"}]
    },
    "scopeProfiles": [{
      "schemaUrl": "https://scope",
      "scope": {"name": "sdk", "version": "1.2",
        "attributes": [{"key": "lib", "value": {"stringValue": "x"}}]},
      "profiles": [{
        "sampleType": {"typeStrindex": 4, "unitStrindex": 5},
        "periodType": {"typeStrindex": 4, "unitStrindex": 5}, "period": "10000000",
        "timeUnixNano": "1772323200000000500", "durationNano": "10000000000",
        "profileId": "0102030405060708090a0b0c0d0e0f10", "attributeIndices": [2, 3],
        "samples": [
          {"stackIndex": 1, "values": ["30"], "attributeIndices": [2, 3, 4], "linkIndex": 1},
          {"stackIndex": 1, "values": ["12"]}]
      }]
    }, {"scope": {"version": "2"}, "profiles": [{
        "sampleType": {"typeStrindex": 4, "unitStrindex": 5},
        "periodType": {"typeStrindex": 4, "unitStrindex": 5},
        "timeUnixNano": "1772323200000000000", "durationNano": "5", "profileId": "",
        "samples": [{"stackIndex": 1, "values": ["1"]}]
      }]}]
  }]
}"#;

/// The text with the last entry alone of the tables of which the Collector writes no other.
fn last_of_tables(text: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut inside = None;
    for line in text.lines() {
        let entry = line.starts_with("     -> ");
        inside = inside.filter(|_| entry).or(match line {
            "Attribute table:" => Some((kept.len() + 1, 3)),
            "Link table:" => Some((kept.len() + 1, 2)),
            _ => None,
        });
        if let Some((start, lines)) = inside
            && kept.len() == start + lines
        {
            kept.truncate(start);
        }
        kept.push(line);
    }
    kept.join("\n")
}

fn config(debug: &str, port: u16, collector: u16) -> String {
    format!(
        "receivers: {{otlp: {{protocols: {{http: {{endpoint: '127.0.0.1:{port}'}}}}}}}}
exporters:
  debug: {debug}
  otlp_grpc: {{endpoint: '127.0.0.1:{collector}', tls: {{insecure: true}}}}
  parquet: {{}}
  ui: {{}}
service:
  pipelines: {{profiles: {{receivers: [otlp], exporters: [debug, otlp_grpc, parquet, ui]}}}}
"
    )
}

fn written(file: &Path) -> String {
    fs::read_to_string(file).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn debug_writes_what_the_collectors_writes() {
    if !collector::is_there().await {
        return;
    }
    for verbosity in ["basic", "normal", "detailed"] {
        let dir = tempfile::tempdir().unwrap();
        let [ours, theirs] = ["ours.txt", "theirs.txt"].map(|name| dir.path().join(name));
        let debug = |file: &Path| {
            format!(
                "{{verbosity: {verbosity}, use_internal_logger: false, output_paths: ['{}']}}",
                file.display()
            )
        };
        let ports = free_ports();
        let config_of_theirs = collector::config(ports, &[("debug", debug(&theirs))]);
        let collector = Collector::start(dir.path(), &config_of_theirs).await;
        let [port] = free_ports();
        let running = Running::start(dir.path(), &config(&debug(&ours), port, ports[0])).await;
        let url = format!("http://127.0.0.1:{port}/v1development/profiles");
        let post = reqwest::Client::new().post(url).header("content-type", "application/json");
        let answer = post.body(REQUEST).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{}", answer.text().await.unwrap());
        let wrote = async || {
            let both = [written(&ours), written(&theirs)];
            both.iter().all(|text| text.ends_with('\n')).then_some(both)
        };
        let _ = eventually(Duration::from_secs(20), "both wrote", wrote).await;
        // Whole, once the other side is done as well.
        collector.stop().await;
        drop(running);
        let [ours, theirs] = [written(&ours), written(&theirs)];
        assert_eq!(last_of_tables(&ours), last_of_tables(&theirs), "{verbosity}");
        let samples = "Profiles\t{\"resource profiles\": 1, \"sample records\": 3}\n";
        assert!(ours.starts_with(samples), "{ours}");
        assert_eq!(ours.contains("-> tier: Str(<gold>)"), verbosity == "detailed", "{ours}");
    }
}
