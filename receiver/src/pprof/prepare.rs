//! What a body becomes on its way from the target to the pipeline: a profile with a name, a time
//! that can be believed, and the target's attributes.

use pipeline::profile::{Attributes, Origin, Profile, Temporality, kind};
use xxhash_rust::xxh3::xxh3_128;

use super::target::{ProfileSettings, ScrapeTarget, host_port};

/// How far the clock of a target may be off before the time of the scrape takes its place.
const CLOCK_OFF_MAX_NS: u64 = 600_000_000_000;

/// The longest time that a snapshot may say it covers.
const DAY_NS: i64 = 86_400_000_000_000;

/// One answer of a target, as far as the profile does not know it.
pub(super) struct Shot {
    /// What was asked for.
    pub settings: ProfileSettings,
    /// Attributes of the target.
    pub resource: Attributes,
    /// URL that was asked.
    pub peer: String,
    /// Start of the scrape, nanoseconds since 1970.
    pub started_ns: i64,
}

/// The attributes of a target's profiles: its own, and `service.instance.id` if it has none.
pub(super) fn resource(target: &ScrapeTarget) -> Attributes {
    let own = &target.target.attributes;
    let instance = host_port(&target.target.address);
    // Of equal keys the last one stays, which is the target's own.
    [("service.instance.id", instance.as_str())].into_iter().chain(own.iter()).collect()
}

/// The profile that one answer gives, and whether its time had to be put right.
pub(super) fn prepare(mut profile: Profile, shot: &Shot) -> (Profile, bool) {
    let meta = &mut profile.meta;
    meta.name.clone_from(&shot.settings.name);
    meta.resource = shot.resource.clone();
    meta.origin = Origin { receiver: "pprof".into(), peer: shot.peer.clone() };
    let off = meta.time_ns.abs_diff(shot.started_ns) > CLOCK_OFF_MAX_NS;
    let adjusted = off && meta.time_ns != 0;
    if off {
        meta.time_ns = shot.started_ns;
        // Answers without a time of their own may be equal, and are still not the same profile.
        let identity = [meta.content_hash.to_le_bytes(), i128::from(meta.time_ns).to_le_bytes()];
        meta.content_hash = xxh3_128(identity.as_flattened());
    }
    let window_ns = i64::from(shot.settings.seconds.unwrap_or(0)) * 1_000_000_000;
    let longest_ns = if window_ns > 0 { window_ns * 2 } else { DAY_NS };
    if !(1..=longest_ns).contains(&meta.duration_ns) {
        meta.duration_ns = window_ns;
    }
    set_temporalities(&mut profile);
    (profile, adjusted)
}

/// Sets what the values mean, now that the length of the window is known. What a program counts
/// under a name of its own and gives as a snapshot is a gauge.
fn set_temporalities(profile: &mut Profile) {
    let duration_ns = profile.meta.duration_ns;
    let mut types = std::mem::take(&mut profile.meta.sample_types);
    for sample_type in &mut types {
        let temporality = kind::temporality(profile.text(sample_type.kind), duration_ns);
        let is_snapshot = duration_ns == 0 && temporality == Temporality::Delta;
        sample_type.temporality = if is_snapshot { Temporality::Instant } else { temporality };
    }
    profile.meta.sample_types = types;
}

#[cfg(test)]
mod tests {
    use pipeline::{
        limits::Limits,
        profile::{Builder, Meta, SampleType},
        target::Target,
    };

    use super::*;

    const NOW_NS: i64 = 1_800_000_000_000_000_000;
    const S: i64 = 1_000_000_000;

    fn profile(sample_type: &str, time_ns: i64, duration_ns: i64) -> Profile {
        let mut builder = Builder::new(&Limits::default());
        let kind = builder.string(sample_type).unwrap();
        let sample_types = vec![SampleType { kind, unit: 0, temporality: Temporality::Delta }];
        let meta = Meta { time_ns, duration_ns, sample_types, ..Meta::default() };
        builder.finish(meta).unwrap()
    }

    fn prepared(profile: Profile, seconds: Option<u32>) -> (Profile, bool) {
        let settings =
            ProfileSettings { name: "heap".into(), seconds, ..ProfileSettings::default() };
        let resource = Attributes::default();
        let peer = "http://localhost:1/".to_owned();
        let shot = Shot { settings, resource, peer, started_ns: NOW_NS };
        prepare(profile, &shot)
    }

    #[test]
    fn times_are_believed_within_ten_minutes() {
        for (time_ns, want, adjusted) in [
            (NOW_NS - 599 * S, NOW_NS - 599 * S, false),
            (NOW_NS - 601 * S, NOW_NS, true),
            (NOW_NS + 601 * S, NOW_NS, true),
            (0, NOW_NS, false),
            (i64::MIN, NOW_NS, true),
            (i64::MAX, NOW_NS, true),
        ] {
            let before = profile("cpu", time_ns, 0);
            let hash = before.meta.content_hash;
            let (after, was_adjusted) = prepared(before, None);
            assert_eq!((after.meta.time_ns, was_adjusted), (want, adjusted), "{time_ns}");
            assert_eq!(after.meta.content_hash == hash, want == time_ns, "{time_ns}");
        }
    }

    #[test]
    fn windows_have_a_length_and_types_a_meaning() {
        use Temporality::{Cumulative, Delta, Instant};
        for (sample_type, duration_ns, seconds, want_ns, want) in [
            ("cpu", 0, Some(10), 10 * S, Delta),
            ("cpu", 9 * S, Some(10), 9 * S, Delta),
            ("cpu", i64::MAX, Some(10), 10 * S, Delta),
            ("alloc_space", 0, None, 0, Cumulative),
            ("alloc_space", 5 * S, None, 5 * S, Delta),
            ("alloc_space", i64::MAX, None, 0, Cumulative),
            ("inuse_space", -5, None, 0, Instant),
            ("widgets", 0, None, 0, Instant),
            ("widgets", 0, Some(3), 3 * S, Delta),
        ] {
            let (after, _) = prepared(profile(sample_type, NOW_NS, duration_ns), seconds);
            let got = (after.meta.duration_ns, after.meta.sample_types[0].temporality);
            assert_eq!(got, (want_ns, want), "{sample_type} {duration_ns} {seconds:?}");
        }
    }

    #[test]
    fn instance_is_the_address_unless_the_target_says_another() {
        let instance = |own: &[(&str, &str)], address: &str| {
            let attributes = own.iter().copied().collect();
            let target = Target { job: "j".into(), address: address.into(), attributes };
            let resource = resource(&ScrapeTarget::new(target, []));
            resource.get("service.instance.id").unwrap().to_owned()
        };
        assert_eq!(instance(&[], "http://10.0.0.1:6060"), "10.0.0.1:6060");
        assert_eq!(instance(&[], "https://[::1]"), "[::1]:443");
        assert_eq!(instance(&[("service.instance.id", "a")], "http://h:1"), "a");
    }
}
