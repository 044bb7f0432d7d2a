//! What a profile of OTLP says of itself before its samples are read, and which of them belong
//! together: OTLP has one sample type a profile, pprof has several.

use std::{
    borrow::Cow,
    collections::{HashMap, HashSet},
};

use super::{
    tables::{Tables, index},
    values::{self, Budget},
};
use crate::{
    codec::wire::{Cursor, Span, Value as Field},
    limits::Limits,
    profile::{Attribute, Temporality, TypeExtra, Value},
    reason::{Reason, Refused},
};

/// The name of the profile, as SPEC has it.
pub const NAME: &str = "profpipe.profile";
/// The temporality of the sample type.
pub const TEMPORALITY: &str = "profpipe.temporality";
/// Comments, and the settings for viewers.
pub const COMMENT: &str = "pprof.profile.comment";
pub const DROP_FRAMES: &str = "pprof.profile.drop_frames";
pub const KEEP_FRAMES: &str = "pprof.profile.keep_frames";
pub const DOC_URL: &str = "pprof.profile.doc_url";

/// What helps whoever still sends the old fields.
pub const HELP: &str = "this looks like OTLP profiles of v1.9 or older, whose fields have other \
                    numbers: the sender needs v1.10, as in OpenTelemetry Collector 0.148 or later";

/// A message of an old version in place of one of ours.
pub fn old_wire() -> Refused {
    Refused::new(Reason::OldWire, HELP)
}

/// What must be equal in the profiles that are made one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Common {
    pub time_ns: i64,
    pub duration_ns: i64,
    pub period: i64,
    pub period_type: (u32, u32),
    pub name: String,
    pub comments: Vec<String>,
    pub drop_frames: String,
    pub keep_frames: String,
    pub doc_url: String,
}

/// A profile of OTLP without its samples.
#[derive(Debug, Default)]
pub struct Header {
    pub span: Span,
    /// Type and unit, as strings of the dictionary.
    pub sample_type: (u32, u32),
    pub common: Common,
    pub temporality: Option<Temporality>,
    pub extra: TypeExtra,
    /// Whether its first sample has times.
    pub timed: bool,
    /// What its samples hold, if they were weighed.
    pub held: Held,
}

/// What the samples of a profile hold.
#[derive(Clone, Copy, Debug, Default)]
pub struct Held {
    pub samples: usize,
    /// Whether one of them has times.
    pub timed: bool,
    pub frames: usize,
    pub labels: usize,
    /// Memory that they may take, but for their values.
    pub bytes: usize,
}

impl Header {
    /// Reads the profile at `span`; `see` is shown each of its samples.
    #[inline(always)]
    pub fn read(
        span: Span,
        tables: &Tables<'_>,
        limits: &Limits,
        budget: &mut Budget,
        mut see: impl FnMut(Cursor<'_>) -> Result<(), Refused>,
    ) -> Result<Self, Refused> {
        let mut header = Self { span, ..Self::default() };
        let (mut samples, mut references) = (0, Vec::new());
        let mut cursor = tables.cursor(span);
        loop {
            // Nearly all fields are samples.
            let sample = match cursor.message_if(2 << 3 | 2)? {
                Some(sample) => sample,
                None => {
                    let Some((field, value)) = cursor.field()? else { break };
                    let fits = match field {
                        1 | 2 | 5 | 7 | 9 | 10 => matches!(value, Field::Bytes(_)),
                        3 => matches!(value, Field::Fixed64(_)),
                        4 | 6 | 8 => matches!(value, Field::Int(_)),
                        _ => true,
                    };
                    if !fits {
                        return Err(old_wire().at(span.0 as usize));
                    }
                    if field != 2 {
                        header.field(field, value, &cursor, &mut references)?;
                        continue;
                    }
                    value.message(&cursor)?
                }
            };
            samples += 1;
            if samples > limits.samples_max {
                let detail = format!("more than {} samples", limits.samples_max);
                return Err(Refused::new(Reason::CountLimit, detail));
            }
            if samples == 1 {
                header.timed = has_times(sample)?;
            }
            see(sample)?;
        }
        for reference in references {
            let raw = tables.attributes.get(reference as usize).ok_or_else(|| {
                Refused::new(Reason::BadReference, "an attribute of a profile is not there")
            })?;
            header.attribute(values::attribute(*raw, tables, budget)?);
        }
        budget.take(header.extra.payload.len())?;
        for string in [header.sample_type, header.common.period_type] {
            if string.0.max(string.1) as usize >= tables.strings_len().max(1) {
                return Err(Refused::new(Reason::BadReference, "a type of a profile is not there"));
            }
        }
        Ok(header)
    }

    fn field(
        &mut self,
        field: u64,
        value: Field<'_>,
        at: &Cursor<'_>,
        references: &mut Vec<u32>,
    ) -> Result<(), Refused> {
        let time = |number: u64| {
            i64::try_from(number)
                .map_err(|_| Refused::new(Reason::Malformed, "a time of more than 63 bits"))
        };
        match field {
            1 => self.sample_type = value_type(value.message(at)?)?,
            3 => self.common.time_ns = time(value.fixed(at)?)?,
            4 => self.common.duration_ns = time(value.int(at)?)?,
            5 => self.common.period_type = value_type(value.message(at)?)?,
            6 => self.common.period = value.int(at)? as i64,
            7 => self.extra.id = value.message(at)?.bytes().to_vec(),
            8 => self.extra.dropped = index(value.int(at)?),
            9 => self.extra.payload_format = values::text(value.message(at)?),
            10 => self.extra.payload = value.message(at)?.bytes().to_vec(),
            11 => push_indexes(value, at, references, 1024)?,
            _ => {}
        }
        if self.extra.id.len() > 16 {
            return Err(Refused::new(Reason::Malformed, "an id of more than 16 bytes"));
        }
        // The specification takes an id of another length for none.
        if self.extra.id.len() != 16 {
            self.extra.id.clear();
        }
        Ok(())
    }

    /// What the model has a place for goes there, the rest is kept as it is.
    fn attribute(&mut self, attribute: Attribute) {
        let common = &mut self.common;
        let place = match attribute.key.as_str() {
            NAME => &mut common.name,
            DROP_FRAMES => &mut common.drop_frames,
            KEEP_FRAMES => &mut common.keep_frames,
            DOC_URL => &mut common.doc_url,
            TEMPORALITY => {
                if let Value::Text(text) = &attribute.value
                    && let Some(temporality) = Temporality::parse(text)
                {
                    self.temporality = Some(temporality);
                    return;
                }
                return self.extra.attributes.push(attribute);
            }
            COMMENT => {
                if let Value::List(values) = &attribute.value
                    && !values.is_empty()
                    && values.iter().all(|value| matches!(value, Value::Text(_)))
                {
                    return common.comments.extend(values.iter().map(Value::to_string));
                }
                return self.extra.attributes.push(attribute);
            }
            key => {
                // The Collector's translator gives each comment a key of its own.
                let number = key.strip_prefix(COMMENT).and_then(|rest| rest.strip_prefix('.'));
                let numbered = number.is_some_and(|n| n.bytes().all(|b| b.is_ascii_digit()));
                if let (true, Value::Text(text)) = (numbered, &attribute.value) {
                    return common.comments.push(text.clone());
                }
                return self.extra.attributes.push(attribute);
            }
        };
        match attribute.value {
            Value::Text(text) if !text.is_empty() && attribute.unit.is_empty() => *place = text,
            _ => self.extra.attributes.push(attribute),
        }
    }
}

/// Adds indexes, packed or not, `max` at most.
pub fn push_indexes(
    value: Field<'_>,
    at: &Cursor<'_>,
    list: &mut Vec<u32>,
    max: usize,
) -> Result<(), Refused> {
    let full = || Refused::new(Reason::CountLimit, format!("more than {max} references"));
    match value {
        Field::Bytes(mut packed) => {
            while !packed.is_done() {
                list.push(index(packed.varint()?));
                if list.len() > max {
                    return Err(full());
                }
            }
            packed.within()?;
        }
        number => list.push(index(number.int(at)?)),
    }
    if list.len() > max { Err(full()) } else { Ok(()) }
}

fn has_times(mut sample: Cursor<'_>) -> Result<bool, Refused> {
    while let Some((field, _)) = sample.field()? {
        if field == 5 {
            return Ok(true);
        }
    }
    Ok(false)
}

fn value_type(mut message: Cursor<'_>) -> Result<(u32, u32), Refused> {
    let (mut kind, mut unit) = (0, 0);
    while let Some((field, value)) = message.field()? {
        match field {
            1 => kind = index(value.int(&message)?),
            2 => unit = index(value.int(&message)?),
            _ => {}
        }
    }
    Ok((kind, unit))
}

/// Which profiles of a scope are one, as lists of their positions in the order of its types. An
/// order that the scope tells holds where it fits; else profiles of the same time, period and
/// attributes are one until a type comes again, which is how two of Go's look alike. `text` gives
/// the names of types: no profile has two of one name.
pub fn groups<'t>(
    headers: &[Header],
    order: Option<&[i64]>,
    text: impl Fn(u32) -> Cow<'t, str>,
) -> Vec<Vec<usize>> {
    let kind = |header: &Header| text(header.sample_type.0);
    if let Some(order) = order
        && !headers.is_empty()
        && let Some(positions) = permutation(order, headers.len())
        && headers.iter().all(|header| header.common == headers[0].common && !header.timed)
        && headers.iter().map(kind).collect::<HashSet<_>>().len() == headers.len()
    {
        return vec![positions];
    }
    let mut groups: Vec<Vec<usize>> = Vec::new();
    // The groups of equal profiles, and how many of them have a type already.
    let mut equal: HashMap<&Common, Vec<usize>> = HashMap::new();
    let mut filled: HashMap<(&Common, Cow<str>), usize> = HashMap::new();
    for (at, header) in headers.iter().enumerate() {
        if header.timed {
            groups.push(vec![at]);
            continue;
        }
        let equal = equal.entry(&header.common).or_default();
        let filled = filled.entry((&header.common, kind(header))).or_default();
        match equal.get(*filled) {
            Some(group) => groups[*group].push(at),
            None => {
                equal.push(groups.len());
                groups.push(vec![at]);
            }
        }
        *filled += 1;
    }
    groups
}

/// Positions in the order that was, where `order[i]` is the place that profile `i` had in it.
fn permutation(order: &[i64], len: usize) -> Option<Vec<usize>> {
    let mut positions = vec![usize::MAX; len];
    if order.len() != len {
        return None;
    }
    for (position, place) in order.iter().enumerate() {
        let slot = positions.get_mut(usize::try_from(*place).ok()?)?;
        if std::mem::replace(slot, position) != usize::MAX {
            return None;
        }
    }
    Some(positions)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(kind: u32, time_ns: i64) -> Header {
        let common = Common { time_ns, ..Common::default() };
        Header { sample_type: (kind, 0), common, ..Header::default() }
    }

    #[test]
    fn types_of_one_time_are_one_profile() {
        let headers: Vec<_> =
            [(1, 5), (2, 5), (1, 6), (1, 5), (2, 6), (2, 5)].map(|(k, t)| header(k, t)).into();
        // Two indexes of the dictionary may have one text.
        let text = |kind: u32| format!("{}", kind % 10).into();
        let groups = |headers: &[Header], order| super::groups(headers, order, text);
        assert_eq!(groups(&headers, None), [vec![0, 1], vec![2, 4], vec![3, 5]]);
        let named = |kind: u32, name: &str| {
            let mut header = header(kind, 5);
            header.common.name = name.into();
            header
        };
        let twins = [named(1, "block"), named(1, "mutex"), named(2, "mutex"), named(2, "block")];
        assert_eq!(groups(&twins, None), [vec![0, 3], vec![1, 2]]);
        let three: Vec<_> = [7, 8, 9].map(|kind| header(kind, 5)).into();
        assert_eq!(groups(&three, Some(&[2, 0, 1])), [vec![1, 2, 0]]);
        for bad in [&[0, 1][..], &[0, 0, 1], &[0, 1, 3], &[-1, 0, 1]] {
            assert_eq!(groups(&three, Some(bad)), [vec![0, 1, 2]]);
        }
        let same: Vec<_> = [7, 8, 17].map(|kind| header(kind, 5)).into();
        for order in [None, Some(&[2, 0, 1][..])] {
            assert_eq!(groups(&same, order), [vec![0, 1], vec![2]], "no two of one name");
        }
        let mut timed: Vec<_> = [7, 8].map(|kind| header(kind, 5)).into();
        timed[0].timed = true;
        assert_eq!(groups(&timed, None), [vec![0], vec![1]]);
    }
}
