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
        let hint = hint(refused.reason);
        Self { refused, body: None, hint, retry_after: None, absent: false }
    }

    /// The failure of an exchange that broke.
    pub(super) fn http(error: &reqwest::Error, url: &Url) -> Self {
        let causes = causes(error);
        let mut root = causes.last().map(ToString::to_string).unwrap_or_default();
        let reason = classify(error, &causes, url.scheme() == "https");
        // The system's own words would say the reason again, which stands beside.
        if root.starts_with("Connection refused") {
            root = "nothing listens there".into();
        }
        Self::new(Refused::new(reason, clean(root.as_bytes(), 256)))
    }
}

/// What a person could do about a failure, where the target did not say more than its class.
pub(super) fn hint(reason: Reason) -> Option<&'static str> {
    Some(match reason {
        Reason::ConnectionRefused => {
            "does the program run, does it serve net/http/pprof, and are host and port right?"
        }
        Reason::ConnectionReset => {
            "the program or a proxy ended the connection: did it restart, or is its WriteTimeout \
             shorter than the window?"
        }
        Reason::Dns => "does this name have an address where profpipe runs?",
        Reason::Tls => "are the scheme and `tls_config` right, and is the certificate valid?",
        Reason::Timeout => {
            "is the address reachable, and `timeout` long enough? a stopped or overloaded program \
             does not answer in time either"
        }
        Reason::TargetBusy => "something else takes CPU profiles of this process",
        Reason::Unauthorized => "set `basic_auth` or `authorization`, or other credentials",
        Reason::HttpStatus => "the program or a proxy before it failed: its own log may say why",
        Reason::NotFound => "import net/http/pprof in the program, or set the path",
        Reason::NotPprof => "something other than pprof answers there: are port and path right?",
        Reason::Protocol => "does HTTP answer there? https needs `scheme: https`",
        Reason::SizeLimit | Reason::CountLimit | Reason::MemoryLimit => {
            "the profile is above a limit of the receiver, which the config can raise"
        }
        Reason::RedirectRefused => "redirects are not followed: name the address that it leads to",
        Reason::PipelineFull => "exporters are behind: `profpipe status` says which",
        Reason::EmptyProfile
        | Reason::Truncated
        | Reason::CorruptCompression
        | Reason::Malformed
        | Reason::BadReference
        | Reason::OldWire
        | Reason::Concatenated => return None,
    })
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

    /// Each class of what goes wrong between profpipe and a target.
    #[test]
    fn every_failure_of_a_connection_has_a_hint() {
        for reason in [
            Reason::ConnectionRefused,
            Reason::ConnectionReset,
            Reason::Dns,
            Reason::Tls,
            Reason::Timeout,
            Reason::TargetBusy,
            Reason::Unauthorized,
            Reason::HttpStatus,
            Reason::NotFound,
            Reason::NotPprof,
            Reason::Protocol,
        ] {
            let failure = Failure::new(Refused::new(reason, "why"));
            assert!(failure.hint.is_some_and(|hint| hint.len() > 20), "{reason}");
        }
    }

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
