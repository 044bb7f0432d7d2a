//! Where each frame of a flame graph stands, from its columns alone.

use super::flame::Flame;

/// A frame's left edge and width, as parts of the whole width.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Place {
    pub start: f64,
    pub size: f64,
}

/// By frame. Widths stand for the sum of |self| over what is below; in a diff, for the mean of the
/// shares on both sides. The ancestors of the viewed frame span all.
pub(super) fn layout(flame: &Flame) -> Vec<Place> {
    let n = flame.level.len();
    let mut sizes = shares(&flame.own, flame.viewed);
    if let Some(own_b) = &flame.own_b {
        let b = shares(own_b, flame.viewed);
        sizes.iter_mut().zip(b).for_each(|(a, b)| *a += b);
    }
    // Sums over subtrees, backwards: each level's open sum goes to the frame above it.
    let mut below = vec![0.0; flame.level.iter().max().map_or(0, |&l| l as usize) + 2];
    for i in (flame.viewed..n).rev() {
        let level = flame.level[i] as usize;
        sizes[i] += std::mem::take(&mut below[level + 1]);
        below[level] += sizes[i];
    }
    let full = sizes.get(flame.viewed).copied().filter(|&s| s > 0.0).unwrap_or(1.0);
    let mut places = vec![Place { start: 0.0, size: 1.0 }; n];
    // By level: where the next frame begins.
    let mut next = vec![0.0; below.len()];
    for i in flame.viewed..n {
        let level = flame.level[i] as usize;
        let size = if i == flame.viewed { 1.0 } else { sizes[i] / full };
        places[i] = Place { start: next[level], size };
        next[level + 1] = next[level];
        next[level] += size;
    }
    places
}

/// Magnitudes of own values as shares of their sum over the viewed frames.
fn shares(own: &[i64], viewed: usize) -> Vec<f64> {
    let sum: f64 = own[viewed..].iter().map(|&v| (v as f64).abs()).sum();
    own.iter().map(|&v| if sum > 0.0 { (v as f64).abs() / sum } else { 0.0 }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::folded::tests::unfold;
    use crate::picture::{FlameOptions, Tree, flame};

    fn places(tree: &Tree, options: &FlameOptions) -> Vec<(u32, f64, f64)> {
        let f = flame(tree, options).unwrap();
        let round = |x: f64| (x * 1e9).round() / 1e9;
        let places = layout(&f);
        f.level.iter().zip(places).map(|(&l, p)| (l, round(p.start), round(p.size))).collect()
    }

    #[test]
    fn children_lie_within_their_parents() {
        let (trie, own) = unfold("a;b 50\na;c -10\na 15\nd 25\n");
        let tree = Tree::new(&trie, "count", own);
        let want = [(0, 0.0, 1.0), (1, 0.0, 0.75), (2, 0.0, 0.5), (2, 0.5, 0.1), (1, 0.75, 0.25)];
        assert_eq!(places(&tree, &FlameOptions::default()), want);
        let root = flame(&tree, &FlameOptions::default()).unwrap().path[1];
        let options = FlameOptions { root: Some(root), ..Default::default() };
        let third = 2.0 / 3.0;
        let got = places(&tree, &options);
        assert_eq!(got[..2], [(0, 0.0, 1.0), (1, 0.0, 1.0)]);
        assert!((got[2].2 - third).abs() < 1e-6 && (got[3].1 - third).abs() < 1e-6);
    }

    #[test]
    fn a_diff_has_the_mean_of_both_shares() {
        let (trie, own) = unfold("a 100\nb 0\n");
        let base = unfold("a 5\nb 5\n").1;
        let tree = Tree::new(&trie, "count", own).with_base(base);
        let want = [(0, 0.0, 1.0), (1, 0.0, 0.75), (1, 0.75, 0.25)];
        assert_eq!(places(&tree, &FlameOptions::default()), want);
        let nothing = Tree::new(&trie, "count", vec![]);
        assert_eq!(places(&nothing, &FlameOptions::default()), [(0, 0.0, 1.0)]);
    }
}
