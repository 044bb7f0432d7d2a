//! Inputs to start from: small ones that are whole, one of every form that a target reads.

use std::{env, fs, path::Path};

use pipeline::{
    codec::{otlp, pprof, record},
    limits::Limits,
    profile::{
        Attributes, Builder, Function, Label, LabelValue, Line, Location, Mapping, Meta, Origin,
        Profile, SampleType, Temporality,
    },
};

/// Names the directory that a target writes its seeds to; it writes none where this is not set.
const DIR_VARIABLE: &str = "FUZZ_SEEDS";

/// Writes the seeds of a target, each to a file of its own.
pub fn write(seeds: &[Vec<u8>]) {
    let Some(dir) = env::var_os(DIR_VARIABLE) else { return };
    for (index, seed) in seeds.iter().enumerate() {
        fs::write(Path::new(&dir).join(format!("seed-{index}")), seed)
            .expect("the script that names the directory has made it");
    }
}

/// Profiles as pprof: plain, gzip, two gzip members, zstd.
pub fn pprof() -> Vec<Vec<u8>> {
    let profiles = profiles();
    let plain = profiles.iter().map(pprof::encode_raw);
    let gzip = profiles.iter().map(pprof::encode);
    let members = [pprof::encode(&profiles[0]), pprof::encode(&profiles[0])].concat();
    let mut seeds: Vec<_> = plain.chain(gzip).chain([members]).collect();
    seeds.push(zstd::bulk::compress(&seeds[1], 1).expect("memory takes it"));
    seeds.push(b"goroutine profile: total 5\n1 @ 0x1\n".to_vec());
    seeds
}

/// Profiles as requests, together and apart, in protobuf and JSON.
pub fn otlp() -> Vec<Vec<u8>> {
    let profiles = profiles();
    let apart = profiles.iter().map(|profile| otlp::encode([profile]));
    let requests: Vec<_> = apart.chain([otlp::encode(&profiles)]).collect();
    let json = requests.iter().map(|request| otlp::json::request(request));
    json.chain(requests.clone()).collect()
}

/// Profiles as agents of Pyroscope push them: in protobuf, in JSON, in forms, as folded text.
pub fn pushes() -> Vec<Vec<u8>> {
    let field = |number: u8, bytes: &[u8]| {
        let length = [bytes.len() as u8 | 0x80, (bytes.len() >> 7) as u8];
        [&[number << 3 | 2], &length[..], bytes].concat()
    };
    let bytes: Vec<_> = profiles().iter().map(pprof::encode_raw).collect();
    let label = field(1, &[field(1, b"__name__"), field(2, b"memory")].concat());
    let samples = bytes.iter().map(|bytes| field(2, &field(1, bytes)));
    let series: Vec<u8> = [label].into_iter().chain(samples).flatten().collect();
    let form = |before: &[u8], bytes: &[u8]| {
        let head = |name| format!("--B\r\nContent-Disposition: form-data; name={name}\r\n\r\n");
        let config = br#"{"alloc_space":{"cumulative":true},"cpu":{"aggregation":"average"}}"#;
        let query = b"?name=a{b=c}&from=1800000000&until=1800000010\n";
        let mut all = [&query[..], b"multipart/form-data; boundary=B\n"].concat();
        for (name, part) in
            [("prev_profile", before), ("profile", bytes), ("sample_type_config", config)]
        {
            all.extend([head(name).as_bytes(), part, b"\r\n"].concat());
        }
        [&all[..], b"--B--"].concat()
    };
    let json =
        br#"{"series":[{"labels":[{"name":"a","value":"b"}],"samples":[{"rawProfile":"CgA="}]}]}"#;
    let folded = b"?name=a.cpu&sampleRate=50&format=folded\n\nmain;a 1\nmain;b;c 2\n".to_vec();
    let lines = b"?name=a&units=x&aggregationType=average&format=lines\n\na;b\n".to_vec();
    let forms = [form(&bytes[2], &bytes[2]), form(&bytes[1], &bytes[1])];
    [field(1, &series), json.to_vec(), folded, lines].into_iter().chain(forms).collect()
}

/// Profiles as records, also without compression, where a changed byte is a changed number.
pub fn records() -> Vec<Vec<u8>> {
    let packed: Vec<_> = profiles().iter().map(record::encode).collect();
    let plain = packed.iter().map(|record| {
        let bytes = zstd::bulk::decompress(&record[1..], 1 << 20).expect("a record of ours");
        [&record[..1], &bytes].concat()
    });
    plain.chain(packed.iter().cloned()).collect()
}

/// A profile of each shape: none, one, and four sample types that use every table.
pub fn profiles() -> [Profile; 3] {
    [profile(&["cpu"], 0), profile(&["samples", "cpu"], 3), profile(&HEAP, 9)]
}

const HEAP: [&str; 4] = ["alloc_objects", "alloc_space", "inuse_objects", "inuse_space"];

fn profile(types: &[&str], samples: i64) -> Profile {
    let mut builder = Builder::new(&Limits::default());
    let mut text = |text: &str| builder.string(text).expect("within limits");
    let sample_types = types.iter().map(|kind| {
        let (kind, unit) = (text(kind), text("count"));
        SampleType { kind, unit, temporality: Temporality::Delta }
    });
    let sample_types: Vec<_> = sample_types.collect();
    let [file, name, key] = ["/bin/shop", "main.work", "tier"].map(&mut text);
    let mapping = Mapping { start: 4096, limit: 8192, file, has: [true; 4], ..Mapping::default() };
    let mapping = builder.mapping(mapping).expect("its strings are there");
    let function = Function { name, system_name: name, file, start_line: 3 };
    let function = builder.function(function).expect("its strings are there");
    let mut frames = Vec::new();
    for line in 0..samples {
        builder.line(Line { function, line, column: 1 }).expect("its function is there");
        let location = Location { mapping, address: 4096 + line as u64, folded: line == 2 };
        frames.push(builder.location(location).expect("its mapping is there"));
        for column in 0..types.len() as i64 {
            builder.value(line * 300 - column);
        }
        let labels = [LabelValue::Text(name), LabelValue::Number(line, key)];
        for value in labels.into_iter().take(line as usize % 3) {
            builder.label(Label { key, value }).expect("its strings are there");
        }
        builder.sample(&frames).expect("its frames are there");
    }
    let meta = Meta {
        name: "heap".into(),
        time_ns: 1_700_000_000_000_000_000,
        duration_ns: 10_000_000_000,
        period: 524_288,
        period_type: (name, key),
        default_type: sample_types[0].kind,
        comments: vec![file],
        doc_url: file,
        resource: [("service.name", "shop")].into_iter().collect::<Attributes>(),
        origin: Origin { receiver: "pprof".into(), peer: "http://a:1".into() },
        sample_types,
        ..Meta::default()
    };
    builder.finish(meta).expect("whole")
}
