//! The one way to the rows of a table: list files, pass over what cannot matter, read row groups in
//! parallel, and hand each with its selected rows to whoever asked.
//!
//! A file that cannot be read is named in the answer and costs its own row groups only. A file that
//! vanished means that retention or compaction was at work; then all starts again from a new
//! listing, because what it held may now stand elsewhere.

pub(crate) mod filter;
pub(crate) mod flame;
pub(crate) mod gauge;
mod lives;
mod notes;
pub(crate) mod rows;
pub(crate) mod sheet;
pub(crate) mod snapshots;

use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use crate::{
    Lake,
    allowance::{Allowance, Meter},
    error::Error,
    files::{self, LakeFile, Skipped},
    group::{Group, Open},
    pages::PageError,
    schema::Table,
    selection::{Chosen, Selection},
    unmatched,
};

use filter::Filter;
use rows::Rows;

pub use flame::Flame;
pub use gauge::Gauge;
pub use notes::Notes;

/// How often a question starts again because files vanished.
const TRIES_MAX: usize = 3;
/// How long one thread reads before others help.
const ALONE: Duration = Duration::from_millis(1);
/// Files that an answer names at most.
const SKIPPED_MAX: usize = 100;
/// The key under which a compacted file lists what it replaced, separated by commas.
pub(crate) const REPLACES: &str = "profpipe.replaces";

/// A question in progress.
pub(crate) struct Ask<'a> {
    pub lake: &'a Lake,
    pub meter: Meter<'a>,
    notes: Mutex<Notes>,
    /// Files that the notes name.
    skipped_max: usize,
}

/// Why a row group was not added.
pub(crate) enum Fail {
    /// It cannot be read; the others can.
    Page(PageError),
    /// The question is over.
    Over(Error),
}

impl From<PageError> for Fail {
    fn from(error: PageError) -> Self {
        Self::Page(error)
    }
}

impl From<Error> for Fail {
    fn from(error: Error) -> Self {
        Self::Over(error)
    }
}

/// How a file went.
enum Outcome {
    Read,
    Gone,
}

impl<'a> Ask<'a> {
    pub fn new(lake: &'a Lake, allowance: &'a Allowance) -> Self {
        let meter = Meter::new(allowance);
        Self { lake, meter, notes: Mutex::default(), skipped_max: SKIPPED_MAX }
    }

    /// One whose notes name every file that cannot be read.
    pub fn naming_all(lake: &'a Lake, allowance: &'a Allowance) -> Self {
        Self { skipped_max: usize::MAX, ..Self::new(lake, allowance) }
    }

    /// What came up so far.
    pub fn notes(&self) -> Notes {
        let mut notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner).clone();
        notes.skipped.sort_by(|a, b| (&a.path, &a.reason).cmp(&(&b.path, &b.reason)));
        notes.skipped.dedup();
        notes.skipped.truncate(self.skipped_max);
        notes
    }

    /// Notes what is left out of a type, if anything is.
    pub fn mixed(&self, chosen: &Chosen) {
        if !chosen.others.is_empty() {
            let mut notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
            notes.mixed.push((chosen.kind.clone(), chosen.others.clone()));
        }
    }

    /// Notes why an answer has nothing in it, where the selection's labels may be the reason.
    pub fn nothing(&self, selection: &Selection) -> Result<(), Error> {
        let why = unmatched::why(self, selection)?;
        self.notes.lock().unwrap_or_else(PoisonError::into_inner).nothing = why;
        Ok(())
    }

    /// Notes that nothing of a selection has the label that it was grouped by.
    pub fn ungrouped(&self, selection: &Selection, by: &str) -> Result<(), Error> {
        let why = unmatched::without(self, selection, by)?;
        self.notes.lock().unwrap_or_else(PoisonError::into_inner).ungrouped = Some(why);
        Ok(())
    }

    /// Names a file that cannot be read.
    pub fn skip(&self, path: PathBuf, reason: impl ToString) {
        let mut notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
        if notes.skipped.len() < self.skipped_max.saturating_mul(10) {
            notes.skipped.push(Skipped { path, reason: reason.to_string() });
        }
    }

    /// The files of a table for a range, oldest first, each row in one of them only.
    pub fn list(&self, table: &Table, filter: &Filter) -> Result<Vec<LakeFile>, Error> {
        let root = &self.lake.root;
        let listing = files::list(root, table.name, filter.range)
            .map_err(|source| Error::Io { path: root.clone(), source })?;
        for skipped in listing.skipped {
            self.skip(skipped.path, skipped.reason);
        }
        let mut files = listing.files;
        files::without_replaced(&mut files, |file| {
            let open = Open::new(&root.join(&file.path), &self.lake.cache);
            let list = open.ok().and_then(|open| open.pair(REPLACES).map(str::to_owned));
            list.iter().flat_map(|list| list.split(',')).map(str::to_owned).collect()
        });
        Ok(files)
    }

    /// Calls `each` for every row group with rows that pass the filter, from several threads, each
    /// with a state of its own; gives the states.
    ///
    /// `each` decodes all it needs before it changes its state: when it fails, the row group is
    /// left out as a whole.
    pub fn fold<S: Send>(
        &self,
        table: &Table,
        filter: &Filter,
        init: impl Fn() -> S + Sync,
        each: impl Fn(&mut S, &Group<'_>, &Rows) -> Result<(), Fail> + Sync,
    ) -> Result<Vec<S>, Error> {
        for attempt in 1.. {
            let files = self.list(table, filter)?;
            let last = attempt == TRIES_MAX;
            let (states, gone) = self.read(&files, filter, &init, &each)?;
            if gone.is_empty() || last {
                gone.into_iter().for_each(|path| self.skip(path, "vanished while being read"));
                return Ok(states);
            }
        }
        Ok(vec![])
    }

    /// The same for these files alone, once; one that vanished is passed over.
    pub fn fold_files<S: Send>(
        &self,
        files: &[LakeFile],
        filter: &Filter,
        init: impl Fn() -> S + Sync,
        each: impl Fn(&mut S, &Group<'_>, &Rows) -> Result<(), Fail> + Sync,
    ) -> Result<Vec<S>, Error> {
        Ok(self.read(files, filter, &init, &each)?.0)
    }

    fn read<S: Send>(
        &self,
        files: &[LakeFile],
        filter: &Filter,
        init: &(impl Fn() -> S + Sync),
        each: &(impl Fn(&mut S, &Group<'_>, &Rows) -> Result<(), Fail> + Sync),
    ) -> Result<(Vec<S>, Vec<PathBuf>), Error> {
        let next = AtomicUsize::new(0);
        let progress = self.meter.allowance.progress.as_deref();
        progress.inspect(|progress| progress.expect(files.len()));
        let worker = |between: &mut dyn FnMut()| {
            let (mut state, mut gone) = (init(), vec![]);
            while let Some(file) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
                match self.file(file, filter, &mut state, each) {
                    Ok(Outcome::Read) => {}
                    Ok(Outcome::Gone) => gone.push(file.path.clone()),
                    Err(error) => {
                        // Nobody needs the rest.
                        next.store(files.len(), Ordering::Relaxed);
                        return Err(error);
                    }
                }
                progress.inspect(|progress| progress.step());
                between();
            }
            Ok((state, gone))
        };
        let others = self.meter.allowance.threads_max.clamp(1, 64).min(files.len()).max(1) - 1;
        let results = std::thread::scope(|scope| {
            let (start, mut handles) = (Instant::now(), vec![]);
            let mut results = vec![worker(&mut || {
                // What is kept in memory is read sooner than a thread starts.
                if handles.is_empty() && start.elapsed() > ALONE {
                    handles.extend((0..others).map(|_| scope.spawn(|| worker(&mut || {}))));
                }
            })];
            for handle in handles {
                // A panic in `each` is caught below; what is left would be one of ours.
                results.push(handle.join().unwrap_or_else(|panic| {
                    std::panic::resume_unwind(panic);
                }));
            }
            results
        });
        let (mut states, mut all_gone) = (vec![], vec![]);
        for result in results {
            let (state, gone) = result?;
            states.push(state);
            all_gone.extend(gone);
        }
        Ok((states, all_gone))
    }

    fn file<S>(
        &self,
        file: &LakeFile,
        filter: &Filter,
        state: &mut S,
        each: &impl Fn(&mut S, &Group<'_>, &Rows) -> Result<(), Fail>,
    ) -> Result<Outcome, Error> {
        self.meter.check()?;
        let path = self.lake.root.join(&file.path);
        let open = match guarded(|| Ok(Open::new(&path, &self.lake.cache)?)) {
            Ok(open) => open,
            Err(Fail::Page(PageError::Io(error))) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(Outcome::Gone);
            }
            Err(Fail::Page(error)) => {
                self.skip(file.path.clone(), error);
                return Ok(Outcome::Read);
            }
            Err(Fail::Over(error)) => return Err(error),
        };
        for group in open.groups() {
            self.meter.check()?;
            let _held = self.meter.charge(memory_of(&group))?;
            let added = guarded(|| {
                let rows = filter.rows(&group)?;
                if rows.is_empty() { Ok(()) } else { each(state, &group, &rows) }
            });
            match added {
                Ok(()) => {}
                Err(Fail::Page(error)) => self.skip(file.path.clone(), error),
                Err(Fail::Over(error)) => return Err(error),
            }
        }
        Ok(Outcome::Read)
    }
}

/// The stock reader panics on some damaged files; here that is one more reason to skip.
fn guarded<T>(f: impl FnOnce() -> Result<T, Fail>) -> Result<T, Fail> {
    catch_unwind(AssertUnwindSafe(f))
        .unwrap_or_else(|_| Err(PageError::damaged("the reader gave up").into()))
}

/// Memory that reading a row group takes, about: three columns of codes and the longest strings.
fn memory_of(group: &Group<'_>) -> usize {
    let stack = group.leaf("stack").map(|leaf| group.meta().column(leaf).uncompressed_size());
    group.rows() * 24 + usize::try_from(stack.unwrap_or(0)).unwrap_or(usize::MAX >> 1)
}
