//! Which rows of a table a question is about: decided by statistics where they tell, else by the
//! codes of each column, a string at a time and never a row at a time.

use parquet::{
    basic::{LogicalType, TimeUnit},
    file::statistics::Statistics,
};

use crate::{
    group::Group,
    matcher::{FIXED_KEYS, Matcher},
    pages::{PageError, Sets},
    time::TimeRange,
};

use super::rows::{Rows, walk};

/// Whether a value does.
type Accept<'a> = &'a dyn Fn(&str) -> bool;

/// Conditions that a row must meet, all of them.
#[derive(Clone, Debug)]
pub(crate) struct Filter {
    pub range: TimeRange,
    /// Column and the values that do; null counts as the empty string.
    columns: Vec<(&'static str, Vec<String>)>,
    fixed: Vec<(&'static str, Matcher)>,
    labels: Vec<Matcher>,
    /// Whether a label that no resource has may be one of samples, which the table does not tell.
    lenient: bool,
}

impl Filter {
    pub fn new(range: TimeRange, matchers: &[Matcher]) -> Self {
        let mut filter =
            Self { range, columns: vec![], fixed: vec![], labels: vec![], lenient: false };
        for matcher in matchers {
            match FIXED_KEYS.iter().find(|key| **key == matcher.key()) {
                Some(key) => match matcher.only() {
                    Some(value) => filter.columns.push((key, vec![value.to_owned()])),
                    None => filter.fixed.push((key, matcher.clone())),
                },
                None => filter.labels.push(matcher.clone()),
            }
        }
        filter
    }

    /// With rows of these values in a column only.
    pub fn with(mut self, column: &'static str, values: Vec<String>) -> Self {
        self.columns.push((column, values));
        self
    }

    /// For the table `profiles`: a label that no resource in a row group has is taken as one of
    /// samples, and does not count against a profile.
    pub fn lenient(mut self) -> Self {
        self.lenient = true;
        self
    }

    /// Keys of labels that are no columns.
    pub fn label_keys(&self) -> impl Iterator<Item = &str> {
        self.labels.iter().map(Matcher::key)
    }

    /// The rows of a row group that meet all conditions.
    pub fn rows(&self, group: &Group<'_>) -> Result<Rows, PageError> {
        let mut open: Vec<(&'static str, Accept<'_>)> = vec![];
        let of_columns: Vec<_> = self
            .columns
            .iter()
            .map(|(_, v)| move |text: &str| v.iter().any(|w| w == text))
            .collect();
        let of_fixed: Vec<_> =
            self.fixed.iter().map(|(_, m)| move |text: &str| m.matches(text)).collect();
        for ((column, values), accept) in self.columns.iter().zip(&of_columns) {
            match text_stats(group, column, |min, max| {
                values.iter().all(|value| value.as_str() < min || value.as_str() > max)
            }) {
                Stats::One(value) if accept(value) => {}
                Stats::One(_) | Stats::Outside => return Ok(Rows::none()),
                Stats::Unknown => open.push((column, accept)),
            }
        }
        for ((column, _), accept) in self.fixed.iter().zip(&of_fixed) {
            match text_stats(group, column, |_, _| false) {
                Stats::One(value) if accept(value) => {}
                Stats::One(_) => return Ok(Rows::none()),
                _ => open.push((column, accept)),
            }
        }
        let times = time_stats(group);
        if times.is_some_and(|(first, last)| !self.range.meets(first, last)) {
            return Ok(Rows::none());
        }
        let mut rows = Rows::all(group.rows());
        for (column, accept) in open {
            let codes = group.texts(column)?;
            let accepted: Vec<bool> =
                (0..codes.len()).map(|c| accept(codes.text(c as u32))).collect();
            let null = accept("");
            rows = rows.only(&codes.runs, |c| accepted.get(c as usize).copied().unwrap_or(null));
            if rows.is_empty() {
                return Ok(rows);
            }
        }
        // The table `functions` has no times: its files are pruned by hour alone.
        if self.range != TimeRange::ALL
            && group.leaf("time").is_some()
            && !times.is_some_and(|(first, last)| self.range.covers(first, last))
        {
            let codes = group.int_codes("time")?;
            rows = rows.only(&codes.runs, |code| self.range.holds(codes.int(code)));
        }
        for matcher in &self.labels {
            if rows.is_empty() {
                break;
            }
            rows = by_label(group, &rows, matcher, self.lenient)?;
        }
        Ok(rows)
    }
}

/// What the statistics of a text column say.
enum Stats<'a> {
    One(&'a str),
    Outside,
    Unknown,
}

fn text_stats<'g>(
    group: &Group<'g>,
    column: &str,
    outside: impl Fn(&str, &str) -> bool,
) -> Stats<'g> {
    let Some(leaf) = group.leaf(column) else { return Stats::Unknown };
    let meta = group.meta().column(leaf);
    let Some(Statistics::ByteArray(stats)) = meta.statistics() else { return Stats::Unknown };
    let (Some(min), Some(max)) = (stats.min_opt(), stats.max_opt()) else { return Stats::Unknown };
    let (Ok(low), Ok(high)) = (std::str::from_utf8(min.data()), std::str::from_utf8(max.data()))
    else {
        return Stats::Unknown;
    };
    let nulls = meta.column_descr().max_def_level() > 0 && stats.null_count_opt() != Some(0);
    if nulls {
        return Stats::Unknown;
    }
    match low == high && stats.min_is_exact() && stats.max_is_exact() {
        true => Stats::One(low),
        false if outside(low, high) => Stats::Outside,
        false => Stats::Unknown,
    }
}

/// First and last time of a row group.
pub(crate) fn time_stats(group: &Group<'_>) -> Option<(i64, i64)> {
    let meta = group.meta().column(group.leaf("time")?);
    match (meta.statistics()?, meta.column_descr().logical_type_ref()?) {
        (Statistics::Int64(stats), LogicalType::Timestamp(time))
            if time.unit == TimeUnit::MICROS =>
        {
            Some((*stats.min_opt()?, *stats.max_opt()?))
        }
        _ => None,
    }
}

/// Rows whose label matches: the sample's own label, else the resource attribute of that name.
fn by_label(
    group: &Group<'_>,
    rows: &Rows,
    matcher: &Matcher,
    lenient: bool,
) -> Result<Rows, PageError> {
    let labels = group.sets("labels")?;
    let own = verdicts(&labels, matcher);
    if own.iter().all(Option::is_some) {
        return Ok(rows.only(&labels.runs, |code| verdict(&own, code).unwrap_or(false)));
    }
    let resource = group.sets("resource")?;
    let theirs = verdicts(&resource, matcher);
    let absent = matcher.matches("");
    if own.iter().all(Option::is_none) {
        if lenient && theirs.iter().all(Option::is_none) {
            return Ok(rows.clone());
        }
        return Ok(rows.only(&resource.runs, |code| verdict(&theirs, code).unwrap_or(absent)));
    }
    let mut out = Rows::none();
    walk(rows, [&labels.runs, &resource.runs], |range, [label, attribute]| {
        if verdict(&own, label).or(verdict(&theirs, attribute)).unwrap_or(absent) {
            out.push(range);
        }
    });
    Ok(out)
}

fn verdict(verdicts: &[Option<bool>], code: u32) -> Option<bool> {
    verdicts.get(code as usize).copied().flatten()
}

/// For each set whether its label matches; `None` where it has none of that name.
fn verdicts(sets: &Sets, matcher: &Matcher) -> Vec<Option<bool>> {
    let named: Vec<bool> = sets.keys.iter().map(|key| matcher.names(key)).collect();
    let of = |set: &[(u32, u32)]| {
        let pair = set.iter().find(|(key, _)| named.get(*key as usize) == Some(&true))?;
        Some(matcher.matches(sets.values.get(pair.1)))
    };
    sets.sets.iter().map(|set| of(set)).collect()
}
