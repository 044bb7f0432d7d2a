//! `app{key=value,…}`: the name of an application with labels, as agents put it into the query.

use crate::reason::{Reason, Refused};

/// A name and its labels, in order.
pub(super) type Named<'a> = (&'a str, Vec<(&'a str, &'a str)>);

/// Reads a name. A value ends at the next comma or brace, so that it cannot hold one; it may be
/// empty, and so may be the list.
///
/// # Errors
/// Where there is no name, a label has no key or no `=`, or something stands behind the brace.
pub(super) fn parse(text: &str) -> Result<Named<'_>, Refused> {
    let wrong = |what: String| Refused::new(Reason::Malformed, format!("the name {what}"));
    let Some((name, rest)) = text.split_once('{') else {
        return match text.trim() {
            "" => Err(wrong("of the application is empty".into())),
            name if name.contains(['}', '=', ',']) => Err(wrong(format!("is `{}`", cut(name)))),
            name => Ok((name, Vec::new())),
        };
    };
    if name.trim().is_empty() {
        return Err(wrong("of the application is empty".into()));
    }
    let Some((inside, behind)) = rest.split_once('}') else {
        return Err(wrong(format!("`{}` has no closing brace", cut(text))));
    };
    if !behind.trim().is_empty() {
        return Err(wrong(format!("has `{}` behind its labels", cut(behind))));
    }
    let mut labels = Vec::new();
    for pair in inside.split(',').filter(|pair| !pair.trim().is_empty()) {
        let (key, value) = pair
            .split_once('=')
            .filter(|(key, _)| !key.trim().is_empty())
            .ok_or_else(|| wrong(format!("has `{}`, which is not key=value", cut(pair))))?;
        labels.push((key.trim(), value.trim()));
    }
    Ok((name.trim(), labels))
}

/// The start of a text, for a message of one line.
pub(super) fn cut(text: &str) -> String {
    text.chars().take(64).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_as_agents_write_them() {
        let none: &[(&str, &str)] = &[];
        for (text, name, labels) in [
            ("orders", "orders", none),
            (" orders{} ", "orders", none),
            ("a.b{k=v,k2=x y}", "a.b", &[("k", "v"), ("k2", "x y")]),
            ("a{k=v=w, b = ,}", "a", &[("k", "v=w"), ("b", "")]),
            ("a{<b>=\"<script>\"}", "a", &[("<b>", "\"<script>\"")]),
        ] {
            assert_eq!(parse(text), Ok((name, labels.to_vec())), "{text}");
        }
        for text in ["", "{}", "a{k=v", "a{k}", "a{=v}", "a{k=v}x", "a}", "a,b"] {
            assert_eq!(parse(text).map_err(|r| r.reason), Err(Reason::Malformed), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            name in "[^{}=,\\s]{1,20}",
            labels in proptest::collection::vec(("[^{}=,\\s]{1,9}", "[^{},\\s]{0,9}"), 0..9),
        ) {
            let pairs: Vec<_> = labels.iter().map(|(k, v)| format!("{k}={v}")).collect();
            let text = format!("{name}{{{}}}", pairs.join(","));
            let read: Vec<_> = labels.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
            prop_assert_eq!(parse(&text), Ok((name.as_str(), read)));
        }

        #[test]
        fn nothing_makes_it_fail(text in "[a={},\\PC]{0,40}") {
            let _either = parse(&text);
        }
    }
}
