//! What is wrong with a config, said so that a person finds the place and the remedy.

use std::fmt;

use pipeline::nearest::nearest;

use super::node::{Path, Place};

/// Everything that is wrong with a config, in order of files and lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems(Vec<Problem>);

/// One thing that is wrong: `file:line:column: path: message`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub(crate) place: Place,
    pub(crate) path: Path,
    pub(crate) message: String,
}

impl Problems {
    /// Problems in the order of their places, each once.
    pub(crate) fn new(mut problems: Vec<Problem>) -> Self {
        problems.sort_by_key(|problem| (problem.place.line, problem.place.column));
        problems.sort_by(|a, b| a.place.file.cmp(&b.place.file));
        problems.dedup();
        Self(problems)
    }

    /// The problems one by one; never none.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.0.iter()
    }
}

impl Problem {
    /// File or argument, line and column, counted from 1; 0 where there are none.
    pub fn place(&self) -> (&str, u64, u64) {
        (&self.place.file, self.place.line, self.place.column)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { place, path, message } = self;
        match path.0.is_empty() {
            true => write!(f, "{place}: {message}"),
            false => write!(f, "{place}: {path}: {message}"),
        }
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, problem) in self.0.iter().enumerate() {
            let separator = if position == 0 { "" } else { "\n" };
            write!(f, "{separator}{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// The end of a message about the name `got`: what was probably meant, or what there is.
pub(crate) fn suggestion<S: AsRef<str>>(got: &str, known: &[S]) -> String {
    let near = nearest(got, known.iter().map(AsRef::as_ref));
    match (near, known) {
        (Some(name), _) => format!(", did you mean `{name}`?"),
        (None, []) => ", there are none".to_owned(),
        (None, _) => {
            let names: Vec<_> = known.iter().map(|name| format!("`{}`", name.as_ref())).collect();
            let one_of = if names.len() > 1 { "one of " } else { "" };
            format!(", expected {one_of}{}", names.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_names() {
        for (got, known, want) in [
            ("endpoit", &["endpoint", "lake"][..], ", did you mean `endpoint`?"),
            ("Endpoint", &["endpoint"], ", did you mean `endpoint`?"),
            ("hepa", &["heap", "help"], ", did you mean `heap`?"),
            ("kafka", &["debug", "ui"], ", expected one of `debug`, `ui`"),
            ("kafka", &["parquet"], ", expected `parquet`"),
            ("x", &[], ", there are none"),
        ] {
            assert_eq!(suggestion(got, known), want, "{got}");
        }
    }
}
