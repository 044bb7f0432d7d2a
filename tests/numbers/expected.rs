//! The table that `top` should show, by google/pprof's sums.

use crate::support::{
    cli::{Rows, Top},
    oracle::TypeSums,
};

/// What the lake should say: a `;` in a name separates frames there, so it is stored as `:`.
pub fn in_lake(sums: &TypeSums) -> Top {
    top(sums, |name| name.replace(';', ":"))
}

/// What should be said of a file.
pub fn in_file(sums: &TypeSums) -> Top {
    top(sums, str::to_owned)
}

fn top(sums: &TypeSums, shown: impl Fn(&str) -> String) -> Top {
    let functions = sums.functions.iter().filter(|row| *row.1 != (0, 0));
    let rows: Rows = functions.clone().map(|(name, row)| (shown(name), *row)).collect();
    assert_eq!(rows.len(), functions.count(), "two functions would have one name");
    Top { unit: sums.unit.clone(), total: sums.magnitude, rows }
}
