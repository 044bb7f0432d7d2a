//! Folded text: a line per stack, `root;…;leaf value`, as stackcollapse writes it.

use super::escape::visible;
use super::tree::Tree;
use std::io::{self, Write};

/// Writes the stacks that have a value of their own, sorted by name. A `;` in a name becomes `:`,
/// and what would end the line a replacement character. Stacks without frames make a line that
/// begins with the space. The base of a diff is not written.
///
/// # Errors
/// Those of the writer.
pub fn write_folded(tree: &Tree, out: &mut impl Write) -> io::Result<()> {
    let (trie, children) = (tree.trie(), tree.children());
    let mut line = String::new();
    // (node, length of the line before its name)
    let mut open = vec![(0u32, 0usize)];
    while let Some((node, before)) = open.pop() {
        line.truncate(before);
        if node != 0 {
            if trie.parent(node) != 0 {
                line.push(';');
            }
            line.push_str(&visible(trie.name(node)).replace(';', ":"));
        }
        match (tree.base().map(|base| base.own(node)), tree.values().own(node)) {
            (None | Some(0), 0) => {}
            (None, value) => writeln!(out, "{line} {value}")?,
            (Some(base), value) => writeln!(out, "{line} {base} {value}")?,
        }
        let mut next = children.of(node).to_vec();
        next.sort_unstable_by(|&x, &y| trie.name(y).cmp(trie.name(x)));
        open.extend(next.into_iter().map(|child| (child, line.len())));
    }
    Ok(())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::picture::trie::Trie;
    use proptest::prelude::*;

    /// Folded lines to a trie and own values.
    pub fn unfold(lines: &str) -> (Trie, Vec<i64>) {
        let mut trie = Trie::new();
        let rows: Vec<(&str, &str)> = lines.lines().map(|l| l.rsplit_once(' ').unwrap()).collect();
        let nodes = trie.add_folded(rows.iter().map(|r| r.0));
        let mut own = vec![0; trie.len()];
        for (node, (_, value)) in nodes.into_iter().zip(rows) {
            own[node as usize] += value.parse::<i64>().unwrap();
        }
        (trie, own)
    }

    pub fn fold(trie: &Trie, own: &[i64]) -> String {
        let mut out = vec![];
        write_folded(&Tree::new(trie, "count", own.to_vec()), &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    /// Folded lines of distinct stacks with some recursion, values of some range.
    pub fn stacks() -> impl Strategy<Value = String> {
        let rows = prop::collection::btree_map("[a-e](;[a-e]){0,7}", 1i64..1_000, 0..60);
        rows.prop_map(|rows| rows.iter().map(|(stack, v)| format!("{stack} {v}\n")).collect())
    }

    proptest! {
        #[test]
        fn folded_to_tree_to_folded(lines in stacks()) {
            let (trie, own) = unfold(&lines);
            let mut want: Vec<&str> = lines.lines().collect();
            let text = fold(&trie, &own);
            let mut got: Vec<&str> = text.lines().collect();
            want.sort_unstable();
            got.sort_unstable();
            prop_assert_eq!(got, want);
        }
    }

    #[test]
    fn names_cannot_forge_lines_or_frames() {
        let mut trie = Trie::new();
        let node = trie.child(0, "a;b\n999 c");
        let mut own = vec![0; trie.len()];
        own[node as usize] = -3;
        assert_eq!(fold(&trie, &own), "a:b\u{fffd}999 c -3\n");
    }

    #[test]
    fn a_diff_has_both_values() {
        let (trie, own) = unfold("a;b 3\na;c 0\nd 0\n");
        let base = unfold("a;b 1\na;c 2\n").1;
        let mut out = vec![];
        write_folded(&Tree::new(&trie, "count", own).with_base(base), &mut out).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "a;b 1 3\na;c 2 0\n");
    }

    #[test]
    fn deep_stacks_are_one_line() {
        let deep = vec!["f"; 100_000].join(";") + " 1\n";
        let (trie, own) = unfold(&deep);
        assert_eq!(fold(&trie, &own), deep);
    }
}
