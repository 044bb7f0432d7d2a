//! What `make bench` measures inside a process about single profiles: what a bomb costs before it
//! is refused, and what the delta of a snapshot costs and keeps.
//!
//! `limits bomb` decodes 64 MiB of empty samples out of 63 KiB of gzip. `limits delta FILE` reads a
//! heap profile as two snapshots of a process and compares them. Both print JSON.

use std::{
    env, fs,
    io::{self, Write as _},
    path::Path,
    time::Instant,
};

use anyhow::{Context, Result, bail};
use pipeline::{
    codec::pprof::{Decoder, decode},
    limits::Limits,
    profile::{Profile, Temporality, delta, kind, merge},
};
use serde_json::{Value, json};

const REPS: usize = 50;

fn main() -> Result<()> {
    let args: Vec<String> = env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let answer = match args.as_slice() {
        ["bomb"] => bomb()?,
        ["delta", file] => compare(Path::new(file))?,
        _ => bail!("usage: limits bomb | delta FILE"),
    };
    writeln!(io::stdout(), "{answer}").context("print the answer")
}

/// Empty samples that are as many bytes inflated as may be, and not one more.
fn empty_samples(limits: &Limits) -> Result<Vec<u8>> {
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    let piece = [0x12, 0].repeat(1 << 19);
    for _ in 0..limits.inflated_bytes_max / piece.len() {
        out.write_all(&piece)?;
    }
    Ok(out.finish()?)
}

/// The first of several times is the one that counts: its memory is not there yet.
fn bomb() -> Result<Value> {
    let limits = Limits::default();
    let body = empty_samples(&limits)?;
    let before = resident("VmRSS")?;
    let mut times_ms = Vec::new();
    let mut reason = "";
    for _ in 0..5 {
        let start = Instant::now();
        let Err(refused) = Decoder::default().decode(&body, &limits) else {
            bail!("the bomb was taken");
        };
        times_ms.push(start.elapsed().as_secs_f64() * 1e3);
        reason = refused.reason.as_str();
    }
    let slowest = times_ms.iter().copied().fold(0.0, f64::max);
    let memory = (resident("VmHWM")? - before) as f64 / limits.inflated_bytes_max as f64;
    Ok(json!({"gzip_bytes": body.len(), "inflated_bytes": limits.inflated_bytes_max,
        "reason": reason, "slowest_ms": slowest, "memory_of_cap": memory}))
}

/// A value of `/proc/self/status`, in bytes.
fn resident(name: &str) -> Result<u64> {
    let status = fs::read_to_string("/proc/self/status").context("read the status")?;
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let kib = line.context("find the line")?.trim().trim_end_matches(" kB");
    Ok(kib.parse::<u64>().context("read a number")? << 10)
}

/// Time of the delta between two snapshots, the fastest and the median, and what is kept.
fn compare(path: &Path) -> Result<Value> {
    let body = fs::read(path).with_context(|| format!("read {}", path.display()))?;
    let limits = Limits::default();
    let first = snapshot(&body, 1, &limits)?;
    let mut twice = merge(&[first.clone(), first.clone()], &limits).context("double it")?;
    twice.meta.duration_ns = 0;
    let baseline = delta(first, None, &limits)?.baseline.context("there are no counters")?;
    let (mut times_ms, mut rows) = (Vec::new(), 0);
    for _ in 0..REPS {
        let mut next = twice.clone();
        next.meta.time_ns = 2;
        rows = next.len();
        let start = Instant::now();
        let made = delta(next, Some(&baseline), &limits)?;
        times_ms.push(start.elapsed().as_secs_f64() * 1e3);
        let deltas = made.profiles.last().context("there are deltas")?;
        if made.profiles.len() != 2 || made.restarted || deltas.len() != rows {
            bail!("a snapshot did not become gauges and deltas of all stacks");
        }
    }
    times_ms.sort_by(f64::total_cmp);
    Ok(json!({"rows": rows, "min_ms": times_ms[0], "median_ms": times_ms[REPS / 2],
        "state_bytes": baseline.bytes()}))
}

/// The profile of a process at a moment.
fn snapshot(body: &[u8], time_ns: i64, limits: &Limits) -> Result<Profile> {
    let mut profile = decode(body, limits)?;
    profile.meta.time_ns = time_ns;
    profile.meta.duration_ns = 0;
    let types = profile.meta.sample_types.clone();
    let temporalities: Vec<Temporality> =
        types.iter().map(|t| kind::temporality(profile.text(t.kind), 0)).collect();
    for (sample_type, temporality) in profile.meta.sample_types.iter_mut().zip(temporalities) {
        sample_type.temporality = temporality;
    }
    Ok(profile)
}
