//! OTLP from our exporters to our receiver, over real sockets, and what a stranger is answered.

mod answers;
mod auth;
mod connections;
mod debug;
mod proxy;
mod refusals;
mod replay;
mod sidecar;
mod sockets;
mod tls;
mod valid;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use exporter::otlp as to;
use pipeline::{
    codec::{otlp, pprof},
    component::{Batch, Export, ExportError, Exporter, Outlet, Receiver, Stored},
    limits::Limits,
    profile::Profile,
    receipt::Outcome,
};
use receiver::otlp as from;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::support::profiles;

/// A receiver that runs, and what comes out of it.
struct Peer {
    addresses: Vec<SocketAddr>,
    batches: mpsc::Receiver<Batch>,
    stop: CancellationToken,
    running: tokio::task::JoinHandle<anyhow::Result<()>>,
}

impl Peer {
    /// A receiver of both protocols on ports of their own.
    fn start(change: impl FnOnce(&mut from::Grpc, &mut from::Http)) -> Self {
        let any = "127.0.0.1:0";
        let mut grpc = from::Grpc { endpoint: any.into(), ..from::Grpc::default() };
        let mut http = from::Http { endpoint: any.into(), ..from::Http::default() };
        change(&mut grpc, &mut http);
        let protocols = from::Protocols { grpc: Some(grpc), http: Some(http) };
        let connections_max = 4;
        let config = from::Config { protocols, connections_max, ..from::Config::default() };
        assert_eq!(config.check(), []);
        let otlp = from::Otlp::new("otlp", &config, &receiver::Context::default()).unwrap();
        let addresses = otlp.addresses();
        let (outlet, batches) = Outlet::new(8);
        outlet.take_requests(true);
        let stop = CancellationToken::new();
        let running = tokio::spawn(Box::new(otlp).run(outlet, stop.clone()));
        Self { addresses, batches, stop, running }
    }

    fn http(&self) -> String {
        format!("http://{}", self.addresses[1])
    }

    /// The config of an exporter that sends here.
    fn exporter(&self, is_grpc: bool) -> to::Config {
        let endpoint = match is_grpc {
            true => format!("http://{}", self.addresses[0]),
            false => self.http(),
        };
        to::Config { endpoint, timeout: Some(Duration::from_secs(20)), ..to::Config::default() }
    }

    /// The profiles of the next request, which is answered so.
    async fn next(&mut self, outcome: Outcome) -> Vec<Profile> {
        let next = tokio::time::timeout(Duration::from_secs(20), self.batches.recv()).await;
        let Batch { content, receipt, .. } = next.expect("soon").expect("the receiver runs");
        receipt.settle(outcome);
        content.profiles().unwrap()
    }

    async fn end(self) {
        self.stop.cancel();
        let ended = tokio::time::timeout(Duration::from_secs(2), self.running).await;
        ended.expect("within its grace").unwrap().unwrap();
    }
}

/// Real and random profiles as one push.
fn export(count: usize) -> Option<Export> {
    let files = profiles::random()?.iter().take(count);
    let mut all: Vec<Profile> = files
        .filter_map(|file| pprof::decode(&std::fs::read(file).unwrap(), &Limits::default()).ok())
        .filter(|profile| !profile.is_empty())
        .collect();
    for (n, profile) in all.iter_mut().enumerate() {
        profile.meta.resource = [("service.name", format!("s{n}"))].into_iter().collect();
        profile.meta.time_ns = profile.meta.time_ns.max(1);
        profile.meta.duration_ns = profile.meta.duration_ns.max(0);
    }
    let stored = |profile| Stored { accepted_ms: 0, profile: Arc::new(profile) };
    let profiles: Vec<_> = all.into_iter().map(stored).collect();
    Some(Export { first: 1, last: profiles.len() as u64, profiles })
}

/// The profiles of a push as a receiver makes them of one request.
fn expected(export: &Export) -> Vec<Profile> {
    let sent = otlp::encode(export.profiles.iter().map(|stored| &*stored.profile));
    let decoded = otlp::Decoder::default().decode(&sent, &Limits::default()).unwrap();
    assert_eq!(decoded.error, None);
    decoded.profiles
}

/// Profiles without the address of the sender.
fn without_peer(mut profiles: Vec<Profile>) -> Vec<Profile> {
    for profile in &mut profiles {
        assert!(profile.meta.origin.peer.starts_with("127.0.0.1:"));
        profile.meta.origin = pipeline::profile::Origin::default();
    }
    profiles
}

#[tokio::test]
async fn every_form_carries_all_of_a_profile() {
    let Some(export) = export(40) else { return };
    let want = expected(&export);
    let mut peer = Peer::start(|_, _| {});
    for (is_grpc, compression, encoding) in [
        (true, to::Compression::Gzip, to::Encoding::Proto),
        (true, to::Compression::Zstd, to::Encoding::Proto),
        (true, to::Compression::None, to::Encoding::Proto),
        (false, to::Compression::Gzip, to::Encoding::Proto),
        (false, to::Compression::Zstd, to::Encoding::Json),
        (false, to::Compression::None, to::Encoding::Json),
    ] {
        let config = to::Config { compression, encoding, ..peer.exporter(is_grpc) };
        assert_eq!(config.check(is_grpc), []);
        let mut exporter = to::Otlp::new(&config, is_grpc).unwrap();
        let sending = tokio::spawn({
            let export = Export { first: 1, last: 9, profiles: export.profiles.clone() };
            async move { exporter.export(&export).await }
        });
        let got = peer.next(Outcome::Delivered).await;
        sending.await.unwrap().unwrap();
        assert_eq!(without_peer(got), want, "gRPC {is_grpc}, {compression:?}, {encoding:?}");
    }
    peer.end().await;
}

#[tokio::test]
async fn success_is_said_only_when_profiles_are_durable() {
    let Some(export) = export(2) else { return };
    let mut peer = Peer::start(|_, _| {});
    for is_grpc in [true, false] {
        let mut exporter = to::Otlp::new(&peer.exporter(is_grpc), is_grpc).unwrap();
        let sending = exporter.export(&export);
        let (result, _) = tokio::join!(sending, peer.next(Outcome::Lost));
        let Err(ExportError::Retryable { source, after }) = result else {
            panic!("no room is no success: {result:?}");
        };
        assert!(source.to_string().contains("the spool cannot take it now"), "{source:#}");
        assert_eq!(after, Some(Duration::from_secs(1)), "the receiver says when");
        let (result, _) = tokio::join!(exporter.export(&export), peer.next(Outcome::Rejected));
        assert!(matches!(result, Err(ExportError::Permanent(_))), "{result:?}");
        let (result, again) = tokio::join!(exporter.export(&export), peer.next(Outcome::Delivered));
        assert!(result.is_ok() && !again.is_empty());
    }
    peer.end().await;
}

#[tokio::test]
async fn requests_become_as_small_as_the_receiver_wants_them() {
    let Some(export) = export(200) else { return };
    let total = |profiles: &[Profile]| -> i128 {
        profiles.iter().flat_map(|p| &p.samples().values).map(|value| i128::from(*value)).sum()
    };
    let want = total(&expected(&export));
    for is_grpc in [true, false] {
        let mut peer = Peer::start(|grpc, http| {
            grpc.max_recv_msg_size_mib = Some(1);
            http.max_request_body_size = Some(64 << 10);
        });
        let config = to::Config { request_bytes_max: 64 << 20, ..peer.exporter(is_grpc) };
        let config = to::Config { compression: to::Compression::None, ..config };
        let mut exporter = to::Otlp::new(&config, is_grpc).unwrap();
        let mut sending = Box::pin(exporter.export(&export));
        let mut got = 0;
        loop {
            tokio::select! {
                result = &mut sending => break drop(result.unwrap()),
                profiles = peer.next(Outcome::Delivered) => got += total(&profiles),
            }
        }
        assert_eq!(got, want, "each sample once, gRPC {is_grpc}");
        drop(sending);
        peer.end().await;
    }
}
