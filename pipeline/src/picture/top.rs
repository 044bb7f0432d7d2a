//! Functions by what they cost: `flat` is spent in the function itself, `cum` in it and in all it
//! calls.

use super::tree::{Children, Column, Tree};
use schemars::JsonSchema;
use serde::Serialize;
use std::cmp::Reverse;

/// What rows are sorted by: magnitude, largest first, then by name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sort {
    /// The function itself.
    #[default]
    Flat,
    /// The function and what it calls.
    Cum,
}

/// A table of functions; as JSON it is the answer of `/api/v1/top`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Top {
    /// The unit of all values.
    pub unit: String,
    /// The sum of the magnitudes of all stacks, which shares are of; but for a diff also of those
    /// that a filter left out.
    pub total: i64,
    /// The same of the base of a diff.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total_b: Option<i64>,
    /// The rows, sorted.
    pub rows: Vec<TopRow>,
    /// How many functions there are, rows that were cut off included.
    #[serde(skip)]
    pub functions: usize,
}

/// One function.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct TopRow {
    /// Its name.
    pub function: String,
    /// `path:line`; empty where it is not known.
    pub file: String,
    /// The value of stacks that end in it.
    pub flat: i64,
    /// The value of stacks that have it, each once however often it occurs there.
    pub cum: i64,
    /// `flat` in the base of a diff.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flat_b: Option<i64>,
    /// `cum` in the base of a diff.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cum_b: Option<i64>,
}

/// The `n` first functions by `sort`, all for 0. In a diff they go by how much they changed.
pub fn top(tree: &Tree, sort: Sort, n: usize) -> Top {
    let (trie, children) = (tree.trie(), tree.children());
    let sums = Sums::new(tree, &children, tree.values());
    let base = tree.base().map(|column| Sums::new(tree, &children, column));
    let of = |name: usize| {
        let b = base.as_ref().map(|b| (b.flat[name], b.cum[name]));
        (sums.flat[name], sums.cum[name], b)
    };
    let key = |&name: &u32| {
        let (flat, cum, b) = of(name as usize);
        let (flat_b, cum_b) = b.unwrap_or((0, 0));
        let (value, base) = if sort == Sort::Flat { (flat, flat_b) } else { (cum, cum_b) };
        (Reverse((i128::from(value) - i128::from(base)).unsigned_abs()), trie.name_text(name))
    };
    let mut names: Vec<u32> =
        (0..trie.names_len() as u32).filter(|&name| sums.seen[name as usize]).collect();
    names.sort_by(|x, y| key(x).cmp(&key(y)));
    let functions = names.len();
    if n > 0 {
        names.truncate(n);
    }
    let row = |name: u32| {
        let (flat, cum, b) = of(name as usize);
        TopRow {
            function: trie.name_text(name).to_owned(),
            file: trie.file(name).to_owned(),
            flat,
            cum,
            flat_b: b.map(|b| b.0),
            cum_b: b.map(|b| b.1),
        }
    };
    Top {
        unit: tree.unit().to_owned(),
        total: tree.values().weight(0),
        total_b: tree.base().map(|b| b.weight(0)),
        rows: names.into_iter().map(row).collect(),
        functions,
    }
}

/// The sum of the magnitudes of stacks.
pub fn weight(own: &[i64]) -> i64 {
    own.iter().fold(0, |sum: i64, own| sum.saturating_add(own.saturating_abs()))
}

/// By name id.
struct Sums {
    flat: Vec<i64>,
    cum: Vec<i64>,
    /// Whether some stack of either column has it.
    seen: Vec<bool>,
}

impl Sums {
    /// One walk over the tree: a node counts for its function where no frame above it is of the
    /// same one.
    fn new(tree: &Tree, children: &Children, column: &Column) -> Self {
        let (trie, names) = (tree.trie(), tree.trie().names_len());
        let mut s = Sums { flat: vec![0; names], cum: vec![0; names], seen: vec![false; names] };
        let mut on_path = vec![0u32; names];
        // (node, its next child)
        let mut open: Vec<(u32, usize)> = vec![(0, 0)];
        while let Some((node, next)) = open.last_mut() {
            let Some(&child) = children.of(*node).get(*next) else {
                on_path[trie.name_id(*node) as usize] -= u32::from(*node != 0);
                open.pop();
                continue;
            };
            *next += 1;
            open.push((child, 0));
            let name = trie.name_id(child) as usize;
            s.seen[name] = true;
            s.flat[name] = s.flat[name].saturating_add(column.own(child));
            if on_path[name] == 0 {
                s.cum[name] = s.cum[name].saturating_add(column.total(child));
            }
            on_path[name] += 1;
        }
        s
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::folded::tests::{stacks, unfold};
    use proptest::prelude::*;
    use std::collections::{BTreeMap, BTreeSet};

    /// Stack by stack, as the definition has it.
    fn naive(lines: &str) -> BTreeMap<String, (i64, i64)> {
        let mut rows: BTreeMap<String, (i64, i64)> = BTreeMap::new();
        for line in lines.lines() {
            let (stack, value) = line.rsplit_once(' ').unwrap();
            let value: i64 = value.parse().unwrap();
            let frames: Vec<&str> = stack.split(';').collect();
            rows.entry(frames[frames.len() - 1].to_owned()).or_default().0 += value;
            for f in frames.into_iter().collect::<BTreeSet<_>>() {
                rows.entry(f.to_owned()).or_default().1 += value;
            }
        }
        rows
    }

    proptest! {
        #[test]
        fn as_the_definition_has_it(lines in stacks(), cum: bool) {
            let (trie, own) = unfold(&lines);
            let total = own.iter().sum::<i64>();
            let sort = if cum { Sort::Cum } else { Sort::Flat };
            let got = top(&Tree::new(&trie, "count", own), sort, 0);
            prop_assert_eq!(got.total, total);
            let key = |r: &TopRow| (Reverse(if cum { r.cum } else { r.flat }), r.function.clone());
            prop_assert!(got.rows.is_sorted_by_key(key));
            let rows: BTreeMap<String, (i64, i64)> =
                got.rows.into_iter().map(|r| (r.function, (r.flat, r.cum))).collect();
            prop_assert_eq!(rows, naive(&lines));
        }
    }

    #[test]
    fn rows_of_a_diff_go_by_change() {
        let (trie, own) = unfold("a;b 10\na;c 5\nd 3\na;e 0\n");
        let base = unfold("a;b 10\na;c 0\nd 9\na;e 1\n").1;
        let got = top(&Tree::new(&trie, "count", own).with_base(base), Sort::Flat, 3);
        assert_eq!((got.total, got.total_b, got.functions), (18, Some(20), 5));
        let rows: Vec<_> =
            got.rows.iter().map(|r| (r.function.as_str(), r.flat, r.flat_b, r.cum_b)).collect();
        let want =
            [("d", 3, Some(9), Some(9)), ("c", 5, Some(0), Some(0)), ("e", 0, Some(1), Some(1))];
        assert_eq!(rows, want);
    }

    #[test]
    fn negative_values_and_deep_recursion() {
        let deep = vec!["f"; 100_000].join(";");
        let (trie, own) = unfold(&format!("{deep} -7\ng 2\n"));
        let got = top(&Tree::new(&trie, "count", own), Sort::Cum, 0);
        let rows: Vec<_> = got.rows.iter().map(|r| (r.function.as_str(), r.flat, r.cum)).collect();
        assert_eq!((got.total, rows), (9, vec![("f", -7, -7), ("g", 2, 2)]));
    }

    #[test]
    fn json_is_the_contract() {
        let (mut trie, own) = unfold("main.main 3\n");
        trie.set_file("main.main", "/src/main.go:5");
        let got =
            serde_json::to_string(&top(&Tree::new(&trie, "bytes", own), Sort::Flat, 0)).unwrap();
        let row = r#"{"function":"main.main","file":"/src/main.go:5","flat":3,"cum":3}"#;
        assert_eq!(got, format!(r#"{{"unit":"bytes","total":3,"rows":[{row}]}}"#));
    }
}
