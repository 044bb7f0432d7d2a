//! Python with the readers that people use, of fixed versions, in an environment of its own.

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use super::{kept, output, skip};

/// What is installed from PyPI.
const PACKAGES: [&str; 2] = ["pyarrow==26.0.1", "duckdb==2.0.0"];

/// The interpreter. `None` where Python is missing; then that has been said.
pub fn python() -> Option<&'static Path> {
    static PYTHON: OnceLock<Option<PathBuf>> = OnceLock::new();
    let python = PYTHON.get_or_init(|| {
        let found = Command::new("python3").arg("--version").output().is_ok();
        found.then(environment)
    });
    if python.is_none() {
        skip("python3");
    }
    python.as_deref()
}

/// Makes the environment unless a run before did: the list of packages is written to it at last.
fn environment() -> PathBuf {
    let cache = std::env::var_os("PROFPIPE_CACHE");
    let folder = cache.map_or_else(|| kept("python"), |cache| PathBuf::from(cache).join("python"));
    let (python, done) = (folder.join("bin/python"), folder.join("packages.txt"));
    let wanted = PACKAGES.join("\n");
    if std::fs::read_to_string(&done).is_ok_and(|done| done == wanted) {
        return python;
    }
    output("python3", ["-m", "venv", "--clear", folder.to_str().unwrap()]);
    let install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
    output(&python, install.iter().chain(&PACKAGES));
    std::fs::write(done, wanted).unwrap();
    python
}
