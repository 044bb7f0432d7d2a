//! Names as text, wherever they go: a profile is made by somebody else, and so are its names.

use std::borrow::Cow;
use std::fmt::Write;

/// Control characters and those that reorder or hide text, each as U+FFFD: what is seen is what is
/// there, on a line of its own.
pub fn visible(text: &str) -> Cow<'_, str> {
    if text.chars().any(unseen) {
        Cow::Owned(text.chars().map(|c| if unseen(c) { '\u{fffd}' } else { c }).collect())
    } else {
        Cow::Borrowed(text)
    }
}

/// Control, bidirectional and zero-width characters, line separators, and what XML does not allow.
fn unseen(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}')
        || matches!(c, '\u{2060}'..='\u{2069}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}')
}

/// Text for XML and HTML, as content or inside quotes.
pub(super) fn xml(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\n' => out.push('\n'),
            c if unseen(c) => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

/// JSON for a `<script type="application/json">`: nothing in it can end the element or open a
/// comment, and it is the same JSON.
pub(super) fn script(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        match c {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                write!(out, "\\u{:04x}", u32::from(c)).expect("strings take all writes");
            }
            c => out.push(c),
        }
    }
    out
}

/// A text cell of CSV (RFC 4180). Spreadsheets run a cell that begins as a formula, so such a one
/// gets an apostrophe in front.
pub fn csv(text: &str) -> String {
    let text = visible(text);
    let formula = text.trim_start().starts_with(['=', '+', '-', '@']);
    let text = if formula { format!("'{text}") } else { text.into_owned() };
    if text.contains([',', '"']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

/// Names that tried to be something else.
#[cfg(test)]
pub(super) const HOSTILE: [&str; 9] = [
    "\"><img src=x onerror=alert(1)>",
    "'><svg/onload=alert(1)>",
    "</script><script>alert(1)</script>",
    "<!--<script>",
    "]]></title></style><script>alert(1)</script>",
    "javascript:alert(1)",
    "=HYPERLINK(\"http://x\",\"y\")",
    "a\u{0}b\u{1b}[31m\r\nc\u{202e}d\u{2028}",
    "&lt;b&gt;",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_passes_as_markup() {
        for name in HOSTILE {
            let x = xml(name);
            assert!(!x.contains(['<', '>', '"', '\'', '\u{0}', '\u{202e}']), "{x}");
            let json = serde_json::to_string(name).unwrap();
            let s = script(&json);
            assert!(!s.contains(['<', '>', '&', '\u{2028}']), "{s}");
            assert_eq!(serde_json::from_str::<String>(&s).unwrap(), name);
            assert!(!csv(name).starts_with(['=', '+', '-', '@', '\t', '\r']));
        }
        assert_eq!(xml("&lt;"), "&amp;lt;");
    }

    #[test]
    fn csv_cells() {
        for (text, want) in [
            ("main.f", "main.f"),
            ("f[int,string]", "\"f[int,string]\""),
            ("a\"b", "\"a\"\"b\""),
            ("=1+1", "'=1+1"),
            (" @x", "' @x"),
            ("-x,y", "\"'-x,y\""),
            ("\t+x", "\u{fffd}+x"),
        ] {
            assert_eq!(csv(text), want);
        }
    }

    #[test]
    fn plain_names_are_not_copied() {
        assert!(matches!(visible("github.com/a/b.(*T).Ü"), Cow::Borrowed(_)));
        assert_eq!(visible("a\tb\u{202e}c"), "a\u{fffd}b\u{fffd}c");
    }
}
