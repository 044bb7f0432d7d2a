//! What google/pprof says about profiles: the judge of our numbers.

use std::{
    collections::BTreeMap,
    io::Write,
    path::{Path, PathBuf},
    process::Command,
};

use serde::Deserialize;

use super::go;

/// Files of one command; the length of a command line is limited.
const BATCH: usize = 500;

/// The program `oracle` of `tests/go`.
pub struct Oracle(PathBuf);

/// What a profile adds up to.
#[derive(Debug, Deserialize)]
pub struct Sums {
    /// Why google/pprof refuses the file.
    pub error: Option<String>,
    /// Whether it is in a format that is older than profile.proto.
    #[serde(default)]
    pub legacy: bool,
    /// By name. Of two types of one name the second is called `name#2`.
    #[serde(default)]
    pub types: BTreeMap<String, TypeSums>,
    /// By key and value of a text label, the totals of the types in order.
    #[serde(default)]
    pub labels: BTreeMap<String, BTreeMap<String, Vec<i64>>>,
    /// The same of numeric labels, each value with its unit behind a space.
    #[serde(default)]
    pub numbers: BTreeMap<String, BTreeMap<String, Vec<i64>>>,
    /// Start of the window, nanoseconds since 1970.
    pub time_nanos: i64,
}

/// What one sample type adds up to.
#[derive(Debug, Deserialize)]
pub struct TypeSums {
    pub unit: String,
    /// The sum of the magnitudes of all stacks.
    pub magnitude: i64,
    /// Flat and cumulative value by function.
    pub functions: BTreeMap<String, (i64, i64)>,
}

impl Oracle {
    /// `None` where Go is missing; then that has been said.
    pub fn new() -> Option<Self> {
        go::build("go/cmd/oracle").map(Self)
    }

    /// The sums of each file, in order.
    pub fn sums(&self, files: &[PathBuf]) -> Vec<Sums> {
        let lines = files.chunks(BATCH).map(|files| self.answer(&["sums"], files));
        let all: Vec<Sums> =
            lines.flat_map(|text| text.lines().map(read).collect::<Vec<_>>()).collect();
        assert_eq!(all.len(), files.len());
        all
    }

    /// The sums of what google/pprof merges the files to.
    pub fn merged(&self, files: &[PathBuf]) -> Sums {
        let sums = read(&self.answer(&["sums", "-merge"], files));
        assert_eq!(sums.error, None);
        sums
    }

    fn answer(&self, args: &[&str], files: &[PathBuf]) -> String {
        let args = args.iter().map(Path::new);
        super::output(&self.0, args.chain(files.iter().map(PathBuf::as_path)))
    }

    /// Asserts that both files of each pair say the same.
    pub fn assert_equal(&self, flags: &[&str], pairs: &[(PathBuf, PathBuf)]) {
        let mut list = tempfile::NamedTempFile::new().unwrap();
        for (a, b) in pairs {
            writeln!(list, "{}\t{}", a.display(), b.display()).unwrap();
        }
        let mut command = Command::new(&self.0);
        command.arg("equal").args(flags).arg("-list").arg(list.path());
        let output = command.output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        let head: String = text.chars().take(4_000).collect();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && text.is_empty(), "{head}{error}");
    }
}

fn read(line: &str) -> Sums {
    serde_json::from_str(line).unwrap()
}
