//! How long connections live, with the Collector's names and meanings.

use std::time::Duration;

use pipeline::quantity;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `keepalive` of `protocols.grpc`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Keepalive {
    /// What the server does.
    pub server_parameters: ServerParameters,
    /// What clients may do.
    pub enforcement_policy: EnforcementPolicy,
}

/// `keepalive.server_parameters`; zero stands for never.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ServerParameters {
    /// Time after which a connection without requests ends.
    #[serde(with = "quantity::duration")]
    #[schemars(with = "quantity::DurationText")]
    pub max_connection_idle: Duration,
    /// Time after which a connection ends, so that clients spread again over all servers.
    #[serde(with = "quantity::duration")]
    #[schemars(with = "quantity::DurationText")]
    pub max_connection_age: Duration,
    /// Time that requests under way have then; zero lets them all end.
    #[serde(with = "quantity::duration")]
    #[schemars(with = "quantity::DurationText")]
    pub max_connection_age_grace: Duration,
    /// Silence after which the other end is asked whether it is still there.
    #[serde(with = "quantity::duration")]
    #[schemars(with = "quantity::DurationText")]
    pub time: Duration,
    /// Time that it has to answer.
    #[serde(with = "quantity::duration")]
    #[schemars(with = "quantity::DurationText")]
    pub timeout: Duration,
}

/// `keepalive.enforcement_policy`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct EnforcementPolicy {
    /// Accepted and without effect: any number of pings is answered.
    #[serde(with = "quantity::duration")]
    #[schemars(with = "quantity::DurationText")]
    pub min_time: Duration,
    /// Accepted and without effect.
    pub permit_without_stream: bool,
}

impl Default for ServerParameters {
    fn default() -> Self {
        Self {
            max_connection_idle: Duration::ZERO,
            max_connection_age: Duration::ZERO,
            max_connection_age_grace: Duration::ZERO,
            time: Duration::from_secs(60),
            timeout: Duration::from_secs(20),
        }
    }
}

impl Keepalive {
    /// What cannot work, as pairs of a field and a message.
    pub(crate) fn check(&self) -> Vec<(String, &'static str)> {
        let own = &self.server_parameters;
        let low = [
            ("max_connection_idle", own.max_connection_idle, Duration::from_millis(100)),
            ("max_connection_age", own.max_connection_age, Duration::from_millis(100)),
            ("time", own.time, Duration::from_secs(1)),
        ];
        let low = low.iter().filter(|(_, time, least)| !time.is_zero() && time < least);
        let low = low.map(|(field, _, least)| {
            let message = if least.as_secs() == 0 {
                "must be 100ms or more, or 0 for never"
            } else {
                "must be 1s or more, or 0 for never"
            };
            (format!("server_parameters.{field}"), message)
        });
        let silent = (!own.time.is_zero() && own.timeout.is_zero())
            .then(|| ("server_parameters.timeout".into(), "must be above 0"));
        low.chain(silent).collect()
    }
}

/// When connections of one port end by themselves.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Lifetime {
    /// After such a time without requests.
    pub idle: Option<Duration>,
    /// After such a time in any case.
    pub age: Option<Duration>,
    /// What requests under way have then.
    pub grace: Option<Duration>,
    /// Silence after which there is a question, and the time for its answer.
    pub ping: Option<(Duration, Duration)>,
}

impl Lifetime {
    /// What a config means.
    pub(crate) fn new(own: &ServerParameters) -> Self {
        let some = |time: Duration| (!time.is_zero()).then_some(time);
        Self {
            idle: some(own.max_connection_idle),
            age: some(own.max_connection_age),
            grace: some(own.max_connection_age_grace),
            ping: some(own.time).map(|time| (time, own.timeout)),
        }
    }

    /// That of HTTP.
    pub(crate) fn idle(idle: Duration) -> Self {
        let own = ServerParameters { max_connection_idle: idle, ..ServerParameters::default() };
        Self::new(&own)
    }
}
