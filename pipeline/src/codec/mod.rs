//! Bytes to profiles and back. All bytes from outside are read by our own counting readers, so that
//! limits act before memory is taken.

mod inflate;
pub mod otlp;
pub mod pprof;
pub mod pyroscope;
pub mod record;
#[cfg(test)]
mod samples;
mod wire;
