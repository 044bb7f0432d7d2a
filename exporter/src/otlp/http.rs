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

use super::{Answer, Encoding, client};

/// The longest wait that the other end may ask for.
const WAIT_MAX: Duration = Duration::from_secs(3600);

/// Reads the answer to a request.
pub(super) async fn answer(response: Response, encoding: Encoding) -> Answer {
    let http = response.status();
    let (headers, body, _) = match client::whole(response).await {
        Ok(whole) => whole,
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
        Encoding::Proto => Status::decode(&body).message,
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
}
