//! Every compression that the Collector's exporters know, read by a real Collector.

use std::{fs, time::Duration};

use exporter::otlp::{Compression, Config, Otlp};
use pipeline::{
    codec::{otlp::Decoder, pprof},
    component::{Export, Exporter, Stored},
    limits::Limits,
};

use crate::support::{
    collector::{self, Collector},
    free_ports, profiles,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_reads_every_compression() {
    let Some(files) = profiles::heap() else { return };
    if !collector::is_there().await {
        return;
    }
    let profile = pprof::decode(&fs::read(&files[0]).unwrap(), &Limits::default()).unwrap();
    let samples = profile.len();
    let stored = Stored { accepted_ms: 0, profile: profile.into() };
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("out.pb");
    let settings = format!("{{path: '{}', format: proto}}", file.display());
    let ports = free_ports();
    let of_collector = collector::config(ports, &[("file", settings)]);
    let collector = Collector::start(dir.path(), &of_collector).await;
    let all = [
        (true, Compression::Gzip),
        (true, Compression::Zstd),
        (true, Compression::Snappy),
        (false, Compression::Gzip),
        (false, Compression::Zstd),
        (false, Compression::Snappy),
        (false, Compression::SnappyFramed),
        (false, Compression::Zlib),
        (false, Compression::Deflate),
        (false, Compression::Lz4),
    ];
    for (is_grpc, compression) in all {
        let endpoint = format!("http://127.0.0.1:{}", ports[usize::from(!is_grpc)]);
        let config =
            Config { endpoint, compression, timeout: Some(Duration::ZERO), ..Config::default() };
        assert_eq!(config.check(is_grpc), []);
        let export = Export { first: 1, last: 1, profiles: vec![stored.clone()] };
        let sent = Otlp::new(&config, is_grpc).unwrap().export(&export).await;
        sent.unwrap_or_else(|error| panic!("{compression:?}, gRPC {is_grpc}: {error}"));
    }
    collector.stop().await;
    let bytes = fs::read(&file).unwrap();
    let messages = super::files::framed(&bytes);
    assert_eq!(messages.len(), all.len());
    for message in messages {
        let decoded = Decoder::default().decode(message, &Limits::default()).unwrap();
        assert_eq!(decoded.profiles.iter().map(|p| p.len()).max(), Some(samples));
    }
}
