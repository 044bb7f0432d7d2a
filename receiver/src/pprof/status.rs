//! How the scrapes of one target went, told to people: on the pages, and in few log lines.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use pipeline::{
    reason::Reason,
    target::{Health, TargetBoard, TargetError, TargetStatus, TypeError},
};
use tokio::time::Instant;

use super::{failure::Failure, target::ScrapeTarget};

/// The time between two log lines about one reason of one target.
const LOG_EVERY: Duration = Duration::from_secs(600);

/// The status of one target; its lanes share it.
pub(super) struct Report {
    target: ScrapeTarget,
    board: TargetBoard,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    types: BTreeMap<String, TypeState>,
    logs: BTreeMap<Reason, Logged>,
}

#[derive(Default)]
struct TypeState {
    /// How the last scrape ended; `None` before the first.
    good: Option<bool>,
    /// Switched off: the target has no such profile.
    off: bool,
    /// Why the last scrape failed, if it did.
    error: Option<TypeError>,
    next: f64,
}

struct Logged {
    at: Instant,
    silent: u64,
}

impl Report {
    /// Puts the target on the board.
    pub(super) fn new(target: ScrapeTarget, board: TargetBoard) -> Self {
        let names = target.profiles.iter().map(|p| (p.name.clone(), TypeState::default()));
        let state = State { types: names.collect(), logs: BTreeMap::new() };
        let periods = target.profiles.iter().map(|p| p.period());
        let interval_s = periods.min().unwrap_or_default().as_secs_f64();
        let report = Self { target, board, state: Mutex::new(state) };
        report.show(&report.state(), |status| status.interval_s = interval_s);
        report
    }

    /// A scrape of the profile `name` that took this long gave what is durable now.
    pub(super) fn succeeded(&self, name: &str, took: Duration) {
        let mut state = self.state();
        if let Some(of_type) = state.types.get_mut(name) {
            *of_type = TypeState { good: Some(true), next: of_type.next, ..TypeState::default() };
        }
        if state.types.values().all(|t| t.off || t.good != Some(false)) {
            let off = state.types.values().any(|t| t.off);
            let before = state.logs.len();
            state.logs.retain(|reason, _| off && *reason == Reason::NotFound);
            if state.logs.len() < before {
                let target = &self.target.target;
                tracing::info!(job = target.job, endpoint = target.address, "target recovered");
            }
        }
        self.show(&state, |status| {
            status.last_scrape = unix_seconds();
            status.last_duration_s = took.as_secs_f64();
        });
    }

    /// A scrape of the profile `name` that took this long failed.
    pub(super) fn failed(&self, name: &str, failure: Failure, took: Duration) {
        let mut state = self.state();
        // That the pipeline is full says nothing about the target.
        let is_ours = failure.refused.reason == Reason::PipelineFull;
        let now = unix_seconds();
        if let Some(of_type) = state.types.get_mut(name).filter(|_| !is_ours) {
            of_type.good = Some(false);
            of_type.off = failure.refused.reason == Reason::NotFound;
            of_type.error = Some(TypeError {
                name: name.to_owned(),
                error: failure.refused.text(),
                reason: failure.refused.reason,
                body: failure.body.clone(),
                at: now,
                hint: failure.hint.map(String::from),
            });
        }
        self.log(&mut state, name, &failure);
        self.show(&state, |status| {
            let error = TargetError::refused(name, &failure.refused, now);
            status.last_error = Some(TargetError { body: failure.body, ..error });
            status.last_scrape = now;
            status.last_duration_s = took.as_secs_f64();
        });
    }

    /// The next scrape of the profile `name` starts after this time.
    pub(super) fn planned(&self, name: &str, wait: Duration) {
        let mut state = self.state();
        if let Some(of_type) = state.types.get_mut(name) {
            of_type.next = unix_seconds() + wait.as_secs_f64();
        }
        self.show(&state, |_| {});
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes what follows from the state, and what `change` adds, on the board.
    fn show(&self, state: &State, change: impl FnOnce(&mut TargetStatus)) {
        // What is off is only asked for now and then.
        let all_off = state.types.values().all(|t| t.off);
        let next = state.types.values().filter(|t| all_off || !t.off).map(|t| t.next);
        let next = next.min_by(f64::total_cmp);
        self.board.update(&self.target.target, |status| {
            change(status);
            status.health = state.health();
            let on = state.types.iter().filter(|(_, t)| !t.off);
            status.types = on.map(|(name, _)| name.clone()).collect();
            status.next_scrape = next.unwrap_or(0.0);
            status.errors = state.types.values().filter_map(|t| t.error.clone()).collect();
            status.hint = status.errors.iter().find_map(|error| error.hint.clone());
        });
    }

    /// The first failure of a reason gets a line, and then one each ten minutes.
    fn log(&self, state: &mut State, name: &str, failure: &Failure) {
        let now = Instant::now();
        let silent = match state.logs.get_mut(&failure.refused.reason) {
            Some(logged) if now - logged.at < LOG_EVERY => {
                logged.silent += 1;
                return;
            }
            Some(logged) => logged.silent,
            None => 0,
        };
        state.logs.insert(failure.refused.reason, Logged { at: now, silent: 0 });
        let target = &self.target.target;
        tracing::warn!(
            job = target.job,
            endpoint = target.address,
            profile = name,
            reason = failure.refused.reason.as_str(),
            silent,
            hint = failure.hint,
            "scrape failed: {}",
            failure.refused.text()
        );
    }
}

impl State {
    fn health(&self) -> Health {
        let on = || self.types.values().filter(|t| !t.off).filter_map(|t| t.good);
        match (on().any(|good| good), on().any(|good| !good)) {
            (true, false) => Health::Up,
            (true, true) => Health::Degraded,
            (false, true) => Health::Down,
            (false, false) if self.types.values().any(|t| t.off) => Health::Down,
            (false, false) => Health::Unknown,
        }
    }
}

fn unix_seconds() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

#[cfg(test)]
mod tests {
    use pipeline::{reason::Refused, target::Target};

    use super::*;
    use crate::pprof::target::ProfileSettings;

    #[test]
    fn health_follows_the_types() {
        let target = Target {
            job: "demo".into(),
            address: "http://localhost:1".into(),
            attributes: Default::default(),
        };
        let keys = ["cpu", "heap"].map(|key| ProfileSettings::monitor(key, Some(30), None));
        let board = TargetBoard::default();
        let report =
            Report::new(ScrapeTarget::new(target, keys.map(Result::unwrap)), board.clone());
        let fail = |name, reason| {
            let hint = (reason == Reason::NotFound).then_some("import it");
            let failure = Failure { hint, ..Failure::new(Refused::new(reason, "why")) };
            report.failed(name, failure, Duration::ZERO);
        };
        let shown = || board.snapshot().pop().unwrap();
        assert_eq!((shown().health, shown().interval_s), (Health::Unknown, 30.0));
        fail("cpu", Reason::Timeout);
        assert_eq!(shown().health, Health::Down);
        report.succeeded("heap", Duration::from_millis(1500));
        assert_eq!((shown().health, shown().last_duration_s), (Health::Degraded, 1.5));
        assert_eq!(shown().last_error.unwrap().message, "cpu: why");
        let errors = || shown().errors.into_iter().map(|e| (e.name, e.reason)).collect::<Vec<_>>();
        fail("heap", Reason::NotPprof);
        let both = [("cpu".to_owned(), Reason::Timeout), ("heap".to_owned(), Reason::NotPprof)];
        assert_eq!(errors(), both, "one does not hide the other");
        report.succeeded("heap", Duration::from_millis(1500));
        assert_eq!(errors(), both[..1]);
        fail("heap", Reason::PipelineFull);
        assert_eq!(shown().last_error.unwrap().reason, Reason::PipelineFull);
        assert_eq!(shown().health, Health::Degraded);
        fail("cpu", Reason::NotFound);
        assert_eq!((shown().health, shown().types), (Health::Up, vec!["heap".to_owned()]));
        assert_eq!(shown().hint.as_deref(), Some("import it"));
        fail("heap", Reason::NotFound);
        assert_eq!(shown().health, Health::Down);
        report.succeeded("cpu", Duration::ZERO);
        report.succeeded("heap", Duration::ZERO);
        assert_eq!((shown().health, shown().hint), (Health::Up, None));
        report.planned("heap", Duration::from_secs(30));
        assert_eq!(shown().next_scrape, 0.0, "cpu is not planned yet");
        report.planned("cpu", Duration::from_secs(60));
        assert!((shown().next_scrape - unix_seconds() - 30.0).abs() < 5.0);
    }

    #[test]
    fn one_line_a_reason_and_ten_minutes() {
        let mut state = State::default();
        let target =
            Target { job: String::new(), address: String::new(), attributes: Default::default() };
        let report = Report::new(ScrapeTarget::new(target, []), TargetBoard::default());
        let failure = |reason| Failure::new(Refused::new(reason, ""));
        for _ in 0..5 {
            report.log(&mut state, "heap", &failure(Reason::Timeout));
        }
        report.log(&mut state, "cpu", &failure(Reason::Dns));
        let silent: Vec<_> = state.logs.values().map(|logged| logged.silent).collect();
        assert_eq!(silent, [0, 4], "dns, timeout");
    }
}
