//! The pprof format: protobuf, gzip or zstd around it.

use crate::{
    limits::Limits,
    profile::Profile,
    reason::{Reason, Refused},
};

/// Reads a profile from the body that a process or a file gives: gzip of any number of members,
/// zstd, or plain protobuf. `meta.name`, temporalities and default type are set from the content;
/// resource and origin are left empty.
pub fn decode(body: &[u8], _limits: &Limits) -> Result<Profile, Refused> {
    Err(Refused::new(Reason::EmptyProfile, format!("{} bytes", body.len())))
}
