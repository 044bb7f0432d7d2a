//! What both ends of a scrape need to know: discovery says what there is to scrape, the scrape says
//! how it went, and the pages show both.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

use schemars::JsonSchema;
use serde::Serialize;
use tokio::sync::watch;

use crate::{
    profile::Attributes,
    reason::{Reason, Refused},
};

/// One process to be scraped.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Target {
    /// The group it belongs to: the name of its monitor, or the id of its receiver.
    pub job: String,
    /// Scheme, host and port: `http://localhost:6060`, without a slash at the end.
    pub address: String,
    /// Resource attributes of every profile that it gives.
    pub attributes: Attributes,
}

/// All targets that there are at a moment. A new value replaces the old one, so churn coalesces.
pub type TargetSet = watch::Receiver<Arc<[Target]>>;

/// How a target is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    /// Not scraped yet.
    #[default]
    Unknown,
    /// Every type answered the last time.
    Up,
    /// Some types answered.
    Degraded,
    /// No type answered.
    Down,
}

/// What the pages, the API and `status` show of a target. Times are Unix seconds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct TargetStatus {
    /// The group it belongs to.
    pub job: String,
    /// The address that is scraped.
    pub endpoint: String,
    /// Resource attributes.
    pub labels: BTreeMap<String, String>,
    /// How it is doing.
    pub health: Health,
    /// Names of the profiles that are scraped, those that are switched off left out.
    pub types: Vec<String>,
    /// End of the last scrape; 0 before the first.
    pub last_scrape: f64,
    /// How long it took.
    pub last_duration_s: f64,
    /// Time from start to start of the most frequent type.
    pub interval_s: f64,
    /// Start of the next scrape, never before now; 0 where none is planned.
    pub next_scrape: f64,
    /// The types that failed the last time, each with why.
    pub errors: Vec<TypeError>,
    /// The last error, which may be over.
    #[serde(flatten)]
    pub last_error: Option<TargetError>,
    /// What a person could do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// Why a type of a target fails.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct TypeError {
    /// Name of the profile.
    #[serde(rename = "type")]
    pub name: String,
    /// The error for a person; `reason` is not said again.
    pub error: String,
    /// Its class.
    #[serde(serialize_with = "reason")]
    #[schemars(with = "String")]
    pub reason: Reason,
    /// The start of what the target answered, control characters taken out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// When it happened.
    pub at: f64,
    /// What a person could do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// An error of a target.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct TargetError {
    /// The error for a person, with the type that it concerns; `reason` is not said again.
    #[serde(rename = "last_error")]
    pub message: String,
    /// Its class.
    #[serde(rename = "last_error_reason", serialize_with = "reason")]
    #[schemars(with = "String")]
    pub reason: Reason,
    /// The start of what the target answered, control characters taken out.
    #[serde(rename = "last_error_body", skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// When it happened.
    #[serde(rename = "last_error_at")]
    pub at: f64,
}

fn reason<S: serde::Serializer>(reason: &Reason, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(reason.as_str())
}

/// Where scrape loops write how it went and pages read it.
#[derive(Clone, Debug, Default)]
pub struct TargetBoard(Arc<Mutex<BTreeMap<(String, String), TargetStatus>>>);

impl TargetBoard {
    /// Changes the status of a target, which is created if it is new.
    pub fn update(&self, target: &Target, change: impl FnOnce(&mut TargetStatus)) {
        let key = (target.job.clone(), target.address.clone());
        let mut board = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        change(board.entry(key).or_insert_with(|| TargetStatus {
            job: target.job.clone(),
            endpoint: target.address.clone(),
            labels: target.attributes.iter().map(|(k, v)| (k.into(), v.into())).collect(),
            ..TargetStatus::default()
        }));
    }

    /// Forgets a target that is gone.
    pub fn remove(&self, target: &Target) {
        let key = (target.job.clone(), target.address.clone());
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&key);
    }

    /// All targets, by job and address. A scrape that waits for its turn is due now.
    pub fn snapshot(&self) -> Vec<TargetStatus> {
        let board = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        let shown = board.values().cloned().map(|mut status| {
            if status.next_scrape > 0.0 {
                status.next_scrape = status.next_scrape.max(now);
            }
            status
        });
        shown.collect()
    }
}

impl TargetError {
    /// The error of a body that was refused.
    pub fn refused(profile: &str, refused: &Refused, at: f64) -> Self {
        let message = format!("{profile}: {}", refused.text());
        Self { message, reason: refused.reason, body: None, at }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn board_shows_what_was_written() {
        let board = TargetBoard::default();
        let target = Target {
            job: "demo".into(),
            address: "http://localhost:6060".into(),
            attributes: [("service.name", "demo")].into_iter().collect(),
        };
        let refused = Refused::new(Reason::NotPprof, "starts with <html>");
        board.update(&target, |status| status.health = Health::Up);
        board.update(&target, |status| {
            status.last_error = Some(TargetError::refused("heap", &refused, 1.5));
        });
        let json = serde_json::to_value(board.snapshot()).expect("plain data");
        assert_eq!(json[0]["health"], "up");
        assert_eq!(json[0]["labels"]["service.name"], "demo");
        assert_eq!(json[0]["last_error"], "heap: starts with <html>");
        assert_eq!(json[0]["last_error_reason"], "not_pprof");
        assert_eq!((&json[0]["hint"], &json[0]["last_error_body"]), (&().into(), &().into()));
        board.update(&target, |status| status.next_scrape = 1.0);
        assert!(board.snapshot()[0].next_scrape > 1e9, "what is late is due now");
        board.remove(&target);
        assert!(board.snapshot().is_empty());
    }
}
