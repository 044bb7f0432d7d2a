//! What one profile may cost. Counts are checked while parsing, before memory is taken, because
//! 64 MiB of empty messages fit into 63 KiB of gzip.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::quantity;

/// No limit, and far from what a sum or a multiple of it would not fit into.
const ANY: usize = usize::MAX >> 16;

/// Limits on one profile; every field can be set in the config of a receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Bytes of a body as it comes over the wire.
    #[serde(with = "quantity::size")]
    #[schemars(with = "quantity::BytesText")]
    pub body_bytes_max: usize,
    /// Bytes after inflation.
    #[serde(with = "quantity::size")]
    #[schemars(with = "quantity::BytesText")]
    pub inflated_bytes_max: usize,
    /// Bytes of memory that its samples, stacks and tables take once they are read: many small
    /// messages may say more than their own size.
    #[serde(with = "quantity::size")]
    #[schemars(with = "quantity::BytesText")]
    pub decoded_bytes_max: usize,
    /// Samples of a profile.
    pub samples_max: usize,
    /// Locations of a profile.
    pub locations_max: usize,
    /// Functions of a profile.
    pub functions_max: usize,
    /// Mappings of a profile.
    pub mappings_max: usize,
    /// Strings of a profile.
    pub strings_max: usize,
    /// Bytes of a string that are kept; of a longer one the tail stays.
    #[serde(with = "quantity::size")]
    #[schemars(with = "quantity::BytesText")]
    pub string_bytes_max: usize,
    /// Frames of a stack, inlined ones included.
    pub frames_per_stack_max: usize,
    /// Location references of all samples together.
    pub frames_max: usize,
    /// Labels of a sample.
    pub labels_per_sample_max: usize,
    /// Labels of all samples together.
    pub labels_max: usize,
    /// Sample types of a profile.
    pub sample_types_max: usize,
    /// Profiles of one request.
    pub profiles_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes_max: 16 << 20,
            inflated_bytes_max: 64 << 20,
            decoded_bytes_max: 32 << 20,
            samples_max: 500_000,
            locations_max: 500_000,
            functions_max: 250_000,
            mappings_max: 65_536,
            strings_max: 1_000_000,
            string_bytes_max: 64 << 10,
            frames_per_stack_max: 4_096,
            frames_max: 16 << 20,
            labels_per_sample_max: 100,
            labels_max: 16 << 20,
            sample_types_max: 64,
            profiles_max: 10_000,
        }
    }
}

impl Limits {
    /// For reading what was accepted: it kept to the limits of then, and those of a config that
    /// changed since must not lose it.
    pub const ACCEPTED: Self = Self {
        body_bytes_max: ANY,
        inflated_bytes_max: ANY,
        decoded_bytes_max: ANY,
        samples_max: ANY,
        locations_max: ANY,
        functions_max: ANY,
        mappings_max: ANY,
        strings_max: ANY,
        string_bytes_max: ANY,
        frames_per_stack_max: ANY,
        frames_max: ANY,
        labels_per_sample_max: ANY,
        labels_max: ANY,
        sample_types_max: ANY,
        profiles_max: ANY,
    };

    /// What either of two limits lets through.
    #[must_use]
    pub fn or(&self, other: &Self) -> Self {
        Self {
            body_bytes_max: self.body_bytes_max.max(other.body_bytes_max),
            inflated_bytes_max: self.inflated_bytes_max.max(other.inflated_bytes_max),
            decoded_bytes_max: self.decoded_bytes_max.max(other.decoded_bytes_max),
            samples_max: self.samples_max.max(other.samples_max),
            locations_max: self.locations_max.max(other.locations_max),
            functions_max: self.functions_max.max(other.functions_max),
            mappings_max: self.mappings_max.max(other.mappings_max),
            strings_max: self.strings_max.max(other.strings_max),
            string_bytes_max: self.string_bytes_max.max(other.string_bytes_max),
            frames_per_stack_max: self.frames_per_stack_max.max(other.frames_per_stack_max),
            frames_max: self.frames_max.max(other.frames_max),
            labels_per_sample_max: self.labels_per_sample_max.max(other.labels_per_sample_max),
            labels_max: self.labels_max.max(other.labels_max),
            sample_types_max: self.sample_types_max.max(other.sample_types_max),
            profiles_max: self.profiles_max.max(other.profiles_max),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn sizes_are_written_as_people_write_them() {
        let read = |value| serde_json::from_value::<Limits>(value);
        let limits = read(json!({"body_bytes_max": "1MiB", "inflated_bytes_max": 4096})).unwrap();
        assert_eq!((limits.body_bytes_max, limits.inflated_bytes_max), (1 << 20, 4096));
        assert_eq!(limits.samples_max, Limits::default().samples_max);
        assert!(read(json!({"body_bytes_max": "1 parsec"})).is_err());
    }
}
