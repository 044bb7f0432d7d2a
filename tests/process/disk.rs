//! A disk that fills up and one that turns read-only, under a process that goes on: no crash,
//! nothing acknowledged is lost, and when the disk is well again so is the process.
//!
//! The data directory is a small file system in memory that only the process sees, which takes
//! Linux and the right to make namespaces: `make test-long` runs these, by `PROFPIPE_DISKS=1`.

use std::{collections::BTreeSet, path::PathBuf, time::Duration};

use rustix::process::Signal;
use tokio::{process::Command, time::sleep};

use super::ledger::{self, Life};
use crate::support::{
    numbers::Numbers,
    process::{Running, eventually, output},
    say,
};

/// The size of the disk. Half of it is the ballast and the part that is to stay free.
const DISK_MIB: u64 = 64;

/// How soon after the disk is well profiles must be taken again.
const RECOVERY_MAX: Duration = Duration::from_secs(15);

fn wanted() -> bool {
    let wanted = std::env::var("PROFPIPE_DISKS").is_ok_and(|value| value == "1");
    if !wanted {
        say("skipped: a disk that fills or turns read-only; `make test-long` has it");
    }
    wanted
}

/// A process on a disk of its own.
struct OnDisk {
    running: Running,
    numbers: Numbers,
    /// What was taken before anything went wrong; later, that a target is asked again is no proof.
    safe: BTreeSet<u64>,
    _dir: tempfile::TempDir,
}

impl OnDisk {
    async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let numbers = Numbers::start(20).await;
        // What was accepted is to be there in the end, so nothing of it makes way for what is new.
        let block = "parquet: {sending_queue: {overflow: block}, flush";
        let config = numbers.config().replace("parquet: {flush", block);
        let running = Running::start_on_disk(dir.path(), &config, DISK_MIB).await;
        let mut disk = Self { running, numbers, safe: BTreeSet::new(), _dir: dir };
        disk.takes_more(Duration::from_secs(30)).await;
        disk.safe = disk.numbers.acknowledged();
        disk
    }

    /// The data directory as the process sees it.
    fn data(&self) -> PathBuf {
        let own = self.running.data_dir.strip_prefix("/").unwrap();
        PathBuf::from(format!("/proc/{}/root", self.running.pid())).join(own)
    }

    /// Runs `mount` or `umount` in the namespace of the process.
    async fn mounts(&self, args: &[&str]) {
        let (pid, place) = (self.running.pid().to_string(), &self.running.data_dir);
        let mut command = Command::new("nsenter");
        command.args(["-t", &pid, "-U", "-m", "--preserve-credentials"]);
        for arg in args {
            command.arg(if *arg == "DISK" { place.as_os_str() } else { arg.as_ref() });
        }
        let (code, _, error) = output(&mut command).await;
        assert_eq!(code, Some(0), "{args:?}: {error}");
    }

    /// Waits until more is accepted than at this moment.
    async fn takes_more(&self, within: Duration) {
        let before = self.running.account().await.accepted();
        eventually(within, "more profiles", async || {
            let account = self.running.account().await;
            account.check();
            (account.accepted() >= before + 100).then_some(())
        })
        .await;
        let ready = self.running.get("/readyz").await;
        assert_eq!(ready.status, 200, "{}", ready.text());
    }

    /// Everything that was accepted is in the lake once, which is copied out of the namespace.
    async fn end(self) {
        let lake = self.data().join("lake");
        let Self { mut running, numbers, safe, _dir } = self;
        let mut log = numbers.end().await;
        log.acknowledged = safe;
        let account = eventually(Duration::from_secs(30), "end of what waits", async || {
            let account = running.account().await;
            (account.pending() == 0).then_some(account)
        })
        .await;
        assert_eq!(account.lost(), 0, "{account:#?}");
        let lives = [Life { after: 0, scraped: account.scraped() }];
        let copy = tempfile::tempdir().unwrap();
        let mut command = Command::new("cp");
        command.arg("-r").arg(lake).arg(copy.path());
        assert_eq!(output(&mut command).await.0, Some(0));
        ledger::check(copy.path(), &log, &lives, &account);
        let text = running.log();
        assert!(!text.contains("panicked"), "{text}");
        running.signal(Signal::TERM);
        assert_eq!(running.ended().await.code(), Some(0), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_is_survived() {
    if !wanted() {
        return;
    }
    let disk = OnDisk::start().await;
    for round in 0..3 {
        let filler = disk.data().join("filler");
        let piece = vec![0; 1 << 16];
        let mut file = std::fs::File::create(&filler).unwrap();
        // Again and again, as it is: what the process gives up is taken, too.
        for _ in 0..40 {
            while std::io::Write::write_all(&mut file, &piece).is_ok() {}
            sleep(Duration::from_millis(100)).await;
            disk.running.account().await.check();
        }
        let ready = disk.running.get("/readyz").await;
        assert_eq!(ready.status, 503, "round {round}: full: {}", ready.text());
        assert!(ready.text().contains("space"), "round {round}: {}", ready.text());
        let status = disk.running.json("/api/v1/status").await;
        let why = status["pipelines"][0]["spool"]["error"].as_str().unwrap_or_default();
        assert!(why.contains("space"), "round {round}: {status}");
        let failed = disk.running.account().await.sum("profpipe_scrapes_total", "pipeline_full");
        assert!(failed > 0, "round {round}: nothing was refused");
        drop(file);
        std::fs::remove_file(&filler).unwrap();
        disk.takes_more(RECOVERY_MAX).await;
    }
    disk.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_turns_read_only_is_survived() {
    if !wanted() {
        return;
    }
    let disk = OnDisk::start().await;
    for round in 0..3 {
        // Files that are open for writing keep a disk from turning read-only, so the directory is
        // mounted over itself: what is opened from now on cannot be written to.
        disk.mounts(&["mount", "--bind", "DISK", "DISK"]).await;
        disk.mounts(&["mount", "-o", "remount,bind,ro", "DISK"]).await;
        eventually(Duration::from_secs(5), "not ready", async || {
            disk.running.account().await.check();
            (disk.running.get("/readyz").await.status == 503).then_some(())
        })
        .await;
        let accepted = disk.running.account().await.accepted();
        sleep(Duration::from_secs(3)).await;
        let account = disk.running.account().await;
        assert_eq!(account.accepted(), accepted, "round {round}: nothing can be kept");
        assert!(account.sum("profpipe_scrapes_total", "pipeline_full") > 0);
        disk.mounts(&["umount", "DISK"]).await;
        disk.takes_more(RECOVERY_MAX).await;
    }
    disk.end().await;
}
