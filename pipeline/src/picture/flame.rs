//! The flame graph as columns, pruned to what can be seen (`docs/http.md`).
//!
//! A frame is kept where it is at least a quarter pixel wide; the others below one parent become
//! one placeholder, so that values and frames are conserved. Widths stand for magnitudes: with
//! negative values a frame's width is the sum of |self| over what is below it, while `total` and
//! `self` keep their signs. So no width is ever negative or larger than the parent's.

use super::prune::{Kept, Sizes, frame_counts};
use super::tree::{Children, Column, Tree};
use super::{BadInput, top::Top};
use regex::Regex;
use schemars::JsonSchema;
use serde::{Serialize, Serializer};
use std::collections::HashMap;

/// Frames of one answer, placeholders and ancestors included.
pub const FRAMES_MAX: usize = 100_000;
/// Pixels of the widest picture.
pub const WIDTH_MAX: u32 = 16_384;
/// Integers up to here are exact in JSON as browsers read it.
const JSON_MAX: u64 = 1 << 53;
/// The path hash of the root: the offset basis of FNV-1a 64.
const ROOT_PATH: u64 = 0xcbf2_9ce4_8422_2325;

/// What to draw of a tree.
#[derive(Clone, Debug)]
pub struct FlameOptions {
    /// Pixels across, 1 to [`WIDTH_MAX`]; what is outside is taken as the nearest.
    pub width: u32,
    /// Path hash of the frame that fills the width.
    pub root: Option<u64>,
    /// Functions whose stacks `matched` adds up.
    pub matching: Option<Regex>,
}

impl Default for FlameOptions {
    fn default() -> Self {
        FlameOptions { width: 1200, root: None, matching: None }
    }
}

/// Columns, one entry per frame, depth-first; siblings by size, then name; a placeholder last.
/// With a `root`, the frames above it come first, one per level, each with its whole total. As
/// JSON it is the answer of `/api/v1/flame`.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Flame {
    /// The unit of all values.
    pub unit: String,
    /// Functions; 0 is the root, `total`.
    pub names: Vec<String>,
    /// `path:line` of each function; empty where it is not known.
    pub files: Vec<String>,
    /// Depth; the root is 0.
    pub level: Vec<u32>,
    /// Index into `names`; -n for a placeholder that stands for n frames.
    pub name: Vec<i64>,
    /// What runs through the frame, in multiples of `scale`.
    pub total: Vec<i64>,
    /// What ends in it; of a placeholder, its total.
    #[serde(rename = "self")]
    pub own: Vec<i64>,
    /// `total` in the base of a diff.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total_b: Option<Vec<i64>>,
    /// `self` in the base of a diff.
    #[serde(rename = "self_b", skip_serializing_if = "Option::is_none")]
    pub own_b: Option<Vec<i64>>,
    /// The frame as a root of its own; a placeholder has its parent's.
    #[serde(serialize_with = "hex")]
    #[schemars(with = "Vec<String>")]
    pub path: Vec<u64>,
    /// 1, or the power of two that values were divided by (rounded to zero) to stay below 2^53.
    pub scale: i64,
    /// What stacks with a matching function have, of the whole tree, in multiples of `scale`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub matched: Option<i64>,
    /// Index of the frame that fills the width: the number of its ancestors.
    #[serde(skip)]
    pub viewed: usize,
}

/// The answer of `/api/v1/diff`.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Diff {
    /// The picture, with the base in `total_b` and `own_b`.
    #[serde(flatten)]
    pub flame: Flame,
    /// The table.
    pub top: Top,
}

fn hex<S: Serializer>(paths: &[u64], to: S) -> Result<S::Ok, S::Error> {
    to.collect_seq(paths.iter().map(|path| format!("{path:016x}")))
}

/// A path hash from its 16 hex digits.
///
/// # Errors
/// Naming `root`, where it is something else.
pub fn parse_path(text: &str) -> Result<u64, BadInput> {
    let digits = text.len() == 16 && text.bytes().all(|b| b.is_ascii_hexdigit());
    let hash = u64::from_str_radix(text, 16).ok().filter(|_| digits);
    hash.ok_or_else(|| BadInput::new("root", "a path hash has 16 hex digits"))
}

/// FNV-1a 64 goes on over a name and a zero byte.
fn step(hash: u64, name: &str) -> u64 {
    let fold = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
    fold(name.bytes().fold(hash, fold), 0)
}

/// Draws a tree.
///
/// # Errors
/// Naming `root`, where no frame of this tree has that path.
pub fn flame(tree: &Tree, options: &FlameOptions) -> Result<Flame, BadInput> {
    let view = find(tree, options.root)?;
    let chain = tree.trie().path(view).len();
    let children = tree.children();
    let sizes = Sizes::new(tree, view, options.width);
    let kept = Kept::new(&sizes, &children, view, (FRAMES_MAX - chain) / 2);
    let mut out = Rows::new(tree);
    out.ancestors(view);
    out.subtree(view, &children, &sizes, &kept);
    let matched = options.matching.as_ref().map(|re| matched(tree, re));
    Ok(out.finish(chain, matched))
}

/// The viewed node.
fn find(tree: &Tree, root: Option<u64>) -> Result<u32, BadInput> {
    let Some(want) = root.filter(|&path| path != ROOT_PATH) else { return Ok(0) };
    let trie = tree.trie();
    let mut hashes = vec![(ROOT_PATH, 0usize); trie.len()];
    for node in 1..trie.len() as u32 {
        let (hash, depth) = hashes[trie.parent(node) as usize];
        hashes[node as usize] = (step(hash, trie.name(node)), depth + 1);
        // Deeper ones are never handed out: their ancestors alone would fill the answer.
        if hashes[node as usize].0 == want && tree.live(node) && depth < FRAMES_MAX / 2 {
            return Ok(node);
        }
    }
    Err(BadInput::new("root", format!("no frame of this selection has the path {want:016x}")))
}

/// What stacks with a matching function have of their own.
fn matched(tree: &Tree, re: &Regex) -> i64 {
    let trie = tree.trie();
    let hits: Vec<bool> =
        (0..trie.names_len() as u32).map(|id| re.is_match(trie.name_text(id))).collect();
    let mut seen = vec![false; trie.len()];
    let mut sum = 0i64;
    for node in 1..trie.len() as u32 {
        if seen[trie.parent(node) as usize] || hits[trie.name_id(node) as usize] {
            seen[node as usize] = true;
            sum = sum.saturating_add(tree.values().own(node));
        }
    }
    sum
}

/// Frames below a parent that are not drawn.
#[derive(Clone, Copy, Default)]
struct Rest {
    frames: i64,
    total: i64,
    total_b: i64,
}

/// What is still to be written, with its level and the hash of its parent.
enum Item {
    Frame(u32, u32, u64),
    Rest(Rest, u32, u64),
}

/// The answer as it grows.
struct Rows<'t> {
    tree: &'t Tree<'t>,
    flame: Flame,
    /// Index into `names` of each name id that was met.
    ids: HashMap<u32, i64>,
    own_b: Vec<i64>,
    total_b: Vec<i64>,
}

impl<'t> Rows<'t> {
    fn new(tree: &'t Tree<'t>) -> Self {
        let flame = Flame {
            unit: tree.unit().to_owned(),
            names: vec!["total".to_owned()],
            files: vec![String::new()],
            level: vec![],
            name: vec![],
            total: vec![],
            own: vec![],
            total_b: None,
            own_b: None,
            path: vec![],
            scale: 1,
            matched: None,
            viewed: 0,
        };
        Rows { tree, flame, ids: HashMap::new(), own_b: vec![], total_b: vec![] }
    }

    fn put(&mut self, level: u32, name: i64, path: u64, a: (i64, i64), b: (i64, i64)) {
        self.flame.level.push(level);
        self.flame.name.push(name);
        self.flame.path.push(path);
        self.flame.total.push(a.0);
        self.flame.own.push(a.1);
        self.total_b.push(b.0);
        self.own_b.push(b.1);
    }

    /// Writes a frame; gives its path.
    fn frame(&mut self, node: u32, level: u32, above: u64) -> u64 {
        let trie = self.tree.trie();
        let (mut name, mut path) = (0, ROOT_PATH);
        if node != 0 {
            let (id, next) = (trie.name_id(node), self.flame.names.len() as i64);
            name = *self.ids.entry(id).or_insert(next);
            if name == next {
                self.flame.names.push(trie.name_text(id).to_owned());
                self.flame.files.push(trie.file(id).to_owned());
            }
            path = step(above, trie.name(node));
        }
        let of = |column: &Column| (column.total(node), column.own(node));
        let (a, b) = (of(self.tree.values()), self.tree.base().map_or((0, 0), of));
        self.put(level, name, path, a, b);
        path
    }

    fn ancestors(&mut self, view: u32) {
        let mut above = ROOT_PATH;
        let trie = self.tree.trie();
        let path = trie.path(view);
        let chain = std::iter::once(0).chain(path).take_while(|&node| node != view);
        for (level, node) in (0..).zip(chain) {
            above = self.frame(node, level, above);
        }
    }

    fn subtree(&mut self, view: u32, children: &Children, sizes: &Sizes, kept: &Kept) {
        let (tree, trie) = (self.tree, self.tree.trie());
        let frames = frame_counts(tree);
        let above = self.flame.path.last().copied().unwrap_or(ROOT_PATH);
        let mut open = vec![Item::Frame(view, self.flame.level.len() as u32, above)];
        while let Some(item) = open.pop() {
            let (node, level, above) = match item {
                Item::Frame(node, level, above) => (node, level, above),
                Item::Rest(rest, level, parent) => {
                    let (a, b) = (rest.total, rest.total_b);
                    self.put(level, -rest.frames, parent, (a, a), (b, b));
                    continue;
                }
            };
            let path = self.frame(node, level, above);
            let (mut next, small): (Vec<u32>, Vec<u32>) =
                children.of(node).iter().partition(|&&child| kept.has(sizes, child));
            if !small.is_empty() {
                let mut rest = Rest::default();
                for child in small {
                    rest.frames += i64::from(frames[child as usize]);
                    rest.total = rest.total.saturating_add(tree.values().total(child));
                    let b = tree.base().map_or(0, |b| b.total(child));
                    rest.total_b = rest.total_b.saturating_add(b);
                }
                open.push(Item::Rest(rest, level + 1, path));
            }
            // Smallest first: the last one is taken next.
            next.sort_unstable_by(|&x, &y| {
                let by_size = sizes.order(x).cmp(&sizes.order(y));
                by_size.then_with(|| trie.name(y).cmp(trie.name(x)))
            });
            open.extend(next.into_iter().map(|child| Item::Frame(child, level + 1, path)));
        }
    }

    fn finish(self, viewed: usize, matched: Option<i64>) -> Flame {
        let mut f = Flame { viewed, matched, ..self.flame };
        if self.tree.base().is_some() {
            (f.total_b, f.own_b) = (Some(self.total_b), Some(self.own_b));
        }
        let mut columns: Vec<&mut Vec<i64>> = vec![&mut f.total, &mut f.own];
        columns.extend(f.total_b.as_mut());
        columns.extend(f.own_b.as_mut());
        let all = columns.iter().flat_map(|column| column.iter()).chain(f.matched.as_ref());
        let largest = all.map(|v| v.unsigned_abs()).max().unwrap_or(0);
        while largest / f.scale.unsigned_abs() > JSON_MAX {
            f.scale *= 2;
        }
        if f.scale > 1 {
            columns.into_iter().flatten().for_each(|v| *v /= f.scale);
            f.matched = f.matched.map(|v| v / f.scale);
        }
        f
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::Trie;
    use crate::picture::folded::tests::{stacks, unfold};
    use proptest::prelude::*;

    fn draw(tree: &Tree, width: u32, root: Option<u64>) -> Flame {
        flame(tree, &FlameOptions { width, root, matching: None }).unwrap()
    }

    /// One line per frame: level, name or count, total, self.
    fn show(f: &Flame) -> Vec<String> {
        let name = |n: i64| usize::try_from(n).map_or(format!("{n}"), |n| f.names[n].clone());
        let rows = f.level.iter().zip(&f.name).zip(f.total.iter().zip(&f.own));
        rows.map(|((l, &n), (t, o))| format!("{l} {} {t} {o}", name(n))).collect()
    }

    fn path(names: &[&str]) -> u64 {
        names.iter().fold(ROOT_PATH, |hash, name| step(hash, name))
    }

    const LINES: &str = "a;b 900\na;c 50\na;d;e 30\na;d;f 20\ng 1000\nh 2\ni;j 1\ni;k 1\n";

    #[test]
    fn what_is_narrow_becomes_one_placeholder() {
        let (trie, own) = unfold(LINES);
        let tree = Tree::new(&trie, "count", own);
        let got = draw(&tree, 10, None);
        let want = [
            "0 total 2004 0",
            "1 a 1000 0",
            "2 b 900 900",
            "2 -4 100 100",
            "1 g 1000 1000",
            "1 -4 4 4",
        ];
        assert_eq!(show(&got), want);
        assert_eq!((got.path[3], got.path[5]), (path(&["a"]), ROOT_PATH));
        assert_eq!(draw(&tree, 1_000, None).level.len(), 12);
    }

    #[test]
    fn a_root_has_its_ancestors_and_finer_detail() {
        let (trie, own) = unfold(LINES);
        let tree = Tree::new(&trie, "count", own);
        let got = draw(&tree, 10, Some(path(&["a", "d"])));
        let want = ["0 total 2004 0", "1 a 1000 0", "2 d 50 0", "3 e 30 30", "3 f 20 20"];
        assert_eq!((show(&got), got.viewed), (want.map(String::from).to_vec(), 2));
        assert_eq!(got.path[4], path(&["a", "d", "f"]));
        assert_eq!(draw(&tree, 10, Some(ROOT_PATH)), draw(&tree, 10, None));
        let error =
            flame(&tree, &FlameOptions { root: Some(1), ..Default::default() }).unwrap_err();
        assert_eq!(
            error.to_string(),
            "root: no frame of this selection has the path 0000000000000001"
        );
        let unseen = Tree::new(&trie, "count", vec![1]);
        assert!(
            flame(&unseen, &FlameOptions { root: Some(path(&["g"])), ..Default::default() })
                .is_err()
        );
    }

    #[test]
    fn paths_are_fnv() {
        assert_eq!(path(&["a"]), 0x089b_e207_b544_f1e4);
        assert_eq!(parse_path("cbf29ce484222325"), Ok(ROOT_PATH));
        for bad in ["", "cbf2", "+bf29ce484222325", "cbf29ce48422232g", "0cbf29ce484222325"] {
            assert_eq!(parse_path(bad).unwrap_err().field, "root");
        }
    }

    #[test]
    fn a_diff_keeps_what_either_side_shows() {
        let (trie, own) = unfold("a 1000\nb 1\nc 1\nd 0\n");
        let base = unfold("a 10\nb 10\nc 0\nd 0\n").1;
        let got = draw(&Tree::new(&trie, "count", own).with_base(base), 10, None);
        assert_eq!(show(&got), ["0 total 1002 0", "1 a 1000 1000", "1 b 1 1", "1 -1 1 1"]);
        assert_eq!((got.total_b, got.own_b), (Some(vec![20, 10, 10, 0]), Some(vec![0, 10, 10, 0])));
    }

    #[test]
    fn negative_values_are_as_wide_as_they_are_large() {
        let (trie, own) = unfold("a;x 100\na;y -100\nb 50\n");
        let got = draw(&Tree::new(&trie, "bytes", own), 2, None);
        let want = ["0 total 50 0", "1 a 0 0", "2 x 100 100", "2 y -100 -100", "1 b 50 50"];
        assert_eq!(show(&got), want);
    }

    #[test]
    fn json_numbers_stay_exact() {
        let (trie, own) = unfold(&format!("a {}\na;b {}\n", i64::MAX - 1, i64::MIN));
        let f = flame(
            &Tree::new(&trie, "bytes", own),
            &FlameOptions { matching: Regex::new("b").ok(), ..Default::default() },
        )
        .unwrap();
        assert_eq!((f.scale, f.matched), (1_024, Some(-(1 << 53))));
        assert_eq!(f.own, [0, (1 << 53) - 1, -(1 << 53)]);
        let json = serde_json::to_value(&f).unwrap();
        assert_eq!(json["self"][2], -(1i64 << 53));
        assert_eq!(json["path"][0], "cbf29ce484222325");
        assert!(json.get("total_b").is_none() && json.get("viewed").is_none());
    }

    #[test]
    fn matched_counts_each_stack_once_pruned_or_not() {
        let (trie, own) = unfold("a;b;b 900\na;c 5\nb 1\nb;d 7\n");
        let options = FlameOptions { width: 1, root: None, matching: Regex::new("b").ok() };
        assert_eq!(flame(&Tree::new(&trie, "count", own), &options).unwrap().matched, Some(908));
    }

    #[test]
    fn frames_have_a_cap() {
        let deep = vec!["f"; 100_001].join(";");
        let (trie, own) = unfold(&format!("{deep} 1\n"));
        let got = draw(&Tree::new(&trie, "count", own), 1200, None);
        assert_eq!(got.level.len(), FRAMES_MAX / 2 + 1);
        assert_eq!(got.name.last(), Some(&-(100_001 - (FRAMES_MAX / 2 - 1) as i64)));

        // More levels of visible frames than fit: the widest stay.
        let mut trie = Trie::new();
        let mut own = vec![0];
        for branch in 0..4_000 {
            let mut node = trie.child(0, &format!("b{branch}"));
            for _ in 0..29 {
                node = trie.child(node, "f");
            }
            own.resize(trie.len(), 0);
            own[node as usize] = 1_000 + branch;
        }
        let total: i64 = own.iter().sum();
        let got = draw(&Tree::new(&trie, "count", own), WIDTH_MAX, None);
        assert!((50_000..=FRAMES_MAX).contains(&got.level.len()), "{}", got.level.len());
        assert_eq!(got.own.iter().sum::<i64>(), total);
        assert_eq!(got.total[1], 4_999);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn values_and_frames_are_conserved(lines in stacks(), base in stacks(), width in 1u32..40) {
            let mut trie = unfold(&lines).0;
            let nodes = |trie: &mut Trie, text: &str| -> Vec<(u32, i64)> {
                let rows = text.lines().filter_map(|l| l.rsplit_once(' '));
                rows.map(|(s, v)| (trie.add_folded([s])[0], v.parse().unwrap())).collect()
            };
            let (a, b) = (nodes(&mut trie, &lines), nodes(&mut trie, &base));
            let column = |rows: &[(u32, i64)]| {
                let mut own = vec![0; trie.len()];
                rows.iter().for_each(|&(node, v)| own[node as usize] += v);
                own
            };
            let tree = Tree::new(&trie, "count", column(&a)).with_base(column(&b));
            let whole = draw(&tree, WIDTH_MAX, None);
            prop_assert_eq!(whole.level.len(), trie.len());
            for (at, &root) in whole.path.iter().enumerate() {
                let f = draw(&tree, width, Some(root));
                let v = f.viewed;
                prop_assert_eq!(f.total[v], whole.total[at]);
                prop_assert_eq!(f.own[v..].iter().sum::<i64>(), f.total[v]);
                let (own_b, total_b) = (f.own_b.unwrap(), f.total_b.unwrap());
                prop_assert_eq!(own_b[v..].iter().sum::<i64>(), total_b[v]);
                let end = (at + 1..whole.level.len()).find(|&i| whole.level[i] <= whole.level[at]);
                let frames = f.name[v..].iter().map(|&n| if n < 0 { -n } else { 1 }).sum::<i64>();
                prop_assert_eq!(frames as usize, end.unwrap_or(whole.level.len()) - at);
                prop_assert!(f.level.windows(2).all(|w| w[1] <= w[0] + 1));
            }
        }
    }
}
