//! What one profile may cost. Counts are checked while parsing, before memory is taken, because
//! 64 MiB of empty messages fit into 63 KiB of gzip.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Limits on one profile; every field can be set in the config of a receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Bytes of a body as it comes over the wire.
    pub body_bytes_max: usize,
    /// Bytes after inflation.
    pub inflated_bytes_max: usize,
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
    pub string_bytes_max: usize,
    /// Frames of a stack, inlined ones included.
    pub frames_per_stack_max: usize,
    /// Location references of all samples together.
    pub frames_max: usize,
    /// Labels of a sample.
    pub labels_per_sample_max: usize,
    /// Sample types of a profile.
    pub sample_types_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes_max: 16 << 20,
            inflated_bytes_max: 64 << 20,
            samples_max: 500_000,
            locations_max: 500_000,
            functions_max: 250_000,
            mappings_max: 65_536,
            strings_max: 1_000_000,
            string_bytes_max: 64 << 10,
            frames_per_stack_max: 4_096,
            frames_max: 16 << 20,
            labels_per_sample_max: 100,
            sample_types_max: 64,
        }
    }
}
