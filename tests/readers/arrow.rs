//! pyarrow: sums of every function, and what the footers declare.

use std::collections::BTreeMap;

use pipeline::profile::kind;
use serde::Deserialize;

use super::{Sum, fill, script, types};
use crate::support::{
    cli::{Rows, top},
    output, python, scratch,
};

#[derive(Deserialize)]
struct Read {
    samples: Vec<Sum>,
    profiles: Vec<Sum>,
    orders: BTreeMap<String, Vec<String>>,
}

impl Read {
    /// The sum of each function's own values; of a count, from the rows of what it counts.
    fn flat(&self, service: &str, profile: &str, sample_type: &str) -> BTreeMap<&str, i64> {
        let mut flat = BTreeMap::new();
        for sum in self.samples.iter().filter(|s| s.service == service && s.profile == profile) {
            let value = match sum.count_sum {
                _ if sum.sample_type == sample_type => sum.value_sum,
                Some(count) if kind::counts(sample_type).contains(&&*sum.sample_type) => count,
                _ => continue,
            };
            if value != 0 && !sum.function.is_empty() {
                *flat.entry(sum.function.as_str()).or_default() += value;
            }
        }
        flat
    }
}

/// What has a value of its own.
fn flat(rows: &Rows) -> BTreeMap<&str, i64> {
    let own = rows.iter().filter(|(_, row)| row.0 != 0);
    own.map(|(function, row)| (function.as_str(), row.0)).collect()
}

#[test]
fn pyarrow_reads_the_sums_that_top_shows() {
    let Some(python) = python::python() else { return };
    let folder = scratch();
    let Some(()) = fill(folder.path()) else { return };
    let lake = folder.path().to_str().unwrap();
    let read = output(python, [script("arrow_sums.py").as_str(), lake]);
    let read: Read = serde_json::from_str(&read).unwrap();
    for (service, kind) in types(folder.path()) {
        let (profile, sample_type) = kind.split_once(':').unwrap();
        let top = top(&["--lake", lake, "--all", "-s", &service, "-t", &kind]);
        let what = format!("{kind} of {service}");
        assert_eq!(read.flat(&service, profile, sample_type), flat(&top.rows), "{what}");
        let of_type = |sum: &&Sum| {
            (&*sum.service, &*sum.profile, &*sum.sample_type) == (&service, profile, sample_type)
        };
        let total: i64 = read.profiles.iter().filter(of_type).map(|sum| sum.total_sum).sum();
        // No stack of these is empty. The total of `top` is one of magnitudes.
        assert_eq!(total, top.rows.values().map(|row| row.0).sum::<i64>(), "total of {what}");
    }
    let order = |table: &str| read.orders[table].iter().map(String::as_str).collect::<Vec<_>>();
    assert_eq!(order("samples"), ["service,profile,sample_type,stack,stack_id"]);
    assert_eq!(order("profiles"), ["service,profile,sample_type,time"]);
    assert_eq!(order("functions").len(), 1);
}
