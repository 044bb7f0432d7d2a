//! What a question is about, and which type of which profile its words mean.

use std::{collections::BTreeMap, fmt};

use pipeline::{
    nearest::nearest,
    profile::{ProfileId, Temporality, kind},
};

use crate::{error::Error, matcher::Matcher, time::TimeRange};

/// What a question is about. Empty parts mean all there is.
#[derive(Clone, Debug)]
pub struct Selection {
    /// The service, or all of them.
    pub service: Option<String>,
    /// The type; may be left out where there is only one profile.
    pub spec: Option<TypeSpec>,
    /// When the windows start.
    pub range: TimeRange,
    /// Conditions on labels.
    pub matchers: Vec<Matcher>,
    /// One profile only.
    pub profile_id: Option<ProfileId>,
}

/// A type as it was asked for: `cpu:cpu`, `heap`, `inuse_space`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TypeSpec {
    /// Profile and sample type.
    Exact(String, String),
    /// One of both.
    Half(String),
}

impl TypeSpec {
    /// Reads `profile:sample_type`, or either half.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let message = format!("`{text}` is no type: write `profile:sample_type`, as in `cpu:cpu`");
        let error = Error::Input { field: "type", message };
        let text = text.trim();
        match text.split_once(':') {
            // Either may be empty: there are profiles whose types have no name.
            Some((profile, sample_type)) => {
                Ok(Self::Exact(profile.trim().into(), sample_type.trim().into()))
            }
            None if text.is_empty() => Err(error),
            None => Ok(Self::Half(text.into())),
        }
    }
}

impl fmt::Display for TypeSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(profile, sample_type) => write!(f, "{profile}:{sample_type}"),
            Self::Half(half) => f.write_str(half),
        }
    }
}

impl Selection {
    /// Everything in a range.
    pub fn new(range: TimeRange) -> Self {
        Self { service: None, spec: None, range, matchers: vec![], profile_id: None }
    }

    /// Of one service.
    #[must_use]
    pub fn service(mut self, service: &str) -> Self {
        self.service = Some(service.to_owned());
        self
    }

    /// Of one type, written as in [`TypeSpec::parse`].
    pub fn of(mut self, spec: &str) -> Result<Self, Error> {
        self.spec = Some(TypeSpec::parse(spec)?);
        Ok(self)
    }

    /// With conditions on labels.
    #[must_use]
    pub fn matching(mut self, matchers: Vec<Matcher>) -> Self {
        self.matchers.extend(matchers);
        self
    }

    /// All conditions on labels, the service among them.
    pub(crate) fn all_matchers(&self) -> Vec<Matcher> {
        let service = self.service.iter().map(|service| Matcher::equal("service", service));
        service.chain(self.matchers.iter().cloned()).collect()
    }
}

/// A sample type of a profile, as the lake has it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Type {
    /// The profile: `heap`.
    pub profile: String,
    /// The sample type: `inuse_space`.
    pub sample_type: String,
    /// The unit of its values.
    pub unit: String,
    /// Whether its values add over time.
    pub temporality: Temporality,
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.profile, self.sample_type)
    }
}

/// A type with what must not be added to it left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Chosen {
    pub kind: Type,
    /// Whether the selection has the type with another temporality or unit too.
    pub mixed: bool,
    /// What is left out because of that.
    pub others: Vec<Type>,
}

impl Chosen {
    /// The sample types whose rows in `samples` hold the values: the type's own, in `value`, and
    /// those that carry it as `count`.
    pub fn row_types(&self) -> Vec<String> {
        let carriers = kind::counts(&self.kind.sample_type).iter();
        let own = std::iter::once(&*self.kind.sample_type);
        own.chain(carriers.copied()).map(str::to_owned).collect()
    }
}

/// Types in the selection, each with the sample type that its profile shows first.
pub(crate) type Types = BTreeMap<Type, String>;

/// The type that is meant. The error lists what there is.
pub(crate) fn choose(spec: Option<&TypeSpec>, types: &Types) -> Result<Chosen, Error> {
    let (profile, sample_type) = match spec {
        Some(TypeSpec::Exact(profile, sample_type)) => (profile.clone(), sample_type.clone()),
        Some(TypeSpec::Half(half)) if types.keys().any(|t| t.profile == *half) => {
            (half.clone(), default_of(half, types))
        }
        Some(TypeSpec::Half(half)) => {
            let profiles = profiles(types.keys().filter(|t| t.sample_type == *half));
            match profiles.as_slice() {
                [profile] => (profile.clone(), half.clone()),
                [] => return Err(absent(half, types)),
                _ => {
                    let message = format!("type `{half}` is ambiguous");
                    return Err(unknown(&message, types, |t| t.sample_type == *half));
                }
            }
        }
        None => match profiles(types.keys()).as_slice() {
            [profile] => (profile.clone(), default_of(profile, types)),
            _ => return Err(unknown("a type is needed", types, |_| true)),
        },
    };
    let named = |t: &&Type| t.profile == profile && t.sample_type == sample_type;
    // Deltas come first in the order of temporalities, and are taken where there are any.
    let best = types.keys().filter(named).min_by_key(|t| (t.temporality, t.unit.clone()));
    let Some(kind) = best else {
        return Err(absent(&format!("{profile}:{sample_type}"), types));
    };
    let others: Vec<Type> = types.keys().filter(named).filter(|t| *t != kind).cloned().collect();
    Ok(Chosen { kind: kind.clone(), mixed: !others.is_empty(), others })
}

fn profiles<'a>(types: impl Iterator<Item = &'a Type>) -> Vec<String> {
    let mut names: Vec<String> = types.map(|t| t.profile.clone()).collect();
    names.dedup();
    names
}

/// The sample type that a profile shows first: what it says itself, else its last one.
pub(crate) fn default_of(profile: &str, types: &Types) -> String {
    let own = || types.iter().filter(|(t, _)| t.profile == profile);
    let said = own().map(|(_, default)| default).find(|d| own().any(|(t, _)| t.sample_type == **d));
    let last = || own().next_back().map(|(t, _)| t.sample_type.clone());
    said.cloned().or_else(last).unwrap_or_default()
}

/// Of a type that is not there: what may have been meant, and what there is.
fn absent(text: &str, types: &Types) -> Error {
    let whole: Vec<String> = types.keys().map(Type::to_string).collect();
    let halves = || types.keys().flat_map(|t| [t.profile.as_str(), t.sample_type.as_str()]);
    let near = match text.contains(':') {
        true => nearest(text, whole.iter().map(String::as_str)),
        false => nearest(text, halves()),
    };
    let near = near.map(|near| format!(" (did you mean `{near}`?)")).unwrap_or_default();
    unknown(&format!("there is no type `{text}`{near}"), types, |_| true)
}

fn unknown(what: &str, types: &Types, listed: impl Fn(&Type) -> bool) -> Error {
    let mut names: Vec<String> =
        types.keys().filter(|t| listed(t)).map(|t| format!("`{t}`")).collect();
    names.dedup();
    let message = format!("{what}; the selection has {}", names.join(", "));
    Error::Input { field: "type", message }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn types() -> Types {
        let mut types = Types::new();
        for (profile, sample_type, unit, temporality, default) in [
            ("cpu", "cpu", "nanoseconds", Temporality::Delta, "cpu"),
            ("cpu", "samples", "count", Temporality::Delta, "cpu"),
            ("heap", "alloc_space", "bytes", Temporality::Cumulative, "inuse_space"),
            ("heap", "alloc_space", "bytes", Temporality::Delta, "inuse_space"),
            ("heap", "inuse_space", "bytes", Temporality::Instant, "inuse_space"),
            ("mutex", "delay", "nanoseconds", Temporality::Delta, ""),
            ("block", "delay", "nanoseconds", Temporality::Delta, ""),
            ("block", "contentions", "count", Temporality::Delta, ""),
        ] {
            let kind = Type {
                profile: profile.into(),
                sample_type: sample_type.into(),
                unit: unit.into(),
                temporality,
            };
            types.insert(kind, default.into());
        }
        types
    }

    #[test]
    fn words_and_what_they_mean() {
        let types = types();
        for (spec, want) in [
            ("cpu:cpu", "cpu:cpu"),
            ("cpu", "cpu:cpu"),
            ("samples", "cpu:samples"),
            ("heap", "heap:inuse_space"),
            ("inuse_space", "heap:inuse_space"),
            (" block : contentions ", "block:contentions"),
            ("block", "block:delay"),
            ("delay", "type `delay` is ambiguous; the selection has `block:delay`, `mutex:delay`"),
            ("wall", "there is no type `wall`; the selection has `block:contentions`, "),
            ("cpu:wall", "there is no type `cpu:wall`; the selection has `block:contentions`, "),
            ("hepa", "there is no type `hepa` (did you mean `heap`?); the selection has `block:"),
            ("cpu:cp", "there is no type `cpu:cp` (did you mean `cpu:cpu`?); the selection has "),
            ("", "`` is no type"),
            (":cpu", "there is no type `:cpu`"),
        ] {
            let chosen = TypeSpec::parse(spec).and_then(|spec| choose(Some(&spec), &types));
            let got = chosen.map_or_else(|error| error.to_string(), |c| c.kind.to_string());
            assert!(got.starts_with(want), "{spec}: {got}");
        }
        let none = choose(None, &types).unwrap_err().to_string();
        assert!(none.starts_with("a type is needed; the selection has `block:con"), "{none}");
        let only: Types = types.into_iter().filter(|(t, _)| t.profile == "heap").collect();
        assert_eq!(choose(None, &only).unwrap().kind.to_string(), "heap:inuse_space");
    }

    #[test]
    fn deltas_are_taken_where_a_view_would_mix() {
        let alloc = choose(Some(&TypeSpec::Half("alloc_space".into())), &types()).unwrap();
        assert_eq!((alloc.kind.temporality, alloc.mixed), (Temporality::Delta, true));
        let cpu = choose(Some(&TypeSpec::Half("samples".into())), &types()).unwrap();
        assert_eq!((cpu.mixed, cpu.row_types()), {
            (false, vec!["samples".into(), "cpu".into(), "wall".into(), "time".into()])
        });
    }
}
