//! Profiles to test with: generated ones, and real ones of other projects.

use std::{
    path::{Path, PathBuf},
    sync::OnceLock,
    time::{Duration, UNIX_EPOCH},
};

use super::{go, kept, output, say};

/// Files of this modification time and a second more each; import gives it to profiles that have
/// no time of their own.
pub const MODIFIED_S: u64 = 1_500_000_000;

/// 500 valid profiles that use every field of the format. `None` where Go is missing.
pub fn random() -> Option<&'static [PathBuf]> {
    static FILES: OnceLock<Option<Vec<PathBuf>>> = OnceLock::new();
    let files = FILES.get_or_init(|| {
        let files = generate("random", &["-n", "500"])?;
        for (second, file) in (MODIFIED_S..).zip(&files) {
            let file = std::fs::File::options().append(true).open(file).unwrap();
            file.set_modified(UNIX_EPOCH + Duration::from_secs(second)).unwrap();
        }
        Some(files)
    });
    files.as_deref()
}

/// CPU profiles of Go services, with the service of each. `None` where Go is missing.
pub fn cpu() -> Option<&'static [(String, PathBuf)]> {
    static FILES: OnceLock<Option<Vec<(String, PathBuf)>>> = OnceLock::new();
    let files = FILES.get_or_init(|| {
        let files = generate("cpu", &["-n", "40"])?;
        let index = std::fs::read_to_string(files[0].with_file_name("index.tsv")).unwrap();
        let services = index.lines().map(|line| line.split('\t').nth(1).unwrap().to_owned());
        Some(services.zip(files).collect())
    });
    files.as_deref()
}

/// Heap profiles of one Go process. `None` where Go is missing.
pub fn heap() -> Option<&'static [PathBuf]> {
    static FILES: OnceLock<Option<Vec<PathBuf>>> = OnceLock::new();
    FILES.get_or_init(|| generate("heap", &["-n", "4", "-samples", "800"])).as_deref()
}

fn generate(kind: &str, args: &[&str]) -> Option<Vec<PathBuf>> {
    let folder = kept("profiles").join(kind);
    let program = go::build("go/cmd/gen")?;
    output(program, [&[kind], args, &["-out", folder.to_str().unwrap()]].concat());
    Some(below(&folder).into_iter().filter(|file| !file.ends_with("index.tsv")).collect())
}

/// The profiles of google/pprof's own tests, which come with its module: most of them in legacy
/// formats, and `large.cpu`. `None` where Go is missing.
pub fn google() -> Option<Vec<PathBuf>> {
    go::build("go/cmd/gen")?; // Fetches the module.
    let mut list = std::process::Command::new("go");
    list.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/go"));
    list.args(["list", "-m", "-f", "{{.Dir}}", "github.com/google/pprof"]);
    let module = String::from_utf8(list.output().unwrap().stdout).unwrap();
    let module = Path::new(module.trim());
    let mut files = below(&module.join("profile/testdata"));
    files.retain(|file| file.extension().is_none_or(|ending| ending != "string"));
    files.push(module.join("internal/proftest/testdata/large.cpu"));
    Some(files)
}

/// The real profiles of a folder of the corpus beside the workspace. Empty where it is missing,
/// which is said.
pub fn corpus(folder: &str) -> Vec<PathBuf> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus");
    if !corpus.is_dir() {
        say("skipped: real profiles of Parca and Alloy, because there is no ../shared/corpus");
        return vec![];
    }
    let files = below(&corpus.join(folder));
    files.into_iter().filter(|file| file.extension().is_none_or(|e| e != "md")).collect()
}

/// All files below a folder, sorted.
pub fn below(folder: &Path) -> Vec<PathBuf> {
    let mut files = vec![];
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        match entry.file_type().unwrap().is_dir() {
            true => files.extend(below(&entry.path())),
            false => files.push(entry.path()),
        }
    }
    files.sort();
    files
}
