//! The table `functions`: which functions the profiles of a batch know, by build.

use std::collections::HashSet;

use super::cut::DICTIONARY_BYTES_MAX;
use crate::{
    encode::{ColumnData, IdCoder, IntCoder, NULL, Runs, Scratch},
    schema::functions as column,
    symbols::{Symbols, Texts},
};

/// Functions by build, as bits.
#[derive(Default)]
pub struct Used(Vec<(u32, Vec<u64>)>);

impl Used {
    /// Adds functions of a build.
    pub fn add(&mut self, build_id: u32, functions: &[u32]) {
        let known = self.0.iter().position(|build| build.0 == build_id);
        let index = known.unwrap_or_else(|| {
            self.0.push((build_id, Vec::new()));
            self.0.len() - 1
        });
        let bits = &mut self.0[index].1;
        let last = functions.iter().max().map_or(0, |last| *last as usize + 1);
        if bits.len() * 64 < last {
            bits.resize(last.div_ceil(64), 0);
        }
        for function in functions {
            bits[*function as usize / 64] |= 1 << (function % 64);
        }
    }
}

/// Rows of the table in its order: function and build.
pub struct Functions {
    rows: Vec<(u32, u32)>,
    /// By function id, whether its name has several files in one build; empty if none has.
    ambiguous: Vec<bool>,
}

/// The column `stack_files`.
pub struct StackFiles {
    texts: Texts,
    /// The text of each stack, [`NULL`] for none.
    of_stack: Vec<u32>,
}

impl StackFiles {
    /// The text of a stack and its id.
    pub fn get(&self, stack: u32) -> Option<(u32, &str)> {
        let text = self.of_stack.get(stack as usize).copied().filter(|text| *text != NULL)?;
        Some((text, self.texts.get(text)))
    }

    /// Bytes of all texts on a dictionary page.
    pub fn page_bytes(&self) -> usize {
        self.texts.page_bytes()
    }

    /// Number of texts.
    pub fn len(&self) -> usize {
        self.texts.len()
    }
}

impl Functions {
    /// The rows of a batch.
    pub fn new(symbols: &mut Symbols, used: &Used) -> Self {
        let order = symbols.sorted_functions().to_vec();
        let mut builds: Vec<&(u32, Vec<u64>)> = used.0.iter().collect();
        builds.sort_by_key(|build| symbols.strings.get(build.0));
        let (mut rows, mut names) = (Vec::new(), HashSet::new());
        // The name and file that each build had last: functions of one name stand together.
        let mut last = vec![(NULL, NULL); builds.len()];
        for function in order {
            let (word, bit) = (function as usize / 64, function % 64);
            for (build, last) in builds.iter().zip(&mut last) {
                if build.1.get(word).is_some_and(|word| word >> bit & 1 == 1) {
                    rows.push((function, build.0));
                    let symbol = symbols.function_at(function);
                    if last.0 == symbol.name && last.1 != symbol.file {
                        names.insert(symbol.name);
                    }
                    *last = (symbol.name, symbol.file);
                }
            }
        }
        let mut ambiguous = Vec::new();
        if !names.is_empty() {
            ambiguous.resize(symbols.functions_len(), false);
            for (function, _) in &rows {
                let name = symbols.function_at(*function).name;
                ambiguous[*function as usize] = names.contains(&name);
            }
        }
        Self { rows, ambiguous }
    }

    /// The files of the stacks that hold an ambiguous name, root first. `stacks` are the ids to
    /// look at.
    pub fn stack_files(&self, symbols: &Symbols, stacks: impl Iterator<Item = u32>) -> StackFiles {
        let mut files = StackFiles { texts: Texts::new(symbols.seed()), of_stack: Vec::new() };
        if self.ambiguous.is_empty() {
            return files;
        }
        files.of_stack.resize(symbols.stacks_len(), NULL);
        let (mut seen, mut text) = (vec![false; symbols.stacks_len()], String::new());
        for stack in stacks {
            if std::mem::replace(&mut seen[stack as usize], true) {
                continue;
            }
            let functions = || symbols.frames(stack).map(|frame| frame.0);
            if !functions().any(|function| self.is_ambiguous(function)) {
                continue;
            }
            text.clear();
            for (at, function) in functions().enumerate() {
                if at > 0 {
                    text.push(';');
                }
                let file = symbols.strings.get(symbols.function_at(function).file);
                match memchr::memchr(b';', file.as_bytes()) {
                    None => text.push_str(file),
                    Some(_) => text.push_str(&file.replace(';', ":")),
                }
            }
            files.of_stack[stack as usize] = files.texts.intern(&text);
        }
        files
    }

    fn is_ambiguous(&self, function: u32) -> bool {
        self.ambiguous.get(function as usize).is_some_and(|ambiguous| *ambiguous)
    }

    /// Pieces of the table whose dictionaries fit into their pages.
    pub fn groups(&self, symbols: &Symbols) -> Vec<&[(u32, u32)]> {
        let (mut groups, mut start, mut bytes) = (Vec::new(), 0, 0);
        for (at, (function, _)) in self.rows.iter().enumerate() {
            let function = symbols.function_at(*function);
            let texts = [function.name, function.system_name, function.file];
            let cost: usize = texts.iter().map(|text| symbols.strings.get(*text).len() + 4).sum();
            if bytes + cost > DICTIONARY_BYTES_MAX && at > start {
                groups.push(&self.rows[start..at]);
                (start, bytes) = (at, 0);
            }
            bytes += cost;
        }
        if start < self.rows.len() {
            groups.push(&self.rows[start..]);
        }
        groups
    }
}

/// A column of some rows.
pub fn column(
    symbols: &Symbols,
    rows: &[(u32, u32)],
    index: usize,
    scratch: &mut Scratch,
) -> ColumnData<'static> {
    if index == column::START_LINE {
        let mut coder = IntCoder::default();
        let lines = rows.iter().map(|row| symbols.function_at(row.0).start_line);
        let code = |line| if line == 0 { NULL } else { coder.code(i64::from(line)) };
        let runs: Runs = lines.map(code).collect();
        return ColumnData::Coded(coder.finish(), runs);
    }
    let mut coder = IdCoder::new(scratch, symbols.strings.len());
    let id = |(function, build): &(u32, u32)| match index {
        column::BUILD_ID => *build,
        column::SYSTEM_NAME => symbols.function_at(*function).system_name,
        column::FILE => symbols.function_at(*function).file,
        _ => symbols.function_at(*function).name,
    };
    let code = |id: u32| match id {
        0 => NULL,
        id => coder.code(id, || symbols.strings.get(id)),
    };
    let runs: Runs = rows.iter().map(id).map(code).collect();
    ColumnData::Coded(coder.finish(), runs)
}
