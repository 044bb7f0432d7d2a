//! How long questions to a lake take: `scan_speed LAKE TYPE ROUNDS`, for example over a lake that
//! `write_speed` made. The best of all rounds is shown, as wall time.

use std::{
    env,
    io::{self, Write as _},
    time::Instant,
};

use anyhow::{Context, Result};
use lake::{Allowance, Error, Gauge, Lake, Selection, SeriesOptions, time::TimeRange};
use pipeline::picture::{Sort, Tree, top};

fn main() -> Result<()> {
    let args: Vec<String> = env::args().skip(1).collect();
    let [root, spec, rounds] = args.as_slice() else {
        anyhow::bail!("usage: scan_speed LAKE TYPE ROUNDS");
    };
    let rounds: usize = rounds.parse().context("read the number of rounds")?;
    let selection = Selection::new(TimeRange::ALL).of(spec)?;
    let one = Allowance { threads_max: 1, ..Allowance::default() };
    let many = Allowance::default();
    let (kept, untouched) = (Lake::open(root), || Lake::open(root));
    let flame = |lake: &Lake, allowance| lake.flame(&selection, Gauge::Mean, allowance);
    let total = flame(&kept, &one)?;
    let mut out = io::stdout().lock();
    writeln!(
        out,
        "{}: {} nodes, sum {}, {} bytes kept, notes {:?}",
        total.kind,
        total.trie.len(),
        total.own.iter().sum::<i64>(),
        kept.kept_bytes(),
        total.notes
    )?;
    let mut best = |what: &str, f: &mut dyn FnMut() -> Result<(), Error>| -> Result<()> {
        let mut best_ms = f64::MAX;
        for _ in 0..rounds {
            let start = Instant::now();
            f()?;
            best_ms = best_ms.min(start.elapsed().as_secs_f64() * 1e3);
        }
        writeln!(out, "{best_ms:8.2} ms  {what}")?;
        Ok(())
    };
    best("flame, nothing kept, one thread", &mut || flame(&untouched(), &one).map(drop))?;
    best("flame, nothing kept", &mut || flame(&untouched(), &many).map(drop))?;
    best("flame, kept, one thread", &mut || flame(&kept, &one).map(drop))?;
    best("flame, kept", &mut || flame(&kept, &many).map(drop))?;
    let services = kept.services(&selection, &many)?.0;
    let of_service = selection.clone().service(&services.first().context("a service")?.service);
    best("flame of one service, kept", &mut || {
        kept.flame(&of_service, Gauge::Mean, &one).map(drop)
    })?;
    best("top, kept", &mut || {
        let flame = flame(&kept, &one)?;
        let tree = Tree::new(&flame.trie, &flame.kind.unit, flame.own);
        top(&tree, Sort::Flat, 20);
        Ok(())
    })?;
    let by = SeriesOptions { by: Some("instance"), ..SeriesOptions::default() };
    best("series by instance, kept", &mut || kept.series(&selection, by, &one).map(drop))?;
    best("labels, kept", &mut || kept.labels(&selection, &one).map(drop))?;
    best("merge, kept", &mut || kept.merge(&selection, Gauge::Mean, &one).map(drop))?;
    Ok(())
}
