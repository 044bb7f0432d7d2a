//! One profile out of many: a selection with all types of its profile, each stack down to the line.
//!
//! Names, system names, files, lines, labels and sums come back, numeric labels as numbers with
//! their unit; addresses and mappings are gone.
//! Deltas are added, gauges averaged as everywhere, and twins stand side by side again.

mod build;

use std::collections::{BTreeMap, BTreeSet, HashMap, btree_map, hash_map::Entry};

use pipeline::profile::{Profile, kind};

use crate::{
    Lake,
    allowance::{Allowance, Charge, Meter},
    catalog,
    error::Error,
    functions,
    group::Group,
    pages::{PageError, Run},
    scan::{
        Ask, Notes,
        flame::Question,
        gauge::{self, Gauge, Weights},
        rows::{Rows, walk},
        snapshots::{Name, filled},
    },
    schema::{PROFILES, SAMPLES},
    selection::{Selection, TypeSpec, Types, choose},
};

/// What tells the rows of a merged profile apart.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Sample {
    /// Names from root to leaf, joined by `;`; lines and, where names are not enough, files alike.
    stack: String,
    lines: String,
    files: String,
    build_id: String,
    labels: Vec<(String, String)>,
}

/// Values of each sample, one for each type.
type Table = BTreeMap<Sample, Vec<i64>>;

/// What describes the merged profile.
#[derive(Debug, Default)]
struct Head {
    name: String,
    /// Sample type and unit, in order.
    types: Vec<(String, String)>,
    temporalities: Vec<pipeline::profile::Temporality>,
    default_type: String,
    /// Start of the first window, and the length of all windows, each profile once.
    time_us: i64,
    windows: HashMap<(String, i64), i64>,
    period: i64,
    period_type: String,
    period_unit: String,
    comments: BTreeSet<String>,
    /// Units of numeric labels by key; empty for plain numbers. Other keys are of texts.
    label_units: BTreeMap<String, String>,
    services: BTreeSet<String>,
}

/// Comments that a merged profile keeps.
const COMMENTS_MAX: usize = 100;

impl Lake {
    /// The profiles of a selection as one, with all types of the profile that the selection's type
    /// belongs to; that type is its default.
    pub fn merge(
        &self,
        selection: &Selection,
        gauge: Gauge,
        allowance: &Allowance,
    ) -> Result<(Profile, Notes), Error> {
        let ask = Ask::new(self, allowance);
        let chosen = catalog::choose(&ask, selection)?.kind;
        let profile = chosen.profile;
        let of_profile = catalog::filter(selection, true).with("profile", vec![profile.clone()]);
        let mut types = catalog::types(&ask, &of_profile)?;
        if types.is_empty() {
            // Labels that nothing has make an empty profile, which has types too.
            let whole = Selection { matchers: vec![], ..selection.clone() };
            let whole = catalog::filter(&whole, true).with("profile", vec![profile.clone()]);
            types = catalog::types(&ask, &whole)?;
        }
        let questions = questions(&ask, selection, &profile, &types)?;
        let (mut table, mut held) = (Table::new(), ask.meter.nothing());
        for (index, question) in questions.iter().enumerate() {
            let values = if question.adds() {
                sums(&ask, question)?
            } else {
                gauge::weighted(&ask, question, gauge, |weights| means(&ask, question, weights))?
            };
            for (sample, value) in values {
                let row = match table.entry(sample) {
                    btree_map::Entry::Occupied(known) => known.into_mut(),
                    btree_map::Entry::Vacant(new) => {
                        held.grow(new.key().bytes() + questions.len() * size_of::<i64>())?;
                        new.insert(vec![0; questions.len()])
                    }
                };
                row[index] = row[index].saturating_add(value);
            }
        }
        table.retain(|_, values| values.iter().any(|value| *value != 0));
        if table.is_empty() {
            ask.nothing(selection)?;
        }
        let mut head = head(&ask, &of_profile)?;
        head.default_type = chosen.sample_type;
        head.name = profile;
        let kinds = || questions.iter().map(|question| &question.chosen.kind);
        head.types = kinds().map(|k| (k.sample_type.clone(), k.unit.clone())).collect();
        head.temporalities = kinds().map(|k| k.temporality).collect();
        let details = functions::details(&ask, selection.range)?;
        let profile = build::build(&head, &table, &details)
            .map_err(|_| Error::TooLarge { bytes_max: allowance.bytes_max })?;
        Ok((profile, ask.notes()))
    }
}

/// A question for each type of a profile, a count before what it counts, as Go has them.
fn questions(
    ask: &Ask<'_>,
    selection: &Selection,
    profile: &str,
    types: &Types,
) -> Result<Vec<Question>, Error> {
    let mut names: Vec<&str> = types.keys().map(|t| t.sample_type.as_str()).collect();
    names.dedup();
    let counted = |name: &str| {
        kind::counts(name).iter().find(|of| names.contains(of)).map(|of| (*of).to_owned())
    };
    let mut order: Vec<(String, bool, &str)> = names
        .iter()
        .map(|name| {
            let of = counted(name);
            (of.clone().unwrap_or_else(|| (*name).to_owned()), of.is_none(), *name)
        })
        .collect();
    order.sort();
    let mut questions = vec![];
    for (_, _, name) in order {
        let spec = TypeSpec::Exact(profile.to_owned(), name.to_owned());
        let chosen = choose(Some(&spec), types)?;
        ask.mixed(&chosen);
        questions.push(Question::of(selection, chosen));
    }
    Ok(questions)
}

fn sums(ask: &Ask<'_>, question: &Question) -> Result<BTreeMap<Sample, i64>, Error> {
    let init = || Sums::<i64>::of(&ask.meter);
    let states = ask.fold(&SAMPLES, &question.rows, init, |sums, group, rows| {
        let samples = Samples::of(group, rows)?;
        let parts = question.parts(group, rows)?;
        let mut own = vec![0i64; samples.all.len()];
        for part in parts {
            walk(&part.rows, [&samples.runs], |range, [sample]| {
                let sum = part.values.sum(range.start as usize..range.end as usize);
                own[sample as usize] = own[sample as usize].saturating_add(sum);
            });
        }
        for (sample, value) in samples.all.into_iter().zip(own) {
            let sum = sums.of_sample(sample)?;
            *sum = sum.saturating_add(value);
        }
        Ok(())
    })?;
    let mut all = BTreeMap::new();
    for (sample, value) in states.into_iter().flat_map(|sums| sums.by_sample) {
        let sum: &mut i64 = all.entry(sample).or_default();
        *sum = sum.saturating_add(value);
    }
    Ok(all)
}

type Means = (BTreeMap<Sample, i64>, Vec<(Name, i64)>);

fn means(ask: &Ask<'_>, question: &Question, weights: &Weights) -> Result<Means, Error> {
    let init = || (Sums::<i128>::of(&ask.meter), vec![]);
    let states = ask.fold(&SAMPLES, &question.rows, init, |(sums, orphans), group, rows| {
        let samples = Samples::of(group, rows)?;
        let parts = question.parts(group, rows)?;
        let cells = weights.sheet.place(&weights.snapshots, group, rows, orphans)?;
        let mut own = vec![0i128; samples.all.len()];
        for part in parts {
            walk(&part.rows, [&samples.runs, &cells], |range, [sample, cell]| {
                if let Some(weight) = weights.of(cell) {
                    let sum = part.values.sum(range.start as usize..range.end as usize);
                    let own = &mut own[sample as usize];
                    *own = own.saturating_add(i128::from(sum) * weight);
                }
            });
        }
        for (sample, value) in samples.all.into_iter().zip(own) {
            let sum = sums.of_sample(sample)?;
            *sum = sum.saturating_add(value);
        }
        Ok(())
    })?;
    let (mut all, mut orphans) = (BTreeMap::new(), vec![]);
    for (sums, lost) in states {
        orphans.extend(lost);
        for (sample, value) in sums.by_sample {
            let sum: &mut i128 = all.entry(sample).or_default();
            *sum = sum.saturating_add(value);
        }
    }
    let whole = weights.rounded(&all.values().copied().collect::<Vec<_>>());
    Ok((all.into_keys().zip(whole).collect(), orphans))
}

/// Sums of samples, and the memory that these take.
struct Sums<'a, V> {
    by_sample: HashMap<Sample, V>,
    held: Charge<'a>,
}

impl<'a, V: Default> Sums<'a, V> {
    fn of(meter: &'a Meter<'a>) -> Self {
        Self { by_sample: HashMap::new(), held: meter.nothing() }
    }

    fn of_sample(&mut self, sample: Sample) -> Result<&mut V, Error> {
        match self.by_sample.entry(sample) {
            Entry::Occupied(known) => Ok(known.into_mut()),
            Entry::Vacant(new) => {
                self.held.grow(new.key().bytes())?;
                Ok(new.insert(V::default()))
            }
        }
    }
}

impl Sample {
    /// Memory that it takes in a table, about.
    fn bytes(&self) -> usize {
        let Self { stack, lines, files, build_id, labels } = self;
        let pairs = labels
            .iter()
            .map(|(key, value)| size_of::<(String, String)>() + key.len() + value.len());
        let texts = stack.len() + lines.len() + files.len() + build_id.len();
        2 * size_of::<Self>() + texts + pairs.sum::<usize>()
    }
}

/// The samples of a row group: runs of indexes into `all`.
struct Samples {
    runs: Vec<Run>,
    all: Vec<Sample>,
}

impl Samples {
    fn of(group: &Group<'_>, rows: &Rows) -> Result<Self, PageError> {
        let stacks = group.texts("stack")?;
        let (lines, files) = (group.texts("stack_lines")?, group.texts("stack_files")?);
        let (builds, labels) = (group.texts("build_id")?, group.sets("labels")?);
        let (traces, spans) = (group.texts("trace_id")?, group.texts("span_id")?);
        let columns = [
            &stacks.runs[..],
            &lines.runs,
            &files.runs,
            &builds.runs,
            &labels.runs,
            &traces.runs,
            &spans.runs,
        ];
        let (mut known, mut all) = (HashMap::new(), vec![]);
        let runs = filled(group, rows, columns, |codes| {
            *known.entry(codes).or_insert_with(|| {
                let [stack, line, file, build, set, trace, span] = codes;
                let links = [("trace_id", traces.text(trace)), ("span_id", spans.text(span))];
                let links = links.into_iter().filter(|(_, id)| !id.is_empty());
                let labels = labels.pairs(set).chain(links);
                all.push(Sample {
                    stack: stacks.text(stack).to_owned(),
                    lines: lines.text(line).to_owned(),
                    files: files.text(file).to_owned(),
                    build_id: builds.text(build).to_owned(),
                    labels: labels.map(|(k, v)| (k.to_owned(), v.to_owned())).collect(),
                });
                all.len() as u32 - 1
            })
        });
        Ok(Self { runs, all })
    }
}

fn head(ask: &Ask<'_>, filter: &crate::scan::filter::Filter) -> Result<Head, Error> {
    let parts =
        ask.fold(&PROFILES, filter, Head::default, |head, group, rows| Ok(head.add(group, rows)?))?;
    let mut all = Head::default();
    for part in parts {
        all.period = all.period.max(part.period);
        for (mine, other) in
            [(&mut all.period_type, part.period_type), (&mut all.period_unit, part.period_unit)]
        {
            if mine.is_empty() {
                *mine = other;
            }
        }
        all.windows.extend(part.windows);
        all.comments.extend(part.comments);
        part.label_units.iter().for_each(|(key, unit)| all.add_unit(key, unit));
        all.services.extend(part.services);
    }
    all.time_us = all.windows.keys().map(|(_, time_us)| *time_us).min().unwrap_or(0);
    Ok(all)
}

impl Head {
    fn add(&mut self, group: &Group<'_>, rows: &Rows) -> Result<(), PageError> {
        let (ids, times) = (group.texts("profile_id")?, group.int_codes("time")?);
        let (durations, periods) = (group.int_codes("duration_ns")?, group.int_codes("period")?);
        let columns = [&ids.runs[..], &times.runs, &durations.runs, &periods.runs];
        walk(rows, columns, |_, [id, time, duration, period]| {
            let window = (ids.text(id).to_owned(), times.int(time));
            self.windows.insert(window, durations.int(duration));
            self.period = self.period.max(periods.int(period));
        });
        let (kinds, units) = (group.texts("period_type")?, group.texts("period_unit")?);
        let (comments, services) = (group.texts("comments")?, group.texts("service")?);
        let label_units = group.sets("label_units")?;
        let columns =
            [&kinds.runs[..], &units.runs, &comments.runs, &services.runs, &label_units.runs];
        let mut seen = BTreeSet::new();
        walk(rows, columns, |_, codes| {
            seen.insert(codes);
        });
        for [kind, unit, comment, service, set] in seen {
            if self.period_type.is_empty() {
                self.period_type = kinds.text(kind).to_owned();
                self.period_unit = units.text(unit).to_owned();
            }
            let lines = comments.text(comment).lines().filter(|line| !line.is_empty());
            for line in lines {
                if self.comments.len() < COMMENTS_MAX {
                    self.comments.insert(line.to_owned());
                }
            }
            self.services.insert(services.text(service).to_owned());
            label_units.pairs(set).for_each(|(key, unit)| self.add_unit(key, unit));
        }
        Ok(())
    }

    /// Takes a key of numeric labels. Of several units the first in order stays, and any before
    /// none: files are read by several threads, and whichever is first must not matter.
    fn add_unit(&mut self, key: &str, unit: &str) {
        let kept = self.label_units.entry(key.to_owned()).or_default();
        if !unit.is_empty() && (kept.is_empty() || unit < kept.as_str()) {
            unit.clone_into(kept);
        }
    }
}
