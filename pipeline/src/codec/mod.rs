//! Bytes to profiles and back. All bytes from outside are read by our own counting readers, so that
//! limits act before memory is taken.

pub mod pprof;
