//! What the fuzz targets share: limits, seeds, a spool on a modelled disk.
//!
//! A target writes its own seeds before it reads its corpus, so that they are always in the format
//! of the day and no binary file is kept for them. Memory is bounded by the allocator: libFuzzer's
//! `-malloc_limit_mb` needs a sanitizer, and we build without one, because all code here is safe.

pub mod bench;
pub mod seeds;

use std::alloc::System;

use cap::Cap;
use pipeline::{limits::Limits, profile::Profile};

/// Live bytes that a target may hold at any moment, the fuzzer's own aside.
const MEMORY_BYTES_MAX: usize = 128 << 20;

#[global_allocator]
static ALLOCATOR: Cap<System> = Cap::new(System, MEMORY_BYTES_MAX);

/// Limits that are small, so that inputs reach them.
pub fn limits() -> Limits {
    Limits {
        body_bytes_max: 64 << 10,
        inflated_bytes_max: 256 << 10,
        decoded_bytes_max: 1 << 20,
        samples_max: 1_000,
        locations_max: 1_000,
        functions_max: 500,
        mappings_max: 100,
        strings_max: 1_000,
        string_bytes_max: 1 << 10,
        frames_per_stack_max: 64,
        frames_max: 10_000,
        labels_per_sample_max: 10,
        labels_max: 2_000,
        sample_types_max: 8,
        profiles_max: 20,
    }
}

/// Fails unless the profile is within these limits, as far as they are of what it holds.
pub fn assert_within(profile: &Profile, limits: &Limits) {
    let most = |counts: &mut dyn Iterator<Item = usize>| counts.max().unwrap_or(0);
    let lines = |location: &u32| profile.lines().get(*location).len().max(1);
    let frames = |stack: &[u32]| stack.iter().map(lines).sum();
    for (what, count, max) in [
        ("sample types", profile.meta.sample_types.len(), limits.sample_types_max),
        ("samples", profile.len(), limits.samples_max),
        ("stacks", profile.stacks().len(), limits.samples_max),
        ("mappings", profile.mappings().len(), limits.mappings_max),
        ("functions", profile.functions().len(), limits.functions_max),
        ("locations", profile.locations().len(), limits.locations_max),
        ("strings", profile.strings().len(), limits.strings_max),
        ("comments", profile.meta.comments.len(), limits.strings_max),
        ("lines", profile.lines().items_len(), limits.frames_max),
        ("frames", profile.stacks().items_len(), limits.frames_max),
        ("labels", profile.label_sets().items_len(), limits.labels_max),
        // Which counts more than the builder does: mappings, and what an entry takes at most.
        ("bytes", profile.bytes(), limits.decoded_bytes_max * 2),
        (
            "bytes of a string",
            most(&mut profile.strings().iter().map(str::len)),
            limits.string_bytes_max,
        ),
        (
            "frames of a stack",
            most(&mut profile.stacks().iter().map(frames)),
            limits.frames_per_stack_max,
        ),
        (
            "labels of a sample",
            most(&mut profile.label_sets().iter().map(<[_]>::len)),
            limits.labels_per_sample_max,
        ),
    ] {
        assert!(count <= max, "{count} {what}, where {max} are the most");
    }
    assert_eq!(profile.samples().values.len(), profile.len() * profile.meta.sample_types.len());
}

/// The profile without the hash of the bytes that it was read from.
pub fn without_hash(mut profile: Profile) -> Profile {
    profile.meta.content_hash = 0;
    profile
}
