//! What there is to scrape in a Go process: one table of names, paths and manners. A name that is
//! not here is a custom profile and needs a path.

/// Seconds of a window, at most: whoever needs more wants several.
pub const SECONDS_MAX: u32 = 3_600;

/// What is wrong with a window of so many seconds.
pub fn check_seconds(seconds: u32) -> Result<(), String> {
    match seconds {
        1..=SECONDS_MAX => Ok(()),
        _ => Err(format!("must be 1 to {SECONDS_MAX} for a window, and is {seconds}")),
    }
}

/// Seconds of a window where none are set.
pub const SECONDS_DEFAULT: u32 = 10;

/// Seconds from snapshot to snapshot where nothing is set.
pub const SNAPSHOT_INTERVAL_DEFAULT_S: u64 = 60;

/// A profile that `net/http/pprof` serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    /// How configs name it.
    pub key: &'static str,
    /// How it is stored: two keys with one name are one profile.
    pub name: &'static str,
    /// Where a Go process serves it.
    pub path: &'static str,
    /// Whether it is measured over `?seconds=`. On all others Go would subtract gauges, too
    /// (golang/go#57765), so they are asked for snapshots.
    pub windowed: bool,
}

/// All profiles that need no path in a config.
pub const KINDS: [Kind; 8] = [
    snapshot("allocs", "heap", "/debug/pprof/heap"),
    snapshot("block", "block", "/debug/pprof/block"),
    Kind { key: "cpu", name: "cpu", path: "/debug/pprof/profile", windowed: true },
    snapshot("goroutine", "goroutine", "/debug/pprof/goroutine"),
    snapshot("heap", "heap", "/debug/pprof/heap"),
    snapshot("mutex", "mutex", "/debug/pprof/mutex"),
    Kind { key: "profile", name: "cpu", path: "/debug/pprof/profile", windowed: true },
    snapshot("threadcreate", "threadcreate", "/debug/pprof/threadcreate"),
];

const fn snapshot(key: &'static str, name: &'static str, path: &'static str) -> Kind {
    Kind { key, name, path, windowed: false }
}

/// The kind of this key, if it is none of a user's own.
pub fn find(key: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| kind.key == key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_names_of_one_profile_lead_to_one_place() {
        for (one, other) in [("cpu", "profile"), ("heap", "allocs")] {
            let (one, other) = (find(one).unwrap(), find(other).unwrap());
            assert_eq!((one.name, one.path), (other.name, other.path));
        }
        assert_eq!(find("trace"), None);
        assert!(KINDS.iter().all(|kind| kind.windowed == (kind.name == "cpu")));
    }
}
