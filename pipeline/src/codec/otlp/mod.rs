//! OTLP profiles, version 1.10 of the protocol, as
//! `opentelemetry/proto/profiles/v1development/profiles.proto` of
//! <https://github.com/open-telemetry/opentelemetry-proto/tree/v1.10.0> has them, with the
//! attributes of `docs/general/profiles.md` of
//! <https://github.com/open-telemetry/semantic-conventions>.
//!
//! OTLP has one sample type a profile and one dictionary a request; a [`crate::profile::Profile`]
//! has all types of its samples and tables of its own. What OTLP says beyond pprof is kept in
//! [`crate::profile::Extra`], so that what came by OTLP leaves as it came.

pub mod answer;
mod build;
pub mod check;
mod decode;
mod dictionary;
mod encode;
mod header;
pub mod json;
mod json_write;
pub mod kept;
mod labels;
mod part;
mod rows;
pub(in crate::codec) mod schema;
mod split;
mod tables;
mod touched;
mod values;
mod weigh;

pub use decode::{Decoded, Decoder};
pub use encode::{Encoder, encode};
pub use kept::Kept;
pub use split::{Position, Request, next_request};
pub use weigh::Weight;
#[cfg(test)]
mod tests;
