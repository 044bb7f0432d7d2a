//! Reads everything there is, and names what cannot be read.

use crate::{
    Lake,
    allowance::Allowance,
    error::Error,
    files::Skipped,
    scan::{Ask, filter::Filter},
    schema::{FUNCTIONS, Kind, PROFILES, SAMPLES},
    time::TimeRange,
};

/// What a check found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checked {
    /// Rows of all tables that could be read.
    pub rows: u64,
    /// Files that could not, with the reason; at most a hundred.
    pub bad: Vec<Skipped>,
}

impl Lake {
    /// Reads every column of every file.
    pub fn check(&self, allowance: &Allowance) -> Result<Checked, Error> {
        let (ask, mut rows) = (Ask::new(self, allowance), 0);
        for table in [&FUNCTIONS, &PROFILES, &SAMPLES] {
            let filter = Filter::new(TimeRange::ALL, &[]);
            let counts = ask.fold(
                table,
                &filter,
                || 0,
                |rows, group, selected| {
                    for column in table.columns {
                        match column.kind {
                            Kind::Time => drop(group.int_codes(column.name)?),
                            Kind::Int => drop(group.ints(column.name)?),
                            Kind::Text => drop(group.texts(column.name)?),
                            Kind::Map => drop(group.sets(column.name)?),
                        }
                    }
                    *rows += selected.len() as u64;
                    Ok(())
                },
            )?;
            rows += counts.into_iter().sum::<u64>();
        }
        Ok(Checked { rows, bad: ask.notes().skipped })
    }
}
