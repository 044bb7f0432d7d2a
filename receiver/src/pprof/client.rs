//! Connections to targets: one client for all targets of one TLS setup, so that certificates are
//! read once and connections are used again. Redirects are not followed unless a config says so,
//! no proxy is asked, and nothing is inflated in transit.

use std::{
    collections::HashMap,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use anyhow::Context;
use pipeline::{
    extension,
    reason::{Reason, Refused},
    secret::Secret,
};
use reqwest::{
    Certificate, Client, ClientBuilder, Identity, RequestBuilder, Url,
    dns::{Addrs, Name, Resolve, Resolving},
    header::{self, HeaderMap, HeaderName, HeaderValue},
    redirect,
};

use super::{
    failure::Failure,
    http::{Credentials, HttpSettings, TlsConfig},
    target::host_port,
};

/// How long a connection may take to come about.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// How long a connection waits for the next request. What it keeps in memory, for each of many
/// targets, costs more than a new one each minute does.
const IDLE_MAX: Duration = Duration::from_secs(15);

/// Header fields of an answer.
const HEADERS_MAX: usize = 100;

/// Redirects that are followed, where any are.
const REDIRECTS_MAX: usize = 5;

/// Setups that are kept; a config has one or a few, and one a target where it names servers.
const CLIENTS_MAX: usize = 4_096;

/// Bytes of a file with a certificate, a key or a secret.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// The clients, by what they differ in.
pub(super) struct Clients {
    plain: Client,
    others: Mutex<HashMap<Setup, Built>>,
}

/// What makes a client differ from others.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Setup {
    tls: TlsConfig,
    follow_redirects: bool,
    /// Where a certificate is to have another name than the host: host and port, as then each
    /// target needs connections of its own.
    place: Option<String>,
}

/// A client, and when the files that it was made of were changed.
struct Built {
    client: Client,
    files: Vec<Option<SystemTime>>,
}

impl Clients {
    /// Clients for all targets. Where the system has no certificates, as in a bare container, only
    /// targets under TLS fail. Fails where even HTTP cannot be set up.
    pub(super) fn new() -> anyhow::Result<Self> {
        let client = builder().build().or_else(|error| {
            tracing::warn!("https targets will fail: {:#}", anyhow::Error::from(error));
            builder().tls_certs_only([]).build().context("set up HTTP")
        })?;
        Ok(Self { plain: client, others: Mutex::default() })
    }

    /// What is to be sent to this address. Files are read anew, as secrets and certificates change.
    pub(super) async fn request(
        &self,
        url: &Url,
        settings: &HttpSettings,
    ) -> Result<RequestBuilder, Failure> {
        let fail = |reason| {
            move |error: anyhow::Error| Failure::new(Refused::new(reason, format!("{error:#}")))
        };
        let secure = url.scheme() == "https";
        let tls = if secure { settings.tls.clone() } else { TlsConfig::default() };
        let mut headers = headers(settings).map_err(fail(Reason::Protocol))?;
        let (mut url, mut place) = (url.clone(), None);
        if let Some(name) = &tls.server_name {
            // TLS takes the name from the URL; the resolver still connects to the host.
            let host = host_port(url.as_str());
            headers.insert(header::HOST, hidden(&host).map_err(fail(Reason::Protocol))?);
            url.set_host(Some(name)).map_err(|error| fail(Reason::Tls)(error.into()))?;
            place = Some(host);
        }
        let setup = Setup { tls, follow_redirects: settings.follow_redirects, place };
        let client = self.client(setup).await.map_err(fail(Reason::Tls))?;
        let request = client.get(url).headers(headers);
        credentials(request, settings).await.map_err(fail(Reason::Unauthorized))
    }

    async fn client(&self, setup: Setup) -> anyhow::Result<Client> {
        if setup == Setup::plain() {
            return Ok(self.plain.clone());
        }
        let mut files = Vec::new();
        for path in setup.tls.files() {
            files.push(tokio::fs::metadata(path).await.and_then(|meta| meta.modified()).ok());
        }
        if let Some(built) = self.lock().get(&setup).filter(|built| built.files == files) {
            return Ok(built.client.clone());
        }
        let client = Box::pin(setup.build()).await?;
        let mut others = self.lock();
        if others.len() >= CLIENTS_MAX {
            others.clear(); // Requests under way keep theirs.
        }
        others.insert(setup, Built { client: client.clone(), files });
        Ok(client)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Setup, Built>> {
        self.others.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Setup {
    fn plain() -> Self {
        Self { tls: TlsConfig::default(), follow_redirects: false, place: None }
    }

    async fn build(&self) -> anyhow::Result<Client> {
        let Self { tls, follow_redirects, place } = self;
        let mut builder = builder();
        if *follow_redirects {
            builder = builder.redirect(redirect::Policy::custom(within_one_host));
        }
        if let Some(place) = place {
            builder = builder.dns_resolver(Arc::new(Fixed(place.clone())));
        }
        if let Some(ca) = text(tls.ca.as_deref(), tls.ca_file.as_deref(), "ca_file").await? {
            let certificates = Certificate::from_pem_bundle(ca.as_bytes());
            let certificates = certificates.context("read the certificates of `ca`")?;
            anyhow::ensure!(!certificates.is_empty(), "`ca` has no certificate");
            builder = builder.tls_certs_only(certificates);
        }
        let cert = text(tls.cert.as_deref(), tls.cert_file.as_deref(), "cert_file").await?;
        let key = tls.key.as_ref().map(Secret::expose);
        let key = text(key, tls.key_file.as_deref(), "key_file").await?;
        if let (Some(cert), Some(key)) = (cert, key) {
            let identity = Identity::from_pem(format!("{cert}\n{key}").as_bytes());
            builder = builder.identity(identity.context("read `cert` and `key`")?);
        }
        let builder = builder.tls_danger_accept_invalid_certs(tls.insecure_skip_verify);
        // Reading the certificates of the system takes a while.
        let built = tokio::task::spawn_blocking(move || builder.build()).await;
        built.context("set up TLS")?.context("set up TLS")
    }
}

fn builder() -> ClientBuilder {
    Client::builder()
        .user_agent(concat!("profpipe/", env!("CARGO_PKG_VERSION")))
        .redirect(redirect::Policy::none())
        .referer(false)
        .no_proxy()
        .http1_only()
        .http1_max_headers(HEADERS_MAX)
        .connect_timeout(CONNECT_TIMEOUT)
        .pool_idle_timeout(IDLE_MAX)
        .pool_max_idle_per_host(2)
}

/// Credentials must not leave the host that they are for, nor an encrypted connection.
fn within_one_host(attempt: redirect::Attempt<'_>) -> redirect::Action {
    let Some(first) = attempt.previous().first() else { return attempt.stop() };
    let one_host = first.host_str() == attempt.url().host_str();
    let secure = first.scheme() != "https" || attempt.url().scheme() == "https";
    match one_host && secure && attempt.previous().len() <= REDIRECTS_MAX {
        true => attempt.follow(),
        false => attempt.stop(),
    }
}

/// Resolves whatever name to one host, so that TLS may see another name than the network.
struct Fixed(String);

impl Resolve for Fixed {
    fn resolve(&self, _: Name) -> Resolving {
        let place = self.0.clone();
        Box::pin(async move {
            let found: Vec<_> = tokio::net::lookup_host(place)
                .await
                .map_err(|error| format!("dns error: {error}"))?
                .collect();
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

/// The header fields of a config.
fn headers(settings: &HttpSettings) -> anyhow::Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    for (name, value) in &settings.headers {
        let name = HeaderName::try_from(name).context("name a header field")?;
        headers.append(name, hidden(value.expose())?);
    }
    Ok(headers)
}

/// Adds name and password, or a token.
async fn credentials(
    request: RequestBuilder,
    settings: &HttpSettings,
) -> anyhow::Result<RequestBuilder> {
    match &settings.credentials {
        Credentials::None => Ok(request),
        Credentials::Basic(basic) => {
            let password = basic.password.as_ref().map(Secret::expose);
            let password = text(password, basic.password_file.as_deref(), "password_file").await?;
            let password = password.as_deref().map(|text| text.trim_end_matches(['\r', '\n']));
            Ok(request.basic_auth(&basic.username, password))
        }
        Credentials::Token(token) => {
            let inline = token.credentials.as_ref().map(Secret::expose);
            let file = token.credentials_file.as_deref();
            let credentials = text(inline, file, "credentials_file").await?.unwrap_or_default();
            let line = format!("{} {}", token.kind, credentials.trim());
            Ok(request.header(header::AUTHORIZATION, hidden(&line)?))
        }
        Credentials::Extension(auth) => {
            let auth = auth.clone();
            let read = tokio::task::spawn_blocking(move || extension::credentials(&auth)).await;
            let (name, value) = read.context("read credentials")??;
            Ok(request.header(name, hidden(value.expose())?))
        }
    }
}

fn hidden(text: &str) -> anyhow::Result<HeaderValue> {
    // The error of the library is left out, as it could quote the text.
    let mut value = HeaderValue::try_from(text)
        .map_err(|_| anyhow::anyhow!("a secret has characters that no header can hold"))?;
    value.set_sensitive(true);
    Ok(value)
}

/// The text itself, or that of the file.
async fn text(
    inline: Option<&str>,
    file: Option<&Path>,
    key: &'static str,
) -> anyhow::Result<Option<String>> {
    match (inline, file) {
        (Some(text), _) => Ok(Some(text.to_owned())),
        (None, Some(path)) => {
            let path = path.to_owned();
            let read = tokio::task::spawn_blocking(move || {
                let meta = std::fs::metadata(&path)?;
                if !meta.is_file() || meta.len() > FILE_BYTES_MAX {
                    let message = "not a file of at most 1 MiB";
                    return Err(std::io::Error::new(std::io::ErrorKind::InvalidData, message));
                }
                std::fs::read_to_string(&path)
            });
            let read = read.await.context("read a file")?;
            read.map(Some).with_context(|| format!("read `{key}`"))
        }
        (None, None) => Ok(None),
    }
}
