//! What should be known about an answer beside its numbers, for people.

use crate::{files::Skipped, selection::Type};

/// What should be known about an answer beside its numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Notes {
    /// Types that the selection has with several temporalities or units: of each the one that is in
    /// the answer, and those that are left out.
    pub mixed: Vec<(Type, Vec<Type>)>,
    /// Why the answer is empty, where the labels that were asked for are the reason.
    pub nothing: Option<String>,
    /// Why all is in one group without a value, where nothing has the label that was asked for.
    pub ungrouped: Option<String>,
    /// Files that could not be read, at most a hundred.
    pub skipped: Vec<Skipped>,
}

/// Files that [`Notes::lines`] names; the rest is a number.
const NAMED_MAX: usize = 10;

impl Notes {
    /// A sentence for each, lower case and without a final dot.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        lines.extend(self.nothing.clone());
        lines.extend(self.ungrouped.clone());
        let told = |t: &Type| format!("{} in {}", t.temporality.as_str(), t.unit);
        for (shown, others) in &self.mixed {
            let others: Vec<String> = others.iter().map(told).collect();
            lines.push(format!(
                "{shown} is there in kinds that cannot be added: shown is {}, left out is {}",
                told(shown),
                others.join(" and ")
            ));
        }
        for Skipped { path, reason } in self.skipped.iter().take(NAMED_MAX) {
            lines.push(format!("left out {}: {reason}", path.display()));
        }
        match self.skipped.len().saturating_sub(NAMED_MAX) {
            0 => {}
            more => lines.push(format!("left out {more} more files; `lake check` names them")),
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use pipeline::profile::Temporality;

    use super::*;

    #[test]
    fn each_note_is_a_sentence() {
        assert!(Notes::default().lines().is_empty());
        let of = |temporality| Type {
            profile: "mutex".into(),
            sample_type: "delay".into(),
            unit: "nanoseconds".into(),
            temporality,
        };
        let skipped = |i: usize| Skipped { path: format!("f{i}").into(), reason: "bad".into() };
        let notes = Notes {
            mixed: vec![(of(Temporality::Delta), vec![of(Temporality::Cumulative)])],
            nothing: Some("nothing matches".into()),
            ungrouped: None,
            skipped: (0..12).map(skipped).collect(),
        };
        let lines = notes.lines();
        assert_eq!(lines[0], "nothing matches");
        assert_eq!(
            lines[1],
            "mutex:delay is there in kinds that cannot be added: shown is delta in nanoseconds, \
             left out is cumulative in nanoseconds"
        );
        assert_eq!((lines[2].as_str(), lines.len()), ("left out f0: bad", 13));
        assert_eq!(lines[12], "left out 2 more files; `lake check` names them");
    }
}
