//! The address of the extension `health_check`: for probes that must not reach the pages, or where
//! there are none.

use std::{sync::Arc, time::Instant};

use axum::{
    Json, Router,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::get,
};
use jiff::Timestamp;
use pipeline::extension::health_check::Config;
use serde::Serialize;

use super::Checks;

/// What the answer needs.
struct Health {
    config: Config,
    checks: Checks,
    since: (Timestamp, Instant),
}

/// What the Collector answers.
#[derive(Serialize)]
struct Status {
    status: &'static str,
    #[serde(rename = "upSince")]
    up_since: String,
    uptime: String,
}

/// 200 while the conditions of readiness hold, 503 while not.
pub fn health(config: &Config, checks: Checks) -> Router {
    let since = (Timestamp::now(), Instant::now());
    let health = Health { config: config.clone(), checks, since };
    Router::new().route(&config.path, get(answer)).with_state(Arc::new(health))
}

async fn answer(State(health): State<Arc<Health>>) -> Response {
    let healthy = health.checks.failing().is_empty();
    let code = if healthy { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    if let Some(body) = &health.config.response_body {
        let body = if healthy { &body.healthy } else { &body.unhealthy };
        return (code, body.clone()).into_response();
    }
    let (up_since, start) = health.since;
    let status = Status {
        status: if healthy { "Server available" } else { "Server not available" },
        up_since: up_since.to_string(),
        uptime: format!("{:.3?}", start.elapsed()),
    };
    (code, Json(status)).into_response()
}

#[cfg(test)]
mod tests {
    use axum::{body::Body, http::Request};
    use pipeline::extension::health_check::ResponseBody;
    use tower::ServiceExt;

    use super::*;

    #[tokio::test]
    async fn tells_whether_all_is_well() {
        let checks = Checks::default();
        let own = ResponseBody { healthy: "fine".into(), unhealthy: "ill".into() };
        let own = Config { path: "/health".into(), response_body: Some(own), ..Config::default() };
        let ask = async |config: &Config, path: &str| {
            let request = Request::get(path).body(Body::empty()).expect("is a request");
            let answer = health(config, checks.clone()).oneshot(request).await.expect("answers");
            let code = answer.status().as_u16();
            let body = axum::body::to_bytes(answer.into_body(), 1 << 10).await.expect("is short");
            (code, String::from_utf8_lossy(&body).into_owned())
        };
        let (code, body) = ask(&Config::default(), "/").await;
        assert!(code == 200 && body.starts_with(r#"{"status":"Server available","upSince":"2"#));
        assert_eq!(ask(&own, "/health").await, (200, "fine".into()));
        assert_eq!(ask(&own, "/").await.0, 404);
        checks.set(vec![("spool", Arc::new(|| Err("no room".into())))]);
        let (code, body) = ask(&Config::default(), "/").await;
        assert!(code == 503 && body.contains("Server not available"), "{body}");
        assert_eq!(ask(&own, "/health").await, (503, "ill".into()));
    }
}
