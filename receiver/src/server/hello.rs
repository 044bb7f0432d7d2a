//! The first bytes of a connection: until they came, no timer of HTTP runs yet.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time,
};

/// How HTTP/2 begins. What begins otherwise is HTTP/1 or nothing that is spoken here.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A connection of which the first bytes are watched.
pub(super) struct Greeted<S> {
    stream: S,
    hello: Hello,
}

/// How many bytes of the preface came; all of them where it is known what is spoken.
#[derive(Clone, Default)]
pub(super) struct Hello(Arc<AtomicUsize>);

impl Hello {
    pub(super) fn watch<S>(&self, stream: S) -> Greeted<S> {
        Greeted { stream, hello: self.clone() }
    }

    /// Resolves after this time where it is not known by then what is spoken; never otherwise.
    pub(super) async fn missing_after(&self, limit: Duration) {
        time::sleep(limit).await;
        if self.is_said() {
            std::future::pending().await
        }
    }

    fn is_said(&self) -> bool {
        self.0.load(Relaxed) == PREFACE.len()
    }

    fn heard(&self, bytes: &[u8]) {
        let so_far = self.0.load(Relaxed);
        let same = PREFACE[so_far..].iter().zip(bytes).take_while(|(a, b)| a == b).count();
        let is_other = same < bytes.len();
        self.0.store(if is_other { PREFACE.len() } else { so_far + same }, Relaxed);
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Greeted<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        if !self.hello.is_said() {
            self.hello.heard(&buffer.filled()[before..]);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Greeted<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_spoken_is_known_by_the_preface_or_by_what_is_none() {
        for (parts, said) in [
            (&[&b""[..]][..], false),
            (&[b"PRI * "], false),
            (&[b"PRI", b" * HTTP/2.0\r\n\r\nSM\r\n\r"], false),
            (&[b"PRI", b" * HTTP/2.0\r\n\r\nSM\r\n\r", b"\n\0\0"], true),
            (&[b"P", b"OST / "], true),
            (&[b"GET / HTTP/1.1\r\n"], true),
        ] {
            let hello = Hello::default();
            parts.iter().filter(|_| !hello.is_said()).for_each(|part| hello.heard(part));
            assert_eq!(hello.is_said(), said, "{parts:?}");
        }
    }
}
