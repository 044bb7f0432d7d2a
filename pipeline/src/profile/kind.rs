//! What the names of profiles and sample types mean: which values add over time, which type rides
//! along as the count of another, and what an unnamed profile is. Facts about Go's profiles stand
//! here once.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Whether values add over time.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Temporality {
    /// What happened in the window: values add.
    #[default]
    Delta,
    /// What was there at the moment: a gauge, never added over time.
    Instant,
    /// A total since the process started: shown like a gauge, never added to deltas.
    Cumulative,
}

impl Temporality {
    /// The name in the lake and the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Delta => "delta",
            Self::Instant => "instant",
            Self::Cumulative => "cumulative",
        }
    }

    /// Reads what `as_str` gives.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Delta, Self::Instant, Self::Cumulative].into_iter().find(|t| t.as_str() == name)
    }
}

/// The temporality of a sample type where the source says nothing: gauges of Go by name, totals
/// since the start of the process where the window has no length, else deltas.
pub fn temporality(sample_type: &str, duration_ns: i64) -> Temporality {
    match sample_type {
        "inuse_objects" | "inuse_space" | "goroutine" | "goroutines" | "threadcreate" => {
            Temporality::Instant
        }
        "alloc_objects" | "alloc_space" | "contentions" | "delay" if duration_ns <= 0 => {
            Temporality::Cumulative
        }
        _ => Temporality::Delta,
    }
}

/// The sample types of which `sample_type` is the count: it shares their row in the lake.
pub fn counts(sample_type: &str) -> &'static [&'static str] {
    match sample_type {
        "samples" => &["cpu", "wall", "time"],
        "alloc_objects" => &["alloc_space"],
        "inuse_objects" => &["inuse_space"],
        "contentions" => &["delay"],
        _ => &[],
    }
}

/// The name of a profile that comes without one, by its sample types. Go's mutex and block
/// profiles look alike, so a file name that says `block` decides; `fallback` names the rest.
pub fn name<'a>(sample_types: &[&'a str], hint: &str, fallback: &'a str) -> &'a str {
    let has = |wanted: &str| sample_types.contains(&wanted);
    if has("cpu") {
        "cpu"
    } else if has("inuse_space") || has("alloc_space") {
        "heap"
    } else if has("delay") && has("contentions") {
        if hint.contains("block") { "block" } else { "mutex" }
    } else if has("wall") || has("time") {
        "wall"
    } else if has("goroutine") || has("goroutines") {
        "goroutine"
    } else if has("threadcreate") {
        "threadcreate"
    } else {
        fallback
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn temporalities_of_go() {
        for (sample_type, duration_ns, want) in [
            ("cpu", 10, Temporality::Delta),
            ("samples", 0, Temporality::Delta),
            ("inuse_space", 10, Temporality::Instant),
            ("goroutine", 0, Temporality::Instant),
            ("alloc_space", 0, Temporality::Cumulative),
            ("alloc_space", 5, Temporality::Delta),
            ("delay", 0, Temporality::Cumulative),
            ("anything", 0, Temporality::Delta),
        ] {
            assert_eq!(temporality(sample_type, duration_ns), want, "{sample_type}");
            assert_eq!(Temporality::parse(want.as_str()), Some(want));
        }
        assert_eq!(Temporality::parse("x"), None);
    }

    #[test]
    fn names_of_go() {
        for (types, hint, want) in [
            (&["samples", "cpu"][..], "", "cpu"),
            (&["alloc_objects", "alloc_space", "inuse_objects", "inuse_space"], "", "heap"),
            (&["contentions", "delay"], "mutex.pb.gz", "mutex"),
            (&["contentions", "delay"], "a.block.pb.gz", "block"),
            (&["samples", "time"], "", "wall"),
            (&["goroutine"], "", "goroutine"),
            (&["widgets"], "", "other"),
        ] {
            assert_eq!(name(types, hint, "other"), want);
        }
        assert_eq!(counts("samples"), ["cpu", "wall", "time"]);
    }
}
