//! Focus, ignore, hide and show, with the meaning they have in `go tool pprof`.
//!
//! A stack is kept if some frame matches `focus` and none matches `ignore`; then frames that match
//! `hide`, or that do not match `show`, are taken out of it. Focus and ignore see the frames that
//! hide takes out. A stack that has no frame left, or had none, is dropped by any filter. Both the
//! function and its file are looked at. (Semantics: google/pprof `profile/filter.go`; mappings,
//! which pprof also matches, are not known here.)

use super::BadInput;
use super::trie::Trie;
use regex::{Regex, RegexBuilder};
use std::{borrow::Cow, collections::HashMap};

/// Characters of a regular expression.
const PATTERN_CHARS_MAX: usize = 1_000;
/// Memory of a compiled one.
const PATTERN_BYTES_MAX: usize = 4 << 20;

/// A regular expression that runs in linear time; `None` for an empty one, which asks nothing.
///
/// # Errors
/// Naming `field`, where it does not parse or is too large.
pub fn pattern(field: &'static str, text: &str) -> Result<Option<Regex>, BadInput> {
    if text.is_empty() {
        return Ok(None);
    }
    if text.chars().nth(PATTERN_CHARS_MAX).is_some() {
        let message = format!("a regular expression has at most {PATTERN_CHARS_MAX} characters");
        return Err(BadInput::new(field, message));
    }
    let built = RegexBuilder::new(text)
        .size_limit(PATTERN_BYTES_MAX)
        .dfa_size_limit(PATTERN_BYTES_MAX)
        .build();
    match built {
        Ok(regex) => Ok(Some(regex)),
        Err(regex::Error::CompiledTooBig(_)) => {
            Err(BadInput::new(field, "the regular expression is too large when compiled"))
        }
        // The last line says what is wrong; those before it draw where.
        Err(error) => {
            let text = error.to_string();
            let line = text.lines().last().unwrap_or_default().trim_start_matches("error: ");
            Err(BadInput::new(field, format!("not a regular expression: {line}")))
        }
    }
}

/// Which stacks to keep, and which of their frames.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    pub(super) focus: Option<Regex>,
    pub(super) ignore: Option<Regex>,
    pub(super) hide: Option<Regex>,
    pub(super) show: Option<Regex>,
}

/// What a filter makes of a frame, or of some frames of a stack.
#[derive(Clone, Copy, Default)]
struct Seen {
    focused: bool,
    ignored: bool,
    left: bool,
}

impl Filter {
    /// From the four parameters; an empty one asks nothing.
    ///
    /// # Errors
    /// As [`pattern`], with the parameter's name as the field.
    pub fn new(focus: &str, ignore: &str, hide: &str, show: &str) -> Result<Self, BadInput> {
        Ok(Filter {
            focus: pattern("focus", focus)?,
            ignore: pattern("ignore", ignore)?,
            hide: pattern("hide", hide)?,
            show: pattern("show", show)?,
        })
    }

    /// Whether it keeps everything.
    pub fn is_empty(&self) -> bool {
        [&self.focus, &self.ignore, &self.hide, &self.show].iter().all(|re| re.is_none())
    }

    /// Where each stack of the trie goes. Costs one match per name and one pass over the nodes; the
    /// result serves any number of columns.
    pub fn apply<'t>(&self, trie: &'t Trie) -> Filtered<'t> {
        if self.is_empty() {
            let to = (0..trie.len() as u32).collect();
            return Filtered { trie: Cow::Borrowed(trie), to };
        }
        let keep = self.kept_stacks(trie);
        if self.hide.is_none() && self.show.is_none() {
            let to = (0..).zip(keep).map(|(node, keep)| if keep { node } else { DROPPED });
            return Filtered { trie: Cow::Borrowed(trie), to: to.collect() };
        }
        let hidden = self.hidden_names(trie);
        let mut made = Trie::new();
        let mut at = vec![0; trie.len()];
        for node in 1..trie.len() as u32 {
            let (parent, name_id) = (at[trie.parent(node) as usize], trie.name_id(node));
            let gone = hidden[name_id as usize];
            at[node as usize] = if gone { parent } else { made.child(parent, trie.name(node)) };
        }
        for name_id in (0..trie.names_len() as u32).filter(|&id| !trie.file(id).is_empty()) {
            made.set_file(trie.name_text(name_id), trie.file(name_id));
        }
        let to =
            at.into_iter().zip(keep).map(|(to, keep)| if keep && to != 0 { to } else { DROPPED });
        Filtered { to: to.collect(), trie: Cow::Owned(made) }
    }

    /// Says of stacks (`root;…;leaf`) whether anything of them is left, as [`Filter::apply`] does.
    /// The trie knows where their functions are.
    pub fn stacks(&self, trie: &Trie) -> impl Fn(&str) -> bool + Send + Sync + use<> {
        let known: HashMap<String, Seen> = (0..trie.names_len() as u32)
            .map(|id| (trie.name_text(id).to_owned(), self.see(trie.name_text(id), trie.file(id))))
            .collect();
        let filter = self.clone();
        move |stack| {
            let seen = |name| known.get(name).copied().unwrap_or_else(|| filter.see(name, ""));
            let frames = stack.split(';').filter(|name| !name.is_empty()).map(seen);
            let all = frames.fold(Seen::default(), |all, frame| Seen {
                focused: all.focused || frame.focused,
                ignored: all.ignored || frame.ignored,
                left: all.left || frame.left,
            });
            all.focused && !all.ignored && all.left
        }
    }

    /// What it makes of a frame.
    fn see(&self, name: &str, file: &str) -> Seen {
        let is_in = |re: &Regex| re.is_match(name) || re.is_match(path(file));
        Seen {
            focused: self.focus.as_ref().is_none_or(is_in),
            ignored: self.ignore.as_ref().is_some_and(is_in),
            left: !self.hide.as_ref().is_some_and(is_in) && self.show.as_ref().is_none_or(is_in),
        }
    }

    /// By node: whether the stack that ends there passes focus and ignore.
    fn kept_stacks(&self, trie: &Trie) -> Vec<bool> {
        let focus = self.focus.as_ref().map(|re| matches(trie, re));
        let ignore = self.ignore.as_ref().map(|re| matches(trie, re));
        // (some frame is in focus, some frame is ignored)
        let mut seen = vec![(false, false); trie.len()];
        for node in 1..trie.len() as u32 {
            let (focused, ignored) = seen[trie.parent(node) as usize];
            let name = trie.name_id(node) as usize;
            let focused = focused || focus.as_ref().is_none_or(|f| f[name]);
            let ignored = ignored || ignore.as_ref().is_some_and(|i| i[name]);
            seen[node as usize] = (focused, ignored);
        }
        seen.into_iter().map(|(focused, ignored)| focused && !ignored).collect()
    }

    /// By name id: whether frames of that name are taken out.
    fn hidden_names(&self, trie: &Trie) -> Vec<bool> {
        let hide = self.hide.as_ref().map(|re| matches(trie, re));
        let show = self.show.as_ref().map(|re| matches(trie, re));
        let hidden = |name: usize| {
            hide.as_ref().is_some_and(|h| h[name]) || show.as_ref().is_some_and(|s| !s[name])
        };
        (0..trie.names_len()).map(hidden).collect()
    }
}

/// By name id: whether the function or its file matches.
fn matches(trie: &Trie, re: &Regex) -> Vec<bool> {
    let matched = |id| re.is_match(trie.name_text(id)) || re.is_match(path(trie.file(id)));
    (0..trie.names_len() as u32).map(matched).collect()
}

/// The path of `path:line`: pprof matches that alone.
fn path(file: &str) -> &str {
    match file.rsplit_once(':') {
        Some((path, line)) if line.bytes().all(|b| b.is_ascii_digit()) => path,
        _ => file,
    }
}

const DROPPED: u32 = u32::MAX;

/// A trie as a filter leaves it, and the way there for values.
#[derive(Clone, Debug)]
pub struct Filtered<'t> {
    trie: Cow<'t, Trie>,
    /// The new node of each old one.
    to: Vec<u32>,
}

impl Filtered<'_> {
    /// The frames that are left; the same trie where none was taken out of a stack.
    pub fn trie(&self) -> &Trie {
        &self.trie
    }

    /// Own values on the old trie to own values on the new one.
    pub fn values(&self, own: &[i64]) -> Vec<i64> {
        let mut out = vec![0i64; self.trie.len()];
        for (&to, &value) in self.to.iter().zip(own) {
            if to != DROPPED {
                out[to as usize] = out[to as usize].saturating_add(value);
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::folded::tests::{fold, stacks, unfold};
    use proptest::prelude::*;

    fn run(filter: [&str; 4], lines: &str) -> String {
        let (mut trie, own) = unfold(lines);
        trie.set_file("c", "/src/net/c.go:12");
        let filter = Filter::new(filter[0], filter[1], filter[2], filter[3]).unwrap();
        let filtered = filter.apply(&trie);
        let values = filtered.values(&own);
        if !filter.is_empty() {
            // What is asked stack by stack adds up to the same.
            let accepts = filter.stacks(&trie);
            let rows = lines.lines().map(|line| line.rsplit_once(' ').unwrap());
            let left = rows.filter(|(stack, _)| accepts(stack)).map(|(_, value)| value);
            let left: i64 = left.map(|value| value.parse::<i64>().unwrap()).sum();
            assert_eq!(left, values.iter().sum::<i64>());
        }
        fold(filtered.trie(), &values)
    }

    /// The answers are those of `go tool pprof -traces` on the same stacks.
    #[test]
    fn stacks_are_filtered_as_pprof_does() {
        let all = "a;b 1\na;b;c 2\na;c 4\nd 8\n";
        for (filter, want) in [
            (["", "", "", ""], all),
            (["b", "", "", ""], "a;b 1\na;b;c 2\n"),
            (["", "b", "", ""], "a;c 4\nd 8\n"),
            (["a", "c", "", ""], "a;b 1\n"),
            (["", "", "b|d", ""], "a 1\na;c 6\n"),
            (["", "", "", "b|d"], "b 3\nd 8\n"),
            (["", "", "b", "a|b"], "a 7\n"),
            (["b", "", "b", ""], "a 1\na;c 2\n"),
            (["net/c.go$", "", "", ""], "a;b;c 2\na;c 4\n"),
            (["", "", "/net/", ""], "a 4\na;b 3\nd 8\n"),
            (["x", "", "", ""], ""),
            (["12", "", "", ""], ""),
        ] {
            assert_eq!(run(filter, all), want, "{filter:?}");
        }
        assert_eq!(run(["", "x", "", ""], " 5\na 1\n"), "a 1\n", "no frames at all");
        assert_eq!(run(["", "", "", ""], " 5\na 1\n"), " 5\na 1\n");
    }

    #[test]
    fn patterns_have_limits_and_errors_name_the_field() {
        let long = "a".repeat(1_001);
        for (text, want) in [
            ("(", "not a regular expression: unclosed group"),
            ("a\\1", "not a regular expression: backreferences are not supported"),
            (r"\w{150}", "the regular expression is too large when compiled"),
            (&long, "a regular expression has at most 1000 characters"),
        ] {
            let error = Filter::new("", "", text, "").unwrap_err();
            assert_eq!((error.field, error.message.as_str()), ("hide", want));
        }
        assert!(pattern("q", &long[1..]).unwrap().is_some());
    }

    proptest! {
        #[test]
        fn focus_and_its_complement_are_all(
            lines in stacks(),
            re in prop::sample::select(vec!["a", "b", "[cd]", "^e$", "x", "."]),
        ) {
            let (trie, own) = unfold(&lines);
            let sum = |filter: Filter| -> i64 { filter.apply(&trie).values(&own).iter().sum() };
            let focus = sum(Filter::new(re, "", "", "").unwrap());
            let ignore = sum(Filter::new("", re, "", "").unwrap());
            prop_assert_eq!(focus + ignore, own[1..].iter().sum::<i64>());
        }
    }
}
