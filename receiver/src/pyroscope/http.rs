//! `POST /ingest`, and `push.v1.PusherService/Push` by Connect or gRPC. Errors are written as
//! <https://connectrpc.com/docs/protocol/> has them, which a person can read as well.

use std::sync::Arc;

use http_body_util::{BodyExt, Full};
use hyper::{
    Method, Request, Response, StatusCode,
    body::Incoming,
    header::{
        ALLOW, CONTENT_ENCODING, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER,
        WWW_AUTHENTICATE,
    },
};
use pipeline::{codec::pyroscope::Ingest, extension::Denied, reason::Reason};

use crate::server::{
    Peer,
    grpc::{self, Answer},
    intake::{Intake, Reading, Verdict},
};

/// Where agents push, the second one below the path under which Pyroscope may be served.
const INGEST: [&str; 2] = ["/ingest", "/pyroscope/ingest"];
const PUSH: &str = "/push.v1.PusherService/Push";
const PROTOBUF: &str = "application/proto";
const JSON: &str = "application/json";
const GRPC: &str = "application/grpc";

/// Answers a request.
pub(crate) async fn answer(request: Request<Incoming>, peer: Peer, intake: &Intake) -> Answer {
    let path = request.uri().path();
    let is_ingest = INGEST.contains(&path);
    if !is_ingest && path != PUSH {
        let message = format!("only {} and {PUSH} are there", INGEST[0]);
        return failed(StatusCode::NOT_FOUND, "unimplemented", &message);
    }
    if request.method() != Method::POST {
        let mut answer =
            failed(StatusCode::METHOD_NOT_ALLOWED, "unimplemented", "only POST is there");
        answer.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
        return answer;
    }
    let encoding = text(&request, CONTENT_ENCODING);
    if !matches!(encoding, "" | "identity" | "gzip" | "zstd") {
        let message = format!("content encoding {encoding} is not known");
        return failed(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unimplemented", &message);
    }
    match is_ingest {
        true => ingest(request, peer, intake).await,
        false => push(request, peer, intake).await,
    }
}

async fn ingest(request: Request<Incoming>, peer: Peer, intake: &Intake) -> Answer {
    let query = request.uri().query().unwrap_or_default();
    let content_type = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let described = match Ingest::parse(query, content_type.unwrap_or_default()) {
        Ok(described) => Arc::new(described),
        Err(refused) => {
            intake.refused(&refused, peer);
            return not_taken(Verdict::Refused(refused));
        }
    };
    let reading = Reading::new(false, move |decoders, body, limits| {
        decoders.pyroscope.ingest(body, &described, limits)
    });
    match intake.take(request.into_body(), reading, peer).await {
        Verdict::Taken(..) => with_body(StatusCode::OK, "text/plain", Vec::new()),
        other => not_taken(other),
    }
}

async fn push(request: Request<Incoming>, peer: Peer, intake: &Intake) -> Answer {
    let content_type = text(&request, CONTENT_TYPE);
    let (is_json, framed) = match content_type {
        PROTOBUF => (false, false),
        JSON => (true, false),
        kind if kind.starts_with(GRPC) && !kind.ends_with("+json") => (false, true),
        _ => {
            let message = format!("the content type must be {PROTOBUF}, {JSON} or {GRPC}");
            return failed(StatusCode::UNSUPPORTED_MEDIA_TYPE, "invalid_argument", &message);
        }
    };
    let reading = Reading::new(framed, move |decoders, body, limits| match is_json {
        true => decoders.pyroscope.push_json(body, limits),
        false => decoders.pyroscope.push(body, limits),
    });
    match (intake.take(request.into_body(), reading, peer).await, framed) {
        (Verdict::Taken(..), true) => grpc::taken(&[]),
        (Verdict::Taken(..), false) if is_json => with_body(StatusCode::OK, JSON, b"{}".to_vec()),
        (Verdict::Taken(..), false) => with_body(StatusCode::OK, PROTOBUF, Vec::new()),
        (other, true) => grpc::not_taken(other),
        (other, false) => not_taken(other),
    }
}

/// A header field without its parameters.
fn text(request: &Request<Incoming>, name: HeaderName) -> &str {
    let value = request.headers().get(name).and_then(|value| value.to_str().ok());
    value.unwrap_or_default().split(';').next().unwrap_or_default().trim()
}

/// The answer to a stranger, who is told how to say who he is.
pub(crate) fn denied(request: &Request<Incoming>, denied: Denied, challenge: &str) -> Answer {
    if text(request, CONTENT_TYPE).starts_with(GRPC) {
        return grpc::denied(denied);
    }
    let mut answer = failed(StatusCode::UNAUTHORIZED, "unauthenticated", &denied.to_string());
    if let Ok(challenge) = HeaderValue::from_str(challenge) {
        answer.headers_mut().insert(WWW_AUTHENTICATE, challenge);
    }
    answer
}

/// The answer where nothing was taken. Agents send again what is told to be unavailable, and
/// `resource_exhausted` as well: what is too large will never be taken, so it is not called that.
fn not_taken(verdict: Verdict) -> Answer {
    match verdict {
        Verdict::Refused(refused) => {
            let (status, code) = match refused.reason {
                Reason::SizeLimit => (StatusCode::PAYLOAD_TOO_LARGE, "invalid_argument"),
                Reason::NotPprof => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "invalid_argument"),
                Reason::Timeout => (StatusCode::REQUEST_TIMEOUT, "deadline_exceeded"),
                _ => (StatusCode::BAD_REQUEST, "invalid_argument"),
            };
            failed(status, code, &refused.to_string())
        }
        Verdict::Full(refused) => {
            let message = refused.to_string();
            let mut answer = failed(StatusCode::SERVICE_UNAVAILABLE, "unavailable", &message);
            let after = HeaderValue::from(grpc::RETRY_AFTER.as_secs());
            answer.headers_mut().insert(RETRY_AFTER, after);
            answer
        }
        Verdict::Taken(..) => with_body(StatusCode::OK, JSON, b"{}".to_vec()),
    }
}

fn failed(status: StatusCode, code: &str, message: &str) -> Answer {
    let body = serde_json::json!({"code": code, "message": message});
    with_body(status, JSON, body.to_string().into_bytes())
}

fn with_body(status: StatusCode, content_type: &'static str, body: Vec<u8>) -> Answer {
    let mut answer = Response::new(Full::from(body).boxed());
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    answer
}
