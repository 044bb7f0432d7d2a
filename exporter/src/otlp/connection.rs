//! How the other end is spoken to: TLS, questions whether it is still there. Names and
//! meanings are the Collector's.

use std::{path::PathBuf, time::Duration};

use pipeline::{quantity, secret::Secret};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `tls`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Tls {
    /// gRPC: speaks plain text, where the endpoint has no scheme.
    pub insecure: bool,
    /// Takes any certificate.
    pub insecure_skip_verify: bool,
    /// The name that is asked for and that the other end's certificate must have, in place of its
    /// host. No proxy of the environment is asked then.
    pub server_name_override: Option<String>,
    /// PEM certificates of the authorities that are trusted, in place of the system's.
    pub ca_file: Option<PathBuf>,
    /// The same as text.
    pub ca_pem: Option<String>,
    /// Whether those of the system are trusted as well.
    pub include_system_ca_certs_pool: bool,
    /// PEM certificate that is shown.
    pub cert_file: Option<PathBuf>,
    /// The same as text.
    pub cert_pem: Option<String>,
    /// PEM key of that certificate.
    pub key_file: Option<PathBuf>,
    /// The same as text.
    pub key_pem: Option<Secret>,
    /// `1.2` or `1.3`; what is lower is not spoken, and means 1.2.
    pub min_version: Option<String>,
    /// `1.2` or `1.3`.
    pub max_version: Option<String>,
    /// Accepted: files are read again each `reconnect_interval`.
    #[serde(with = "quantity::duration")]
    #[schemars(with = "quantity::DurationText")]
    pub reload_interval: Duration,
}

/// `keepalive`; without `time` nothing is asked.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Keepalive {
    /// Silence after which the other end is asked whether it is still there; zero never asks.
    #[serde(with = "quantity::duration")]
    #[schemars(with = "quantity::DurationText")]
    pub time: Duration,
    /// Time that it has to answer.
    #[serde(with = "quantity::duration")]
    #[schemars(with = "quantity::DurationText")]
    pub timeout: Duration,
    /// Whether it is asked while nothing is sent, too.
    pub permit_without_stream: bool,
}

impl Default for Keepalive {
    fn default() -> Self {
        let (time, timeout) = (Duration::ZERO, Duration::from_secs(20));
        Self { time, timeout, permit_without_stream: false }
    }
}

impl Keepalive {
    /// What cannot work, as pairs of a field and a message.
    pub(super) fn check(&self) -> Vec<(&'static str, &'static str)> {
        let asks = !self.time.is_zero();
        let mut wrong = Vec::new();
        if asks && self.time < Duration::from_secs(1) {
            wrong.push(("keepalive.time", "must be 1s or more, or 0 for never"));
        }
        if asks && self.timeout.is_zero() {
            wrong.push(("keepalive.timeout", "must be above 0"));
        }
        wrong
    }
}

impl Tls {
    /// What cannot work, as pairs of a field and a message.
    pub(super) fn check(&self) -> Vec<(&'static str, String)> {
        let mut wrong = Vec::new();
        let mut problem = |field, message: &str| wrong.push((field, message.to_owned()));
        for (field, both) in [
            ("tls.ca_pem", self.ca_pem.is_some() && self.ca_file.is_some()),
            ("tls.cert_pem", self.cert_pem.is_some() && self.cert_file.is_some()),
            ("tls.key_pem", self.key_pem.is_some() && self.key_file.is_some()),
        ] {
            if both {
                problem(field, "must not come together with the file");
            }
        }
        let has_cert = self.cert_file.is_some() || self.cert_pem.is_some();
        if has_cert != (self.key_file.is_some() || self.key_pem.is_some()) {
            problem("tls.key_file", "must come together with cert_file");
        }
        let (min, max) = (self.min_version.as_deref(), self.max_version.as_deref());
        if !matches!(min, None | Some("1.0" | "1.1" | "1.2" | "1.3")) {
            problem("tls.min_version", "must be 1.2 or 1.3");
        }
        if !matches!(max, None | Some("1.2" | "1.3")) {
            problem("tls.max_version", "must be 1.2 or 1.3");
        }
        if (min, max) == (Some("1.3"), Some("1.2")) {
            problem("tls.max_version", "must not be below min_version");
        }
        let name = self.server_name_override.as_deref().unwrap_or("localhost");
        if !is_host(name) {
            problem("tls.server_name_override", &format!("`{name}` is not the name of a host"));
        }
        wrong
    }
}

/// Whether it is the name of a host, and no address.
pub(super) fn is_host(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.');
    let is_address = name.parse::<std::net::IpAddr>().is_ok();
    !name.is_empty() && name.chars().all(plain) && !is_address
}
