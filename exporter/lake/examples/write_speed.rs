//! How much CPU it takes to bring profiles into a lake, stage by stage.
//!
//! `write_speed generate OUT COUNT FILE…` makes a set of pprof files: variants of the given ones
//! with a part of their samples and other values. `write_speed write DIR PER_FILE ROUNDS` decodes
//! the files of a directory and writes lakes of them, `PER_FILE` profiles per push.

use std::{
    env, fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context, Result, bail};
use lake::{Incoming, Options, Writer, WriterId};
use pipeline::{
    codec::pprof::{Decoder, encode},
    limits::Limits,
    profile::{Builder, Profile},
    storage::Disk,
};

fn main() -> Result<()> {
    let args: Vec<String> = env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args.as_slice() {
        ["generate", out, count, files @ ..] => generate(Path::new(out), count.parse()?, files),
        ["write", dir, per_file, rounds] => {
            write(Path::new(dir), per_file.parse()?, rounds.parse()?)
        }
        _ => bail!("usage: write_speed generate OUT COUNT FILE… | write DIR PER_FILE ROUNDS"),
    }
}

/// CPU time of this thread in milliseconds, as Linux counts it.
fn cpu_ms() -> Result<f64> {
    let text = fs::read_to_string("/proc/thread-self/schedstat").context("read CPU time")?;
    let ns: f64 = text.split_whitespace().next().unwrap_or_default().parse()?;
    Ok(ns / 1e6)
}

/// A small generator of chance: the same set every time.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.0 >> 33) % bound
    }
}

fn generate(out: &Path, count: usize, files: &[&str]) -> Result<()> {
    fs::create_dir_all(out)?;
    let (mut decoder, mut chance) = (Decoder::default(), Chance(1));
    for i in 0..count {
        let file = files[i % files.len()];
        let profile = decoder.decode(&fs::read(file)?, &Limits::default()).context("decode")?;
        let mut variant = vary(&profile, &mut chance)?;
        variant.meta.time_ns = 1_795_378_800_000_000_000 + i as i64 * 1_000_000_000;
        fs::write(out.join(format!("{i:05}.pb.gz")), encode(&variant))?;
    }
    Ok(())
}

/// The same profile with three of four samples and values of another draw.
fn vary(profile: &Profile, chance: &mut Chance) -> Result<Profile> {
    let mut builder = Builder::new(&Limits::default());
    for text in profile.strings().iter().skip(1) {
        builder.string(text)?;
    }
    profile.mappings().iter().try_for_each(|mapping| builder.mapping(*mapping).map(drop))?;
    profile.functions().iter().try_for_each(|function| builder.function(*function).map(drop))?;
    for (location, lines) in profile.locations().iter().zip(profile.lines().iter()) {
        lines.iter().try_for_each(|line| builder.line(*line))?;
        builder.location(*location)?;
    }
    let (samples, types) = (profile.samples(), profile.meta.sample_types.len());
    for (i, (stack, set)) in samples.stacks.iter().zip(&samples.label_sets).enumerate() {
        let times = chance.below(4) as i64;
        if times == 0 {
            continue;
        }
        let values = &samples.values[i * types..(i + 1) * types];
        values.iter().for_each(|value| builder.value(value.saturating_mul(times)));
        profile.label_sets().get(*set).iter().try_for_each(|label| builder.label(*label))?;
        builder.sample(profile.stacks().get(*stack))?;
    }
    Ok(builder.finish(profile.meta.clone())?)
}

fn write(dir: &Path, per_file: usize, rounds: usize) -> Result<()> {
    let mut paths: Vec<PathBuf> =
        fs::read_dir(dir)?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    paths.sort();
    let bodies: Vec<Vec<u8>> = paths.iter().map(fs::read).collect::<io::Result<_>>()?;
    let body_bytes: usize = bodies.iter().map(Vec::len).sum();
    let mut out = io::stdout().lock();
    for round in 0..rounds {
        let root = dir.with_extension(format!("lake{round}"));
        let _ = fs::remove_dir_all(&root);
        let mut writer = Writer::open(Disk, &root, WriterId::random(), Options::default())?;
        let mut decoder = Decoder::default();
        let (mut decode_ms, mut write_ms, mut rows, mut bytes) = (0.0, 0.0, 0, 0);
        for (push, bodies) in bodies.chunks(per_file).enumerate() {
            let start = cpu_ms()?;
            let mut profiles = Vec::new();
            for (i, body) in bodies.iter().enumerate() {
                let mut profile = decoder.decode(body, &Limits::default())?;
                let index = push * per_file + i;
                profile.meta.resource = resource(index);
                let ingest_ns = profile.meta.time_ns;
                profiles.push(Incoming { profile: Arc::new(profile), ingest_ns });
            }
            let decoded = cpu_ms()?;
            let written = writer.write(push as u64, push as u64, &profiles)?;
            drop(profiles);
            write_ms += cpu_ms()? - decoded;
            decode_ms += decoded - start;
            rows += written.rows;
            bytes += written.bytes;
        }
        let share = bytes as f64 / body_bytes as f64;
        writeln!(
            out,
            "round {round}: decode {decode_ms:.1} ms, write {write_ms:.1} ms CPU; {rows} rows, \
             {bytes} bytes of {body_bytes}: {share:.4}"
        )?;
    }
    Ok(())
}

/// A fleet: five services of twenty instances.
fn resource(index: usize) -> pipeline::profile::Attributes {
    let (service, instance) = (index % 5, index / 5 % 20);
    [
        ("service.name", format!("svc-{service}")),
        ("service.version", format!("1.{service}.0")),
        ("service.namespace", format!("team-{}", service % 2)),
        ("service.instance.id", format!("svc-{service}-5d8f7c9b6d-x{instance:02}")),
        ("host.name", format!("node-{}", (service * 20 + instance) % 7)),
        ("cloud.region", "eu-central-1".into()),
    ]
    .into_iter()
    .collect()
}
