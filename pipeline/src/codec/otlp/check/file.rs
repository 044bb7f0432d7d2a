//! Files of messages: one as it is sent, in protobuf or JSON, or many as the Collector's file
//! exporter writes them, in JSON a line each or behind their lengths; all of it, or each message,
//! compressed or not.

use serde::de::IgnoredAny;

use crate::{
    codec::{inflate::Inflater, otlp::json},
    reason::{Reason, Refused},
};

/// How a message stood in its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// In protobuf and alone: as it is sent.
    Request,
    /// In JSON, or behind its length: its reader resolves references, unlike backends.
    Stored,
}

/// A length stands before each message, highest byte first.
const LENGTH_BYTES: usize = 4;
/// The first byte of a message in protobuf is at least the tag of field 1, the first byte of a
/// length is below it unless the message has more than 160 MiB.
const TAG_MIN: u8 = 1 << 3 | 2;

/// Reads a file of `bytes_max` bytes at most once it is inflated, and gives each message in
/// protobuf to `take`.
///
/// # Errors
/// Where the file is damaged, not of messages, or too large.
pub fn messages(
    file: &[u8],
    bytes_max: usize,
    mut take: impl FnMut(&[u8], Form),
) -> Result<(), Refused> {
    let mut inflater = Inflater::default();
    let (bytes, length) = inflater.inflate(file, bytes_max)?;
    let bytes = &bytes[..length];
    match bytes.first() {
        Some(first) if *first < TAG_MIN => framed(bytes, bytes_max, &mut take),
        _ => plain(bytes, bytes_max, Form::Request, &mut take),
    }
}

fn framed(
    mut bytes: &[u8],
    bytes_max: usize,
    take: &mut impl FnMut(&[u8], Form),
) -> Result<(), Refused> {
    let whole = bytes.len();
    let mut inflater = Inflater::default();
    while !bytes.is_empty() {
        let at = whole - bytes.len();
        let cut = || Refused::new(Reason::Truncated, "a message ends too early").at(at);
        let (length, rest) = bytes.split_first_chunk::<LENGTH_BYTES>().ok_or_else(cut)?;
        let length = u32::from_be_bytes(*length) as usize;
        let (message, rest) = rest.split_at_checked(length).ok_or_else(cut)?;
        bytes = rest;
        if message.is_empty() {
            take(message, Form::Stored);
            continue;
        }
        let (message, length) =
            inflater.inflate(message, bytes_max).map_err(|refused| refused.at(at))?;
        plain(&message[..length], bytes_max, Form::Stored, take)
            .map_err(|refused| refused.at(at))?;
    }
    Ok(())
}

/// Protobuf, or any number of documents of JSON.
fn plain(
    bytes: &[u8],
    bytes_max: usize,
    form: Form,
    take: &mut impl FnMut(&[u8], Form),
) -> Result<(), Refused> {
    if bytes.trim_ascii_start().first() != Some(&b'{') {
        take(bytes, form);
        return Ok(());
    }
    let mut documents = serde_json::Deserializer::from_slice(bytes).into_iter::<IgnoredAny>();
    let mut start = 0;
    while let Some(document) = documents.next() {
        document.map_err(|error| {
            let detail = format!("not OTLP in JSON: {error}");
            Refused::new(Reason::Malformed, detail).at(start)
        })?;
        let end = documents.byte_offset();
        let message = json::to_protobuf(&bytes[start..end], bytes_max);
        take(&message.map_err(|refused| refused.at(start))?, Form::Stored);
        start = end;
    }
    Ok(())
}
