//! The dictionary of a request: tables that all of its profiles refer to. Counts are checked as
//! they are read, references once all is there, because tables may come in any order.

use std::borrow::Cow;

use crate::{
    codec::wire::{Cursor, Span, Value},
    limits::Limits,
    profile::{Function, Line, Lists, Location, Mapping, NO_MAPPING},
    reason::{Reason, Refused},
};

/// Ids of a trace and a span of it.
pub type Link = ([u8; 16], [u8; 8]);

/// A key, a value that is read when it is needed, and a unit.
#[derive(Clone, Copy, Default)]
pub struct RawAttribute {
    pub key: u32,
    pub value: Option<Span>,
    pub unit: u32,
}

/// The tables, checked. Indexes of strings in entries are those of [`Tables::text`].
#[derive(Default)]
pub struct Tables<'a> {
    bytes: &'a [u8],
    strings: Vec<Span>,
    pub mappings: Vec<Mapping>,
    pub functions: Vec<Function>,
    pub locations: Vec<Location>,
    /// Lines of each location, innermost first.
    pub lines: Lists<Line>,
    /// Locations of each stack, leaf first.
    pub stacks: Lists<u32>,
    pub links: Vec<Link>,
    pub attributes: Vec<RawAttribute>,
    /// Attributes of each mapping and of each location.
    pub mapping_attributes: Lists<u32>,
    pub location_attributes: Lists<u32>,
}

impl<'a> Tables<'a> {
    /// Reads the dictionary, which may come in parts, out of the request `bytes`, into memory that
    /// was used before.
    pub fn read(
        bytes: &'a [u8],
        parts: &[Span],
        limits: &Limits,
        memory: Tables<'static>,
    ) -> Result<Self, Refused> {
        let mut tables = Self { bytes, ..memory };
        for &part in parts {
            let mut cursor = Cursor::new(bytes, part);
            // What writers send, in the order in which they do.
            tables.run::<1>(&mut cursor, limits)?;
            tables.run::<2>(&mut cursor, limits)?;
            tables.run::<3>(&mut cursor, limits)?;
            tables.run::<4>(&mut cursor, limits)?;
            tables.run::<5>(&mut cursor, limits)?;
            tables.run::<6>(&mut cursor, limits)?;
            tables.run::<7>(&mut cursor, limits)?;
            while let Some((field, value)) = cursor.field()? {
                if (1..=7).contains(&field) {
                    let entry = value.message(&cursor)?;
                    let at = entry.span().0 as usize;
                    tables.entry(field, entry, limits).map_err(|refused| refused.at(at))?;
                }
            }
        }
        tables.check()?;
        Ok(tables)
    }

    /// Its memory, for the next request, unless this one was larger than that.
    pub fn into_memory(mut self, request_bytes_max: usize) -> Tables<'static> {
        if self.bytes.len() > request_bytes_max {
            return Tables::default();
        }
        self.strings.clear();
        self.mappings.clear();
        self.functions.clear();
        self.locations.clear();
        self.links.clear();
        self.attributes.clear();
        self.lines.clear();
        for lists in [&mut self.stacks, &mut self.mapping_attributes, &mut self.location_attributes]
        {
            lists.clear();
        }
        Tables { bytes: &[], ..self }
    }

    /// Entries of one table behind each other.
    fn run<const FIELD: u8>(
        &mut self,
        cursor: &mut Cursor<'a>,
        limits: &Limits,
    ) -> Result<(), Refused> {
        while let Some(entry) = cursor.message_if(FIELD << 3 | 2)? {
            let at = entry.span().0 as usize;
            self.entry(u64::from(FIELD), entry, limits).map_err(|refused| refused.at(at))?;
        }
        Ok(())
    }

    #[inline(always)]
    fn entry(&mut self, field: u64, entry: Cursor<'a>, limits: &Limits) -> Result<(), Refused> {
        let (have, max, what) = match field {
            1 => (self.mappings.len(), limits.mappings_max, "mappings"),
            2 => (self.locations.len(), limits.locations_max, "locations"),
            3 => (self.functions.len(), limits.functions_max, "functions"),
            4 => (self.links.len(), limits.samples_max, "links"),
            5 => (self.strings.len(), limits.strings_max, "strings"),
            6 => (self.attributes.len(), limits.strings_max, "attributes"),
            _ => (self.stacks.len(), limits.samples_max, "stacks"),
        };
        room(have, max, what)?;
        match field {
            1 => self.mapping(entry, limits),
            2 => self.location(entry, limits),
            3 => self.function(entry),
            4 => self.link(entry),
            5 => {
                self.strings.push(entry.span());
                Ok(())
            }
            6 => self.attribute(entry),
            _ => self.stack(entry, limits),
        }
    }

    fn mapping(&mut self, mut entry: Cursor<'a>, limits: &Limits) -> Result<(), Refused> {
        let mut mapping = Mapping::default();
        while let Some((field, value)) = entry.field()? {
            match field {
                1 => mapping.start = value.int(&entry)?,
                2 => mapping.limit = value.int(&entry)?,
                3 => mapping.offset = value.int(&entry)?,
                4 => mapping.file = index(value.int(&entry)?),
                5 => indexes(value, &entry, &mut self.mapping_attributes, limits)?,
                _ => {}
            }
        }
        self.mappings.push(mapping);
        self.mapping_attributes.close();
        Ok(())
    }

    #[inline(always)]
    fn location(&mut self, mut entry: Cursor<'a>, limits: &Limits) -> Result<(), Refused> {
        let mut location = Location { mapping: NO_MAPPING, address: 0, folded: false };
        // What writers send, in the order in which they do.
        if let Some(mapping) = entry.int_if(1 << 3)? {
            location.mapping = mapping_index(mapping);
        }
        if let Some(address) = entry.int_if(2 << 3)? {
            location.address = address;
        }
        while let Some(line) = entry.message_if(3 << 3 | 2)? {
            self.line(line, limits)?;
        }
        while let Some((field, value)) = entry.field()? {
            match field {
                1 => location.mapping = mapping_index(value.int(&entry)?),
                2 => location.address = value.int(&entry)?,
                3 => self.line(value.message(&entry)?, limits)?,
                4 => indexes(value, &entry, &mut self.location_attributes, limits)?,
                _ => {}
            }
        }
        self.locations.push(location);
        self.lines.close();
        self.location_attributes.close();
        Ok(())
    }

    #[inline(always)]
    fn line(&mut self, mut entry: Cursor<'a>, limits: &Limits) -> Result<(), Refused> {
        let mut line = Line::default();
        if let Some(function) = entry.int_if(1 << 3)? {
            line.function = index(function);
        }
        if let Some(number) = entry.int_if(2 << 3)? {
            line.line = number as i64;
        }
        while let Some((field, value)) = entry.field()? {
            match field {
                1 => line.function = index(value.int(&entry)?),
                2 => line.line = value.int(&entry)? as i64,
                3 => line.column = value.int(&entry)? as i64,
                _ => {}
            }
        }
        room(self.lines.open().len(), limits.frames_per_stack_max, "lines")?;
        room(self.lines.items_len(), limits.frames_max, "lines")?;
        self.lines.push(line);
        Ok(())
    }

    #[inline(always)]
    fn function(&mut self, mut entry: Cursor<'a>) -> Result<(), Refused> {
        let mut function = Function::default();
        // What writers send, in the order in which they do.
        if let Some(name) = entry.int_if(1 << 3)? {
            function.name = index(name);
        }
        if let Some(name) = entry.int_if(2 << 3)? {
            function.system_name = index(name);
        }
        if let Some(file) = entry.int_if(3 << 3)? {
            function.file = index(file);
        }
        if let Some(line) = entry.int_if(4 << 3)? {
            function.start_line = line as i64;
        }
        while let Some((field, value)) = entry.field()? {
            match field {
                1 => function.name = index(value.int(&entry)?),
                2 => function.system_name = index(value.int(&entry)?),
                3 => function.file = index(value.int(&entry)?),
                4 => function.start_line = value.int(&entry)? as i64,
                _ => {}
            }
        }
        self.functions.push(function);
        Ok(())
    }

    fn link(&mut self, mut entry: Cursor<'a>) -> Result<(), Refused> {
        let mut link = Link::default();
        while let Some((field, value)) = entry.field()? {
            match field {
                1 => link.0 = id(value.message(&entry)?)?,
                2 => link.1 = id(value.message(&entry)?)?,
                _ => {}
            }
        }
        self.links.push(link);
        Ok(())
    }

    fn attribute(&mut self, mut entry: Cursor<'a>) -> Result<(), Refused> {
        let mut attribute = RawAttribute::default();
        while let Some((field, value)) = entry.field()? {
            match field {
                1 => attribute.key = index(value.int(&entry)?),
                2 => attribute.value = Some(value.message(&entry)?.span()),
                3 => attribute.unit = index(value.int(&entry)?),
                _ => {}
            }
        }
        self.attributes.push(attribute);
        Ok(())
    }

    #[inline(always)]
    fn stack(&mut self, mut entry: Cursor<'a>, limits: &Limits) -> Result<(), Refused> {
        if let Some(packed) = entry.message_if(1 << 3 | 2)? {
            indexes(Value::Bytes(packed), &entry, &mut self.stacks, limits)?;
        }
        while let Some((field, value)) = entry.field()? {
            if field == 1 {
                indexes(value, &entry, &mut self.stacks, limits)?;
            }
        }
        room(self.stacks.open().len(), limits.frames_per_stack_max + 1, "frames in a stack")?;
        self.stacks.close();
        Ok(())
    }

    /// Refuses references to what is not there, and a first entry that is not the empty one.
    fn check(&self) -> Result<(), Refused> {
        let within = |index: u32, len: usize, what: &str| match index == 0 || (index as usize) < len
        {
            true => Ok(()),
            false => Err(Refused::new(
                Reason::BadReference,
                format!("{what} {} of {len} in the dictionary is not there", index as i32),
            )),
        };
        let string = |index| within(index, self.strings.len(), "string");
        for mapping in &self.mappings {
            string(mapping.file)?;
        }
        for function in &self.functions {
            [function.name, function.system_name, function.file]
                .into_iter()
                .try_for_each(string)?;
        }
        for location in self.locations.iter().filter(|l| l.mapping != NO_MAPPING) {
            within(location.mapping, self.mappings.len(), "mapping")?;
        }
        for line in self.lines.parts().0 {
            within(line.function, self.functions.len(), "function")?;
        }
        // Nearly all references are these: one comparison for all of them.
        let most = self.stacks.parts().0.iter().copied().max().unwrap_or_default();
        within(most, self.locations.len(), "location")?;
        for attribute in &self.attributes {
            [attribute.key, attribute.unit].into_iter().try_for_each(string)?;
        }
        for &attribute in
            self.mapping_attributes.parts().0.iter().chain(self.location_attributes.parts().0)
        {
            within(attribute, self.attributes.len(), "attribute")?;
        }
        self.check_first()
    }

    fn check_first(&self) -> Result<(), Refused> {
        let first = |lists: &Lists<u32>| lists.is_empty() || lists.get(0).is_empty();
        let attribute = self.attributes.first();
        for (empty, table) in [
            (self.strings.first().is_none_or(|(start, end)| start == end), "string_table"),
            (self.mappings.first().is_none_or(|m| *m == Mapping::default()), "mapping_table"),
            (self.functions.first().is_none_or(|f| *f == Function::default()), "function_table"),
            (
                self.locations.first().is_none_or(|l| l.mapping == NO_MAPPING && l.address == 0),
                "location_table",
            ),
            (self.lines.is_empty() || self.lines.get(0).is_empty(), "location_table"),
            (self.links.first().is_none_or(|link| *link == Link::default()), "link_table"),
            (attribute.is_none_or(|a| (a.key, a.unit) == (0, 0)), "attribute_table"),
            (first(&self.stacks), "stack_table"),
        ] {
            if !empty {
                let detail = format!("entry 0 of {table} is not the empty one");
                return Err(Refused::new(Reason::BadReference, detail));
            }
        }
        Ok(())
    }

    /// The string with this index; what is not UTF-8 is replaced. An index that names nothing gives
    /// the empty string.
    pub fn text(&self, index: u32) -> Cow<'a, str> {
        let (start, end) = self.strings.get(index as usize).copied().unwrap_or_default();
        String::from_utf8_lossy(&self.bytes[start as usize..end as usize])
    }

    /// Bytes of all strings; `None` where some of them are not UTF-8.
    pub fn text_bytes(&self) -> Option<usize> {
        self.strings.iter().try_fold(0, |sum, (start, end)| {
            let text = &self.bytes[*start as usize..*end as usize];
            // Names mostly are, and it is seen sooner.
            (text.is_ascii() || std::str::from_utf8(text).is_ok()).then_some(sum + text.len())
        })
    }

    /// Number of strings.
    pub fn strings_len(&self) -> usize {
        self.strings.len()
    }

    /// A place in the request.
    pub fn cursor(&self, span: Span) -> Cursor<'a> {
        Cursor::new(self.bytes, span)
    }
}

/// A number to an index; one that is too large or below zero names nothing.
#[inline(always)]
pub fn index(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[inline(always)]
fn room(have: usize, max: usize, what: &str) -> Result<(), Refused> {
    if have < max { Ok(()) } else { Err(too_many(max, what)) }
}

#[cold]
#[inline(never)]
fn too_many(max: usize, what: &str) -> Refused {
    Refused::new(Reason::CountLimit, format!("more than {max} {what}"))
}

/// Adds indexes, packed or not, to the open list.
#[inline(always)]
fn indexes(
    value: Value<'_>,
    at: &Cursor<'_>,
    list: &mut Lists<u32>,
    limits: &Limits,
) -> Result<(), Refused> {
    match value {
        Value::Bytes(mut packed) => {
            // A number takes a byte at least, so the length bounds the count.
            room(list.items_len() + packed.left(), limits.frames_max * 5, "references")?;
            list.extend_open(packed.left(), |room| {
                let mut count = 0;
                packed.packed(|number| {
                    if let Some(place) = room.get_mut(count) {
                        *place = index(number);
                    }
                    count += 1;
                })?;
                Ok::<_, Refused>((count, ()))
            })?;
        }
        number => list.push(index(number.int(at)?)),
    }
    room(list.items_len(), limits.frames_max, "references")
}

/// A reference to a mapping; entry 0 is none.
#[inline(always)]
fn mapping_index(number: u64) -> u32 {
    match index(number) {
        0 => NO_MAPPING,
        mapping => mapping.min(NO_MAPPING - 1),
    }
}

/// An id of `N` bytes; none at all is the zero id.
fn id<const N: usize>(bytes: Cursor<'_>) -> Result<[u8; N], Refused> {
    match bytes.bytes() {
        [] => Ok([0; N]),
        bytes => bytes.try_into().map_err(|_| {
            let detail = format!("an id of {} bytes in place of {N}", bytes.len());
            Refused::new(Reason::Malformed, detail)
        }),
    }
}
