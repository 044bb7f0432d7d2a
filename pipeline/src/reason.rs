//! Why something was refused or failed: one closed list that logs, metrics, pages and docs share.

use std::fmt;

/// A class of failure. `as_str` is the value of the label `reason` everywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reason {
    /// No bytes, or nothing in them.
    EmptyProfile,
    /// The input ends in the middle of something.
    Truncated,
    /// The gzip or zstd stream is damaged.
    CorruptCompression,
    /// More bytes than the limit allows, on the wire or after inflation.
    SizeLimit,
    /// More bytes than there was memory for while others came in.
    MemoryLimit,
    /// More entries of a kind than the limit allows.
    CountLimit,
    /// Not the encoding of a profile.
    Malformed,
    /// An id or an index names nothing.
    BadReference,
    /// OTLP profiles of a version that gave fields other numbers.
    OldWire,
    /// Two profiles behind each other in one body.
    Concatenated,
    /// Something else that answers: HTML, text, a legacy format, a trace.
    NotPprof,
    /// The name of the target has no address.
    Dns,
    /// Nobody listens.
    ConnectionRefused,
    /// The connection broke.
    ConnectionReset,
    /// The certificate or handshake failed.
    Tls,
    /// The target took longer than its time limit.
    Timeout,
    /// The target answered with a redirect, which is not followed.
    RedirectRefused,
    /// Another CPU profile of the process is under way.
    TargetBusy,
    /// The target has no such profile.
    NotFound,
    /// Credentials are wanted, or other ones: by a target of us, or by us of a sender.
    Unauthorized,
    /// Any other status than 200.
    HttpStatus,
    /// The answer is not HTTP as it should be.
    Protocol,
    /// The pipeline is full.
    PipelineFull,
}

impl Reason {
    /// The name of the reason: lower case, words joined by `_`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::EmptyProfile => "empty_profile",
            Self::Truncated => "truncated",
            Self::CorruptCompression => "corrupt_compression",
            Self::SizeLimit => "size_limit",
            Self::MemoryLimit => "memory_limit",
            Self::CountLimit => "count_limit",
            Self::Malformed => "malformed",
            Self::BadReference => "bad_reference",
            Self::OldWire => "old_wire",
            Self::Concatenated => "concatenated",
            Self::NotPprof => "not_pprof",
            Self::Dns => "dns",
            Self::ConnectionRefused => "connection_refused",
            Self::ConnectionReset => "connection_reset",
            Self::Tls => "tls",
            Self::Timeout => "timeout",
            Self::RedirectRefused => "redirect_refused",
            Self::TargetBusy => "target_busy",
            Self::NotFound => "not_found",
            Self::Unauthorized => "unauthorized",
            Self::HttpStatus => "http_status",
            Self::Protocol => "protocol_error",
            Self::PipelineFull => "pipeline_full",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why the bytes of a profile were refused, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The class of the failure.
    pub reason: Reason,
    /// What exactly, for a person: lower case, no final dot.
    pub detail: String,
    /// Byte offset in the inflated profile, where there is one.
    pub offset: Option<u64>,
}

impl Refused {
    /// A refusal that has no place in the input.
    pub fn new(reason: Reason, detail: impl Into<String>) -> Self {
        Self { reason, detail: detail.into(), offset: None }
    }

    /// The same refusal with the byte offset at which it was found.
    #[must_use]
    pub fn at(mut self, offset: usize) -> Self {
        self.offset.get_or_insert(offset as u64);
        self
    }

    /// What exactly and where, for places that name the reason beside it.
    pub fn text(&self) -> String {
        match self.offset {
            Some(offset) => format!("{} at byte {offset}", self.detail),
            None => self.detail.clone(),
        }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.reason, self.text())
    }
}

impl std::error::Error for Refused {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_reason_detail_and_place() {
        let refused = Refused::new(Reason::BadReference, "location 7 is not there");
        assert_eq!(refused.to_string(), "bad_reference: location 7 is not there");
        let placed = refused.at(12).at(99);
        assert_eq!(placed.to_string(), "bad_reference: location 7 is not there at byte 12");
    }
}
