//! `${env:NAME}`, `${env:NAME:-default}`, their short forms without `env:`, and `$$` in scalars.
//! One pass: what a variable holds is neither expanded again nor read as structure.

use super::{
    node::{Node, Path, Value},
    problem::Problem,
};

/// Bytes of a scalar after expansion.
const EXPANDED_BYTES_MAX: usize = 1 << 20;

/// Expands every scalar below `root`; one that fails is struck out.
pub(crate) fn expand(
    root: &mut Node,
    variables: &dyn Fn(&str) -> Option<String>,
    problems: &mut Vec<Problem>,
) {
    walk(root, &Path::default(), &mut |node, path| {
        let Value::Scalar { text, .. } = &mut node.value else { return };
        match expanded(text, variables) {
            Ok(None) => {}
            Ok(Some(new)) => *text = new,
            Err(message) => {
                problems.push(Problem { place: node.place.clone(), path: path.clone(), message });
                node.value = Value::Reported;
            }
        }
    });
}

/// Recursion ends, because the YAML reader limits the depth.
fn walk(node: &mut Node, path: &Path, visit: &mut impl FnMut(&mut Node, &Path)) {
    visit(node, path);
    match &mut node.value {
        Value::Map(entries) => {
            for entry in entries {
                walk(&mut entry.node, &path.key(&entry.key), visit);
            }
        }
        Value::Seq(nodes) => {
            for (index, node) in nodes.iter_mut().enumerate() {
                walk(node, &path.index(index), visit);
            }
        }
        Value::Null | Value::Scalar { .. } | Value::Reported => {}
    }
}

/// The text with its variables; `None` where there is nothing to expand.
fn expanded(
    text: &str,
    variables: &dyn Fn(&str) -> Option<String>,
) -> Result<Option<String>, String> {
    if !text.contains('$') {
        return Ok(None);
    }
    let (mut out, mut rest) = (String::with_capacity(text.len()), text);
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            out.push('$');
            rest = after;
        } else if let Some(after) = rest.strip_prefix('{') {
            let end = after.find('}').ok_or("`${` without `}`; write `$$` for a dollar sign")?;
            out.push_str(&variable(&after[..end], variables)?);
            rest = &after[end + 1..];
        } else {
            out.push('$');
        }
        if out.len() > EXPANDED_BYTES_MAX {
            return Err("is larger than 1 MiB after expansion".into());
        }
    }
    out.push_str(rest);
    Ok(Some(out))
}

fn variable(inner: &str, variables: &dyn Fn(&str) -> Option<String>) -> Result<String, String> {
    let body = inner.strip_prefix("env:").unwrap_or(inner);
    let (name, default) = match body.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (body, None),
    };
    let letter = |c: char| c.is_ascii_alphabetic() || c == '_';
    let fits = name.starts_with(letter) && name.chars().all(|c| letter(c) || c.is_ascii_digit());
    if !fits {
        return Err(format!("`${{{inner}}}` is not of the form `${{env:NAME:-default}}`"));
    }
    // The Collector takes the default for an empty variable, too, as a shell does.
    let value = variables(name).filter(|value| default.is_none() || !value.is_empty());
    value.or(default.map(str::to_owned)).ok_or_else(|| {
        format!("environment variable {name} is not set, and `${{{inner}}}` has no default")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expansion_is_a_single_pass() {
        let variables = |name: &str| match name {
            "A" => Some("a".to_owned()),
            "EMPTY" => Some(String::new()),
            "NESTED" => Some("${env:A} $$ {x: 1}".to_owned()),
            _ => None,
        };
        for (text, want) in [
            ("plain", Ok("plain")),
            ("${env:A}", Ok("a")),
            ("${A}-${env:A}", Ok("a-a")),
            ("${env:NO:-d}", Ok("d")),
            ("${env:NO:-}", Ok("")),
            ("${env:EMPTY:-d}", Ok("d")),
            ("${env:EMPTY}", Ok("")),
            ("$${env:A}", Ok("${env:A}")),
            ("$1 costs 5$", Ok("$1 costs 5$")),
            ("${env:NESTED}", Ok("${env:A} $$ {x: 1}")),
            ("${env:NO}", Err("environment variable NO is not set")),
            ("${env:A", Err("`${` without `}`")),
            ("${env:A-B}", Err("`${env:A-B}` is not of the form")),
            ("${file:/etc/passwd}", Err("`${file:/etc/passwd}` is not of the form")),
            ("${}", Err("`${}` is not of the form")),
        ] {
            let got = expanded(text, &variables).map(|new| new.unwrap_or(text.to_owned()));
            match want {
                Ok(want) => assert_eq!(got.as_deref(), Ok(want), "{text}"),
                Err(want) => {
                    assert!(got.as_ref().unwrap_err().starts_with(want), "{text}: {got:?}")
                }
            }
        }
    }
}
