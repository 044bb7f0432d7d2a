//! What a question may cost, and how it is stopped.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Instant,
};

use crate::error::Error;

/// What a question may cost.
#[derive(Clone, Debug)]
pub struct Allowance {
    /// Memory for columns and answers in the making, beside what the lake keeps.
    pub bytes_max: usize,
    /// When to give up.
    pub deadline: Option<Instant>,
    /// Set from outside when nobody waits for the answer any more.
    pub stop: Option<Arc<AtomicBool>>,
    /// Threads that read files.
    pub threads_max: usize,
    /// Where it is counted how far the answer is.
    pub progress: Option<Arc<Progress>>,
}

/// How far an answer is: files that were read, of those known so far to matter. Their number grows
/// while a question looks at one table after another.
#[derive(Debug, Default)]
pub struct Progress {
    read: AtomicUsize,
    files: AtomicUsize,
}

impl Progress {
    /// Files that were read, and all of them.
    pub fn files(&self) -> (usize, usize) {
        (self.read.load(Ordering::Relaxed), self.files.load(Ordering::Relaxed))
    }

    pub(crate) fn expect(&self, files: usize) {
        self.files.fetch_add(files, Ordering::Relaxed);
    }

    pub(crate) fn step(&self) {
        self.read.fetch_add(1, Ordering::Relaxed);
    }
}

impl Default for Allowance {
    /// 512 MiB, no deadline, and four threads or as many as there are cores.
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get());
        let threads_max = cores.min(4);
        Self { bytes_max: 512 << 20, deadline: None, stop: None, threads_max, progress: None }
    }
}

/// Counts what one question uses.
#[derive(Debug)]
pub(crate) struct Meter<'a> {
    pub allowance: &'a Allowance,
    used: AtomicUsize,
}

/// Memory that is given back when this is dropped.
#[derive(Debug)]
pub(crate) struct Charge<'a> {
    meter: &'a Meter<'a>,
    bytes: usize,
}

impl<'a> Meter<'a> {
    pub fn new(allowance: &'a Allowance) -> Self {
        Self { allowance, used: AtomicUsize::new(0) }
    }

    /// Whether to go on; asked at least once for each row group.
    pub fn check(&self) -> Result<(), Error> {
        if self.allowance.stop.as_ref().is_some_and(|stop| stop.load(Ordering::Relaxed)) {
            return Err(Error::Stopped);
        }
        if self.allowance.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            return Err(Error::TooSlow);
        }
        Ok(())
    }

    /// Takes memory.
    pub fn charge(&self, bytes: usize) -> Result<Charge<'_>, Error> {
        let mut charge = self.nothing();
        charge.grow(bytes)?;
        Ok(charge)
    }

    /// For what grows.
    pub fn nothing(&self) -> Charge<'_> {
        Charge { meter: self, bytes: 0 }
    }
}

impl Charge<'_> {
    /// Takes more memory.
    pub fn grow(&mut self, bytes: usize) -> Result<(), Error> {
        self.bytes += bytes;
        let before = self.meter.used.fetch_add(bytes, Ordering::Relaxed);
        let bytes_max = self.meter.allowance.bytes_max;
        match before.saturating_add(bytes) > bytes_max {
            true => Err(Error::TooLarge { bytes_max }),
            false => Ok(()),
        }
    }
}

impl Drop for Charge<'_> {
    fn drop(&mut self) {
        self.meter.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_comes_back_and_stops_are_seen() {
        let stop = Arc::new(AtomicBool::new(false));
        let allowance =
            Allowance { bytes_max: 10, stop: Some(stop.clone()), ..Allowance::default() };
        let meter = Meter::new(&allowance);
        let six = meter.charge(6).unwrap();
        assert!(matches!(meter.charge(5), Err(Error::TooLarge { bytes_max: 10 })));
        drop(six);
        let mut grows = meter.nothing();
        grows.grow(7).unwrap();
        assert!(grows.grow(4).is_err());
        drop(grows);
        drop(meter.charge(10).unwrap());
        assert!(meter.check().is_ok());
        stop.store(true, Ordering::Relaxed);
        assert!(matches!(meter.check(), Err(Error::Stopped)));
        let late = Allowance { deadline: Some(Instant::now()), ..Allowance::default() };
        assert!(matches!(Meter::new(&late).check(), Err(Error::TooSlow)));
    }
}
