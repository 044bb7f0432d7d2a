//! What `profpipe spool` says of what was refused for good.

use std::{fs, sync::Arc};

use pipeline::{
    codec::{pprof, record},
    limits::Limits,
    spool::{Spool, SpoolConfig},
    storage::Disk,
};

use super::Made;
use crate::support::cli::profpipe;

#[test]
fn dead_letters_are_listed_with_reason_and_file() {
    let made = Made::new();
    let data = made.dir.path().join("data");
    let dead = || profpipe(["spool", "dead", "--data-dir", data.to_str().unwrap()]);
    let ran = dead();
    assert!(ran.code == Some(2) && ran.stderr.contains("there is no spool at"), "{ran:?}");

    let dir = data.join("spool/profiles_a");
    let config = SpoolConfig { ballast_bytes: 0, ..SpoolConfig::default() };
    let spool = Spool::open(Arc::new(Disk), &dir, config).unwrap();
    spool.set_exporters(&["otlp/x"]).unwrap();
    assert_eq!(dead().ok(), "there are no dead letters\n");

    let file = made.cpu("a.pb.gz", 1, &[("main.main", 5), ("main.main;main.slow", 7)]);
    let mut profile = pprof::decode(&fs::read(file).unwrap(), &Limits::default()).unwrap();
    profile.meta.name = "cpu".into();
    profile.meta.resource = [("service.name", "orders\u{1b}")].into_iter().collect();
    let payload = record::encode(&profile);
    spool.dead_letter("otlp/x", &payload, "HTTP status 400: no").unwrap();
    spool.dead_letter("otlp/x", b"?", "torn").unwrap();
    let listed = dead().ok();
    let dir = dir.join("dead/otlp%2Fx");
    let [first, second] = ["0.HTTP_status_400__no", "1.torn"]
        .map(|end| dir.join(format!("{}{end}", "0".repeat(19))).display().to_string());
    let want = format!(
        "profiles_a  otlp/x  2026-03-01T00:01:00Z  orders\u{fffd}  cpu  2 samples  \
         HTTP_status_400__no  {first}\n"
    );
    assert!(listed.starts_with(&want), "{listed}");
    assert!(
        listed.contains("  unreadable (") && listed.ends_with(&format!("{second}\n")),
        "{listed}"
    );
}
