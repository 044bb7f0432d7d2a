//! Label matchers as in PromQL: `pod=~"a.*", zone!="b"`.
//!
//! Regular expressions are anchored at both ends and run in linear time. A label that is not there
//! counts as the empty string, as in Prometheus.

use std::fmt;

use regex::{Regex, RegexBuilder};

/// Keys that are columns of their own, in `samples` and in `profiles`.
pub const FIXED_KEYS: [&str; 5] = ["service", "service_version", "namespace", "instance", "host"];

/// Longest regular expression, in characters.
const PATTERN_CHARS_MAX: usize = 1_000;
/// Most matchers of one question.
const MATCHERS_MAX: usize = 64;

/// How a value is compared.
#[derive(Clone, Debug)]
enum Test {
    Equal(String),
    NotEqual(String),
    Match(Regex),
    NotMatch(Regex),
}

/// One condition on one label.
#[derive(Clone, Debug)]
pub struct Matcher {
    key: String,
    test: Test,
}

/// A list of matchers that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message} at character {}", .position + 1)]
pub struct MatcherError {
    /// Characters before the place that is wrong.
    pub position: usize,
    /// What is wrong there.
    pub message: String,
}

impl Matcher {
    /// A label that must have this value.
    pub fn equal(key: &str, value: &str) -> Self {
        Self { key: canonical(key), test: Test::Equal(value.to_owned()) }
    }

    /// The label. A column's name where it is one.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The only value that matches, where there is only one.
    pub fn only(&self) -> Option<&str> {
        match &self.test {
            Test::Equal(value) => Some(value),
            _ => None,
        }
    }

    /// Whether a value matches; a label that is not there has the empty one.
    pub fn matches(&self, value: &str) -> bool {
        match &self.test {
            Test::Equal(wanted) => value == wanted,
            Test::NotEqual(unwanted) => value != unwanted,
            Test::Match(regex) => regex.is_match(value),
            Test::NotMatch(regex) => !regex.is_match(value),
        }
    }

    /// Whether this is the key of a label: dots and underscores are the same, because OpenTelemetry
    /// says `k8s.pod.name` where Prometheus can only say `k8s_pod_name`.
    pub fn names(&self, label: &str) -> bool {
        same_key(&self.key, label)
    }
}

/// As in PromQL: `pod=~"a.*"`.
impl fmt::Display for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (operator, value) = match &self.test {
            Test::Equal(value) => ("=", value.as_str()),
            Test::NotEqual(value) => ("!=", value.as_str()),
            Test::Match(regex) => ("=~", written(regex)),
            Test::NotMatch(regex) => ("!~", written(regex)),
        };
        write!(f, "{}{operator}{value:?}", self.key)
    }
}

/// A regular expression as it was written, without what anchors it.
fn written(regex: &Regex) -> &str {
    let pattern = regex.as_str();
    pattern.strip_prefix("^(?:").and_then(|rest| rest.strip_suffix(")$")).unwrap_or(pattern)
}

/// Whether two keys are the same up to dots and underscores, as in matchers.
pub fn same_key(a: &str, b: &str) -> bool {
    let folded = |byte: u8| if byte == b'.' { b'_' } else { byte };
    a.len() == b.len() && a.bytes().map(folded).eq(b.bytes().map(folded))
}

/// The column that a key means, or the key itself. OpenTelemetry's and Kubernetes' names of the
/// columns are understood too, but as attributes: they may differ from what the column took.
pub fn canonical(key: &str) -> String {
    match key {
        "service.name" | "service_name" => "service".to_owned(),
        "service.version" => "service_version".to_owned(),
        key => key.to_owned(),
    }
}

/// Reads matchers separated by commas; braces around them and a comma at the end are allowed.
pub fn parse_matchers(text: &str) -> Result<Vec<Matcher>, MatcherError> {
    let mut parser = Parser { rest: text, whole: text };
    let braces = parser.eat("{");
    let mut matchers = vec![];
    loop {
        parser.space();
        if parser.rest.is_empty() || parser.rest.starts_with('}') {
            break;
        }
        if matchers.len() == MATCHERS_MAX {
            return Err(parser.error(format!("more than {MATCHERS_MAX} matchers")));
        }
        matchers.push(parser.matcher()?);
        if !parser.eat(",") {
            break;
        }
    }
    if braces && !parser.eat("}") {
        return Err(parser.error("a `,` or `}` is missing"));
    }
    parser.space();
    if parser.rest.is_empty() { Ok(matchers) } else { Err(parser.error("a `,` is missing")) }
}

struct Parser<'a> {
    rest: &'a str,
    whole: &'a str,
}

impl Parser<'_> {
    fn error(&self, message: impl Into<String>) -> MatcherError {
        let bytes = self.whole.len() - self.rest.len();
        MatcherError { position: self.whole[..bytes].chars().count(), message: message.into() }
    }

    fn space(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn eat(&mut self, token: &str) -> bool {
        self.space();
        match self.rest.strip_prefix(token) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn matcher(&mut self) -> Result<Matcher, MatcherError> {
        let key = if self.rest.starts_with(['"', '\'', '`']) {
            self.string()?
        } else {
            let named = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '-' | '/' | ':');
            let end = self.rest.find(|c| !named(c)).unwrap_or(self.rest.len());
            let (key, rest) = self.rest.split_at(end);
            if key.is_empty() {
                return Err(self.error("a label name is missing"));
            }
            self.rest = rest;
            key.to_owned()
        };
        let operator = ["=~", "!~", "!=", "="].into_iter().find(|token| self.eat(token));
        let operator = operator.ok_or_else(|| self.error("one of = != =~ !~ is missing"))?;
        self.space();
        let at = self.error("");
        let value = self.string()?;
        let regex = || {
            let too_long = value.chars().count() > PATTERN_CHARS_MAX;
            let pattern = format!("^(?:{value})$");
            // Alone first: `a)|(b` would slip out of the group that anchors it.
            let built = Regex::new(&value)
                .and_then(|_| RegexBuilder::new(&pattern).size_limit(1 << 20).build());
            match built {
                Ok(regex) if !too_long => Ok(regex),
                Ok(_) => Err(format!("a pattern of more than {PATTERN_CHARS_MAX} characters")),
                Err(_) => Err(format!("`{value}` is no regular expression")),
            }
            .map_err(|message| MatcherError { message, ..at.clone() })
        };
        let test = match operator {
            "=" => Test::Equal(value),
            "!=" => Test::NotEqual(value),
            "=~" => Test::Match(regex()?),
            _ => Test::NotMatch(regex()?),
        };
        Ok(Matcher { key: canonical(&key), test })
    }

    /// A quoted string; in double and single quotes a backslash quotes the next character, as far
    /// as it is one of `\ " ' n t`, else it stays, so that `\d` needs no second backslash.
    fn string(&mut self) -> Result<String, MatcherError> {
        let start = self.error("a quoted value is missing");
        let quote = self.rest.chars().next().filter(|c| matches!(c, '"' | '\'' | '`'));
        let quote = quote.ok_or(start.clone())?;
        let (mut out, mut chars) = (String::new(), self.rest[1..].char_indices());
        while let Some((at, c)) = chars.next() {
            if c == quote {
                self.rest = &self.rest[at + 2..];
                return Ok(out);
            }
            if c != '\\' || quote == '`' {
                out.push(c);
                continue;
            }
            match chars.next() {
                Some((_, 'n')) => out.push('\n'),
                Some((_, 't')) => out.push('\t'),
                Some((_, c @ ('\\' | '"' | '\''))) => out.push(c),
                Some((_, c)) => out.extend(['\\', c]),
                None => break,
            }
        }
        Err(MatcherError { message: "a quoted value does not end".into(), ..start })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn as_prometheus_reads_them() {
        for (text, value, want) in [
            (r#"pod="a""#, "a", true),
            (r#"pod="a""#, "ab", false),
            (r#"pod!="a""#, "", true),
            (r#"pod=~"a.*""#, "ab", true),
            (r#"pod=~"a.*""#, "ba", false),
            (r#"pod=~"a|b""#, "ab", false),
            (r#"pod!~"a|b""#, "b", false),
            (r#" { "pod" =~ 'a\d+' , } "#, "a12", true),
            (r#"pod=`a\n`"#, r"a\n", true),
            (r#"pod="a\"b""#, "a\"b", true),
            (r#"pod="ä,}""#, "ä,}", true),
        ] {
            let matchers = parse_matchers(text).unwrap();
            assert_eq!((matchers.len(), matchers[0].key()), (1, "pod"), "{text}");
            assert_eq!(matchers[0].matches(value), want, "{text} {value}");
        }
        assert!(parse_matchers("").unwrap().is_empty() && parse_matchers("{}").unwrap().is_empty());
        let keys = parse_matchers(r#"a="1",k8s.pod.name="2",service.name=~"x",,"#);
        assert_eq!(keys.unwrap_err().position, 41);
        let keys = parse_matchers(r#"a="1",k8s_pod_name="2",service.name=~"x""#).unwrap();
        assert_eq!(keys.iter().map(Matcher::key).collect::<Vec<_>>(), {
            ["a", "k8s_pod_name", "service"]
        });
        assert!(keys[1].names("k8s.pod.name") && !keys[1].names("k8s.pod.names"));
    }

    #[test]
    fn errors_say_where() {
        for (text, want) in [
            ("pod", "one of = != =~ !~ is missing at character 4"),
            ("ä=b", "a quoted value is missing at character 3"),
            (r#"="a""#, "a label name is missing at character 1"),
            (r#"pod="a"#, "a quoted value does not end at character 5"),
            (r#"pod="a\"#, "a quoted value does not end at character 5"),
            (r#"a="b" c="d""#, "a `,` is missing at character 7"),
            (r#"{a="b""#, "a `,` or `}` is missing at character 7"),
            (r#"pod=~"(""#, "`(` is no regular expression at character 6"),
            (r#"pod=~"a)|(b""#, "`a)|(b` is no regular expression at character 6"),
            (r#"pod=~"a{9999}{9999}""#, "`a{9999}{9999}` is no regular expression at character 6"),
        ] {
            assert_eq!(parse_matchers(text).unwrap_err().to_string(), want, "{text}");
        }
        let many = r#"a="b","#.repeat(65);
        assert!(parse_matchers(&many).is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[a-z=~!\"'`{},\\\\ ä(]{0,20}") {
            if let Err(error) = parse_matchers(&text) {
                prop_assert!(error.position <= text.chars().count());
            }
        }
    }
}
