//! Values of gauges: what a row counts for, given when its instance was profiled.

use std::{fmt, str::FromStr};

use crate::{error::Error, schema::SAMPLES};

use super::{
    Ask,
    flame::Question,
    rows::walk,
    sheet::{Cell, Sheet},
    snapshots::{Name, Snapshots},
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

/// Snapshots of a gauge, and what a value of each cell counts for. Weights are whole numbers, so
/// that a mean which can be told exactly is, however large the values are.
pub(crate) struct Weights {
    pub snapshots: Snapshots,
    pub sheet: Sheet,
    /// What a value of each cell counts for in all steps that are shown together.
    of: Vec<i64>,
    /// Steps that are averaged.
    averaged: i64,
    /// The weight of a value that counts once.
    once: i64,
}

/// Bounds of what counts once: finer than a floating point number, and so coarse that sums of many
/// of the largest values stay below what an `i128` holds.
const ONCE: std::ops::RangeInclusive<i64> = 1 << 52..=1 << 56;

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
        let sheet = Sheet::of_gauge(&snapshots, from_us, step_us);
        let steps = sheet.steps();
        let averaged = if gauge == Gauge::Mean { steps.len().max(1) as i64 } else { 1 };
        let once = once(averaged, sheet.cells.iter().map(|cell| cell.times));
        let mut weights = Self { snapshots, sheet, of: vec![], averaged, once };
        weights.of = match gauge {
            Gauge::Mean => weights.each(|cell| cell.steps()),
            Gauge::Last | Gauge::Max => {
                let step = match gauge {
                    Gauge::Max => weights.highest(ask, question)?,
                    _ => steps.last().copied(),
                };
                weights.each(|cell| step.filter(|step| cell.steps().contains(step)))
            }
        };
        Ok(weights)
    }

    /// What a value of each cell counts for in these of its steps.
    fn each<I: IntoIterator<Item = i64>>(&self, steps: impl Fn(&Cell) -> I) -> Vec<i64> {
        let of = |cell: &Cell| steps(cell).into_iter().map(|step| self.share(cell, step)).sum();
        self.sheet.cells.iter().map(of).collect()
    }

    /// What a value of a cell counts for in one of its steps.
    fn share(&self, cell: &Cell, step: i64) -> i64 {
        weight(cell.presence(step), cell.times, self.averaged, self.once)
    }

    /// What a value of a cell counts for; nothing where there is no such cell.
    #[inline]
    pub fn of(&self, cell: u32) -> Option<i128> {
        self.of.get(cell as usize).map(|weight| i128::from(*weight))
    }

    /// Weighted sums as whole values whose sum is the rounded sum: what is cut off one is carried
    /// to the next, so that many small values do not vanish together.
    pub fn rounded(&self, sums: &[i128]) -> Vec<i64> {
        rounded(sums, i128::from(self.once))
    }

    /// The step with the highest total.
    fn highest(&self, ask: &Ask<'_>, question: &Question) -> Result<Option<i64>, Error> {
        let cells = self.sheet.cells.len();
        let init = || vec![0i128; cells];
        let totals = ask.fold(&SAMPLES, &question.rows, init, |totals, group, rows| {
            let cells = self.sheet.place(&self.snapshots, group, rows, &mut vec![])?;
            for part in question.parts(group, rows)? {
                walk(&part.rows, [&cells], |range, [cell]| {
                    if let Some(total) = totals.get_mut(cell as usize) {
                        let sum = part.values.sum(range.start as usize..range.end as usize);
                        *total = total.saturating_add(sum.into());
                    }
                });
            }
            Ok(())
        })?;
        let mut by_step = std::collections::BTreeMap::<i64, i128>::new();
        for totals in totals {
            for (cell, total) in self.sheet.cells.iter().zip(totals) {
                for step in cell.steps() {
                    let share = total.saturating_mul(self.share(cell, step).into());
                    let sum = by_step.entry(step).or_default();
                    *sum = sum.saturating_add(share);
                }
            }
        }
        let highest = by_step.into_iter().max_by_key(|(_, total)| *total);
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

/// A common multiple of what the numbers of snapshots divide by, within bounds.
fn once(averaged: i64, times: impl Iterator<Item = i64>) -> i64 {
    let mut once = averaged;
    for times in times {
        let divisor = averaged.saturating_mul(times.max(1));
        match once.checked_mul(divisor / common(once, divisor)) {
            Some(multiple) if multiple <= *ONCE.end() => once = multiple,
            // There is none: as fine as it may be.
            _ => return *ONCE.end(),
        }
    }
    while once < *ONCE.start() {
        once *= 2;
    }
    once
}

/// The greatest common divisor.
fn common(a: i64, b: i64) -> i64 {
    if b == 0 { a } else { common(b, a % b) }
}

/// What one of so many values counts for in an average over so many steps.
fn weight(presence: f64, times: i64, averaged: i64, once: i64) -> i64 {
    let divisor = averaged.saturating_mul(times.max(1));
    match presence >= 1.0 && once % divisor == 0 {
        true => once / divisor,
        false => (once as f64 * presence / divisor as f64).round() as i64,
    }
}

fn rounded(sums: &[i128], once: i128) -> Vec<i64> {
    let mut carry = 0;
    let round = |sum: &i128| {
        if *sum == 0 {
            return 0;
        }
        let exact = sum.saturating_add(carry);
        let whole = exact.saturating_add(once / 2).div_euclid(once);
        carry = exact - whole * once;
        whole.clamp(i64::MIN.into(), i64::MAX.into()) as i64
    };
    sums.iter().map(round).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_keeps_the_sum() {
        assert_eq!(rounded(&[3, 0, 3, 3, 1], 10), [0, 0, 1, 0, 0]);
        assert_eq!(rounded(&[-6, 20, 6], 10), [-1, 2, 1]);
        assert!(rounded(&[], 1).is_empty());
        assert_eq!(rounded(&[i128::MAX, i128::MIN], 1 << 52), [i64::MAX, i64::MIN]);
    }

    #[test]
    fn means_of_large_values_are_exact() {
        for (averaged, times, value) in
            [(1, 1, i64::MAX), (60, 1, (1 << 60) + 7), (7, 3, -(1 << 61) - 1), (59, 11, 1 << 62)]
        {
            let once = once(averaged, [1, 2, times].into_iter());
            assert!(ONCE.contains(&once));
            let weight = i128::from(weight(1.0, times, averaged, once));
            let sum = i128::from(value) * weight * i128::from(averaged * times);
            assert_eq!(rounded(&[sum], once.into()), [value], "{averaged} {times}");
        }
        // No common multiple: near enough.
        let primes = [47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97, 101];
        let once = once(60, primes.into_iter());
        assert_eq!(once, *ONCE.end());
        let sum = i128::from(weight(1.0, 47, 60, once)) * 60 * 47 * 1_000_000;
        assert_eq!(rounded(&[sum], once.into()), [1_000_000]);
    }
}
