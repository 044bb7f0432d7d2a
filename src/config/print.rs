//! A config as it counts: files and arguments laid over each other, variables filled in. Printed
//! as YAML that loads to the same again, secrets taken out unless they are asked for.

use serde::{
    Serialize, Serializer,
    ser::{SerializeMap, SerializeSeq},
};

use pipeline::secret::REDACTED;

use super::node::{Node, Value};

/// Words in the names of keys whose values are taken for secrets, whatever type they have: a new
/// component that forgets the type must not tell.
const WORDS: [&str; 6] = ["password", "passwd", "secret", "token", "credential", "api_key"];
/// Ends of such names that say where a secret is, not what it is.
const PLACES: [&str; 4] = ["_file", "_url", "_path", "_name"];
/// Maps whose values are sent along as they are, tokens often among them.
const HEADERS: [&str; 2] = ["headers", "http_headers"];

/// The tree as YAML.
pub(crate) fn yaml(root: &Node, redact: bool) -> anyhow::Result<String> {
    Ok(serde_saphyr::to_string(&Printed { node: root, redact, hide: false })?)
}

/// A node on its way out.
struct Printed<'a> {
    node: &'a Node,
    redact: bool,
    /// Whether all scalars below are secrets.
    hide: bool,
}

impl Printed<'_> {
    fn child<'a>(&self, key: &str, node: &'a Node) -> Printed<'a> {
        Printed { node, redact: self.redact, hide: self.hide || is_secret(key) }
    }
}

impl Serialize for Printed<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let hide = self.redact && (self.hide || self.node.secret.get());
        match &self.node.value {
            Value::Null | Value::Reported => serializer.serialize_unit(),
            Value::Scalar { .. } if hide => serializer.serialize_str(REDACTED),
            Value::Scalar { text, quoted } => {
                let text = if self.redact { without_userinfo(text) } else { text.clone() };
                // A dollar sign that is left must not start a variable when this is read.
                scalar(&text.replace('$', "$$"), *quoted, serializer)
            }
            Value::Seq(nodes) => {
                let mut seq = serializer.serialize_seq(Some(nodes.len()))?;
                for node in nodes {
                    seq.serialize_element(&Printed { node, ..*self })?;
                }
                seq.end()
            }
            Value::Map(entries) => {
                let mut map = serializer.serialize_map(Some(entries.len()))?;
                for entry in entries {
                    map.serialize_entry(&entry.key, &self.child(&entry.key, &entry.node))?;
                }
                map.end()
            }
        }
    }
}

/// A scalar: numbers and truth values that stood without quotes and lose nothing stay without.
fn scalar<S: Serializer>(text: &str, quoted: bool, serializer: S) -> Result<S::Ok, S::Error> {
    if !quoted {
        match text {
            "true" => return serializer.serialize_bool(true),
            "false" => return serializer.serialize_bool(false),
            _ => {}
        }
        if let Some(number) = text.parse::<i64>().ok().filter(|n| n.to_string() == text) {
            return serializer.serialize_i64(number);
        }
        if let Some(number) = text.parse::<f64>().ok().filter(|n| format!("{n:?}") == text) {
            return serializer.serialize_f64(number);
        }
    }
    serializer.serialize_str(text)
}

fn is_secret(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    let named = WORDS.iter().any(|word| key.contains(word));
    (named && !PLACES.iter().any(|end| key.ends_with(end))) || HEADERS.contains(&key.as_str())
}

/// An address without `user:password@`, with or without a scheme.
fn without_userinfo(text: &str) -> String {
    let (scheme, rest) = match text.find("://") {
        Some(at) => text.split_at(at + "://".len()),
        // An address of mail has no colon, and text has blanks.
        None if text.contains(':') && !text.contains(char::is_whitespace) => ("", text),
        None => return text.to_owned(),
    };
    let authority = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    match rest[..authority].rfind('@') {
        Some(at) if !scheme.is_empty() || rest[..at].contains(':') => {
            format!("{scheme}{REDACTED}{}", &rest[at..])
        }
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use pipeline::secret::Secret;
    use serde::Deserialize;

    use super::{
        super::{de, yaml as reader},
        *,
    };

    #[test]
    fn secrets_are_known_by_type_by_name_and_in_addresses() {
        #[derive(Deserialize)]
        struct Login {
            #[serde(rename = "user")]
            _user: String,
            #[serde(rename = "key")]
            _key: Secret,
            #[serde(rename = "keys")]
            _keys: Vec<Secret>,
        }
        let text = "user: me\nkey: hunter2\nkeys: [hunter2, 5]\n";
        let mut root = reader::parse(text, "f").unwrap();
        de::read::<Login>(&mut root, &mut Vec::new(), &mut Vec::new()).expect("is read");
        let printed = yaml(&root, true).unwrap();
        assert_eq!(printed.matches(REDACTED).count(), 3, "{printed}");
        assert!(!printed.contains("hunter2") && printed.contains("me"), "{printed}");
        assert!(yaml(&root, false).unwrap().contains("hunter2"));

        let text = "a: {password: x1, Client_Secret: x2, bearer_token: x3, password_file: /p}\n\
                    b: {headers: {x-any: x4}, http_headers: {y: [x5]}, token_url: https://i/t}\n\
                    c: https://u:x6@host/path?q=a@b\nd: http://host/a@b\n\
                    e: u:x7@host:4317\nf: ['me@host', 'a: b@c', 'host:1/b@c', 'me@host:25']\n";
        let root = reader::parse(text, "f").unwrap();
        let printed = yaml(&root, true).unwrap();
        for secret in ["x1", "x2", "x3", "x4", "x5", "x6", "x7"] {
            assert!(!printed.contains(secret), "{secret}: {printed}");
        }
        for kept in [
            "/p",
            "https://i/t",
            "@host/path?q=a@b",
            "http://host/a@b",
            "@host:4317",
            "me@host",
            "a: b@c",
            "host:1/b@c",
        ] {
            assert!(printed.contains(kept), "{kept}: {printed}");
        }
    }

    #[test]
    fn what_is_printed_is_the_same_tree() {
        let text = "a: [1, '1', 1.10, 1.5, true, 'true', yes, ~, -3, 0x1F, 1e3, 007]\n\
                    b: {c: 'x: y', d: '# no comment', e: \"line\\nline\", f: '', g: '{', h: '~'}\n\
                    i: 10GiB\nj: 'cost $5 ${env:X}'\nk: \"\\u0007ä\"\nl: {}\nm: []\nn:\n";
        let root = reader::parse(text, "f").unwrap();
        let printed = yaml(&root, true).unwrap();
        let mut again = reader::parse(&printed, "g").unwrap_or_else(|e| panic!("{e:?}: {printed}"));
        super::super::expand::expand(&mut again, &|_| None, &mut Vec::new());
        assert_eq!(plain(&root), plain(&again), "{printed}");
    }

    /// Texts only: a word that needs no quotes may lose them, and gain them.
    fn plain(node: &Node) -> String {
        match &node.value {
            Value::Null | Value::Reported => "null".into(),
            Value::Scalar { text, quoted: true } if matches!(text.as_str(), "true" | "1" | "~") => {
                format!("quoted {text:?}")
            }
            Value::Scalar { text, .. } => format!("{text:?}"),
            Value::Seq(nodes) => format!("{:?}", nodes.iter().map(plain).collect::<Vec<_>>()),
            Value::Map(entries) => {
                let entries = entries.iter().map(|e| format!("{}: {}", e.key, plain(&e.node)));
                format!("{{{}}}", entries.collect::<Vec<_>>().join(", "))
            }
        }
    }
}
