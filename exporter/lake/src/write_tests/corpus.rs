//! Profiles from the test data of other projects: what they add up to is what the lake holds.

use std::{collections::BTreeMap, fs, path::PathBuf};

use pipeline::{codec::pprof::decode, profile::LabelValue, testing::SimDisk};

use super::*;
use crate::schema::{profiles, samples as column};

/// All files of the corpus; none where it is not beside the source tree.
fn corpus() -> Vec<PathBuf> {
    let root = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/corpus"));
    let (mut dirs, mut found) = (vec![root], Vec::new());
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(dir).into_iter().flatten().map(Result::unwrap) {
            match entry.file_type().unwrap().is_dir() {
                true => dirs.push(entry.path()),
                false => found.push(entry.path()),
            }
        }
    }
    found.sort();
    found
}

/// Sums of a profile by type and by (leaf, labels) of its last type, from the model.
fn wanted(profile: &Profile) -> (Vec<i64>, BTreeMap<String, i64>) {
    let (samples, types) = (profile.samples(), profile.meta.sample_types.len());
    let (mut totals, mut leaves) = (vec![0i64; types], BTreeMap::new());
    for (i, (stack, set)) in samples.stacks.iter().zip(&samples.label_sets).enumerate() {
        let values = &samples.values[i * types..(i + 1) * types];
        totals.iter_mut().zip(values).for_each(|(total, value)| *total += value);
        let leaf = profile.stacks().get(*stack).iter().find_map(|at| {
            let (location, lines) = (profile.locations()[*at as usize], profile.lines().get(*at));
            match lines.first() {
                Some(line) => {
                    let function = profile.functions()[line.function as usize];
                    Some(match profile.text(function.name) {
                        "" => "<unknown>".to_string(),
                        name => name.replace(';', ":"),
                    })
                }
                None => (location.address != 0).then(|| profile.unsymbolised(location)),
            }
        });
        let mut labels = BTreeMap::<&str, String>::new();
        for label in profile.label_sets().get(*set) {
            let (key, value) = match label.value {
                LabelValue::Text(text) => (label.key, profile.text(text).to_string()),
                LabelValue::Number(number, _) => (label.key, number.to_string()),
            };
            labels
                .entry(profile.text(key))
                .and_modify(|v| *v += &format!(",{value}"))
                .or_insert(value);
        }
        let labels: Vec<String> =
            labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
        let key = format!("{} {}", leaf.unwrap_or_default(), labels.join(" "));
        *leaves.entry(key).or_default() += values[types - 1];
    }
    leaves.retain(|_, value| *value != 0);
    (totals, leaves)
}

#[test]
fn sums_are_those_of_the_model() {
    let paths = corpus();
    if paths.is_empty() {
        println!("skipped: no corpus beside the source tree");
        return;
    }
    let mut read = 0;
    for path in paths {
        let name = path.display().to_string();
        let Ok(mut profile) = decode(&fs::read(&path).unwrap(), &Limits::default()) else {
            continue;
        };
        read += 1;
        profile.meta.time_ns = HOUR;
        let (totals, leaves) = wanted(&profile);
        let types: Vec<String> =
            profile.meta.sample_types.iter().map(|t| profile.text(t.kind).to_string()).collect();
        let (disk, root) = (SimDisk::new(1), Path::new("/"));
        let id = WriterId::random();
        let options = Options { keep_bytes_label: true, ..Options::default() };
        let mut writer = Writer::open(disk.clone(), root, id, options).unwrap();
        writer.write(1, 1, &[Incoming { profile: Arc::new(profile), ingest_ns: 0 }]).unwrap();
        for row in table(&disk, root, "profiles") {
            let at = types.iter().position(|kind| *kind == row[profiles::SAMPLE_TYPE]).unwrap();
            assert_eq!(row[profiles::TOTAL], totals[at].to_string(), "{name}");
        }
        let mut got = BTreeMap::new();
        for row in table(&disk, root, "samples") {
            if row[column::SAMPLE_TYPE] == types[types.len() - 1] {
                let key = format!("{} {}", row[column::FUNCTION], row[column::LABELS]);
                *got.entry(key).or_default() += row[column::VALUE].parse::<i64>().unwrap();
            }
        }
        got.retain(|_, value| *value != 0);
        assert_eq!(got, leaves, "{name}");
    }
    assert!(read > 10, "only {read} files could be read");
}
