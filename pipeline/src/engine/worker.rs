//! One exporter's way through the spool: gather, plan, push, retry, account.

use std::{
    ops::{ControlFlow, Range},
    sync::Arc,
    time::Duration,
};

use tokio::{
    sync::watch,
    time::{self, Instant},
};
use tokio_util::sync::CancellationToken;

use super::{
    Sink,
    backoff::Backoff,
    blocking,
    open::{self, Opener},
    stats::ExporterStats,
};
use crate::{
    component::{Batching, Export, ExportError, Stored, Taken},
    spool::{DropReason, Outcome, Reader, Record, Spool, SpoolError},
    trace::{Span, Trail},
};

/// How often outcomes are made durable where nothing else does it.
const SAVE_INTERVAL: Duration = Duration::from_secs(1);

/// How long after the start a shorter wait holds, so that a new user soon sees all profiles.
const YOUNG: Duration = Duration::from_secs(20);

/// What a push that is under way has when the pipeline stops: a backend that is silent must not eat
/// the grace period, in which the spool and the cursor have to come to their end as well.
const LAST_PUSH: Duration = Duration::from_secs(3);

/// The loop of one exporter.
pub struct Worker {
    sink: Sink,
    spool: Arc<Spool>,
    /// `None` only while a blocking call has it, and after the spool failed.
    reader: Option<Reader>,
    head: watch::Receiver<u64>,
    opener: Opener,
    stats: Arc<ExporterStats>,
    trail: Trail,
    saved: Instant,
    started: Instant,
    /// When the exporter wants to tidy up.
    tidy_at: Option<Instant>,
}

/// How a push ended.
enum Pushed {
    /// But for what it says.
    Delivered(Taken),
    DeadLettered(String),
    Expired,
    /// The pipeline stops: the records stay pending.
    Stopped,
}

impl Worker {
    /// A worker that reads where its exporter stopped.
    pub fn new(sink: Sink, spool: Arc<Spool>, stats: Arc<ExporterStats>, trail: Trail) -> Self {
        let head = spool.watch_head();
        let now = Instant::now();
        let (reader, opener) = (None, Opener::default());
        let (saved, started, tidy_at) = (now, now, Some(now));
        Self { sink, spool, reader, head, opener, stats, trail, saved, started, tidy_at }
    }

    /// Runs until `drained`, then pushes what there is once more and ends. Where the spool fails,
    /// which a full disk may do to it, it is opened again a moment later.
    pub async fn run(mut self, drained: CancellationToken) -> anyhow::Result<()> {
        loop {
            let Err(error) = self.run_until_failure(&drained).await else { return Ok(()) };
            tracing::error!(exporter = self.sink.id, error = format!("{error:#}"), "spool failed");
            if drained.run_until_cancelled(time::sleep(SAVE_INTERVAL)).await.is_none() {
                return Err(error);
            }
        }
    }

    async fn run_until_failure(&mut self, drained: &CancellationToken) -> anyhow::Result<()> {
        // A new reader gives again what the old one gave and was not accounted for.
        self.reader = None;
        self.reader = Some(self.spool.reader(&self.sink.id)?);
        loop {
            // Asked before the records are read, so that the last ones are not missed.
            let last = drained.is_cancelled();
            let flow = match self.gather(drained).await? {
                // Stopped in the middle: a dead backend must not eat the grace period.
                Some(gathered) => self.push(gathered, drained).await?,
                None if last => ControlFlow::Break(()),
                None => ControlFlow::Continue(()),
            };
            if flow.is_break() {
                break;
            }
        }
        self.with_reader(|reader| reader.save()).await
    }

    /// The records of the next push; `None` when there is none and the pipeline stops.
    async fn gather(&mut self, drained: &CancellationToken) -> anyhow::Result<Option<Gathered>> {
        let Batching { profiles_max, bytes_max, wait, first_wait } = self.sink.exporter.batching();
        let planned = self.with_reader(|reader| reader.planned()).await?;
        let mut records: Vec<Record> = Vec::new();
        let (mut bytes, mut deadline) = (0, None);
        loop {
            self.tidy_now_and_then();
            self.head.mark_unchanged();
            let room = (profiles_max - records.len(), (bytes_max.saturating_sub(bytes)) as u64);
            let unbounded = planned.is_some();
            let next = self.with_reader(move |reader| match unbounded {
                true => reader.next(usize::MAX, u64::MAX),
                false => reader.next(room.0, room.1),
            });
            let next = next.await?;
            let own = next.iter().filter(|record| record.part == 0);
            bytes += own.map(|record| record.payload.len()).sum::<usize>();
            records.extend(next);
            if let Some(range) = planned {
                // Where all of a plan was lost, what comes is already of the next push.
                let ours = records.iter().all(|record| range.contains(&record.seq));
                return Ok(if ours {
                    Some(Gathered { range, records })
                } else {
                    Gathered::new(records)
                });
            }
            let full = records.len() >= profiles_max || bytes >= bytes_max;
            if !records.is_empty() && deadline.is_none() {
                let young = self.started.elapsed() < YOUNG;
                let wait = if young { first_wait } else { wait };
                deadline = Some(Instant::now() + wait);
            }
            let due = deadline.is_some_and(|deadline| deadline <= Instant::now());
            if full || due || drained.is_cancelled() {
                return Ok(Gathered::new(records));
            }
            self.save_now_and_then().await?;
            tokio::select! {
                () = drained.cancelled() => {}
                _ = self.head.changed() => {}
                () = time::sleep_until(self.tidy_at.unwrap_or_else(far)) => {}
                () = time::sleep_until(deadline.unwrap_or_else(far)) => {}
            }
        }
    }

    /// Pushes records until they have an outcome, or until the pipeline stops: then they stay
    /// pending, and this reader must not go on.
    async fn push(
        &mut self,
        gathered: Gathered,
        drained: &CancellationToken,
    ) -> anyhow::Result<ControlFlow<()>> {
        let Gathered { range, records } = gathered;
        let planned = range.clone();
        let mut span = self.trail.export(&range);
        self.with_reader(move |reader| reader.plan(planned)).await?;
        let (profiles, records) = self.decode(records).await?;
        let export = Export { first: range.start, last: range.end - 1, profiles };
        let pushed = match export.profiles.is_empty() {
            // All of them are dead letters or were dropped.
            true => Pushed::Delivered(Taken::default()),
            false => self.attempts(&export, &records, drained).await?,
        };
        self.describe(&mut span, &export, &pushed);
        drop(span);
        let outcome = match pushed {
            Pushed::Delivered(taken) => {
                self.account(records, export, taken).await?;
                Outcome::Delivered
            }
            Pushed::DeadLettered(reason) => {
                self.stats.gave_up(samples(&export.profiles));
                self.dead_letter(records.into_iter().zip(export.profiles).collect(), reason)
                    .await?;
                Outcome::DeadLettered
            }
            Pushed::Expired => {
                self.stats.gave_up(samples(&export.profiles));
                Outcome::Dropped(DropReason::Expired)
            }
            Pushed::Stopped => return Ok(ControlFlow::Break(())),
        };
        self.with_reader(move |reader| reader.done(range, outcome)).await?;
        self.save_now_and_then().await?;
        Ok(ControlFlow::Continue(()))
    }

    fn describe(&self, span: &mut Span, export: &Export, pushed: &Pushed) {
        span.set("profpipe.exporter", || self.sink.id.clone());
        span.set("profpipe.profiles", || export.profiles.len() as i64);
        match pushed {
            Pushed::Delivered(_) => {}
            Pushed::DeadLettered(why) => span.fail(|| why.clone()),
            Pushed::Expired => span.fail(|| "expired".into()),
            Pushed::Stopped => span.fail(|| "the pipeline stopped".into()),
        }
    }

    /// Tries until the push succeeds, fails for good, or the pipeline stops.
    async fn attempts(
        &mut self,
        export: &Export,
        records: &[Record],
        drained: &CancellationToken,
    ) -> anyhow::Result<Pushed> {
        let retry = self.sink.settings.retry.clone();
        let mut backoff = Backoff::new(&retry);
        loop {
            // It may make the room that the push lacks.
            self.tidy_now_and_then();
            let attempt = self.sink.exporter.export(export);
            let limit = match self.sink.settings.timeout {
                Duration::ZERO => Duration::MAX,
                limit => limit,
            };
            let attempt = time::timeout(limit, attempt);
            let too_late = async {
                drained.cancelled().await;
                time::sleep(LAST_PUSH).await;
            };
            let result = tokio::select! {
                result = attempt => result,
                () = too_late => return Ok(Pushed::Stopped),
            };
            let (error, after) = match result {
                Ok(Ok(taken)) => return Ok(Pushed::Delivered(taken)),
                Ok(Err(ExportError::Permanent(error))) => {
                    let error = format!("{error:#}");
                    tracing::error!(
                        exporter = self.sink.id,
                        error,
                        "profiles were refused for good"
                    );
                    self.stats.failed(error.clone());
                    return Ok(Pushed::DeadLettered(error));
                }
                Ok(Err(ExportError::Retryable { source, after })) => (format!("{source:#}"), after),
                Err(_) => (format!("no answer within {:?}", self.sink.settings.timeout), None),
            };
            tracing::warn!(
                exporter = self.sink.id,
                error,
                "export failed, and will be tried again"
            );
            self.stats.failed(error);
            let newest = records.last().cloned();
            let expired = self.with_reader(move |reader| {
                Ok(newest.is_some_and(|newest| reader.is_expired(&newest)))
            });
            if expired.await? {
                return Ok(Pushed::Expired);
            }
            let Some(wait) = backoff.next(after) else {
                return Ok(Pushed::DeadLettered("retries exhausted".into()));
            };
            if drained.run_until_cancelled(time::sleep(wait)).await.is_none() {
                return Ok(Pushed::Stopped);
            }
        }
    }

    /// Accounts for what the other end did not take of a push that it took.
    async fn account(
        &mut self,
        records: Vec<Record>,
        export: Export,
        taken: Taken,
    ) -> anyhow::Result<()> {
        let Taken { rejected, reason, refused } = taken;
        let all = records.into_iter().zip(export.profiles).enumerate();
        let (letters, others): (Vec<_>, Vec<_>) =
            all.partition(|(place, _)| refused.places.contains(place));
        let others: Vec<_> = others.into_iter().map(|(_, other)| other).collect();
        let letters: Vec<_> = letters.into_iter().map(|(_, letter)| letter).collect();
        let rejected = rejected.min(others.len());
        let exporter = self.sink.id.clone();
        if rejected > 0 || !reason.is_empty() {
            tracing::warn!(exporter, rejected, reason, "the other end has something to say");
        }
        // Which ones were rejected is not said: the first ones stand for them.
        let (not, sent) = others.split_at(rejected);
        self.stats.succeeded(samples(sent.iter().map(|(_, stored)| stored)));
        self.stats.gave_up(samples(not.iter().map(|(_, stored)| stored)));
        self.outcome(not, Outcome::Dropped(DropReason::Rejected)).await?;
        if !letters.is_empty() {
            let (profiles, error) = (letters.len(), refused.reason);
            tracing::error!(exporter, profiles, error, "a part was refused for good");
            self.stats.failed(error.clone());
            self.stats.gave_up(samples(letters.iter().map(|(_, stored)| stored)));
            let letters = self.dead_letter(letters, error).await?;
            self.outcome(&letters, Outcome::DeadLettered).await?;
        }
        Ok(())
    }

    /// Gives some records of a push an outcome of their own.
    async fn outcome(
        &mut self,
        records: &[(Record, Stored)],
        outcome: Outcome,
    ) -> anyhow::Result<()> {
        let numbers: Vec<u64> = records.iter().map(|(record, _)| record.seq).collect();
        self.with_reader(move |reader| {
            numbers.into_iter().try_for_each(|number| reader.done(number..number + 1, outcome))
        })
        .await
    }

    /// Records to profiles. What is not whole becomes a dead letter of its own.
    async fn decode(&mut self, records: Vec<Record>) -> anyhow::Result<(Vec<Stored>, Vec<Record>)> {
        let mut opener = std::mem::take(&mut self.opener);
        let decoded = self.with_reader(move |reader| {
            let (mut profiles, mut whole) = (Vec::new(), Vec::new());
            let mut letter: Option<Record> = None;
            for record in records {
                match opener.profile(&record) {
                    Ok(profile) => {
                        let accepted_ms = record.appended_unix_ms as i64;
                        profiles.push(Stored { accepted_ms, profile: Arc::new(profile) });
                        whole.push(record);
                    }
                    Err(refused) => {
                        tracing::error!(seq = record.seq, %refused, "a record cannot be read");
                        // What records share is kept once.
                        if !letter.is_some_and(|letter| letter.shares(&record)) {
                            reader.dead_letter(&record.payload, refused.reason.as_str())?;
                        }
                        reader.done(record.seq..record.seq + 1, Outcome::DeadLettered)?;
                        letter = Some(record);
                    }
                }
            }
            Ok((opener, profiles, whole))
        });
        let (opener, profiles, whole) = decoded.await?;
        self.opener = opener;
        Ok((profiles, whole))
    }

    /// Keeps what was refused for good, each profile by itself, and gives it back.
    async fn dead_letter(
        &mut self,
        letters: Vec<(Record, Stored)>,
        reason: String,
    ) -> anyhow::Result<Vec<(Record, Stored)>> {
        self.with_reader(move |reader| {
            letters.iter().try_for_each(|(record, stored)| {
                reader.dead_letter(&open::alone(record, &stored.profile), &reason)
            })?;
            Ok(letters)
        })
        .await
    }

    async fn save_now_and_then(&mut self) -> anyhow::Result<()> {
        if self.saved.elapsed() >= SAVE_INTERVAL {
            self.saved = Instant::now();
            self.with_reader(|reader| reader.save()).await?;
        }
        Ok(())
    }

    fn tidy_now_and_then(&mut self) {
        if self.tidy_at.is_some_and(|at| at <= Instant::now()) {
            self.tidy_at = self.sink.exporter.tidy().map(|after| Instant::now() + after);
        }
    }

    /// Calls the reader, which blocks, on a thread for it.
    async fn with_reader<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut Reader) -> Result<T, SpoolError> + Send + 'static,
    ) -> anyhow::Result<T> {
        let mut reader = self.reader.take().expect("given back by every call before");
        let (reader, result) = blocking(move || {
            let result = work(&mut reader);
            (reader, result)
        })
        .await?;
        self.reader = Some(reader);
        Ok(result?)
    }
}

/// What one push carries: a range without gaps, and the records of it that could be read.
struct Gathered {
    range: Range<u64>,
    records: Vec<Record>,
}

impl Gathered {
    fn new(records: Vec<Record>) -> Option<Self> {
        let range = records.first()?.seq..records.last()?.seq + 1;
        Some(Self { range, records })
    }
}

fn samples<'s>(profiles: impl IntoIterator<Item = &'s Stored>) -> u64 {
    profiles.into_iter().map(|stored| stored.profile.len() as u64).sum()
}

fn far() -> Instant {
    Instant::now() + Duration::from_secs(3600)
}
