//! The profiles of a selection one by one, newest first, as they were stored.

use std::sync::Arc;

use anyhow::Context;
use lake::{Allowance, Gauge, Lake, ProfileEntry, Selection, time::TimeRange};
use pipeline::{
    component::Stored,
    profile::{Profile, ProfileId},
};

/// Entries that are listed at once.
const PAGE: usize = 2_000;
/// Profiles of a batch, and bytes that they may take.
const BATCH: usize = 64;
const BATCH_BYTES: usize = 8 << 20;

/// Where a profile stands: those of a later time come first, of one time those of a lower id.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct At {
    /// When its window starts, microseconds since 1970.
    pub time_us: i64,
    /// Its identity, 32 hex digits.
    pub id: String,
}

/// What is sent at once.
pub struct Batch {
    /// Profiles that have samples.
    pub profiles: Vec<Stored>,
    /// Profiles of the lake that these are, empty ones too.
    pub entries: u64,
    /// The last of them.
    pub last: At,
}

/// Reads batches.
pub struct Pages<'a> {
    lake: &'a Lake,
    selection: Selection,
    /// The last one that is done.
    at: Option<At>,
    page: std::vec::IntoIter<ProfileEntry>,
    more: bool,
}

/// How many profiles a selection has.
pub fn count(lake: &Lake, selection: &Selection) -> anyhow::Result<u64> {
    let (mut selection, mut total) = (selection.clone(), 0);
    loop {
        let (page, more, _) = lake.profiles(&selection, PAGE, &Allowance::default())?;
        total += page.len() as u64;
        match page.last() {
            Some(last) if more => selection.range.to_us = last.time_us,
            _ => return Ok(total),
        }
    }
}

impl<'a> Pages<'a> {
    /// Of a selection, from behind `at` on.
    pub fn new(lake: &'a Lake, selection: Selection, at: Option<At>) -> Self {
        Self { lake, selection, at, page: Vec::new().into_iter(), more: true }
    }

    /// The next profiles; nothing where there are no more.
    pub fn next_batch(&mut self) -> anyhow::Result<Option<Batch>> {
        let (mut profiles, mut bytes, mut entries) = (Vec::new(), 0, 0);
        let mut last = None;
        while entries < BATCH as u64 && bytes < BATCH_BYTES {
            let Some(entry) = self.next_entry()? else { break };
            let profile = self.read(&entry)?;
            bytes += profile.bytes();
            entries += 1;
            last = Some(At { time_us: entry.time_us, id: entry.id });
            profiles
                .push(Stored { accepted_ms: entry.time_us / 1_000, profile: Arc::new(profile) });
        }
        Ok(last.map(|last| Batch { profiles, entries, last }))
    }

    fn next_entry(&mut self) -> anyhow::Result<Option<ProfileEntry>> {
        loop {
            for entry in self.page.by_ref() {
                let done = self.at.as_ref().is_some_and(|at| {
                    entry.time_us > at.time_us || (entry.time_us == at.time_us && entry.id <= at.id)
                });
                if !done {
                    self.at = Some(At { time_us: entry.time_us, id: entry.id.clone() });
                    return Ok(Some(entry));
                }
            }
            if !self.more {
                return Ok(None);
            }
            let mut selection = self.selection.clone();
            if let Some(at) = &self.at {
                selection.range.to_us = selection.range.to_us.min(at.time_us.saturating_add(1));
            }
            let (page, more, _) = self.lake.profiles(&selection, PAGE, &Allowance::default())?;
            // All profiles of the last time are on the page, so the next one begins before it.
            if let Some(last) = page.last() {
                self.selection.range.to_us = last.time_us;
            }
            (self.page, self.more) = (page.into_iter(), more);
        }
    }

    /// One profile with its own time and resource.
    fn read(&self, entry: &ProfileEntry) -> anyhow::Result<Profile> {
        let id = u128::from_str_radix(&entry.id, 16).context("read the id of a profile")?;
        let range = TimeRange { from_us: entry.time_us, to_us: entry.time_us.saturating_add(1) };
        let mut selection = Selection::new(range);
        selection.profile_id = Some(ProfileId(id));
        let (mut profile, _) =
            self.lake.merge(&selection, Gauge::default(), &Allowance::default())?;
        profile.meta.time_ns = entry.time_us.saturating_mul(1_000);
        profile.meta.duration_ns = entry.duration_ns;
        profile.meta.resource =
            entry.resource.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        Ok(profile)
    }
}
