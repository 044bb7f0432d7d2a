//! Values on a trie: what each stack has of its own, and what runs through each frame.

use super::trie::Trie;

/// One value per node of a trie.
#[derive(Clone, Debug)]
pub struct Column {
    own: Vec<i64>,
    total: Vec<i64>,
    /// What a frame's width stands for: the sum of magnitudes below it. Kept apart only where some
    /// value is negative; else it is `total`.
    weight: Option<Vec<i64>>,
}

impl Column {
    /// From the own value of each node, in the unit of the question; nodes past the end have none.
    /// Sums saturate: they neither wrap nor panic.
    pub fn new(trie: &Trie, mut own: Vec<i64>) -> Self {
        own.resize(trie.len(), 0);
        let total = sums(trie, own.clone());
        let magnitudes = || own.iter().map(|v| v.saturating_abs()).collect();
        let weight = own.iter().any(|&v| v < 0).then(|| sums(trie, magnitudes()));
        Column { own, total, weight }
    }

    /// Values of the stacks that end in the node.
    #[inline]
    pub fn own(&self, node: u32) -> i64 {
        self.own[node as usize]
    }

    /// Values of the stacks that run through the node.
    #[inline]
    pub fn total(&self, node: u32) -> i64 {
        self.total[node as usize]
    }

    /// How wide the node is drawn: the sum of the magnitudes of the stacks through it, which is the
    /// total unless some are negative. Never negative, and never more than the parent's.
    #[inline]
    pub fn weight(&self, node: u32) -> i64 {
        self.weight.as_ref().unwrap_or(&self.total)[node as usize]
    }
}

/// Own values to sums over subtrees, in one pass: children come after their parents.
fn sums(trie: &Trie, mut values: Vec<i64>) -> Vec<i64> {
    for node in (1..values.len()).rev() {
        let parent = trie.parent(node as u32) as usize;
        values[parent] = values[parent].saturating_add(values[node]);
    }
    values
}

/// A trie with the values of one question on it, and of its base where two are compared. Nodes
/// without any value are not part of the tree, though they may be part of the trie.
#[derive(Clone, Debug)]
pub struct Tree<'t> {
    trie: &'t Trie,
    unit: String,
    values: Column,
    base: Option<Column>,
}

impl<'t> Tree<'t> {
    /// From own values in `unit` (`nanoseconds`, `bytes`, `count`, …), one per node.
    pub fn new(trie: &'t Trie, unit: &str, own: Vec<i64>) -> Self {
        Tree { trie, unit: unit.to_owned(), values: Column::new(trie, own), base: None }
    }

    /// With the own values of the base that this tree is compared to.
    pub fn with_base(mut self, own: Vec<i64>) -> Self {
        self.base = Some(Column::new(self.trie, own));
        self
    }

    /// The frames.
    pub fn trie(&self) -> &'t Trie {
        self.trie
    }

    /// The unit of all values.
    pub fn unit(&self) -> &str {
        &self.unit
    }

    /// The values.
    pub fn values(&self) -> &Column {
        &self.values
    }

    /// The values of the base of a diff.
    pub fn base(&self) -> Option<&Column> {
        self.base.as_ref()
    }

    /// Whether any stack with a value runs through the node.
    #[inline]
    pub(super) fn live(&self, node: u32) -> bool {
        self.values.weight(node) > 0 || self.base.as_ref().is_some_and(|b| b.weight(node) > 0)
    }

    /// Nodes with a value by their parents.
    pub(super) fn children(&self) -> Children {
        let n = self.trie.len() as u32;
        let mut start = vec![0u32; n as usize + 1];
        let live = || (1..n).filter(|&node| self.live(node));
        for node in live() {
            start[self.trie.parent(node) as usize + 1] += 1;
        }
        for i in 0..n as usize {
            start[i + 1] += start[i];
        }
        let mut next = start.clone();
        let mut nodes = vec![0; start[n as usize] as usize];
        for node in live() {
            let at = &mut next[self.trie.parent(node) as usize];
            nodes[*at as usize] = node;
            *at += 1;
        }
        Children { start, nodes }
    }
}

/// All children in one array, those of a node side by side, in the order they were made.
pub(super) struct Children {
    start: Vec<u32>,
    nodes: Vec<u32>,
}

impl Children {
    #[inline]
    pub fn of(&self, node: u32) -> &[u32] {
        &self.nodes[self.start[node as usize] as usize..self.start[node as usize + 1] as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_saturate_and_widths_are_magnitudes() {
        let mut trie = Trie::new();
        let nodes = trie.add_folded(["a;b", "a;c", "d"]);
        let mut own = vec![0; trie.len()];
        own[nodes[0] as usize] = i64::MAX;
        own[nodes[1] as usize] = i64::MAX;
        own[nodes[2] as usize] = i64::MIN;
        let c = Column::new(&trie, own);
        let a = trie.parent(nodes[0]);
        assert_eq!((c.total(a), c.weight(a)), (i64::MAX, i64::MAX));
        assert_eq!((c.total(nodes[2]), c.weight(nodes[2])), (i64::MIN, i64::MAX));
        assert_eq!(c.weight(0), i64::MAX);
    }

    #[test]
    fn children_are_those_with_a_value() {
        let mut trie = Trie::new();
        let nodes = trie.add_folded(["a;b", "a;c", "d", "e"]);
        let mut own = vec![0; 3];
        own[nodes[0] as usize] = 5;
        let mut base = vec![0; trie.len()];
        base[nodes[2] as usize] = -1;
        let tree = Tree::new(&trie, "count", own).with_base(base);
        let children = tree.children();
        assert_eq!(children.of(0), [trie.parent(nodes[0]), nodes[2]]);
        assert_eq!(children.of(trie.parent(nodes[0])), [nodes[0]]);
        assert!(children.of(nodes[2]).is_empty());
        assert!(!tree.live(nodes[3]));
    }
}
