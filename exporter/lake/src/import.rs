//! Imports into a lake, one at a time. Each writes down which files will be its own before there
//! are any, so that the next one takes away what it left half done if it was killed: an import
//! is not replayed, and takes the profiles that a lake has for granted.

use std::{
    fs::{self, File, OpenOptions},
    path::{Path, PathBuf},
};

use anyhow::Context;
use pipeline::storage::{Disk, Storage, create_dir_all};
use rustix::fs::{FlockOperation, flock};

use crate::{
    Allowance, Error, Lake,
    commit::Committer,
    files::LakeFile,
    scan::{Ask, filter::Filter},
    schema::{FUNCTIONS, PROFILES, SAMPLES, Table},
    time::TimeRange,
    writer_id::WriterId,
};

/// Directory of the lock and of the id; no engine looks at what begins with a dot.
const DIR: &str = ".import";

/// The right to import into a lake, until this is dropped or the process ends.
#[derive(Debug)]
pub struct ImportLock {
    id: WriterId,
    kept: PathBuf,
    _lock: File,
}

impl ImportLock {
    /// Waits until no other import runs, of which `waiting` is told, and clears away what one that
    /// was killed left half done.
    ///
    /// # Errors
    /// Where the directory of the lake cannot be made, read or written.
    pub fn wait(root: &Path, waiting: impl FnOnce()) -> anyhow::Result<Self> {
        let dir = root.join(DIR);
        let (lock, kept) = (dir.join("lock"), dir.join(WriterId::FILE));
        create_dir_all(&Disk, &dir).with_context(|| format!("create {}", dir.display()))?;
        let mut open = OpenOptions::new();
        let open = open.write(true).create(true).truncate(false).open(&lock);
        let open = open.with_context(|| format!("open {}", lock.display()))?;
        if flock(&open, FlockOperation::NonBlockingLockExclusive).is_err() {
            waiting();
            flock(&open, FlockOperation::LockExclusive)
                .with_context(|| format!("lock {}", lock.display()))?;
        }
        let failed = || format!("use {}", kept.display());
        if let Some(id) = WriterId::kept(&Disk, &dir).with_context(failed)? {
            clear(root, &id).context("clear away what an import that was killed left")?;
            fs::remove_file(&kept).with_context(failed)?;
        }
        let id = WriterId::of_spool(&Disk, &dir).with_context(failed)?;
        Ok(Self { id, kept, _lock: open })
    }

    /// The id under which this import writes.
    pub fn id(&self) -> &WriterId {
        &self.id
    }

    /// All that was begun is whole, so that there is nothing to clear away.
    pub fn end(self) {
        let _ = fs::remove_file(self.kept); // Where it stays, there is nothing to find.
    }
}

/// Removes the files of commits that this writer did not end: those without their samples.
fn clear(root: &Path, id: &WriterId) -> anyhow::Result<()> {
    Committer::open(Disk, root, id)?;
    let (lake, allowance) = (Lake::open(root), Allowance::default());
    let ask = Ask::new(&lake, &allowance);
    let own = format!("-{id}-");
    let files = |table: &Table| -> Result<Vec<LakeFile>, Error> {
        let mut files = ask.list(table, &Filter::new(TimeRange::ALL, &[]))?;
        files.retain(|file| file.path.to_string_lossy().contains(&own));
        Ok(files)
    };
    for file in files(&PROFILES)? {
        if lacks_samples(&ask, &file)? {
            remove(&root.join(&file.path))?;
        }
    }
    for file in files(&FUNCTIONS)? {
        if !file.is_in(&PROFILES, root) {
            remove(&root.join(&file.path))?;
        }
    }
    Ok(())
}

/// Whether a file of `profiles` counts samples that are not there: its commit was not ended.
pub(crate) fn lacks_samples(ask: &Ask<'_>, file: &LakeFile) -> Result<bool, Error> {
    if file.is_in(&SAMPLES, &ask.lake.root) {
        return Ok(false);
    }
    let (files, all) = (std::slice::from_ref(file), Filter::new(TimeRange::ALL, &[]));
    let counts = ask.fold_files(
        files,
        &all,
        || 0,
        |sum, group, _| {
            let samples = group.ints("samples")?;
            *sum += samples.sum(0..samples.values.len());
            Ok(())
        },
    )?;
    Ok(counts.into_iter().sum::<i64>() > 0)
}

fn remove(path: &Path) -> anyhow::Result<()> {
    let dir = path.parent().unwrap_or(path);
    let removed = Disk.remove(path).and_then(|()| Disk.sync_dir(dir));
    removed.with_context(|| format!("remove {}", path.display()))
}

#[cfg(test)]
mod tests {
    use std::{
        sync::mpsc::{Receiver, channel},
        thread,
        time::Duration,
    };

    use super::*;
    use crate::{
        Options, Writer,
        write_tests::{cpu, sample},
    };

    fn lock(root: &Path) -> ImportLock {
        ImportLock::wait(root, || unreachable!("nobody else imports")).unwrap()
    }

    /// Files of the lake, without those of a commit of this number.
    fn remove_samples(root: &Path, commit: u64) -> PathBuf {
        let ending = format!("-{commit}-{commit}.parquet");
        let hours = fs::read_dir(root.join("samples/date=1970-01-01")).unwrap();
        let files = hours.flat_map(|hour| fs::read_dir(hour.unwrap().path()).unwrap());
        let mut paths = files.map(|file| file.unwrap().path());
        let path = paths.find(|path| path.to_string_lossy().ends_with(&ending)).unwrap();
        fs::remove_file(&path).unwrap();
        path
    }

    #[test]
    fn what_an_import_that_was_killed_left_is_cleared_away() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        let killed = lock(root);
        let mut writer = Writer::open(Disk, root, killed.id().clone(), Options::default()).unwrap();
        for (commit, samples) in [(0, 1), (1, 1), (2, 0)] {
            let samples = vec![sample(&[("main", "main.go", 1)], &[1, 10]); samples];
            writer.write(commit, commit, &[cpu("s", 1, samples).incoming()]).unwrap();
        }
        let half_done = remove_samples(root, 1);
        let temp = half_done
            .with_file_name(format!(".{}.tmp", half_done.file_name().unwrap().to_str().unwrap()));
        fs::write(&temp, "half").unwrap();
        let check = || Lake::open(root).check(&Allowance::default()).unwrap();
        let bad = check().bad;
        assert_eq!(bad.len(), 1);
        assert!(bad[0].path.starts_with("profiles"), "{bad:?}");
        assert!(bad[0].reason.starts_with("its samples are missing"), "{bad:?}");

        let id = killed.id().clone();
        drop(killed);
        let next = lock(root);
        assert_ne!(*next.id(), id);
        // Three of the first, none of the second, the third has neither samples nor functions.
        assert_eq!((check().files, check().bad), (4, vec![]));
        assert!(fs::metadata(&temp).is_err());
        next.end();
        lock(root);
        assert_eq!(check().files, 4);
    }

    #[test]
    fn imports_wait_for_each_other() {
        let dir = tempfile::tempdir().unwrap();
        let first = lock(dir.path());
        let (told, waits) = channel();
        let (done, ended): (_, Receiver<()>) = channel();
        let root = dir.path().to_owned();
        let second = thread::spawn(move || {
            let lock = ImportLock::wait(&root, || told.send(()).unwrap()).unwrap();
            done.send(()).unwrap();
            lock
        });
        waits.recv().unwrap();
        assert!(ended.recv_timeout(Duration::from_millis(50)).is_err());
        first.end();
        second.join().unwrap().end();
    }
}
