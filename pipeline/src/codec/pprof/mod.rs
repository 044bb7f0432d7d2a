//! The pprof format: the protobuf message of
//! <https://github.com/google/pprof/blob/main/proto/profile.proto>, with gzip or zstd around it.
//!
//! A profile is read in two passes: the first notes where each message is and counts them against
//! the limits, the second reads tables in the order of their dependencies, because writers put
//! samples before what they refer to.

mod decode;
mod encode;
mod ids;
#[cfg(test)]
mod limit_tests;
mod scan;
mod sniff;
mod tables;
#[cfg(test)]
mod tests;

pub use decode::{Decoder, decode};
pub use encode::{encode, encode_raw};
