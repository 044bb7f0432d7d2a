//! pprof files in place of a lake.

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::Context;
use lake::{Flame, TypeSpec};
use pipeline::{
    codec::pprof::Decoder,
    limits::Limits,
    picture::Trie,
    profile::{Line, Profile},
    reason::{Reason, Refused},
};

/// Values by stack, wherever they come from.
pub struct Stacks {
    /// The frames.
    pub trie: Arc<Trie>,
    /// Own value of each node.
    pub own: Vec<i64>,
    /// The same of what they are compared to.
    pub base: Option<Vec<i64>>,
    /// The unit of the values.
    pub unit: String,
    /// What they are of, as `cpu:cpu`.
    pub kind: String,
}

impl From<Flame> for Stacks {
    fn from(flame: Flame) -> Self {
        let kind = flame.kind.to_string();
        Self { trie: flame.trie, own: flame.own, base: flame.base, unit: flame.kind.unit, kind }
    }
}

/// A type is asked for that a file does not have: a mistake of who asks, not a failure.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct NoType(String);

/// A file is read whole, so it has the limits of a body.
pub fn limits() -> Limits {
    Limits {
        body_bytes_max: 256 << 20,
        inflated_bytes_max: 1 << 30,
        decoded_bytes_max: 1 << 30,
        ..Limits::default()
    }
}

/// Puts the bytes of a file, or for - of the standard input, in the place of others; of one that is
/// too large as many as show it.
pub fn read_whole(file: &Path, bytes: &mut Vec<u8>) -> anyhow::Result<()> {
    match is_stdin(file) {
        true => read_all(io::stdin().lock(), bytes),
        false => read_all(File::open(file)?, bytes),
    }
}

/// Whether it stands for the standard input.
pub fn is_stdin(file: &Path) -> bool {
    file.as_os_str() == "-"
}

fn read_all(source: impl Read, bytes: &mut Vec<u8>) -> anyhow::Result<()> {
    bytes.clear();
    let bytes_max = limits().body_bytes_max;
    source.take(bytes_max as u64 + 1).read_to_end(bytes)?;
    if bytes.len() > bytes_max {
        let detail = format!("a file of more than {bytes_max} bytes");
        return Err(Refused::new(Reason::SizeLimit, detail).into());
    }
    Ok(())
}

/// Reads pprof files.
///
/// # Errors
/// Naming the first file that is not one, with the reason.
pub fn read(files: &[PathBuf]) -> anyhow::Result<Vec<Profile>> {
    let (mut decoder, mut body) = (Decoder::default(), Vec::new());
    let mut read = |file: &PathBuf| -> anyhow::Result<Profile> {
        read_whole(file, &mut body)?;
        Ok(decoder.decode(&body, &limits())?)
    };
    files.iter().map(|file| read(file).with_context(|| file.display().to_string())).collect()
}

/// Adds one type of all files by stack: that of `spec`, else the one that pprof shows first.
///
/// # Errors
/// As `read`; and where a file does not have the type, or has it in another unit.
pub fn stacks(files: &[PathBuf], spec: Option<&TypeSpec>) -> anyhow::Result<Stacks> {
    let mut adder = Adder::default();
    let own = adder.add(files, spec)?;
    adder.finish(own, None)
}

/// One type of a file, and of the one that it is compared to.
///
/// # Errors
/// As `stacks`.
pub fn diff(base: &PathBuf, new: &PathBuf, spec: Option<&TypeSpec>) -> anyhow::Result<Stacks> {
    let mut adder = Adder::default();
    let base = adder.add(std::slice::from_ref(base), spec)?;
    let own = adder.add(std::slice::from_ref(new), spec)?;
    adder.finish(own, Some(base))
}

/// Files on their way to one tree of one type.
#[derive(Default)]
struct Adder {
    trie: Trie,
    /// Type and unit of the first file.
    first: Option<(String, String)>,
}

impl Adder {
    /// The own values of some files together.
    fn add(&mut self, files: &[PathBuf], spec: Option<&TypeSpec>) -> anyhow::Result<Vec<i64>> {
        let mut own = Vec::new();
        for (profile, file) in read(files)?.iter().zip(files) {
            let column = column(profile, spec).with_context(|| file.display().to_string())?;
            let sample_type = profile.meta.sample_types[column];
            let kind = format!("{}:{}", profile.meta.name, profile.text(sample_type.kind));
            let found = (kind, profile.text(sample_type.unit).to_owned());
            let first = self.first.get_or_insert_with(|| found.clone());
            anyhow::ensure!(
                *first == found,
                "{}: has {} in {}, the first file {} in {}",
                file.display(),
                found.0,
                found.1,
                first.0,
                first.1
            );
            add(profile, column, &mut self.trie, &mut own);
        }
        Ok(own)
    }

    fn finish(self, mut own: Vec<i64>, mut base: Option<Vec<i64>>) -> anyhow::Result<Stacks> {
        let (kind, unit) = self.first.context("there is no file")?;
        for values in std::iter::once(&mut own).chain(&mut base) {
            values.resize(self.trie.len(), 0);
        }
        Ok(Stacks { trie: Arc::new(self.trie), own, base, unit, kind })
    }
}

fn column(profile: &Profile, spec: Option<&TypeSpec>) -> anyhow::Result<usize> {
    let named =
        |name: &str| profile.meta.sample_types.iter().position(|t| profile.text(t.kind) == name);
    let found = match spec {
        None => Some(profile.default_type()),
        Some(TypeSpec::Exact(_, sample_type)) => named(sample_type),
        Some(TypeSpec::Half(half)) => {
            named(half).or_else(|| (*half == profile.meta.name).then(|| profile.default_type()))
        }
    };
    let types = profile.meta.sample_types.iter();
    let all: Vec<_> =
        types.map(|t| format!("{}:{}", profile.meta.name, profile.text(t.kind))).collect();
    let wanted = spec.map_or_else(String::new, TypeSpec::to_string);
    let known = all.join("`, `");
    found.ok_or_else(|| NoType(format!("there is no type `{wanted}`; it has `{known}`")).into())
}

fn add(profile: &Profile, column: usize, trie: &mut Trie, own: &mut Vec<i64>) {
    let samples = profile.samples();
    let types = profile.meta.sample_types.len();
    for (row, values) in samples.values.chunks_exact(types).enumerate() {
        let mut node = 0;
        for &index in profile.stacks().get(samples.stacks[row]).iter().rev() {
            let location = profile.locations()[index as usize];
            let lines = profile.lines().get(index);
            for line in lines.iter().rev() {
                node = frame(profile, line, trie, node);
            }
            if lines.is_empty() && location.address != 0 {
                node = trie.child(node, &profile.unsymbolised(location));
            }
        }
        own.resize(trie.len(), 0);
        let sum = &mut own[node as usize];
        *sum = sum.saturating_add(values[column]);
    }
}

/// The child for a line; the trie learns where its function is.
fn frame(profile: &Profile, line: &Line, trie: &mut Trie, parent: u32) -> u32 {
    let function = profile.functions()[line.function as usize];
    let names = [function.name, function.system_name].map(|name| profile.text(name));
    let name = names.into_iter().find(|name| !name.is_empty()).unwrap_or("<unknown>");
    let node = trie.child(parent, name);
    if trie.file(trie.name_id(node)).is_empty() && function.file != 0 {
        let at = if function.start_line > 0 { function.start_line } else { line.line };
        let file = profile.text(function.file);
        let file = if at > 0 { format!("{file}:{at}") } else { file.to_owned() };
        let name = trie.name(node).to_owned();
        trie.set_file(&name, &file);
    }
    node
}
