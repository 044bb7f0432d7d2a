//! Proxies of the environment, as a real process meets them: a small one that tunnels (`CONNECT`)
//! and forwards.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use pipeline::receipt::Outcome;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream},
};

use super::Peer;
use crate::support::{
    authority::Authority,
    numbers::Numbers,
    process::{Running, eventually},
};

/// First lines of the requests that a proxy was asked.
type Asked = Arc<Mutex<Vec<String>>>;

/// Starts a proxy and gives its address.
async fn proxy(asked: &Asked) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let asked = Arc::clone(asked);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(pass(stream, Arc::clone(&asked)));
        }
    });
    address
}

/// Passes the requests of one connection on. Forwarded ones go one to a connection.
async fn pass(mut client: TcpStream, asked: Asked) -> Option<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await.ok()?);
    }
    let text = String::from_utf8(head).ok()?;
    let line = text.lines().next()?.to_owned();
    let mut words = line.split(' ');
    let (method, target) = (words.next()?, words.next()?);
    asked.lock().unwrap().push(line.clone());
    if method == "CONNECT" {
        let mut server = TcpStream::connect(target).await.ok()?;
        client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.ok()?;
        let _ = copy_bidirectional(&mut client, &mut server).await;
        return Some(());
    }
    let (place, path) = target.strip_prefix("http://")?.split_once('/')?;
    let mut server = TcpStream::connect(place).await.ok()?;
    let head = text.replacen(target, &format!("/{path}"), 1);
    let head = head.replacen("\r\n", "\r\nConnection: close\r\n", 1);
    server.write_all(head.as_bytes()).await.ok()?;
    let _ = copy_bidirectional(&mut client, &mut server).await;
    Some(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exporters_ask_the_proxies_of_the_environment() {
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    let (cert_file, key_file) = authority.sign("server");
    let tls = receiver::server::Tls { cert_file, key_file, ..Default::default() };
    let mut secure =
        Peer::start(|grpc, http| (grpc.tls, http.tls) = (Some(tls.clone()), Some(tls)));
    let mut plain = Peer::start(|_, _| {});
    let [grpc, https, http] =
        [secure.addresses[0], secure.addresses[1], plain.addresses[1]].map(|at| at.port());
    let asked = Asked::default();
    let proxy = proxy(&asked).await;
    let numbers = Numbers::start(1).await;
    // 127.0.0.1 is a name of its own here: it is the one without a proxy.
    let exporters = format!(
        "exporters:
  otlp_grpc: {{endpoint: 'localhost:{grpc}', tls: {{ca_file: {ca}}}}}
  otlp_http/secure: {{endpoint: 'https://localhost:{https}', tls: {{ca_file: {ca}}}}}
  otlp_http/plain: {{endpoint: 'http://localhost:{http}'}}
  otlp_http/direct: {{endpoint: 'http://127.0.0.1:{http}'}}
",
        ca = authority.ca().display(),
    );
    let config = numbers.config().replace("exporters:\n", &exporters).replace(
        "exporters: [",
        "exporters: [otlp_grpc, otlp_http/secure, otlp_http/plain, otlp_http/direct, ",
    );
    let variables = [
        ("HTTPS_PROXY", &*proxy),
        ("HTTP_PROXY", &proxy),
        ("http_proxy", &proxy),
        ("NO_PROXY", "127.0.0.1"),
    ];
    let mut running = Running::start_in(dir.path(), &config, &variables).await;
    let ids = ["otlp_grpc", "otlp_http/secure", "otlp_http/plain", "otlp_http/direct"];
    eventually(Duration::from_secs(30), "profiles of all exporters", async || {
        for peer in [&mut secure, &mut plain] {
            while let Ok(batch) = peer.batches.try_recv() {
                batch.receipt.settle(Outcome::Delivered);
            }
        }
        let account = running.account().await;
        let sent = |id: &&str| {
            account.sum("profpipe_exporter_delivered_profiles", &format!("exporter=\"{id}\"")) > 0
        };
        ids.iter().all(sent).then_some(())
    })
    .await;
    let asked = asked.lock().unwrap().clone();
    for line in [
        format!("CONNECT localhost:{grpc} "),
        format!("CONNECT localhost:{https} "),
        format!("POST http://localhost:{http}/v1development/profiles "),
    ] {
        assert!(asked.iter().any(|asked| asked.starts_with(&line)), "{line}: {asked:?}");
    }
    assert!(!asked.iter().any(|line| line.contains("127.0.0.1")), "NO_PROXY: {asked:?}");
    let (status, _) = running.stop().await;
    assert_eq!(status.code(), Some(0), "{}", running.log());
    secure.end().await;
    plain.end().await;
}
