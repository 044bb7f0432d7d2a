//! Connections to the other end: one client, which is made anew now and then, so that connections
//! spread over all addresses of a name and new certificates are read.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use anyhow::Context;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use reqwest::{
    Certificate, ClientBuilder, Identity, Proxy, Response, Url,
    header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, TE},
    redirect,
};

use super::{Compression, Config, Encoding};

/// How long a connection may take to come about.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Bytes of an answer that are read.
const ANSWER_BYTES_MAX: usize = 4 << 20;
/// Level of gzip: as small as the levels above it for profiles, at half of their cost.
const GZIP_LEVEL: i32 = 4;
const ZSTD_LEVEL: i32 = 3;

/// Where requests go, and what goes with each.
pub(super) struct Client {
    client: reqwest::Client,
    made: Instant,
    url: Url,
    headers: HeaderMap,
}

impl Client {
    /// Reads certificates; connects when there is something to send.
    pub(super) fn new(config: &Config, is_grpc: bool) -> anyhow::Result<Self> {
        let url = config.url(is_grpc);
        let url = Url::parse(&url).with_context(|| format!("read the endpoint {url}"))?;
        let headers = headers(config, is_grpc)?;
        let client = client(config, is_grpc, &url)?;
        Ok(Self { client, made: Instant::now(), url, headers })
    }

    /// Makes the client anew where it is old.
    pub(super) fn refresh(&mut self, config: &Config, is_grpc: bool) -> anyhow::Result<()> {
        if self.made.elapsed() >= config.reconnect_interval {
            self.client = client(config, is_grpc, &self.url)?;
            self.made = Instant::now();
        }
        Ok(())
    }

    /// Sends a request. What fails here has not come to an answer.
    pub(super) async fn post(&self, body: Vec<u8>, timeout: Duration) -> anyhow::Result<Response> {
        let request = self.client.post(self.url.clone()).headers(self.headers.clone());
        let sent = request.timeout(timeout).body(body).send().await;
        sent.with_context(|| format!("send to {}", self.url.origin().ascii_serialization()))
    }
}

fn client(config: &Config, is_grpc: bool, url: &Url) -> anyhow::Result<reqwest::Client> {
    let mut builder =
        ClientBuilder::new().connect_timeout(CONNECT_TIMEOUT).redirect(redirect::Policy::none());
    if is_grpc && url.scheme() == "http" {
        builder = builder.http2_prior_knowledge();
    }
    if !config.proxy_url.is_empty() {
        builder = builder.proxy(Proxy::all(&config.proxy_url).context("read proxy_url")?);
    }
    let tls = &config.tls;
    if let Some(file) = &tls.ca_file {
        let certificates = Certificate::from_pem_bundle(&read(file)?)
            .with_context(|| format!("read the certificates {}", file.display()))?;
        builder = builder.tls_certs_only(certificates);
    }
    if let (Some(cert), Some(key)) = (&tls.cert_file, &tls.key_file) {
        let both = [read(cert)?, b"\n".to_vec(), read(key)?].concat();
        let identity = Identity::from_pem(&both);
        let identity = identity.with_context(|| format!("use {}", cert.display()))?;
        builder = builder.identity(identity);
    }
    if tls.insecure_skip_verify {
        builder = builder.tls_danger_accept_invalid_certs(true);
    }
    builder.build().context("set up HTTP")
}

fn read(file: &Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(file).with_context(|| format!("read {}", file.display()))
}

fn headers(config: &Config, is_grpc: bool) -> anyhow::Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    let content_type = match (is_grpc, config.encoding) {
        (true, _) => "application/grpc",
        (false, Encoding::Proto) => "application/x-protobuf",
        (false, Encoding::Json) => "application/json",
    };
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    let encoding = match config.compression {
        Compression::Gzip => Some("gzip"),
        Compression::Zstd => Some("zstd"),
        Compression::None => None,
    };
    if let Some(encoding) = encoding {
        let name =
            if is_grpc { HeaderName::from_static("grpc-encoding") } else { CONTENT_ENCODING };
        headers.insert(name, HeaderValue::from_static(encoding));
    }
    if is_grpc {
        headers.insert(TE, HeaderValue::from_static("trailers"));
    }
    for (name, value) in &config.headers {
        let parsed = HeaderName::from_bytes(name.as_bytes())
            .with_context(|| format!("{name} is not the name of a header"))?;
        let mut value = HeaderValue::from_str(value.expose())
            .map_err(|_| anyhow::anyhow!("the value of header {name} is no text"))?;
        value.set_sensitive(true);
        headers.insert(parsed, value);
    }
    Ok(headers)
}

/// Compresses a message.
pub(super) fn compress(message: Vec<u8>, compression: Compression) -> anyhow::Result<Vec<u8>> {
    Ok(match compression {
        Compression::None => message,
        Compression::Zstd => zstd::bulk::compress(&message, ZSTD_LEVEL).context("compress")?,
        Compression::Gzip => {
            let level = libdeflater::CompressionLvl::new(GZIP_LEVEL).expect("a level of 0 to 12");
            let mut gzip = libdeflater::Compressor::new(level);
            let mut out = vec![0; gzip.gzip_compress_bound(message.len())];
            let length = gzip.gzip_compress(&message, &mut out).context("compress")?;
            out.truncate(length);
            out
        }
    })
}

/// An answer as a whole: its body up to a limit, and what came behind it.
pub(super) async fn whole(response: Response) -> anyhow::Result<(HeaderMap, Bytes, HeaderMap)> {
    let response: axum::http::Response<reqwest::Body> = response.into();
    let (parts, mut body) = response.into_parts();
    let (mut bytes, mut trailers) = (BytesMut::new(), HeaderMap::new());
    while let Some(frame) = body.frame().await {
        match frame.context("read the answer")?.into_data() {
            Ok(data) => {
                anyhow::ensure!(
                    bytes.len() + data.len() <= ANSWER_BYTES_MAX,
                    "an answer of more than {ANSWER_BYTES_MAX} bytes"
                );
                bytes.extend_from_slice(&data);
            }
            Err(frame) => trailers.extend(frame.into_trailers().unwrap_or_default()),
        }
    }
    Ok((parts.headers, bytes.freeze(), trailers))
}
