//! The receiver as a whole against targets on this machine, well-behaved and otherwise.

mod deltas;
mod fake;
mod go;
mod hostile;
mod running;
mod tls;
