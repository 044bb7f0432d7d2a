//! TLS, credentials, headers and redirects against servers with certificates of their own.

use std::{fs, path::Path, sync::Arc, time::Duration};

use pipeline::reason::Reason;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        RootCertStore, ServerConfig,
        pki_types::{PrivateKeyDer, pem::PemObject},
        server::WebPkiClientVerifier,
    },
};
use tokio_util::task::AbortOnDropHandle;

use crate::{
    budget::Budget,
    pprof::{
        Config,
        failure::Failure,
        fetch::{Fetcher, Question},
    },
};

/// An authority that two sides trust, and what it signs.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// Writes a certificate for this name and its key as `<file>.crt` and `<file>.key`.
    fn sign(&self, name: &str, folder: &Path, file: &str) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new([name.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        fs::write(folder.join(format!("{file}.crt")), certificate.pem()).unwrap();
        fs::write(folder.join(format!("{file}.key")), key.serialize_pem()).unwrap();
    }

    fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(self.0.der().clone()).unwrap();
        roots
    }
}

/// A server with the certificate for `name`, which answers with the request that it read and the
/// name that it was asked for; with `clients` it wants a certificate, too.
async fn serve(
    authority: &Authority,
    name: &str,
    folder: &Path,
    clients: bool,
) -> (u16, AbortOnDropHandle<()>) {
    use tokio_rustls::rustls::pki_types::CertificateDer;
    authority.sign(name, folder, "server");
    let chain = CertificateDer::from_pem_file(folder.join("server.crt")).unwrap();
    let key = PrivateKeyDer::from_pem_file(folder.join("server.key")).unwrap();
    let builder = ServerConfig::builder();
    let builder = match clients {
        false => builder.with_no_client_auth(),
        true => builder.with_client_cert_verifier(
            WebPkiClientVerifier::builder(authority.roots().into()).build().unwrap(),
        ),
    };
    let config = builder.with_single_cert(vec![chain], key).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let task = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                let asked = stream.get_ref().1.server_name().unwrap_or("-").to_owned();
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    let Ok(byte) = stream.read_u8().await else { return };
                    head.push(byte);
                }
                let body = format!("sni: {asked}\n{}", String::from_utf8_lossy(&head));
                let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
                let _ = stream.write_all((head + &body).as_bytes()).await;
            });
        }
    });
    (port, AbortOnDropHandle::new(task))
}

/// Asks as a config says.
async fn ask(url: &str, config: Value) -> Result<String, Failure> {
    let mut config = config;
    config["profiles"] = json!({"x": {"path": "/x"}});
    config["static_configs"] = json!([{"targets": [url]}]);
    let config: Config = serde_json::from_value(config).unwrap();
    assert_eq!(config.check(), []);
    let target = config.scrape_targets("job").remove(0);
    let settings = &target.profiles[0];
    let url = settings.url(&target.target.address).unwrap();
    let (window, timeout) = (Duration::ZERO, Duration::from_secs(10));
    let question = Question { url: &url, http: &settings.http, window, timeout };
    let mut share = Budget::default().share();
    let body = Fetcher::new(1 << 16).unwrap().fetch(&question, &mut share).await?;
    Ok(String::from_utf8(body).unwrap())
}

#[tokio::test]
async fn certificates_are_checked_as_the_config_says() {
    let folder = tempfile::tempdir().unwrap();
    let (ours, other) = (Authority::new(), Authority::new());
    let (port, _server) = serve(&ours, "orders.local", folder.path(), false).await;
    let url = format!("https://127.0.0.1:{port}");
    let (ca, strange) = (ours.0.pem(), other.0.pem());
    let file = folder.path().join("ca.pem");
    fs::write(&file, &ca).unwrap();
    let missing = folder.path().join("missing.pem");
    for (tls, want) in [
        (json!({}), None),
        (json!({"ca": ca}), None), // The name is another one.
        (json!({"ca": strange, "server_name": "orders.local"}), None),
        (json!({"ca": "nonsense"}), None),
        (json!({"ca_file": missing}), None),
        (json!({"ca": ca, "server_name": "orders.local"}), Some("orders.local")),
        (json!({"ca_file": file, "server_name": "orders.local"}), Some("orders.local")),
        (json!({"insecure_skip_verify": true}), Some("-")),
    ] {
        let answer = ask(&url, json!({"tls_config": tls})).await;
        match (&answer, want) {
            (Ok(text), Some(name)) => {
                assert!(text.starts_with(&format!("sni: {name}\n")), "{tls}: {text}");
                assert!(text.contains(&format!("host: 127.0.0.1:{port}\r\n")), "{tls}: {text}");
            }
            (Err(failure), None) => assert_eq!(failure.refused.reason, Reason::Tls, "{tls}"),
            _ => panic!("{tls}: {answer:?}"),
        }
    }
}

#[tokio::test]
async fn a_target_that_wants_a_certificate_gets_it_and_a_new_one_too() {
    let folder = tempfile::tempdir().unwrap();
    let (ours, other) = (Authority::new(), Authority::new());
    let (port, _server) = serve(&ours, "localhost", folder.path(), true).await;
    let url = format!("https://localhost:{port}");
    let path = |name: &str| folder.path().join(name);
    let with = json!({"tls_config": {"ca": ours.0.pem(),
        "cert_file": path("client.crt"), "key_file": path("client.key")}});
    let without = json!({"tls_config": {"ca": ours.0.pem()}});
    assert!(ask(&url, without).await.is_err());
    other.sign("client", folder.path(), "client");
    assert!(ask(&url, with.clone()).await.is_err(), "of another authority");
    ours.sign("client", folder.path(), "client");
    assert!(ask(&url, with).await.is_ok());
}

#[tokio::test]
async fn changed_files_are_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let (ours, other) = (Authority::new(), Authority::new());
    let (port, _server) = serve(&ours, "localhost", folder.path(), false).await;
    let (ca, token) = (folder.path().join("ca.pem"), folder.path().join("token"));
    fs::write(&ca, other.0.pem()).unwrap();
    fs::write(&token, "first\n").unwrap();
    let config = json!({"tls_config": {"ca_file": ca},
        "authorization": {"credentials_file": token},
        "profiles": {"x": {"path": "/x"}},
        "static_configs": [{"targets": [format!("https://localhost:{port}")]}]});
    let config: Config = serde_json::from_value(config).unwrap();
    let target = config.scrape_targets("job").remove(0);
    let settings = &target.profiles[0];
    let url = settings.url(&target.target.address).unwrap();
    let (fetcher, mut share) = (Fetcher::new(1 << 16).unwrap(), Budget::default().share());
    let (window, timeout) = (Duration::ZERO, Duration::from_secs(10));
    let question = Question { url: &url, http: &settings.http, window, timeout };
    assert_eq!(fetcher.fetch(&question, &mut share).await.unwrap_err().refused.reason, Reason::Tls);
    fs::write(&ca, ours.0.pem()).unwrap();
    for word in ["first", "second"] {
        fs::write(&token, word).unwrap();
        let text = String::from_utf8(fetcher.fetch(&question, &mut share).await.unwrap()).unwrap();
        assert!(text.contains(&format!("authorization: Bearer {word}\r\n")), "{text}");
    }
    fs::remove_file(&token).unwrap();
    let refused = fetcher.fetch(&question, &mut share).await.unwrap_err().refused;
    assert_eq!(refused.reason, Reason::Unauthorized);
    assert!(refused.detail.starts_with("read `credentials_file`"), "{refused}");
}

/// A server in the clear that answers with the request that it read; `/hop` leads elsewhere.
async fn echo(elsewhere: &str) -> (String, AbortOnDropHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let elsewhere = elsewhere.to_owned();
    let task = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let Ok(byte) = stream.read_u8().await else { break };
                head.push(byte);
            }
            let text = String::from_utf8_lossy(&head).into_owned();
            let moved = |to: &str| format!("HTTP/1.1 302 Found\r\nLocation: {to}\r\n");
            let start = match text.split(' ').nth(1).unwrap_or_default() {
                "/here/x" => moved("/there"),
                "/loop/x" => moved("/loop/x"),
                "/away/x" => moved(&elsewhere),
                _ => "HTTP/1.1 200 OK\r\n".into(),
            };
            let length = text.len();
            let answer = format!("{start}Connection: close\r\nContent-Length: {length}\r\n\r\n");
            let _ = stream.write_all((answer + &text).as_bytes()).await;
        }
    });
    (address, AbortOnDropHandle::new(task))
}

#[tokio::test]
async fn requests_carry_credentials_headers_and_parameters() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    fs::write(&file, "geheim\n").unwrap();
    let (url, _server) = echo("").await;
    let (get, secret) = ("GET /x HTTP/1.1", "Basic YTpnZWhlaW0=\r\n");
    for (config, want) in [
        (json!({}), get),
        (json!({"basic_auth": {"username": "a", "password": "b"}}), "Basic YTpi\r\n"),
        (json!({"basic_auth": {"username": "a", "password_file": file}}), secret),
        (json!({"authorization": {"credentials": "t"}}), "authorization: Bearer t\r\n"),
        (json!({"authorization": {"type": "Token", "credentials": "t"}}), ": Token t\r\n"),
        (json!({"http_headers": {"X-Tenant": "blue"}}), "x-tenant: blue\r\n"),
        (json!({"params": {"a": "1", "b": ["2", "x y"]}}), "GET /x?a=1&b=2&b=x+y HTTP"),
    ] {
        let text = ask(&url, config.clone()).await.unwrap();
        assert!(text.contains(want), "{config}: {text}");
        assert_eq!(text.contains("authorization:"), want.contains("\r\n") && !want.contains("x-"));
    }
}

#[tokio::test]
async fn redirects_are_followed_within_a_host_where_the_config_says_so() {
    let (elsewhere, _other) = echo("").await;
    let elsewhere = elsewhere.replace("127.0.0.1", "localhost");
    let (url, _server) = echo(&elsewhere).await;
    let token = json!({"credentials": "canary"});
    let follow = |follow: bool| json!({"follow_redirects": follow, "authorization": token});
    let followed = ask(&format!("{url}/here"), follow(true)).await.unwrap();
    assert!(followed.starts_with("GET /there ") && followed.contains("canary"), "{followed}");
    for (path, config) in [("here", false), ("away", true), ("loop", true)] {
        let failure = ask(&format!("{url}/{path}"), follow(config)).await.unwrap_err();
        assert_eq!(failure.refused.reason, Reason::RedirectRefused, "{path}");
        assert!(!failure.refused.to_string().contains("canary"));
    }
}
