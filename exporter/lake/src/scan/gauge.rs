//! Values of gauges: what a row counts for, given when its instance was profiled.

use std::{fmt, str::FromStr};

use crate::{error::Error, schema::SAMPLES};

use super::{
    Ask,
    flame::Question,
    rows::walk,
    snapshots::{Name, Sheet, Snapshots},
};

/// What is shown of a gauge, which cannot be added over time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Gauge {
    /// The average over the steps of the range that have data.
    #[default]
    Mean,
    /// The last step that has data.
    Last,
    /// The step with the highest total.
    Max,
}

impl Gauge {
    /// All of them, as they are named in commands and URLs.
    pub const NAMES: [&str; 3] = ["mean", "last", "max"];

    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Mean => "mean",
            Self::Last => "last",
            Self::Max => "max",
        }
    }
}

impl fmt::Display for Gauge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Gauge {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let all = [Self::Mean, Self::Last, Self::Max];
        all.into_iter().find(|gauge| gauge.as_str() == text).ok_or_else(|| {
            let message = format!("`{text}` is not mean, last or max");
            Error::Input { field: "gauge", message }
        })
    }
}

/// Snapshots of a gauge, and what a value of each cell counts for.
pub(crate) struct Weights {
    pub snapshots: Snapshots,
    pub sheet: Sheet,
    /// By cell.
    pub of: Vec<f64>,
}

impl Weights {
    /// For a question about a gauge: the average over all steps, or one step alone.
    pub fn new(
        ask: &Ask<'_>,
        question: &Question,
        gauge: Gauge,
        snapshots: Snapshots,
    ) -> Result<Self, Error> {
        let range = question.rows.range;
        let (extent, step_us) = (snapshots.extent(range), snapshots.step_us(range));
        let from_us = match gauge {
            // The last step ends with the last snapshot, so that it has one of each instance.
            Gauge::Last => extent.to_us.saturating_sub(step_us),
            Gauge::Mean | Gauge::Max => extent.from_us,
        };
        let sheet = snapshots.sheet(from_us, step_us);
        let steps = sheet.steps();
        let mean = |only: Option<i64>, by: f64| -> Vec<f64> {
            let cells = sheet.cells.iter();
            let counts = |step| only.is_none_or(|only| only == step);
            cells.map(|c| if counts(c.step) { c.mean_weight() / by } else { 0.0 }).collect()
        };
        let of = match gauge {
            Gauge::Mean => mean(None, steps.len().max(1) as f64),
            Gauge::Last => mean(steps.last().copied(), 1.0),
            Gauge::Max => {
                let whole = Self { of: mean(None, 1.0), snapshots, sheet };
                let highest = whole.highest(ask, question)?;
                let Self { snapshots, sheet, mut of } = whole;
                for (weight, cell) in of.iter_mut().zip(&sheet.cells) {
                    *weight = if Some(cell.step) == highest { *weight } else { 0.0 };
                }
                return Ok(Self { snapshots, sheet, of });
            }
        };
        Ok(Self { snapshots, sheet, of })
    }

    /// The step with the highest total.
    fn highest(&self, ask: &Ask<'_>, question: &Question) -> Result<Option<i64>, Error> {
        let totals = ask.fold(
            &SAMPLES,
            &question.rows,
            || vec![0.0; self.of.len()],
            |totals, group, rows| {
                let cells = self.sheet.place(&self.snapshots, group, rows, &mut vec![])?;
                for part in question.parts(group, rows)? {
                    walk(&part.rows, [&cells], |range, [cell]| {
                        if let Some(weight) = self.of.get(cell as usize) {
                            let sum = part.values.sum(range.start as usize..range.end as usize);
                            totals[cell as usize] += sum as f64 * weight;
                        }
                    });
                }
                Ok(())
            },
        )?;
        let mut by_step = std::collections::BTreeMap::<i64, f64>::new();
        for totals in totals {
            for (cell, total) in self.sheet.cells.iter().zip(totals) {
                *by_step.entry(cell.step).or_default() += total;
            }
        }
        let highest = by_step.into_iter().max_by(|a, b| a.1.total_cmp(&b.1));
        Ok(highest.map(|(step, _)| step))
    }
}

/// Runs `scan` with weights, and once more where it met windows that `profiles` does not know.
pub(crate) fn weighted<T>(
    ask: &Ask<'_>,
    question: &Question,
    gauge: Gauge,
    scan: impl Fn(&Weights) -> Result<(T, Vec<(Name, i64)>), Error>,
) -> Result<T, Error> {
    let snapshots = Snapshots::collect(ask, &question.profiles, None)?;
    let weights = Weights::new(ask, question, gauge, snapshots)?;
    let (answer, orphans) = scan(&weights)?;
    if orphans.is_empty() {
        return Ok(answer);
    }
    let mut snapshots = weights.snapshots;
    snapshots.adopt(orphans);
    let weights = Weights::new(ask, question, gauge, snapshots)?;
    Ok(scan(&weights)?.0)
}

/// Whole numbers whose sum is the rounded sum: what is cut off one is carried to the next, so that
/// many small values do not vanish together.
pub(crate) fn rounded(values: &[f64]) -> Vec<i64> {
    let mut carry = 0.0;
    let round = |value: &f64| {
        if *value == 0.0 {
            return 0;
        }
        let exact = value + carry;
        let whole = exact.round();
        carry = exact - whole;
        whole as i64
    };
    values.iter().map(round).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_keeps_the_sum() {
        assert_eq!(rounded(&[0.3, 0.0, 0.3, 0.3, 0.1]), [0, 0, 1, 0, 0]);
        assert_eq!(rounded(&[-0.6, 2.0, 0.6]), [-1, 2, 1]);
        assert!(rounded(&[]).is_empty());
    }
}
