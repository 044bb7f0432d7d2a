//! Requests and answers of gRPC. Which codes are worth another try is as
//! `docs/specification.md` of the protocol has it (Failures).

use base64::{
    Engine,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use pipeline::codec::otlp::answer::{Status, read_response};
use reqwest::{Response, StatusCode, header::HeaderMap};

use super::{
    Answer, Compression,
    client::{self, Whole},
};

/// The one method.
pub(super) const PATH: &str =
    "/opentelemetry.proto.collector.profiles.v1development.ProfilesService/Export";

const OK: u32 = 0;
const RESOURCE_EXHAUSTED: u32 = 8;
/// Cancelled, deadline exceeded, aborted, out of range, unavailable, data loss.
const RETRYABLE: [u32; 6] = [1, 4, 10, 11, 14, 15];
const NAMES: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

/// A message in its frame.
pub(super) fn framed(message: &[u8], compression: Compression) -> Vec<u8> {
    let mut body = Vec::with_capacity(message.len() + 5);
    body.push(u8::from(compression != Compression::None));
    body.extend((message.len() as u32).to_be_bytes());
    body.extend_from_slice(message);
    body
}

/// Reads the answer to a request.
pub(super) async fn answer(response: Response) -> Answer {
    let http = response.status();
    let Whole { headers, body, trailers, endless } = match client::whole(response).await {
        Ok(whole) => whole,
        Err(error) => return Answer::Later(error, None),
    };
    // Where there is no message, the status stands in the head.
    let Some(status) = status(&trailers).or_else(|| status(&headers)) else {
        return match endless {
            // What it says is never known; the same may take it all over again.
            true => Answer::Never(anyhow::anyhow!("an answer without an end and a status")),
            false => without_status(http),
        };
    };
    if status.code == OK {
        let message = body.get(5..).unwrap_or_default();
        let (rejected, reason) = read_response(message);
        return Answer::Taken(rejected, reason);
    }
    let name = NAMES.get(status.code as usize).copied().unwrap_or("an unknown code");
    let error = anyhow::anyhow!("{name}: {}", status.message);
    match status.code {
        RESOURCE_EXHAUSTED if status.retry_after.is_some() => {
            Answer::Later(error, status.retry_after)
        }
        RESOURCE_EXHAUSTED => Answer::TooLarge(error),
        code if RETRYABLE.contains(&code) => Answer::Later(error, status.retry_after),
        _ => Answer::Never(error),
    }
}

/// What no server of gRPC answers, but a proxy before it may.
fn without_status(http: StatusCode) -> Answer {
    let hint = match http.as_u16() {
        404 | 405 | 415 => " (it may not speak gRPC but HTTP, for which there is `otlp_http`)",
        _ => "",
    };
    let error = anyhow::anyhow!("HTTP status {http} and no status of gRPC{hint}");
    match http.as_u16() {
        200 | 429 | 502..=504 => Answer::Later(error, None),
        _ => Answer::Never(error),
    }
}

fn status(headers: &HeaderMap) -> Option<Status> {
    let code = headers.get("grpc-status")?.to_str().ok()?.parse().ok()?;
    let padding = DecodePaddingMode::Indifferent;
    let config = GeneralPurposeConfig::new().with_decode_padding_mode(padding);
    let details = headers.get("grpc-status-details-bin");
    let details = details.and_then(|d| GeneralPurpose::new(&STANDARD, config).decode(d).ok());
    let details = details.map(|bytes| Status::decode(&bytes)).unwrap_or_default();
    let message = headers.get("grpc-message").and_then(|message| message.to_str().ok());
    Some(Status { code, message: plain(message.unwrap_or(&details.message)), ..details })
}

/// Text without its percent signs, and not too much of it.
fn plain(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let byte = tail
            .first_chunk::<2>()
            .filter(|_| *first == b'%')
            .and_then(|hex| std::str::from_utf8(hex).ok())
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        bytes.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { &tail[2..] } else { tail };
    }
    String::from_utf8_lossy(&bytes).chars().take(1000).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_and_texts() {
        assert_eq!(framed(&[7, 8], Compression::Gzip), [1, 0, 0, 0, 2, 7, 8]);
        assert_eq!(framed(&[], Compression::None), [0, 0, 0, 0, 0]);
        assert_eq!(plain("a%20b%C3%A4%zz%"), "a bä%zz%");
    }
}
