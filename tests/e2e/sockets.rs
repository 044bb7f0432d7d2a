//! Sockets in the file system instead of ports, to a real Collector and back from it.

use std::fs;

use exporter::otlp::{Config, Otlp};
use pipeline::{
    codec::pprof,
    component::{Export, Exporter, Stored},
    limits::Limits,
};

use super::chain::SOON;
use crate::support::{
    collector::{self, Collector},
    process::{Running, eventually},
    profiles,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_is_reached_by_sockets_and_reaches_us() {
    let Some(files) = profiles::heap() else { return };
    if !collector::is_there().await {
        return;
    }
    let dirs = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let [passes, gets] = dirs.each_ref().map(|dir| dir.path());
    let socket = |name: &str| passes.join(name).display().to_string();
    let (to, from) = (socket("to.sock"), socket("from.sock"));
    let grpc = |path: &str| format!("grpc: {{endpoint: '{path}', transport: unix}}");
    let receiver = format!(
        "receivers: {{otlp: {{protocols: {{{}}}}}}}
exporters: {{parquet: {{first_flush: 1s}}, ui: {{}}}}
service: {{pipelines: {{profiles: {{receivers: [otlp], exporters: [parquet, ui]}}}}}}
",
        grpc(&from)
    );
    let mut last = Running::start(gets, &receiver).await;
    let forward = collector::forward(&format!("unix://{from}"));
    let config = collector::config([0, 0], &[("otlp_grpc", forward)]);
    let config = config.replace("grpc: {endpoint: '127.0.0.1:0'}", &grpc(&to));
    let collector = Collector::start(passes, &config).await;

    let mut config = Config { endpoint: format!("unix://{to}"), ..Config::default() };
    config.tls.insecure = true;
    let profile = pprof::decode(&fs::read(&files[0]).unwrap(), &Limits::default()).unwrap();
    let stored = Stored { accepted_ms: 0, profile: profile.into() };
    let export = Export { first: 1, last: 1, profiles: vec![stored] };
    Otlp::new(&config, true).unwrap().export(&export).await.unwrap();

    let delivered = eventually(SOON, "delivered profiles", async || {
        let account = last.account().await;
        account.check();
        (account.delivered() > 0 && account.pending() == 0).then_some(account.delivered())
    });
    assert_eq!(delivered.await, 1);
    collector.stop().await;
    let (status, _) = last.stop().await;
    assert!(status.success(), "{}", last.log());
}
