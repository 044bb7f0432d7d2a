//! gzip and zstd with a cap: the only place where bytes from outside are inflated.
#![expect(clippy::disallowed_types, reason = "this is the place that caps them")]

use std::io::{self, Read};

use super::wire::PADDING;
use crate::reason::{Reason, Refused};

const GZIP: [u8; 2] = [0x1f, 0x8b];
/// A gzip member that deflates: the header that every writer gives.
const GZIP_MEMBER: [u8; 3] = [0x1f, 0x8b, 8];
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// What is inflated at a time.
const STEP_BYTES: usize = 64 << 10;

/// Members of a body that ends too early in which its end is looked for.
const MEMBERS_TRIED: usize = 100;

/// From which size on a buffer does not grow any more but has all the room at once.
const LARGE_BYTES: usize = 4 << 20;

/// Inflates bodies into a buffer that is kept from one to the next.
pub struct Inflater {
    gzip: libdeflater::Decompressor,
    buffer: Vec<u8>,
}

impl Default for Inflater {
    fn default() -> Self {
        Self { gzip: libdeflater::Decompressor::new(), buffer: Vec::new() }
    }
}

impl Inflater {
    /// Inflates gzip (any number of members) or zstd, once; other bytes are taken as they are.
    /// Gives the bytes with [`PADDING`] zeros behind them, and how many come before these.
    pub fn inflate(&mut self, body: &[u8], bytes_max: usize) -> Result<(&[u8], usize), Refused> {
        if body.is_empty() {
            return Err(Refused::new(Reason::EmptyProfile, "no bytes"));
        }
        let length = if body.starts_with(&GZIP) {
            match self.single_member(body, bytes_max) {
                Some(length) => length,
                None => {
                    let members = flate2::read::MultiGzDecoder::new(body);
                    self.read(members, bytes_max).map_err(|refused| match refused.reason {
                        Reason::Truncated if has_garbage(body) => garbage(),
                        _ => refused,
                    })?
                }
            }
        } else if body.starts_with(&ZSTD) {
            self.read(zstd_reader(body, bytes_max)?, bytes_max)?
        } else if body.len() > bytes_max {
            return Err(too_large(bytes_max));
        } else {
            self.renew(body.len() + PADDING);
            self.buffer[..body.len()].copy_from_slice(body);
            body.len()
        };
        self.grow(length + PADDING);
        let (bytes, _) = self.buffer.split_at_mut(length + PADDING);
        bytes[length..].fill(0);
        Ok((bytes, length))
    }

    /// Gives memory back after an unusually large body.
    pub fn shrink(&mut self, bytes: usize) {
        self.buffer.truncate(bytes);
        self.buffer.shrink_to(bytes);
    }

    /// Makes the buffer as long as that, at least, and no longer. What an earlier body left in it
    /// is overwritten, which is why it is not filled with zeros each time.
    fn grow(&mut self, bytes: usize) {
        if self.buffer.len() < bytes {
            self.buffer.reserve_exact(bytes - self.buffer.len());
            self.buffer.resize(bytes, 0);
        }
    }

    /// The same where nothing of what is there matters: it is not copied.
    fn renew(&mut self, bytes: usize) {
        if self.buffer.capacity() < bytes {
            self.buffer = Vec::new();
        }
        self.grow(bytes);
    }

    /// The quick way: one member that says in its trailer how much will come out. `None` where that
    /// cannot be relied on; then the slow way decides what is right and what is wrong.
    fn single_member(&mut self, body: &[u8], bytes_max: usize) -> Option<usize> {
        let trailer = body.last_chunk::<4>()?;
        let length = u32::from_le_bytes(*trailer) as usize;
        // Deflate gives at most 1032 bytes for one, so a larger claim must not take memory.
        let plausible = length <= bytes_max && length <= body.len().saturating_mul(1040);
        if !plausible || memchr::memmem::find(&body[1..], &GZIP_MEMBER).is_some() {
            return None;
        }
        self.renew(length + PADDING);
        let inflated = self.gzip.gzip_decompress(body, &mut self.buffer[..length]);
        inflated.ok().filter(|got| *got == length)
    }

    /// Makes the buffer as long as this. A large one is given all the room that it may need at
    /// once, as memory that is not written to costs nothing, and a copy of it does.
    fn room(&mut self, bytes: usize, bytes_max: usize) {
        if bytes > self.buffer.capacity() && bytes > LARGE_BYTES {
            let most = bytes_max.saturating_add(STEP_BYTES + PADDING);
            self.buffer.reserve_exact(most - self.buffer.len());
        }
        if self.buffer.len() < bytes {
            self.buffer.resize(bytes, 0);
        }
    }

    /// Reads in steps of one size, whatever room an earlier body has left: zstd finds more wrong
    /// with a frame that fits into one step, and an answer must not depend on what came before.
    fn read(&mut self, mut stream: impl Read, bytes_max: usize) -> Result<usize, Refused> {
        let mut length = 0;
        loop {
            self.room(length + STEP_BYTES, bytes_max);
            let read = stream.read(&mut self.buffer[length..length + STEP_BYTES]);
            let read = read.map_err(|error| match error.kind() {
                io::ErrorKind::UnexpectedEof => {
                    Refused::new(Reason::Truncated, "the compressed stream ends too early")
                }
                _ => Refused::new(Reason::CorruptCompression, error.to_string()),
            })?;
            length += read;
            if length > bytes_max {
                return Err(too_large(bytes_max));
            }
            if read == 0 {
                return Ok(length);
            }
        }
    }
}

/// Whether whole members of gzip are followed by what cannot be the start of another one. To the
/// decoder it looks like one that was cut off if it is short.
fn has_garbage(body: &[u8]) -> bool {
    let mut rest = body;
    for _ in 0..MEMBERS_TRIED {
        let mut member = flate2::bufread::GzDecoder::new(rest);
        if io::copy(&mut member, &mut io::sink()).is_err() {
            return false;
        }
        rest = member.into_inner();
        if !GZIP.starts_with(&rest[..rest.len().min(GZIP.len())]) {
            return true;
        }
        if rest.is_empty() {
            return false;
        }
    }
    false
}

/// Whether bytes start as gzip or zstd do.
pub fn is_compressed(body: &[u8]) -> bool {
    body.starts_with(&GZIP) || body.starts_with(&ZSTD)
}

fn garbage() -> Refused {
    let what = "bytes of something else follow the gzip stream";
    Refused::new(Reason::CorruptCompression, what)
}

fn too_large(bytes_max: usize) -> Refused {
    Refused::new(Reason::SizeLimit, format!("more than {bytes_max} bytes after inflation"))
}

/// The window, which zstd would allocate at the stream's word, is capped like what comes out.
fn zstd_reader(body: &[u8], bytes_max: usize) -> Result<impl Read, Refused> {
    let refuse = |error: io::Error| Refused::new(Reason::CorruptCompression, error.to_string());
    let mut stream = zstd::Decoder::with_buffer(body).map_err(refuse)?;
    let log = usize::BITS - bytes_max.max(1).leading_zeros();
    stream.window_log_max(log.clamp(20, 27)).map_err(refuse)?;
    Ok(stream)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut out = flate2::write::GzEncoder::new(vec![], flate2::Compression::fast());
        out.write_all(bytes).unwrap();
        out.finish().unwrap()
    }

    fn inflate(body: &[u8], bytes_max: usize) -> Result<Vec<u8>, Reason> {
        let mut inflater = Inflater::default();
        let (bytes, length) = inflater.inflate(body, bytes_max).map_err(|r| r.reason)?;
        assert_eq!(bytes[length..], [0; PADDING]);
        Ok(bytes[..length].to_vec())
    }

    #[test]
    fn every_form_comes_back() {
        let text = b"hello, hello, hello";
        let two = [gzip(b"hello "), gzip(b"world!")].concat(); // Members of one length.
        let zstd = zstd::encode_all(&text[..], 1).unwrap();
        let zeros = vec![0; 1 << 20];
        for (body, want) in [
            (gzip(text), &text[..]),
            (two, b"hello world!"),
            (zstd, text),
            (text.to_vec(), text),
            (gzip(b""), b""),
            (gzip(&zeros), &zeros),
        ] {
            assert_eq!(inflate(&body, 1 << 20).as_deref(), Ok(want));
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        let good = gzip(&[7; 1000]);
        let mut flipped = good.clone();
        let at = flipped.len() - 6; // In the checksum.
        flipped[at] ^= 1;
        let mut lies = gzip(&[7; 1000]);
        let at = lies.len() - 4;
        lies[at..].copy_from_slice(&[1, 0, 0, 0]);
        for (body, reason) in [
            (vec![], Reason::EmptyProfile),
            (good[..good.len() - 3].to_vec(), Reason::Truncated),
            (GZIP.to_vec(), Reason::Truncated),
            (flipped, Reason::CorruptCompression),
            (lies, Reason::CorruptCompression),
            (
                [&good[..], b"garbage that is longer than a header"].concat(),
                Reason::CorruptCompression,
            ),
            // As short as what could be the start of a member, and as what could not.
            ([&good[..], b"garbage"].concat(), Reason::CorruptCompression),
            ([&good[..], &[0]].concat(), Reason::CorruptCompression),
            ([&good[..], &good[..5]].concat(), Reason::Truncated),
            (gzip(&vec![0; 4 << 20]), Reason::SizeLimit),
            (zstd::encode_all(&vec![0; 4 << 20][..], 1).unwrap(), Reason::SizeLimit),
            (vec![1; (1 << 20) + 1], Reason::SizeLimit),
            ([&ZSTD[..], &[255; 20]].concat(), Reason::CorruptCompression),
        ] {
            assert_eq!(inflate(&body, 1 << 20), Err(reason), "{} bytes", body.len());
        }
    }

    #[test]
    fn the_buffer_carries_nothing_over() {
        let mut inflater = Inflater::default();
        // A frame that claims 253 bytes and holds none: zstd's answer depends on the room it gets.
        let lying = [0x28, 0xb5, 0x2f, 0xfd, 0x20, 253, 1, 0, 0];
        let first = inflater.inflate(&lying, 1 << 20).map(|(_, length)| length);
        inflater.inflate(&gzip(&[1; 5000]), 1 << 20).unwrap();
        let again = inflater.inflate(&lying, 1 << 20).map(|(_, length)| length);
        assert_eq!(first, again);
        inflater.inflate(&gzip(&[1; 5000]), 1 << 20).unwrap();
        let (bytes, length) = inflater.inflate(&gzip(&[2; 50]), 1 << 20).unwrap();
        assert_eq!((length, &bytes[48..]), (50, &[2, 2, 0, 0, 0, 0, 0, 0, 0, 0][..]));
    }
}
