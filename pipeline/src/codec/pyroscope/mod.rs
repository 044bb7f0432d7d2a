//! What agents of Pyroscope push: the requests `POST /ingest` and `push.v1.PusherService/Push` as
//! `pkg/ingester` and `api/push/v1/push.proto` of <https://github.com/grafana/pyroscope> have them
//! and as <https://github.com/grafana/pyroscope-go> sends them.
//!
//! The profiles inside are pprof, which the decoder of [`crate::codec::pprof`] reads; around it
//! stand labels, which become resource attributes, and marks of what is a delta already.

mod complete;
mod folded;
mod ingest;
mod labels;
mod multipart;
mod name;
mod push;
#[cfg(test)]
mod tests;

pub use ingest::{Format, Ingest};

use super::{inflate::Inflater, otlp::Decoded, pprof};
use crate::{
    limits::Limits,
    reason::{Reason, Refused},
};

/// Memory that is kept from request to request; above it, it is given back.
const KEPT_BYTES_MAX: usize = 1 << 20;
/// Profiles of one request that may be refused for their size: each may have cost as much as all of
/// the others together.
const TOO_LARGE_MAX: usize = 2;

/// Reads requests, and keeps its buffers from one to the next.
#[derive(Default)]
pub struct Decoder {
    inflater: Inflater,
    pprof: pprof::Decoder,
}

impl Decoder {
    /// Reads the body of `POST /ingest`, plain, in gzip or in zstd.
    ///
    /// # Errors
    /// Where the body is not what the request says, or is over a limit.
    pub fn ingest(
        &mut self,
        body: &[u8],
        request: &Ingest,
        limits: &Limits,
    ) -> Result<Decoded, Refused> {
        let Self { inflater, pprof } = self;
        let profiles = inflated(inflater, body, limits)
            .and_then(|(bytes, length)| request.read(&bytes[..length], pprof, limits));
        inflater.shrink(KEPT_BYTES_MAX);
        Ok(Decoded { profiles: profiles?, ..Decoded::default() })
    }

    /// Reads a `PushRequest` in protobuf, plain, in gzip or in zstd. A profile that cannot be read
    /// does not stop the others.
    ///
    /// # Errors
    /// Where the message is none, has no profile at all, or is over a limit.
    pub fn push(&mut self, body: &[u8], limits: &Limits) -> Result<Decoded, Refused> {
        let Self { inflater, pprof } = self;
        let decoded = inflated(inflater, body, limits)
            .and_then(|(bytes, length)| push::read(bytes, length, pprof, limits));
        inflater.shrink(KEPT_BYTES_MAX);
        decoded
    }

    /// Reads a `PushRequest` in JSON.
    ///
    /// # Errors
    /// As [`Decoder::push`].
    pub fn push_json(&mut self, body: &[u8], limits: &Limits) -> Result<Decoded, Refused> {
        let Self { inflater, pprof } = self;
        let bytes_max = bytes_max(limits);
        let message = inflated(inflater, body, limits)
            .and_then(|(bytes, length)| push::from_json(&bytes[..length], bytes_max));
        inflater.shrink(KEPT_BYTES_MAX);
        let message = message?;
        push::read(&message, message.len(), pprof, limits)
    }
}

/// The inflated body with zeros behind it, and its length.
fn inflated<'i>(
    inflater: &'i mut Inflater,
    body: &[u8],
    limits: &Limits,
) -> Result<(&'i [u8], usize), Refused> {
    if body.len() > limits.body_bytes_max {
        let detail = format!("a body of more than {} bytes", limits.body_bytes_max);
        return Err(Refused::new(Reason::SizeLimit, detail));
    }
    inflater.inflate(body, bytes_max(limits))
}

/// Offsets are of 32 bits.
fn bytes_max(limits: &Limits) -> usize {
    limits.inflated_bytes_max.min(i32::MAX as usize)
}
