//! Threads that decode: a few that stay, because what an allocator keeps for each thread that once
//! had a large body adds up over a pool of many. Two take small profiles, one takes large ones.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread,
};

use pipeline::{
    codec::{otlp, pprof, pyroscope},
    limits::Limits,
    reason::{Reason, Refused},
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

/// Small profiles that are decoded at a time.
const QUICK: usize = 2;

/// What a profile may take to be decoded as a small one.
const QUICK_INFLATED_BYTES_MAX: usize = 8 << 20;
const QUICK_DECODED_BYTES_MAX: usize = 8 << 20;

/// The size of a body up to which a place for small ones is worth a try.
pub const QUICK_BODY_BYTES_MAX: usize = 2 << 20;

/// Places to decode in.
#[derive(Debug)]
pub(crate) struct Places {
    quick: Arc<Queue>,
    large: Arc<Queue>,
}

struct Queue {
    permits: Arc<Semaphore>,
    /// Threads that have nothing to do.
    idle: Mutex<Vec<Hand>>,
}

/// A thread, which ends when this is dropped.
struct Hand(mpsc::Sender<Job>);

type Job = Box<dyn FnOnce(&mut Decoders) + Send>;

/// What a thread decodes with, one for each format.
#[derive(Default)]
pub struct Decoders {
    /// Profiles of Go programs.
    pub pprof: pprof::Decoder,
    /// Requests of OTLP.
    pub otlp: otlp::Decoder,
    /// What agents of Pyroscope push.
    pub pyroscope: pyroscope::Decoder,
}

/// The right to decode, within these limits.
pub struct Place {
    /// What the profile may cost here.
    pub limits: Limits,
    queue: Arc<Queue>,
    hand: Option<Hand>,
    _permit: Option<OwnedSemaphorePermit>,
}

impl Default for Places {
    fn default() -> Self {
        Self { quick: Queue::new(QUICK), large: Queue::new(1) }
    }
}

impl Places {
    /// Waits for a place: for small profiles, or for one of any size.
    pub(crate) async fn place(&self, limits: &Limits, is_quick: bool) -> Place {
        let small = Limits {
            inflated_bytes_max: limits.inflated_bytes_max.min(QUICK_INFLATED_BYTES_MAX),
            decoded_bytes_max: limits.decoded_bytes_max.min(QUICK_DECODED_BYTES_MAX),
            ..*limits
        };
        let (queue, limits) = if is_quick { (&self.quick, small) } else { (&self.large, *limits) };
        let permit = Arc::clone(&queue.permits).acquire_owned().await;
        let hand = queue.idle().pop().or_else(Hand::new);
        Place { limits, queue: Arc::clone(queue), hand, _permit: permit.ok() }
    }
}

impl Queue {
    fn new(places: usize) -> Arc<Self> {
        Arc::new(Self { permits: Arc::new(Semaphore::new(places)), idle: Mutex::default() })
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Hand>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue").field("permits", &self.permits).finish_non_exhaustive()
    }
}

impl Hand {
    fn new() -> Option<Self> {
        let (jobs, todo) = mpsc::channel::<Job>();
        let work = move || {
            let mut decoders = Decoders::default();
            todo.into_iter().for_each(|job| job(&mut decoders));
        };
        let started = thread::Builder::new().name("decode".into()).spawn(work);
        started.is_ok().then_some(Self(jobs))
    }
}

impl Place {
    /// Decodes a body. The place comes back with the result; it is taken until then, also where
    /// nobody waits any more.
    pub async fn decode<B: Send + 'static, T: Send + 'static>(
        mut self,
        body: B,
        read: impl FnOnce(&mut Decoders, &B, &Limits) -> Result<T, Refused> + Send + 'static,
    ) -> Result<(Self, Result<T, Refused>), Refused> {
        let gave_up = || Refused::new(Reason::Malformed, "the decoder gave up on it");
        let hand = self.hand.take().ok_or_else(gave_up)?;
        let (done, result) = oneshot::channel();
        let jobs = hand.0.clone();
        let job: Job = Box::new(move |decoders: &mut Decoders| {
            let result = read(decoders, &body, &self.limits);
            if result.is_err() {
                *decoders = Decoders::default(); // Their buffers may be of an unusual size.
            }
            self.hand = Some(hand);
            let _nobody_waits = done.send((self, result));
        });
        jobs.send(job).map_err(|_| gave_up())?;
        result.await.map_err(|_| gave_up())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // A thread that panicked is not put back: its hand went down with it.
        if let Some(hand) = self.hand.take() {
            self.queue.idle().push(hand);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn large_profiles_are_decoded_one_by_one() {
        let (places, limits) = (Places::default(), Limits::default());
        let place = places.place(&limits, false).await;
        assert_eq!(place.limits, limits);
        let waits = timeout(Duration::from_millis(50), places.place(&limits, false)).await;
        assert!(waits.is_err());
        let quick = places.place(&limits, true).await;
        assert!(quick.limits.inflated_bytes_max < limits.inflated_bytes_max);
        drop(place);
        places.place(&limits, false).await;
    }

    #[tokio::test]
    async fn a_panic_costs_one_profile() {
        // A profile of one sample type and nothing else.
        let body = Arc::new(vec![0x0a, 2, 8, 1, 0x32, 0, 0x32, 1, b'a']);
        let (places, limits) = (Places::default(), Limits::default());
        for _ in 0..3 {
            let place = places.place(&limits, false).await;
            let broken =
                place.decode(Arc::clone(&body), |_, _, _| -> Result<(), _> { panic!("!") });
            assert_eq!(broken.await.err().unwrap().reason, Reason::Malformed);
            let place = places.place(&limits, false).await;
            let decoded = place.decode(Arc::clone(&body), |decoders, body, limits| {
                decoders.pprof.decode(body, limits).map(|profile| profile.len())
            });
            assert_eq!(decoded.await.unwrap().1, Ok(0));
        }
        assert_eq!(places.large.idle().len(), 1, "one thread stays");
    }
}
