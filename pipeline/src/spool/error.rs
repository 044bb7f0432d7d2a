//! What can go wrong with a spool, as far as callers tell cases apart.

use std::io;
use std::path::{Path, PathBuf};

/// Why a call to the spool failed.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// No room under the policy `block`: the sender should try again later.
    #[error("the spool is full")]
    Full,
    /// The disk refuses to keep data; the spool tries again by itself about once a second.
    #[error("the spool cannot write to its disk: {0}")]
    NotWritable(String),
    /// A record or group of records is over a limit of the config; trying again is useless.
    #[error("{what} of {value} is over the limit of {limit}")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// Its size.
        value: u64,
        /// What is allowed.
        limit: u64,
    },
    /// A file was written by a newer version of this program; it is left as it is.
    #[error("{} has format version {version}, newer than {known}", file.display())]
    NewerVersion {
        /// The file.
        file: PathBuf,
        /// Its version.
        version: u32,
        /// The newest version that this program knows.
        known: u32,
    },
    /// An exporter name that is empty or longer than 80 bytes.
    #[error("exporter name {0:?} must have 1 to 80 bytes")]
    BadName(String),
    /// No exporter of that name was declared.
    #[error("the spool has no exporter {0:?}")]
    UnknownExporter(String),
    /// The exporter already has a reader.
    #[error("exporter {0:?} is being read already")]
    Busy(String),
    /// The caller broke the order of calls: a range that was not read, or a second plan.
    #[error("sequence numbers {start}..{end} cannot be {action} now")]
    OutOfOrder {
        /// What the caller asked for.
        action: &'static str,
        /// First sequence number.
        start: u64,
        /// End of the range, itself not part of it.
        end: u64,
    },
    /// A call to the disk failed.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which path.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl SpoolError {
    /// Whether the cause is a full disk or quota.
    pub(super) fn is_disk_full(&self) -> bool {
        matches!(self, Self::Io { source, .. } if crate::storage::is_full(source))
    }
}

/// Names the action and path of a failed call, for use with `map_err`.
pub(super) fn io_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> SpoolError {
    move |source| SpoolError::Io { action, path: path.into(), source }
}

/// The medium itself cannot give the bytes; any other error may pass.
pub(super) fn is_media_error(error: &io::Error) -> bool {
    error.raw_os_error() == Some(rustix::io::Errno::IO.raw_os_error())
}
