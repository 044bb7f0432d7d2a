//! Why a question has no answer.

use std::{fmt, io, path::PathBuf};

use pipeline::profile::ProfileId;
use thiserror::Error;

use crate::time::{Moment, TimeRange};

/// Services that an error names at most.
const NAMED_MAX: usize = 10;

/// Why a question has no answer.
#[derive(Debug, Error)]
pub enum Error {
    /// A part of the selection does not fit what the lake has.
    #[error("{message}")]
    Input {
        /// The parameter: `type`, `service`, `by`.
        field: &'static str,
        /// What is wrong with it, and what would do.
        message: String,
    },
    /// There is no profile with this identity.
    #[error("there is no profile {0}")]
    NoProfile(ProfileId),
    /// Nothing was profiled in the range.
    #[error("{0}")]
    Empty(Box<Empty>),
    /// Somebody set the stop of the allowance.
    #[error("stopped")]
    Stopped,
    /// The deadline of the allowance passed.
    #[error("the answer took too long: ask for a shorter range")]
    TooSlow,
    /// The answer needs more memory than allowed.
    #[error("the answer needs more than {} MiB: ask for a shorter range", .bytes_max >> 20)]
    TooLarge {
        /// The allowance.
        bytes_max: usize,
    },
    /// The lake could not be listed.
    #[error("read the lake {}", .path.display())]
    Io {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// An empty range, and where there is something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Empty {
    /// What was asked for.
    pub range: TimeRange,
    /// The service that was asked for.
    pub service: Option<String>,
    /// Services that have data at any time, by name, with the start of their first and last window
    /// in microseconds since 1970.
    pub services: Vec<(String, i64, i64)>,
}

impl fmt::Display for Empty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.services.is_empty() {
            return f.write_str("the lake holds no profiles yet");
        }
        f.write_str("no profiles")?;
        if let Some(service) = &self.service {
            write!(f, " of service `{service}`")?;
        }
        write!(f, " in {}; there are profiles of ", self.range)?;
        for (i, (service, first_us, last_us)) in self.services.iter().take(NAMED_MAX).enumerate() {
            let comma = if i > 0 { ", " } else { "" };
            write!(f, "{comma}{service} ({} to {})", Moment(*first_us), Moment(*last_us))?;
        }
        match self.services.len().saturating_sub(NAMED_MAX) {
            0 => Ok(()),
            more => write!(f, " and {more} more services"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_range_says_where_there_is_something() {
        let mut empty = Empty { range: TimeRange::ALL, service: None, services: vec![] };
        assert_eq!(empty.to_string(), "the lake holds no profiles yet");
        empty.services = vec![("orders".into(), 0, 3_600_000_000)];
        empty.service = Some("order".into());
        empty.range = TimeRange { from_us: 0, to_us: 1_000_000 };
        assert_eq!(
            Error::Empty(Box::new(empty.clone())).to_string(),
            "no profiles of service `order` in 1970-01-01T00:00:00Z to 1970-01-01T00:00:01Z; there \
             are profiles of orders (1970-01-01T00:00:00Z to 1970-01-01T01:00:00Z)"
        );
        empty.services = vec![("s".into(), 0, 0); 12];
        assert!(empty.to_string().ends_with(" and 2 more services"));
    }
}
