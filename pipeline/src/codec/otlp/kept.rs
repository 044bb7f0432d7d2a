//! A request that goes into the spool as it came: it was looked at as a whole, and is read when an
//! exporter wants its profiles. Its record is the version, varints and texts of who sent it when
//! and how long a string may be, and the body.

use bytes::Bytes;

use super::{Decoder, weigh::Weight};
use crate::{
    codec::{
        inflate,
        wire::{Cursor, put_varint},
    },
    limits::Limits,
    profile::{Origin, Profile},
    reason::{Reason, Refused},
    spool::Payload,
};

/// The version of its record, the first byte of it. A reader takes this one and the one before.
pub const VERSION: u8 = 5;
/// Before it a record did not say how long a string may be.
const WITHOUT_STRING_MAX: u8 = 4;

/// What its record has before the texts, at most: a byte and five varints.
const HEAD_BYTES_MAX: usize = 64;

/// How well a body is compressed that came as it is.
const ZSTD_LEVEL: i32 = 1;

/// A request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Who sent it; of all of its profiles.
    pub origin: Origin,
    /// When it came, nanoseconds since 1970: the time of profiles that say none.
    pub received_ns: i64,
    /// What it holds.
    pub weight: Weight,
    /// Bytes of a string that are read; it kept to all other limits.
    string_bytes_max: usize,
    /// The protobuf, compressed.
    body: Bytes,
}

impl Kept {
    pub(super) fn new(weight: Weight, body: Bytes, limits: &Limits) -> Self {
        let body = match inflate::is_compressed(&body) {
            true => body,
            false => {
                let compressed = zstd::bulk::compress(&body, ZSTD_LEVEL);
                compressed.expect("memory takes all that is written").into()
            }
        };
        let string_bytes_max = limits.string_bytes_max;
        Self { origin: Origin::default(), received_ns: 0, weight, string_bytes_max, body }
    }

    /// Bytes of its record, at most.
    pub fn bytes(&self) -> usize {
        let Origin { receiver, peer } = &self.origin;
        HEAD_BYTES_MAX + receiver.len() + peer.len() + self.body.len()
    }

    /// As the payload of so many records as it has profiles; the body is not copied.
    pub fn encode(&self) -> Payload {
        let Origin { receiver, peer } = &self.origin;
        let mut record = Vec::with_capacity(HEAD_BYTES_MAX + receiver.len() + peer.len());
        record.push(VERSION);
        put_varint(&mut record, u64::from(self.weight.profiles));
        put_varint(&mut record, self.received_ns as u64);
        for text in [receiver, peer] {
            put_varint(&mut record, text.len() as u64);
            record.extend_from_slice(text.as_bytes());
        }
        put_varint(&mut record, self.string_bytes_max as u64);
        let records = self.weight.profiles;
        Payload { head: record.into(), bytes: self.body.clone(), records }
    }

    /// Its profiles.
    ///
    /// # Errors
    /// None that is expected: it was looked at before it was kept.
    pub fn open(&self) -> Result<Vec<Profile>, Refused> {
        let Self { origin, received_ns, weight, string_bytes_max, body } = self;
        let limits = Limits { string_bytes_max: *string_bytes_max, ..Limits::ACCEPTED };
        profiles(&mut Decoder::default(), body, &limits, origin, *received_ns, weight.profiles)
    }
}

/// Whether a record is that of a request, by its first byte.
pub fn is_version(version: u8) -> bool {
    (WITHOUT_STRING_MAX..=VERSION).contains(&version)
}

/// The profiles of a record that [`Kept::encode`] wrote.
pub fn decode(
    decoder: &mut Decoder,
    record: &[u8],
    limits: &Limits,
) -> Result<Vec<Profile>, Refused> {
    let mut cursor = Cursor::new(record, (1, record.len() as u32));
    let count = u32::try_from(cursor.varint()?).unwrap_or(u32::MAX);
    let received_ns = cursor.varint()? as i64;
    let mut text = || {
        let length = cursor.varint()?;
        let bytes = cursor.take(length)?.bytes();
        let text = std::str::from_utf8(bytes).map(str::to_owned);
        text.map_err(|_| Refused::new(Reason::Malformed, "a record with text that is none"))
    };
    let origin = Origin { receiver: text()?, peer: text()? };
    // Of a longer string the tail was promised.
    let string_bytes_max = match record.first() {
        Some(&WITHOUT_STRING_MAX) => Limits::default().string_bytes_max,
        _ => cursor.varint()? as usize,
    };
    let limits = Limits { string_bytes_max, ..*limits };
    profiles(decoder, cursor.bytes(), &limits, &origin, received_ns, count)
}

fn profiles(
    decoder: &mut Decoder,
    body: &[u8],
    limits: &Limits,
    origin: &Origin,
    received_ns: i64,
    count: u32,
) -> Result<Vec<Profile>, Refused> {
    // What was compressed here may be larger than what came.
    let limits = Limits { body_bytes_max: usize::MAX, ..*limits };
    let decoded = decoder.decode(body, &limits)?;
    if let Some(refused) = decoded.error {
        return Err(refused);
    }
    let mut profiles = decoded.profiles;
    if profiles.len() != count as usize {
        let detail = format!("a request of {} profiles in place of {count}", profiles.len());
        return Err(Refused::new(Reason::Malformed, detail));
    }
    for profile in &mut profiles {
        profile.meta.origin = origin.clone();
        if profile.meta.time_ns == 0 {
            profile.meta.time_ns = received_ns;
        }
    }
    Ok(profiles)
}
