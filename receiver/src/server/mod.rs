//! What receivers that are pushed to share: ports, connections, TLS, answers of gRPC, and the way
//! of a request to the spool.

mod counts;
pub(crate) mod grpc;
mod hello;
pub(crate) mod intake;
mod keepalive;
mod listeners;
pub(crate) mod port;
pub(crate) mod serve;
pub(crate) mod tls;

pub use counts::{PushCounts, PushMetrics};
pub(crate) use keepalive::Lifetime;
pub use keepalive::{EnforcementPolicy, Keepalive, ServerParameters};
pub(crate) use listeners::{Accepting, Listener, Peer};
pub use listeners::{Listeners, Place};
pub use port::Tls;
