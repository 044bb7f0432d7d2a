//! Protobuf wire format over a byte slice, as <https://protobuf.dev/programming-guides/encoding/>
//! has it: no allocation, and every length is checked before it is used.

use crate::reason::{Reason, Refused};

/// Zeros behind the message that let eight bytes be loaded at once up to its very end.
pub const PADDING: usize = 8;

/// A break of the wire format. Small, because every varint may return it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    what: &'static str,
    reason: Reason,
    at: u32,
}

impl From<Fault> for Refused {
    fn from(fault: Fault) -> Self {
        Refused::new(fault.reason, fault.what).at(fault.at as usize)
    }
}

/// The value of a field.
pub enum Value<'a> {
    /// A varint.
    Int(u64),
    /// A number of eight bytes: a `fixed64` or a `double`.
    Fixed64(u64),
    /// A number of four bytes, which no field of ours is.
    Fixed32,
    /// Length-delimited bytes: text, a message, or packed numbers.
    Bytes(Cursor<'a>),
}

/// Where a message starts and ends in its buffer.
pub type Span = (u32, u32);

/// A place inside one message. It holds the whole buffer, of which `at..end` is left to read.
#[derive(Clone, Copy)]
pub struct Cursor<'a> {
    buffer: &'a [u8],
    at: usize,
    end: usize,
}

impl<'a> Cursor<'a> {
    /// Reads the message at `span`, which must lie inside `buffer`. The last [`PADDING`] bytes of
    /// `buffer` should not be part of it: without them it is read more slowly.
    pub fn new(buffer: &'a [u8], (at, end): Span) -> Self {
        Self { buffer, at: at as usize, end: end as usize }
    }

    /// What is left to read.
    pub fn span(&self) -> Span {
        (self.at as u32, self.end as u32)
    }

    /// Whether nothing is left.
    pub fn is_done(&self) -> bool {
        self.at >= self.end
    }

    /// Bytes that are left.
    pub fn left(&self) -> usize {
        self.end.saturating_sub(self.at)
    }

    /// A break of the format at the current place.
    #[inline(always)]
    pub fn fault(&self, reason: Reason, what: &'static str) -> Fault {
        fault(reason, what, self.at)
    }

    /// Refuses a varint that went on behind the end of the message: [`Cursor::varint`] alone does
    /// not look at it.
    #[inline(always)]
    pub fn within(&self) -> Result<(), Fault> {
        if self.at <= self.end { Ok(()) } else { Err(truncated(self.at)) }
    }

    /// A varint. One and two bytes are told apart by branches, because writers are consistent;
    /// longer ones are gathered without a loop.
    #[inline(always)]
    pub fn varint(&mut self) -> Result<u64, Fault> {
        if let Some(word) = self.buffer.get(self.at..self.at + 8) {
            let word = u64::from_le_bytes(word.try_into().expect("a slice of eight bytes"));
            if word & 0x80 == 0 {
                self.at += 1;
                return Ok(word & 0x7f);
            }
            if word & 0x8000 == 0 {
                self.at += 2;
                return Ok((word & 0x7f) | ((word >> 1) & 0x3f80));
            }
            if let Some(value) = self.gathered(word) {
                return Ok(value);
            }
        }
        let (value, at) = long_varint(self.buffer, self.at)?;
        self.at = at;
        Ok(value)
    }

    /// The varint at the start of these eight bytes, if it ends in them.
    #[inline(always)]
    fn gathered(&mut self, word: u64) -> Option<u64> {
        let stop = !word & 0x8080_8080_8080_8080;
        if stop == 0 {
            return None;
        }
        self.at += (stop.trailing_zeros() / 8 + 1) as usize;
        let bits = word & (stop ^ (stop - 1)) & 0x7f7f_7f7f_7f7f_7f7f;
        let bits = (bits & 0x007f_007f_007f_007f) | ((bits & 0x7f00_7f00_7f00_7f00) >> 1);
        let bits = (bits & 0x0000_3fff_0000_3fff) | ((bits & 0x3fff_0000_3fff_0000) >> 2);
        Some((bits & 0x0fff_ffff) | ((bits & 0x0fff_ffff_0000_0000) >> 4))
    }

    /// A varint whose length cannot be guessed, as that of a measured value: no branch is on it.
    #[inline(always)]
    pub fn varint_of_any_length(&mut self) -> Result<u64, Fault> {
        if let Some(word) = self.buffer.get(self.at..self.at + 8) {
            let word = u64::from_le_bytes(word.try_into().expect("a slice of eight bytes"));
            if let Some(value) = self.gathered(word) {
                return Ok(value);
            }
        }
        let (value, at) = long_varint(self.buffer, self.at)?;
        self.at = at;
        Ok(value)
    }

    /// Packed varints to the end of the message. Ids of a stack take one or two bytes in no order,
    /// so a branch on the length would be mispredicted: four at a time are cut out of one load,
    /// where a table says.
    #[inline(always)]
    pub fn packed(&mut self, mut take: impl FnMut(u64)) -> Result<(), Fault> {
        while self.at + 8 <= self.end {
            let word = &self.buffer[self.at..self.at + 8];
            let word = u64::from_le_bytes(word.try_into().expect("a slice of eight bytes"));
            let more = word & 0x8080_8080_8080_8080;
            if more & (more << 8) != 0 {
                take(self.varint()?); // Three bytes or more are among the next eight.
                continue;
            }
            let [starts @ .., bytes] = CUTS[pattern(more)];
            for start in starts {
                let two = word >> start;
                let second = ((two >> 7) & 1).wrapping_neg();
                take((two & 0x7f) | ((two >> 1) & 0x3f80 & second));
            }
            self.at += bytes as usize;
        }
        while self.at < self.end {
            take(self.varint()?);
        }
        self.within()
    }

    /// The varint of a field, if the field with this tag of one byte comes next. Writers put fields
    /// in order of their numbers, so asking for one after the other costs no jump that the
    /// processor would have to guess; [`Cursor::field`] takes what comes in another order.
    #[inline(always)]
    pub fn int_if(&mut self, tag: u8) -> Result<Option<u64>, Fault> {
        if self.next_is(tag) { self.varint().map(Some) } else { Ok(None) }
    }

    /// The message of a field, if the field with this tag of one byte comes next.
    #[inline(always)]
    pub fn message_if(&mut self, tag: u8) -> Result<Option<Self>, Fault> {
        if !self.next_is(tag) {
            return Ok(None);
        }
        let length = self.varint()?;
        self.take(length).map(Some)
    }

    /// Whether the field with this tag of one byte comes next; then its value does.
    #[inline(always)]
    pub fn next_is(&mut self, tag: u8) -> bool {
        let next = self.at < self.end && self.buffer.get(self.at).is_some_and(|byte| *byte == tag);
        if next {
            self.at += 1;
        }
        next
    }

    /// The next field: its number and its value; `None` at the end of the message.
    #[inline(always)]
    pub fn field(&mut self) -> Result<Option<(u64, Value<'a>)>, Fault> {
        if self.at >= self.end {
            return self.within().map(|()| None);
        }
        let tag = self.varint()?;
        let value = match tag & 7 {
            0 => Value::Int(self.varint()?),
            1 => Value::Fixed64(self.take(8)?.fixed64()?),
            2 => {
                let length = self.varint()?;
                Value::Bytes(self.take(length)?)
            }
            5 => {
                self.take(4)?;
                Value::Fixed32
            }
            _ => return Err(self.fault(Reason::Malformed, "an unknown wire type")),
        };
        self.within()?;
        match tag >> 3 {
            0 => Err(self.fault(Reason::Malformed, "field number 0")),
            number => Ok(Some((number, value))),
        }
    }

    /// The next eight bytes as a number.
    #[inline(always)]
    pub fn fixed64(&mut self) -> Result<u64, Fault> {
        let word = self.buffer.get(self.at..self.end).and_then(|left| left.first_chunk::<8>());
        let word = *word.ok_or_else(|| truncated(self.at))?;
        self.at += 8;
        Ok(u64::from_le_bytes(word))
    }

    /// The bytes that are left.
    pub fn bytes(&self) -> &'a [u8] {
        self.buffer.get(self.at..self.end).unwrap_or_default()
    }

    /// The next bytes, as a message of their own.
    #[inline(always)]
    pub fn take(&mut self, length: u64) -> Result<Self, Fault> {
        if self.at > self.end || length > (self.end - self.at) as u64 {
            return Err(truncated(self.at));
        }
        let taken = Cursor { buffer: self.buffer, at: self.at, end: self.at + length as usize };
        self.at = taken.end;
        Ok(taken)
    }
}

/// Where four varints of one or two bytes start, in bits, and how many bytes they have, by the
/// highest bits of the first seven bytes.
static CUTS: [[u8; 5]; 128] = {
    let mut cuts = [[0; 5]; 128];
    let mut pattern = 0;
    while pattern < cuts.len() {
        let (mut varint, mut byte) = (0, 0);
        while varint < 4 {
            cuts[pattern][varint] = byte * 8;
            byte += 1 + (pattern >> byte & 1) as u8;
            varint += 1;
        }
        cuts[pattern][4] = byte;
        pattern += 1;
    }
    cuts
};

/// The highest bits of the first seven bytes, beside each other.
#[inline(always)]
fn pattern(more: u64) -> usize {
    // Bit 8i + 7 goes to bit 56 + i, and no two products meet.
    ((more >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56) as usize & 0x7f
}

// What is rare takes no reference to the cursor, so that the compiler can keep it in registers.

#[cold]
#[inline(never)]
fn fault(reason: Reason, what: &'static str, at: usize) -> Fault {
    Fault { what, reason, at: at as u32 }
}

#[cold]
#[inline(never)]
fn truncated(at: usize) -> Fault {
    fault(Reason::Truncated, "a field is longer than what holds it", at)
}

/// A varint of any length at this place, and the place behind it.
#[cold]
#[inline(never)]
fn long_varint(buffer: &[u8], mut at: usize) -> Result<(u64, usize), Fault> {
    let mut value = 0;
    for shift in (0..70).step_by(7) {
        let &byte = buffer.get(at).ok_or_else(|| truncated(at))?;
        at += 1;
        if shift == 63 && byte > 1 {
            break;
        }
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Ok((value, at));
        }
    }
    Err(fault(Reason::Malformed, "a varint of more than 64 bits", at))
}

impl<'a> Value<'a> {
    /// The varint; anything else in its place is refused.
    #[inline(always)]
    pub fn int(self, at: &Cursor<'_>) -> Result<u64, Fault> {
        match self {
            Self::Int(number) => Ok(number),
            Self::Fixed64(_) | Self::Fixed32 => {
                Err(at.fault(Reason::Malformed, "a fixed number in place of a varint"))
            }
            Self::Bytes(_) => Err(at.fault(Reason::Malformed, "bytes in place of a number")),
        }
    }

    /// The `fixed64`; anything else in its place is refused.
    pub fn fixed(self, at: &Cursor<'_>) -> Result<u64, Fault> {
        match self {
            Self::Fixed64(number) => Ok(number),
            _ => Err(at.fault(Reason::Malformed, "something else in place of a fixed number")),
        }
    }

    /// The message; a number in its place is refused.
    #[inline(always)]
    pub fn message(self, at: &Cursor<'_>) -> Result<Cursor<'a>, Fault> {
        match self {
            Self::Bytes(message) => Ok(message),
            _ => Err(at.fault(Reason::Malformed, "a number in place of a message")),
        }
    }
}

/// Appends a varint.
pub fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Bytes that a varint takes.
pub fn varint_len(value: u64) -> usize {
    (u64::BITS - (value | 1).leading_zeros()).div_ceil(7) as usize
}

/// Appends a field with a varint; zero is the default and takes no bytes.
pub fn put_int(out: &mut Vec<u8>, field: u64, value: u64) {
    if value != 0 {
        put_varint(out, field << 3);
        put_varint(out, value);
    }
}

/// Appends a field with bytes, also where they are empty.
pub fn put_bytes(out: &mut Vec<u8>, field: u64, bytes: &[u8]) {
    put_varint(out, (field << 3) | 2);
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Appends a field with a `fixed64`; zero is the default and takes no bytes.
pub fn put_fixed64(out: &mut Vec<u8>, field: u64, value: u64) {
    if value != 0 {
        put_varint(out, (field << 3) | 1);
        out.extend_from_slice(&value.to_le_bytes());
    }
}

/// Appends a message as a field and empties it.
pub fn flush(out: &mut Vec<u8>, field: u64, message: &mut Vec<u8>) {
    put_bytes(out, field, message);
    message.clear();
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn padded(bytes: &[u8]) -> Vec<u8> {
        [bytes, &[0xff; PADDING]].concat()
    }

    proptest! {
        #[test]
        fn varints_come_back(
            values in proptest::collection::vec(any::<u64>(), 0..40),
            small in 0..5u32,
        ) {
            let values: Vec<u64> = values.iter().map(|v| v >> (small * 13)).collect();
            let mut bytes = vec![];
            values.iter().for_each(|v| put_varint(&mut bytes, *v));
            prop_assert_eq!(bytes.len(), values.iter().map(|v| varint_len(*v)).sum::<usize>());
            let end = bytes.len() as u32;
            for buffer in [padded(&bytes), bytes] {
                let mut one = Cursor::new(&buffer, (0, end));
                for value in &values {
                    prop_assert_eq!(one.varint(), Ok(*value));
                }
                prop_assert!(one.is_done());
                let mut all = vec![];
                prop_assert_eq!(Cursor::new(&buffer, (0, end)).packed(|v| all.push(v)), Ok(()));
                prop_assert_eq!(&all, &values);
            }
        }
    }

    #[test]
    fn breaks_of_the_format_are_named() {
        for (bytes, reason) in [
            (&[0x08][..], Reason::Truncated),
            (&[0x0a, 5, 1], Reason::Truncated),
            (&[0x09, 1, 2], Reason::Truncated),
            (&[0x00, 1], Reason::Malformed),
            (&[0x0b], Reason::Malformed),
            (&[0x08, 255, 255, 255, 255, 255, 255, 255, 255, 255, 2], Reason::Malformed),
            (&[0x08, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 1], Reason::Malformed),
        ] {
            let buffer = [bytes, &[0; PADDING]].concat();
            let mut cursor = Cursor::new(&buffer, (0, bytes.len() as u32));
            assert_eq!(cursor.field().err().map(|f| f.reason), Some(reason), "{bytes:?}");
        }
    }

    #[test]
    fn fields_come_back() {
        let mut bytes = vec![];
        put_int(&mut bytes, 1, 300);
        put_int(&mut bytes, 2, 0);
        put_bytes(&mut bytes, 3, b"ab");
        bytes.extend([0x25, 1, 0, 0, 0]); // Field 4, four bytes.
        put_fixed64(&mut bytes, 5, 1 << 40);
        let buffer = padded(&bytes);
        let mut cursor = Cursor::new(&buffer, (0, bytes.len() as u32));
        let mut seen = vec![];
        while let Some((number, value)) = cursor.field().unwrap() {
            seen.push(match value {
                Value::Int(value) => (number, value),
                Value::Fixed64(value) => (number, value),
                Value::Fixed32 => (number, 0),
                Value::Bytes(message) => (number, message.left() as u64),
            });
        }
        assert_eq!(seen, [(1, 300), (3, 2), (4, 0), (5, 1 << 40)]);
    }
}
