//! Why a scrape failed: the class of an HTTP error, and text from outside made fit to be shown.

use std::{error::Error, io, time::Duration};

use pipeline::reason::{Reason, Refused};
use reqwest::Url;

/// A scrape that gave no profile.
#[derive(Debug)]
pub(super) struct Failure {
    /// Its class and what exactly happened.
    pub refused: Refused,
    /// The start of what the target answered, cleaned.
    pub body: Option<String>,
    /// What a person could do about it.
    pub hint: Option<&'static str>,
    /// How long the target asks to be left alone.
    pub retry_after: Option<Duration>,
    /// The program itself says that it has no such profile, which only another start can change.
    pub absent: bool,
}

impl Failure {
    /// A failure without more to say.
    pub(super) fn new(refused: Refused) -> Self {
        Self { refused, body: None, hint: None, retry_after: None, absent: false }
    }

    /// The failure of an exchange that broke.
    pub(super) fn http(error: &reqwest::Error, url: &Url) -> Self {
        let causes = causes(error);
        let root = causes.last().map(ToString::to_string).unwrap_or_default();
        let reason = classify(error, &causes, url.scheme() == "https");
        Self::new(Refused::new(reason, clean(root.as_bytes(), 256)))
    }
}

/// An error as its causes hand it on.
type Cause = dyn Error + 'static;

/// The error and what lies below it, the root last.
fn causes(error: &reqwest::Error) -> Vec<&Cause> {
    let mut causes: Vec<&Cause> = vec![error];
    let mut below = error.source();
    while let Some(cause) = below {
        causes.push(cause);
        below = cause.source();
    }
    causes
}

/// The class of an error. The HTTP library keeps its kinds to itself, so some are known by their
/// text; a test for each shows when that changes.
fn classify(error: &reqwest::Error, causes: &[&Cause], tls: bool) -> Reason {
    let says = |text: &str| causes.iter().any(|cause| cause.to_string().contains(text));
    let mut kinds = causes.iter().filter_map(|cause| cause.downcast_ref()).map(io::Error::kind);
    let kind = kinds.next_back().unwrap_or(io::ErrorKind::Other);
    if says("dns error") {
        return Reason::Dns;
    }
    if error.is_timeout() {
        return Reason::Timeout;
    }
    match kind {
        io::ErrorKind::ConnectionRefused
        | io::ErrorKind::HostUnreachable
        | io::ErrorKind::NetworkUnreachable => Reason::ConnectionRefused,
        io::ErrorKind::TimedOut => Reason::Timeout,
        _ if tls && error.is_connect() => Reason::Tls,
        io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted
        | io::ErrorKind::BrokenPipe
        | io::ErrorKind::UnexpectedEof => Reason::ConnectionReset,
        _ if says("connection closed before message completed") => Reason::ConnectionReset,
        _ => Reason::Protocol,
    }
}

/// Text from outside for people: at most `bytes_max` bytes, no control characters, and none that
/// turn the direction of writing.
pub(super) fn clean(bytes: &[u8], bytes_max: usize) -> String {
    let text = String::from_utf8_lossy(bytes);
    let text = &text[..text.floor_char_boundary(bytes_max)];
    let turns = |c: char| {
        matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}')
            || matches!(c, '\u{2060}'..='\u{2069}' | '\u{feff}')
    };
    let kept = text.chars().map(|c| if c.is_whitespace() { ' ' } else { c });
    let kept: String = kept.filter(|c| !c.is_control() && !turns(*c)).collect();
    kept.trim().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_from_outside_is_harmless() {
        for (bytes, want) in [
            (&b" plain\r\n"[..], "plain"),
            (b"a\x1b[31m\0b\nc", "a[31mb c"),
            ("a\u{202e}b\u{2066}c\u{feff}".as_bytes(), "abc"),
            (b"\xff", "\u{fffd}"),
        ] {
            assert_eq!(clean(bytes, 512), want);
        }
        assert_eq!(clean("ää".as_bytes(), 3), "ä");
    }
}
