//! Connections to the other end: one client, which is made anew now and then, so that connections
//! spread over all addresses of a name and new certificates are read.

use std::{
    error::Error,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use pipeline::{extension, secret::Secret};
use reqwest::{
    Certificate, ClientBuilder, Identity, Proxy, Response, Url,
    dns::{Addrs, Name, Resolve, Resolving},
    header::{CONTENT_ENCODING, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue, TE},
    redirect,
    tls::Version,
};

use super::{Config, Encoding, Keepalive, Tls};

/// How long a connection may take to come about.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Bytes of an answer that are kept.
const ANSWER_BYTES_MAX: usize = 4 << 20;
/// Bytes of an answer that are read, for the status that gRPC sends behind it.
const PASSED_BYTES_MAX: usize = 64 << 20;

/// Where requests go, and what goes with each.
pub(super) struct Client {
    client: reqwest::Client,
    made: Instant,
    url: Url,
    /// Host and port of the other end, or its socket.
    pub(super) place: String,
    headers: HeaderMap,
    /// Time that one may take; zero sets no limit.
    timeout: Duration,
}

impl Client {
    /// Reads certificates; connects when there is something to send.
    pub(super) fn new(config: &Config, is_grpc: bool) -> anyhow::Result<Self> {
        let url = config.url(is_grpc);
        let mut url = Url::parse(&url).with_context(|| format!("read the endpoint {url}"))?;
        let mut headers = headers(config, is_grpc)?;
        let host = url.host_str().with_context(|| format!("the endpoint {url} has no host"))?;
        let place = match config.socket(is_grpc) {
            Some(path) => path.to_owned(),
            None => format!("{host}:{}", url.port_or_known_default().unwrap_or(443)),
        };
        if let Some(name) = &config.tls.server_name_override
            && url.scheme() == "https"
        {
            if !is_grpc {
                headers.insert(HOST, HeaderValue::from_str(&place).context("name the host")?);
            }
            url.set_host(Some(name)).context("use server_name_override")?;
        }
        if is_grpc && !config.authority.is_empty() {
            // Without a port in it, the one that the resolver gives counts.
            url.set_host(Some(&config.authority)).context("use authority")?;
            let _only_without_a_host = url.set_port(None);
        }
        let client = client(config, is_grpc, &url, &place)?;
        let timeout = config.timeout(is_grpc);
        Ok(Self { client, made: Instant::now(), url, place, headers, timeout })
    }

    /// Makes the client anew where it is old.
    pub(super) fn refresh(&mut self, config: &Config, is_grpc: bool) -> anyhow::Result<()> {
        if self.made.elapsed() >= config.reconnect_interval {
            self.client = client(config, is_grpc, &self.url, &self.place)?;
            self.made = Instant::now();
        }
        Ok(())
    }

    /// Sends a request. What fails here has not come to an answer.
    pub(super) async fn post(&self, body: Vec<u8>, config: &Config) -> anyhow::Result<Response> {
        let mut headers = self.headers.clone();
        if let Some(auth) = config.auth.clone() {
            // A file may have to be read.
            let read = tokio::task::spawn_blocking(move || extension::credentials(&auth)).await;
            let (name, value) = read.context("read credentials")?.context("read credentials")?;
            let (name, value) = header(&name, &value)?;
            headers.insert(name, value);
        }
        let mut request = self.client.post(self.url.clone()).headers(headers);
        if !self.timeout.is_zero() {
            request = request.timeout(self.timeout);
        }
        let sent = request.body(body).send().await;
        sent.map_err(|error| {
            let hint = other_protocol(&error);
            anyhow::Error::new(error).context(format!("send to {}{hint}", self.place))
        })
    }
}

/// What helps where the port speaks the other protocol of OTLP, or no TLS.
fn other_protocol(error: &reqwest::Error) -> &'static str {
    let mut causes = std::iter::successors(error.source(), |&cause| cause.source());
    // An answer in HTTP/2, or its greeting, which comes before the request.
    let greetings = ["invalid HTTP version", "unexpected message from connection"];
    let found = causes.find_map(|cause| {
        let cause = cause.to_string();
        let is_grpc = greetings.iter().any(|greeting| cause.contains(greeting));
        match cause.contains("InvalidContentType") {
            _ if is_grpc => Some(" (it speaks gRPC, for which there is `otlp_grpc`)"),
            true => Some(" (it speaks no TLS: say `http://`, or `tls: {insecure: true}`)"),
            false => None,
        }
    });
    found.unwrap_or_default()
}

fn client(
    config: &Config,
    is_grpc: bool,
    url: &Url,
    place: &str,
) -> anyhow::Result<reqwest::Client> {
    let mut builder =
        ClientBuilder::new().connect_timeout(CONNECT_TIMEOUT).redirect(redirect::Policy::none());
    builder = builder.user_agent(match config.user_agent.as_str() {
        "" => concat!("profpipe/", env!("CARGO_PKG_VERSION")),
        name => name,
    });
    let is_plain = url.scheme() == "http";
    if is_grpc {
        let Keepalive { time, timeout, permit_without_stream } = config.keepalive;
        builder = builder.http2_keep_alive_interval((!time.is_zero()).then_some(time));
        builder = builder.http2_keep_alive_timeout(timeout);
        builder = builder.http2_keep_alive_while_idle(permit_without_stream);
    } else {
        let silence = config.http2_read_idle_timeout;
        builder = builder.http2_keep_alive_interval((!silence.is_zero()).then_some(silence));
        builder = builder.http2_keep_alive_timeout(config.http2_ping_timeout);
        let idle = config.idle_conn_timeout;
        builder = builder.pool_idle_timeout((!idle.is_zero()).then_some(idle));
        if config.disable_keep_alives {
            builder = builder.pool_max_idle_per_host(0);
        }
    }
    if is_grpc && is_plain {
        // A proxy that does not tunnel speaks HTTP/1.1, which gRPC is not.
        builder = builder.http2_prior_knowledge().no_proxy();
    } else if !config.proxy_url.is_empty() {
        builder = builder.proxy(Proxy::all(&config.proxy_url).context("read proxy_url")?);
    }
    if let Some(path) = config.socket(is_grpc) {
        builder = builder.unix_socket(path);
    }
    let has_authority = is_grpc && !config.authority.is_empty();
    if has_authority || (!is_plain && config.tls.server_name_override.is_some()) {
        // TLS takes the name from the URL; the resolver still finds the host.
        builder = builder.no_proxy().dns_resolver(Arc::new(Fixed(place.to_owned())));
        if !is_grpc {
            builder = builder.http1_only(); // Its `Host` is that of the endpoint.
        }
    }
    with_tls(builder, &config.tls)?.build().context("set up HTTP")
}

fn with_tls(mut builder: ClientBuilder, tls: &Tls) -> anyhow::Result<ClientBuilder> {
    if let Some(ca) = text(tls.ca_file.as_deref(), tls.ca_pem.as_deref())? {
        let certificates =
            Certificate::from_pem_bundle(&ca).context("read the certificates of `ca`")?;
        builder = match tls.include_system_ca_certs_pool {
            true => builder.tls_certs_merge(certificates),
            false => builder.tls_certs_only(certificates),
        };
    }
    let cert = text(tls.cert_file.as_deref(), tls.cert_pem.as_deref())?;
    let key = text(tls.key_file.as_deref(), tls.key_pem.as_ref().map(Secret::expose))?;
    if let (Some(cert), Some(key)) = (cert, key) {
        let identity = Identity::from_pem(&[cert, b"\n".to_vec(), key].concat());
        builder = builder.identity(identity.context("use the certificate and its key")?);
    }
    let version = |text: &Option<String>| match text.as_deref() {
        Some("1.3") => Some(Version::TLS_1_3),
        Some(_) => Some(Version::TLS_1_2),
        None => None,
    };
    if let Some(min) = version(&tls.min_version) {
        builder = builder.tls_version_min(min);
    }
    if let Some(max) = version(&tls.max_version) {
        builder = builder.tls_version_max(max);
    }
    Ok(match tls.insecure_skip_verify {
        true => builder.tls_danger_accept_invalid_certs(true),
        false => builder,
    })
}

/// Resolves whatever name to one place, so that TLS may see another name than the network.
struct Fixed(String);

impl Resolve for Fixed {
    fn resolve(&self, _: Name) -> Resolving {
        let place = self.0.clone();
        Box::pin(async move {
            let found: Vec<_> = tokio::net::lookup_host(place).await?.collect();
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

/// What a file holds, or the text itself.
fn text(file: Option<&Path>, text: Option<&str>) -> anyhow::Result<Option<Vec<u8>>> {
    match (file, text) {
        (Some(file), _) => {
            let read = std::fs::read(file).with_context(|| format!("read {}", file.display()));
            read.map(Some)
        }
        (None, text) => Ok(text.map(|text| text.as_bytes().to_vec())),
    }
}

fn headers(config: &Config, is_grpc: bool) -> anyhow::Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    let content_type = match (is_grpc, config.encoding) {
        (true, _) => "application/grpc",
        (false, Encoding::Proto) => "application/x-protobuf",
        (false, Encoding::Json) => "application/json",
    };
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    if let Some(encoding) = config.compression.name() {
        let name =
            if is_grpc { HeaderName::from_static("grpc-encoding") } else { CONTENT_ENCODING };
        headers.insert(name, HeaderValue::from_static(encoding));
    }
    if is_grpc {
        headers.insert(TE, HeaderValue::from_static("trailers"));
        let timeout = config.timeout(is_grpc);
        if !timeout.is_zero() {
            // Who still works on a request then does it for nobody. Eight digits are allowed.
            let milliseconds = timeout.as_millis().min(99_999_999);
            let timeout = HeaderValue::try_from(format!("{milliseconds}m"));
            headers.insert("grpc-timeout", timeout.context("write the timeout")?);
        }
    }
    for (name, value) in &config.headers {
        let (name, value) = header(name, value)?;
        headers.insert(name, value);
    }
    Ok(headers)
}

fn header(name: &str, value: &Secret) -> anyhow::Result<(HeaderName, HeaderValue)> {
    let parsed = HeaderName::from_bytes(name.as_bytes())
        .with_context(|| format!("{name} is not the name of a header"))?;
    let mut value = HeaderValue::from_str(value.expose())
        .map_err(|_| anyhow::anyhow!("the value of header {name} is no text"))?;
    value.set_sensitive(true);
    Ok((parsed, value))
}

/// An answer that was read to its end, or to where there was no point in reading on.
pub(super) struct Whole {
    pub(super) headers: HeaderMap,
    /// The first bytes of it, up to a limit.
    pub(super) body: Bytes,
    /// What came behind the body; nothing where that was too long.
    pub(super) trailers: HeaderMap,
    /// Whether it was.
    pub(super) endless: bool,
}

/// Reads an answer, of which no more than a limit is kept.
pub(super) async fn whole(response: Response) -> anyhow::Result<Whole> {
    let response: axum::http::Response<reqwest::Body> = response.into();
    let (parts, mut body) = response.into_parts();
    let (mut bytes, mut trailers, mut seen) = (BytesMut::new(), HeaderMap::new(), 0);
    while seen <= PASSED_BYTES_MAX
        && let Some(frame) = body.frame().await
    {
        match frame.context("read the answer")?.into_data() {
            Ok(data) => {
                seen += data.len();
                let room = ANSWER_BYTES_MAX - bytes.len();
                bytes.extend_from_slice(&data[..data.len().min(room)]);
            }
            Err(frame) => trailers.extend(frame.into_trailers().unwrap_or_default()),
        }
    }
    let endless = seen > PASSED_BYTES_MAX;
    Ok(Whole { headers: parts.headers, body: bytes.freeze(), trailers, endless })
}
