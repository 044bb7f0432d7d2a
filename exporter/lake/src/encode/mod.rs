//! Tables to Parquet bytes. Pages are made here from runs of codes; parquet-rs writes headers and
//! footer. Its own writer would hash the string of every row again, at five times the cost.

mod column;
mod delta;
mod dict;
mod file;
mod hybrid;
mod runs;
mod stats;
#[cfg(test)]
mod tests;

pub use column::{ColumnData, Numbers, Sets};
pub use dict::{Dict, IdCoder, IntCoder, Scratch};
pub use file::{Encoder, FileInfo};
pub use runs::{NULL, Runs};
