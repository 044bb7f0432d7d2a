//! The limits of a real Collector: 4 MiB over gRPC, 20 MiB over HTTP, which it answers with 400.
//! Who sends too much learns it, and everything arrives once.

use std::{fs, path::Path, sync::Arc, time::Duration};

use exporter::otlp::{Compression, Config, Otlp};
use pipeline::{
    codec::otlp::Decoder,
    component::{Export, Exporter, Stored},
    limits::Limits,
    profile::{
        Builder, Function, Line, Location, Meta, NO_MAPPING, Profile, SampleType, Temporality,
    },
};

use crate::support::{
    collector::{self, Collector},
    free_ports,
};

const PROFILES: usize = 4;
const SAMPLES: u32 = 40_000;

/// A profile of samples that have nothing in common, about eight MiB.
fn large(seed: u32) -> Profile {
    let mut builder = Builder::new(&Limits::default());
    for n in 0..SAMPLES {
        let name = builder.string(&format!("{:0100}", seed * SAMPLES + n)).unwrap();
        let function = builder.function(Function { name, ..Function::default() }).unwrap();
        builder.line(Line { function, line: n.into(), column: 0 }).unwrap();
        let location = Location { mapping: NO_MAPPING, address: n.into(), folded: false };
        let frame = builder.location(location).unwrap();
        builder.value(i64::from(n) + 1);
        builder.sample(&[frame]).unwrap();
    }
    let kind = builder.string("events").unwrap();
    let sample_type = SampleType { kind, unit: kind, temporality: Temporality::Delta };
    let resource = [("service.name", "large")].into_iter().collect();
    let (time_ns, sample_types) = (1, vec![sample_type]);
    let name = "large".to_owned();
    builder.finish(Meta { name, time_ns, sample_types, resource, ..Meta::default() }).unwrap()
}

/// Requests, samples, and the sum of their values, in the file of a Collector.
fn arrived(file: &Path) -> (usize, usize, i64) {
    let bytes = fs::read(file).unwrap();
    let (mut decoder, mut samples, mut sum) = (Decoder::default(), 0, 0);
    let messages = super::files::framed(&bytes);
    for message in &messages {
        for profile in decoder.decode(message, &Limits::default()).unwrap().profiles {
            samples += profile.len();
            sum += profile.samples().values.iter().sum::<i64>();
        }
    }
    (messages.len(), samples, sum)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_too_large_for_a_collector_is_sent_in_parts() {
    if !collector::is_there().await {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("out.pb");
    let settings = format!("{{path: '{}', format: proto}}", file.display());
    let ports = free_ports();
    let of_collector = collector::config(ports, &[("file", settings)]);
    let stored = |seed| Stored { accepted_ms: 0, profile: Arc::new(large(seed)) };
    let profiles: Vec<_> = (0..PROFILES as u32).map(stored).collect();
    let samples = PROFILES * SAMPLES as usize;
    let sum = PROFILES as i64 * i64::from(SAMPLES) * (i64::from(SAMPLES) + 1) / 2;
    for (is_grpc, compression, requests_min) in
        [(true, Compression::Gzip, 5), (false, Compression::None, 2), (false, Compression::Gzip, 2)]
    {
        fs::remove_file(&file).ok();
        let collector = Collector::start(dir.path(), &of_collector).await;
        let endpoint = format!("http://127.0.0.1:{}", ports[usize::from(!is_grpc)]);
        let config = Config { endpoint, compression, ..Config::default() };
        let config = Config {
            request_bytes_max: 64 << 20,
            timeout: Some(Duration::from_secs(20)),
            ..config
        };
        let mut exporter = Otlp::new(&config, is_grpc).unwrap();
        let export = Export { first: 1, last: 9, profiles: profiles.clone() };
        exporter.export(&export).await.unwrap();
        collector.stop().await;
        let (requests, got, total) = arrived(&file);
        assert_eq!((got, total), (samples, sum), "gRPC {is_grpc}, {compression:?}");
        assert!(requests >= requests_min, "{requests} requests, gRPC {is_grpc}");
    }
}
