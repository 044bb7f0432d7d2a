//! Stand-ins for tests of this and other crates: a disk that can lose power, and a seeded source of
//! chance. Compiled for tests only (feature `testing`).

mod rng;
mod sim_disk;
mod sim_files;

pub use rng::Rng;
pub use sim_disk::{Lies, SimDisk};
