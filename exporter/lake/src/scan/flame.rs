//! Values by stack: what flame graphs, top tables and diffs are drawn from.

use std::sync::Arc;

use pipeline::{picture::Trie, profile::Temporality};

use crate::{
    Lake,
    allowance::Allowance,
    cache::{Kept, Key},
    catalog,
    error::Error,
    functions,
    group::Group,
    pages::{Ints, PageError, Run},
    schema::SAMPLES,
    selection::{Chosen, Selection, Type},
    tries::Shared,
};

use super::{
    Ask, Fail, Notes,
    filter::Filter,
    gauge::{self, Gauge, Weights},
    rows::{Rows, walk},
    snapshots::Name,
};

/// Values by stack.
#[derive(Clone, Debug)]
pub struct Flame {
    /// The frames of these and other stacks; stacks without a value are not part of the answer.
    pub trie: Arc<Trie>,
    /// Own value of each node, in the unit of the type; nodes past the end have none.
    pub own: Vec<i64>,
    /// The same of the base, where two selections are compared.
    pub base: Option<Vec<i64>>,
    /// The type that the values are of.
    pub kind: Type,
    /// What else should be known.
    pub notes: Notes,
}

/// A selection made ready for the rows of `samples`, and for those of `profiles` that tell when.
pub(crate) struct Question {
    pub chosen: Chosen,
    pub rows: Filter,
    pub profiles: Filter,
    row_types: Vec<String>,
}

/// Rows of one row group and the column that holds their values.
pub(crate) struct Part {
    pub rows: Rows,
    pub values: Arc<Ints>,
}

impl Question {
    /// Finds the type that is meant among those in the selection.
    pub fn new(ask: &Ask<'_>, selection: &Selection) -> Result<Self, Error> {
        let chosen = catalog::choose(ask, selection)?;
        ask.mixed(&chosen);
        Ok(Self::of(selection, chosen))
    }

    /// With a type that is known.
    pub fn of(selection: &Selection, chosen: Chosen) -> Self {
        let (kind, row_types) = (&chosen.kind, chosen.row_types());
        let mut both = Filter::new(selection.range, &selection.all_matchers())
            .with("profile", vec![kind.profile.clone()]);
        if chosen.mixed {
            both = both.with("temporality", vec![kind.temporality.as_str().to_owned()]);
        }
        if let Some(id) = selection.profile_id {
            both = both.with("profile_id", vec![id.to_string()]);
        }
        let mut rows = both.clone().with("sample_type", row_types.clone());
        let mut profiles = both.lenient().with("sample_type", vec![kind.sample_type.clone()]);
        if chosen.mixed {
            profiles = profiles.with("unit", vec![kind.unit.clone()]);
        }
        // The unit of a row is that of its value, not of its count.
        if chosen.mixed && row_types.len() == 1 {
            rows = rows.with("unit", vec![kind.unit.clone()]);
        }
        Self { chosen, rows, profiles, row_types }
    }

    /// Whether values add over time.
    pub fn adds(&self) -> bool {
        self.chosen.kind.temporality == Temporality::Delta
    }

    /// Rows of the type itself have their values in `value`, rows of its twin in `count`.
    pub fn parts(&self, group: &Group<'_>, rows: &Rows) -> Result<Vec<Part>, PageError> {
        let own = &self.chosen.kind.sample_type;
        if self.row_types.len() == 1 {
            return Ok(vec![Part { rows: rows.clone(), values: group.ints("value")? }]);
        }
        let types = group.texts("sample_type")?;
        let is_own = |code| types.text(code) == own;
        let mut parts = vec![];
        for (rows, column) in [
            (rows.only(&types.runs, is_own), "value"),
            (rows.only(&types.runs, |code| !is_own(code)), "count"),
        ] {
            if !rows.is_empty() {
                parts.push(Part { rows, values: group.ints(column)? });
            }
        }
        Ok(parts)
    }
}

impl Lake {
    /// Values by stack of a selection. A gauge is shown as `gauge` says; deltas are added.
    pub fn flame(
        &self,
        selection: &Selection,
        gauge: Gauge,
        allowance: &Allowance,
    ) -> Result<Flame, Error> {
        let ask = Ask::new(self, allowance);
        let shared = self.tries.get();
        let question = Question::new(&ask, selection)?;
        let own = own(&ask, &shared, &question, gauge)?;
        if own.iter().all(|value| *value == 0) {
            ask.nothing(selection)?;
        }
        functions::place(&ask, selection.range, &shared)?;
        let kind = question.chosen.kind;
        Ok(Flame { trie: shared.trie(), own, base: None, kind, notes: ask.notes() })
    }

    /// Values by stack of a selection and of a base that it is compared to. The type is that of the
    /// selection; a base without data is empty.
    pub fn diff(
        &self,
        selection: &Selection,
        base_selection: &Selection,
        gauge: Gauge,
        allowance: &Allowance,
    ) -> Result<Flame, Error> {
        let ask = Ask::new(self, allowance);
        let shared = self.tries.get();
        let question = Question::new(&ask, selection)?;
        let own_values = own(&ask, &shared, &question, gauge)?;
        let of_base =
            Question::of(base_selection, Chosen { mixed: true, ..question.chosen.clone() });
        let base = own(&ask, &shared, &of_base, gauge)?;
        for (selection, own) in [(base_selection, &base), (selection, &own_values)] {
            if own.iter().all(|value| *value == 0) {
                ask.nothing(selection)?;
            }
        }
        functions::place(&ask, selection.range, &shared)?;
        Ok(Flame {
            trie: shared.trie(),
            own: own_values,
            base: Some(base),
            kind: question.chosen.kind,
            notes: ask.notes(),
        })
    }
}

/// Own values of a question by node of the shared tree.
fn own(
    ask: &Ask<'_>,
    shared: &Shared,
    question: &Question,
    gauge: Gauge,
) -> Result<Vec<i64>, Error> {
    if question.adds() {
        sums(ask, shared, question)
    } else {
        gauge::weighted(ask, question, gauge, |weights| {
            let (own, orphans) = means(ask, shared, question, weights)?;
            Ok((weights.rounded(&own), orphans))
        })
    }
}

fn sums(ask: &Ask<'_>, shared: &Shared, question: &Question) -> Result<Vec<i64>, Error> {
    let states = ask.fold(&SAMPLES, &question.rows, Vec::<i64>::new, |own, group, rows| {
        let stacks = Stacks::of(ask, shared, group)?;
        let parts = question.parts(group, rows)?;
        own.resize(own.len().max(stacks.nodes_max), 0);
        for Part { rows, values } in parts {
            walk(&rows, [&stacks.runs], |range, [code]| {
                let sum = values.sum(range.start as usize..range.end as usize);
                let own = &mut own[stacks.node(code)];
                *own = own.saturating_add(sum);
            });
        }
        Ok(())
    })?;
    Ok(joined(states, |a, b| a.saturating_add(b)))
}

/// Weighted sums by node, and windows that `profiles` does not know.
type Means = (Vec<i128>, Vec<(Name, i64)>);

fn means(
    ask: &Ask<'_>,
    shared: &Shared,
    question: &Question,
    weights: &Weights,
) -> Result<Means, Error> {
    let init = Means::default;
    let states = ask.fold(&SAMPLES, &question.rows, init, |(own, orphans), group, rows| {
        let stacks = Stacks::of(ask, shared, group)?;
        let parts = question.parts(group, rows)?;
        let cells = weights.sheet.place(&weights.snapshots, group, rows, orphans)?;
        own.resize(own.len().max(stacks.nodes_max), 0);
        for Part { rows, values } in parts {
            walk(&rows, [&stacks.runs, &cells], |range, [code, cell]| {
                if let Some(weight) = weights.of(cell) {
                    let sum = values.sum(range.start as usize..range.end as usize);
                    let own = &mut own[stacks.node(code)];
                    *own = own.saturating_add(i128::from(sum) * weight);
                }
            });
        }
        Ok(())
    })?;
    let (own, orphans): (Vec<_>, Vec<_>) = states.into_iter().unzip();
    Ok((joined(own, i128::saturating_add), orphans.into_iter().flatten().collect()))
}

fn joined<T: Copy + Default>(states: Vec<Vec<T>>, add: impl Fn(T, T) -> T) -> Vec<T> {
    let mut states = states.into_iter();
    let mut all = states.next().unwrap_or_default();
    for state in states {
        all.resize(all.len().max(state.len()), T::default());
        all.iter_mut().zip(state).for_each(|(all, one)| *all = add(*all, one));
    }
    all
}

/// The stacks of a row group: runs of codes, and the tree's node of each code.
struct Stacks {
    runs: Arc<Vec<Run>>,
    nodes: Arc<Vec<u32>>,
    /// Above every node.
    nodes_max: usize,
}

impl Stacks {
    fn of(ask: &Ask<'_>, shared: &Shared, group: &Group<'_>) -> Result<Self, Fail> {
        let (id, index) = group.id();
        let key = Key::Nodes(id, index, shared.generation);
        let nodes = match group.cache().get(&key) {
            Some(Kept::Nodes(nodes)) => nodes,
            _ => {
                let added = match group.dictionary("stack") {
                    Ok(texts) => shared.add(texts.iter()),
                    Err(PageError::Other) => {
                        let codes = group.texts("stack")?;
                        shared.add((0..codes.len() as u32).map(|code| codes.text(code)))
                    }
                    Err(error) => return Err(error.into()),
                };
                // What the tree takes is kept, but one question must not make it grow for ever.
                ask.meter.charge(added.1)?;
                let nodes = Arc::new(added.0);
                group.cache().put(key, Kept::Nodes(nodes.clone()));
                nodes
            }
        };
        let runs = match group.runs("stack", nodes.len()) {
            Ok(runs) => runs,
            Err(PageError::Other) => Arc::new(group.texts("stack")?.runs.clone()),
            Err(error) => return Err(error.into()),
        };
        let nodes_max = nodes.iter().copied().max().unwrap_or(0) as usize + 1;
        Ok(Self { runs, nodes, nodes_max })
    }

    /// The root for what is not there.
    fn node(&self, code: u32) -> usize {
        self.nodes.get(code as usize).copied().unwrap_or(0) as usize
    }
}
