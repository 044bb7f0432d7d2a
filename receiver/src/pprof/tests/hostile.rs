//! What each kind of bad answer is called, and that none of them costs more than its limits.

use std::time::{Duration, Instant};

use pipeline::reason::{Reason, Refused};
use tokio::io::AsyncWriteExt;
use tokio_util::task::AbortOnDropHandle;

use super::fake::{Act, Fake, answer};
use crate::{
    budget::Budget,
    pprof::{
        failure::Failure,
        fetch::{Fetcher, Question},
        http::HttpSettings,
    },
};

fn act(path: &str) -> Act {
    let raw = |text: &str| Act::Raw(text.into());
    let ok = |rest: &str| format!("HTTP/1.1 200 OK\r\n{rest}").into_bytes();
    match path {
        "/ok" => answer(0, "200 OK", "body"),
        "/404" => answer(0, "404 Not Found", "404 page not found\n"),
        "/404-go" => answer(0, "404 Not Found\r\nX-Go-Pprof: 1", "Unknown profile\n"),
        "/401" => answer(0, "401 Unauthorized", ""),
        "/busy" => answer(
            0,
            "500 Internal Server Error\r\nX-Go-Pprof: 1",
            "Could not enable CPU profiling: cpu profiling already in use\n",
        ),
        "/500" => answer(0, "500 Internal Server Error", "\x1b[31moops\x07\n"),
        "/400" => answer(0, "400 Bad Request", "profile duration exceeds server's WriteTimeout\n"),
        "/503" => answer(0, "503 Service Unavailable\r\nRetry-After: 7", "later"),
        "/204" => answer(0, "204 No Content", ""),
        "/302" => answer(0, "302 Found\r\nLocation: http://169.254.169.254/secret?token=1", ""),
        "/302-here" => answer(0, "302 Found\r\nLocation: /ok", ""),
        "/long-error" => answer(0, "500 Internal Server Error", vec![b'e'; 100_000]),
        "/endless-error" => Act::Endless(b"HTTP/1.1 500 No\r\n\r\n".to_vec()),
        "/announced" => raw("HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n"),
        "/endless" => Act::Endless(ok("\r\n")),
        "/chunks-endless" => Act::Endless(ok("Transfer-Encoding: chunked\r\n\r\nfffffff\r\n")),
        "/short" => raw("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"),
        "/closed" => raw(""),
        "/garbage" => raw("SSH-2.0-OpenSSH_9.6\r\n"),
        "/headers" => {
            let many: String = (0..2000).map(|i| format!("X-{i}: y\r\n")).collect();
            raw(&format!("HTTP/1.1 200 OK\r\n{many}\r\n"))
        }
        "/chunks-bad" => raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nab\r\n"),
        "/silent" => Act::Silence,
        "/silent-body" => Act::Drip(ok("Content-Length: 9\r\n\r\nab"), Duration::from_secs(60)),
        "/drip-head" => Act::Drip(ok("X-A: "), Duration::from_millis(20)),
        "/drip-body" => Act::Drip(ok("Content-Length: 9999\r\n\r\n"), Duration::from_millis(20)),
        _ => unreachable!("no such path: {path}"),
    }
}

async fn fetch(url: &str, timeout_ms: u64) -> Result<Vec<u8>, Failure> {
    let fetcher = Fetcher::new(1 << 16).unwrap();
    let url = url.parse().unwrap();
    let http = HttpSettings::default();
    let (window, timeout) = (Duration::ZERO, Duration::from_millis(timeout_ms));
    let question = Question { url: &url, http: &http, window, timeout };
    fetcher.fetch(&question, &mut Budget::default().share()).await
}

#[tokio::test]
async fn each_bad_answer_has_its_reason() {
    let fake = Fake::start(act).await;
    assert_eq!(fetch(&format!("{}/ok", fake.address), 5_000).await.unwrap(), b"body");
    for (path, reason) in [
        ("/404", Reason::NotFound),
        ("/404-go", Reason::NotFound),
        ("/401", Reason::Unauthorized),
        ("/busy", Reason::TargetBusy),
        ("/500", Reason::HttpStatus),
        ("/400", Reason::HttpStatus),
        ("/503", Reason::HttpStatus),
        ("/204", Reason::HttpStatus),
        ("/302", Reason::RedirectRefused),
        ("/302-here", Reason::RedirectRefused),
        ("/long-error", Reason::HttpStatus),
        ("/endless-error", Reason::HttpStatus),
        ("/announced", Reason::SizeLimit),
        ("/endless", Reason::SizeLimit),
        ("/chunks-endless", Reason::SizeLimit),
        ("/short", Reason::ConnectionReset),
        ("/closed", Reason::ConnectionReset),
        ("/garbage", Reason::Protocol),
        ("/headers", Reason::Protocol),
        ("/chunks-bad", Reason::Protocol),
    ] {
        let failure = fetch(&format!("{}{path}", fake.address), 10_000).await.unwrap_err();
        assert_eq!(failure.refused.reason, reason, "{path}: {}", failure.refused);
        assert!(failure.body.unwrap_or_default().len() <= 512, "{path}");
    }
    assert_eq!(fake.asked("/ok"), 1, "no redirect was followed");
}

#[tokio::test]
async fn silence_and_slowness_end_in_time() {
    let fake = Fake::start(act).await;
    for (path, detail) in [
        ("/silent", "no answer within 200ms"),
        ("/drip-head", "no answer within 200ms"),
        ("/silent-body", "silent for 200ms in the body"),
        ("/drip-body", "no whole answer within 400ms"),
    ] {
        let start = Instant::now();
        let failure = fetch(&format!("{}{path}", fake.address), 400).await.unwrap_err();
        let want = Refused::new(Reason::Timeout, detail);
        assert_eq!(failure.refused, want, "{path}");
        assert!(start.elapsed() < Duration::from_secs(2), "{path}");
    }
}

#[tokio::test]
async fn failures_say_what_a_person_needs() {
    let fake = Fake::start(act).await;
    let failed =
        async |path: &str| fetch(&format!("{}{path}", fake.address), 5_000).await.unwrap_err();
    assert!(failed("/404").await.hint.unwrap().contains("import net/http/pprof"));
    assert_eq!(failed("/404-go").await.hint, None);
    assert!(failed("/400").await.hint.unwrap().contains("WriteTimeout"));
    assert_eq!(failed("/500").await.body.as_deref(), Some("[31moops"));
    assert_eq!(failed("/503").await.retry_after, Some(Duration::from_secs(7)));
    let redirect = failed("/302").await.refused.detail;
    assert!(redirect.ends_with("to 169.254.169.254"), "{redirect}");
}

#[tokio::test]
async fn what_cannot_be_reached_has_its_reason() {
    let unused = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let clear = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let tls = format!("https://{}/", clear.local_addr().unwrap());
    let answer_in_the_clear = tokio::spawn(async move {
        let (mut stream, _) = clear.accept().await.unwrap();
        stream.write_all(b"HTTP/1.0 400 Bad Request\r\n\r\n").await.unwrap();
        std::future::pending::<()>().await;
    });
    let _ends_with_the_test = AbortOnDropHandle::new(answer_in_the_clear);
    for (url, reason) in [
        (format!("http://{unused}/"), Reason::ConnectionRefused),
        ("http://no-such-host.invalid:6060/".to_owned(), Reason::Dns),
        (tls, Reason::Tls),
    ] {
        let failure = fetch(&url, 5_000).await.unwrap_err();
        assert_eq!(failure.refused.reason, reason, "{url}: {}", failure.refused);
    }
}
