//! Other people's readers see in the lake what profpipe sees: no help from us is needed.

mod arrow;
mod sql;

use std::path::Path;

use serde::Deserialize;

use crate::support::{
    cli::{import, profpipe},
    profiles,
};

/// A script of this folder.
fn script(name: &str) -> String {
    format!("{}/tests/readers/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// Fills a lake: CPU profiles of five services, a heap profile, and the real ones that are there.
/// `None` where Go is missing.
fn fill(lake: &Path) -> Option<()> {
    let mut services = std::collections::BTreeMap::<_, Vec<_>>::new();
    for (service, file) in profiles::cpu()? {
        services.entry(service.as_str()).or_default().push(file);
    }
    for (service, files) in services {
        import(lake, service, &files).ok();
    }
    // The heap has an instance: one question is about each.
    let heap = profiles::heap()?[0].to_str().unwrap();
    let label = ["import", "--service", "heap", "--label", "service.instance.id=heap-0"];
    profpipe(label.iter().chain(&["--lake", lake.to_str().unwrap(), heap])).ok();
    let real = ["parca", "alloy-delta"].iter().flat_map(|folder| profiles::corpus(folder));
    for file in real {
        import(lake, file.file_name().unwrap().to_str().unwrap(), &[&file]).ok();
    }
    Some(())
}

/// What a service has, by `lake ls`: `profile:sample_type` of each.
fn types(lake: &Path) -> Vec<(String, String)> {
    let listed = profpipe(["lake", "ls", "--lake", lake.to_str().unwrap()]).ok();
    let (mut service, mut types) = (String::new(), vec![]);
    for line in listed.lines().take_while(|line| !line.starts_with("samples: ")) {
        match line.strip_prefix("  ") {
            None => service = line.split_once("  ").unwrap().0.to_owned(),
            Some(kind) => {
                types.push((service.clone(), kind.split_once("  ").unwrap().0.to_owned()));
            }
        }
    }
    assert!(types.len() > 10, "{listed}");
    types
}

/// A sum as a reader gives it.
#[derive(Debug, Deserialize)]
struct Sum {
    service: String,
    profile: String,
    sample_type: String,
    #[serde(default)]
    function: String,
    #[serde(default)]
    value_sum: i64,
    count_sum: Option<i64>,
    #[serde(default)]
    total_sum: i64,
}
