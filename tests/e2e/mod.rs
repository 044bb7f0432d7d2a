//! profpipe beside a real OpenTelemetry Collector, which `make e2e-otlp` runs alone: what goes
//! through it comes out as it went in, and whatever happens to it, nothing is lost.

mod chain;
mod compressions;
mod debug;
mod faults;
mod files;
mod limits;
mod names;
mod sockets;
mod through;
