//! What a Collector writes to files, read by us: messages in protobuf behind their lengths, and in
//! JSON, a line each, with references in place of keys and texts.

use std::{fs, path::Path};

use pipeline::{
    codec::{otlp::Decoder, pprof},
    limits::Limits,
    profile::Profile,
};

use crate::support::{
    cli::{Rows, Top, profpipe},
    oracle::Oracle,
};

/// Messages behind their lengths, four bytes each with the highest one first.
pub fn framed(mut bytes: &[u8]) -> Vec<&[u8]> {
    let mut messages = Vec::new();
    while let Some((length, rest)) = bytes.split_first_chunk() {
        let (message, rest) = rest.split_at(u32::from_be_bytes(*length) as usize);
        messages.push(message);
        bytes = rest;
    }
    assert!(bytes.is_empty());
    messages
}

fn decoded(messages: &[&[u8]], is_json: bool) -> Vec<Profile> {
    let (mut decoder, limits) = (Decoder::default(), Limits::default());
    let mut profiles = Vec::new();
    for message in messages {
        let read = match is_json {
            true => decoder.decode_json(message, &limits),
            false => decoder.decode(message, &limits),
        };
        let read = read.unwrap();
        assert_eq!((read.rejected, read.error), (0, None));
        profiles.extend(read.profiles);
    }
    profiles
}

/// Asserts that the files of `dir` say the same, and of CPU and of allocations what was sent.
pub fn agree(dir: &Path, cpu: &Top, allocated: &Top) {
    let json = fs::read(dir.join("out.json")).unwrap();
    let text = String::from_utf8_lossy(&json);
    for reference in ["\"keyStrindex\"", "\"stringValueStrindex\""] {
        assert!(text.contains(reference), "no {reference}");
    }
    let lines: Vec<&[u8]> = json.split(|b| *b == b'\n').filter(|l| !l.is_empty()).collect();
    let of_json = decoded(&lines, true);
    let proto = fs::read(dir.join("out.pb")).unwrap();
    let of_proto = decoded(&framed(&proto), false);
    assert_eq!(of_json, of_proto);
    for profile in &of_proto {
        let resource = |key: &str| profile.meta.resource.get(key).map(ToString::to_string);
        assert_eq!(resource("service.name").as_deref(), Some("hold"));
        assert_eq!(resource("team").as_deref(), Some("red"));
    }
    let [json, proto] = ["out.json", "out.pb"].map(|name| dir.join(name));
    let checked = profpipe(["check-otlp".as_ref(), json.as_os_str(), proto.as_os_str()]).ok();
    assert_eq!(checked.matches(" breaches 0\n").count(), 2, "{checked}");
    let Some(oracle) = Oracle::new() else { return };
    for (name, kind, sent) in [("cpu", "cpu", cpu), ("heap", "alloc_space", allocated)] {
        let mut files = Vec::new();
        // A heap is two profiles: what was allocated in between, and what is in use.
        let has = |profile: &&Profile| {
            let types = &profile.meta.sample_types;
            profile.meta.name == name && types.iter().any(|t| profile.text(t.kind) == kind)
        };
        for profile in of_proto.iter().filter(has) {
            let file = dir.join(format!("{name}-{}.pb.gz", files.len()));
            fs::write(&file, pprof::encode(profile)).unwrap();
            files.push(file);
        }
        let mut found: Rows = oracle.merged(&files).types.remove(kind).unwrap().functions;
        found.retain(|_, values| *values != (0, 0));
        // As the lake writes names.
        let found: Rows = found.into_iter().map(|(k, v)| (k.replace(';', ":"), v)).collect();
        assert_eq!(found, sent.rows, "{name}");
    }
}
