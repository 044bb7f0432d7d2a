//! Answers of gRPC: one message out for one message in. The frame of gRPC is five bytes, so hyper
//! alone does: tonic would inflate and allocate before our limits can act.

use std::time::Duration;

use base64::{Engine, prelude::BASE64_STANDARD_NO_PAD};
use bytes::Bytes;
use http_body_util::{BodyExt, Full, combinators::BoxBody};
use hyper::{
    HeaderMap, Response,
    header::{CONTENT_TYPE, HeaderValue},
};
use pipeline::{
    codec::otlp::answer::Status,
    extension::Denied,
    reason::{Reason, Refused},
};

use super::intake::Verdict;

/// How long a sender is asked to wait.
pub(crate) const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Codes of gRPC.
pub(crate) const INVALID_ARGUMENT: u32 = 3;
const DEADLINE_EXCEEDED: u32 = 4;
pub(crate) const RESOURCE_EXHAUSTED: u32 = 8;
pub(crate) const UNIMPLEMENTED: u32 = 12;
pub(crate) const UNAVAILABLE: u32 = 14;
pub(crate) const UNAUTHENTICATED: u32 = 16;

/// A body of an answer.
pub(crate) type Answer = Response<BoxBody<Bytes, std::convert::Infallible>>;

/// The status that a refusal becomes. Too large is not to be tried again, so it says nothing of
/// when.
pub(crate) fn status(refused: &Refused) -> Status {
    let code = match refused.reason {
        Reason::SizeLimit => RESOURCE_EXHAUSTED,
        Reason::Timeout => DEADLINE_EXCEEDED,
        _ => INVALID_ARGUMENT,
    };
    Status { code, message: refused.to_string(), retry_after: None }
}

/// The status while there is no room.
pub(crate) fn full(refused: &Refused) -> Status {
    let message = refused.to_string();
    Status { code: UNAVAILABLE, message, retry_after: Some(RETRY_AFTER) }
}

/// The answer to a stranger.
pub(crate) fn denied(denied: Denied) -> Answer {
    let message = denied.to_string();
    failed(&Status { code: UNAUTHENTICATED, message, retry_after: None })
}

/// The answer where nothing was taken.
pub(crate) fn not_taken(verdict: Verdict) -> Answer {
    match verdict {
        Verdict::Refused(refused) => failed(&status(&refused)),
        Verdict::Full(refused) => failed(&full(&refused)),
        Verdict::Taken(..) => taken(&[]),
    }
}

/// The answer of success, with a message.
pub(crate) fn taken(message: &[u8]) -> Answer {
    let mut body = vec![0];
    body.extend((message.len() as u32).to_be_bytes());
    body.extend_from_slice(message);
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    let body = Full::new(Bytes::from(body)).with_trailers(std::future::ready(Some(Ok(trailers))));
    headed(Response::new(body.boxed()))
}

/// An answer without a message: its status stands in the head.
pub(crate) fn failed(status: &Status) -> Answer {
    let mut answer = headed(Response::new(Full::default().boxed()));
    let headers = answer.headers_mut();
    headers.insert("grpc-status", HeaderValue::from(status.code));
    if let Ok(message) = HeaderValue::from_str(&percent(&status.message)) {
        headers.insert("grpc-message", message);
    }
    let details = BASE64_STANDARD_NO_PAD.encode(status.encode());
    if let Ok(details) = HeaderValue::from_str(&details) {
        headers.insert("grpc-status-details-bin", details);
    }
    answer
}

fn headed(mut answer: Answer) -> Answer {
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    answer
}

/// Text as gRPC writes it in a header: printable ASCII stays.
fn percent(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b' '..=b'~' if byte != b'%' => out.push(byte as char),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}
