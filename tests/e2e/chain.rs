//! Numbered targets → profpipe → what misbehaves → a real Collector → profpipe → a lake. The
//! numbers tell of each profile whether it arrived, and how often.

use std::{collections::BTreeMap, time::Duration};

use rustix::process::Signal;

use crate::{
    process::ledger,
    support::{
        collector::{self, Collector},
        free_ports,
        http::Account,
        numbers::Numbers,
        process::{Running, eventually},
        proxy::{Mood, Proxy, Seen},
    },
};

/// How long what waited may take to arrive, once nothing stands in the way.
pub const SOON: Duration = Duration::from_secs(60);

/// All of it.
pub struct Chain {
    pub proxy: Proxy,
    pub collector: Collector,
    pub first: Running,
    pub last: Running,
    numbers: Numbers,
    dirs: [tempfile::TempDir; 3],
}

impl Chain {
    /// So many targets, each asked every second, and an exporter of one of the protocols that is to
    /// be disturbed. `None` where there is no Collector.
    pub async fn start(targets: usize, is_grpc: bool) -> Option<Self> {
        Self::with(targets, |address| {
            let settings = "timeout: 2s, retry_on_failure: {initial_interval: 100ms, \
                            max_interval: 500ms}";
            let insecure = "tls: {insecure: true}";
            match is_grpc {
                true => format!("otlp_grpc: {{endpoint: '{address}', {insecure}, {settings}}}"),
                false => format!("otlp_http: {{endpoint: 'http://{address}', {settings}}}"),
            }
        })
        .await
    }

    /// The same with exporters that are made of the address of the proxy, a line each.
    pub async fn with(targets: usize, exporters: impl FnOnce(&str) -> String) -> Option<Self> {
        if !collector::is_there().await {
            return None;
        }
        let dirs = [(); 3].map(|()| tempfile::tempdir().unwrap());
        let [sends, passes, gets] = dirs.each_ref().map(|dir| dir.path());
        let ([port], ports) = (free_ports(), free_ports());
        let last = Running::start(gets, &receiver(port)).await;
        let forward = collector::forward(&format!("127.0.0.1:{port}"));
        let config = collector::config(ports, &[("otlp_grpc", forward)]);
        let collector = Collector::start(passes, &config).await;
        let proxy = Proxy::start(ports).await;
        let numbers = Numbers::start(targets).await;
        let exporters = exporters(&proxy.address.to_string());
        let first = Running::start(sends, &sender(&numbers, &exporters)).await;
        let chain = Self { proxy, collector, first, last, numbers, dirs };
        chain.moves(Duration::ZERO).await;
        Some(chain)
    }

    /// Waits so long, and then until more is delivered than was then. The account holds all the
    /// while.
    pub async fn moves(&self, while_: Duration) {
        tokio::time::sleep(while_).await;
        let before = self.account().await;
        let more = eventually(SOON, "more that is delivered", async || {
            (self.account().await > before).then_some(())
        });
        more.await;
    }

    /// What the exporters of OTLP have delivered, after the account was checked.
    async fn account(&self) -> u64 {
        let account = self.first.account().await;
        account.check();
        account.sum("profpipe_exporter_delivered_profiles", "otlp_")
    }

    /// kill -9 of who gets the profiles at last, and a new start after a while.
    pub async fn restart_last(&mut self, after: Duration) {
        self.last.signal(Signal::KILL);
        self.last.ended().await;
        tokio::time::sleep(after).await;
        let dir = self.dirs[2].path();
        self.last = Running::start_with(dir, &dir.join("config.yaml")).await;
    }

    /// Lets all arrive, and checks that nothing is lost at either end, and nothing is there twice
    /// but what went to the Collector more than once because the answer got lost. Gives the
    /// account of the sender, and how many profiles arrived more than once.
    pub async fn end(self) -> (Account, usize) {
        let Self { proxy, collector, mut first, mut last, numbers, dirs } = self;
        proxy.set(Mood::Pass);
        let log = numbers.end().await;
        let mut accounts = Vec::new();
        for running in [&first, &last] {
            let account = eventually(SOON, "end of what waits", async || {
                let account = running.account().await;
                (account.pending() == 0).then_some(account)
            });
            let account = account.await;
            account.check();
            assert_eq!(account.lost(), 0, "{account:#?}");
            accounts.push(account);
        }
        for running in [&mut first, &mut last] {
            let (status, _) = running.stop().await;
            assert!(status.success(), "{}", running.log());
        }
        drop(collector);
        let (kept, _) = ledger::found(&first.data_dir.join("lake"));
        let (arrived, _) = ledger::found(&last.data_dir.join("lake"));
        assert!(kept.values().all(|times| *times == 1), "not once: {kept:?}");
        let lost: Vec<_> = log.acknowledged.iter().filter(|n| !kept.contains_key(n)).collect();
        assert!(lost.is_empty() && !kept.is_empty(), "acknowledged and lost: {lost:?}");
        drop(dirs); // Only now they may go.
        (accounts.swap_remove(0), compare(&kept, &arrived, &proxy.seen()))
    }
}

/// What the sender kept has arrived, as often as the proxy passed it on; gives how many profiles
/// are there more than once.
fn compare(
    kept: &BTreeMap<u64, i64>,
    arrived: &BTreeMap<u64, i64>,
    seen: &BTreeMap<u64, Seen>,
) -> usize {
    let lost: Vec<_> = kept.keys().filter(|number| !arrived.contains_key(number)).collect();
    assert!(lost.is_empty(), "{} of {} are lost: {lost:?}", lost.len(), kept.len());
    let invented: Vec<_> = arrived.keys().filter(|number| !kept.contains_key(number)).collect();
    assert!(invented.is_empty(), "never kept: {invented:?}");
    for (number, times) in arrived {
        let Seen { passed, told } = seen[number];
        assert!(*times <= passed, "{number} is there {times} times, {passed} were sent");
        assert_eq!(told, 1, "{number}: what was taken is not sent again");
    }
    arrived.values().filter(|times| **times > 1).count()
}

/// What sends: it keeps a lake of its own, so that it is known what it took.
fn sender(numbers: &Numbers, exporters: &str) -> String {
    let names = exporters.lines().map(|line| line.split_once(": ").expect("a name").0);
    let names = names.collect::<Vec<_>>().join(", ");
    let exporters = exporters.replace('\n', "\n  ");
    let config = numbers.config();
    let config = config.replace("exporters:\n", &format!("exporters:\n  {exporters}\n"));
    config.replace("exporters: [parquet", &format!("exporters: [{names}, parquet"))
}

/// What gets it.
fn receiver(port: u16) -> String {
    format!(
        "receivers: {{otlp: {{protocols: {{grpc: {{endpoint: '127.0.0.1:{port}'}}}}}}}}
exporters:
  parquet: {{flush_interval: 1s, first_flush: 1s}}
  ui: {{}}
service: {{pipelines: {{profiles: {{receivers: [otlp], exporters: [parquet, ui]}}}}}}
"
    )
}
