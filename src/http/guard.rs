//! What keeps strangers out: a web page elsewhere must not read the API through the browser of
//! somebody who runs profpipe (DNS rebinding), and nothing a profile contains may run as script.

use std::{net::IpAddr, sync::Arc};

use axum::{
    Json,
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};

const POLICY: &str = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
                      frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

/// Names under which the server may be asked for.
#[derive(Clone, Debug)]
pub struct AllowedHosts {
    names: Arc<[String]>,
    any_address: bool,
}

impl AllowedHosts {
    /// `localhost` and loopback addresses; `names` besides; and where the server listens beyond
    /// loopback any IP address, because rebinding needs a name.
    pub fn new(names: &[String], beyond_loopback: bool) -> Self {
        let names = names.iter().map(|name| name.to_ascii_lowercase()).collect();
        Self { names, any_address: beyond_loopback }
    }

    pub(super) fn allows(&self, host: &str) -> bool {
        let name = without_port(host).to_ascii_lowercase();
        let address = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        match address {
            Ok(address) => self.any_address || address.is_loopback(),
            Err(_) => name == "localhost" || self.names.contains(&name),
        }
    }
}

/// The host of `host:port`. An IPv6 address with a port is in brackets; without one it may be bare.
fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port))
            if port.bytes().all(|b| b.is_ascii_digit())
                && (!name.contains(':') || name.ends_with(']')) =>
        {
            name
        }
        _ => host,
    }
}

/// Refuses a request whose Host header names somebody else, or that another site's page sent.
pub async fn check_host(
    State(hosts): State<AllowedHosts>,
    request: Request,
    next: Next,
) -> Response {
    let host = host_of(request.headers()).or_else(|| request.uri().host());
    if !host.is_some_and(|host| hosts.allows(host)) {
        let message = "this name is not served here: set ui.allowed_hosts";
        return refused(StatusCode::MISDIRECTED_REQUEST, message);
    }
    let site = request.headers().get("sec-fetch-site").and_then(|site| site.to_str().ok());
    let navigates = request.headers().get("sec-fetch-mode").is_some_and(|mode| mode == "navigate");
    if site == Some("cross-site") && !navigates {
        return refused(StatusCode::FORBIDDEN, "requests of other sites are refused");
    }
    next.run(request).await
}

/// An error in the shape of the API's own.
fn refused(status: StatusCode, message: &str) -> Response {
    (status, Json(serde_json::json!({ "error": message }))).into_response()
}

fn host_of(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::HOST)?.to_str().ok()
}

/// Adds the headers that keep a browser to what this server sends.
pub async fn harden(mut response: Response) -> Response {
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_own_names_are_served() {
        let local = AllowedHosts::new(&["profiles.Example".into()], false);
        let public = AllowedHosts::new(&[], true);
        for (host, locally, publicly) in [
            ("localhost:8989", true, true),
            ("LOCALHOST", true, true),
            ("127.0.0.1:8989", true, true),
            ("[::1]:8989", true, true),
            ("::1", true, true),
            ("profiles.example:80", true, false),
            ("10.1.2.3:8989", false, true),
            ("[fe80::1]", false, true),
            ("evil.example", false, false),
            ("evil.example:8989", false, false),
            ("127.0.0.1.evil.example", false, false),
            ("localhost.evil.example", false, false),
            ("", false, false),
        ] {
            assert_eq!((local.allows(host), public.allows(host)), (locally, publicly), "{host}");
        }
    }
}
