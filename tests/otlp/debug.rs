//! What the exporter `debug` writes of real profiles, in a process of its own.

use std::time::Duration;

use crate::support::{
    numbers::Numbers,
    process::{Running, eventually},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn profiles_are_written_to_the_log_as_the_collector_writes_them() {
    let numbers = Numbers::start(1).await;
    for (verbosity, parts) in [
        ("basic", &["Profiles resource profiles=1 sample records="][..]),
        (
            "Normal",
            &[
                "ResourceProfiles #0",
                " service.name=numbers",
                "\nScopeProfiles #0 numbers",
                " samples=1 ",
            ],
        ),
        (
            "detailed",
            &[
                "Mapping #0\n    Memory start: 0\n",
                "\n    Name: ",
                "Attribute table:\n     -> Key: Int(0)\n     -> Value: Str()\n",
                "Link table:\n     -> Trace ID: Str()\n     -> Span ID: Str()\nString table:\n",
                "Resource attributes:\n",
                "     -> service.name: Str(numbers)\n",
                "Profile #0\n    Profile ID     : ",
                "    Start time     : 20",
                "    Sample #0\n        Values: [1]\n",
            ],
        ),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let config = numbers.config().replace("exporters: [", "exporters: [debug/x, ").replace(
            "exporters:\n",
            &format!("exporters:\n  debug/x: {{verbosity: {verbosity}}}\n"),
        );
        let mut running = Running::start(dir.path(), &config).await;
        eventually(Duration::from_secs(20), verbosity, async || {
            let log = running.log();
            let is_named = log.contains(" exporter=\"debug/x\"\n");
            (is_named && parts.iter().all(|part| log.contains(part))).then_some(())
        })
        .await;
        assert_eq!(running.log().contains("String table"), verbosity == "detailed");
        let (status, _) = running.stop().await;
        assert_eq!(status.code(), Some(0), "{}", running.log());
    }
}
