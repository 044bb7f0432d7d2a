//! What somebody probably meant who wrote a name that is not known.

/// The known name that is next to `got`, if one is so near that it may have been meant.
pub fn nearest<'a>(got: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let near = known
        .into_iter()
        .map(|name| (distance(&got.to_lowercase(), &name.to_lowercase()), name))
        .filter(|(distance, name)| *distance <= 1.max(name.len() / 3));
    near.min().map(|(_, name)| name)
}

/// Number of characters to add, remove, change or swap with a neighbour. Names are cut at 64, so
/// that the work has a limit.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<_>, Vec<_>) = (a.chars().take(64).collect(), b.chars().take(64).collect());
    let mut rows = vec![(0..=b.len()).collect::<Vec<_>>()];
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let changed = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            row[j] = changed.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(rows[i - 2][j - 2] + 1);
            }
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_near_and_another_word_is_not() {
        for (got, known, want) in [
            ("hepa", &["heap", "help"][..], Some("heap")),
            ("Mutex", &["mutex"], Some("mutex")),
            ("goroutines", &["block", "goroutine"], Some("goroutine")),
            ("wall", &["heap", "cpu"], None),
            ("x", &[], None),
        ] {
            assert_eq!(nearest(got, known.iter().copied()), want, "{got}");
        }
    }
}
