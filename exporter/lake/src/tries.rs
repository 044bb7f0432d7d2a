//! The call tree that all questions share, so that a stack is split into frames once per file and
//! not once per question.
//!
//! Nodes are only ever added, so an answer keeps the tree as it was when it was made: while one is
//! held, the next addition works on a copy. A tree that grew past its limit is left to its answers,
//! and the next question starts a new one.

use std::{
    collections::{HashMap, HashSet},
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError, RwLock},
};

use pipeline::picture::Trie;

/// A call tree in use.
#[derive(Debug)]
pub(crate) struct Shared {
    /// Tells this tree's nodes from those of the ones before it.
    pub generation: u64,
    trie: RwLock<Arc<Trie>>,
    /// Names and the newest file of functions when places were last looked up.
    placed: Mutex<(usize, Option<PathBuf>)>,
}

/// The tree for new questions.
#[derive(Debug)]
pub(crate) struct Tries {
    current: Mutex<Arc<Shared>>,
    bytes_max: usize,
}

impl Shared {
    fn new(generation: u64) -> Arc<Self> {
        Arc::new(Self { generation, trie: RwLock::default(), placed: Mutex::default() })
    }

    /// The tree as it is now.
    pub fn trie(&self) -> Arc<Trie> {
        self.trie.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The nodes of folded stacks, and the size of the tree in bytes.
    pub fn add<'a>(&self, stacks: impl Iterator<Item = &'a str>) -> (Vec<u32>, usize) {
        let mut trie = self.trie.write().unwrap_or_else(PoisonError::into_inner);
        let trie = Arc::make_mut(&mut trie);
        (trie.add_folded(stacks), trie.bytes())
    }

    /// Names without a place.
    pub fn unplaced(&self) -> HashSet<String> {
        let trie = self.trie();
        let ids = (1..trie.names_len() as u32).filter(|id| trie.file(*id).is_empty());
        ids.map(|id| trie.name_text(id).to_owned()).collect()
    }

    /// Whether there are names, or is a file, that the last look-up of places did not know.
    pub fn is_news(&self, newest: Option<PathBuf>) -> bool {
        let now = (self.trie().names_len(), newest);
        let mut placed = self.placed.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *placed, now.clone()) != now
    }

    /// Tells where functions are, as `path:line` by name.
    pub fn place(&self, places: &HashMap<String, String>) {
        let mut trie = self.trie.write().unwrap_or_else(PoisonError::into_inner);
        let trie = Arc::make_mut(&mut trie);
        places.iter().for_each(|(name, place)| trie.set_file(name, place));
    }
}

impl Tries {
    pub fn new(bytes_max: usize) -> Self {
        Self { current: Mutex::new(Shared::new(0)), bytes_max }
    }

    /// The tree for a question.
    pub fn get(&self) -> Arc<Shared> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if current.trie().bytes() > self.bytes_max {
            *current = Shared::new(current.generation + 1);
        }
        current.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_keep_their_tree() {
        let tries = Tries::new(1 << 20);
        let shared = tries.get();
        let (nodes, _) = shared.add(["a;b"].into_iter());
        let before = shared.trie();
        let (more, _) = shared.add(["a;b", "a;c"].into_iter());
        assert_eq!((nodes[0], before.len(), shared.trie().len()), (more[0], 3, 4));
        assert_eq!(tries.get().generation, 0);
        let names: Vec<String> = (0..40_000).map(|n| format!("main.function{n}")).collect();
        shared.add(names.iter().map(String::as_str));
        assert_eq!((tries.get().generation, tries.get().trie().len()), (1, 1));
        assert_eq!(before.len(), 3);
    }

    #[test]
    fn places_are_looked_up_when_there_is_news() {
        let shared = Tries::new(1 << 20).get();
        let (nodes, _) = shared.add(["a;b"].into_iter());
        let newest = || Some(PathBuf::from("f"));
        assert!(shared.is_news(newest()) && !shared.is_news(newest()));
        shared.place(&HashMap::from([("b".to_owned(), "b.go:1".to_owned())]));
        assert_eq!(shared.unplaced(), HashSet::from(["a".to_owned()]));
        let trie = shared.trie();
        assert_eq!(trie.file(trie.name_id(nodes[0])), "b.go:1");
        shared.add(["c"].into_iter());
        assert!(shared.is_news(newest()) && shared.is_news(None));
    }
}
