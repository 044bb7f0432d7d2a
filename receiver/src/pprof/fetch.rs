//! One HTTP exchange with a target, in which nothing is trusted: bytes and time are limited while
//! they come in.

use std::time::Duration;

use futures_util::StreamExt;
use pipeline::reason::{Reason, Refused};
use reqwest::{Response, Url, header};

use super::{
    client::Clients,
    failure::{self, Failure, clean},
    http::HttpSettings,
};
use crate::{body::Body, budget::Share};

/// How long the start of an error page may take.
const ERROR_BODY_TIMEOUT: Duration = Duration::from_secs(1);

/// Bytes of an error page that are shown.
const ERROR_BODY_BYTES_MAX: usize = 512;

/// Asks targets for profiles; one for all targets of a receiver.
pub(super) struct Fetcher {
    clients: Clients,
    body_bytes_max: usize,
}

/// What is asked, and how long it may take.
pub(super) struct Question<'a> {
    pub url: &'a Url,
    pub http: &'a HttpSettings,
    /// Time that the target has reason to wait before it answers.
    pub window: Duration,
    /// Time beyond it for the whole exchange; half of it for the head, and for each piece of the
    /// body.
    pub timeout: Duration,
}

impl Fetcher {
    /// A fetcher that takes bodies of at most this many bytes. Fails where HTTP cannot be set up.
    pub(super) fn new(body_bytes_max: usize) -> anyhow::Result<Self> {
        Ok(Self { clients: Clients::new()?, body_bytes_max })
    }

    /// The body of a 200; `share` grows with it.
    pub(super) async fn fetch(
        &self,
        question: &Question<'_>,
        share: &mut Share,
    ) -> Result<Vec<u8>, Failure> {
        let total = question.window + question.timeout;
        match tokio::time::timeout(total, self.exchange(question, share)).await {
            Ok(result) => result,
            Err(_) => Err(late(format!("no whole answer within {total:?}"))),
        }
    }

    async fn exchange(
        &self,
        question: &Question<'_>,
        share: &mut Share,
    ) -> Result<Vec<u8>, Failure> {
        let Question { url, http, window, timeout } = *question;
        let idle = timeout / 2;
        let request = self.clients.request(url, http).await?;
        let sent = tokio::time::timeout(window + idle, request.send()).await;
        let response = match sent {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => return Err(Failure::http(&error, url)),
            Err(_) => return Err(late(format!("no answer within {:?}", window + idle))),
        };
        if response.status() != reqwest::StatusCode::OK {
            return Err(refusal(response).await);
        }
        self.body(response, question, share).await
    }

    async fn body(
        &self,
        response: Response,
        question: &Question<'_>,
        share: &mut Share,
    ) -> Result<Vec<u8>, Failure> {
        let max = self.body_bytes_max;
        let too_large = || {
            let detail = format!("more than {max} bytes on the wire");
            Failure::new(Refused::new(Reason::SizeLimit, detail))
        };
        let announced = response.content_length().unwrap_or(0);
        if announced > max as u64 {
            return Err(too_large());
        }
        let idle = question.timeout / 2;
        let mut body = Body::default();
        body.expect(announced as usize, share).await.map_err(Failure::new)?;
        let mut pieces = response.bytes_stream();
        loop {
            let piece = tokio::select! {
                piece = tokio::time::timeout(idle, pieces.next()) => piece,
                refused = share.given_up() => return Err(Failure::new(refused)),
            };
            let piece = match piece {
                Ok(Some(piece)) => piece.map_err(|error| Failure::http(&error, question.url))?,
                Ok(None) => return Ok(body.finish()),
                Err(_) => return Err(late(format!("silent for {idle:?} in the body"))),
            };
            if body.len() + piece.len() > max {
                return Err(too_large());
            }
            body.push(&piece, share).await.map_err(Failure::new)?;
        }
    }
}

fn late(detail: String) -> Failure {
    Failure::new(Refused::new(Reason::Timeout, detail))
}

/// What an answer that is no 200 means.
async fn refusal(response: Response) -> Failure {
    let status = response.status();
    let text = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
    let retry_after = text(header::RETRY_AFTER).and_then(|seconds| seconds.trim().parse().ok());
    let elsewhere = text(header::LOCATION).and_then(|url| response.url().join(url).ok());
    let elsewhere = elsewhere.and_then(|url| url.host_str().map(String::from));
    let is_go = response.headers().contains_key("x-go-pprof");
    let body = start_of_body(response).await;
    let of = failure::hint;
    let (reason, detail, hint) = match status.as_u16() {
        300..=399 => {
            let host = elsewhere.unwrap_or_else(|| "nowhere".into());
            (Reason::RedirectRefused, format!("{status} to {host}"), of(Reason::RedirectRefused))
        }
        401 | 403 => (Reason::Unauthorized, status.to_string(), of(Reason::Unauthorized)),
        404 if is_go => (Reason::NotFound, "the program has no such profile".into(), None),
        404 => (Reason::NotFound, status.to_string(), of(Reason::NotFound)),
        400 if body.contains("WriteTimeout") => {
            (Reason::HttpStatus, status.to_string(), Some(HINT_WRITE_TIMEOUT))
        }
        500 if body.contains("already in use") => {
            (Reason::TargetBusy, "cpu profiling already in use".into(), of(Reason::TargetBusy))
        }
        _ => (Reason::HttpStatus, status.to_string(), of(Reason::HttpStatus)),
    };
    Failure {
        refused: Refused::new(reason, detail),
        body: (!body.is_empty()).then_some(body),
        hint,
        retry_after: retry_after.map(Duration::from_secs),
        absent: status == reqwest::StatusCode::NOT_FOUND && is_go,
    }
}

const HINT_WRITE_TIMEOUT: &str =
    "the WriteTimeout of the program's server is shorter than the window: set fewer seconds";

/// The start of an error page, for people; empty if it does not come soon.
async fn start_of_body(response: Response) -> String {
    let mut start = Vec::new();
    let mut pieces = response.bytes_stream();
    let read = async {
        while let Some(Ok(piece)) = pieces.next().await {
            start.extend_from_slice(&piece[..piece.len().min(ERROR_BODY_BYTES_MAX)]);
            if start.len() >= ERROR_BODY_BYTES_MAX {
                break;
            }
        }
    };
    let _ = tokio::time::timeout(ERROR_BODY_TIMEOUT, read).await; // What came by then is shown.
    start.truncate(ERROR_BODY_BYTES_MAX);
    clean(&start, ERROR_BODY_BYTES_MAX)
}
