//! `POST /ingest`: what the query and the content type say, and how the body is read by it.

use std::{collections::BTreeMap, time::SystemTime};

use super::{
    complete::{self, DAY_NS, Source, TypeConfig},
    folded,
    labels::{self, Labels},
    multipart,
    name::{self, cut},
};
use crate::{
    codec::pprof,
    limits::Limits,
    profile::Profile,
    reason::{Reason, Refused},
};

/// Bytes of a query that are read.
const QUERY_BYTES_MAX: usize = 16 << 10;
/// Samples a second where the query does not say.
const SAMPLE_RATE_DEFAULT: u32 = 100;
/// The most samples a second that somebody can mean.
const SAMPLE_RATE_MAX: u32 = 1_000_000;

/// How the body is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// pprof, which may stand in a form beside the profile before and a description of its types.
    Pprof,
    /// A line for each stack, `root;…;leaf value`.
    Folded,
    /// A line for each time a stack was seen, `root;…;leaf`.
    Lines,
}

/// What a request says beside its body.
#[derive(Debug)]
pub struct Ingest {
    /// How the body is written; where nobody says it, its first bytes do.
    pub format: Option<Format>,
    labels: Labels,
    window: Option<(i64, i64)>,
    boundary: Option<String>,
    /// What folded stacks count.
    pub(super) counted: folded::Counted,
}

impl Ingest {
    /// Reads the query, without `?`, and the content type.
    ///
    /// # Errors
    /// Where a parameter cannot be understood; with [`Reason::NotPprof`] where the format is one
    /// that is not taken.
    pub fn parse(query: &str, content_type: &str) -> Result<Self, Refused> {
        if query.len() > QUERY_BYTES_MAX {
            let detail = format!("a query of more than {QUERY_BYTES_MAX} bytes");
            return Err(Refused::new(Reason::SizeLimit, detail));
        }
        let parameters: BTreeMap<_, _> = form_urlencoded::parse(query.as_bytes()).collect();
        let text = |key: &str| parameters.get(key).map_or("", |value| value.as_ref());
        let boundary = multipart::boundary(content_type).transpose()?;
        let format = format(text("format"), content_type, boundary.is_some())?;
        let (name, labels) = name::parse(text("name"))?;
        let rate = match text("sampleRate") {
            "" | "0" => SAMPLE_RATE_DEFAULT,
            rate => {
                let number = rate.parse().ok().filter(|rate| (1..=SAMPLE_RATE_MAX).contains(rate));
                number.ok_or_else(|| wrong("sampleRate", rate))?
            }
        };
        let is_text = format != Some(Format::Pprof);
        let (service, counted) =
            folded::counted(name, text("units"), text("aggregationType"), rate, is_text);
        let mut pairs = vec![("service_name", service)];
        // A label says more than the name of the application.
        pairs.extend(labels.into_iter().filter(|(key, _)| *key != "__name__"));
        let labels = labels::read(&pairs)?;
        let window = window(text("from"), text("until"))?;
        Ok(Self { format, labels, window, boundary, counted })
    }

    /// Reads the body, which is inflated.
    pub(super) fn read(
        &self,
        body: &[u8],
        pprof: &mut pprof::Decoder,
        limits: &Limits,
    ) -> Result<Vec<Profile>, Refused> {
        let (mut profile, mut previous, mut types) = (body, None, BTreeMap::new());
        if let Some(boundary) = &self.boundary {
            let parts = multipart::parts(body, boundary)?;
            let part = |name: &str| parts.iter().find(|part| part.name == name).map(|p| p.bytes);
            if part("jfr").is_some() {
                return Err(not_taken("jfr"));
            }
            let missing = || Refused::new(Reason::EmptyProfile, "a form without a part `profile`");
            profile = part("profile").ok_or_else(missing)?;
            previous = part("prev_profile").filter(|bytes| !bytes.is_empty());
            if let Some(json) = part("sample_type_config") {
                types = type_configs(json, limits)?;
            }
        }
        if self.format.is_none() && profile.starts_with(JFR) {
            return Err(not_taken("jfr"));
        }
        let format = self.format.unwrap_or_else(|| sniff(profile));
        if format != Format::Pprof {
            let profile = folded::read(profile, &self.counted, format == Format::Lines, limits)?;
            let source = self.source(&self.counted.types);
            return complete::complete(profile, None, &source, limits);
        }
        let profile = pprof.decode(profile, limits)?;
        let previous = previous.map(|previous| pprof.decode(previous, limits)).transpose()?;
        complete::complete(profile, previous, &self.source(&types), limits)
    }

    fn source<'s>(&'s self, types: &'s BTreeMap<String, TypeConfig>) -> Source<'s> {
        Source { labels: &self.labels, window: self.window, types }
    }
}

/// The format that the request names; `None` where it names none.
fn format(named: &str, content_type: &str, is_form: bool) -> Result<Option<Format>, Refused> {
    let by_type = content_type.split(';').next().unwrap_or_default().split_once('+');
    let named = match (named, by_type) {
        ("", Some((_, format))) => format.trim(),
        (named, _) => named,
    };
    match named {
        "" if is_form => Ok(Some(Format::Pprof)),
        "" => Ok(None),
        "pprof" => Ok(Some(Format::Pprof)),
        "folded" | "collapsed" | "groups" => Ok(Some(Format::Folded)),
        "lines" => Ok(Some(Format::Lines)),
        other => Err(not_taken(other)),
    }
}

fn not_taken(format: &str) -> Refused {
    let what = match format {
        "jfr" => "a Java flight recording".into(),
        "tree" | "trie" => format!("the format `{format}` of old agents"),
        other => format!("the format `{}`", cut(other)),
    };
    let detail = format!("{what} is not taken, only pprof, folded and lines");
    Refused::new(Reason::NotPprof, detail)
}

/// What a Java flight recording starts with.
const JFR: &[u8] = b"FLR\0";

/// Protobuf has bytes early on that no line of text has, whichever field its writer begins with.
fn sniff(body: &[u8]) -> Format {
    let head = &body[..body.len().min(512)];
    let is_binary = |byte: &u8| byte.is_ascii_control() && !b"\n\r\t".contains(byte);
    match body.first() {
        Some(b'\n' | 0x1f | 0x28) => Format::Pprof,
        _ if head.iter().any(is_binary) => Format::Pprof,
        _ => Format::Folded,
    }
}

fn type_configs(json: &[u8], limits: &Limits) -> Result<BTreeMap<String, TypeConfig>, Refused> {
    const BYTES_MAX: usize = 64 << 10;
    if json.len() > BYTES_MAX {
        let detail = format!("a sample_type_config of more than {BYTES_MAX} bytes");
        return Err(Refused::new(Reason::SizeLimit, detail));
    }
    let types: BTreeMap<String, TypeConfig> = serde_json::from_slice(json).map_err(|error| {
        Refused::new(Reason::Malformed, format!("the sample_type_config: {error}"))
    })?;
    if types.len() > limits.sample_types_max {
        let detail = format!("a sample_type_config of more than {}", limits.sample_types_max);
        return Err(Refused::new(Reason::CountLimit, detail));
    }
    Ok(types)
}

/// The window that `from` and `until` name. One of them alone is no window, and neither is one that
/// ends before it starts, as pyroscope-go writes it where it is flushed between two ticks.
fn window(from: &str, until: &str) -> Result<Option<(i64, i64)>, Refused> {
    let window = time_ns("from", from)?.zip(time_ns("until", until)?);
    Ok(window.filter(|(from_ns, until_ns)| (0..=DAY_NS).contains(&(until_ns - from_ns))))
}

/// Nanoseconds since 1970 of a number in seconds, milliseconds, microseconds or nanoseconds: which
/// of them it is, its size tells from 2001 to 2286.
fn time_ns(key: &str, text: &str) -> Result<Option<i64>, Refused> {
    if text.is_empty() {
        return Ok(None);
    }
    if text == "now" {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        return Ok(i64::try_from(now.as_nanos()).ok());
    }
    let factor = match text.len() {
        ..=10 => 1_000_000_000,
        11..=13 => 1_000_000,
        14..=16 => 1_000,
        _ => 1,
    };
    let number: i64 = text.parse().map_err(|_| wrong(key, text))?;
    let time = number.checked_mul(factor).filter(|time| *time >= 0);
    time.map(Some).ok_or_else(|| wrong(key, text))
}

fn wrong(key: &str, value: &str) -> Refused {
    Refused::new(Reason::Malformed, format!("the parameter {key} is `{}`", cut(value)))
}
