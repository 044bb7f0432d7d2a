//! What should be known about an answer beside its numbers, for people.

use pipeline::profile::Temporality;

use crate::files::Skipped;

/// What should be known about an answer beside its numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Notes {
    /// The selection has the type with several temporalities or units; only the one that the
    /// answer names is in it.
    pub mixed: bool,
    /// Why the answer is empty, where the labels that were asked for are the reason.
    pub nothing: Option<String>,
    /// Files that could not be read, at most a hundred.
    pub skipped: Vec<Skipped>,
}

/// Files that [`Notes::lines`] names; the rest is a number.
const NAMED_MAX: usize = 10;

impl Notes {
    /// A sentence for each, lower case and without a final dot; `shown` is the temporality of the
    /// answer.
    pub fn lines(&self, shown: Option<Temporality>) -> Vec<String> {
        let mut lines = Vec::new();
        lines.extend(self.nothing.clone());
        if self.mixed {
            let shown = shown.map_or_else(String::new, |s| format!("; shown is {}", s.as_str()));
            lines.push(format!("values of other temporalities or units are left out{shown}"));
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
    use super::*;

    #[test]
    fn each_note_is_a_sentence() {
        assert!(Notes::default().lines(None).is_empty());
        let skipped = |i: usize| Skipped { path: format!("f{i}").into(), reason: "bad".into() };
        let notes = Notes {
            mixed: true,
            nothing: Some("nothing matches".into()),
            skipped: (0..12).map(skipped).collect(),
        };
        let lines = notes.lines(Some(Temporality::Delta));
        assert_eq!(lines[0], "nothing matches");
        assert_eq!(lines[1], "values of other temporalities or units are left out; shown is delta");
        assert_eq!((lines[2].as_str(), lines.len()), ("left out f0: bad", 13));
        assert_eq!(lines[12], "left out 2 more files; `lake check` names them");
    }
}
