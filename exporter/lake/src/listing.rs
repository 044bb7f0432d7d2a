//! Single profiles: the newest of a selection, and which ones are there.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashSet},
};

use pipeline::profile::ProfileId;

use crate::{
    Lake,
    allowance::Allowance,
    catalog,
    error::Error,
    files::LakeFile,
    group::Group,
    pages::PageError,
    scan::{
        Ask, Notes,
        filter::Filter,
        rows::{Rows, walk},
    },
    schema::PROFILES,
    selection::Selection,
    time::{SECOND_US, TimeRange},
};

/// Files that are read before it is asked whether older ones matter.
const BATCH: usize = 8;
const HOUR_US: i64 = 3_600 * SECOND_US;

/// One profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProfileEntry {
    /// Its identity, 32 hex digits.
    pub id: String,
    /// Start of its window, microseconds since 1970.
    pub time_us: i64,
    /// Length of its window, nanoseconds; 0 for a snapshot.
    pub duration_ns: i64,
    /// Its service.
    pub service: String,
    /// Its instance.
    pub instance: String,
    /// Its name.
    pub profile: String,
    /// Sample type, unit and sum of values.
    pub types: Vec<(String, String, i64)>,
    /// Samples of the type that has most of them.
    pub samples: i64,
    /// All attributes of its resource.
    pub resource: Vec<(String, String)>,
}

/// Profiles by time, then by identity, newest first.
type Found = BTreeMap<(Reverse<i64>, String), ProfileEntry>;

impl Lake {
    /// The newest profiles of a selection, newest first, and whether there are older ones. At
    /// least `n` if there are as many: those that start at the same time as the last are with it,
    /// so that its time, as the end of the next selection's range, leaves none out.
    pub fn profiles(
        &self,
        selection: &Selection,
        n: usize,
        allowance: &Allowance,
    ) -> Result<(Vec<ProfileEntry>, bool, Notes), Error> {
        let ask = Ask::new(self, allowance);
        let mut filter = catalog::filter(selection, true);
        if selection.spec.is_some() {
            let kind = catalog::choose(&ask, selection)?.kind;
            filter = filter.with("profile", vec![kind.profile]);
        }
        let mut files = ask.list(&PROFILES, &filter)?;
        files.sort_by_key(|file| Reverse(file.max_ms));
        let (mut found, mut read) = (Found::new(), 0);
        while read < files.len() {
            let batch = &files[read..files.len().min(read + BATCH)];
            read += batch.len();
            add(&ask, &filter, batch, &mut found)?;
            let newest_left = files.get(read).map(|file| file.max_ms.saturating_mul(1_000) + 999);
            let last = found.keys().nth(n).map(|(time, _)| time.0);
            if let (Some(last), Some(newest_left)) = (last, newest_left)
                && last > newest_left
            {
                break;
            }
        }
        let last = n.checked_sub(1).and_then(|n| found.keys().nth(n)).map(|(time, _)| time.0);
        let total = found.len();
        let page: Vec<ProfileEntry> = match last {
            Some(last) => found.into_values().take_while(|p| p.time_us >= last).collect(),
            None if n == 0 => vec![],
            None => found.into_values().collect(),
        };
        let more = page.len() < total || read < files.len();
        Ok((page, more, ask.notes()))
    }

    /// The identities of the profiles whose windows start in the hour of this time.
    pub fn ids_of_hour(
        &self,
        time_us: i64,
        allowance: &Allowance,
    ) -> Result<HashSet<ProfileId>, Error> {
        let from_us = time_us.div_euclid(HOUR_US).saturating_mul(HOUR_US);
        let range = TimeRange { from_us, to_us: from_us.saturating_add(HOUR_US) };
        let filter = Filter::new(range, &[]);
        let ask = Ask::new(self, allowance);
        let found = ask.fold(&PROFILES, &filter, HashSet::new, |found, group, rows| {
            let ids = group.texts("profile_id")?;
            walk(rows, [&ids.runs], |_, [id]| {
                // What is no number is no profile of ours.
                found.extend(u128::from_str_radix(ids.text(id), 16).map(ProfileId));
            });
            Ok(())
        })?;
        Ok(found.into_iter().flatten().collect())
    }
}

fn add(ask: &Ask<'_>, filter: &Filter, files: &[LakeFile], found: &mut Found) -> Result<(), Error> {
    let parts = ask.fold_files(files, filter, Found::new, |found, group, rows| {
        Ok(entries(found, group, rows)?)
    })?;
    for (key, entry) in parts.into_iter().flatten() {
        match found.get_mut(&key) {
            // A profile whose types stand in several files.
            Some(known) => known.types.extend(entry.types),
            None => drop(found.insert(key, entry)),
        }
    }
    Ok(())
}

fn entries(found: &mut Found, group: &Group<'_>, rows: &Rows) -> Result<(), PageError> {
    let texts = ["profile_id", "service", "instance", "profile", "sample_type", "unit"];
    let texts = texts.map(|column| group.texts(column));
    let [ids, services, instances, profiles, types, units] = texts;
    let (ids, services, instances) = (ids?, services?, instances?);
    let (profiles, types, units) = (profiles?, types?, units?);
    let (times, durations) = (group.int_codes("time")?, group.int_codes("duration_ns")?);
    let (totals, samples) = (group.ints("total")?, group.ints("samples")?);
    let resources = group.sets("resource")?;
    let columns = [
        &ids.runs[..],
        &services.runs,
        &instances.runs,
        &profiles.runs,
        &types.runs,
        &units.runs,
        &times.runs,
        &durations.runs,
        &resources.runs,
    ];
    walk(rows, columns, |range, codes| {
        let [id, service, instance, profile, kind, unit, time, duration, resource] = codes;
        let (id, time_us) = (ids.text(id).to_owned(), times.int(time));
        let entry = found.entry((Reverse(time_us), id.clone())).or_insert_with(|| ProfileEntry {
            id,
            time_us,
            duration_ns: durations.int(duration),
            service: services.text(service).to_owned(),
            instance: instances.text(instance).to_owned(),
            profile: profiles.text(profile).to_owned(),
            types: vec![],
            samples: 0,
            resource: resources
                .pairs(resource)
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .collect(),
        });
        let rows = range.start as usize..range.end as usize;
        entry.samples = entry.samples.max(samples.sum(rows.clone()));
        let (kind, unit) = (types.text(kind).to_owned(), units.text(unit).to_owned());
        entry.types.push((kind, unit, totals.sum(rows)));
    });
    Ok(())
}
