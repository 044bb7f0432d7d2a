//! A `profpipe run` of its own: on free ports, with its directory, killed when it is dropped.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    sync::{Arc, Mutex},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, BufReader},
    process::{Child, Command},
    time::{Instant, sleep, timeout},
};

/// How long a process may take to be ready, on a machine that does much else.
const READY_MAX: Duration = Duration::from_secs(30);

/// The program itself, for one command.
pub fn profpipe() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_profpipe"));
    command.stdin(Stdio::null()).kill_on_drop(true);
    command
}

/// Runs a command to its end: exit code, standard output, standard error.
pub async fn output(command: &mut Command) -> (Option<i32>, String, String) {
    let done = timeout(Duration::from_secs(60), command.output()).await;
    let done = done.expect("ends within a minute").unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (done.status.code(), text(done.stdout), text(done.stderr))
}

/// A running profpipe.
pub struct Running {
    /// Where its pages are: `http://127.0.0.1:1234`.
    pub url: String,
    /// What it was given as `--data-dir`.
    pub data_dir: PathBuf,
    child: Child,
    log: Arc<Mutex<String>>,
}

impl Running {
    /// Starts it with this config and `data` below `dir` as its data directory, and waits until it
    /// is ready.
    pub async fn start(dir: &Path, config: &str) -> Self {
        let file = dir.join("config.yaml");
        fs::write(&file, config).unwrap();
        Self::start_with(dir, &file).await
    }

    /// The same with a config that is there already.
    pub async fn start_with(dir: &Path, file: &Path) -> Self {
        let data_dir = dir.join("data");
        let mut command = profpipe();
        command.args(["run", "--web-port", "0", "--config"]).arg(file);
        command.arg("--data-dir").arg(&data_dir);
        Self::spawn(command, data_dir).await
    }

    /// The same with these variables in its environment.
    pub async fn start_in(dir: &Path, config: &str, variables: &[(&str, &str)]) -> Self {
        let (file, data_dir) = (dir.join("config.yaml"), dir.join("data"));
        fs::write(&file, config).unwrap();
        let mut command = profpipe();
        command.args(["run", "--web-port", "0", "--config"]).arg(&file);
        command.arg("--data-dir").arg(&data_dir).envs(variables.iter().copied());
        Self::spawn(command, data_dir).await
    }

    /// The same with a data directory that is a disk of so many MiB, in memory, which nobody else
    /// sees.
    pub async fn start_on_disk(dir: &Path, config: &str, disk_mib: u64) -> Self {
        let (file, data_dir) = (dir.join("config.yaml"), dir.join("data"));
        fs::write(&file, config).unwrap();
        fs::create_dir(&data_dir).unwrap();
        let mount =
            format!("mount -t tmpfs -o size={disk_mib}m tmpfs \"$1\" && shift && exec \"$@\"");
        let mut command = Command::new("unshare");
        command.args(["--map-root-user", "--mount", "sh", "-c", &mount, "sh"]).arg(&data_dir);
        command.args([env!("CARGO_BIN_EXE_profpipe"), "run", "--web-port", "0", "--config"]);
        command.arg(file).arg("--data-dir").arg(&data_dir);
        command.stdin(Stdio::null()).kill_on_drop(true);
        Self::spawn(command, data_dir).await
    }

    /// The same with a command of the test's, which says where its profpipe is.
    pub async fn spawn(mut command: Command, data_dir: PathBuf) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        tokio::spawn(keep(child.stderr.take().unwrap(), Arc::clone(&log)));
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let url = loop {
            let line = timeout(READY_MAX, lines.next_line()).await;
            let Some(line) = line.expect("says its address in time").unwrap() else {
                sleep(Duration::from_millis(100)).await;
                panic!("profpipe ended: {}", log.lock().unwrap());
            };
            if let Some(url) = line.strip_prefix("profpipe is at ") {
                break url.to_owned();
            }
        };
        let running = Self { url, data_dir, child, log };
        eventually(READY_MAX, "readiness", async || {
            let answer = running.try_get("/readyz").await.ok()?;
            (answer.status == 200).then_some(())
        })
        .await;
        running
    }

    /// What it wrote to standard error so far.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id().expect("it runs")
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.pid() as i32).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// Waits for its end.
    pub async fn ended(&mut self) -> ExitStatus {
        let ended = timeout(Duration::from_secs(30), self.child.wait()).await;
        ended.unwrap_or_else(|_| panic!("still runs: {}", self.log())).unwrap()
    }

    /// Sends SIGTERM and waits for its end: how it ended, and how long that took.
    pub async fn stop(&mut self) -> (ExitStatus, Duration) {
        let start = Instant::now();
        self.signal(Signal::TERM);
        (self.ended().await, start.elapsed())
    }
}

/// Gathers a log.
async fn keep(stream: impl AsyncRead + Unpin, log: Arc<Mutex<String>>) {
    let mut lines = BufReader::new(stream).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let mut log = log.lock().unwrap();
        log.push_str(&line);
        log.push('\n');
    }
}

/// Asks until there is an answer, which must come in time.
pub async fn eventually<T>(
    within: Duration,
    what: &str,
    mut ask: impl AsyncFnMut() -> Option<T>,
) -> T {
    let end = Instant::now() + within;
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(Instant::now() < end, "no {what} within {within:?}");
        sleep(Duration::from_millis(100)).await;
    }
}
