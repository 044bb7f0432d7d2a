//! Labels of pprof to attributes and back. A key of pprof may have several values, texts and
//! numbers of several units; a key of OTLP has one value, so that several become a list.

use crate::profile::{LabelValue, Value, from_hex};

/// The value of a label with its texts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Plain {
    /// A text.
    Text(String),
    /// A number with its unit.
    Number(i64, String),
}

impl Plain {
    /// The value of a label of a profile whose strings `text` gives.
    pub fn of<'p>(value: LabelValue, text: impl Fn(u32) -> &'p str) -> Self {
        match value {
            LabelValue::Text(index) => Self::Text(text(index).to_owned()),
            LabelValue::Number(number, unit) => Self::Number(number, text(unit).to_owned()),
        }
    }
}

/// The value and unit of the attribute that stands for all labels of a key, of which there is one
/// at least. Numbers whose units differ become maps of `value` and `unit`.
pub fn to_attribute(labels: &[Plain]) -> (Value, String) {
    let mut units = labels.iter().filter_map(|label| match label {
        Plain::Number(_, unit) => Some(unit.as_str()),
        Plain::Text(_) => None,
    });
    let unit = units.next().unwrap_or_default();
    let one_unit = units.all(|other| other == unit);
    let value = |label: &Plain| match label {
        Plain::Text(text) => Value::text(text),
        Plain::Number(number, unit) if one_unit || unit.is_empty() => Value::Int(*number),
        Plain::Number(number, unit) => Value::Map(vec![
            ("value".into(), Value::Int(*number)),
            ("unit".into(), Value::text(unit)),
        ]),
    };
    let found = match labels {
        [one] => value(one),
        several => Value::List(several.iter().map(value).collect()),
    };
    (found, if one_unit { unit.to_owned() } else { String::new() })
}

/// The labels that an attribute stands for; none where labels would not give it back.
pub fn to_labels(value: &Value, unit: &str) -> Option<Vec<Plain>> {
    let one = |value: &Value| match value {
        Value::Text(text) => Some(Plain::Text(text.clone())),
        Value::Int(number) => Some(Plain::Number(*number, unit.to_owned())),
        Value::Map(pairs) => match pairs.as_slice() {
            [(v, Value::Int(number)), (u, Value::Text(unit))] if v == "value" && u == "unit" => {
                Some(Plain::Number(*number, unit.clone()))
            }
            _ => None,
        },
        _ => None,
    };
    let labels: Vec<Plain> = match value {
        Value::List(values) if values.len() > 1 => values.iter().map(one).collect::<Option<_>>()?,
        value => vec![one(value)?],
    };
    let (again, again_unit) = to_attribute(&labels);
    (again == *value && again_unit == unit).then_some(labels)
}

/// Keys whose value is the id of a trace: OpenTelemetry's and Pyroscope's, Datadog's, Polar
/// Signals'.
const TRACE_KEYS: [&str; 3] = ["trace_id", "trace id", "otel.traceid"];
/// Keys whose value is the id of a span, in the order in which they are believed. Pyroscope calls
/// the span in whose scope a profile was taken `profile_id`.
const SPAN_KEYS: [&str; 4] = ["span_id", "span id", "otel.spanid", "profile_id"];

/// Finds the ids of a link among the text labels of a sample.
#[derive(Default)]
pub struct LinkFinder {
    trace: Option<(usize, [u8; 16])>,
    span: Option<(usize, [u8; 8])>,
}

impl LinkFinder {
    /// Looks at a label.
    pub fn see(&mut self, key: &str, text: &str) {
        let rank = |keys: &[&str]| keys.iter().position(|known| *known == key);
        if let (Some(rank), Some(id)) = (rank(&TRACE_KEYS), from_hex(text))
            && self.trace.is_none_or(|(best, _)| rank < best)
            && id != [0; 16]
        {
            self.trace = Some((rank, id));
        }
        if let (Some(rank), Some(id)) = (rank(&SPAN_KEYS), from_hex(text))
            && self.span.is_none_or(|(best, _)| rank < best)
            && id != [0; 8]
        {
            self.span = Some((rank, id));
        }
    }

    /// The link, where both of its ids were there.
    pub fn link(&self) -> Option<([u8; 16], [u8; 8])> {
        Some((self.trace?.1, self.span?.1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Plain {
        Plain::Text(text.into())
    }

    fn number(number: i64, unit: &str) -> Plain {
        Plain::Number(number, unit.into())
    }

    #[test]
    fn labels_come_back_from_their_attribute() {
        let int = Value::Int;
        let with_unit =
            Value::Map(vec![("value".into(), int(2)), ("unit".into(), Value::text("bytes"))]);
        for (labels, value, unit) in [
            (vec![text("a")], Value::text("a"), ""),
            (vec![number(-5, "bytes")], int(-5), "bytes"),
            (vec![text("a"), text("b")], Value::List(vec![Value::text("a"), Value::text("b")]), ""),
            (vec![number(1, "s"), number(2, "s")], Value::List(vec![int(1), int(2)]), "s"),
            (vec![text("a"), number(1, "s")], Value::List(vec![Value::text("a"), int(1)]), "s"),
            (vec![number(1, ""), number(2, "bytes")], Value::List(vec![int(1), with_unit]), ""),
        ] {
            assert_eq!(to_attribute(&labels), (value.clone(), unit.to_owned()));
            assert_eq!(to_labels(&value, unit), Some(labels));
        }
    }

    #[test]
    fn what_labels_cannot_say_stays_an_attribute() {
        for (value, unit) in [
            (Value::Empty, ""),
            (Value::Bool(true), ""),
            (Value::Double(1), ""),
            (Value::Bytes(vec![1]), ""),
            (Value::List(vec![]), ""),
            (Value::List(vec![Value::text("alone")]), ""),
            (Value::List(vec![Value::Int(1), Value::Bool(true)]), ""),
            (Value::text("with"), "unit"),
            (Value::Map(vec![("value".into(), Value::Int(1))]), ""),
        ] {
            assert_eq!(to_labels(&value, unit), None, "{value:?}");
        }
    }

    #[test]
    fn links_are_found_by_all_their_names() {
        let (trace, span) = ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331");
        for (trace_key, span_key) in [
            ("trace_id", "span_id"),
            ("trace id", "span id"),
            ("otel.traceid", "otel.spanid"),
            ("trace_id", "profile_id"),
        ] {
            let mut finder = LinkFinder::default();
            finder.see(span_key, span);
            assert_eq!(finder.link(), None);
            finder.see(trace_key, trace);
            let (found, span_found) = finder.link().unwrap();
            assert_eq!((found[0], span_found[7]), (0x0a, 0x31));
        }
        let mut finder = LinkFinder::default();
        finder.see("trace_id", "0af7");
        finder.see("trace_id", &"0".repeat(32));
        finder.see("profile_id", span);
        finder.see("span_id", "00f067aa0ba902b7");
        assert_eq!((finder.link(), finder.span.unwrap().1[1]), (None, 0xf0));
    }
}
