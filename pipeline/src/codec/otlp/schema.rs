//! The messages of an OTLP profiles request as data, for what has to know all of their fields: the
//! JSON form.

/// How a field is written.
#[derive(Clone, Copy)]
pub enum Kind {
    /// Text.
    Text,
    /// Bytes: base64 in JSON.
    Bytes,
    /// An id: hex in JSON.
    Id,
    /// A truth value.
    Bool,
    /// A signed varint that is a number in JSON.
    Int32,
    /// An unsigned varint that is a number in JSON.
    Uint32,
    /// A signed varint that is text in JSON.
    Int64,
    /// An unsigned varint that is text in JSON.
    Uint64,
    /// Eight bytes that are text in JSON.
    Fixed64,
    /// Eight bytes of a floating point number.
    Double,
    /// A message of these fields.
    Message(Fields),
}

/// A field of a message.
pub struct Field {
    /// Its name in JSON.
    pub name: &'static str,
    /// Its number in protobuf.
    pub number: u64,
    /// How it is written.
    pub kind: Kind,
    /// Whether it is a list.
    pub repeated: bool,
}

/// The fields of a message.
pub type Fields = &'static [Field];

const fn one(name: &'static str, number: u64, kind: Kind) -> Field {
    Field { name, number, kind, repeated: false }
}

const fn many(name: &'static str, number: u64, kind: Kind) -> Field {
    Field { name, number, kind, repeated: true }
}

use Kind::{Bool, Bytes, Double, Fixed64, Id, Int32, Int64, Message, Text, Uint32, Uint64};

/// `ExportProfilesServiceRequest`.
pub static REQUEST: [Field; 2] = [
    many("resourceProfiles", 1, Message(&RESOURCE_PROFILES)),
    one("dictionary", 2, Message(&DICTIONARY)),
];
/// `ExportProfilesServiceResponse`.
pub static RESPONSE: [Field; 1] = [one("partialSuccess", 1, Message(&PARTIAL_SUCCESS))];

static PARTIAL_SUCCESS: [Field; 2] =
    [one("rejectedProfiles", 1, Int64), one("errorMessage", 2, Text)];
static RESOURCE_PROFILES: [Field; 3] = [
    one("resource", 1, Message(&RESOURCE)),
    many("scopeProfiles", 2, Message(&SCOPE_PROFILES)),
    one("schemaUrl", 3, Text),
];
static RESOURCE: [Field; 3] = [
    many("attributes", 1, Message(&KEY_VALUE)),
    one("droppedAttributesCount", 2, Uint32),
    many("entityRefs", 3, Message(&ENTITY_REF)),
];
static ENTITY_REF: [Field; 4] = [
    one("schemaUrl", 1, Text),
    one("type", 2, Text),
    many("idKeys", 3, Text),
    many("descriptionKeys", 4, Text),
];
static SCOPE_PROFILES: [Field; 3] = [
    one("scope", 1, Message(&SCOPE)),
    many("profiles", 2, Message(&PROFILE)),
    one("schemaUrl", 3, Text),
];
static SCOPE: [Field; 4] = [
    one("name", 1, Text),
    one("version", 2, Text),
    many("attributes", 3, Message(&KEY_VALUE)),
    one("droppedAttributesCount", 4, Uint32),
];
static KEY_VALUE: [Field; 3] =
    [one("key", 1, Text), one("value", 2, Message(&ANY_VALUE)), one("keyStrindex", 3, Int32)];
static ANY_VALUE: [Field; 8] = [
    one("stringValue", 1, Text),
    one("boolValue", 2, Bool),
    one("intValue", 3, Int64),
    one("doubleValue", 4, Double),
    one("arrayValue", 5, Message(&ARRAY_VALUE)),
    one("kvlistValue", 6, Message(&KEY_VALUE_LIST)),
    one("bytesValue", 7, Bytes),
    one("stringValueStrindex", 8, Int32),
];
static ARRAY_VALUE: [Field; 1] = [many("values", 1, Message(&ANY_VALUE))];
static KEY_VALUE_LIST: [Field; 1] = [many("values", 1, Message(&KEY_VALUE))];
static PROFILE: [Field; 11] = [
    one("sampleType", 1, Message(&VALUE_TYPE)),
    many("samples", 2, Message(&SAMPLE)),
    one("timeUnixNano", 3, Fixed64),
    one("durationNano", 4, Uint64),
    one("periodType", 5, Message(&VALUE_TYPE)),
    one("period", 6, Int64),
    one("profileId", 7, Id),
    one("droppedAttributesCount", 8, Uint32),
    one("originalPayloadFormat", 9, Text),
    one("originalPayload", 10, Bytes),
    many("attributeIndices", 11, Int32),
];
static VALUE_TYPE: [Field; 2] = [one("typeStrindex", 1, Int32), one("unitStrindex", 2, Int32)];
static SAMPLE: [Field; 5] = [
    one("stackIndex", 1, Int32),
    many("attributeIndices", 2, Int32),
    one("linkIndex", 3, Int32),
    many("values", 4, Int64),
    many("timestampsUnixNano", 5, Fixed64),
];
static DICTIONARY: [Field; 7] = [
    many("mappingTable", 1, Message(&MAPPING)),
    many("locationTable", 2, Message(&LOCATION)),
    many("functionTable", 3, Message(&FUNCTION)),
    many("linkTable", 4, Message(&LINK)),
    many("stringTable", 5, Text),
    many("attributeTable", 6, Message(&ATTRIBUTE)),
    many("stackTable", 7, Message(&STACK)),
];
static MAPPING: [Field; 5] = [
    one("memoryStart", 1, Uint64),
    one("memoryLimit", 2, Uint64),
    one("fileOffset", 3, Uint64),
    one("filenameStrindex", 4, Int32),
    many("attributeIndices", 5, Int32),
];
static LOCATION: [Field; 4] = [
    one("mappingIndex", 1, Int32),
    one("address", 2, Uint64),
    many("lines", 3, Message(&LINE)),
    many("attributeIndices", 4, Int32),
];
static LINE: [Field; 3] =
    [one("functionIndex", 1, Int32), one("line", 2, Int64), one("column", 3, Int64)];
static FUNCTION: [Field; 4] = [
    one("nameStrindex", 1, Int32),
    one("systemNameStrindex", 2, Int32),
    one("filenameStrindex", 3, Int32),
    one("startLine", 4, Int64),
];
static LINK: [Field; 2] = [one("traceId", 1, Id), one("spanId", 2, Id)];
static ATTRIBUTE: [Field; 3] = [
    one("keyStrindex", 1, Int32),
    one("value", 2, Message(&ANY_VALUE)),
    one("unitStrindex", 3, Int32),
];
static STACK: [Field; 1] = [many("locationIndices", 1, Int32)];
