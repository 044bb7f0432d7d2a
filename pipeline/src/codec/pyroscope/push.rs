//! `push.v1.PushRequest`: series of labels with profiles, in protobuf or JSON.

use std::collections::BTreeMap;

use super::{
    TOO_LARGE_MAX,
    complete::{Source, complete},
    labels::{self, LABELS_MAX},
};
use crate::{
    codec::{
        otlp::{
            Decoded, json,
            schema::{Field, Kind},
        },
        pprof,
        wire::Cursor,
    },
    limits::Limits,
    profile::Profile,
    reason::{Reason, Refused},
};

static REQUEST: [Field; 1] = [field("series", 1, Kind::Message(&SERIES), true)];
static SERIES: [Field; 2] = [
    field("labels", 1, Kind::Message(&LABEL), true),
    field("samples", 2, Kind::Message(&SAMPLE), true),
];
static LABEL: [Field; 2] =
    [field("name", 1, Kind::Text, false), field("value", 2, Kind::Text, false)];
static SAMPLE: [Field; 2] =
    [field("rawProfile", 1, Kind::Bytes, false), field("ID", 2, Kind::Text, false)];

const fn field(name: &'static str, number: u64, kind: Kind, repeated: bool) -> Field {
    Field { name, number, kind, repeated }
}

/// The message in JSON as protobuf.
pub(super) fn from_json(json: &[u8], bytes_max: usize) -> Result<Vec<u8>, Refused> {
    json::read(json, &REQUEST, bytes_max)
}

/// One series. What is wrong with its labels concerns its own profiles only.
#[derive(Default)]
struct Series<'a> {
    labels: Vec<(&'a str, &'a str)>,
    broken: Option<Refused>,
    profiles: Vec<&'a [u8]>,
}

/// Reads a message of `length` bytes; `bytes` may have zeros behind it.
pub(super) fn read(
    bytes: &[u8],
    length: usize,
    pprof: &mut pprof::Decoder,
    limits: &Limits,
) -> Result<Decoded, Refused> {
    let mut message = Cursor::new(bytes, (0, length as u32));
    let (mut decoded, mut work) = (Decoded::default(), Work { limits: *limits, too_large: 0 });
    let mut seen = 0;
    while let Some((number, value)) = message.field()? {
        if number != 1 {
            continue;
        }
        let series = series(value.message(&message)?, limits.profiles_max - seen)?;
        seen += series.profiles.len();
        work.series(&series, pprof, &mut decoded);
    }
    if seen == 0 {
        return Err(Refused::new(Reason::EmptyProfile, "a request without profiles"));
    }
    Ok(decoded)
}

fn series<'a>(mut message: Cursor<'a>, profiles_max: usize) -> Result<Series<'a>, Refused> {
    let mut series = Series::default();
    while let Some((number, value)) = message.field()? {
        match number {
            1 => {
                let label = label(value.message(&message)?)?;
                // One too many is enough to be refused.
                if series.labels.len() <= LABELS_MAX {
                    match label {
                        Some(label) => series.labels.push(label),
                        None => series.broken = Some(not_text()),
                    }
                }
            }
            2 => {
                let mut sample = value.message(&message)?;
                let mut profile: &[u8] = &[];
                while let Some((number, value)) = sample.field()? {
                    if number == 1 {
                        profile = value.message(&sample)?.bytes();
                    }
                }
                if series.profiles.len() == profiles_max {
                    let detail = "more profiles in a request than the limit";
                    return Err(Refused::new(Reason::CountLimit, detail));
                }
                series.profiles.push(profile);
            }
            _ => {}
        }
    }
    Ok(series)
}

/// Name and value; `None` where they are no text.
fn label<'a>(mut message: Cursor<'a>) -> Result<Option<(&'a str, &'a str)>, Refused> {
    let (mut name, mut text) = (Some(""), Some(""));
    while let Some((number, value)) = message.field()? {
        match number {
            1 => name = std::str::from_utf8(value.message(&message)?.bytes()).ok(),
            2 => text = std::str::from_utf8(value.message(&message)?.bytes()).ok(),
            _ => {}
        }
    }
    Ok(name.zip(text))
}

fn not_text() -> Refused {
    Refused::new(Reason::Malformed, "a label that is not UTF-8")
}

/// What may still be done for a request.
struct Work {
    /// What its profiles may cost, less what they did.
    limits: Limits,
    /// Profiles that were refused for their size.
    too_large: usize,
}

impl Work {
    fn series(&mut self, series: &Series<'_>, pprof: &mut pprof::Decoder, decoded: &mut Decoded) {
        let labels = match &series.broken {
            Some(refused) => Err(refused.clone()),
            None => labels::read(&series.labels),
        };
        for bytes in &series.profiles {
            let made = match &labels {
                Ok(labels) => self.profile(bytes, labels, pprof),
                Err(refused) => Err(refused.clone()),
            };
            match made {
                Ok(profiles) => decoded.profiles.extend(profiles),
                Err(refused) => {
                    decoded.rejected += 1;
                    decoded.error.get_or_insert(refused);
                }
            }
        }
    }

    fn profile(
        &mut self,
        bytes: &[u8],
        labels: &labels::Labels,
        pprof: &mut pprof::Decoder,
    ) -> Result<Vec<Profile>, Refused> {
        if self.too_large == TOO_LARGE_MAX {
            let detail = "not looked at, because others of the request are too large";
            return Err(Refused::new(Reason::SizeLimit, detail));
        }
        let types = BTreeMap::new();
        let source = Source { labels, window: None, types: &types };
        let made = pprof
            .decode(bytes, &self.limits)
            .and_then(|profile| complete(profile, None, &source, &self.limits));
        match &made {
            Ok(profiles) => {
                let taken: usize = profiles.iter().map(Profile::bytes).sum();
                let left = self.limits.decoded_bytes_max;
                self.limits.decoded_bytes_max = left.saturating_sub(taken);
            }
            Err(refused) if refused.reason == Reason::SizeLimit => self.too_large += 1,
            Err(_) => {}
        }
        made
    }
}
