//! From the body of a request to profiles that are durable, and what the sender is told.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body as _, Incoming};
use pipeline::{
    codec::otlp::{Decoded, Kept},
    component::{Content, Outlet},
    extension::Denied,
    limits::Limits,
    profile::Origin,
    reason::{Reason, Refused},
    receipt::Outcome,
    trace::Span,
};
use tokio::time;

use super::{Peer, PushMetrics};

use crate::{
    body::Body,
    budget::{Budget, Share},
    decode::{Decoders, Place, QUICK_BODY_BYTES_MAX},
};

/// Silence in a body, and the time for all of it.
const IDLE_TIMEOUT: Duration = Duration::from_secs(15);
const BODY_TIMEOUT: Duration = Duration::from_secs(120);
/// How long a request waits while the pipeline is full.
const FULL_TIMEOUT: Duration = Duration::from_secs(5);

/// Reads a whole body.
type Read = dyn Fn(&mut Decoders, &Bytes, &Limits) -> Result<Decoded, Refused> + Send + Sync;

/// How a body becomes profiles.
#[derive(Clone)]
pub(crate) struct Reading {
    /// One message of gRPC: five bytes of flag and length come first.
    framed: bool,
    read: Arc<Read>,
}

/// How a body of OTLP is written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// The message in protobuf.
    Protobuf,
    /// The message in JSON.
    Json,
    /// One message of gRPC: five bytes of flag and length come first.
    Framed,
}

/// What became of a request.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// Durable, but for so many profiles, of which the text says why.
    Taken(usize, String),
    /// Wrong in itself: the same will be refused again.
    Refused(Refused),
    /// No room at the moment: the same may be taken later.
    Full(Refused),
}

/// The way in.
pub(crate) struct Intake {
    id: String,
    limits: Limits,
    budget: Budget,
    outlet: Outlet,
    metrics: PushMetrics,
    /// Second of the last line in the log.
    logged_s: AtomicU64,
}

impl Intake {
    pub(crate) fn new(
        id: &str,
        limits: Limits,
        budget: Budget,
        outlet: Outlet,
        metrics: PushMetrics,
    ) -> Self {
        Self { id: id.to_owned(), limits, budget, outlet, metrics, logged_s: AtomicU64::new(0) }
    }

    /// Reads, decodes and stores.
    pub(crate) async fn take(&self, body: Incoming, reading: Reading, peer: Peer) -> Verdict {
        let mut span = self.outlet.tracing().root("receive");
        span.set("profpipe.receiver", || self.id.clone());
        span.set("network.peer.address", || peer.address());
        let verdict = match self.try_take(body, reading, peer, &span).await {
            Ok(verdict) => verdict,
            Err(refused) if is_full(refused.reason) => Verdict::Full(refused),
            Err(refused) => Verdict::Refused(refused),
        };
        let (what, error) = match &verdict {
            Verdict::Taken(rejected, error) => {
                self.metrics.taken(&self.id, *rejected);
                if *rejected == 0 {
                    return verdict;
                }
                ("profiles were refused", error.clone())
            }
            Verdict::Refused(refused) | Verdict::Full(refused) => {
                self.metrics.refused(&self.id, refused.reason);
                span.fail(|| refused.to_string());
                let is_full = matches!(verdict, Verdict::Full(_));
                let what = if is_full { "no room for a request" } else { "a request was refused" };
                (what, refused.to_string())
            }
        };
        self.log(what, &error, peer);
        verdict
    }

    /// How a body of OTLP is read here.
    pub(crate) fn otlp(&self, form: Form) -> Reading {
        Reading::otlp(form, &self.outlet)
    }

    /// Somebody may not come in.
    pub(crate) fn denied(&self, denied: Denied, peer: Peer) {
        self.metrics.refused(&self.id, Reason::Unauthorized);
        self.log("a request was refused", &denied.to_string(), peer);
    }

    /// A request is refused for its head.
    pub(crate) fn refused(&self, refused: &Refused, peer: Peer) {
        self.metrics.refused(&self.id, refused.reason);
        self.log("a request was refused", &refused.to_string(), peer);
    }

    /// One line a second: a sender that is refused tries again and again.
    fn log(&self, what: &str, error: &str, peer: Peer) {
        let now_s = unix_now().as_secs();
        if self.logged_s.swap(now_s, Relaxed) != now_s {
            tracing::warn!(receiver = self.id, %peer, error, "{what}");
        }
    }

    async fn try_take(
        &self,
        body: Incoming,
        reading: Reading,
        peer: Peer,
        span: &Span,
    ) -> Result<Verdict, Refused> {
        let mut share = self.budget.share();
        let read = self.read(body, &reading, &mut share);
        let late = |_| Refused::new(Reason::Timeout, "the body took too long");
        let body = time::timeout(BODY_TIMEOUT, read).await.map_err(late)??;
        let decoded = self.decode(body, reading, &mut share).await?;
        let Decoded { mut profiles, rejected, error, kept } = decoded;
        let origin = Origin { receiver: self.id.clone(), peer: peer.to_string() };
        let received_ns = unix_now().as_nanos() as i64;
        if let Some(mut request) = kept {
            (request.origin, request.received_ns) = (origin, received_ns);
            return self.store(Content::Request(request), 0, String::new(), span).await;
        }
        let reason = match error {
            Some(refused) if profiles.is_empty() => return Err(refused),
            Some(refused) => refused.to_string(),
            None => String::new(),
        };
        if profiles.is_empty() {
            return Ok(Verdict::Taken(0, reason));
        }
        for profile in &mut profiles {
            profile.meta.origin = origin.clone();
            if profile.meta.time_ns == 0 {
                profile.meta.time_ns = received_ns;
            }
        }
        self.store(Content::Profiles(profiles), rejected, reason, span).await
    }

    /// Waits until it is durable.
    async fn store(
        &self,
        content: Content,
        rejected: usize,
        reason: String,
        span: &Span,
    ) -> Result<Verdict, Refused> {
        let full = |_| Refused::new(Reason::PipelineFull, "the pipeline is full");
        let sent = self.outlet.send_of(content, span.context());
        let sent = time::timeout(FULL_TIMEOUT, sent).await.map_err(full)?;
        let full = |detail: &str| Verdict::Full(Refused::new(Reason::PipelineFull, detail));
        let Ok(settled) = sent else { return Ok(full("the pipeline stops")) };
        Ok(match settled.await {
            Ok(Outcome::Delivered) => Verdict::Taken(rejected, reason),
            Ok(Outcome::Rejected) => {
                let detail = "more than the spool takes at once";
                Verdict::Refused(Refused::new(Reason::SizeLimit, detail))
            }
            Ok(Outcome::Lost) | Err(_) => full("the spool cannot take it now"),
        })
    }

    async fn read(
        &self,
        mut body: Incoming,
        reading: &Reading,
        share: &mut Share,
    ) -> Result<Bytes, Refused> {
        let head = if reading.framed { 5 } else { 0 };
        let max = self.limits.body_bytes_max + head;
        let mut bytes = Body::default();
        let announced = body.size_hint().exact().unwrap_or(0);
        bytes.expect((announced as usize).min(max), share).await?;
        loop {
            let frame = tokio::select! {
                frame = time::timeout(IDLE_TIMEOUT, body.frame()) => frame,
                refused = share.given_up() => return Err(refused),
            };
            let frame = match frame {
                Ok(Some(Ok(frame))) => frame,
                Ok(Some(Err(error))) => {
                    let detail = format!("the body broke off: {error}");
                    return Err(Refused::new(Reason::Truncated, detail));
                }
                Ok(None) => return Ok(bytes.finish().into()),
                Err(_) => return Err(Refused::new(Reason::Timeout, "silent in the body")),
            };
            let Ok(data) = frame.into_data() else { continue };
            if bytes.len() + data.len() > max {
                let detail = format!("a body of more than {} bytes", self.limits.body_bytes_max);
                return Err(Refused::new(Reason::SizeLimit, detail));
            }
            bytes.push(&data, share).await?;
        }
    }

    /// Decodes within the limits of most requests at first, so that large ones wait for each other
    /// and not the others for them.
    async fn decode(
        &self,
        body: Bytes,
        reading: Reading,
        share: &mut Share,
    ) -> Result<Decoded, Refused> {
        if body.len() <= QUICK_BODY_BYTES_MAX {
            let place = share.place(&self.limits, true).await?;
            let may_be_large = place.limits != self.limits;
            let decoded = decode_in(place, body.clone(), reading.clone(), share).await;
            let is_large = |refused: &Refused| refused.reason == Reason::SizeLimit;
            let too_large = match &decoded {
                Ok(decoded) => decoded.error.as_ref().is_some_and(is_large),
                Err(refused) => is_large(refused),
            };
            if !(may_be_large && too_large) {
                return decoded;
            }
        }
        let place = share.place(&self.limits, false).await?;
        decode_in(place, body, reading, share).await
    }
}

/// Decodes on a thread that may take its time. The place is free again when there is room for the
/// profiles.
async fn decode_in(
    place: Place,
    body: Bytes,
    reading: Reading,
    share: &mut Share,
) -> Result<Decoded, Refused> {
    let read = move |decoders: &mut Decoders, body: &Bytes, limits: &Limits| {
        let message = if reading.framed { unframed(body)? } else { body.clone() };
        (reading.read)(decoders, &message, limits)
    };
    let (place, decoded) = place.decode(body, read).await?;
    let decoded = decoded?;
    let profiles = decoded.profiles.iter().map(|profile| profile.bytes()).sum::<usize>();
    share.decoded(profiles + decoded.kept.as_ref().map_or(0, Kept::bytes)).await;
    drop(place);
    Ok(decoded)
}

impl Reading {
    /// By a function of a whole body, or of the one message of gRPC in it.
    pub(crate) fn new<R>(framed: bool, read: R) -> Self
    where
        R: Fn(&mut Decoders, &Bytes, &Limits) -> Result<Decoded, Refused> + Send + Sync + 'static,
    {
        Self { framed, read: Arc::new(read) }
    }

    /// Of OTLP. What the pipeline takes as it comes is only looked at.
    pub(crate) fn otlp(form: Form, outlet: &Outlet) -> Self {
        let keep = outlet.takes_requests();
        Self::new(form == Form::Framed, move |decoders, body, limits| match form {
            Form::Protobuf | Form::Framed if keep => decoders.otlp.keep(body, limits),
            Form::Protobuf | Form::Framed => decoders.otlp.decode(body, limits),
            Form::Json => decoders.otlp.decode_json(body, limits),
        })
    }
}

/// The message of a body of gRPC: there is exactly one.
fn unframed(body: &Bytes) -> Result<Bytes, Refused> {
    let broken = |what: &str| Refused::new(Reason::Malformed, what);
    let (head, message) =
        body.split_first_chunk::<5>().ok_or_else(|| broken("no message of gRPC"))?;
    let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize;
    match (head[0], message.len()) {
        (0 | 1, found) if found == length => Ok(body.slice_ref(message)),
        (0 | 1, _) => Err(broken("a message of gRPC that is cut or has more behind it")),
        _ => Err(broken("an unknown flag of gRPC")),
    }
}

fn is_full(reason: Reason) -> bool {
    matches!(reason, Reason::PipelineFull | Reason::MemoryLimit)
}

fn unix_now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}
