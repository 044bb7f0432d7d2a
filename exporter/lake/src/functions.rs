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
        let mut places = HashMap::new();
        parts
            .into_iter()
            .flatten()
            .for_each(|(name, place)| first_place(&mut places, &name, place));
        if places.is_empty() {
            break;
        }
        unplaced.retain(|name| !places.contains_key(name));
        let texts = places.into_iter().map(|(name, place)| (name, place.text()));
        shared.place(&texts.collect());
    }
    Ok(())
}

fn add_places(
    found: &mut HashMap<String, Place>,
    group: &Group<'_>,
    rows: &Rows,
    wanted: &HashSet<String>,
) -> Result<(), PageError> {
    let (names, files) = (group.texts("function")?, group.texts("file")?);
    let lines = group.int_codes("start_line")?;
    walk(rows, [&names.runs, &files.runs, &lines.runs], |_, [name, file, line]| {
        let (name, file, line) = (names.text(name), files.text(file), lines.int(line));
        if !file.is_empty() && wanted.contains(name) {
            let place = Place { file: file.to_owned(), line };
            first_place(found, name, place);
        }
    });
    Ok(())
}

/// Where a function is; the order is the one by which one of several places is taken.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    file: String,
    line: i64,
}

impl Place {
    fn text(self) -> String {
        let Self { file, line } = self;
        if line > 0 { format!("{file}:{line}") } else { file }
    }
}

/// Keeps the first place of a function by name and line: Go gives some functions of the runtime two
/// files, and which of them a profile names first says nothing.
fn first_place(places: &mut HashMap<String, Place>, name: &str, place: Place) {
    match places.get_mut(name) {
        Some(known) if *known <= place => {}
        Some(known) => *known = place,
        None => drop(places.insert(name.to_owned(), place)),
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_in_which_places_are_met_does_not_matter() {
        let at = |file: &str, line| Place { file: file.to_owned(), line };
        let places = [at("runtime/b.go", 3), at("runtime/a.s", 9), at("runtime/a.s", 7)];
        for order in [[0, 1, 2], [2, 1, 0], [1, 0, 2], [1, 2, 0]] {
            let mut found = HashMap::new();
            for index in order {
                let place: &Place = &places[index];
                first_place(&mut found, "runtime.memmove", place.clone());
            }
            assert_eq!(found.remove("runtime.memmove").unwrap().text(), "runtime/a.s:7");
        }
        assert_eq!(at("x.go", 0).text(), "x.go");
    }
}
