//! The scrapes of one target: a lane for windows and one for snapshots, so that a CPU window of
//! two minutes starves nobody, and in each lane one request at a time.

use std::sync::Arc;

use pipeline::{
    component::{Content, Outlet},
    limits::Limits,
    profile::{Attributes, Baseline, Delta, delta, keep_types},
    reason::{Reason, Refused},
    receipt::Outcome,
    trace::Span,
};
use tokio::{
    sync::{Semaphore, watch},
    time::{Duration, Instant, sleep_until},
};
use xxhash_rust::xxh3::xxh3_64;

use super::{
    failure::Failure,
    fetch::{Fetcher, Question},
    metrics::ScrapeMetrics,
    prepare::{Shot, prepare, resource},
    schedule::{Moment, Turn, Verdict},
    status::Report,
    target::ScrapeTarget,
};
use crate::{
    budget::{Budget, Share},
    decode::{Decoders, Place, QUICK_BODY_BYTES_MAX},
};

/// How soon a request fails on a connection that the target had closed, as idle ones are now and
/// then: where the scrape before was good, it is sent again.
const STALE: Duration = Duration::from_secs(1);

fn is_reset(fetched: &Result<Vec<u8>, Failure>) -> bool {
    fetched.as_ref().is_err_and(|failure| failure.refused.reason == Reason::ConnectionReset)
}

/// What the scrapes of all targets share.
pub(super) struct Shared {
    /// Asks targets.
    pub fetcher: Fetcher,
    /// What one answer may cost.
    pub limits: Limits,
    /// Memory for bodies and profiles.
    pub budget: Budget,
    /// Where profiles go.
    pub outlet: Outlet,
    /// Counts.
    pub metrics: ScrapeMetrics,
}

/// The right to ask a process for a window, and for a snapshot. Targets with one address share it,
/// because Go takes one CPU profile at a time.
pub(super) type Gates = [Semaphore; 2];

/// Gates that let one request of each sort through.
pub(super) fn gates() -> Gates {
    [Semaphore::new(1), Semaphore::new(1)]
}

/// Scrapes one target.
pub(super) struct Scraper {
    target: ScrapeTarget,
    resource: Attributes,
    gates: Arc<Gates>,
    report: Report,
    shared: Arc<Shared>,
    /// Counts signs that the process started anew.
    restarts: watch::Sender<u64>,
}

/// What an answer became, and whether its time and how many of its strings had to be put right.
struct Digest {
    delta: Delta,
    adjusted: bool,
    repaired: u64,
}

/// Why no profile came to rest.
enum Trouble {
    Failed(Failure),
    Closed,
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl Scraper {
    /// A scraper that has not started.
    pub(super) fn new(
        target: ScrapeTarget,
        gates: Arc<Gates>,
        report: Report,
        shared: Arc<Shared>,
    ) -> Self {
        let restarts = watch::Sender::new(0);
        Self { resource: resource(&target), target, gates, report, shared, restarts }
    }

    /// Scrapes until the pipeline is closed, or the future is dropped, which aborts what is under
    /// way. The first scrapes start within `spread`.
    pub(super) async fn run(self, spread: Duration) {
        let target = &self.target.target;
        let seed = xxh3_64(format!("{}\0{}", target.job, target.address).as_bytes());
        let now = Moment::now();
        let turns = self.target.profiles.iter().map(|p| Turn::new(p.clone(), seed, spread, now));
        let (windows, snapshots): (Vec<_>, Vec<_>) =
            turns.partition(|turn| turn.settings.seconds.is_some());
        tokio::join!(self.lane(windows), self.lane(snapshots));
    }

    /// Takes the turns by the time that they are due.
    async fn lane(&self, mut turns: Vec<Turn>) {
        let mut restarts = self.restarts.subscribe();
        turns.iter().for_each(|turn| self.plan(turn));
        while let Some(turn) = turns.iter_mut().min_by_key(|turn| turn.due) {
            let restarted = tokio::select! {
                () = sleep_until(turn.due) => false,
                Ok(()) = restarts.changed() => true,
            };
            if restarted {
                for turn in &mut turns {
                    turn.restarted(Instant::now());
                    self.plan(turn);
                }
                continue;
            }
            let gate = self.gates[usize::from(turn.settings.seconds.is_some())].acquire().await;
            let started = Moment::now();
            self.shared.metrics.started(started.at - turn.due);
            self.report.planned(&turn.settings.name, turn.settings.period());
            // On the heap, so that a target which waits for its next turn holds nothing of it.
            let verdict = Box::pin(self.attempt(turn, started)).await;
            drop(gate);
            if verdict == Verdict::Closed {
                return;
            }
            if verdict.may_be_restart() {
                self.restarts.send_modify(|signs| *signs += 1);
            }
            let skipped = turn.finish(verdict, started, Moment::now());
            self.shared.metrics.skipped(skipped);
            self.plan(turn);
        }
    }

    fn plan(&self, turn: &Turn) {
        let wait = turn.due.saturating_duration_since(Instant::now());
        self.report.planned(&turn.settings.name, wait);
    }

    /// One scrape, counted and reported.
    async fn attempt(&self, turn: &mut Turn, started: Moment) -> Verdict {
        let mut span = self.shared.outlet.tracing().root("scrape");
        let result = self.scrape(turn, started, &span).await;
        let settings = &turn.settings;
        span.set("profpipe.profile", || settings.name.clone());
        span.set("profpipe.target", || self.target.target.address.clone());
        span.set("profpipe.service", || self.resource.service().to_owned());
        if let Err(Trouble::Failed(failure)) = &result {
            span.fail(|| failure.refused.to_string());
        }
        drop(span);
        let took = started.at.elapsed();
        self.shared.metrics.ended(took);
        match result {
            Ok(()) => {
                self.shared.metrics.success();
                self.report.succeeded(&settings.name, took);
                Verdict::Good
            }
            Err(Trouble::Failed(failure)) => {
                let verdict = match failure.absent {
                    true => Verdict::Absent,
                    false => Verdict::Bad(failure.refused.reason, failure.retry_after),
                };
                self.shared.metrics.failure(failure.refused.reason);
                self.report.failed(&settings.name, failure, took);
                verdict
            }
            Err(Trouble::Closed) => Verdict::Closed,
        }
    }

    /// Fetches one profile and waits until it is durable. Only then the baseline moves, so that a
    /// delta that is not kept is part of the next one.
    async fn scrape(&self, turn: &mut Turn, started: Moment, span: &Span) -> Result<(), Trouble> {
        let (shared, settings) = (&self.shared, &turn.settings);
        let fail = |reason, detail: String| Failure::new(Refused::new(reason, detail));
        let url = settings.url(&self.target.target.address);
        let url = url.map_err(|message| fail(Reason::Protocol, message))?;
        let (window, timeout) = (settings.window(), settings.timeout);
        let question = Question { url: &url, http: &settings.http, window, timeout };
        let mut share = shared.budget.share();
        let mut fetched = shared.fetcher.fetch(&question, &mut share).await;
        if turn.was_good && started.at.elapsed() < STALE && is_reset(&fetched) {
            share = shared.budget.share();
            fetched = shared.fetcher.fetch(&question, &mut share).await;
        }
        let body = fetched?;
        shared.metrics.body(body.len());
        let shot = Shot {
            settings: settings.clone(),
            resource: self.resource.clone(),
            peer: url.to_string(),
            started_ns: i64::try_from(started.wall_ns).unwrap_or(i64::MAX),
        };
        let digest = self.digest(body, shot, turn.baseline.clone(), &mut share).await;
        let digest = digest.map_err(Failure::new)?;
        if digest.adjusted {
            shared.metrics.timestamp_adjusted();
        }
        shared.metrics.repaired(digest.repaired);
        if digest.delta.turned_back {
            shared.metrics.clock_back();
            let endpoint = &self.target.target.address;
            let message = "a clock was set back: what happened since the snapshot before is lost";
            tracing::warn!(endpoint, profile = settings.name, "{message}");
        }
        if digest.delta.restarted {
            shared.metrics.restarted();
            self.restarts.send_modify(|signs| *signs += 1);
            turn.baseline = None;
        }
        if !digest.delta.profiles.is_empty() {
            let sent = shared
                .outlet
                .send_of(Content::Profiles(digest.delta.profiles), span.context())
                .await;
            match sent.map_err(|_| Trouble::Closed)?.await {
                Ok(Outcome::Delivered) => {}
                Ok(Outcome::Rejected) => {
                    return Err(fail(Reason::PipelineFull, "refused by the pipeline".into()).into());
                }
                Ok(Outcome::Lost) | Err(_) => {
                    return Err(
                        fail(Reason::PipelineFull, "not kept by the pipeline".into()).into()
                    );
                }
            }
        }
        turn.baseline = digest.delta.baseline.map(Arc::new);
        Ok(())
    }

    /// Decodes and compares, at first within the limits of most profiles, so that large ones wait
    /// for each other and not the others for them.
    async fn digest(
        &self,
        body: Vec<u8>,
        shot: Shot,
        baseline: Option<Arc<Baseline>>,
        share: &mut Share,
    ) -> Result<Digest, Refused> {
        let limits = self.shared.limits;
        let is_small = body.len() <= QUICK_BODY_BYTES_MAX;
        let answer = (Arc::new(body), Arc::new(shot));
        if is_small {
            let place = share.place(&limits, true).await?;
            let may_be_large = place.limits != limits;
            let digested = digest(place, answer.clone(), baseline.clone(), share).await;
            match digested {
                Err(refused) if may_be_large && refused.reason == Reason::SizeLimit => {}
                digested => return digested,
            }
        }
        let place = share.place(&limits, false).await?;
        digest(place, answer, baseline, share).await
    }
}

/// Decodes and compares on a thread that may take its time. The place is free again when there is
/// room for the result, or when the thread has ended, if nobody waits for it any more.
async fn digest(
    place: Place,
    answer: (Arc<Vec<u8>>, Arc<Shot>),
    baseline: Option<Arc<Baseline>>,
    share: &mut Share,
) -> Result<Digest, Refused> {
    let (body, shot) = answer;
    let read = move |decoders: &mut Decoders, body: &Arc<Vec<u8>>, limits: &Limits| {
        let profile = decoders.pprof.decode(body, limits)?;
        let repaired = decoders.pprof.repaired();
        let keep = &shot.settings.keep_sample_types;
        let profile = if keep.is_empty() { profile } else { keep_types(&profile, keep, limits)? };
        let (profile, adjusted) = prepare(profile, &shot);
        let delta = delta(profile, baseline.as_deref(), limits)?;
        Ok(Digest { delta, adjusted, repaired })
    };
    let (place, digested) = place.decode(body, read).await?;
    let digest = digested?;
    share.decoded(digest.delta.profiles.iter().map(|profile| profile.bytes()).sum()).await;
    drop(place);
    Ok(digest)
}
