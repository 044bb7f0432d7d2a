//! Whether the config that runs is the one in the files: a reload that fails keeps the old one and
//! says so here, for metrics, the API and the pages.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

use schemars::JsonSchema;
use serde::Serialize;

/// How the config is doing. Times are Unix seconds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct ConfigStatus {
    /// When the config that runs was loaded.
    pub loaded_at: f64,
    /// Whether the last load was taken over; if not, an older config runs.
    pub ok: bool,
    /// Reloads that were taken over since the start.
    pub reloads: u64,
    /// Reloads that were not.
    pub failed_reloads: u64,
    /// Why the last reload was not taken over, a problem a line; none after one that was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// When that was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failed_at: Option<f64>,
}

/// Where the loader writes and pages read. Cloning gives the same one.
#[derive(Clone, Debug, Default)]
pub struct ConfigState(Arc<Mutex<ConfigStatus>>);

impl ConfigState {
    /// The status at this moment.
    pub fn snapshot(&self) -> ConfigStatus {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The first config runs.
    pub fn started(&self) {
        self.change(|status| (status.ok, status.loaded_at) = (true, now()));
    }

    /// Another config runs.
    pub fn reloaded(&self) {
        self.change(|status| {
            let reloads = status.reloads + 1;
            let failed_reloads = status.failed_reloads;
            let fresh = ConfigStatus { ok: true, loaded_at: now(), ..ConfigStatus::default() };
            *status = ConfigStatus { reloads, failed_reloads, ..fresh };
        });
    }

    /// The old config goes on, because of this.
    pub fn failed(&self, error: String) {
        self.change(|status| {
            status.ok = false;
            status.failed_reloads += 1;
            status.error = Some(error);
            status.failed_at = Some(now());
        });
    }

    fn change(&self, change: impl FnOnce(&mut ConfigStatus)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_told_until_a_config_is_taken_over() {
        let state = ConfigState::default();
        state.started();
        let first = state.snapshot();
        assert!(first.ok && first.loaded_at > 1e9);
        state.failed("f:1:1: no".into());
        let failed = state.snapshot();
        assert_eq!((failed.ok, failed.error.as_deref()), (false, Some("f:1:1: no")));
        assert_eq!(failed.loaded_at, first.loaded_at, "the old one runs");
        state.reloaded();
        let done = state.snapshot();
        assert_eq!((done.ok, done.reloads, done.failed_reloads), (true, 1, 1));
        assert_eq!((done.error, done.failed_at), (None, None));
    }
}
