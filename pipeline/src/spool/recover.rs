//! Opening a spool: what an earlier run has left is listed, checked at both ends, and taken over.
//! Nothing that is found stops the start; only a disk that gives no access does, or files of a
//! newer version that hold positions.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use tokio::sync::watch;

use super::ballast::Ballast;
use super::cursor::Progress;
use super::error::{io_error, is_media_error};
use super::ring::Ring;
use super::segment::{self, Flaw, Frame, HEADER_BYTES, TAIL_BYTES};
use super::slots::SlotFile;
use super::{Clock, Exporter, Meta, Spool, SpoolConfig, SpoolError, State, corrupt_dir, lock};
use super::{SEQ_END, cursors_dir, dead_dir, names, steady_clock};
use crate::storage::{self, Entry, EntryKind, Storage};

pub(super) const CURSOR_MAGIC: &[u8; 8] = b"ppcursor";
const META_MAGIC: &[u8; 8] = b"ppspmeta";
const META: &str = "spool.meta";
const BALLAST: &str = "ballast";

/// Segments in order, and files that are none with the reason.
type Checked = (Vec<Frame>, Vec<(Entry, Flaw)>);

/// Exporters by name, and those whose file holds no position: file name and exporter.
type Cursors = (BTreeMap<String, Exporter>, Vec<(String, String)>);

impl Spool {
    /// Opens the spool in `dir`, which is made if it is missing. One process at a time: the caller
    /// holds a lock on the data directory. [`Spool::set_exporters`] has to follow.
    pub fn open(
        disk: Arc<dyn Storage>,
        dir: &Path,
        config: SpoolConfig,
    ) -> Result<Arc<Self>, SpoolError> {
        Self::open_at(disk, dir, config, steady_clock())
    }

    /// [`Self::open`] with a clock of the caller's.
    pub fn open_at(
        disk: Arc<dyn Storage>,
        dir: &Path,
        config: SpoolConfig,
        clock: Clock,
    ) -> Result<Arc<Self>, SpoolError> {
        for dir in [dir, &cursors_dir(dir), &dead_dir(dir)] {
            storage::create_dir_all(&*disk, dir).map_err(io_error("create", dir))?;
        }
        let corrupt = Ring::open(disk.clone(), &corrupt_dir(dir), &config)?;
        let entries = disk.list(dir).map_err(io_error("list", dir))?;
        let ballast_found = entries.iter().find(|entry| entry.name == BALLAST);
        let ballast_found = ballast_found.map_or(0, |entry| entry.bytes);
        let ballast_path = dir.join(BALLAST);
        let ballast =
            Ballast::open(disk.clone(), ballast_path, config.ballast_bytes, ballast_found);
        let meta = open_meta(&disk, dir, &entries)?;
        let spool = Arc::new(Self {
            disk,
            dir: dir.into(),
            limits: Mutex::new((config.bytes_max, config.max_age, config.full)),
            config,
            clock,
            head: watch::Sender::new(0),
            writer: Mutex::default(),
            dead: Mutex::default(),
            corrupt: Mutex::new(corrupt),
            meta: Mutex::new(meta),
            ballast: Mutex::new(ballast),
            state: Mutex::new(State::default()),
        });
        spool.recover(entries)?;
        spool.tend();
        Ok(spool)
    }

    fn recover(&self, entries: Vec<Entry>) -> Result<(), SpoolError> {
        let (frames, bad) = self.check_segments(entries)?;
        let (cursors, bad_cursors) = self.open_cursors()?;
        let numbers = frames.iter().map(|frame| frame.records.end);
        // A damaged file's name still tells which numbers were given.
        let numbers =
            numbers.chain(bad.iter().filter_map(|(entry, _)| {
                names::parse_segment(&entry.name).map(|records| records.end)
            }));
        let numbers = numbers.chain(cursors.values().map(|one| one.cursor.progress.known_end()));
        let head = numbers.fold(lock(&self.meta).next, u64::max);
        let oldest = frames.first().map_or(head, |frame| frame.records.start);
        {
            let state = &mut *lock(&self.state);
            state.bytes = frames.iter().map(|frame| frame.bytes).sum();
            state.segments = frames.into();
            state.head = head;
            state.exporters = cursors;
        }
        self.head.send_replace(head);
        if !bad.is_empty() {
            self.keep_numbers(head)?;
        }
        for (entry, flaw) in bad {
            self.set_aside(&self.dir.join(&entry.name), flaw, entry.bytes);
        }
        for (file, exporter) in bad_cursors {
            self.set_aside(&cursors_dir(&self.dir).join(file), Flaw::Checksum, 0);
            // Its position is lost, but nothing that is still here needs to be: some records will
            // be exported twice.
            self.add_exporter(&exporter, Progress::starting_at(oldest))?;
        }
        // A run that was killed may have left names that are not durable yet.
        self.disk.sync_dir(&self.dir).map_err(io_error("sync", &self.dir))
    }

    /// Sorts what the directory holds into good segments and bad ones; temp files go.
    fn check_segments(&self, entries: Vec<Entry>) -> Result<Checked, SpoolError> {
        let (mut good, mut bad) = (Vec::new(), Vec::new());
        let mut files: Vec<_> = entries.into_iter().filter(|e| e.kind != EntryKind::Dir).collect();
        files.sort_by(|a, b| a.name.cmp(&b.name));
        for entry in files {
            if entry.name.starts_with('.') {
                let _ = self.disk.remove(&self.dir.join(&entry.name));
                continue;
            }
            if !entry.name.ends_with(".seg") {
                continue;
            }
            match self.check_segment(&entry)? {
                Ok(frame) => good.push((entry, frame)),
                Err(flaw) => bad.push((entry, flaw)),
            }
        }
        // A joined segment comes before what it was joined of, which a crash may have left.
        good.sort_by_key(|(_, frame)| (frame.records.start, Reverse(frame.records.end)));
        let (mut kept, mut joined) = (Vec::<(Entry, Frame)>::new(), None);
        for (entry, frame) in good {
            let covering = kept.last().filter(|(_, last)| frame.records.start < last.records.end);
            let Some((_, last)) = covering else {
                joined = None;
                kept.push((entry, frame));
                continue;
            };
            if joined.is_none() {
                joined = Some(self.read_segment(last)?);
            }
            match &joined {
                Some(Ok(joined)) if self.is_joined_in(&frame, joined) => {
                    let _ = self.disk.remove(&self.dir.join(&entry.name));
                }
                Some(Err(flaw)) => {
                    bad.extend(kept.pop().map(|(entry, _)| (entry, *flaw)));
                    joined = None;
                    kept.push((entry, frame));
                }
                _ => bad.push((entry, Flaw::Overlap)),
            }
        }
        Ok((kept.into_iter().map(|(_, frame)| frame).collect(), bad))
    }

    fn check_segment(&self, entry: &Entry) -> Result<Result<Frame, Flaw>, SpoolError> {
        let Some(records) = names::parse_segment(&entry.name) else {
            return Ok(Err(Flaw::Misnamed));
        };
        if entry.kind != EntryKind::File {
            return Ok(Err(Flaw::Unreadable));
        }
        let path = self.dir.join(&entry.name);
        let tail_at = entry.bytes.saturating_sub(TAIL_BYTES as u64);
        let header = self.disk.read_at(&path, 0, HEADER_BYTES);
        let (header, tail) = match (header, self.disk.read_at(&path, tail_at, TAIL_BYTES)) {
            (Ok(header), Ok(tail)) => (header, tail),
            (Err(error), _) | (_, Err(error)) if is_media_error(&error) => {
                return Ok(Err(Flaw::Unreadable));
            }
            // Not the file's fault, so the start fails rather than throwing data out.
            (Err(error), _) | (_, Err(error)) => return Err(io_error("read", &path)(error)),
        };
        let frame = segment::decode_frame(&header, &tail, entry.bytes);
        Ok(frame.and_then(
            |frame| {
                if frame.records == records { Ok(frame) } else { Err(Flaw::Misnamed) }
            },
        ))
    }

    fn open_cursors(&self) -> Result<Cursors, SpoolError> {
        let dir = cursors_dir(&self.dir);
        let (mut exporters, mut bad) = (BTreeMap::new(), Vec::new());
        for Entry { name, .. } in self.disk.list(&dir).map_err(io_error("list", &dir))? {
            let path = dir.join(&name);
            if name.starts_with('.') {
                let _ = self.disk.remove(&path);
                continue;
            }
            let exporter = name.strip_suffix(".cur").and_then(names::unescape);
            let Some(exporter) = exporter else { continue };
            let opened = SlotFile::open(self.disk.clone(), &path, CURSOR_MAGIC)?;
            match opened.and_then(|(file, body)| Some((Progress::decode(&body)?, file))) {
                Some((progress, file)) => {
                    exporters.insert(exporter, Exporter::new(progress, file));
                }
                None => bad.push((name, exporter)),
            }
        }
        Ok((exporters, bad))
    }
}

fn open_meta(disk: &Arc<dyn Storage>, dir: &Path, entries: &[Entry]) -> Result<Meta, SpoolError> {
    let path: PathBuf = dir.join(META);
    if entries.iter().any(|entry| entry.name == META)
        && let Some((file, body)) = SlotFile::open(disk.clone(), &path, META_MAGIC)?
        && let Ok(next) = body.as_slice().try_into().map(u64::from_le_bytes)
        && next <= SEQ_END
    {
        return Ok(Meta { file, next });
    }
    let file = SlotFile::create(disk.clone(), &path, META_MAGIC, &0_u64.to_le_bytes())?;
    Ok(Meta { file, next: 0 })
}
