//! What `make bench` measures inside a process: the figures that have no command of their own.
//!
//! `measure gunzip DIR REPS` inflates all `.pb.gz` of a directory with libdeflate, which bounds
//! how fast profiles can be read. `measure flame LAKE REPS` asks a lake for the flame graph of all
//! CPU time in it, with what a long-running process keeps and without. `measure otlp DIR OUT`
//! makes OTLP of the profiles, one by one to know its size, and as requests to be sent, which it
//! writes to OUT. All print JSON.

use std::{
    env, fs,
    io::{self, Write as _},
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use lake::{Allowance, Flame, Gauge, Lake, Selection, TypeSpec, time::TimeRange};
use pipeline::{
    codec::{otlp, pprof},
    limits::Limits,
};
use rustix::time::{ClockId, clock_gettime};
use serde_json::{Value, json};

fn main() -> Result<()> {
    let args: Vec<String> = env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let answer = match args.as_slice() {
        ["gunzip", dir, reps] => gunzip(Path::new(dir), reps.parse()?)?,
        ["flame", lake, reps] => flame(Path::new(lake), reps.parse()?)?,
        ["otlp", dir, out] => requests(Path::new(dir), Path::new(out))?,
        _ => bail!("usage: measure gunzip DIR REPS | flame LAKE REPS | otlp DIR OUT"),
    };
    writeln!(io::stdout(), "{answer}").context("print the answer")
}

/// CPU time of this process so far.
fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec as u32)
}

/// All `.pb.gz` of a directory, by name.
fn read(dir: &Path) -> Result<Vec<Vec<u8>>> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(dir).context("list the profiles")? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "gz") {
            paths.push(path);
        }
    }
    paths.sort();
    paths.iter().map(|path| fs::read(path).context("read a profile")).collect()
}

/// Profiles of one request: those of a scrape of a few processes.
const REQUEST_PROFILES: usize = 10;
/// As `exporter/src/otlp/client.rs` compresses.
const GZIP_LEVEL: i32 = 4;

/// Bytes of OTLP, one profile a message, and of the pprof files; and requests of several profiles.
fn requests(dir: &Path, out: &Path) -> Result<Value> {
    let level = libdeflater::CompressionLvl::new(GZIP_LEVEL).ok().context("choose a level")?;
    let mut compressor = libdeflater::Compressor::new(level);
    let mut gzip = |bytes: &[u8]| -> Result<Vec<u8>> {
        let mut out = vec![0; compressor.gzip_compress_bound(bytes.len())];
        let length = compressor.gzip_compress(bytes, &mut out).context("compress")?;
        out.truncate(length);
        Ok(out)
    };
    let files = read(dir)?;
    let mut profiles = Vec::with_capacity(files.len());
    let (mut alone, mut alone_raw) = (0, 0);
    for (number, file) in files.iter().enumerate() {
        let mut profile = pprof::decode(file, &Limits::default())?;
        let service = format!("service-{}", number % 5);
        profile.meta.resource = [("service.name", service)].into_iter().collect();
        profile.meta.name = "cpu".into();
        let bytes = otlp::encode([&profile]);
        (alone, alone_raw) = (alone + gzip(&bytes)?.len(), alone_raw + bytes.len());
        profiles.push(profile);
    }
    fs::create_dir_all(out).context("make a directory for the requests")?;
    let (mut requests, mut together) = (0, 0);
    for some in profiles.chunks(REQUEST_PROFILES) {
        let request = gzip(&otlp::encode(some))?;
        fs::write(out.join(format!("{requests:04}.pb.gz")), &request)?;
        (requests, together) = (requests + 1, together + request.len());
    }
    let pprof: usize = files.iter().map(Vec::len).sum();
    Ok(json!({"profiles": profiles.len(), "pprof_bytes": pprof, "alone_bytes": alone,
        "alone_raw_bytes": alone_raw, "requests": requests, "together_bytes": together}))
}

/// The CPU time that inflating all files takes, from memory to memory, the fastest of `reps`.
fn gunzip(dir: &Path, reps: usize) -> Result<Value> {
    let files = read(dir)?;
    let length = |file: &[u8]| file.last_chunk().map_or(0, |last| u32::from_le_bytes(*last));
    let largest = files.iter().map(|file| length(file)).max().context("there are no profiles")?;
    let mut out = vec![0; largest as usize];
    let mut inflater = libdeflater::Decompressor::new();
    let (mut fastest, mut raw) = (Duration::MAX, 0);
    for _ in 0..reps {
        raw = 0;
        let start = cpu_time();
        for file in &files {
            raw += inflater.gzip_decompress(file, &mut out).context("inflate")?;
        }
        fastest = fastest.min(cpu_time() - start);
    }
    let gzip: usize = files.iter().map(Vec::len).sum();
    Ok(json!({"files": files.len(), "gzip_bytes": gzip, "raw_bytes": raw,
        "cpu_s": fastest.as_secs_f64()}))
}

/// Time of one question in milliseconds, the least and the median: `kept` asks one lake again and
/// again, `fresh` opens it anew each time; the system has the files in memory for both.
fn flame(path: &Path, reps: usize) -> Result<Value> {
    let mut selection = Selection::new(TimeRange::ALL);
    selection.spec = Some(TypeSpec::parse("cpu:cpu").context("name the type")?);
    let ask = |lake: &Lake| lake.flame(&selection, Gauge::Mean, &Allowance::default());
    let (kept, mut fresh_ms, mut kept_ms) = (Lake::open(path), Vec::new(), Vec::new());
    let first = ask(&kept)?;
    for _ in 0..reps {
        let start = Instant::now();
        let fresh = ask(&Lake::open(path))?;
        fresh_ms.push(start.elapsed().as_secs_f64() * 1e3);
        let start = Instant::now();
        let again = ask(&kept)?;
        kept_ms.push(start.elapsed().as_secs_f64() * 1e3);
        if total(&fresh) != total(&first) || total(&again) != total(&first) {
            bail!("two answers to one question");
        }
    }
    let trie = first.trie.len();
    Ok(json!({"total": total(&first), "nodes": trie,
        "fresh_ms": spread(fresh_ms), "kept_ms": spread(kept_ms)}))
}

fn total(flame: &Flame) -> i64 {
    flame.own.iter().sum()
}

fn spread(mut times: Vec<f64>) -> Value {
    times.sort_by(f64::total_cmp);
    json!({"min": times.first(), "median": times.get(times.len() / 2)})
}
