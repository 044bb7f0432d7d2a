//! Targets that answer as nobody should: bombs, lies, silence, garbage, and profiles that are
//! whole but mean harm. Each remembers when it was asked.

use std::{
    io::Write,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::{Instant, sleep},
};

use super::numbers::{message, pprof, varint};

/// What a target does, and what is to be said of it.
pub struct Manner {
    /// What it is to people.
    pub name: &'static str,
    /// The reason of its failure; none where its profiles are taken.
    pub reason: Option<&'static str>,
    play: Arc<Play>,
}

enum Play {
    /// Writes this and closes.
    Raw(Vec<u8>),
    /// Writes this and keeps the connection.
    Kept(Vec<u8>),
    /// Writes this, then one byte each 50 ms.
    Slow(Vec<u8>),
    /// Writes this, then more for ever.
    Endless(Vec<u8>),
    /// Says nothing.
    Silent,
    /// A new profile each time.
    Healthy,
}

/// A target that runs until the `Hostile` it belongs to is dropped.
pub struct Target {
    pub manner: Manner,
    pub address: String,
    seen: Arc<Mutex<Seen>>,
}

/// How soon a target that writes to nobody knows of it.
const NOTICED: Duration = Duration::from_millis(200);

/// What a target saw: its requests in the order of their coming.
type Seen = Vec<Asked>;

struct Asked {
    at: Instant,
    path: String,
    until: Option<Instant>,
}

/// All of them.
pub struct Hostile {
    pub targets: Vec<Target>,
    _tasks: JoinSet<()>,
}

impl Hostile {
    /// Starts a target of each manner.
    pub async fn start(manners: Vec<Manner>) -> Self {
        let (mut targets, mut tasks) = (Vec::new(), JoinSet::new());
        for manner in manners {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap().to_string();
            let seen = Arc::new(Mutex::new(Seen::default()));
            tasks.spawn(listen(listener, Arc::clone(&manner.play), Arc::clone(&seen)));
            targets.push(Target { manner, address, seen });
        }
        Self { targets, _tasks: tasks }
    }
}

impl Target {
    /// When it was asked for a path that starts like this.
    pub fn asked(&self, path: &str) -> Vec<Instant> {
        let seen = self.seen.lock().unwrap();
        seen.iter().filter(|asked| asked.path.starts_with(path)).map(|asked| asked.at).collect()
    }

    /// The most requests that it had at one time.
    pub fn most_at_once(&self) -> usize {
        let seen = self.seen.lock().unwrap();
        let at_once = |(i, last): (usize, &Asked)| {
            let goes_on = |asked: &&Asked| asked.until.is_none_or(|at| at > last.at + NOTICED);
            seen[..i].iter().filter(goes_on).count() + 1
        };
        seen.iter().enumerate().map(at_once).max().unwrap_or(0)
    }
}

async fn listen(listener: TcpListener, play: Arc<Play>, seen: Arc<Mutex<Seen>>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let (play, seen) = (Arc::clone(&play), Arc::clone(&seen));
        connections.spawn(async move {
            let mut stream = stream;
            while let Some(path) = request(&mut stream).await {
                let number = {
                    let mut seen = seen.lock().unwrap();
                    seen.push(Asked { at: Instant::now(), path, until: None });
                    seen.len() - 1
                };
                // What another side has given up ends here, too.
                let kept = perform(&play, &mut stream).await;
                seen.lock().unwrap()[number].until = Some(Instant::now());
                if kept.is_none() {
                    return;
                }
            }
        });
    }
}

async fn request(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    Some(String::from_utf8(head).ok()?.split(' ').nth(1)?.to_owned())
}

/// `None` where the connection is at its end.
async fn perform(play: &Play, stream: &mut TcpStream) -> Option<()> {
    match play {
        Play::Healthy => stream.write_all(&ok(pprof(1))).await.ok(),
        Play::Kept(bytes) => stream.write_all(bytes).await.ok(),
        Play::Raw(bytes) => {
            let _ = stream.write_all(bytes).await;
            let _ = stream.shutdown().await;
            None
        }
        Play::Slow(bytes) => {
            stream.write_all(bytes).await.ok()?;
            loop {
                sleep(Duration::from_millis(50)).await;
                stream.write_all(b"x").await.ok()?;
            }
        }
        Play::Endless(bytes) => {
            stream.write_all(bytes).await.ok()?;
            loop {
                stream.write_all(&[b'x'; 16 << 10]).await.ok()?;
            }
        }
        Play::Silent => {
            let _ = stream.read_u8().await; // Until the other side gives up.
            None
        }
    }
}

/// A target as it should be.
pub fn healthy() -> Manner {
    Manner { name: "healthy", reason: None, play: Play::Healthy.into() }
}

/// One of each sort that is not.
pub fn all() -> Vec<Manner> {
    let raw = |name, reason, bytes: Vec<u8>| Manner {
        name,
        reason: Some(reason),
        play: Play::Raw(bytes).into(),
    };
    let text = |name, reason, text: &str| raw(name, reason, text.as_bytes().to_vec());
    let body = |name, reason, body: Vec<u8>| raw(name, reason, ok(body));
    let taken =
        |name, body: Vec<u8>| Manner { name, reason: None, play: Play::Kept(ok(body)).into() };
    let other = |name, reason, play: Play| Manner { name, reason: Some(reason), play: play.into() };
    let head = |rest: &str| format!("HTTP/1.1 200 OK\r\n{rest}").into_bytes();
    let many: String = (0..2_000).map(|i| format!("X-{i}: y\r\n")).collect();
    let whole = gzip(&pprof(1));
    vec![
        body("bomb of empty samples", "count_limit", gzip(&[0x12, 0].repeat(32 << 20))),
        body("bomb of zeros", "size_limit", gzip(&vec![0; 256 << 20])),
        body("bomb of labels", "size_limit", gzip(&labels())),
        body("bomb in a bomb", "not_pprof", gzip(&gzip(&vec![0; 64 << 20]))),
        body("empty locations", "count_limit", [0x22, 0].repeat(2 << 20)),
        body("deep stack", "count_limit", deep(100_000)),
        body("reference out of range", "bad_reference", changed(2, &[8, 99, 16, 1])),
        body("string out of range", "bad_reference", changed(5, &[8, 1, 16, 200, 1])),
        body("garbage", "malformed", (0..=255).rev().cycle().take(5_000).collect()),
        body("two in one", "concatenated", [pprof(1), pprof(2)].concat()),
        body("cut gzip", "truncated", whole[..whole.len() - 9].to_vec()),
        body("damaged gzip", "corrupt_compression", damaged(whole)),
        body("nothing", "empty_profile", Vec::new()),
        body("HTML", "not_pprof", b"<!DOCTYPE html><script>alert(1)</script>".to_vec()),
        other("endless body", "size_limit", Play::Endless(head("\r\n"))),
        other("slow body", "timeout", Play::Slow(head("Content-Length: 9999\r\n\r\n"))),
        other("slow head", "timeout", Play::Slow(head("X-A: "))),
        other("silence", "timeout", Play::Silent),
        raw("says more than it sends", "connection_reset", head("Content-Length: 99\r\n\r\nab")),
        raw("says far too much", "size_limit", head("Content-Length: 99999999999\r\n\r\n")),
        raw("2,000 headers", "protocol_error", head(&format!("{many}\r\n"))),
        text("no HTTP", "protocol_error", "SSH-2.0-OpenSSH_9.6\r\n"),
        text(
            "redirect",
            "redirect_refused",
            "HTTP/1.1 302 F\r\nLocation: http://169.254.169.254/\r\nContent-Length: 0\r\n\r\n",
        ),
        text("not there", "not_found", "HTTP/1.1 404 N\r\nX-Go-Pprof: 1\r\n\r\nUnknown profile\n"),
        text(
            "busy",
            "target_busy",
            "HTTP/1.1 500 I\r\nX-Go-Pprof: 1\r\n\r\ncpu profiling already in use\n",
        ),
        text("locked", "unauthorized", "HTTP/1.1 401 U\r\n\r\n"),
        taken("evil names", changed(6, EVIL.as_bytes())),
        taken("clock of 1970", at(1)),
        taken("clock of 2100", at(4_102_444_800_000_000_000)),
    ]
}

/// A name that is markup, turns the direction of writing, rings the bell and breaks lines.
pub const EVIL: &str = "\"><img src=x onerror=alert(1)>\u{202e}\u{7}\u{1b}[31m\r\n;=cmd|'/c'!A1";

/// An answer of status 200.
fn ok(body: Vec<u8>) -> Vec<u8> {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
    [head.as_bytes(), &body].concat()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

fn damaged(mut gzip: Vec<u8>) -> Vec<u8> {
    let checksum = gzip.len() - 6;
    gzip[checksum] ^= 1;
    gzip
}

/// The profile of one sample, `f1`, with another message in place of the last one of this field.
fn changed(field: u8, bytes: &[u8]) -> Vec<u8> {
    profile(&[(field, bytes)], now())
}

fn at(time_ns: u64) -> Vec<u8> {
    profile(&[], time_ns)
}

fn now() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.unwrap().as_nanos() as u64
}

fn profile(instead: &[(u8, &[u8])], time_ns: u64) -> Vec<u8> {
    let part = |field: u8, usual: &'static [u8]| {
        instead.iter().find(|(f, _)| *f == field).map_or(usual, |(_, bytes)| bytes).to_vec()
    };
    let mut out = Vec::new();
    message(&mut out, 1, &part(1, &[8, 1, 16, 2]));
    message(&mut out, 2, &part(2, &[8, 1, 16, 1]));
    message(&mut out, 4, &part(4, &[8, 1, 34, 2, 8, 1]));
    message(&mut out, 5, &part(5, &[8, 1, 16, 3]));
    for text in [b"".as_slice(), b"events", b"count"] {
        message(&mut out, 6, text);
    }
    message(&mut out, 6, &part(6, b"f1"));
    out.push(9 << 3);
    varint(&mut out, time_ns);
    out.extend([10 << 3, 1]);
    out
}

/// A sample whose stack has so many frames.
fn deep(frames: usize) -> Vec<u8> {
    let mut sample = Vec::new();
    message(&mut sample, 1, &vec![1; frames]);
    sample.extend([16, 1]);
    changed(2, &sample)
}

/// Samples with labels that take a multiple of their own size once they are read.
fn labels() -> Vec<u8> {
    let label = [26, 4, 8, 1, 16, 2]; // Field 3, key 1, text 2.
    let sample = [&[8, 1, 16, 1][..], &label.repeat(100)].concat();
    let mut many = Vec::new();
    (0..100_000).for_each(|_| message(&mut many, 2, &sample));
    [many, changed(2, &sample)].concat()
}
