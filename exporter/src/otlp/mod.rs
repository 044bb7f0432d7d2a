//! The exporters `otlp_grpc` and `otlp_http`: profiles by OTLP 1.10 to whoever takes them.
//! `README.md` beside this file says what a user sees of them.

mod client;
mod compress;
mod config;
mod connection;
mod grpc;
mod http;
mod size;

pub use compress::Compression;
pub use config::{Config, Encoding};
pub use connection::{Keepalive, Tls};

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context;
use async_trait::async_trait;
use pipeline::{
    codec::otlp::{self, Position},
    component::{Batching, Export, ExportError, Exporter, Refusals, Taken},
    profile::Profile,
};

use self::{client::Client, size::Size};

/// Bytes that are left free in a request of gRPC, of the 4 MiB that a receiver takes by default.
const SLACK: usize = 64 << 10;
/// A refusal that does not say why may be one of size above this.
const MAYBE_LARGE_BYTES: usize = 4 << 20;

/// Sends profiles.
pub struct Otlp {
    config: Config,
    is_grpc: bool,
    client: Client,
    size: Size,
    /// How far the push with these numbers came before it failed.
    progress: Option<Progress>,
}

/// A push that is under way.
#[derive(Clone, Debug, Default)]
struct Progress {
    first: u64,
    last: u64,
    at: Position,
    /// Whether any request was taken.
    any: bool,
    /// OTLP profiles that were not taken so far, and why.
    rejected: usize,
    reason: String,
    /// Profiles of requests that were refused for good.
    refused: Refusals,
}

/// What the other end made of a request.
#[derive(Debug)]
enum Answer {
    /// It has all but so many profiles.
    Taken(i64, String),
    /// The same may be taken later.
    Later(anyhow::Error, Option<Duration>),
    /// The same will be refused again.
    Never(anyhow::Error),
    /// A smaller one may be taken.
    TooLarge(anyhow::Error),
}

/// A request that is ready to go.
struct Packed {
    body: Vec<u8>,
    bytes: usize,
    end: Position,
}

impl Otlp {
    /// An exporter for the endpoint of the config.
    ///
    /// # Errors
    /// Where a certificate cannot be read or HTTP cannot be set up.
    pub fn new(config: &Config, is_grpc: bool) -> anyhow::Result<Self> {
        let client = Client::new(config, is_grpc)?;
        let bytes_max = match (config.request_bytes_max, is_grpc) {
            (0, true) => (4 << 20) - SLACK,
            (0, false) => 16 << 20,
            (bytes_max, _) => bytes_max,
        };
        let size = Size::new(bytes_max);
        Ok(Self { config: config.clone(), is_grpc, client, size, progress: None })
    }

    async fn pack(
        &self,
        profiles: &Arc<Vec<Arc<Profile>>>,
        at: Position,
    ) -> anyhow::Result<Option<Packed>> {
        let (profiles, bytes_max) = (Arc::clone(profiles), self.size.bytes_max(Instant::now()));
        let (is_grpc, encoding) = (self.is_grpc, self.config.encoding);
        let compression = self.config.compression;
        let packed = tokio::task::spawn_blocking(move || {
            let profiles: Vec<&Profile> = profiles.iter().map(|profile| &**profile).collect();
            let Some(request) = otlp::next_request(&profiles, at, bytes_max) else {
                return Ok(None);
            };
            let bytes = request.bytes.len();
            let message = match encoding {
                Encoding::Json => otlp::json::request(&request.bytes),
                Encoding::Proto => request.bytes,
            };
            let message = compression.apply(message, is_grpc)?;
            let body = if is_grpc { grpc::framed(&message, compression) } else { message };
            anyhow::Ok(Some(Packed { body, bytes, end: request.end }))
        });
        packed.await.context("pack a request")?
    }

    async fn send(&self, body: Vec<u8>) -> Answer {
        let response = match self.client.post(body, &self.config).await {
            Ok(response) => response,
            Err(error) => return Answer::Later(error, None),
        };
        match self.is_grpc {
            true => grpc::answer(response).await,
            false => http::answer(response, self.config.encoding).await,
        }
    }
}

impl Progress {
    /// The profiles from where the push stands up to `end` were refused for good.
    fn refuse(&mut self, end: Position, places: &[usize], error: &anyhow::Error) {
        let last = end.profiles + usize::from(end.rows > 0);
        self.refused.places.extend(&places[self.at.profiles..last]);
        if self.refused.reason.is_empty() {
            self.refused.reason = format!("{error:#}");
        }
        self.at = end;
    }

    /// A profile of several types is as many in OTLP, whose number the other end says.
    fn taken(self, profiles: &[Arc<Profile>]) -> Taken {
        let Self { rejected, reason, refused, .. } = self;
        let sent: usize = profiles.iter().map(|profile| profile.meta.sample_types.len()).sum();
        let rejected = rejected.min(sent) * profiles.len();
        Taken { rejected: rejected.div_ceil(sent.max(1)), reason, refused }
    }
}

#[async_trait]
impl Exporter for Otlp {
    async fn export(&mut self, export: &Export) -> Result<Taken, ExportError> {
        let later = |source, after| ExportError::Retryable { source, after };
        let profiles = export.profiles.iter().map(|stored| Arc::clone(&stored.profile)).enumerate();
        // A profile without samples is refused by some; that nothing happened is not sent.
        let profiles = profiles.filter(|(_, profile)| !profile.is_empty());
        let (places, profiles): (Vec<usize>, Vec<_>) = profiles.unzip();
        let profiles = Arc::new(profiles);
        let (first, last) = (export.first, export.last);
        // What was taken before the push failed is not sent again.
        let known = self.progress.take();
        let known = known.filter(|known| (known.first, known.last) == (first, last));
        let mut progress = known.unwrap_or_else(|| Progress { first, last, ..Progress::default() });
        self.client.refresh(&self.config, self.is_grpc).map_err(|error| later(error, None))?;
        loop {
            // Kept across an `await` that a timeout may cut off.
            self.progress = Some(progress.clone());
            let packed = self.pack(&profiles, progress.at).await.map_err(ExportError::Permanent)?;
            let Some(Packed { body, bytes, end }) = packed else { break };
            match self.send(body).await {
                Answer::Taken(rejected, reason) => {
                    progress.any = true;
                    let rejected = usize::try_from(rejected).unwrap_or_default();
                    progress.rejected = progress.rejected.saturating_add(rejected);
                    if !reason.is_empty() {
                        progress.reason = reason;
                    }
                    progress.at = end;
                }
                Answer::Later(error, after) => return Err(later(error, after)),
                Answer::TooLarge(_) if self.size.refused(bytes, Instant::now()) => {
                    tracing::info!(bytes, place = self.client.place, "requests become smaller");
                }
                Answer::Never(_)
                    if bytes > MAYBE_LARGE_BYTES && self.size.refused(bytes, Instant::now()) => {}
                // The rest of the push may be good.
                Answer::Never(error) | Answer::TooLarge(error) => {
                    progress.refuse(end, &places, &error);
                }
            }
        }
        self.progress = None;
        let Refusals { places, reason } = &progress.refused;
        match !places.is_empty() && !progress.any {
            true => Err(ExportError::Permanent(anyhow::anyhow!("{reason}"))),
            false => Ok(progress.taken(&profiles)),
        }
    }

    fn batching(&self) -> Batching {
        let wait = Duration::from_millis(200);
        Batching { bytes_max: 4 << 20, wait, first_wait: wait, ..Batching::default() }
    }
}
