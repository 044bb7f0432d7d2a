//! Which frames of a tree are wide enough to be drawn.

use super::flame::WIDTH_MAX;
use super::tree::{Children, Column, Tree};
use std::cmp::Reverse;

/// Frames are kept down to this part of a pixel.
const PER_PIXEL: u32 = 4;

/// How nodes compare in width. In a diff each side counts by its share of its own total.
pub(super) struct Sizes<'t> {
    tree: &'t Tree<'t>,
    /// Weights of the viewed root, at least 1.
    full: (u128, u128),
    /// The smallest size that is seen.
    least: u128,
}

impl<'t> Sizes<'t> {
    pub fn new(tree: &'t Tree<'t>, view: u32, width: u32) -> Self {
        let (a, b) = weights(tree, view);
        let full = (a.max(1), b.max(1));
        let parts = u128::from(width.clamp(1, WIDTH_MAX) * PER_PIXEL);
        Sizes { tree, full, least: (full.0 * full.1).div_ceil(parts) }
    }

    /// The larger share of both sides, in parts of `full.0 * full.1`. Never more than the parent's.
    fn seen(&self, node: u32) -> u128 {
        let (a, b) = weights(self.tree, node);
        (a * self.full.1).max(b * self.full.0)
    }

    /// What siblings are sorted by: both shares together.
    pub fn order(&self, node: u32) -> u128 {
        let (a, b) = weights(self.tree, node);
        a * self.full.1 + b * self.full.0
    }
}

/// Below 2^63 each, so that products of two stay below 2^126.
fn weights(tree: &Tree, node: u32) -> (u128, u128) {
    let of = |column: &Column| column.weight(node).unsigned_abs().into();
    (of(tree.values()), tree.base().map_or(0, of))
}

/// Which nodes are drawn: all that can be seen, or the largest of them where these are too many.
pub(super) struct Kept {
    /// The last one that is, by size, then age: a parent is before its children in both.
    last: (u128, Reverse<u32>),
}

impl Kept {
    pub fn new(sizes: &Sizes, children: &Children, view: u32, max: usize) -> Self {
        let mut found = vec![];
        let mut open = vec![view];
        while let Some(node) = open.pop() {
            found.push((sizes.seen(node), Reverse(node)));
            let seen = |&&child: &&u32| sizes.seen(child) >= sizes.least;
            open.extend(children.of(node).iter().filter(seen));
        }
        if found.len() <= max {
            return Kept { last: (sizes.least, Reverse(u32::MAX)) };
        }
        let (_, last, _) = found.select_nth_unstable_by_key(max - 1, |&key| Reverse(key));
        Kept { last: *last }
    }

    pub fn has(&self, sizes: &Sizes, node: u32) -> bool {
        (sizes.seen(node), Reverse(node)) >= self.last
    }
}

/// By node: the frames of its subtree that have a value, itself included.
pub(super) fn frame_counts(tree: &Tree) -> Vec<u32> {
    let mut counts = vec![0; tree.trie().len()];
    for node in (1..counts.len()).rev() {
        counts[node] += u32::from(tree.live(node as u32));
        counts[tree.trie().parent(node as u32) as usize] += counts[node];
    }
    counts
}
