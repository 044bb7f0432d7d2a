//! Where functions are: the table `functions` as far as a question needs it.

use std::collections::{HashMap, HashSet};

use crate::{
    error::Error,
    group::Group,
    pages::PageError,
    scan::{
        Ask, Fail,
        filter::Filter,
        rows::{Rows, walk},
    },
    schema::FUNCTIONS,
    time::TimeRange,
    tries::Shared,
};

/// Files that are read before it is asked whether more are worth it; each time twice as many.
const FIRST_BATCH: usize = 2;

/// What is known of a function beside its name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Details {
    pub system_name: String,
    pub file: String,
    pub start_line: i64,
}

/// Tells a call tree where the functions in it are, as far as the files of a range know. The newest
/// files are asked first; the rest are left alone once a batch of them has nothing to add.
pub(crate) fn place(ask: &Ask<'_>, range: TimeRange, shared: &Shared) -> Result<(), Error> {
    let mut unplaced = shared.unplaced();
    let filter = Filter::new(range, &[]);
    let mut files = ask.list(&FUNCTIONS, &filter)?;
    files.reverse();
    let newest = files.first().map(|file| file.path.clone());
    if unplaced.is_empty() || !shared.is_news(newest) {
        return Ok(());
    }
    let (mut rest, mut batch_len) = (files.as_slice(), FIRST_BATCH);
    while !rest.is_empty() {
        let batch;
        (batch, rest) = rest.split_at(batch_len.min(rest.len()));
        batch_len *= 2;
        let parts = ask.fold_files(batch, &filter, HashMap::new, |found, group, rows| {
            Ok(add_places(found, group, rows, &unplaced)?)
        })?;
        let places: HashMap<String, String> = parts.into_iter().flatten().collect();
        if places.is_empty() {
            break;
        }
        unplaced.retain(|name| !places.contains_key(name));
        shared.place(&places);
    }
    Ok(())
}

fn add_places(
    found: &mut HashMap<String, String>,
    group: &Group<'_>,
    rows: &Rows,
    wanted: &HashSet<String>,
) -> Result<(), PageError> {
    let (names, files) = (group.texts("function")?, group.texts("file")?);
    let lines = group.int_codes("start_line")?;
    walk(rows, [&names.runs, &files.runs, &lines.runs], |_, [name, file, line]| {
        let (name, file, line) = (names.text(name), files.text(file), lines.int(line));
        if !file.is_empty() && wanted.contains(name) && !found.contains_key(name) {
            let place = if line > 0 { format!("{file}:{line}") } else { file.to_owned() };
            found.insert(name.to_owned(), place);
        }
    });
    Ok(())
}

/// Details by function name, each with the build it is of, sorted.
pub(crate) fn details(
    ask: &Ask<'_>,
    range: TimeRange,
) -> Result<HashMap<String, Vec<(String, Details)>>, Error> {
    type Found = HashMap<String, Vec<(String, Details)>>;
    let parts =
        ask.fold(&FUNCTIONS, &Filter::new(range, &[]), Found::new, |found, group, rows| {
            let (names, builds) = (group.texts("function")?, group.texts("build_id")?);
            let (systems, files) = (group.texts("system_name")?, group.texts("file")?);
            let lines = group.int_codes("start_line")?;
            let columns = [&names.runs[..], &builds.runs, &systems.runs, &files.runs, &lines.runs];
            walk(rows, columns, |_, [name, build, system, file, line]| {
                let details = Details {
                    system_name: systems.text(system).to_owned(),
                    file: files.text(file).to_owned(),
                    start_line: lines.int(line),
                };
                let of_name = found.entry(names.text(name).to_owned()).or_default();
                of_name.push((builds.text(build).to_owned(), details));
            });
            Ok::<_, Fail>(())
        })?;
    let mut all = Found::new();
    for (name, details) in parts.into_iter().flatten() {
        all.entry(name).or_default().extend(details);
    }
    for details in all.values_mut() {
        details.sort_by(|a, b| {
            (&a.0, &a.1.file, a.1.start_line).cmp(&(&b.0, &b.1.file, b.1.start_line))
        });
        details.dedup();
    }
    Ok(all)
}
