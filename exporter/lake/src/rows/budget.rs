//! A limit on what the stacks of one profile grow to when their names are written out. A body of a
//! few kilobytes can name a long function in millions of frames; without the limit it would take
//! the memory of the process, and the profiles of all others with it.

use std::collections::HashMap;

use pipeline::profile::Profile;

use crate::symbols::{Local, Symbols};

/// Bytes that the distinct stacks of a profile may have together. What is beyond it keeps its value
/// and loses its stack.
pub const FOLDED_BYTES_MAX: usize = 256 << 20;

/// What is left for one profile.
pub struct Budget {
    left: usize,
    /// Stacks by their hash, and whether they fit.
    known: HashMap<u128, bool>,
}

impl Budget {
    /// A budget for a profile that is loaded; `None` if it cannot pass the limit, which is the
    /// case for nearly all and costs little to see.
    pub fn new(symbols: &Symbols, local: &Local, profile: &Profile, max: usize) -> Option<Self> {
        let frames = profile.stacks().items_len();
        if frames.saturating_mul(local.location_bytes_bound()) <= max {
            return None;
        }
        let known = local.locations().map(|location| symbols.location_bytes(location));
        if frames.saturating_mul(known.max().unwrap_or(0)) <= max {
            return None;
        }
        Some(Self { left: max, known: HashMap::new() })
    }

    /// Whether a stack fits; one that is known costs nothing.
    pub fn admits(&mut self, symbols: &Symbols, hash: u128, locations: &[u32]) -> bool {
        let left = &mut self.left;
        *self.known.entry(hash).or_insert_with(|| {
            let cost: usize = locations.iter().map(|id| symbols.location_bytes(*id)).sum();
            let fits = cost <= *left;
            *left -= if fits { cost } else { 0 };
            fits
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{super::Batch, *};
    use crate::write_tests::{Sample, cpu, sample};

    #[test]
    fn stacks_beyond_the_limit_lose_their_names_and_keep_their_values() {
        let names: [&'static str; 8] = ["a", "b", "c", "d", "e", "f", "g", "h"];
        let long = |name| [("a long name of forty bytes in all ..", "x.go", 1), (name, "x.go", 2)];
        let stacks = names.map(|name| sample(&long(name), &[1, 10]));
        let samples: Vec<Sample> = stacks.iter().chain(&stacks).cloned().collect();
        let profile = cpu("a", 0, samples).build();
        for (max, want) in [(1 << 20, 8), (130, 3), (0, 0)] {
            let (mut symbols, mut local) = (Symbols::default(), Local::default());
            let mut batch = Batch { folded_bytes_max: max, ..Batch::new(false) };
            batch.add(&mut symbols, &mut local, &profile, 0, 0);
            let text = |stack| symbols.folded.get(symbols.stack_at(stack).folded);
            let rows = || (0..batch.rows.len() as u32).map(|row| batch.rows.get(row));
            let cut = rows().filter(|row| text(row.stack) == "(truncated)").count();
            assert_eq!((batch.rows.len(), cut), (16, 2 * (8 - want)), "{max}");
            assert_eq!(rows().map(|row| row.value).sum::<i64>(), 160);
        }
    }
}
