//! TLS, and certificates of clients.

use std::{path::PathBuf, time::Duration};

use exporter::otlp::{Config, Otlp, Tls};
use pipeline::{component::Exporter, receipt::Outcome, secret::Secret};

use super::{Peer, export};
use crate::support::authority::Authority;

#[tokio::test]
async fn both_sides_show_who_they_are() {
    let Some(export) = export(1) else { return };
    let authority = Authority::new();
    let stranger = Authority::new();
    let (cert_file, key_file) = authority.sign("server");
    let tls = receiver::server::Tls {
        cert_file,
        key_file,
        client_ca_file: Some(authority.ca()),
        min_version: Some("1.3".into()),
        ..Default::default()
    };
    let mut peer = Peer::start(|grpc, http| {
        (grpc.tls, http.tls) = (Some(tls.clone()), Some(tls));
    });
    let known = authority.sign("client");
    let other = stranger.sign("client");
    for is_grpc in [true, false] {
        let port = peer.addresses[usize::from(!is_grpc)].port();
        let client = |ca: PathBuf, shown: Option<&(PathBuf, PathBuf)>| {
            let shown = shown.cloned().unzip();
            let tls =
                Tls { ca_file: Some(ca), cert_file: shown.0, key_file: shown.1, ..Tls::default() };
            let endpoint = format!("https://localhost:{port}");
            let config = Config { endpoint, tls, ..peer.exporter(is_grpc) };
            Otlp::new(&config, is_grpc).unwrap()
        };
        for (what, mut refused) in [
            ("no certificate", client(authority.ca(), None)),
            ("one of a stranger", client(authority.ca(), Some(&other))),
            ("a server that is not trusted", client(stranger.ca(), Some(&known))),
        ] {
            assert!(refused.export(&export).await.is_err(), "{what}, gRPC {is_grpc}");
        }
        let mut good = client(authority.ca(), Some(&known));
        let (result, got) = tokio::join!(good.export(&export), peer.next(Outcome::Delivered));
        result.unwrap();
        assert_eq!(got.len(), 1);
    }
    peer.end().await;
}

#[tokio::test]
async fn a_certificate_may_have_another_name_than_the_host() {
    let Some(export) = export(1) else { return };
    let authority = Authority::new();
    let (cert_file, key_file) = authority.sign("server");
    let server = receiver::server::Tls { cert_file, key_file, ..Default::default() };
    let mut peer = Peer::start(|grpc, http| {
        (grpc.tls, http.tls) = (Some(server.clone()), Some(server));
    });
    let ca_pem = Some(std::fs::read_to_string(authority.ca()).unwrap());
    for is_grpc in [true, false] {
        let endpoint = format!("https://{}", peer.addresses[usize::from(!is_grpc)]);
        let client = |name: Option<&str>| {
            let server_name_override = name.map(str::to_owned);
            let tls = Tls { ca_pem: ca_pem.clone(), server_name_override, ..Tls::default() };
            let config = Config { endpoint: endpoint.clone(), tls, ..peer.exporter(is_grpc) };
            assert_eq!(config.check(is_grpc), []);
            Otlp::new(&config, is_grpc).unwrap()
        };
        // The certificate is for localhost, not for the address.
        assert!(client(None).export(&export).await.is_err(), "gRPC {is_grpc}");
        assert!(client(Some("other.local")).export(&export).await.is_err(), "gRPC {is_grpc}");
        let mut good = client(Some("localhost"));
        let (result, got) = tokio::join!(good.export(&export), peer.next(Outcome::Delivered));
        result.unwrap();
        assert_eq!(got.len(), 1);
    }
    // `authority` is the name for TLS, too.
    let tls = Tls { ca_pem, ..Tls::default() };
    let endpoint = format!("https://{}", peer.addresses[0]);
    let config = Config { endpoint, tls, authority: "localhost".into(), ..peer.exporter(true) };
    let mut good = Otlp::new(&config, true).unwrap();
    let (result, _) = tokio::join!(good.export(&export), peer.next(Outcome::Delivered));
    result.unwrap();
    peer.end().await;
}

#[tokio::test]
async fn a_new_certificate_is_taken_over_and_a_broken_one_is_not() {
    let Some(export) = export(1) else { return };
    let [old, new] = [Authority::new(), Authority::new()];
    let (cert_file, key_file) = old.sign("server");
    let server = receiver::server::Tls {
        cert_file: cert_file.clone(),
        key_pem: Some(Secret::new(std::fs::read_to_string(&key_file).unwrap())),
        ..Default::default()
    };
    let server = receiver::server::Tls { reload_interval: Duration::from_millis(20), ..server };
    let (other_cert, other_key) = new.sign("server");
    let changed = receiver::server::Tls { key_pem: None, key_file, ..server.clone() };
    let mut peer = Peer::start(|grpc, http| {
        (grpc.tls, http.tls) = (Some(changed.clone()), Some(server));
    });
    let clients = |authority: &Authority| {
        let tls = Tls { ca_file: Some(authority.ca()), ..Tls::default() };
        [true, false].map(|is_grpc| {
            let port = peer.addresses[usize::from(!is_grpc)].port();
            let endpoint = format!("https://localhost:{port}");
            let config = Config { endpoint, tls: tls.clone(), ..peer.exporter(is_grpc) };
            Otlp::new(&config, is_grpc).unwrap()
        })
    };
    let (of_old, again, of_new) = (clients(&old), clients(&old), clients(&new));
    for mut good in of_old {
        let (sent, _) = tokio::join!(good.export(&export), peer.next(Outcome::Delivered));
        sent.unwrap();
    }
    // Both have the certificate of a key that they do not have.
    std::fs::copy(&other_cert, &cert_file).unwrap();
    tokio::time::sleep(Duration::from_millis(30)).await;
    for mut good in again {
        let (sent, _) = tokio::join!(good.export(&export), peer.next(Outcome::Delivered));
        sent.unwrap();
    }
    std::fs::copy(&other_key, &changed.key_file).unwrap();
    tokio::time::sleep(Duration::from_millis(30)).await;
    let [mut good, mut bad] = of_new;
    let (sent, _) = tokio::join!(good.export(&export), peer.next(Outcome::Delivered));
    sent.unwrap();
    assert!(bad.export(&export).await.is_err(), "its key stands in the config");
    peer.end().await;
}
