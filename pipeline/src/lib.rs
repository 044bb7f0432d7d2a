//! The core of profpipe: the profile model, codecs between bytes and profiles, pictures of stacks,
//! component traits, the engine that joins components, and the spool that keeps what was accepted.
//!
//! It opens no socket and knows no Kubernetes.

pub mod codec;
pub mod component;
pub mod engine;
pub mod limits;
pub mod picture;
pub mod profile;
pub mod quantity;
pub mod reason;
pub mod receipt;
pub mod settings;
pub mod spool;
pub mod storage;
pub mod target;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
