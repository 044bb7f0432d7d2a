//! Targets whose profiles are numbered: each answer is a profile of one sample, of value 1, in a
//! function `f<N>` that no other answer has. So every profile can be told from every other one
//! wherever it is found again, and one that is there twice has a 2.
//!
//! A target asks for its next profile only when the one before it was settled, so a request is
//! proof that the process took the answer before it on the same connection as durable.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
    time::{SystemTime, UNIX_EPOCH},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

/// What became of the numbers.
#[derive(Debug, Default)]
pub struct Log {
    /// The number of the last answer.
    last: u64,
    /// Answers that were begun.
    pub begun: BTreeSet<u64>,
    /// Those of which it is known that they were taken as durable.
    pub acknowledged: BTreeSet<u64>,
}

/// Targets; they end when this is dropped.
pub struct Numbers {
    addresses: Vec<String>,
    log: Arc<Mutex<Log>>,
    _tasks: JoinSet<()>,
}

impl Numbers {
    /// Starts so many targets.
    pub async fn start(targets: usize) -> Self {
        let (log, mut tasks, mut addresses) = (Arc::default(), JoinSet::new(), Vec::new());
        for _ in 0..targets {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            addresses.push(listener.local_addr().unwrap().to_string());
            tasks.spawn(listen(listener, Arc::clone(&log)));
        }
        Self { addresses, log, _tasks: tasks }
    }

    /// Hosts and ports of the targets.
    pub fn addresses(&self) -> &[String] {
        &self.addresses
    }

    /// A config that scrapes all of them each second, and writes each second.
    pub fn config(&self) -> String {
        let targets = self.addresses.join(", ");
        format!(
            "receivers:
  pprof:
    interval: 1s
    profiles: {{numbers: {{path: /}}}}
    static_configs: [{{targets: [{targets}], labels: {{service.name: numbers}}}}]
exporters:
  parquet: {{flush_interval: 1s, first_flush: 1s}}
  ui: {{}}
service: {{pipelines: {{profiles: {{receivers: [pprof], exporters: [parquet, ui]}}}}}}
"
        )
    }

    /// The number of the answer before the next one: what is asked from here on is above it.
    pub fn last(&self) -> u64 {
        self.log.lock().unwrap().last
    }

    /// The numbers of which it is known at this moment that they were taken.
    pub fn acknowledged(&self) -> BTreeSet<u64> {
        self.log.lock().unwrap().acknowledged.clone()
    }

    /// Ends the targets and gives what became of their numbers.
    pub async fn end(mut self) -> Log {
        self._tasks.shutdown().await;
        std::mem::take(&mut self.log.lock().unwrap())
    }
}

async fn listen(listener: TcpListener, log: Arc<Mutex<Log>>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        connections.spawn(serve(stream, Arc::clone(&log)));
    }
}

async fn serve(mut stream: TcpStream, log: Arc<Mutex<Log>>) {
    let mut before = None;
    while request(&mut stream).await.is_some() {
        let number = {
            let mut log = log.lock().unwrap();
            log.acknowledged.extend(before);
            log.last += 1;
            let number = log.last;
            log.begun.insert(number);
            number
        };
        let body = pprof(number);
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
        if stream.write_all(&[head.as_bytes(), &body].concat()).await.is_err() {
            return;
        }
        before = Some(number);
    }
}

/// Reads a request to its end; `None` where the connection is at its end.
async fn request(stream: &mut TcpStream) -> Option<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    Some(())
}

/// A profile of one sample as pprof, written by hand.
pub fn pprof(number: u64) -> Vec<u8> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let function = format!("f{number}");
    let mut out = Vec::new();
    message(&mut out, 1, &[8, 1, 16, 2]); // sample_type: strings 1 and 2
    message(&mut out, 2, &[8, 1, 16, 1]); // sample: location 1, value 1
    message(&mut out, 4, &[8, 1, 34, 2, 8, 1]); // location 1: a line of function 1
    message(&mut out, 5, &[8, 1, 16, 3]); // function 1: string 3
    for text in ["", "events", "count", &function] {
        message(&mut out, 6, text.as_bytes());
    }
    out.push(9 << 3);
    varint(&mut out, now.as_nanos() as u64);
    out.extend([10 << 3, 1]); // A window of a nanosecond, so that values add.
    out
}

/// Appends a field that has a length.
pub fn message(out: &mut Vec<u8>, field: u8, bytes: &[u8]) {
    out.push(field << 3 | 2);
    varint(out, bytes.len() as u64);
    out.extend(bytes);
}

/// Appends a number.
pub fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}
