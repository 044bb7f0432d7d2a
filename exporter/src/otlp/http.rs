//! Answers of OTLP over HTTP. Which are worth another try is as
//! `docs/specification.md` of the protocol has it (Failures).

use std::time::{Duration, SystemTime};

use pipeline::codec::otlp::{
    answer::{Status, read_response},
    json,
};
use reqwest::{
    Response,
    header::{HeaderMap, RETRY_AFTER},
};

use super::{
    Answer, Encoding,
    client::{self, Whole},
};

/// The longest wait that the other end may ask for.
const WAIT_MAX: Duration = Duration::from_secs(3600);

/// Reads the answer to a request.
pub(super) async fn answer(response: Response, encoding: Encoding) -> Answer {
    let http = response.status();
    let Whole { headers, body, .. } = match client::whole(response).await {
        Ok(whole) => whole,
        // Taken, whatever else it says.
        Err(_) if http.is_success() => return Answer::Taken(0, String::new()),
        Err(error) => return Answer::Later(error, None),
    };
    if http.is_success() {
        let (rejected, reason) = match encoding {
            Encoding::Proto => read_response(&body),
            Encoding::Json => json::read_response(&body),
        };
        return Answer::Taken(rejected, reason);
    }
    let said = match encoding {
        Encoding::Proto => Some(Status::decode(&body).message)
            .filter(|message| !message.is_empty())
            .unwrap_or_else(|| text(&body)),
        Encoding::Json => String::from_utf8_lossy(&body).into_owned(),
    };
    let said: String = said.chars().take(1000).collect();
    let error = anyhow::anyhow!("HTTP status {http}: {said}");
    match http.as_u16() {
        429 | 502..=504 => Answer::Later(error, retry_after(&headers)),
        413 => Answer::TooLarge(error),
        _ => Answer::Never(error),
    }
}

/// What a proxy says, which knows of no protobuf; nothing where it is no text.
fn text(body: &[u8]) -> String {
    let text = str::from_utf8(body).unwrap_or_default().trim();
    let is_text = !text.contains(|c: char| c.is_control() && !c.is_whitespace());
    if is_text { text.to_owned() } else { String::new() }
}

/// Seconds, or a date.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = match text.parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let date = httpdate::parse_http_date(text).ok()?;
            date.duration_since(SystemTime::now()).unwrap_or_default()
        }
    };
    Some(wait.min(WAIT_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_seconds_or_dates() {
        let wait = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, text.parse().unwrap());
            retry_after(&headers)
        };
        assert_eq!(wait("7"), Some(Duration::from_secs(7)));
        assert_eq!(wait("99999999"), Some(WAIT_MAX));
        assert_eq!(wait("Wed, 21 Oct 2015 07:28:00 GMT"), Some(Duration::ZERO));
        assert_eq!(wait("soon"), None);
    }

    #[test]
    fn what_a_proxy_says_is_told_and_bytes_are_not() {
        assert_eq!(text(b" request entity too large\n"), "request entity too large");
        assert_eq!(text(b"<html>\n\tno\n</html>"), "<html>\n\tno\n</html>");
        assert_eq!([text(b"\x08\x01ab"), text(b"\xff\xfe"), text(b"")], [""; 3]);
    }
}
