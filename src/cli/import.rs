//! `import`: pprof files into the lake, beside a process that may be running.

use std::{
    collections::{HashMap, HashSet, hash_map::Entry},
    io::{self, Write},
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use anyhow::Context;
use clap::Args as ClapArgs;
use lake::{Allowance, ImportLock, Lake, Options, Writer};
use pipeline::{
    codec::pprof::Decoder,
    profile::{Attributes, Origin, Profile, ProfileId, kind},
    storage::Disk,
};

use super::{Failure, progress::Progress, select::LakeArgs};
use crate::files;

/// Profiles of one file of the lake at most.
const BATCH: u64 = 100;
/// Rows from which on a file is written, 96 MiB: more than a hundred profiles mostly have, since
/// what repeats from profile to profile takes no room only within a file.
const BATCH_ROWS: usize = 4 << 20;
const HOUR_NS: i64 = 3_600_000_000_000;

/// Arguments of `import`.
#[derive(ClapArgs, Debug)]
pub struct Args {
    /// pprof files: gzip, zstd or plain; - is the standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Service that was profiled
    #[arg(short, long, value_name = "NAME", value_parser = name)]
    service: String,
    /// A resource attribute, as zone=a
    #[arg(long = "label", value_name = "KEY=VALUE", value_parser = pair)]
    labels: Vec<(String, String)>,
    /// What was profiled: cpu, heap, mutex, … ; else by the content
    #[arg(long, value_name = "NAME", value_parser = profile_name)]
    profile: Option<String>,
    #[command(flatten)]
    lake: LakeArgs,
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some(("service.name", _)) => Err("service.name is --service".to_owned()),
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("write it as key=value".to_owned()),
    }
}

fn name(text: &str) -> Result<String, String> {
    match text.trim() {
        "" => Err("must not be empty".to_owned()),
        _ if text.contains(char::is_control) => Err("must be one line".to_owned()),
        _ => Ok(text.to_owned()),
    }
}

/// A type is written `profile:sample_type`, so the name of a profile has no colon.
fn profile_name(text: &str) -> Result<String, String> {
    match text.contains(':') {
        true => Err("must not contain `:`".to_owned()),
        false => name(text),
    }
}

pub(super) fn plural(count: usize, noun: &str) -> String {
    format!("{noun}{}", if count == 1 { "" } else { "s" })
}

/// A word as a shell reads it back.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@%+=,".contains(c);
    match !word.is_empty() && word.chars().all(plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

/// What became of the files.
#[derive(Default)]
struct Tally {
    imported: usize,
    known: usize,
    refused: usize,
    first_ns: Option<i64>,
    last_ns: i64,
    names: Vec<String>,
}

/// Brings files in under a writer id of its own.
struct Import {
    args: Args,
    lock: ImportLock,
    resource: Attributes,
    decoder: Decoder,
    /// Bytes of the file at hand.
    body: Vec<u8>,
    lake: Lake,
    /// Profiles that are there, by the hour in which they start.
    known: HashMap<i64, HashSet<ProfileId>>,
    writer: Writer<Disk>,
    /// Rows from which on they are written.
    rows_max: usize,
    /// Profiles that wait for their commit, and those before them.
    taken: u64,
    written: u64,
    ingest_ns: i64,
    tally: Tally,
}

/// `profpipe import`.
pub fn run(args: Args) -> Result<(), Failure> {
    let root = args.lake.path();
    let mut keys = HashSet::new();
    if let Some((key, _)) = args.labels.iter().find(|(key, _)| !keys.insert(key)) {
        return Err(Failure::Usage(anyhow::anyhow!("--label: `{key}` is there twice")));
    }
    let mut import = Import::open(args, &root, BATCH_ROWS).map_err(Failure::Unusable)?;
    import.all()?;
    import.report(&root)?;
    let refused = import.tally.refused;
    import.lock.end();
    match refused {
        0 => Ok(()),
        refused => {
            let files = plural(refused, "file");
            Err(Failure::Failed(anyhow::anyhow!("{refused} {files} refused")))
        }
    }
}

impl Import {
    fn open(args: Args, root: &Path, rows_max: usize) -> anyhow::Result<Self> {
        let failed = || format!("open the lake {}", root.display());
        let waiting = || {
            let waits = "waits until another import into this lake has ended";
            let _ = writeln!(io::stderr(), "profpipe: {waits}");
        };
        let lock = ImportLock::wait(root, waiting).with_context(failed)?;
        let writer = Writer::open(Disk, root, lock.id().clone(), Options::default());
        let writer = writer.with_context(failed)?;
        let labels = args.labels.iter().cloned();
        let service = [("service.name".to_owned(), args.service.clone())];
        let resource = labels.chain(service).collect();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Ok(Self {
            args,
            lock,
            resource,
            // The lake does not keep them: see `Options::keep_bytes_label`.
            decoder: Decoder::without(lake::SIZE_LABEL),
            body: Vec::new(),
            lake: Lake::open(root),
            known: HashMap::new(),
            writer,
            rows_max,
            taken: 0,
            written: 0,
            ingest_ns: now.as_nanos() as i64,
            tally: Tally::default(),
        })
    }

    fn all(&mut self) -> anyhow::Result<()> {
        let files = std::mem::take(&mut self.args.files);
        let mut progress = Progress::new("files", "read");
        for (number, file) in files.iter().enumerate() {
            progress.at(number as u64, files.len() as u64);
            match self.read(file) {
                Ok(profile) => {
                    self.take(&profile)?;
                    self.decoder.recycle(profile);
                }
                Err(error) => {
                    self.tally.refused += 1;
                    progress.say(format_args!("{}: {error:#}", file.display()));
                }
            }
            if self.taken == BATCH || self.writer.pending_rows() >= self.rows_max {
                self.commit()?;
            }
        }
        self.commit()
    }

    /// Makes files of what was taken since the last time.
    fn commit(&mut self) -> anyhow::Result<()> {
        let taken = std::mem::take(&mut self.taken);
        if taken == 0 {
            return Ok(());
        }
        let last = self.written + taken - 1;
        self.writer.commit(self.written, last).context("write the lake")?;
        self.written = last + 1;
        self.tally.imported += taken as usize;
        Ok(())
    }

    /// A file as a profile with its description.
    fn read(&mut self, file: &Path) -> anyhow::Result<Profile> {
        files::read_whole(file, &mut self.body)?;
        let mut profile = self.decoder.decode(&self.body, &files::limits())?;
        if profile.meta.time_ns == 0 {
            profile.meta.time_ns = match files::is_stdin(file) {
                true => self.ingest_ns,
                false => {
                    let modified = std::fs::metadata(file)?.modified()?;
                    modified.duration_since(UNIX_EPOCH)?.as_nanos() as i64
                }
            };
        }
        let names: Vec<&str> =
            profile.meta.sample_types.iter().map(|t| profile.text(t.kind)).collect();
        let hint = file.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
        let name = match &self.args.profile {
            Some(name) => name.clone(),
            None => kind::name(&names, &hint, &profile.meta.name).to_owned(),
        };
        profile.meta.name = name;
        profile.meta.resource = self.resource.clone();
        let peer = file.display().to_string();
        profile.meta.origin = Origin { receiver: "import".into(), peer };
        Ok(profile)
    }

    /// Hands the profile to the writer, unless the lake has it or it came before.
    fn take(&mut self, profile: &Profile) -> anyhow::Result<()> {
        let (id, time_ns) = (profile.id(), profile.meta.time_ns);
        let first_ns = self.tally.first_ns.get_or_insert(time_ns);
        *first_ns = time_ns.min(*first_ns);
        self.tally.last_ns = self.tally.last_ns.max(time_ns);
        if !self.tally.names.contains(&profile.meta.name) {
            self.tally.names.push(profile.meta.name.clone());
        }
        let start_ns = time_ns.max(0); // As the writer has it.
        let known = match self.known.entry(start_ns / HOUR_NS) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(hour) => {
                hour.insert(self.lake.ids_of_hour(start_ns / 1_000, &Allowance::default())?)
            }
        };
        if known.insert(id) {
            self.writer.add(profile, self.ingest_ns);
            self.taken += 1;
        } else {
            self.tally.known += 1;
        }
        Ok(())
    }

    /// Says what happened, and how to look at it.
    fn report(&self, root: &Path) -> io::Result<()> {
        let Tally { imported, known, refused, first_ns, last_ns, names } = &self.tally;
        let mut out = io::stdout().lock();
        write!(out, "{imported} {} imported", plural(*imported, "profile"))?;
        if *known > 0 {
            let were = if *known == 1 { "was" } else { "were" };
            write!(out, ", {known} {were} there already")?;
        }
        if *refused > 0 {
            write!(out, ", {refused} refused")?;
        }
        writeln!(out)?;
        let (Some(first_ns), Some(name)) = (first_ns, names.first()) else { return Ok(()) };
        let time = |ns: i64| {
            let second = jiff::Timestamp::from_second(ns.div_euclid(1_000_000_000));
            second.map_or_else(|_| "0".to_owned(), |time| time.to_string())
        };
        let from = time(*first_ns);
        let (lake, service) = (quoted(&root.to_string_lossy()), quoted(&self.args.service));
        write!(out, "profpipe top --lake {lake} --service {service}")?;
        // What has no name is not asked for by name.
        if !name.is_empty() {
            write!(out, " --type {}", quoted(name))?;
        }
        write!(out, " --from {from}")?;
        // A range ends now unless it is said.
        if *last_ns >= self.ingest_ns {
            write!(out, " --to {}", time(last_ns.saturating_add(1_000_000_000)))?;
        }
        writeln!(out)
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use pipeline::{
        codec::pprof,
        limits::Limits,
        profile::{Builder, Meta, SampleType, Temporality},
    };

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    fn profile(value: i64) -> Vec<u8> {
        let mut builder = Builder::new(&Limits::default());
        let [kind, unit] = ["cpu", "nanoseconds"].map(|text| builder.string(text).unwrap());
        builder.value(value);
        builder.sample(&[]).unwrap();
        let temporality = Temporality::Delta;
        let sample_types = vec![SampleType { kind, unit, temporality }];
        let meta = Meta { sample_types, time_ns: 1 << 60, ..Meta::default() };
        pprof::encode(&builder.finish(meta).unwrap())
    }

    fn files_made(rows_max: usize) -> usize {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("lake");
        let mut line = vec!["import".to_owned(), "--service=s".to_owned()];
        for value in 1..=3 {
            let path = dir.path().join(format!("{value}.pb"));
            std::fs::write(&path, profile(value)).unwrap();
            line.push(path.display().to_string());
        }
        let args = Line::try_parse_from(line).unwrap().args;
        let mut import = Import::open(args, &root, rows_max).unwrap();
        import.all().unwrap();
        assert_eq!(import.tally.imported, 3);
        let all = glob(&root.join("samples"));
        all.iter().filter(|path| path.extension().is_some_and(|e| e == "parquet")).count()
    }

    fn glob(dir: &Path) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
        entries.flat_map(|path| if path.is_dir() { glob(&path) } else { vec![path] }).collect()
    }

    #[test]
    fn many_rows_are_written_before_there_are_more() {
        assert_eq!([1, 2, 100].map(files_made), [3, 2, 1]);
    }
}
