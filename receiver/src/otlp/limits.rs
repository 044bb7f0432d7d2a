//! `limits` of what is pushed. A sender need not compress, so a body may be as large as what comes
//! out of one.

use pipeline::{limits::Limits, quantity};
use serde::Deserialize;

/// The defaults.
pub(super) fn pushed() -> Limits {
    let limits = Limits::default();
    Limits { body_bytes_max: limits.inflated_bytes_max, ..limits }
}

/// The same fields, so that one that is left out has the default from above.
#[derive(Deserialize)]
#[serde(remote = "Limits", default = "pushed", deny_unknown_fields)]
pub(super) struct Pushed {
    #[serde(with = "quantity::size")]
    body_bytes_max: usize,
    #[serde(with = "quantity::size")]
    inflated_bytes_max: usize,
    #[serde(with = "quantity::size")]
    decoded_bytes_max: usize,
    samples_max: usize,
    locations_max: usize,
    functions_max: usize,
    mappings_max: usize,
    strings_max: usize,
    #[serde(with = "quantity::size")]
    string_bytes_max: usize,
    frames_per_stack_max: usize,
    frames_max: usize,
    labels_per_sample_max: usize,
    labels_max: usize,
    sample_types_max: usize,
    profiles_max: usize,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::Config;

    #[test]
    fn one_limit_leaves_the_others_as_they_are() {
        let config = json!({"limits": {"samples_max": 7, "string_bytes_max": "1KiB"}});
        let Config { limits, .. } = serde_json::from_value(config).unwrap();
        assert_eq!((limits.samples_max, limits.string_bytes_max), (7, 1024));
        assert_eq!(limits.body_bytes_max, Config::default().limits.body_bytes_max);
        assert_eq!(limits.body_bytes_max, 64 << 20);
        let wrong = serde_json::from_value::<Config>(json!({"limits": {"sample_max": 7}}));
        assert!(wrong.unwrap_err().to_string().contains("sample_max"));
    }
}
