//! The files of the repository, in memory.

use std::{collections::BTreeMap, path::Path, process::Command};

use crate::support::skip;

/// Paths from the root of the repository, each with what it holds.
#[derive(Default)]
pub struct Tree {
    files: BTreeMap<String, Vec<u8>>,
}

impl Tree {
    /// What git has, and what it would have after `git add`; none where git is missing.
    pub fn of_git() -> Option<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let listed = Command::new("git")
            .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
            .current_dir(root)
            .output();
        let listed = listed.ok().filter(|output| output.status.success());
        let Some(listed) = listed else {
            skip("git, or the repository it would list,");
            return None;
        };
        let listed = String::from_utf8(listed.stdout).expect("names of our files are text");
        let mut tree = Self::default();
        for path in listed.split_terminator('\0') {
            // A file that was removed is listed until that is committed.
            let Ok(bytes) = std::fs::read(root.join(path)) else { continue };
            tree.files.insert(path.into(), bytes);
        }
        assert!(tree.files.len() > 100, "git lists {} files", tree.files.len());
        Some(tree)
    }

    /// Adds a file, or replaces it.
    pub fn put(&mut self, path: &str, text: &str) {
        self.files.insert(path.into(), text.into());
    }

    /// All files.
    pub fn files(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.files.iter().map(|(path, bytes)| (path.as_str(), bytes.as_slice()))
    }

    /// Files that people write: text, and neither built nor locked by a tool.
    pub fn texts(&self) -> impl Iterator<Item = (&str, &str)> {
        let by_people = |path: &str| {
            let locks = ["Cargo.lock", "package-lock.json", "go.sum"];
            !path.contains("/dist/") && !locks.iter().any(|lock| path.ends_with(lock))
        };
        self.files().filter_map(move |(path, bytes)| {
            by_people(path).then(|| Some((path, std::str::from_utf8(bytes).ok()?))).flatten()
        })
    }

    /// The text of one file; empty where it is not there.
    pub fn text(&self, path: &str) -> &str {
        let bytes = self.files.get(path).map(Vec::as_slice).unwrap_or_default();
        std::str::from_utf8(bytes).unwrap_or_default()
    }
}
