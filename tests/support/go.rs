//! Go programs: built once for a run of the tests, ended when their guard is dropped.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Stdio,
    sync::{LazyLock, Mutex},
};

use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};

use super::skip;

/// What was built, by folder.
static BUILT: LazyLock<Mutex<BTreeMap<String, PathBuf>>> = LazyLock::new(Mutex::default);

/// Builds the program in a folder below `tests/`, as `go/cmd/hold` or `demo`. `None`, and a line
/// that says so, where there is no Go.
pub fn build(folder: &str) -> Option<PathBuf> {
    let mut built = BUILT.lock().unwrap();
    if let Some(path) = built.get(folder) {
        return Some(path.clone());
    }
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(folder.replace('/', "-"));
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(folder);
    let mut build = std::process::Command::new("go");
    build.current_dir(sources).args(["build", "-o"]).arg(&path).arg(".");
    let Ok(done) = build.output() else {
        skip("Go");
        return None;
    };
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    built.insert(folder.to_owned(), path.clone());
    Some(path)
}

/// A Go program that serves its profiles; killed when this is dropped.
pub struct Service {
    /// Where it serves: `http://127.0.0.1:1234`.
    pub url: String,
    _child: Child,
}

impl Service {
    /// Builds and starts a program whose first line ends with its address, and which ends with its
    /// standard input.
    pub async fn start(folder: &str, args: &[&str]) -> Option<Self> {
        let program = build(folder)?;
        let mut command = Command::new(program);
        command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = lines.next_line().await.unwrap().expect("a line with the address");
        let address = line.rsplit([' ', '/']).next().unwrap();
        Some(Self { url: format!("http://{address}"), _child: child })
    }
}
