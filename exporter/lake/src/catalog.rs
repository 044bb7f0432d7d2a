//! What the lake has: services, types, labels and their values.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::{
    Lake,
    allowance::Allowance,
    error::{Empty, Error},
    group::Group,
    matcher::FIXED_KEYS,
    pages::{PageError, Sets},
    scan::{
        Ask, Notes,
        filter::Filter,
        flame::Question,
        rows::{Rows, walk},
    },
    schema::{PROFILES, SAMPLES},
    selection::{self, Chosen, Selection, Type, Types},
    time::TimeRange,
};
use pipeline::profile::Temporality;

/// Values of a label that are listed.
const VALUES_MAX: usize = 1_000;
/// Values of a label that are counted.
const COUNTED_MAX: usize = 100_000;

/// A service and what was profiled of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// Its name.
    pub service: String,
    /// Its types, sorted.
    pub types: Vec<Type>,
    /// Start of its first window in the selection, microseconds since 1970.
    pub first_us: i64,
    /// Start of its last window.
    pub last_us: i64,
}

/// A label and its values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// Its name.
    pub name: String,
    /// Its values, sorted; at most a thousand.
    pub values: Vec<String>,
    /// How many more there are.
    pub more: usize,
}

impl Lake {
    /// The services of a selection, sorted by name. An empty list is no error.
    pub fn services(
        &self,
        selection: &Selection,
        allowance: &Allowance,
    ) -> Result<(Vec<Service>, Notes), Error> {
        let ask = Ask::new(self, allowance);
        let services = services(&ask, &filter(selection, true))?;
        Ok((services, ask.notes()))
    }

    /// The types of a selection, sorted, each with whether its profile shows it first.
    pub fn types(
        &self,
        selection: &Selection,
        allowance: &Allowance,
    ) -> Result<(Vec<(Type, bool)>, Notes), Error> {
        let ask = Ask::new(self, allowance);
        let types = types(&ask, &filter(selection, true))?;
        let is_default = |t: &Type| t.sample_type == selection::default_of(&t.profile, &types);
        let list = types.keys().map(|t| (t.clone(), is_default(t))).collect();
        Ok((list, ask.notes()))
    }

    /// The type that the words of a selection mean, and whether another temporality or unit of it
    /// is left out.
    pub fn resolve(
        &self,
        selection: &Selection,
        allowance: &Allowance,
    ) -> Result<(Type, bool), Error> {
        let chosen = choose(&Ask::new(self, allowance), selection)?;
        Ok((chosen.kind, chosen.mixed))
    }

    /// The labels of a selection: columns, labels of samples, and resource attributes.
    pub fn labels(
        &self,
        selection: &Selection,
        allowance: &Allowance,
    ) -> Result<(Vec<Label>, Notes), Error> {
        let ask = Ask::new(self, allowance);
        let list = |(name, values): (String, BTreeSet<String>)| Label {
            name,
            more: values.len().saturating_sub(VALUES_MAX),
            values: values.into_iter().take(VALUES_MAX).collect(),
        };
        let labels = label_values(&ask, selection)?.into_iter().map(list);
        Ok((labels.collect(), ask.notes()))
    }
}

/// Labels with their values.
pub(crate) type Values = BTreeMap<String, BTreeSet<String>>;

/// The labels of a selection: columns, labels of samples, and resource attributes.
pub(crate) fn label_values(ask: &Ask<'_>, selection: &Selection) -> Result<Values, Error> {
    let rows = match &selection.spec {
        Some(_) => Question::new(ask, selection)?.rows,
        None => filter(selection, false),
    };
    let mut parts =
        ask.fold(&PROFILES, &filter(selection, true), Values::new, |found, group, rows| {
            for column in FIXED_KEYS {
                let codes = group.texts(column)?;
                let mut seen = BTreeSet::new();
                walk(rows, [&codes.runs], |_, [code]| {
                    seen.insert(code);
                });
                for code in seen {
                    add(found, column, codes.text(code));
                }
            }
            add_sets(found, rows, &*group.sets("resource")?);
            Ok(())
        })?;
    parts.extend(ask.fold(&SAMPLES, &rows, Values::new, |found, group, rows| {
        add_sets(found, rows, &*group.sets("labels")?);
        Ok(())
    })?);
    let mut all = Values::new();
    for (name, values) in parts.into_iter().flatten() {
        all.entry(name).or_default().extend(values);
    }
    Ok(all)
}

fn add(found: &mut Values, name: &str, value: &str) {
    if value.is_empty() {
        return;
    }
    if !found.contains_key(name) {
        found.insert(name.to_owned(), BTreeSet::new());
    }
    if let Some(values) = found.get_mut(name)
        && values.len() < COUNTED_MAX
        && !values.contains(value)
    {
        values.insert(value.to_owned());
    }
}

fn add_sets(found: &mut Values, rows: &Rows, sets: &Sets) {
    let mut seen = BTreeSet::new();
    walk(rows, [&sets.runs], |_, [code]| {
        seen.insert(code);
    });
    for code in seen {
        for (name, value) in sets.pairs(code) {
            add(found, name, value);
        }
    }
}

/// The conditions of a selection but for the type.
pub(crate) fn filter(selection: &Selection, of_profiles: bool) -> Filter {
    let mut filter = Filter::new(selection.range, &selection.all_matchers());
    if let Some(id) = selection.profile_id {
        filter = filter.with("profile_id", vec![id.to_string()]);
    }
    if of_profiles { filter.lenient() } else { filter }
}

/// Types of a table of profiles, with what each profile shows first.
pub(crate) fn types(ask: &Ask<'_>, filter: &Filter) -> Result<Types, Error> {
    let parts = ask.fold(&PROFILES, filter, Types::new, |types, group, rows| {
        each_type(group, rows, |t, default| {
            types.insert(t, default);
        })?;
        Ok(())
    })?;
    Ok(parts.into_iter().flatten().collect())
}

fn each_type(
    group: &Group<'_>,
    rows: &Rows,
    mut each: impl FnMut(Type, String),
) -> Result<(), PageError> {
    let (profiles, sample_types) = (group.texts("profile")?, group.texts("sample_type")?);
    let (units, temporalities) = (group.texts("unit")?, group.texts("temporality")?);
    let defaults = group.texts("default_type")?;
    let mut seen = std::collections::HashSet::new();
    let columns =
        [&profiles.runs[..], &sample_types.runs, &units.runs, &temporalities.runs, &defaults.runs];
    walk(rows, columns, |_, codes| {
        seen.insert(codes);
    });
    for [profile, sample_type, unit, temporality, default] in seen {
        let kind = Type {
            profile: profiles.text(profile).to_owned(),
            sample_type: sample_types.text(sample_type).to_owned(),
            unit: units.text(unit).to_owned(),
            temporality: Temporality::parse(temporalities.text(temporality)).unwrap_or_default(),
        };
        each(kind, defaults.text(default).to_owned());
    }
    Ok(())
}

/// The type that a selection means.
pub(crate) fn choose(ask: &Ask<'_>, selection: &Selection) -> Result<Chosen, Error> {
    let mut found = types(ask, &filter(selection, true))?;
    if found.is_empty() && !selection.matchers.is_empty() {
        // Labels that nothing has make an empty answer, not an error.
        let whole = Selection { matchers: vec![], ..selection.clone() };
        found = types(ask, &filter(&whole, true))?;
    }
    if found.is_empty() {
        return Err(nothing(ask, selection)?);
    }
    selection::choose(selection.spec.as_ref(), &found)
}

/// Why a selection is empty.
fn nothing(ask: &Ask<'_>, selection: &Selection) -> Result<Error, Error> {
    if let Some(id) = selection.profile_id {
        return Ok(Error::NoProfile(id));
    }
    let services = services(ask, &Filter::new(TimeRange::ALL, &[]))?;
    Ok(Error::Empty(Box::new(Empty {
        range: selection.range,
        service: selection.service.clone(),
        services: services.into_iter().map(|s| (s.service, s.first_us, s.last_us)).collect(),
    })))
}

fn services(ask: &Ask<'_>, filter: &Filter) -> Result<Vec<Service>, Error> {
    type Found = HashMap<String, (BTreeSet<Type>, i64, i64)>;
    let parts = ask.fold(&PROFILES, filter, Found::new, |found, group, rows| {
        let (services, times) = (group.texts("service")?, group.int_codes("time")?);
        let mut spans: HashMap<u32, (i64, i64)> = HashMap::new();
        walk(rows, [&services.runs, &times.runs], |_, [service, time]| {
            let time_us = times.int(time);
            let span = spans.entry(service).or_insert((time_us, time_us));
            *span = (span.0.min(time_us), span.1.max(time_us));
        });
        for (service, (first_us, last_us)) in spans {
            let of_service = rows.only(&services.runs, |code| code == service);
            let mut kinds = vec![];
            each_type(group, &of_service, |kind, _| kinds.push(kind))?;
            let name = services.text(service).to_owned();
            let entry = found.entry(name).or_insert((BTreeSet::new(), first_us, last_us));
            entry.0.extend(kinds);
            (entry.1, entry.2) = (entry.1.min(first_us), entry.2.max(last_us));
        }
        Ok(())
    })?;
    let mut all: BTreeMap<String, (BTreeSet<Type>, i64, i64)> = BTreeMap::new();
    for (service, (types, first_us, last_us)) in parts.into_iter().flatten() {
        let entry = all.entry(service).or_insert((BTreeSet::new(), first_us, last_us));
        entry.0.extend(types);
        (entry.1, entry.2) = (entry.1.min(first_us), entry.2.max(last_us));
    }
    let service = |(service, (types, first_us, last_us)): (String, (BTreeSet<Type>, i64, i64))| {
        Service { service, types: types.into_iter().collect(), first_us, last_us }
    };
    Ok(all.into_iter().map(service).collect())
}
