//! Whether a request is as OTLP profiles have to be: the rules of the profiling SIG's `profcheck`
//! (<https://github.com/open-telemetry/sig-profiling>), and what Parca and Pyroscope refuse beyond
//! them. Unlike the reader it goes on behind what is broken, and says where each thing is.

mod dictionary;
mod file;
mod profiles;
mod read;
mod rules;
#[cfg(test)]
mod tests;
mod used;

use std::fmt::{self, Display};

use crate::{
    codec::wire::{Cursor, Span},
    reason::Refused,
};

pub use file::{Form, messages};
pub use rules::{Rule, Source};

use read::Dictionary;

/// Breaches that are told of one message; of more there is the number.
const TOLD_MAX: usize = 1_000;

/// A place that breaks a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Breach {
    /// Which rule.
    pub rule: Rule,
    /// Where, as `resource_profiles[0].scope_profiles[0].profiles[2].samples[5]`; empty for the
    /// message as a whole.
    pub place: String,
    /// What is wrong there.
    pub reason: String,
}

/// What was found in a message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The breaches in the order of the message, a thousand at most.
    pub breaches: Vec<Breach>,
    /// How many there are beyond them.
    pub more: usize,
    /// Profiles of OTLP that were looked at.
    pub profiles: usize,
    /// Samples of them.
    pub samples: usize,
}

/// Checks a message: plain protobuf. `form` tells whether it is one that was sent as it is.
pub fn check(message: &[u8], form: Form) -> Report {
    check_for(message, form, &[Source::Sig, Source::Parca, Source::Pyroscope])
}

/// As [`check`], but only by rules of the sources that are wanted: what others would break is
/// neither told nor counted.
pub fn check_for(message: &[u8], form: Form, wanted: &[Source]) -> Report {
    let (report, path) = (Report::default(), Vec::new());
    let mut checker = Checker { report, path, form, wanted: wanted.to_vec() };
    if let Err(refused) = checker.message(message) {
        checker.path.clear();
        checker.breach(Rule::Wire, "", refused);
    }
    checker.report
}

/// A step of a path: a field, and the position in it where it is a list.
type Step = (&'static str, Option<usize>);

/// The walk through a message.
struct Checker {
    report: Report,
    path: Vec<Step>,
    form: Form,
    wanted: Vec<Source>,
}

impl Checker {
    fn message(&mut self, bytes: &[u8]) -> Result<(), Refused> {
        let (mut resources, mut parts) = (Vec::<Span>::new(), Vec::<Span>::new());
        let mut cursor = Cursor::new(bytes, (0, bytes.len() as u32));
        while let Some((field, value)) = cursor.field()? {
            match field {
                1 => resources.push(value.message(&cursor)?.span()),
                2 => parts.push(value.message(&cursor)?.span()),
                _ => {}
            }
        }
        if resources.is_empty() {
            self.breach(Rule::ResourceProfilesEmpty, "resource_profiles", "there are none");
        }
        if parts.is_empty() {
            self.breach(Rule::DictionaryMissing, "dictionary", "there is none");
        }
        let dictionary = Dictionary::read(bytes, &parts)?;
        let mut used = used::Used::of(&dictionary);
        for (at, span) in resources.into_iter().enumerate() {
            self.within("resource_profiles", at, |checker| {
                checker.resource_profiles(Cursor::new(bytes, span), &dictionary, &mut used)
            })?;
        }
        if !parts.is_empty() {
            self.path.push(("dictionary", None));
            self.dictionary(&dictionary, &mut used)?;
            self.duplicates(&dictionary);
            self.orphans(&used);
            self.path.pop();
        }
        Ok(())
    }

    /// Goes on in an entry of a list.
    fn within<T>(
        &mut self,
        field: &'static str,
        at: usize,
        check: impl FnOnce(&mut Self) -> Result<T, Refused>,
    ) -> Result<T, Refused> {
        self.path.push((field, Some(at)));
        let checked = check(self);
        self.path.pop();
        checked
    }

    /// Notes a breach at a field of where the walk is.
    fn breach(&mut self, rule: Rule, field: impl Display, reason: impl Display) {
        if !self.wanted.contains(&rule.source()) {
            return;
        }
        if self.report.breaches.len() >= TOLD_MAX {
            self.report.more += 1;
            return;
        }
        let place = Place(&self.path).to_string();
        let field = field.to_string();
        let dot = if place.is_empty() || field.is_empty() { "" } else { "." };
        let place = format!("{place}{dot}{field}");
        self.report.breaches.push(Breach { rule, place, reason: reason.to_string() });
    }

    /// An index must name an entry of a table of so many; whether it does.
    fn index(&mut self, index: i64, len: usize, field: impl Display) -> bool {
        let there = usize::try_from(index).is_ok_and(|index| index < len);
        if !there {
            let reason = format!("index {index} is not within the {len} entries of its table");
            self.breach(Rule::IndexRange, field, reason);
        }
        there
    }
}

struct Place<'p>(&'p [Step]);

impl Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (depth, (field, at)) in self.0.iter().enumerate() {
            let dot = if depth > 0 { "." } else { "" };
            match at {
                Some(at) => write!(f, "{dot}{field}[{at}]")?,
                None => write!(f, "{dot}{field}")?,
            }
        }
        Ok(())
    }
}
