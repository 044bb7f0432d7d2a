//! A real OpenTelemetry Collector: built once from the pins in `tests/e2e/collector`, run with a
//! config of the test, ended by its guard.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    sync::{Arc, Mutex, OnceLock},
};

use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
    time::{Duration, timeout},
};

use super::{output, skip};

/// How long it may take to listen, on a machine that does much else.
const READY_MAX: Duration = Duration::from_secs(30);
/// What it says when it listens.
const READY: &str = "Everything is ready";

/// The program. `None` where Go is missing; then that has been said.
fn program() -> Option<&'static Path> {
    static PROGRAM: OnceLock<Option<PathBuf>> = OnceLock::new();
    let program = PROGRAM.get_or_init(|| {
        if std::process::Command::new("go").arg("version").output().is_err() {
            skip("Go");
            return None;
        }
        let build = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/e2e/collector/build.sh");
        Some(output(build, [""; 0]).trim().into())
    });
    program.as_deref()
}

/// Builds it where that has not been done. Whether it is there; a test that measures time asks
/// before it starts anything.
pub async fn is_there() -> bool {
    tokio::task::spawn_blocking(|| program().is_some()).await.unwrap()
}

/// A running Collector; killed when this is dropped.
pub struct Collector {
    child: Child,
    config: PathBuf,
    log: Arc<Mutex<String>>,
}

impl Collector {
    /// Starts it with this config, which it keeps in `dir`, and waits until it listens.
    pub async fn start(dir: &Path, config: &str) -> Self {
        let file = dir.join("collector.yaml");
        fs::write(&file, config).unwrap();
        let (child, log) = spawn(&file).await;
        Self { child, config: file, log }
    }

    /// What it has written to standard error since its last start.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// kill -9, at any moment of whatever it does.
    pub async fn kill(&mut self) {
        self.child.kill().await.unwrap();
    }

    /// Sends SIGTERM and waits for its end: its files are whole then.
    pub async fn stop(mut self) {
        let pid = Pid::from_raw(self.pid() as i32).unwrap();
        kill_process(pid, Signal::TERM).unwrap();
        let ended = timeout(READY_MAX, self.child.wait()).await;
        assert!(ended.expect("ends in time").unwrap().success());
    }

    /// Starts it again with the same config.
    pub async fn restart(&mut self) {
        (self.child, self.log) = spawn(&self.config).await;
    }

    fn pid(&self) -> u32 {
        self.child.id().expect("it runs")
    }
}

async fn spawn(config: &Path) -> (Child, Arc<Mutex<String>>) {
    let program = program().expect("the test asked whether it is there");
    let mut command = Command::new(program);
    command.arg("--config").arg(config).arg("--feature-gates=service.profilesSupport");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let log = Arc::new(Mutex::new(String::new()));
    let ready = async {
        while let Some(line) = lines.next_line().await.unwrap() {
            push(&log, &line);
            if line.contains(READY) {
                return true;
            }
        }
        false
    };
    let ready = timeout(READY_MAX, ready).await;
    assert!(matches!(ready, Ok(true)), "the Collector did not start: {}", log.lock().unwrap());
    // What it says later is read, so that it never waits for us.
    let later = Arc::clone(&log);
    tokio::spawn(async move {
        while let Ok(Some(line)) = lines.next_line().await {
            push(&later, &line);
        }
    });
    (child, log)
}

fn push(log: &Mutex<String>, line: &str) {
    let mut log = log.lock().unwrap();
    log.push_str(line);
    log.push('\n');
}

/// A config: an OTLP receiver on these ports of gRPC and HTTP, and exporters, by name, with their
/// settings. Errors of its exporters come back to the sender, so that what it says it has taken is
/// where it was to go: it holds nothing that is lost with it.
pub fn config(ports: [u16; 2], exporters: &[(&str, String)]) -> String {
    let [grpc, http] = ports;
    let names: Vec<&str> = exporters.iter().map(|(name, _)| *name).collect();
    let settings: String =
        exporters.iter().map(|(name, settings)| format!("  {name}: {settings}\n")).collect();
    format!(
        "receivers:
  otlp:
    protocols:
      grpc: {{endpoint: '127.0.0.1:{grpc}'}}
      http: {{endpoint: '127.0.0.1:{http}'}}
exporters:
{settings}service:
  telemetry: {{metrics: {{level: none}}}}
  pipelines:
    profiles: {{receivers: [otlp], exporters: [{}]}}
",
        names.join(", ")
    )
}

/// Settings of an exporter of OTLP that neither keeps nor retries.
pub fn forward(endpoint: &str) -> String {
    format!(
        "{{endpoint: '{endpoint}', tls: {{insecure: true}}, timeout: 10s, \
         sending_queue: {{enabled: false}}, retry_on_failure: {{enabled: false}}}}"
    )
}
