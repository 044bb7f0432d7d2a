//! The exporter `debug` beside the Collector's: both get the same requests, and write the same
//! text.

use std::{fs, path::Path, time::Duration};

use pipeline::{
    codec::{otlp, pprof},
    limits::Limits,
};

use crate::support::{
    collector::{self, Collector},
    free_ports,
    go::Service,
    process::{Running, eventually},
};

/// From a request until both have written it.
const SOON: Duration = Duration::from_secs(20);
/// Where they write to.
const FILES: [&str; 2] = ["ours.txt", "theirs.txt"];

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
          {"key": "z", "value": {"intValue": "1"}}, {"key": "a", "value": {"stringValue": "b"}}]}}},
        {"key": "none", "value": {}},
        {"key": "largest", "value": {"doubleValue": 1.7976931348623157e308}},
        {"key": "endless", "value": {"doubleValue": "-Infinity"}},
        {"key": "numbers", "value": {"arrayValue": {"values": [{"doubleValue": 1e20},
          {"doubleValue": 1e21}, {"doubleValue": 0.000001}, {"doubleValue": -0.0}]}}},
        {"key": "no json", "value": {"arrayValue": {"values": [
          {"intValue": "1"}, {"doubleValue": "NaN"}]}}},
        {"key": "bytes", "value": {"arrayValue": {"values": [
          {}, {"bytesValue": ""}, {"bytesValue": "AQID"}]}}},
        {"key": "ends", "value": {"kvlistValue": {"values": [
          {"key": "\u2028", "value": {"stringValue": "\"doubleValue\":7,\u2029"}}]}}}
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
        "timeUnixNano": "1772323200000000000", "durationNano": "5",
        "profileId": "00000000000000000000000000000000",
        "samples": [{"stackIndex": 1, "values": ["1"]}]
      }]}]
  }]
}"#;

/// The text with the last entry alone of the tables of which the Collector writes no other.
fn last_of_tables(text: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut inside = None;
    for line in text.split('\n') {
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

/// A request as we send it on: then the Collector gets what our exporter shows.
fn sent_on(decoded: otlp::Decoded) -> Vec<u8> {
    assert_eq!((decoded.rejected, decoded.error), (0, None));
    otlp::encode(&decoded.profiles)
}

/// What a Go process says of itself: CPU time with labels and spans, and its heap.
async fn of_go() -> Option<Vec<u8>> {
    let service = Service::start("go/cmd/hold", &[]).await?;
    let mut profiles = Vec::new();
    for (name, path) in [("cpu", "profile?seconds=1"), ("heap", "heap")] {
        let url = format!("{}/debug/pprof/{path}", service.url);
        let body = reqwest::get(url).await.unwrap().bytes().await.unwrap();
        let mut profile = pprof::decode(&body, &Limits::default()).unwrap();
        profile.meta.name = name.to_owned();
        profile.meta.resource = [("service.name", "hold")].into_iter().collect();
        profiles.push(profile);
    }
    let request = otlp::encode(&profiles);
    Some(sent_on(otlp::Decoder::default().decode(&request, &Limits::default()).unwrap()))
}

/// `None` where there is no Go, or no Collector.
async fn requests() -> Option<[Vec<u8>; 2]> {
    if !collector::is_there().await {
        return None;
    }
    let made = otlp::Decoder::default().decode_json(REQUEST.as_bytes(), &Limits::default());
    Some([sent_on(made.unwrap()), of_go().await?])
}

/// profpipe and a Collector, each with an OTLP receiver and an exporter `debug`.
struct Both {
    ours: Running,
    theirs: Collector,
    ports: [u16; 2],
}

impl Both {
    /// Starts them with settings of `debug` that are made of the name of a file.
    async fn start(dir: &Path, debug: impl Fn(&str) -> String) -> Self {
        let [port, grpc, http] = free_ports();
        let [ours, theirs] = FILES.map(debug);
        let theirs = collector::config([grpc, http], &[("debug", theirs)]);
        let theirs = Collector::start(dir, &theirs).await;
        let ours = Running::start(dir, &config(&ours, port)).await;
        Self { ours, theirs, ports: [port, http] }
    }

    /// Sends a request to each.
    async fn send(&self, request: &[u8]) {
        for port in self.ports {
            let url = format!("http://127.0.0.1:{port}/v1development/profiles");
            let post = reqwest::Client::new().post(url);
            let post = post.header("content-type", "application/x-protobuf");
            let answer = post.body(request.to_vec()).send().await.unwrap();
            assert_eq!(answer.status(), 200, "{}", answer.text().await.unwrap());
        }
    }

    /// Ends them; what they write is whole then.
    async fn stop(mut self) {
        self.theirs.stop().await;
        let (status, _) = self.ours.stop().await;
        assert!(status.success(), "{}", self.ours.log());
    }
}

fn config(debug: &str, port: u16) -> String {
    format!(
        "receivers: {{otlp: {{protocols: {{http: {{endpoint: '127.0.0.1:{port}'}}}}}}}}
exporters:
  debug: {debug}
  parquet: {{}}
  ui: {{}}
service:
  pipelines: {{profiles: {{receivers: [otlp], exporters: [debug, parquet, ui]}}}}
"
    )
}

/// Texts of profiles in a log, without what stands before and after each of its entries.
fn texts(log: &str, before: &str, after: &str) -> Vec<String> {
    let entries = log.split(before).filter_map(|entry| Some(entry.split_once(after)?.0));
    let texts = entries.filter(|entry| entry.contains("ResourceProfiles #0\n"));
    texts.map(last_of_tables).collect()
}

/// Asserts it line by line: the texts are long.
fn assert_same(ours: &str, theirs: &str) {
    for (n, (ours, theirs)) in ours.split('\n').zip(theirs.split('\n')).enumerate() {
        assert_eq!(ours, theirs, "line {n}");
    }
    assert_eq!(ours.len(), theirs.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn debug_writes_what_the_collectors_writes() {
    let Some(requests) = requests().await else { return };
    for verbosity in ["basic", "normal", "detailed"] {
        let dir = tempfile::tempdir().unwrap();
        let debug = |file: &str| {
            format!(
                "{{verbosity: {verbosity}, use_internal_logger: false, output_paths: ['{}']}}",
                dir.path().join(file).display()
            )
        };
        let both = Both::start(dir.path(), debug).await;
        let written =
            || FILES.map(|file| fs::read_to_string(dir.path().join(file)).unwrap_or_default());
        for (sent, request) in requests.iter().enumerate() {
            both.send(request).await;
            eventually(SOON, "both wrote", async || {
                let heads = written().map(|text| text.matches("Profiles\t{").count());
                (heads == [sent + 1; 2]).then_some(())
            })
            .await;
        }
        both.stop().await;
        let [ours, theirs] = written();
        assert_same(&last_of_tables(&ours), &last_of_tables(&theirs));
        let samples = "Profiles\t{\"resource profiles\": 1, \"sample records\": 3}\n";
        assert!(ours.starts_with(samples), "{ours}");
        for of_detailed in ["-> tier: Str(<gold>)", "-> task: Str(burn)"] {
            assert_eq!(ours.contains(of_detailed), verbosity == "detailed", "{ours}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_text_in_the_log_is_the_same() {
    let Some(requests) = requests().await else { return };
    let dir = tempfile::tempdir().unwrap();
    let both = Both::start(dir.path(), |_| "{verbosity: detailed}".to_owned()).await;
    for (sent, request) in requests.iter().enumerate() {
        both.send(request).await;
        let [ours, theirs] = eventually(SOON, "both wrote", async || {
            let ours = texts(&both.ours.log(), " INFO ", " exporter=\"debug\"\n");
            let theirs = texts(&both.theirs.log(), "\tinfo\t", "\t{\"resource\": ");
            (ours.len() > sent && theirs.len() > sent).then_some([ours, theirs])
        })
        .await;
        assert_same(&ours[sent], &theirs[sent]);
    }
    both.stop().await;
}
