//! Reads everything there is, and names what cannot be read.

use std::collections::BTreeMap;

use crate::{
    Lake,
    allowance::Allowance,
    error::Error,
    files::{self, LakeFile, Skipped},
    import::lacks_samples,
    scan::{Ask, filter::Filter},
    schema::{FUNCTIONS, Kind, PROFILES, SAMPLES, Table},
    seal,
    time::TimeRange,
};

/// What a check found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checked {
    /// Files that were looked at.
    pub files: u64,
    /// Rows of all tables that could be read.
    pub rows: u64,
    /// Files that could not, each once with its first reason.
    pub bad: Vec<Skipped>,
}

impl Lake {
    /// Compares every file with its seal, and reads every column of it.
    ///
    /// # Errors
    /// If the lake cannot be listed, or the allowance is used up.
    pub fn check(&self, allowance: &Allowance) -> Result<Checked, Error> {
        let ask = Ask::naming_all(self, allowance);
        let (mut checked, mut profiles) = (Checked::default(), Vec::new());
        for table in [&FUNCTIONS, &PROFILES, &SAMPLES] {
            let files = ask.list(table, &Filter::new(TimeRange::ALL, &[]))?;
            checked.files += files.len() as u64;
            for file in &files {
                ask.meter.check()?;
                self.check_seal(&ask, file);
                if table.name == SAMPLES.name {
                    self.check_profiles(&ask, file);
                }
            }
            checked.rows += read(&ask, table, &files)?;
            if table.name == PROFILES.name {
                profiles = files;
            }
        }
        // Last, so that a commit that was under way has its samples by now.
        for file in profiles.iter().filter(|file| file.level == 0) {
            if lacks_samples(&ask, file)? && file.is_in(&PROFILES, &self.root) {
                let reason =
                    "its samples are missing: was an import killed? another clears it away";
                ask.skip(file.path.clone(), reason);
            }
        }
        let mut bad = BTreeMap::new();
        for Skipped { path, reason } in ask.notes().skipped {
            bad.entry(path).or_insert(reason);
        }
        checked.bad = bad.into_iter().map(|(path, reason)| Skipped { path, reason }).collect();
        Ok(checked)
    }

    /// What samples belong to was written before them, under the same name in `profiles`.
    fn check_profiles(&self, ask: &Ask<'_>, samples: &LakeFile) {
        // Compaction gives names anew, and retention may have taken both away.
        let is_in = |table| samples.is_in(table, &self.root);
        if samples.level == 0 && !is_in(&PROFILES) && is_in(&SAMPLES) {
            ask.skip(samples.path.clone(), "its profiles are missing");
        }
    }

    fn check_seal(&self, ask: &Ask<'_>, file: &LakeFile) {
        let open = files::open(&self.root.join(&file.path));
        match open.and_then(|(mut open, _)| seal::holds(&mut open)) {
            Ok(Some(false)) => ask.skip(file.path.clone(), "not the bytes that were written"),
            Ok(Some(true)) => {}
            Ok(None) => ask.skip(file.path.clone(), "the seal of the file is missing"),
            // Retention or compaction took it away.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => ask.skip(file.path.clone(), error),
        }
    }
}

/// Reads every column of some files; gives the number of their rows.
fn read(ask: &Ask<'_>, table: &Table, files: &[LakeFile]) -> Result<u64, Error> {
    let filter = Filter::new(TimeRange::ALL, &[]);
    let counts = ask.fold_files(
        files,
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
    Ok(counts.into_iter().sum())
}
