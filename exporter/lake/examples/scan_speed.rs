//! How long questions to a lake take: `scan_speed LAKE TYPE ROUNDS`, for example over a lake that
//! `write_speed` made. The best of all rounds is shown, as wall time.

use std::{
    env,
    io::{self, Write as _},
    time::Instant,
};

use anyhow::{Context, Result};
use lake::{Allowance, Gauge, Lake, Selection, SeriesOptions, time::TimeRange};
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
    let mut best = |what: &str, f: &mut dyn FnMut() -> Result<()>| -> Result<()> {
        let mut best_ms = f64::MAX;
        for _ in 0..rounds {
            let start = Instant::now();
            f()?;
            best_ms = best_ms.min(start.elapsed().as_secs_f64() * 1e3);
        }
        writeln!(out, "{best_ms:8.2} ms  {what}")?;
        Ok(())
    };
    best("flame, nothing kept, one thread", &mut || Ok(drop(flame(&untouched(), &one)?)))?;
    best("flame, nothing kept", &mut || Ok(drop(flame(&untouched(), &many)?)))?;
    best("flame, kept, one thread", &mut || Ok(drop(flame(&kept, &one)?)))?;
    best("flame, kept", &mut || Ok(drop(flame(&kept, &many)?)))?;
    let narrow = kept.services(&selection, &many)?.0;
    let service = narrow.first().context("a service")?.service.clone();
    let of_service = selection.clone().service(&service);
    best("flame of one service, kept", &mut || {
        Ok(drop(kept.flame(&of_service, Gauge::Mean, &one)?))
    })?;
    best("top, kept", &mut || {
        let flame = flame(&kept, &one)?;
        let unit = flame.kind.unit.clone();
        Ok(drop(top(&Tree::new(&flame.trie, &unit, flame.own), Sort::Flat, 20)))
    })?;
    let by = SeriesOptions { by: Some("instance"), ..SeriesOptions::default() };
    best("series by instance, kept", &mut || Ok(drop(kept.series(&selection, by, &one)?)))?;
    best("labels, kept", &mut || Ok(drop(kept.labels(&selection, &one)?)))?;
    Ok(())
}
