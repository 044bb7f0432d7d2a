//! A server that speaks just enough HTTP to be a target, and that misbehaves on demand.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use pipeline::{
    codec::pprof::encode,
    limits::Limits,
    profile::{Builder, Meta, SampleType, Temporality},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::{Instant, sleep},
};
use tokio_util::task::AbortOnDropHandle;

/// What a target does once it has read a request.
pub(super) enum Act {
    /// Waits, answers and keeps the connection.
    Answer(Duration, String, Vec<u8>),
    /// Writes these bytes as they are and closes.
    Raw(Vec<u8>),
    /// Writes these bytes, then a byte each so often.
    Drip(Vec<u8>, Duration),
    /// Writes these bytes, then more for ever.
    Endless(Vec<u8>),
    /// Says nothing and keeps the connection.
    Silence,
}

/// A target on this machine; it ends when this is dropped.
pub(super) struct Fake {
    pub address: String,
    pub seen: Arc<Mutex<Seen>>,
    _task: AbortOnDropHandle<()>,
}

/// What a target does for each path.
type Play = Arc<dyn Fn(&str) -> Act + Send + Sync>;

/// What a target saw.
#[derive(Default)]
pub(super) struct Seen {
    pub requests: Vec<(Instant, String)>,
    pub connections: usize,
    /// Requests under way, and the most at one time, by path without query.
    pub under_way: BTreeMap<String, (usize, usize)>,
}

impl Fake {
    pub(super) async fn start(act: impl Fn(&str) -> Act + Send + Sync + 'static) -> Self {
        let act: Play = Arc::new(act);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Seen::default()));
        let shared = Arc::clone(&seen);
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                shared.lock().unwrap().connections += 1;
                connections.spawn(serve(stream, Arc::clone(&act), Arc::clone(&shared)));
            }
        });
        Self { address, seen, _task: AbortOnDropHandle::new(task) }
    }

    /// How often this path, with its query, was asked for.
    pub(super) fn asked(&self, path: &str) -> usize {
        self.seen.lock().unwrap().requests.iter().filter(|(_, p)| p == path).count()
    }
}

async fn serve(mut stream: TcpStream, act: Play, seen: Arc<Mutex<Seen>>) {
    while let Some(target) = request(&mut stream).await {
        let path = target.split('?').next().unwrap_or_default().to_owned();
        {
            let mut seen = seen.lock().unwrap();
            seen.requests.push((Instant::now(), target.clone()));
            let (now, most) = seen.under_way.entry(path.clone()).or_default();
            *now += 1;
            *most = (*most).max(*now);
        }
        let kept = perform(act(&target), &mut stream).await;
        seen.lock().unwrap().under_way.get_mut(&path).unwrap().0 -= 1;
        if kept.is_none() {
            return;
        }
    }
}

/// Reads a request and gives its path and query.
async fn request(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    Some(String::from_utf8(head).ok()?.split(' ').nth(1)?.to_owned())
}

/// `None` where the connection is at its end.
async fn perform(act: Act, stream: &mut TcpStream) -> Option<()> {
    match act {
        Act::Answer(wait, head, body) => {
            sleep(wait).await;
            let head = format!("HTTP/1.1 {head}\r\nContent-Length: {}\r\n\r\n", body.len());
            stream.write_all(head.as_bytes()).await.ok()?;
            stream.write_all(&body).await.ok()
        }
        Act::Raw(bytes) => {
            let _ = stream.write_all(&bytes).await;
            None
        }
        Act::Drip(bytes, pause) => {
            stream.write_all(&bytes).await.ok()?;
            loop {
                sleep(pause).await;
                stream.write_all(b"x").await.ok()?;
            }
        }
        Act::Endless(bytes) => {
            stream.write_all(&bytes).await.ok()?;
            loop {
                stream.write_all(&[b'x'; 4096]).await.ok()?;
            }
        }
        Act::Silence => {
            let _ = stream.read_u8().await; // Until the other side gives up.
            None
        }
    }
}

/// An answer after a while.
pub(super) fn answer(wait_ms: u64, head: &str, body: impl Into<Vec<u8>>) -> Act {
    Act::Answer(Duration::from_millis(wait_ms), head.into(), body.into())
}

/// The body of a profile with one value and no sample.
pub(super) fn pprof(sample_type: &str) -> Vec<u8> {
    let mut builder = Builder::new(&Limits::default());
    let (kind, unit) = (builder.string(sample_type).unwrap(), builder.string("count").unwrap());
    let sample_types = vec![SampleType { kind, unit, temporality: Temporality::Delta }];
    encode(&builder.finish(Meta { sample_types, ..Meta::default() }).unwrap())
}

/// The body of a profile with one sample, which has this value.
pub(super) fn counted(sample_type: &str, value: i64, time_ns: i64) -> Vec<u8> {
    let mut builder = Builder::new(&Limits::default());
    let (kind, unit) = (builder.string(sample_type).unwrap(), builder.string("count").unwrap());
    let sample_types = vec![SampleType { kind, unit, temporality: Temporality::Delta }];
    builder.value(value);
    builder.sample(&[]).unwrap();
    encode(&builder.finish(Meta { sample_types, time_ns, ..Meta::default() }).unwrap())
}
