//! Why labels that were asked for match nothing: people mistype names and values, and an empty
//! picture does not tell them which.

use crate::{
    catalog::{self, Values},
    error::Error,
    matcher::{Matcher, same_key},
    scan::Ask,
    selection::Selection,
};

/// Names and values that a reason lists.
const NAMED_MAX: usize = 10;

/// The reason for a person; none where the selection has no matchers.
pub(crate) fn why(ask: &Ask<'_>, selection: &Selection) -> Result<Option<String>, Error> {
    if selection.matchers.is_empty() {
        return Ok(None);
    }
    let whole = Selection { matchers: vec![], ..selection.clone() };
    let labels = catalog::label_values(ask, &whole)?;
    for matcher in &selection.matchers {
        let named = labels.iter().filter(|(name, _)| same_key(name, matcher.key()));
        let mut values: Vec<&String> = named.flat_map(|(_, values)| values).collect();
        if values.iter().any(|value| matcher.matches(value)) || matcher.matches("") {
            continue;
        }
        values.sort();
        values.dedup();
        return Ok(Some(match values.is_empty() {
            true => none_has(matcher.key(), &labels),
            false => format!(
                "nothing matches `{matcher}`; `{}` is {}",
                matcher.key(),
                listed(values.into_iter())
            ),
        }));
    }
    let all: Vec<String> = selection.matchers.iter().map(Matcher::to_string).collect();
    Ok(Some(format!("no values match `{}` in {}", all.join(", "), selection.range)))
}

/// The same of a label that a selection is grouped by and nothing in it has.
pub(crate) fn without(ask: &Ask<'_>, selection: &Selection, by: &str) -> Result<String, Error> {
    Ok(none_has(by, &catalog::label_values(ask, selection)?))
}

fn none_has(label: &str, labels: &Values) -> String {
    format!("nothing has the label `{label}`; there are {}", listed(labels.keys()))
}

fn listed<'a>(names: impl ExactSizeIterator<Item = &'a String>) -> String {
    let more = names.len().saturating_sub(NAMED_MAX);
    let named: Vec<String> = names.take(NAMED_MAX).map(|name| format!("`{name}`")).collect();
    match more {
        0 => named.join(", "),
        more => format!("{} and {more} more", named.join(", ")),
    }
}
