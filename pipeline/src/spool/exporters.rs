//! Who reads the spool: exporters are declared by name, each has a cursor file.

use std::collections::BTreeSet;
use std::io;
use std::sync::{Arc, Mutex};

use super::cursor::{Cursor, Progress};
use super::error::io_error;
use super::recover::CURSOR_MAGIC;
use super::slots::SlotFile;
use super::{DropReason, Exporter, Reader, Spool, SpoolError, cursors_dir, lock, names};

impl Spool {
    /// Declares the exporters of the pipeline, at the start and after a change of config. A new
    /// one starts at the tail; one that is missing gives up its share as
    /// `dropped{exporter_removed}`, and its readers get errors from then on.
    pub fn set_exporters(&self, exporters: &[&str]) -> Result<(), SpoolError> {
        // The head must not move while starting points are written down.
        let writer = lock(&self.writer);
        for exporter in exporters {
            names::escape(exporter)?;
        }
        let wanted: BTreeSet<_> = exporters.iter().copied().collect();
        let known: Vec<_> = lock(&self.state).exporters.keys().cloned().collect();
        for name in known.iter().filter(|name| !wanted.contains(name.as_str())) {
            self.remove_exporter(name)?;
        }
        for name in wanted {
            if !known.iter().any(|known| known == name) {
                let head = lock(&self.state).head;
                self.add_exporter(name, Progress::starting_at(head))?;
            }
        }
        drop(writer);
        self.collect()
    }

    pub(super) fn add_exporter(&self, name: &str, progress: Progress) -> Result<(), SpoolError> {
        let path = cursors_dir(&self.dir).join(format!("{}.cur", names::escape(name)?));
        let body = progress.encode();
        let mut file = None;
        self.with_ballast(|| {
            file = Some(SlotFile::create(self.disk.clone(), &path, CURSOR_MAGIC, &body)?);
            Ok(())
        })?;
        if let Some(file) = file {
            let exporter = Exporter::new(progress, file);
            let mut state = lock(&self.state);
            state.removed.remove(name);
            state.exporters.insert(name.into(), exporter);
        }
        Ok(())
    }

    fn remove_exporter(&self, name: &str) -> Result<(), SpoolError> {
        let head = lock(&self.state).head;
        self.keep_numbers(head)?;
        let dir = cursors_dir(&self.dir);
        let path = dir.join(format!("{}.cur", names::escape(name)?));
        match self.disk.remove(&path) {
            // A try before this one came so far.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            other => other.map_err(io_error("remove", &path))?,
        }
        self.disk.sync_dir(&dir).map_err(io_error("sync", &dir))?;
        let state = &mut *lock(&self.state);
        if let Some(exporter) = state.exporters.remove(name) {
            let mut totals = exporter.cursor.progress.totals(state.head);
            let given_up = totals.dropped.entry(DropReason::ExporterRemoved).or_default();
            *given_up += std::mem::take(&mut totals.pending);
            state.removed.insert(name.into(), totals);
        }
        Ok(())
    }

    /// The reader of a declared exporter, from its first record without outcome. There is one
    /// reader for each exporter at a time.
    pub fn reader(self: &Arc<Self>, exporter: &str) -> Result<Reader, SpoolError> {
        let state = &mut *lock(&self.state);
        let unknown = || SpoolError::UnknownExporter(exporter.into());
        let cursor = &mut state.exporters.get_mut(exporter).ok_or_else(unknown)?.cursor;
        if cursor.reader.is_some() {
            return Err(SpoolError::Busy(exporter.into()));
        }
        state.readers += 1;
        cursor.reader = Some(state.readers);
        cursor.read = cursor.progress.position;
        Ok(Reader::new(self.clone(), exporter.into(), state.readers))
    }
}

impl Exporter {
    pub(super) fn new(progress: Progress, file: SlotFile) -> Self {
        Self { cursor: Cursor::new(progress), file: Arc::new(Mutex::new(file)) }
    }
}
