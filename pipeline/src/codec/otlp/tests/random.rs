//! Requests drawn from numbers: every field of OTLP profiles is used sooner or later.

use opentelemetry_proto::tonic::{
    common::v1::{ArrayValue, EntityRef, InstrumentationScope, KeyValueList},
    profiles::v1development::{Function, KeyValueAndUnit, Line, Link, Location, Mapping, Stack},
    resource::v1::Resource,
};

use super::{
    Any, AnyValue, OtlpProfile, ProfilesDictionary, Request, ResourceProfiles, Sample,
    ScopeProfiles, ValueType, dictionary, pair, text,
};

const TABLE: i32 = 8;

/// A source of numbers.
pub struct Draw<'n> {
    numbers: std::iter::Cycle<std::slice::Iter<'n, u32>>,
    count: u32,
}

impl<'n> Draw<'n> {
    pub fn new(numbers: &'n [u32]) -> Self {
        Self { numbers: numbers.iter().cycle(), count: 0 }
    }

    /// A number below `end`. The same numbers do not come again in the same order.
    fn below(&mut self, end: i32) -> i32 {
        self.count += 1;
        let number = self.numbers.next().copied().unwrap_or_default();
        (number.wrapping_add(self.count.wrapping_mul(0x9e37_79b9)) >> 8) as i32 % end.max(1)
    }

    fn list<T>(&mut self, len: i32, mut make: impl FnMut(&mut Self) -> T) -> Vec<T> {
        (0..self.below(len)).map(|_| make(self)).collect()
    }

    /// Indexes of a table of [`TABLE`] entries behind the empty one, each once.
    fn set(&mut self, len: i32) -> Vec<i32> {
        let mut set = self.list(len, |draw| 1 + draw.below(TABLE));
        set.sort_unstable();
        set.dedup();
        set
    }

    fn value(&mut self, depth: i32) -> AnyValue {
        let value = match self.below(if depth > 2 { 6 } else { 9 }) {
            0 => None,
            1 => Some(Any::BoolValue(self.below(2) == 1)),
            2 => Some(Any::DoubleValue(f64::from(self.below(9)) / 4.0)),
            3 => Some(Any::BytesValue(self.list(4, |draw| draw.below(256) as u8))),
            4 => Some(Any::IntValue(i64::from(self.below(99)) - 50)),
            5 | 6 => Some(Any::StringValue(format!("v{}", self.below(9)))),
            7 => {
                let values = self.list(4, |draw| draw.value(depth + 1));
                Some(Any::ArrayValue(ArrayValue { values }))
            }
            _ => {
                let values = (0..self.below(3))
                    .map(|n| pair(&format!("k{n}"), self.value(depth + 1)))
                    .collect();
                Some(Any::KvlistValue(KeyValueList { values }))
            }
        };
        AnyValue { value }
    }

    fn dictionary(&mut self) -> ProfilesDictionary {
        let names: Vec<String> = (0..TABLE).map(|n| format!("s{n}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let mut d = dictionary(&names);
        for n in 1..=TABLE {
            // Keys differ, so that no message has one twice.
            let value = Some(self.value(0));
            let unit_strindex = self.below(3);
            d.attribute_table.push(KeyValueAndUnit { key_strindex: n, value, unit_strindex });
            let string = |draw: &mut Self| draw.below(TABLE + 1);
            d.function_table.push(Function {
                name_strindex: n,
                system_name_strindex: string(self),
                filename_strindex: string(self),
                start_line: self.below(99).into(),
            });
            d.mapping_table.push(Mapping {
                memory_start: n as u64,
                memory_limit: 9 + self.below(9) as u64,
                file_offset: self.below(9) as u64,
                filename_strindex: string(self),
                attribute_indices: self.set(3),
            });
            d.link_table.push(Link { trace_id: vec![n as u8; 16], span_id: vec![n as u8; 8] });
        }
        for n in 1..=TABLE {
            d.location_table.push(Location {
                mapping_index: self.below(TABLE + 1),
                address: n as u64,
                lines: self.list(3, |draw| Line {
                    function_index: 1 + draw.below(TABLE),
                    line: draw.below(99).into(),
                    column: draw.below(9).into(),
                }),
                attribute_indices: self.set(3),
            });
            // They end differently: of equal ones, a writer makes one.
            let mut location_indices = self.list(9, |draw| 1 + draw.below(TABLE));
            location_indices.push(n);
            d.stack_table.push(Stack { location_indices });
        }
        d
    }

    /// A profile whose samples differ in what identifies them. `type_strindex` and the period tell
    /// it from others, or make it one with them.
    fn profile(&mut self, type_strindex: i32) -> OtlpProfile {
        let mut samples = Vec::new();
        let shape = self.below(4);
        for stack_index in 0..self.below(TABLE) {
            let times = match shape {
                0 => 1 + self.below(3),
                _ => 0,
            };
            samples.push(Sample {
                stack_index,
                attribute_indices: self.set(4),
                link_index: self.below(2) * self.below(TABLE + 1),
                values: match times {
                    0 => vec![1 + i64::from(self.below(99))],
                    times if stack_index % 2 == 0 => (0..times).map(i64::from).collect(),
                    _ => vec![],
                },
                timestamps_unix_nano: (0..times).map(|t| 1000 + t as u64).collect(),
            });
        }
        if samples.is_empty() {
            samples.push(Sample { values: vec![5], ..Sample::default() });
        }
        OtlpProfile {
            sample_type: Some(ValueType { type_strindex, unit_strindex: self.below(2) }),
            samples,
            time_unix_nano: 1 + self.below(2) as u64,
            duration_nano: self.below(2) as u64,
            period_type: Some(ValueType { type_strindex: self.below(2), unit_strindex: 0 }),
            period: self.below(2).into(),
            profile_id: self.list(2, |_| ()).iter().flat_map(|()| [7; 16]).collect(),
            dropped_attributes_count: self.below(2) as u32,
            original_payload_format: ["", "jfr"][self.below(2) as usize].into(),
            original_payload: self.list(4, |draw| draw.below(256) as u8),
            attribute_indices: self.set(3),
        }
    }

    /// A request.
    pub fn request(&mut self) -> Request {
        let mut names = 0;
        let mut named = |draw: &mut Self| {
            names += 1;
            let attributes = vec![pair("n", text(&names.to_string())), pair("v", draw.value(0))];
            (attributes, draw.below(3) as u32)
        };
        let dictionary = Some(self.dictionary());
        let resource_profiles = (0..1 + self.below(2))
            .map(|_| {
                let (attributes, dropped_attributes_count) = named(self);
                let entity_refs = self.list(2, |_| EntityRef {
                    schema_url: "u".into(),
                    r#type: "service".into(),
                    id_keys: vec!["n".into()],
                    description_keys: vec![],
                });
                let scope_profiles = (0..1 + self.below(2))
                    .map(|_| {
                        let (attributes, dropped_attributes_count) = named(self);
                        let scope = InstrumentationScope {
                            name: format!("scope {}", self.below(9)),
                            version: ["", "1"][self.below(2) as usize].into(),
                            attributes,
                            dropped_attributes_count,
                        };
                        ScopeProfiles {
                            scope: Some(scope),
                            profiles: (1..2 + self.below(3)).map(|n| self.profile(n)).collect(),
                            schema_url: ["", "scope"][self.below(2) as usize].into(),
                        }
                    })
                    .collect();
                let resource = Some(Resource { attributes, dropped_attributes_count, entity_refs });
                ResourceProfiles { resource, scope_profiles, schema_url: "resource".into() }
            })
            .collect();
        Request { resource_profiles, dictionary }
    }
}
