//! The first pass: where each message of a profile is, counted against the limits as it goes.

use crate::{
    codec::wire::{Cursor, Span, Value},
    limits::Limits,
    reason::{Reason, Refused},
};

/// Where the parts of a profile are, and its own numbers.
#[derive(Default)]
pub struct Parts {
    pub sample_types: Vec<Span>,
    pub samples: Vec<Span>,
    pub mappings: Vec<Span>,
    pub locations: Vec<Span>,
    pub functions: Vec<Span>,
    pub strings: Vec<Span>,
    pub comments: Vec<u64>,
    pub period_type: Option<Span>,
    pub drop_frames: u64,
    pub keep_frames: u64,
    pub time_ns: i64,
    pub duration_ns: i64,
    pub period: i64,
    pub default_type: u64,
    pub doc_url: u64,
}

impl Parts {
    /// Fills the parts from the profile in `bytes[..length]`; lists keep their memory.
    pub fn scan(&mut self, bytes: &[u8], length: usize, limits: &Limits) -> Result<(), Refused> {
        self.clear();
        let mut cursor = Cursor::new(bytes, (0, length as u32));
        while let Some((field, value)) = cursor.field()? {
            let (list, max, what) = match field {
                1 => (&mut self.sample_types, limits.sample_types_max, "sample types"),
                2 => (&mut self.samples, limits.samples_max, "samples"),
                3 => (&mut self.mappings, limits.mappings_max, "mappings"),
                4 => (&mut self.locations, limits.locations_max, "locations"),
                5 => (&mut self.functions, limits.functions_max, "functions"),
                6 => (&mut self.strings, limits.strings_max, "strings"),
                11 => {
                    self.period_type = Some(value.message(&cursor)?.span());
                    continue;
                }
                13 => {
                    self.comment(value, &cursor, limits)?;
                    continue;
                }
                _ => {
                    self.number(field, value, &cursor)?;
                    continue;
                }
            };
            if list.len() >= max {
                let detail = format!("more than {max} {what}");
                return Err(Refused::new(Reason::CountLimit, detail).at(cursor.span().0 as usize));
            }
            list.push(value.message(&cursor)?.span());
        }
        Ok(())
    }

    fn clear(&mut self) {
        let lists = [
            &mut self.sample_types,
            &mut self.samples,
            &mut self.mappings,
            &mut self.locations,
            &mut self.functions,
            &mut self.strings,
        ];
        let [sample_types, samples, mappings, locations, functions, strings] =
            lists.map(std::mem::take);
        *self = Self {
            sample_types,
            samples,
            mappings,
            locations,
            functions,
            strings,
            ..Self::default()
        };
        self.sample_types.clear();
        self.samples.clear();
        self.mappings.clear();
        self.locations.clear();
        self.functions.clear();
        self.strings.clear();
    }

    fn number(&mut self, field: u64, value: Value<'_>, at: &Cursor<'_>) -> Result<(), Refused> {
        match field {
            7 => self.drop_frames = value.int(at)?,
            8 => self.keep_frames = value.int(at)?,
            9 if self.time_ns != 0 => {
                let detail = "two profiles behind each other";
                return Err(Refused::new(Reason::Concatenated, detail).at(at.span().0 as usize));
            }
            9 => self.time_ns = value.int(at)? as i64,
            10 => self.duration_ns = value.int(at)? as i64,
            12 => self.period = value.int(at)? as i64,
            14 => self.default_type = value.int(at)?,
            15 => self.doc_url = value.int(at)?,
            _ => {} // A field of a later version.
        }
        Ok(())
    }

    fn comment(
        &mut self,
        value: Value<'_>,
        at: &Cursor<'_>,
        limits: &Limits,
    ) -> Result<(), Refused> {
        let max = limits.strings_max;
        let many = || Refused::new(Reason::CountLimit, format!("more than {max} comments"));
        match value {
            // A number takes a byte at least, so the length bounds the count.
            Value::Bytes(packed) if packed.left() > max => return Err(many()),
            Value::Bytes(mut packed) => packed.packed(|index| self.comments.push(index))?,
            index => self.comments.push(index.int(at)?),
        }
        if self.comments.len() > max { Err(many()) } else { Ok(()) }
    }
}
