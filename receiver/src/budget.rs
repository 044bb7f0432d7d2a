//! Memory for what is on its way: bodies that come in, and profiles until they are durable. One
//! budget for all receivers, so that no number of senders can take more than it, whatever each of
//! them may send by itself.
//!
//! Where it is used up, the largest body that is still coming in is given up: whoever sends little
//! is not held up by those who send much. What is decoded waits for what is before it, which ends.

use std::{
    collections::BTreeMap,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use pipeline::{
    limits::Limits,
    reason::{Reason, Refused},
};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::decode::{Place, Places};

/// Bytes of all bodies and profiles together, where no limit on one body asks for more.
const BYTES_MAX: usize = 48 << 20;

/// The budget. Cloning gives the same one.
#[derive(Clone, Debug)]
pub struct Budget(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    state: Mutex<State>,
    freed: Notify,
    places: Places,
}

#[derive(Debug)]
struct State {
    bytes_max: usize,
    used: usize,
    last_id: u64,
    shares: BTreeMap<u64, Held>,
}

#[derive(Debug)]
struct Held {
    bytes: usize,
    /// Gives it up; `None` for what is decoded and goes on by itself.
    give_up: Option<CancellationToken>,
}

/// What one body or its profiles take of the budget; gives it back when it is dropped.
#[derive(Debug)]
pub struct Share {
    budget: Budget,
    id: u64,
    given_up: CancellationToken,
}

impl Default for Budget {
    fn default() -> Self {
        Self::new(BYTES_MAX)
    }
}

impl Budget {
    /// A budget of so many bytes.
    pub fn new(bytes_max: usize) -> Self {
        let state = State { bytes_max, used: 0, last_id: 0, shares: BTreeMap::new() };
        Self(Arc::new(Inner {
            state: Mutex::new(state),
            freed: Notify::new(),
            places: Places::default(),
        }))
    }

    /// Makes the budget large enough for two bodies of this size.
    pub fn fit(&self, body_bytes_max: usize) {
        let mut state = self.lock();
        state.bytes_max = state.bytes_max.max(body_bytes_max.saturating_mul(2));
    }

    /// Bytes that are taken at this moment.
    pub fn used(&self) -> usize {
        self.lock().used
    }

    /// A share of nothing yet.
    pub fn share(&self) -> Share {
        let mut state = self.lock();
        state.last_id += 1;
        let (id, given_up) = (state.last_id, CancellationToken::new());
        let held = Held { bytes: 0, give_up: Some(given_up.clone()) };
        state.shares.insert(id, held);
        Share { budget: self.clone(), id, given_up }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until `attempt` gives something, which is tried each time that room is given back.
    async fn until<T>(&self, mut attempt: impl FnMut(&mut State) -> Option<T>) -> T {
        loop {
            let mut freed = pin!(self.0.freed.notified());
            freed.as_mut().enable(); // From here on nothing given back is missed.
            if let Some(done) = attempt(&mut self.lock()) {
                return done;
            }
            freed.await;
        }
    }
}

impl State {
    fn take(&mut self, id: u64, bytes: usize) {
        self.used += bytes;
        self.shares.entry(id).and_modify(|held| held.bytes += bytes);
    }

    fn held_by(&self, id: u64) -> usize {
        self.shares.get(&id).map_or(0, |held| held.bytes)
    }

    /// Of the bodies that come in, but for this one, the largest.
    fn largest_other(&self, id: u64) -> Option<&Held> {
        let others = self
            .shares
            .iter()
            .filter(|(other, held)| **other != id && held.give_up.is_some() && held.bytes > 0);
        others.map(|(_, held)| held).max_by_key(|held| held.bytes)
    }
}

impl Held {
    fn give_up(&self) {
        if let Some(give_up) = &self.give_up {
            give_up.cancel();
        }
    }
}

impl Share {
    /// Takes so many bytes more, and waits for them. Refused where this would be the largest body
    /// of too many, or where another one has been given the room.
    pub async fn grow(&mut self, bytes: usize) -> Result<(), Refused> {
        let (id, given_up) = (self.id, self.given_up.clone());
        let taken = self.budget.until(|state| {
            if given_up.is_cancelled() {
                return Some(false);
            }
            let own = state.held_by(id);
            if state.used + bytes <= state.bytes_max || state.used == own {
                state.take(id, bytes);
                return Some(true);
            }
            match state.largest_other(id) {
                Some(other) if other.bytes > own + bytes => other.give_up(),
                Some(_) => return Some(false),
                None => {} // What is decoded will be durable soon.
            }
            None
        });
        tokio::select! {
            taken = taken => if taken { Ok(()) } else { Err(no_room()) },
            () = self.given_up.cancelled() => Err(no_room()),
        }
    }

    /// Resolves when another body was given the room of this one.
    pub async fn given_up(&self) -> Refused {
        self.given_up.cancelled().await;
        no_room()
    }

    /// Waits for a place to decode in: for small profiles, or for one of any size.
    pub async fn place(&self, limits: &Limits, is_quick: bool) -> Result<Place, Refused> {
        tokio::select! {
            place = self.budget.0.places.place(limits, is_quick) => Ok(place),
            refused = self.given_up() => Err(refused),
        }
    }

    /// The body has become profiles of so many bytes, which are on their way: waits until there is
    /// room for them beside others that are.
    pub async fn decoded(&mut self, bytes: usize) {
        let id = self.id;
        self.budget
            .until(|state| {
                let own = state.held_by(id);
                let after = state.used - own + bytes;
                let others: usize = state
                    .shares
                    .iter()
                    .filter(|(other, held)| **other != id && held.give_up.is_none())
                    .map(|(_, held)| held.bytes)
                    .sum();
                // A profile that is alone goes on, however large it is.
                if after > state.bytes_max && others > 0 {
                    return None;
                }
                state.used = after;
                state.shares.insert(id, Held { bytes, give_up: None });
                Some(())
            })
            .await;
        self.budget.0.freed.notify_waiters();
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut state = self.budget.lock();
        if let Some(held) = state.shares.remove(&self.id) {
            state.used -= held.bytes;
        }
        drop(state);
        self.budget.0.freed.notify_waiters();
    }
}

fn no_room() -> Refused {
    let detail = "a body too large while many come in: memory is used up";
    Refused::new(Reason::MemoryLimit, detail)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    /// Whether something does not end by itself.
    async fn waits<T>(future: impl Future<Output = T>) -> bool {
        timeout(Duration::from_millis(50), future).await.is_err()
    }

    #[tokio::test]
    async fn the_largest_gives_way_to_the_small() {
        let budget = Budget::new(100);
        let [mut large, mut middle, mut small] = [(); 3].map(|()| budget.share());
        large.grow(60).await.unwrap();
        middle.grow(40).await.unwrap();
        assert!(waits(small.grow(10)).await, "until the largest has gone");
        assert_eq!(large.given_up().await.reason, Reason::MemoryLimit);
        assert!(large.grow(1).await.is_err());
        drop(large);
        small.grow(10).await.unwrap();
        assert_eq!(budget.used(), 50);
        assert!(middle.grow(60).await.is_err(), "it is the largest itself");
        drop((middle, small));
        assert_eq!(budget.used(), 0);
    }

    #[tokio::test]
    async fn what_is_decoded_is_waited_for_and_never_given_up() {
        let budget = Budget::new(100);
        let [mut first, mut second, mut body] = [(); 3].map(|()| budget.share());
        first.grow(10).await.unwrap();
        first.decoded(90).await;
        body.grow(5).await.unwrap();
        assert!(waits(second.decoded(50)).await && waits(body.grow(50)).await);
        assert!(waits(first.given_up()).await && waits(body.given_up()).await);
        drop(first);
        second.decoded(50).await;
        body.grow(40).await.unwrap();
        let mut alone = Budget::new(10).share();
        alone.grow(500).await.unwrap();
        alone.decoded(5000).await;
    }
}
