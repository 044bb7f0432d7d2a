//! Sockets that receivers listen on. A receiver that is made anew for a reload is there before the
//! old one has gone, so both hold the same socket for a moment.

use std::{
    collections::BTreeMap,
    fmt, fs, io,
    net::{SocketAddr, TcpListener},
    os::unix::{
        fs::FileTypeExt,
        net::{UnixListener, UnixStream},
    },
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, Weak},
};

use anyhow::Context;
use tokio::net;
use tokio_util::either::Either;

/// Where a server listens.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// A port.
    Tcp(SocketAddr),
    /// A socket in the file system.
    Unix(PathBuf),
}

/// Who has connected.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Peer {
    Tcp(SocketAddr),
    /// A process of this machine.
    Unix,
}

impl Peer {
    /// Its host, as OpenTelemetry says it.
    pub(crate) fn address(self) -> String {
        match self {
            Self::Tcp(address) => address.ip().to_string(),
            Self::Unix => self.to_string(),
        }
    }
}

/// The sockets of all receivers. Cloning gives the same ones.
#[derive(Clone, Debug, Default)]
pub struct Listeners(Arc<Mutex<BTreeMap<Place, Weak<Listener>>>>);

/// A socket that is listened on. Its file goes with it, where it has one.
#[derive(Debug)]
pub struct Listener {
    place: Place,
    socket: Socket,
}

#[derive(Debug)]
enum Socket {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// What the runtime accepts connections from.
pub(crate) enum Accepting {
    Tcp(net::TcpListener),
    Unix(net::UnixListener),
}

impl Listeners {
    /// Takes a place, or shares it with the receiver that has it.
    ///
    /// # Errors
    /// Where another process has it, or it is not ours to take.
    pub fn bind(&self, place: Place) -> anyhow::Result<Arc<Listener>> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, listener| listener.strong_count() > 0);
        if let Some(known) = all.get(&place).and_then(Weak::upgrade) {
            return Ok(known);
        }
        let bound = Listener::bind(place.clone()).with_context(|| format!("listen on {place}"))?;
        let bound = Arc::new(bound);
        // A port that the system chose is found again by its number.
        all.insert(bound.place.clone(), Arc::downgrade(&bound));
        Ok(bound)
    }
}

impl Listener {
    fn bind(place: Place) -> io::Result<Self> {
        Ok(match place {
            Place::Tcp(address) => {
                let socket = TcpListener::bind(address)?;
                socket.set_nonblocking(true)?;
                Self { place: Place::Tcp(socket.local_addr()?), socket: Socket::Tcp(socket) }
            }
            Place::Unix(path) => {
                clear(&path)?;
                let socket = UnixListener::bind(&path)?;
                socket.set_nonblocking(true)?;
                Self { place: Place::Unix(path), socket: Socket::Unix(socket) }
            }
        })
    }

    /// Its address, where it is a port.
    pub fn address(&self) -> Option<SocketAddr> {
        match self.place {
            Place::Tcp(address) => Some(address),
            Place::Unix(_) => None,
        }
    }

    /// The same socket for the runtime.
    pub(crate) fn accepting(&self) -> io::Result<Accepting> {
        Ok(match &self.socket {
            Socket::Tcp(socket) => Accepting::Tcp(net::TcpListener::from_std(socket.try_clone()?)?),
            Socket::Unix(socket) => {
                Accepting::Unix(net::UnixListener::from_std(socket.try_clone()?)?)
            }
        })
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Place::Unix(path) = &self.place {
            let _ = fs::remove_file(path); // One that stays is cleared by who comes next.
        }
    }
}

impl Accepting {
    /// The next connection.
    pub(crate) async fn accept(
        &self,
    ) -> io::Result<(Either<net::TcpStream, net::UnixStream>, Peer)> {
        match self {
            Self::Tcp(socket) => {
                let (stream, peer) = socket.accept().await?;
                let _ = stream.set_nodelay(true); // An answer is small; it may as well be slow.
                Ok((Either::Left(stream), Peer::Tcp(peer)))
            }
            Self::Unix(socket) => Ok((Either::Right(socket.accept().await?.0), Peer::Unix)),
        }
    }
}

/// Removes the file of a socket that nobody listens on any more, as a process that was killed
/// leaves it.
fn clear(path: &Path) -> io::Result<()> {
    let is_socket = fs::symlink_metadata(path).is_ok_and(|meta| meta.file_type().is_socket());
    let refused = |error: &io::Error| error.kind() == io::ErrorKind::ConnectionRefused;
    if is_socket && UnixStream::connect(path).as_ref().is_err_and(refused) {
        fs::remove_file(path)?;
    }
    Ok(())
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => path.display().fmt(f),
        }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix => f.write_str("unix"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_shared_within_the_process() {
        let listeners = Listeners::default();
        let first = listeners.bind(Place::Tcp(([127, 0, 0, 1], 0).into())).unwrap();
        let place = Place::Tcp(first.address().unwrap());
        let second = listeners.bind(place.clone()).unwrap();
        assert!(Arc::ptr_eq(&first, &second));
        assert!(Listeners::default().bind(place.clone()).is_err());
        drop((first, second));
        assert!(Listeners::default().bind(place).is_ok());
    }

    #[test]
    fn a_socket_in_the_file_system_is_taken_only_where_nobody_listens() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("otlp.sock");
        let place = Place::Unix(path.clone());
        let listeners = Listeners::default();
        let first = listeners.bind(place.clone()).unwrap();
        assert!(Arc::ptr_eq(&first, &listeners.bind(place.clone()).unwrap()));
        let taken = Listeners::default().bind(place.clone()).unwrap_err();
        assert!(format!("{taken:#}").contains("otlp.sock: "), "{taken:#}");
        drop(first);
        assert!(fs::metadata(&path).is_err(), "its file goes with it");
        // As after a kill: the file is there, and nobody listens.
        drop(UnixListener::bind(&path).unwrap());
        fs::metadata(&path).unwrap();
        drop(listeners.bind(place.clone()).unwrap());
        // What is no socket is not ours.
        fs::write(&path, "data").unwrap();
        assert!(listeners.bind(place).is_err());
        assert_eq!(fs::read(&path).unwrap(), b"data");
    }
}
