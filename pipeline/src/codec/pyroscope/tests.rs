//! Requests as agents write them, and such as they never would.

use Temporality::{Cumulative, Delta, Instant};

use super::{labels::LABELS_MAX, *};
use crate::{
    codec::wire::{put_bytes, put_varint},
    profile::{Builder, Meta, Profile, SampleType, Temporality},
};

const S: i64 = 1_000_000_000;
const NOW_S: i64 = 1_800_000_000;

/// A profile of one row as bytes: names and values of its types, time and duration.
fn pprof_bytes(types: &[(&str, i64)], time_ns: i64, duration_ns: i64) -> Vec<u8> {
    let mut builder = Builder::new(&Limits::default());
    let mut sample_types = Vec::new();
    for (name, value) in types {
        let kind = builder.string(name).unwrap();
        sample_types.push(SampleType { kind, unit: 0, temporality: Delta });
        builder.value(*value);
    }
    builder.sample(&[]).unwrap();
    let meta = Meta { time_ns, duration_ns, sample_types, ..Meta::default() };
    pprof::encode(&builder.finish(meta).unwrap())
}

fn form(parts: &[(&str, &[u8])]) -> Vec<u8> {
    let mut body = Vec::new();
    for (name, bytes) in parts {
        let head = format!("--B\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n");
        body.extend([head.as_bytes(), bytes, b"\r\n"].concat());
    }
    [body, b"--B--\r\n".to_vec()].concat()
}

/// What is known of a profile: name, start and length in seconds, and its types with values.
type Told = (String, i64, i64, Vec<(String, Temporality, i64)>);

fn told(profile: &Profile) -> Told {
    let meta = &profile.meta;
    let types = meta.sample_types.iter().enumerate().map(|(column, t)| {
        let count = meta.sample_types.len();
        let sum = profile.samples().values.iter().skip(column).step_by(count).sum();
        (profile.text(t.kind).to_owned(), t.temporality, sum)
    });
    (meta.name.clone(), meta.time_ns / S, meta.duration_ns / S, types.collect())
}

fn ingest(query: &str, content_type: &str, body: &[u8]) -> Result<Vec<Profile>, Refused> {
    let request = Ingest::parse(query, content_type)?;
    let decoded = Decoder::default().ingest(body, &request, &Limits::default())?;
    assert_eq!((decoded.rejected, decoded.error), (0, None));
    Ok(decoded.profiles)
}

fn all_told(query: &str, content_type: &str, body: &[u8]) -> Vec<Told> {
    ingest(query, content_type, body).unwrap().iter().map(told).collect()
}

const FORM: &str = "multipart/form-data; boundary=B";

/// The window of a query: ten seconds, written in nanoseconds as the agent of Go does.
fn window() -> String {
    format!("name=shop{{pod%3Da}}&from={}&until={}", (NOW_S - 10) * S, NOW_S * S)
}

#[test]
fn deltas_of_an_agent_are_deltas_and_gauges_are_not() {
    let heap = pprof_bytes(&[("alloc_space", 5), ("inuse_space", 7)], NOW_S * S, 0);
    let config = br#"{"alloc_space":{"units":"bytes"},
        "inuse_space":{"units":"bytes","aggregation":"average"}}"#;
    let body = form(&[("profile", &heap), ("sample_type_config", config)]);
    let profiles = ingest(&window(), FORM, &body).unwrap();
    let want: Vec<Told> = vec![
        ("heap".into(), NOW_S - 10, 10, vec![("alloc_space".into(), Delta, 5)]),
        ("heap".into(), NOW_S, 0, vec![("inuse_space".into(), Instant, 7)]),
    ];
    assert_eq!(profiles.iter().map(told).collect::<Vec<_>>(), want);
    assert_eq!(profiles[0].meta.resource.service(), "shop");
    assert_eq!(profiles[0].meta.resource.get("k8s.pod.name"), Some("a"));
    // Without a word about it, what only grows is a total.
    let told = all_told(&window(), FORM, &form(&[("profile", &heap)]));
    let types = vec![("alloc_space".into(), Cumulative, 5), ("inuse_space".into(), Instant, 7)];
    assert_eq!(told, [("heap".into(), NOW_S, 0, types)]);
}

#[test]
fn totals_become_deltas_where_the_profile_before_comes_along() {
    let config = br#"{"alloc_space":{"cumulative":true}}"#;
    let bytes = |total: i64| pprof_bytes(&[("alloc_space", total)], 0, 0);
    let body = |before: i64, after: i64| {
        let [before, after] = [before, after].map(bytes);
        form(&[("prev_profile", &before), ("profile", &after), ("sample_type_config", config)])
    };
    let told = all_told(&window(), FORM, &body(100, 130));
    let types = vec![("alloc_space".into(), Delta, 30)];
    assert_eq!(told, [("heap".into(), NOW_S - 10, 10, types)]);
    assert_eq!(all_told(&window(), FORM, &body(100, 20)), [], "it started anew");
}

#[test]
fn a_window_of_its_own_stays_and_mutex_is_told_from_block() {
    let cpu = pprof_bytes(&[("cpu", 3)], (NOW_S - 4) * S, 3 * S);
    let told = all_told(&window(), FORM, &form(&[("profile", &cpu)]));
    assert_eq!(told, [("cpu".into(), NOW_S - 4, 3, vec![("cpu".into(), Delta, 3)])]);
    let locks = pprof_bytes(&[("contentions", 1), ("delay", 2)], 0, 0);
    for (config, name) in [
        (r#"{"delay":{"display-name":"block_duration"},"contentions":{}}"#, "block"),
        (r#"{"delay":{"display-name":"mutex_duration"},"contentions":{}}"#, "mutex"),
    ] {
        let body = form(&[("profile", &locks), ("sample_type_config", config.as_bytes())]);
        let told = all_told(&window(), FORM, &body);
        let types = vec![("contentions".into(), Delta, 1), ("delay".into(), Delta, 2)];
        assert_eq!(told, [(name.into(), NOW_S - 10, 10, types)]);
    }
}

#[test]
fn a_window_that_cannot_be_is_none() {
    // pyroscope-go writes an end before the start where it is flushed between two ticks.
    let heap = pprof_bytes(&[("alloc_space", 5)], NOW_S * S, 0);
    let body = form(&[("profile", &heap), ("sample_type_config", br#"{"alloc_space":{}}"#)]);
    for (from, until) in [(NOW_S, NOW_S - 1), (1, NOW_S)] {
        let told = all_told(&format!("name=a&from={from}&until={until}"), FORM, &body);
        assert_eq!(told, [("heap".into(), NOW_S, 0, vec![("alloc_space".into(), Delta, 5)])]);
    }
}

#[test]
fn windows_of_equal_bytes_are_not_the_same() {
    let locks = pprof_bytes(&[("contentions", 0), ("delay", 0)], 0, 0);
    let body = form(&[("profile", &locks)]);
    let id = |until: i64| {
        let query = format!("name=a&from={}&until={until}", until - 10);
        ingest(&query, FORM, &body).unwrap()[0].id()
    };
    assert_ne!(id(NOW_S), id(NOW_S + 10));
    assert_eq!(id(NOW_S), id(NOW_S), "what comes twice is known");
}

#[test]
fn folded_text_is_read() {
    let query =
        |name: &str, more: &str| format!("name={name}&from={}&until={NOW_S}&{more}", NOW_S - 10);
    let types = vec![("samples".into(), Delta, 5), ("cpu".into(), Delta, 5 * S / 50)];
    let want: Vec<Told> = vec![("cpu".into(), NOW_S - 10, 10, types)];
    let folded = b"main;a;b 2\nmain;<b>; 3\n\n";
    let cpu = query("shop.cpu", "sampleRate=50&format=folded");
    assert_eq!(all_told(&cpu, "", folded), want);
    assert_eq!(ingest(&cpu, "", folded).unwrap()[0].meta.resource.service(), "shop");
    let lines = "main;a\n".repeat(5);
    let named = query("shop", "sampleRate=50&format=lines&units=samples");
    assert_eq!(all_told(&named, "text/plain", lines.as_bytes()), want);
    let inuse = query("shop.inuse_space", "aggregationType=average");
    let types = vec![("inuse_space".into(), Instant, 5)];
    assert_eq!(all_told(&inuse, "", folded), [("heap".into(), NOW_S, 0, types)]);
    let custom = query("shop", "units=widgets&format=folded");
    let types = vec![("widgets".into(), Delta, 5)];
    assert_eq!(all_told(&custom, "", folded), [("widgets".into(), NOW_S - 10, 10, types)]);
    let profile = &ingest(&cpu, "", folded).unwrap()[0];
    let names = |row: u32| -> Vec<&str> {
        let stack = profile.stacks().get(profile.samples().stacks[row as usize]);
        let line = |place: &u32| profile.lines().get(*place)[0].function as usize;
        let name = |place| profile.text(profile.functions()[line(place)].name);
        stack.iter().map(name).collect()
    };
    assert_eq!((names(0), names(1)), (vec!["b", "a", "main"], vec!["<b>", "main"]));
}

#[test]
fn what_is_not_taken_is_named() {
    let reason = |query: &str, content_type: &str, body: &[u8]| {
        ingest(query, content_type, body).map(|_| ()).unwrap_err()
    };
    let jfr = reason("name=a&format=jfr", "", b"FLR\0");
    assert_eq!(
        jfr.to_string(),
        "not_pprof: a Java flight recording is not taken, only pprof, folded and lines"
    );
    let deep = format!("{}a 1", "a;".repeat(5000));
    for (query, content_type, body, want) in [
        ("name=a&format=trie", "", &b"x"[..], Reason::NotPprof),
        ("name=a&format=speedscope", "", b"{}", Reason::NotPprof),
        ("name=a", "binary/octet-stream+tree", b"x", Reason::NotPprof),
        ("name=a", FORM, &form(&[("jfr", b"FLR\0")]), Reason::NotPprof),
        ("name=a", FORM, &form(&[("x", b"")]), Reason::EmptyProfile),
        ("name=a", FORM, b"--B\r\n", Reason::Truncated),
        ("name=a", FORM, &form(&[("profile", b"<html>")]), Reason::NotPprof),
        ("name=a", "", b"main;a x", Reason::Malformed),
        ("name=a", "", b"main;a -1", Reason::Malformed),
        ("name=a", "", b"main\xff 1", Reason::NotPprof),
        ("name=a", "", b"", Reason::EmptyProfile),
        ("name=a", "", b"\r\n \r\n", Reason::EmptyProfile),
        ("name=a", "", deep.as_bytes(), Reason::CountLimit),
        ("name=a&sampleRate=x", "", b"a 1", Reason::Malformed),
        ("name=a&sampleRate=4000000000", "", b"a 1", Reason::Malformed),
        ("name=a&from=x&until=1", "", b"a 1", Reason::Malformed),
        ("name=a&from=-1&until=1", "", b"a 1", Reason::Malformed),
        ("", "", b"a 1", Reason::Malformed),
    ] {
        assert_eq!(reason(query, content_type, body).reason, want, "{query} {content_type}");
    }
    let config = br#"{"cpu": 1}"#;
    let cpu = pprof_bytes(&[("cpu", 1)], 0, 0);
    let body = form(&[("profile", &cpu), ("sample_type_config", config)]);
    assert_eq!(reason("name=a", FORM, &body).reason, Reason::Malformed);
}

/// A series in protobuf.
fn series(labels: &[(&str, &str)], profiles: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, value) in labels {
        let mut label = Vec::new();
        put_bytes(&mut label, 1, name.as_bytes());
        put_bytes(&mut label, 2, value.as_bytes());
        put_bytes(&mut out, 1, &label);
    }
    for profile in profiles {
        let mut sample = Vec::new();
        put_bytes(&mut sample, 1, profile);
        put_bytes(&mut sample, 2, b"id");
        put_bytes(&mut out, 2, &sample);
    }
    let mut message = Vec::new();
    put_bytes(&mut message, 1, &out);
    message
}

fn push(body: &[u8]) -> Result<Decoded, Refused> {
    Decoder::default().push(body, &Limits::default())
}

const MEMORY: [(&str, &str); 2] = [("__name__", "memory"), ("service_name", "a")];

#[test]
fn pushes_are_read_in_protobuf_and_json() {
    let heap = pprof_bytes(&[("alloc_space", 5), ("inuse_space", 7)], NOW_S * S, 0);
    let marked = [&MEMORY[..], &[("__delta__", "false")]].concat();
    let types = |first| vec![("alloc_space".into(), first, 5), ("inuse_space".into(), Instant, 7)];
    for (labels, first) in [(&MEMORY[..], Cumulative), (&marked, Delta)] {
        let decoded = push(&series(labels, &[&heap])).unwrap();
        let told: Vec<Told> = decoded.profiles.iter().map(told).collect();
        assert_eq!(told, [("heap".into(), NOW_S, 0, types(first))]);
        let labels: Vec<_> =
            labels.iter().map(|(n, v)| serde_json::json!({"name": n, "value": v})).collect();
        let raw = base64::Engine::encode(&base64::prelude::BASE64_STANDARD, &heap);
        let json = serde_json::json!({"series": [
            {"labels": labels, "samples": [{"rawProfile": raw, "ID": "x"}], "more": 1}
        ]});
        let by_json = Decoder::default().push_json(json.to_string().as_bytes(), &Limits::default());
        assert_eq!(by_json.unwrap().profiles, decoded.profiles);
    }
}

#[test]
fn one_that_is_broken_does_not_stop_the_others() {
    let good = pprof_bytes(&[("cpu", 1)], NOW_S * S, S);
    let many = vec![("a", "b"); LABELS_MAX + 9];
    for (bad, reason) in [
        (series(&MEMORY, &[b"\x0a\x05x"]), Reason::Truncated),
        (series(&MEMORY, &[b""]), Reason::EmptyProfile),
        (series(&MEMORY, &[b"<html>"]), Reason::NotPprof),
        (series(&many, &[&good]), Reason::CountLimit),
        (series(&[("", "x")], &[&good]), Reason::Malformed),
    ] {
        let decoded = push(&[bad, series(&MEMORY, &[&good, &good])].concat()).unwrap();
        assert_eq!((decoded.profiles.len(), decoded.rejected), (2, 1));
        assert_eq!(decoded.error.map(|refused| refused.reason), Some(reason));
    }
    let mut label = Vec::new();
    put_bytes(&mut label, 1, b"\xff");
    let mut bad = Vec::new();
    put_bytes(&mut bad, 1, &label);
    let mut whole = series(&MEMORY, &[&good]);
    put_bytes(&mut whole, 1, &bad);
    assert_eq!(push(&whole).unwrap().profiles.len(), 1);
}

#[test]
fn bombs_are_stopped() {
    let bomb = zstd::encode_all(&vec![0; 1 << 20][..], 1).unwrap();
    let good = pprof_bytes(&[("cpu", 1)], NOW_S * S, S);
    let limits = Limits { inflated_bytes_max: 1 << 18, ..Limits::default() };
    let body = series(&MEMORY, &[&good, &bomb, &bomb, &bomb, &good]);
    let decoded = Decoder::default().push(&body, &limits).unwrap();
    assert_eq!((decoded.profiles.len(), decoded.rejected), (1, 4), "after two, none is looked at");
    assert_eq!(decoded.error.unwrap().reason, Reason::SizeLimit);
    let reason = |body: &[u8], limits: &Limits| {
        Decoder::default().push(body, limits).map(|_| ()).unwrap_err().reason
    };
    assert_eq!(reason(&bomb, &limits), Reason::SizeLimit);
    let few = Limits { profiles_max: 2, ..limits };
    assert_eq!(reason(&series(&MEMORY, &[&good[..]; 3]), &few), Reason::CountLimit);
    let [one, two] = [1, 2].map(|n| series(&MEMORY, &vec![&good[..]; n]));
    assert_eq!(reason(&[one, two].concat(), &few), Reason::CountLimit);
    assert_eq!(reason(b"", &limits), Reason::EmptyProfile);
    assert_eq!(reason(b"\x0a\x00", &limits), Reason::EmptyProfile);
    assert_eq!(reason(b"\x0a\x05a", &limits), Reason::Truncated);
    let mut lying = vec![0x0a];
    put_varint(&mut lying, u64::MAX);
    assert_eq!(reason(&lying, &limits), Reason::Truncated);
    let json = |text: &str| Decoder::default().push_json(text.as_bytes(), &limits).map(|_| ());
    assert_eq!(json("{\"series\": [{}").unwrap_err().reason, Reason::Malformed);
    assert_eq!(json("{}").unwrap_err().reason, Reason::EmptyProfile);
    let deep = "[".repeat(100_000);
    assert_eq!(json(&format!("{{\"x\":{deep}")).unwrap_err().reason, Reason::Malformed);
    // All profiles of a request together are within the limit of one.
    let large = pprof_bytes(&[("cpu", 1)], NOW_S * S, S);
    let bytes = pprof::decode(&large, &limits).unwrap().bytes();
    let tight = Limits { decoded_bytes_max: bytes * 3 + bytes / 2, ..limits };
    let decoded = Decoder::default().push(&series(&MEMORY, &[&large[..]; 9]), &tight).unwrap();
    let taken: usize = decoded.profiles.iter().map(Profile::bytes).sum();
    assert!((1..=tight.decoded_bytes_max + bytes).contains(&taken) && decoded.rejected > 0);
    assert_eq!(decoded.profiles.len() + decoded.rejected, 9);
}

/// Writers begin with another field each: Go's CPU profiles end with their sample types.
#[test]
fn a_body_of_no_named_format_is_known_by_what_is_in_it() {
    let go = [0x48, 0x80, 0xd2, 0xfe, 0x9c, 0xb6, 0xd0, 0xfa, 0xd2, 0x18, 0x0a, 4, 8, 1, 16, 2];
    let refused = ingest("name=shop", "", &go).unwrap_err();
    assert!(!refused.detail.contains("text"), "{refused}");
    let java = ingest("name=shop", "", b"FLR\0\0\x02").unwrap_err();
    assert!(java.detail.contains("a Java flight recording"), "{java}");
    let folded = ingest("name=shop", "", b"main.main;main.work 3\n").unwrap();
    assert_eq!(folded[0].len(), 1);
}
