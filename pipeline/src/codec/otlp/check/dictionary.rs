//! The rules on the dictionary, and on attributes wherever they are.

use super::{
    Checker, Form,
    read::{Dictionary, Function, Link, Location, Mapping, int},
    rules::Rule,
    used::{Table, Used},
};
use crate::{codec::wire::Cursor, reason::Refused};

/// Values within values that are looked at.
const DEPTH_MAX: usize = 64;

impl Checker {
    /// The tables, one after the other.
    pub fn dictionary(&mut self, d: &Dictionary<'_>, used: &mut Used) -> Result<(), Refused> {
        self.first(d)?;
        for (at, mapping) in d.mappings.iter().enumerate() {
            self.within("mapping_table", at, |checker| checker.mapping(mapping, d, used))?;
        }
        for (at, location) in d.locations.iter().enumerate() {
            self.within("location_table", at, |checker| checker.location(location, d, used))?;
        }
        for (at, function) in d.functions.iter().enumerate() {
            self.within("function_table", at, |checker| checker.function(function, used))?;
        }
        for (at, link) in d.links.iter().enumerate().skip(1) {
            self.within("link_table", at, |checker| checker.link(link))?;
        }
        for (at, text) in d.strings.iter().enumerate() {
            self.utf8(text, format_args!("string_table[{at}]"));
        }
        for (at, attribute) in d.attributes.iter().enumerate() {
            self.within("attribute_table", at, |checker| {
                for (field, index) in
                    [("key_strindex", attribute.key), ("unit_strindex", attribute.unit)]
                {
                    checker.index(index, d.strings.len(), field);
                    used.note(Table::String, index);
                }
                if at > 0 {
                    checker.value(attribute.value, used)?;
                }
                Ok(())
            })?;
        }
        for (at, stack) in d.stacks.iter().enumerate() {
            for (position, location) in stack.iter().enumerate() {
                let field = format_args!("stack_table[{at}].location_indices[{position}]");
                self.index(*location, d.locations.len(), field);
                used.note(Table::Location, *location);
            }
        }
        Ok(())
    }

    /// Entry 0 of every table: there, and empty.
    fn first(&mut self, d: &Dictionary<'_>) -> Result<(), Refused> {
        let attribute = match d.attributes.first() {
            None => None,
            Some(first) => {
                let value = first.value.map(is_set).transpose()?.unwrap_or_default();
                Some((first.key, first.unit, value) == (0, 0, false))
            }
        };
        for (table, is_empty) in [
            ("mapping_table", d.mappings.first().map(|first| *first == Mapping::default())),
            ("location_table", d.locations.first().map(|first| *first == Location::default())),
            ("function_table", d.functions.first().map(|first| *first == Function::default())),
            ("link_table", d.links.first().map(|first| *first == Link::default())),
            ("string_table", d.strings.first().map(|first| first.is_empty())),
            ("attribute_table", attribute),
            ("stack_table", d.stacks.first().map(Vec::is_empty)),
        ] {
            match is_empty {
                None => self.breach(Rule::TableEmpty, table, "there is no entry 0"),
                Some(false) => {
                    let place = format!("{table}[0]");
                    self.breach(Rule::TableZero, place, "it has a field that is set");
                }
                Some(true) => {}
            }
        }
        Ok(())
    }

    fn mapping(
        &mut self,
        mapping: &Mapping,
        d: &Dictionary<'_>,
        used: &mut Used,
    ) -> Result<(), Refused> {
        self.index(mapping.file, d.strings.len(), "filename_strindex");
        used.note(Table::String, mapping.file);
        self.attributes(&mapping.attributes, d, used);
        let Mapping { start, limit, .. } = *mapping;
        if start >= limit && (start, limit) != (0, 0) {
            let reason = format!("it starts at {start:#x}, and its limit is {limit:#x}");
            self.breach(Rule::MappingRange, "", reason);
        }
        Ok(())
    }

    fn location(
        &mut self,
        location: &Location,
        d: &Dictionary<'_>,
        used: &mut Used,
    ) -> Result<(), Refused> {
        self.index(location.mapping, d.mappings.len(), "mapping_index");
        used.note(Table::Mapping, location.mapping);
        self.attributes(&location.attributes, d, used);
        for (at, line) in location.lines.iter().enumerate() {
            let field = format_args!("lines[{at}].function_index");
            self.index(line.function, d.functions.len(), field);
            used.note(Table::Function, line.function);
            for (field, number) in [("line", line.line), ("column", line.column)] {
                self.not_negative(number, format_args!("lines[{at}].{field}"));
            }
        }
        Ok(())
    }

    fn function(&mut self, function: &Function, used: &mut Used) -> Result<(), Refused> {
        let fields = ["name_strindex", "system_name_strindex", "filename_strindex"];
        for (field, index) in fields.into_iter().zip(function.strings) {
            self.index(index, used.len(Table::String), field);
            used.note(Table::String, index);
        }
        self.not_negative(function.start_line, "start_line");
        Ok(())
    }

    fn link(&mut self, link: &Link<'_>) -> Result<(), Refused> {
        for (field, id, bytes) in [("trace_id", link.trace, 16), ("span_id", link.span, 8)] {
            if id.len() != bytes {
                let reason = format!("{} bytes in place of {bytes}", id.len());
                self.breach(Rule::LinkIds, field, reason);
            }
        }
        Ok(())
    }

    fn not_negative(&mut self, number: i64, field: impl std::fmt::Display) {
        if number < 0 {
            self.breach(Rule::LineNegative, field, format!("{number} is below 0"));
        }
    }

    /// Text must be UTF-8: other languages refuse the whole message else.
    pub fn utf8(&mut self, text: &[u8], field: impl std::fmt::Display) {
        if let Err(error) = std::str::from_utf8(text) {
            self.breach(Rule::Utf8, field, error);
        }
    }

    /// Attributes of one message, by their indexes: there, and one of a key.
    pub fn attributes(&mut self, indexes: &[i64], d: &Dictionary<'_>, used: &mut Used) {
        let mut keys: Vec<&[u8]> = Vec::new();
        for (at, index) in indexes.iter().enumerate() {
            used.note(Table::Attribute, *index);
            let field = format_args!("attribute_indices[{at}]");
            if !self.index(*index, d.attributes.len(), field) {
                continue;
            }
            let Some(key) = d.string(d.attributes[*index as usize].key) else { continue };
            self.unique(key, &mut keys, field);
        }
    }

    /// A key must not be among those before it.
    fn unique<'k>(
        &mut self,
        key: &'k [u8],
        keys: &mut Vec<&'k [u8]>,
        field: impl std::fmt::Display,
    ) {
        if keys.contains(&key) {
            let reason =
                format!("there is an attribute {:?} already", String::from_utf8_lossy(key));
            self.breach(Rule::AttributeKeyUnique, field, reason);
        }
        keys.push(key);
    }

    /// Attributes in place, of a resource or a scope.
    pub fn key_values(
        &mut self,
        pairs: &[Cursor<'_>],
        d: &Dictionary<'_>,
        used: &mut Used,
    ) -> Result<(), Refused> {
        let mut keys: Vec<&[u8]> = Vec::new();
        for (at, pair) in pairs.iter().enumerate() {
            let key = self
                .within("attributes", at, |checker| checker.key_value(*pair, Some(d), used, 0))?;
            if !key.is_empty() {
                self.unique(key, &mut keys, format_args!("attributes[{at}]"));
            }
        }
        Ok(())
    }

    /// A `KeyValue`: gives its key, also where it is a reference.
    fn key_value<'a>(
        &mut self,
        mut pair: Cursor<'a>,
        d: Option<&Dictionary<'a>>,
        used: &mut Used,
        depth: usize,
    ) -> Result<&'a [u8], Refused> {
        let (mut key, mut reference, mut value): (&[u8], _, _) = (&[], 0, None);
        while let Some((field, found)) = pair.field()? {
            match field {
                1 => key = found.message(&pair)?.bytes(),
                2 => value = Some(found.message(&pair)?),
                3 => reference = int(found, &pair)?,
                _ => {}
            }
        }
        self.utf8(key, "key");
        used.note(Table::String, reference);
        if reference != 0 && self.index(reference, used.len(Table::String), "key_strindex") {
            if key.is_empty() {
                self.by_reference("key_strindex");
                key = d.and_then(|d| d.string(reference)).unwrap_or(b"?");
            } else {
                self.breach(Rule::AttributeReference, "", "there is a key and a reference to one");
            }
        }
        if key.is_empty() && reference == 0 {
            self.breach(Rule::AttributeKeyMissing, "key", "it is empty");
        }
        self.any_value(value, used, depth)?;
        Ok(key)
    }

    /// The value of an attribute, which must be there.
    fn value(&mut self, value: Option<Cursor<'_>>, used: &mut Used) -> Result<(), Refused> {
        self.any_value(value, used, 0)
    }

    fn any_value(
        &mut self,
        value: Option<Cursor<'_>>,
        used: &mut Used,
        depth: usize,
    ) -> Result<(), Refused> {
        let Some(mut value) = value.filter(|_| depth < DEPTH_MAX) else {
            self.breach(Rule::AttributeValueMissing, "value", "there is none");
            return Ok(());
        };
        // Within lists an empty value stands for null.
        if depth == 0 && !is_set(value)? {
            self.breach(Rule::AttributeValueMissing, "value", "it is empty");
        }
        while let Some((field, found)) = value.field()? {
            match field {
                1 => self.utf8(found.message(&value)?.bytes(), "value.string_value"),
                5 | 6 => {
                    let mut list = found.message(&value)?;
                    while let Some((1, found)) = list.field()? {
                        let entry = found.message(&list)?;
                        match field {
                            5 => self.any_value(Some(entry), used, depth + 1)?,
                            _ => drop(self.key_value(entry, None, used, depth + 1)?),
                        }
                    }
                }
                8 => {
                    let index = int(found, &value)?;
                    used.note(Table::String, index);
                    let field = "value.string_value_strindex";
                    if self.index(index, used.len(Table::String), field) {
                        self.by_reference(field);
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// A reference in place of a text: readers of a file resolve it, backends do not.
    fn by_reference(&mut self, field: &str) {
        if self.form == Form::Request {
            self.breach(Rule::AttributeInline, field, "a reference in place of the text");
        }
    }
}

/// Whether one of the kinds of value is there.
fn is_set(mut value: Cursor<'_>) -> Result<bool, Refused> {
    let mut set = false;
    while let Some((field, _)) = value.field()? {
        set |= (1..=8).contains(&field);
    }
    Ok(set)
}
