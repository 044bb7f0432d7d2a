//! Commands of the binary that come to an end, and what they answer.

use std::{collections::BTreeMap, ffi::OsStr, path::Path, process::Command};

use serde::Deserialize;

/// How a command ended.
#[derive(Debug)]
pub struct Ran {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

/// Runs a command of the binary to its end.
pub fn profpipe(args: impl IntoIterator<Item: AsRef<OsStr>>) -> Ran {
    let mut command = Command::new(env!("CARGO_BIN_EXE_profpipe"));
    let output = command.args(args).env_remove("PROFPIPE_DATA_DIR").output().unwrap();
    Ran {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

impl Ran {
    /// What it printed; it must have succeeded.
    #[track_caller]
    pub fn ok(self) -> String {
        assert_eq!(self.code, Some(0), "{}", self.stderr);
        self.stdout
    }
}

/// `profpipe import` of files into a lake as one service.
pub fn import(lake: &Path, service: &str, files: &[impl AsRef<Path>]) -> Ran {
    let args = ["import".as_ref(), "--service".as_ref(), service.as_ref(), "--lake".as_ref()];
    let args: [&OsStr; 4] = args;
    let files = files.iter().map(|file| file.as_ref().as_os_str());
    profpipe(args.into_iter().chain([lake.as_os_str()]).chain(files))
}

/// Functions by name, with their flat and cumulative values; those of 0 and 0 are left out.
pub type Rows = BTreeMap<String, (i64, i64)>;

/// What `top` says.
#[derive(Debug, PartialEq, Eq)]
pub struct Top {
    pub unit: String,
    pub total: i64,
    pub rows: Rows,
}

/// `profpipe top` of all functions; `args` say of what.
#[track_caller]
pub fn top(args: &[&str]) -> Top {
    #[derive(Deserialize)]
    struct Row {
        function: String,
        flat: i64,
        cum: i64,
    }
    #[derive(Deserialize)]
    struct Answer {
        unit: String,
        total: i64,
        rows: Vec<Row>,
    }
    let all = ["top", "--format", "json", "-n", "0"];
    let answer = profpipe(all.iter().chain(args)).ok();
    let Answer { unit, total, rows } = serde_json::from_str(&answer).unwrap();
    let rows = rows.into_iter().map(|row| (row.function, (row.flat, row.cum)));
    Top { unit, total, rows: rows.filter(|row| row.1 != (0, 0)).collect() }
}
