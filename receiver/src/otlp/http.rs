//! OTLP over HTTP: `POST /v1development/profiles` in protobuf or JSON.

use std::net::SocketAddr;

use http_body_util::{BodyExt, Full};
use hyper::{
    Method, Request, Response, StatusCode,
    body::Incoming,
    header::{
        ALLOW, CONTENT_ENCODING, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER,
        WWW_AUTHENTICATE,
    },
};
use pipeline::{
    codec::otlp::{
        answer::{self, Status},
        json,
    },
    extension::Denied,
};

use crate::server::{
    grpc::{self, Answer, INVALID_ARGUMENT, RESOURCE_EXHAUSTED, UNAUTHENTICATED, UNAVAILABLE},
    intake::{Form, Intake, Verdict},
};

const PATH: &str = "/v1development/profiles";
const PROTOBUF: &str = "application/x-protobuf";
const JSON: &str = "application/json";

/// Answers a request.
pub(crate) async fn answer(
    request: Request<Incoming>,
    peer: SocketAddr,
    intake: &Intake,
) -> Answer {
    let text = |name: HeaderName| {
        let value = request.headers().get(name).and_then(|value| value.to_str().ok());
        value.unwrap_or_default().split(';').next().unwrap_or_default().trim()
    };
    let form = match text(CONTENT_TYPE) {
        PROTOBUF => Form::Protobuf,
        JSON => Form::Json,
        _ => {
            let message = format!("the content type must be {PROTOBUF} or {JSON}");
            return plain(StatusCode::UNSUPPORTED_MEDIA_TYPE, message);
        }
    };
    let wrong = |message: String| Status { code: INVALID_ARGUMENT, message, retry_after: None };
    if request.uri().path() != PATH {
        let status = wrong(format!("only {PATH} is there"));
        return failed(StatusCode::NOT_FOUND, &status, form);
    }
    if request.method() != Method::POST {
        let status = wrong("only POST is there".into());
        let mut answer = failed(StatusCode::METHOD_NOT_ALLOWED, &status, form);
        answer.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
        return answer;
    }
    let encoding = text(CONTENT_ENCODING);
    if !matches!(encoding, "" | "identity" | "gzip" | "zstd") {
        let status = wrong(format!("content encoding {encoding} is not known"));
        return failed(StatusCode::UNSUPPORTED_MEDIA_TYPE, &status, form);
    }
    match intake.take(request.into_body(), intake.otlp(form), peer).await {
        Verdict::Taken(rejected, reason) => {
            let message = answer::response(rejected, &reason);
            let message = if form == Form::Json { json::response(&message) } else { message };
            with_body(StatusCode::OK, message, form)
        }
        Verdict::Refused(refused) => {
            let status = grpc::status(&refused);
            let code = match status.code {
                RESOURCE_EXHAUSTED => StatusCode::PAYLOAD_TOO_LARGE,
                INVALID_ARGUMENT => StatusCode::BAD_REQUEST,
                _ => StatusCode::REQUEST_TIMEOUT,
            };
            failed(code, &status, form)
        }
        Verdict::Full(refused) => {
            let status = grpc::full(&refused);
            debug_assert_eq!(status.code, UNAVAILABLE);
            let mut answer = failed(StatusCode::SERVICE_UNAVAILABLE, &status, form);
            let after = HeaderValue::from(grpc::RETRY_AFTER.as_secs());
            answer.headers_mut().insert(RETRY_AFTER, after);
            answer
        }
    }
}

/// The answer to a stranger, who is told how to say who he is.
pub(crate) fn denied(request: &Request<Incoming>, denied: Denied, challenge: &str) -> Answer {
    let content_type = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let is_json = content_type.is_some_and(|text| text.starts_with(JSON));
    let form = if is_json { Form::Json } else { Form::Protobuf };
    let message = denied.to_string();
    let status = Status { code: UNAUTHENTICATED, message, retry_after: None };
    let mut answer = failed(StatusCode::UNAUTHORIZED, &status, form);
    if let Ok(challenge) = HeaderValue::from_str(challenge) {
        answer.headers_mut().insert(WWW_AUTHENTICATE, challenge);
    }
    answer
}

/// A refusal, in the form in which the request came.
fn failed(code: StatusCode, status: &Status, form: Form) -> Answer {
    let body = if form == Form::Json { status.json() } else { status.encode() };
    with_body(code, body, form)
}

fn with_body(code: StatusCode, body: Vec<u8>, form: Form) -> Answer {
    let mut answer = Response::new(Full::from(body).boxed());
    *answer.status_mut() = code;
    let content_type = if form == Form::Json { JSON } else { PROTOBUF };
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    answer
}

fn plain(code: StatusCode, message: String) -> Answer {
    let mut answer = Response::new(Full::from(message).boxed());
    *answer.status_mut() = code;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    answer
}
