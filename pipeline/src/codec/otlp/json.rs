//! The JSON form of OTLP, as `docs/specification.md` of the protocol has it (JSON Protobuf
//! Encoding): names in camel case, numbers of 64 bits as text, ids in hex. It is turned into
//! protobuf and back, so that there is one reader and one writer of what a request means.

use std::fmt;

use base64::{
    Engine,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
    prelude::BASE64_STANDARD,
};
use serde::de::{self, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::schema::{Field, Fields, Kind, REQUEST, RESPONSE};
use crate::{
    codec::wire::{put_bytes, put_varint},
    profile::from_hex,
    reason::{Reason, Refused},
};

pub use super::json_write::{request, response};

/// Base64 with or without padding.
const BASE64_ANY: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A request in JSON as protobuf. Fields that are not known are left out.
///
/// # Errors
/// Where it is not JSON, a value does not fit its field, or more than `bytes_max` would come out.
pub fn to_protobuf(json: &[u8], bytes_max: usize) -> Result<Vec<u8>, Refused> {
    read(json, &REQUEST, bytes_max)
}

/// Reads an answer in JSON: how many profiles were not taken, and what is said of it. What is
/// broken is no refusal.
pub fn read_response(json: &[u8]) -> (i64, String) {
    let bytes = read(json, &RESPONSE, json.len()).unwrap_or_default();
    super::answer::read_response(&bytes)
}

/// A message in JSON, of these fields, as protobuf.
pub(in crate::codec) fn read(
    json: &[u8],
    fields: Fields,
    bytes_max: usize,
) -> Result<Vec<u8>, Refused> {
    let mut out = Vec::new();
    let mut de = serde_json::Deserializer::from_slice(json);
    let read =
        Message { fields, out: &mut out, bytes_max }.deserialize(&mut de).and_then(|_| de.end());
    read.map_err(|error| match error.to_string() {
        detail if detail.starts_with(TOO_LARGE) => Refused::new(Reason::SizeLimit, detail),
        detail => Refused::new(Reason::Malformed, format!("not the message in JSON: {detail}")),
    })?;
    Ok(out)
}

const TOO_LARGE: &str = "more bytes than the limit";

/// Reads an object into the fields of a message.
struct Message<'o> {
    fields: Fields,
    out: &'o mut Vec<u8>,
    bytes_max: usize,
}

/// Whether there was one: `null` is none.
impl<'de> DeserializeSeed<'de> for Message<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, de: D) -> Result<bool, D::Error> {
        de.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Message<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_unit<E: de::Error>(self) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<bool, A::Error> {
        while let Some(name) = map.next_key::<String>()? {
            let camel = camel_case(&name);
            let Some(field) = self.fields.iter().find(|field| field.name == camel) else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            let value = OfField { field, out: &mut *self.out, bytes_max: self.bytes_max };
            match field.repeated {
                true => map.next_value_seed(List(value))?,
                false => map.next_value_seed(value)?,
            }
            if self.out.len() > self.bytes_max {
                return Err(de::Error::custom(TOO_LARGE));
            }
        }
        Ok(true)
    }
}

/// The names of the protobuf file are understood as well, as the Collector does.
fn camel_case(name: &str) -> String {
    let mut upper = false;
    let mut camel = String::with_capacity(name.len());
    for c in name.chars() {
        match (c, upper) {
            ('_', _) => upper = true,
            (c, true) => {
                camel.push(c.to_ascii_uppercase());
                upper = false;
            }
            (c, false) => camel.push(c),
        }
    }
    camel
}

/// Reads a value into a field.
struct OfField<'o> {
    field: &'static Field,
    out: &'o mut Vec<u8>,
    bytes_max: usize,
}

impl OfField<'_> {
    fn tag(&mut self, wire_type: u64) {
        put_varint(self.out, (self.field.number << 3) | wire_type);
    }

    fn number<E: de::Error>(mut self, number: i128) -> Result<(), E> {
        let fits = match self.field.kind {
            Kind::Int32 => i32::try_from(number).is_ok(),
            Kind::Uint32 => u32::try_from(number).is_ok(),
            Kind::Int64 => i64::try_from(number).is_ok(),
            Kind::Uint64 | Kind::Fixed64 => u64::try_from(number).is_ok(),
            Kind::Double => return self.double(number as f64),
            _ => return Err(E::custom(format_args!("{} is not a number", self.field.name))),
        };
        if !fits {
            return Err(E::custom(format_args!("{number} does not fit {}", self.field.name)));
        }
        match self.field.kind {
            Kind::Fixed64 => {
                self.tag(1);
                self.out.extend((number as u64).to_le_bytes());
            }
            _ => {
                self.tag(0);
                put_varint(self.out, number as i64 as u64);
            }
        }
        Ok(())
    }

    fn double<E: de::Error>(mut self, number: f64) -> Result<(), E> {
        let Kind::Double = self.field.kind else {
            let whole = number.trunc() == number && number.abs() < 9e15;
            return match whole {
                true => self.number(number as i128),
                false => Err(E::custom(format_args!("{number} does not fit {}", self.field.name))),
            };
        };
        self.tag(1);
        self.out.extend(number.to_le_bytes());
        Ok(())
    }

    fn text<E: de::Error>(self, text: &str) -> Result<(), E> {
        let wrong = || E::custom(format_args!("{text:?} does not fit {}", self.field.name));
        let bytes = match self.field.kind {
            Kind::Text => text.as_bytes().to_vec(),
            Kind::Bytes => base64(text).ok_or_else(wrong)?,
            // Hex of an id has another length than its base64, which some write.
            Kind::Id => (from_hex::<16>(text).map(Vec::from))
                .or_else(|| from_hex::<8>(text).map(Vec::from))
                .or_else(|| base64(text))
                .ok_or_else(wrong)?,
            Kind::Double => {
                let number = match text {
                    "Infinity" => f64::INFINITY,
                    "-Infinity" => f64::NEG_INFINITY,
                    text => text.parse().map_err(|_| wrong())?,
                };
                return self.double(number);
            }
            Kind::Bool | Kind::Message(_) => return Err(wrong()),
            _ => {
                let number = text.parse().map_err(|_| wrong())?;
                return self.number(number);
            }
        };
        put_bytes(self.out, self.field.number, &bytes);
        Ok(())
    }
}

fn base64(text: &str) -> Option<Vec<u8>> {
    let standard = text.replace('-', "+").replace('_', "/");
    BASE64_ANY.decode(standard).ok()
}

impl<'de> DeserializeSeed<'de> for OfField<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, de: D) -> Result<(), D::Error> {
        let Kind::Message(fields) = self.field.kind else { return de.deserialize_any(self) };
        let mut inner = Vec::new();
        let message = Message { fields, out: &mut inner, bytes_max: self.bytes_max };
        if message.deserialize(de)? {
            put_bytes(self.out, self.field.number, &inner);
        }
        Ok(())
    }
}

impl<'de> Visitor<'de> for OfField<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a value of {}", self.field.name)
    }

    fn visit_unit<E: de::Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E: de::Error>(mut self, value: bool) -> Result<(), E> {
        let Kind::Bool = self.field.kind else {
            return Err(E::custom(format_args!("{value} does not fit {}", self.field.name)));
        };
        self.tag(0);
        self.out.push(value.into());
        Ok(())
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<(), E> {
        self.number(number.into())
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<(), E> {
        self.number(number.into())
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<(), E> {
        self.double(number)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<(), E> {
        self.text(text)
    }
}

/// Reads a list of values, each as a field.
struct List<'o>(OfField<'o>);

impl<'de> DeserializeSeed<'de> for List<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, de: D) -> Result<(), D::Error> {
        de.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for List<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a list of {}", self.0.field.name)
    }

    fn visit_unit<E: de::Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let OfField { field, out, bytes_max } = self.0;
        let mut next = |out: &mut Vec<u8>| {
            let more = seq.next_element_seed(OfField { field, out, bytes_max })?;
            match out.len() > bytes_max {
                true => Err(de::Error::custom(TOO_LARGE)),
                false => Ok(more.is_some()),
            }
        };
        while next(out)? {}
        Ok(())
    }
}

/// Bytes as JSON has them.
pub(super) fn to_base64(bytes: &[u8]) -> String {
    BASE64_STANDARD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round_trip(json: &str) -> String {
        let bytes = to_protobuf(json.as_bytes(), 1 << 20).unwrap();
        String::from_utf8(request(&bytes)).unwrap()
    }

    #[test]
    fn every_kind_of_field_comes_back() {
        for json in [
            r#"{}"#,
            r#"{"dictionary":{"stringTable":["","a\"b"],
               "stackTable":[{},{"locationIndices":[1,2]}]}}"#,
            r#"{"dictionary":{"linkTable":[{"traceId":"IDID","spanId":"b7ad6b7169203331"}]}}"#,
            r#"{"dictionary":{"mappingTable":[{"memoryStart":"18446744073709551615"}]}}"#,
            r#"{"resourceProfiles":[{"resource":{"attributes":[{"key":"k","value":{"arrayValue":
               {"values":[{"boolValue":true},{"doubleValue":0.5},{"intValue":"-7"},
               {"bytesValue":"AQI="},{"stringValue":""}]}}}]}}]}"#,
            r#"{"resourceProfiles":[{"scopeProfiles":[{"profiles":[{"samples":[{"stackIndex":1,
               "values":["-1","2"],"timestampsUnixNano":["3","4"]}],"timeUnixNano":"5",
               "profileId":"IDID"}]}]}]}"#,
        ] {
            let json = json.replace(['\n', ' '], "").replace("IDID", &"0af7651916cd43dd".repeat(2));
            assert_eq!(round_trip(&json), json);
        }
    }

    #[test]
    fn doubles_come_back_to_the_last_bit() {
        let random = (1..2_000_u64).map(|n| f64::from_bits(n.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
        let finite = random.filter(|number| number.is_finite());
        for number in finite.chain([f64::MAX, f64::MIN_POSITIVE, -0.0, 94_245_028_377.705_03]) {
            let json = format!(
                r#"{{"resourceProfiles":[{{"resource":{{"attributes":[{{"value":
                   {{"doubleValue":{number}}}}}]}}}}]}}"#
            );
            let bytes = to_protobuf(json.as_bytes(), 1 << 20).unwrap();
            assert!(bytes.ends_with(&number.to_le_bytes()), "{number}");
            assert_eq!(to_protobuf(&request(&bytes), 1 << 20).unwrap(), bytes, "{number}");
        }
    }

    #[test]
    fn answers_come_back() {
        let answer = super::super::answer::response(2, "old");
        assert_eq!(read_response(&response(&answer)), (2, "old".into()));
        assert_eq!(read_response(b"{}"), (0, String::new()));
        assert_eq!(read_response(b"<html>"), (0, String::new()));
    }

    #[test]
    fn other_spellings_are_read() {
        for (json, want) in [
            (
                r#"{"resource_profiles":[{"schema_url":"u"}]}"#,
                r#"{"resourceProfiles":[{"schemaUrl":"u"}]}"#,
            ),
            (r#"{"unknown":{"deep":[1]},"dictionary":null}"#, "{}"),
            (
                r#"{"dictionary":{"mappingTable":[{"memoryStart":7}]}}"#,
                r#"{"dictionary":{"mappingTable":[{"memoryStart":"7"}]}}"#,
            ),
            (
                r#"{"dictionary":{"linkTable":[{"spanId":"t61rcWkgMzE="}]}}"#,
                r#"{"dictionary":{"linkTable":[{"spanId":"b7ad6b7169203331"}]}}"#,
            ),
        ] {
            assert_eq!(round_trip(json), want);
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let deep = format!(
            r#"{{"dictionary":{{"attributeTable":[{{"value":{}}}]}}}}"#,
            r#"{"arrayValue":{"values":["#.repeat(10_000)
        );
        for json in [
            "",
            "[]",
            "{",
            r#"{"dictionary":{"stringTable":[1]}}"#,
            r#"{"dictionary":{"stackTable":[{"locationIndices":[4294967296]}]}}"#,
            r#"{"dictionary":{"stackTable":[{"locationIndices":[1.5]}]}}"#,
            r#"{"dictionary":{"stackTable":[{"locationIndices":["NaN"]}]}}"#,
            r#"{"dictionary":{"mappingTable":[{"memoryStart":"-1"}]}}"#,
            r#"{"dictionary":{"linkTable":[{"traceId":"xyz!"}]}}"#,
            r#"{"dictionary":{}} {}"#,
            &deep,
        ] {
            let refused = to_protobuf(json.as_bytes(), 1 << 20).unwrap_err();
            assert_eq!(refused.reason, Reason::Malformed, "{refused}");
        }
        let head = r#"{"resourceProfiles":[{"scopeProfiles":[{"profiles":[{"samples":["#;
        let zeros = "0,".repeat(100_000);
        let zeros = format!(r#"{head}{{"timestampsUnixNano":[{zeros}0]}}]}}]}}]}}]}}"#);
        let refused = to_protobuf(zeros.as_bytes(), 300_000).unwrap_err();
        assert_eq!(refused.reason, Reason::SizeLimit);
    }
}
