//! The rules on what is around the dictionary: resources, scopes, profiles and their samples.

use super::{
    Checker,
    read::{Dictionary, int, ints},
    rules::Rule,
    used::{Table, Used},
};
use crate::{
    codec::{
        otlp::header::old_wire,
        wire::{Cursor, Value},
    },
    reason::Refused,
};

/// What the samples of a profile look like.
#[derive(Clone, Copy, PartialEq)]
enum Shape {
    Values,
    Times,
    Both,
}

impl Shape {
    fn name(self) -> &'static str {
        match self {
            Self::Values => "values alone",
            Self::Times => "times alone",
            Self::Both => "values and times",
        }
    }
}

/// What a profile says that its samples must fit.
#[derive(Default)]
struct Header {
    start: u64,
    duration: u64,
    period: i64,
    has_sample_type: bool,
    has_period_type: bool,
    shape: Option<Shape>,
}

/// A sample, its lists kept from one to the next.
#[derive(Default)]
struct Sample {
    stack: i64,
    link: i64,
    attributes: Vec<i64>,
    values: Vec<i64>,
    times: Vec<u64>,
}

impl Checker {
    /// `ResourceProfiles`.
    pub fn resource_profiles(
        &mut self,
        mut message: Cursor<'_>,
        d: &Dictionary<'_>,
        used: &mut Used,
    ) -> Result<(), Refused> {
        let mut scopes = 0;
        while let Some((field, value)) = message.field()? {
            match field {
                1 => self.attributes_of("resource", 1, value.message(&message)?, d, used)?,
                2 => {
                    let scope = value.message(&message)?;
                    self.within("scope_profiles", scopes, |checker| {
                        checker.scope_profiles(scope, d, used)
                    })?;
                    scopes += 1;
                }
                3 => self.utf8(value.message(&message)?.bytes(), "schema_url"),
                _ => {}
            }
        }
        if scopes == 0 {
            self.breach(Rule::ScopeProfilesEmpty, "scope_profiles", "there are none");
        }
        Ok(())
    }

    /// The attributes of a resource or a scope, which have them under another number each; the
    /// fields before it are texts.
    fn attributes_of(
        &mut self,
        name: &'static str,
        number: u64,
        mut message: Cursor<'_>,
        d: &Dictionary<'_>,
        used: &mut Used,
    ) -> Result<(), Refused> {
        let mut pairs = Vec::new();
        self.path.push((name, None));
        while let Some((field, value)) = message.field()? {
            if field == number {
                pairs.push(value.message(&message)?);
            } else if field < number {
                let text = value.message(&message)?.bytes();
                self.utf8(text, if field == 1 { "name" } else { "version" });
            }
        }
        self.key_values(&pairs, d, used)?;
        self.path.pop();
        Ok(())
    }

    fn scope_profiles(
        &mut self,
        mut message: Cursor<'_>,
        d: &Dictionary<'_>,
        used: &mut Used,
    ) -> Result<(), Refused> {
        let mut profiles = 0;
        while let Some((field, value)) = message.field()? {
            match field {
                1 => self.attributes_of("scope", 3, value.message(&message)?, d, used)?,
                2 => {
                    let profile = value.message(&message)?;
                    self.report.profiles += 1;
                    self.within("profiles", profiles, |checker| checker.profile(profile, d, used))?;
                    profiles += 1;
                }
                3 => self.utf8(value.message(&message)?.bytes(), "schema_url"),
                _ => {}
            }
        }
        if profiles == 0 {
            self.breach(Rule::ProfilesEmpty, "profiles", "there are none");
        }
        Ok(())
    }

    fn profile(
        &mut self,
        message: Cursor<'_>,
        d: &Dictionary<'_>,
        used: &mut Used,
    ) -> Result<(), Refused> {
        // What the samples must fit may stand behind them.
        let mut header = self.header(message, d, used)?;
        let (mut sample, mut samples, mut fields) = (Sample::default(), 0, message);
        while let Some((field, value)) = fields.field()? {
            if field != 2 {
                continue;
            }
            read_sample(value.message(&fields)?, &mut sample)?;
            self.report.samples += 1;
            self.within("samples", samples, |checker| {
                checker.sample(&sample, &mut header, d, used);
                Ok(())
            })?;
            samples += 1;
        }
        if samples == 0 {
            self.breach(Rule::SamplesEmpty, "samples", "there are none");
        }
        if !header.has_sample_type {
            self.breach(Rule::SampleTypeMissing, "sample_type", "there is none");
        }
        if !header.has_period_type {
            self.breach(Rule::PeriodTypeMissing, "period_type", "there is none");
        }
        if header.period < 0 {
            let reason = format!("{} is below 0", header.period);
            self.breach(Rule::PeriodNegative, "period", reason);
        }
        Ok(())
    }

    fn header(
        &mut self,
        mut message: Cursor<'_>,
        d: &Dictionary<'_>,
        used: &mut Used,
    ) -> Result<Header, Refused> {
        let (mut header, mut attributes) = (Header::default(), Vec::new());
        let mut payload = (false, false);
        while let Some((field, value)) = message.field()? {
            let fits = match field {
                1 | 2 | 5 | 7 | 9 | 10 => matches!(value, Value::Bytes(_)),
                3 => matches!(value, Value::Fixed64(_)),
                4 | 6 | 8 => matches!(value, Value::Int(_)),
                _ => true,
            };
            if !fits {
                return Err(old_wire());
            }
            match field {
                1 => {
                    header.has_sample_type = true;
                    self.value_type("sample_type", value.message(&message)?, used)?;
                }
                3 => header.start = value.fixed(&message)?,
                4 => header.duration = value.int(&message)?,
                5 => {
                    header.has_period_type = true;
                    self.value_type("period_type", value.message(&message)?, used)?;
                }
                6 => header.period = int(value, &message)?,
                7 => self.profile_id(value.message(&message)?.bytes()),
                9 => {
                    let format = value.message(&message)?.bytes();
                    payload.0 = !format.is_empty();
                    self.utf8(format, "original_payload_format");
                }
                10 => payload.1 = !value.message(&message)?.bytes().is_empty(),
                11 => ints(value, &message, &mut attributes)?,
                _ => {}
            }
        }
        if payload.0 != payload.1 {
            let reason = "there is one without the other";
            self.breach(Rule::OriginalPayload, "original_payload", reason);
        }
        self.attributes(&attributes, d, used);
        Ok(header)
    }

    fn profile_id(&mut self, id: &[u8]) {
        match id.len() {
            0 => {}
            16 if id.iter().any(|byte| *byte != 0) => {}
            16 => self.breach(Rule::ProfileId, "profile_id", "all of its bytes are 0"),
            len => {
                let reason = format!("{len} bytes in place of 16");
                self.breach(Rule::ProfileId, "profile_id", reason);
            }
        }
    }

    fn value_type(
        &mut self,
        name: &str,
        mut message: Cursor<'_>,
        used: &mut Used,
    ) -> Result<(), Refused> {
        while let Some((field, value)) = message.field()? {
            let field = match field {
                1 => "type_strindex",
                2 => "unit_strindex",
                _ => continue,
            };
            let index = int(value, &message)?;
            self.index(index, used.len(Table::String), format_args!("{name}.{field}"));
            used.note(Table::String, index);
        }
        Ok(())
    }

    fn sample(
        &mut self,
        sample: &Sample,
        header: &mut Header,
        d: &Dictionary<'_>,
        used: &mut Used,
    ) {
        for (field, table, index) in
            [("stack_index", Table::Stack, sample.stack), ("link_index", Table::Link, sample.link)]
        {
            self.index(index, used.len(table), field);
            used.note(table, index);
        }
        self.attributes(&sample.attributes, d, used);
        // Not `start + duration`, which may be too much.
        let Header { start, duration, .. } = *header;
        let within = |time: u64| time.checked_sub(start).is_some_and(|since| since < duration);
        for (at, time) in sample.times.iter().enumerate().filter(|(_, time)| !within(**time)) {
            let reason = format!("{time} is not within {duration} ns from {start} on");
            self.breach(Rule::TimestampRange, format_args!("timestamps_unix_nano[{at}]"), reason);
        }
        let (values, times) = (sample.values.len(), sample.times.len());
        let shape = match (values, times) {
            (0, 0) => {
                let none = "neither values nor times";
                let reason = match sample.attributes.is_empty() {
                    true => none.to_owned(),
                    false => format!("{none}; {}", old_wire().detail),
                };
                return self.breach(Rule::SampleValues, "", reason);
            }
            (0, _) => Shape::Times,
            (_, 0) => Shape::Values,
            _ => Shape::Both,
        };
        if (times == 0 && values > 1) || (values > 0 && times > 0 && values != times) {
            let reason = format!("{values} values and {times} times");
            self.breach(Rule::SampleValues, "values", reason);
        } else if values > 1 && header.period != 0 && header.has_period_type {
            let reason = format!("{values} values, and a period of {}", header.period);
            self.breach(Rule::ValuesWithPeriod, "values", reason);
        }
        let before = *header.shape.get_or_insert(shape);
        if before != shape {
            let reason = format!("{} behind samples of {}", shape.name(), before.name());
            self.breach(Rule::SampleShape, "", reason);
        }
    }
}

fn read_sample(mut message: Cursor<'_>, sample: &mut Sample) -> Result<(), Refused> {
    sample.attributes.clear();
    sample.values.clear();
    sample.times.clear();
    (sample.stack, sample.link) = (0, 0);
    while let Some((field, value)) = message.field()? {
        match (field, value) {
            // Before v1.10 there were lists in these places.
            (1 | 3, Value::Bytes(_)) => return Err(old_wire()),
            (1, value) => sample.stack = int(value, &message)?,
            (2, value) => ints(value, &message, &mut sample.attributes)?,
            (3, value) => sample.link = int(value, &message)?,
            (4, value) => ints(value, &message, &mut sample.values)?,
            (5, Value::Bytes(mut packed)) => {
                while !packed.is_done() {
                    sample.times.push(packed.fixed64()?);
                }
            }
            (5, value) => sample.times.push(value.fixed(&message)?),
            _ => {}
        }
    }
    Ok(())
}
