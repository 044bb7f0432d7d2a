//! What the tests share: programs that are built once, and processes that end with their test.

pub mod authority;
pub mod cli;
pub mod collector;
pub mod go;
pub mod hostile;
pub mod http;
pub mod made;
pub mod numbers;
pub mod oracle;
pub mod process;
pub mod profiles;
pub mod proxy;
pub mod python;
pub mod schema;

use std::{
    ffi::OsStr,
    io::Write,
    path::{Path, PathBuf},
    process::Command,
};

/// Says that a test is skipped because a tool is missing; where tools are required it fails.
pub fn skip(what: &str) {
    let required = std::env::var("PROFPIPE_REQUIRE_TOOLS").is_ok_and(|value| value == "1");
    assert!(!required, "{what} is missing, and PROFPIPE_REQUIRE_TOOLS=1");
    say(&format!("skipped: {what} is missing"));
}

/// Says something on standard error in a run of many tests, too: what `eprintln!` writes is kept
/// back from people when a test passes.
pub fn say(what: &str) {
    let _ = writeln!(std::io::stderr(), "{what}");
}

/// Ports that nobody listens to at the moment, for programs that have to be told theirs.
pub fn free_ports<const N: usize>() -> [u16; N] {
    let held = [(); N].map(|()| std::net::TcpListener::bind("127.0.0.1:0").unwrap());
    held.map(|listener| listener.local_addr().unwrap().port())
}

/// A directory that stays from run to run: for what is costly to make, and the same each time.
pub fn kept(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::create_dir_all(&path).unwrap();
    path
}

/// A directory that is gone afterwards, in memory where that can be: for tests of numbers, which
/// would else mostly wait for a disk to sync.
pub fn scratch() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    match memory.is_dir() {
        true => tempfile::tempdir_in(memory).unwrap(),
        false => tempfile::tempdir().unwrap(),
    }
}

/// Runs a helper, which must succeed, and gives what it prints.
pub fn output(program: impl AsRef<OsStr>, args: impl IntoIterator<Item: AsRef<OsStr>>) -> String {
    let program = program.as_ref();
    let output = Command::new(program).args(args).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {error}", program.display());
    String::from_utf8(output.stdout).unwrap()
}
