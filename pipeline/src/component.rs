//! What a component is: a receiver owns its loop, a processor is a function, an exporter is one
//! push. Queue, batching, retry, timeout and counting live once, in the engine.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use async_trait::async_trait;
use opentelemetry::trace::SpanContext;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::{
    codec::otlp::Kept,
    profile::Profile,
    reason::Refused,
    receipt::{Receipt, Settled},
    trace::Tracing,
};

/// Profiles on their way from a receiver to the spool.
#[derive(Debug)]
pub struct Batch {
    /// What came.
    pub content: Content,
    /// Settles when they are durable, or are not to be.
    pub receipt: Receipt,
    /// Where what became of them is counted.
    pub source: Arc<Source>,
    /// The span that brought them, where it is sampled.
    pub trace: Option<SpanContext>,
}

/// What a receiver gives.
#[derive(Debug)]
pub enum Content {
    /// Profiles, not shared yet.
    Profiles(Vec<Profile>),
    /// A request whose profiles are known to be good, but are not made yet.
    Request(Kept),
}

impl Content {
    /// Bytes of memory that it takes, about.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Profiles(profiles) => profiles.iter().map(Profile::bytes).sum(),
            Self::Request(request) => request.bytes(),
        }
    }

    /// Samples of all profiles, each with all of its types.
    pub fn samples(&self) -> u64 {
        match self {
            Self::Profiles(profiles) => profiles.iter().map(|profile| profile.len() as u64).sum(),
            Self::Request(request) => request.weight.samples,
        }
    }

    /// Its profiles.
    ///
    /// # Errors
    /// Where a request was changed since it was found good.
    pub fn profiles(self) -> Result<Vec<Profile>, Refused> {
        match self {
            Self::Profiles(profiles) => Ok(profiles),
            Self::Request(request) => request.open(),
        }
    }
}

/// What one receiver gave since the start, in samples.
#[derive(Debug, Default)]
pub struct Source {
    accepted: AtomicU64,
    refused: AtomicU64,
}

impl Source {
    /// Samples that were made durable, and those that were not taken.
    pub fn samples(&self) -> (u64, u64) {
        (self.accepted.load(Relaxed), self.refused.load(Relaxed))
    }

    pub(crate) fn count(&self, accepted: bool, samples: u64) {
        let counter = if accepted { &self.accepted } else { &self.refused };
        counter.fetch_add(samples, Relaxed);
    }
}

/// Brings profiles in.
#[async_trait]
pub trait Receiver: Send {
    /// Runs until `stop` is cancelled, and then comes to an end within a second. An error ends the
    /// whole pipeline, so what concerns one target or sender is handled inside.
    async fn run(self: Box<Self>, outlet: Outlet, stop: CancellationToken) -> anyhow::Result<()>;
}

/// Changes profiles on their way to the spool, or drops them. Runs on a thread where it may take
/// its time.
pub trait Processor: Send {
    /// Works on the profiles of a batch. What it takes out of the list is dropped for good, and
    /// counted by the engine; it adds none.
    fn process(&mut self, profiles: &mut Vec<Profile>);
}

/// Takes profiles out.
#[async_trait]
pub trait Exporter: Send {
    /// One push; when it returns, the profiles are durable at the other end, but for those that it
    /// rejected or refused. After a crash the same range comes again with the same profiles, so
    /// a sink that names what it stores after the range stores it once.
    async fn export(&mut self, export: &Export) -> Result<Taken, ExportError>;

    /// Work that no push waits for, such as removing what is too old: done at the start and again
    /// after the time that it gives, though nothing comes or a push fails. It must not block.
    fn tidy(&mut self) -> Option<Duration> {
        None
    }

    /// How much is to be gathered for one push.
    fn batching(&self) -> Batching {
        Batching::default()
    }
}

/// What the other end made of a push that it took; by default it took all of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// Profiles that it will never take; which ones is not known.
    pub rejected: usize,
    /// What it says of the push.
    pub reason: String,
    /// Profiles that were refused for good, which become dead letters.
    pub refused: Refusals,
}

/// Profiles of a push that were refused for good while others were taken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refusals {
    /// Their places in the push, in order.
    pub places: BTreeSet<usize>,
    /// Why, as the first refusal has it.
    pub reason: String,
}

/// What one push carries: all records `first..=last` of the spool that could be read.
#[derive(Debug)]
pub struct Export {
    /// Sequence number of the first record.
    pub first: u64,
    /// Sequence number of the last record.
    pub last: u64,
    /// The profiles in order of their sequence numbers.
    pub profiles: Vec<Stored>,
}

/// A profile out of the spool.
#[derive(Clone, Debug)]
pub struct Stored {
    /// When the spool took it, milliseconds since 1970.
    pub accepted_ms: i64,
    /// The profile.
    pub profile: Arc<Profile>,
}

/// How much is gathered for one push: whatever is reached first sends it off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Batching {
    /// Number of profiles.
    pub profiles_max: usize,
    /// Bytes of their records in the spool.
    pub bytes_max: usize,
    /// Time from the first profile of a push; zero sends what there is.
    pub wait: Duration,
    /// The same for the first 20 seconds after the start, so that a new user soon sees data.
    pub first_wait: Duration,
}

impl Default for Batching {
    fn default() -> Self {
        Self {
            profiles_max: 512,
            bytes_max: 16 << 20,
            wait: Duration::ZERO,
            first_wait: Duration::ZERO,
        }
    }
}

/// Why a push failed.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The same push may succeed later.
    #[error("{source:#}")]
    Retryable {
        /// What went wrong.
        source: anyhow::Error,
        /// How long the other end asks to be left alone.
        after: Option<Duration>,
    },
    /// The same push will fail again: it becomes a dead letter.
    #[error("{0:#}")]
    Permanent(anyhow::Error),
}

/// Where a receiver puts what it received.
#[derive(Clone, Debug)]
pub struct Outlet {
    intake: mpsc::Sender<Batch>,
    source: Arc<Source>,
    tracing: Tracing,
    takes_requests: Arc<AtomicBool>,
}

/// The pipeline has come to its end.
#[derive(Debug, thiserror::Error)]
#[error("pipeline is closed")]
pub struct Closed;

impl Outlet {
    /// An outlet, and the intake that it fills. `queue` batches wait at most.
    pub fn new(queue: usize) -> (Self, mpsc::Receiver<Batch>) {
        let (sender, intake) = mpsc::channel(queue);
        let outlet = Self {
            intake: sender,
            source: Arc::default(),
            tracing: Tracing::default(),
            takes_requests: Arc::default(),
        };
        (outlet, intake)
    }

    /// Whether requests are best handed over as they came, because nothing looks into them before
    /// they are stored.
    pub fn takes_requests(&self) -> bool {
        self.takes_requests.load(Relaxed)
    }

    /// Says so, for this outlet and all that were made of it.
    pub fn take_requests(&self, takes: bool) {
        self.takes_requests.store(takes, Relaxed);
    }

    /// The same outlet, whose spans go there.
    pub fn traced(self, tracing: Tracing) -> Self {
        Self { tracing, ..self }
    }

    /// Starts the spans of who brings profiles.
    pub fn tracing(&self) -> &Tracing {
        &self.tracing
    }

    /// The same outlet, with counts of its own.
    pub fn of(&self, source: Arc<Source>) -> Self {
        Self { source, ..self.clone() }
    }

    /// Hands profiles over. Waits while the pipeline is full: this is the backpressure that slows
    /// a scrape loop down. What it returns resolves when they are durable.
    pub async fn send(&self, profiles: Vec<Profile>) -> Result<Settled, Closed> {
        self.send_of(Content::Profiles(profiles), None).await
    }

    /// The same for all that a span may have brought.
    pub async fn send_of(
        &self,
        content: Content,
        trace: Option<SpanContext>,
    ) -> Result<Settled, Closed> {
        let (receipt, settled) = Receipt::new();
        let source = Arc::clone(&self.source);
        let batch = Batch { content, receipt, source, trace };
        self.intake.send(batch).await.map_err(|_| Closed)?;
        Ok(settled)
    }
}
