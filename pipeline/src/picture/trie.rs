//! A call tree shared by many profiles: the stacks of a process, each path once.
//!
//! Nodes are 12 bytes and know their parent; children come after their parents, so that sums run up
//! the tree in one backward pass over an array. Values live outside, one column per question.

use super::intern::{Names, Slots, hash32};
use std::hash::{BuildHasher, Hasher, RandomState};

/// A tree of frames; node 0 is the root, which is no frame. It grows without a limit of its own:
/// who fills it from outside compares [`Trie::bytes`] with a budget.
#[derive(Clone, Debug)]
pub struct Trie {
    nodes: Vec<Node>,
    slots: Slots,
    names: Names,
    /// `path:line` by name id; shorter than the names where the last ones have none.
    files: Vec<Box<str>>,
    /// Random per tree, so that nobody can send names that collide.
    seed: u64,
}

#[derive(Clone, Copy, Debug)]
struct Node {
    parent: u32,
    name: u32,
    hash: u32,
}

impl Default for Trie {
    fn default() -> Self {
        let seed = RandomState::new().build_hasher().finish();
        let root = Node { parent: 0, name: 0, hash: 0 };
        let slots = Slots::with_slots(1 << 12);
        Trie { nodes: vec![root], slots, names: Names::new(seed), files: vec![], seed }
    }
}

impl Trie {
    /// The root alone.
    pub fn new() -> Self {
        Self::default()
    }

    /// Nodes, the root among them: at least 1. A column of values has this length.
    #[expect(clippy::len_without_is_empty, reason = "the root is always there")]
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// An estimate of the memory in use.
    pub fn bytes(&self) -> usize {
        let files: usize = self.files.iter().map(|f| f.len() + size_of::<Box<str>>()).sum();
        let nodes = self.nodes.capacity() * size_of::<Node>();
        nodes + self.slots.bytes() + self.names.bytes() + files
    }

    /// The root's parent is the root.
    #[inline]
    pub fn parent(&self, node: u32) -> u32 {
        self.nodes[node as usize].parent
    }

    /// Id of the node's name, below [`Trie::names_len`]; 0 for the root and for frames without a
    /// name.
    #[inline]
    pub fn name_id(&self, node: u32) -> u32 {
        self.nodes[node as usize].name
    }

    /// The function of a node; empty for the root.
    #[inline]
    pub fn name(&self, node: u32) -> &str {
        self.names.get(self.name_id(node))
    }

    /// Distinct names, the empty one among them.
    pub fn names_len(&self) -> usize {
        self.names.len()
    }

    /// The text of a name id.
    pub fn name_text(&self, name_id: u32) -> &str {
        self.names.get(name_id)
    }

    /// `path:line` of a name id; empty where it is not known.
    pub fn file(&self, name_id: u32) -> &str {
        self.files.get(name_id as usize).map_or("", |f| f)
    }

    /// Tells where a function stands, as `path:line`. A name that no frame has is passed over.
    pub fn set_file(&mut self, name: &str, file: &str) {
        let Some(id) = self.names.find(name) else { return };
        if self.files.len() <= id as usize {
            self.files.resize(id as usize + 1, Box::from(""));
        }
        self.files[id as usize] = file.into();
    }

    /// The child of a node by name, made when it is new.
    pub fn child(&mut self, parent: u32, name: &str) -> u32 {
        // A node's first child mostly came right after it, and needs no hash to be found.
        let first = parent + 1;
        if let Some(node) = self.nodes.get(first as usize)
            && node.parent == parent
            && self.names.get(node.name) == name
        {
            return first;
        }
        let hash = hash32(name, self.seed ^ u64::from(parent));
        let same = |id: u32| {
            let n = self.nodes[id as usize];
            n.hash == hash && n.parent == parent && self.names.get(n.name) == name
        };
        match self.slots.find(hash, same) {
            Ok(id) => id,
            Err(at) => {
                let id =
                    u32::try_from(self.nodes.len()).expect("memory ends before four billion nodes");
                let name = self.names.intern(name);
                self.nodes.push(Node { parent, name, hash });
                self.slots.put(at, id, |id| self.nodes[id as usize].hash);
                id
            }
        }
    }

    /// The node of each folded stack (`root;…;leaf`; the empty one is the root itself). Where a
    /// stack begins as the one before it did, only the rest is looked up: sorted input is quick.
    pub fn add_folded<'a>(&mut self, stacks: impl IntoIterator<Item = &'a str>) -> Vec<u32> {
        let stacks = stacks.into_iter();
        let mut out = Vec::with_capacity(stacks.size_hint().0);
        let mut last = "";
        // The frames of the stack before: where each ends in its text, and its node.
        let mut path: Vec<(usize, u32)> = vec![];
        for stack in stacks {
            let text = stack.as_bytes();
            let same = common_prefix(last.as_bytes(), text);
            while let Some(&(end, _)) = path.last()
                && (end > same || (end == same && end < text.len() && text[end] != b';'))
            {
                path.pop();
            }
            let (mut at, mut node) = path.last().map_or((0, 0), |&(end, node)| (end + 1, node));
            while at < text.len() {
                let end = memchr::memchr(b';', &text[at..]).map_or(text.len(), |n| at + n);
                node = self.child(node, &stack[at..end]);
                path.push((end, node));
                at = end + 1;
            }
            out.push(node);
            last = stack;
        }
        out
    }

    /// The nodes from the root's child to this one; empty for the root.
    pub fn path(&self, node: u32) -> Vec<u32> {
        let mut out = vec![];
        let mut at = node;
        while at != 0 {
            out.push(at);
            at = self.parent(at);
        }
        out.reverse();
        out
    }
}

fn common_prefix(a: &[u8], b: &[u8]) -> usize {
    const STEP: usize = 32;
    let pairs = a.chunks_exact(STEP).zip(b.chunks_exact(STEP));
    let whole = pairs.take_while(|(x, y)| x == y).count() * STEP;
    whole + a[whole..].iter().zip(&b[whole..]).take_while(|(x, y)| x == y).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(trie: &Trie, node: u32) -> String {
        trie.path(node).iter().map(|&n| trie.name(n)).collect::<Vec<_>>().join(";")
    }

    #[test]
    fn a_prefix_of_a_name_is_another_frame() {
        let mut trie = Trie::new();
        let stacks = ["", "a", "a;b", "a;bc", "a;bc;d", "a;c", "ab", "ab;b", "a;b;", "a;;b", "a;b"];
        let nodes = trie.add_folded(stacks);
        let back: Vec<String> = nodes.iter().map(|&n| text(&trie, n)).collect();
        let mut want = stacks;
        want[8] = "a;b"; // Nothing after the last separator is no frame.
        assert_eq!(back, want);
        assert_eq!((nodes[0], nodes[2], nodes[8]), (0, nodes[10], nodes[2]));
    }

    #[test]
    fn stacks_may_be_deep() {
        let mut trie = Trie::new();
        let deep = vec!["main.recurse"; 100_000].join(";");
        let node = trie.add_folded([deep.as_str()])[0];
        assert_eq!((trie.len(), node, trie.names_len()), (100_001, 100_000, 2));
        assert_eq!(text(&trie, node), deep);
    }

    #[test]
    fn files_belong_to_names() {
        let mut trie = Trie::new();
        let node = trie.add_folded(["main.a;main.b"])[0];
        trie.set_file("main.b", "/src/b.go:12");
        trie.set_file("absent", "x.go:1");
        assert_eq!(trie.file(trie.name_id(node)), "/src/b.go:12");
        assert_eq!(trie.file(trie.name_id(trie.parent(node))), "");
        assert_eq!(trie.names_len(), 3);
        assert!(trie.bytes() > 3 * size_of::<Node>());
    }

    proptest! {
        #[test]
        fn folded_text_comes_back(
            mut stacks in prop::collection::vec("(a|b|bb|é)(;(a|b|bb|é)){0,6}", 0..40),
            sort: bool,
        ) {
            if sort {
                stacks.sort();
            }
            let mut trie = Trie::new();
            let nodes = trie.add_folded(stacks.iter().map(String::as_str));
            let back: Vec<String> = nodes.iter().map(|&n| text(&trie, n)).collect();
            prop_assert_eq!(&back, &stacks);
            let distinct: std::collections::HashSet<_> = stacks.iter().collect();
            let ends: std::collections::HashSet<_> = nodes.iter().collect();
            prop_assert_eq!(ends.len(), distinct.len());
            for node in 1..trie.len() as u32 {
                prop_assert!(trie.parent(node) < node);
            }
        }
    }
}
