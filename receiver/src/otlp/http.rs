//! OTLP over HTTP: `POST /v1development/profiles` in protobuf or JSON.

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
    Peer,
    grpc::{self, Answer, INVALID_ARGUMENT, RESOURCE_EXHAUSTED, UNAUTHENTICATED, UNAVAILABLE},
    intake::{Form, Intake, Verdict},
};

const PATH: &str = "/v1development/profiles";
const PROTOBUF: &str = "application/x-protobuf";
const JSON: &str = "application/json";

/// Answers a request.
pub(crate) async fn answer(request: Request<Incoming>, peer: Peer, intake: &Intake) -> Answer {
    let form = form(&request);
    let wrong = |code, message: String| match form {
        Some(form) => {
            let status = Status { code: INVALID_ARGUMENT, message, retry_after: None };
            failed(code, &status, form)
        }
        None => plain(code, message),
    };
    if request.uri().path() != PATH {
        return wrong(StatusCode::NOT_FOUND, format!("only {PATH} is there"));
    }
    if request.method() != Method::POST {
        let mut answer = wrong(StatusCode::METHOD_NOT_ALLOWED, "only POST is there".into());
        answer.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
        return answer;
    }
    let Some(form) = form else {
        let message = format!("the content type must be {PROTOBUF} or {JSON}");
        return wrong(StatusCode::UNSUPPORTED_MEDIA_TYPE, message);
    };
    let encoding = word(&request, CONTENT_ENCODING);
    if !matches!(encoding.as_str(), "" | "identity" | "gzip" | "zstd") {
        let message = format!("content encoding {encoding} is not known");
        return wrong(StatusCode::UNSUPPORTED_MEDIA_TYPE, message);
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
    let form = form(request).unwrap_or(Form::Protobuf);
    let message = denied.to_string();
    let status = Status { code: UNAUTHENTICATED, message, retry_after: None };
    let mut answer = failed(StatusCode::UNAUTHORIZED, &status, form);
    if let Ok(challenge) = HeaderValue::from_str(challenge) {
        answer.headers_mut().insert(WWW_AUTHENTICATE, challenge);
    }
    answer
}

/// How the body is written; nothing where it is in no form that is known.
fn form(request: &Request<Incoming>) -> Option<Form> {
    match word(request, CONTENT_TYPE).as_str() {
        PROTOBUF => Some(Form::Protobuf),
        JSON => Some(Form::Json),
        _ => None,
    }
}

/// A header field without its parameters, in small letters: case does not count in these.
fn word(request: &Request<Incoming>, name: HeaderName) -> String {
    let value = request.headers().get(name).and_then(|value| value.to_str().ok());
    let word = value.unwrap_or_default().split(';').next().unwrap_or_default();
    word.trim().to_ascii_lowercase()
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
