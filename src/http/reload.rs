//! `POST /-/reload`, and `/reload` as configmap-reload calls it: reads the config again, and
//! answers when it runs or why it does not.

use std::time::Duration;

use axum::{
    Router,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::post,
};
use tokio::sync::{mpsc, oneshot};

use super::AllowedHosts;

/// Requests that may wait; more are told to come back.
const WAITING_MAX: usize = 4;
/// How long a reload may take before its answer is given up.
const ANSWER_MAX: Duration = Duration::from_secs(60);

/// Asks for a reload and says where the answer goes.
pub type ReloadRequest = oneshot::Sender<Result<(), String>>;

/// What asks for reloads, for those who serve them.
pub type ReloadRequests = mpsc::Receiver<ReloadRequest>;

/// Both ends of the way that requests take.
pub fn reload_requests() -> (mpsc::Sender<ReloadRequest>, ReloadRequests) {
    mpsc::channel(WAITING_MAX)
}

#[derive(Clone)]
struct Reload {
    requests: mpsc::Sender<ReloadRequest>,
    hosts: AllowedHosts,
}

/// The endpoints.
pub(super) fn router(requests: mpsc::Sender<ReloadRequest>, hosts: AllowedHosts) -> Router {
    Router::new()
        .route("/-/reload", post(reload))
        .route("/reload", post(reload))
        .with_state(Reload { requests, hosts })
}

async fn reload(State(reload): State<Reload>, headers: HeaderMap) -> Response {
    if !is_own(&headers, &reload.hosts) {
        return (StatusCode::FORBIDDEN, "requests of other sites are refused\n").into_response();
    }
    let (answer, answered) = oneshot::channel();
    if reload.requests.try_send(answer).is_err() {
        let headers = [(header::RETRY_AFTER, "1")];
        let message = "other reloads are under way: try again in a moment\n";
        return (StatusCode::TOO_MANY_REQUESTS, headers, message).into_response();
    }
    match tokio::time::timeout(ANSWER_MAX, answered).await {
        Ok(Ok(Ok(()))) => (StatusCode::OK, "the config is loaded\n").into_response(),
        Ok(Ok(Err(why))) => {
            let message = format!("the old config goes on:\n{why}\n");
            (StatusCode::INTERNAL_SERVER_ERROR, message).into_response()
        }
        Ok(Err(_)) | Err(_) => {
            (StatusCode::SERVICE_UNAVAILABLE, "the process is busy or stops\n").into_response()
        }
    }
}

/// Whether no web page sent this, or one of ours: then it has the origin that it asks.
fn is_own(headers: &HeaderMap, hosts: &AllowedHosts) -> bool {
    let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let site = text(header::HeaderName::from_static("sec-fetch-site"));
    if !matches!(site, None | Some("same-origin" | "none")) {
        return false;
    }
    match (text(header::ORIGIN), text(header::HOST)) {
        (None, _) => true,
        (Some(origin), Some(host)) => {
            let origin = origin.split_once("://").map_or(origin, |(_, origin)| origin);
            origin.eq_ignore_ascii_case(host) && hosts.allows(host)
        }
        (Some(_), None) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_sites_cannot_ask() {
        let hosts = AllowedHosts::new(&[], false);
        for (headers, own) in [
            (&[][..], true),
            (&[("host", "any.example")], true),
            (&[("host", "localhost:8989"), ("origin", "http://localhost:8989")], true),
            (&[("host", "localhost:8989"), ("origin", "http://localhost:80")], false),
            (&[("host", "localhost:8989"), ("origin", "http://evil.example")], false),
            (&[("host", "localhost:8989"), ("origin", "null")], false),
            // A name that was bound to our address after the page was loaded.
            (&[("host", "evil.example"), ("origin", "http://evil.example")], false),
            (&[("origin", "http://localhost")], false),
            (&[("sec-fetch-site", "cross-site")], false),
            (&[("sec-fetch-site", "same-site")], false),
            (&[("sec-fetch-site", "same-origin")], true),
        ] {
            let map = headers.iter().map(|(name, value)| {
                (name.parse::<header::HeaderName>().unwrap(), value.parse().unwrap())
            });
            assert_eq!(is_own(&map.collect(), &hosts), own, "{headers:?}");
        }
    }
}
