//! Ports that receivers listen on. A receiver that is made anew for a reload is there before the
//! old one has gone, so both hold the same socket for a moment.

use std::{
    collections::BTreeMap,
    net::{SocketAddr, TcpListener},
    sync::{Arc, Mutex, PoisonError, Weak},
};

use anyhow::Context;

/// The sockets of all receivers. Cloning gives the same ones.
#[derive(Clone, Debug, Default)]
pub struct Listeners(Arc<Mutex<BTreeMap<SocketAddr, Weak<TcpListener>>>>);

impl Listeners {
    /// Takes a port, or shares it with the receiver that has it.
    ///
    /// # Errors
    /// Where another process has it, or the address is not ours.
    pub fn bind(&self, address: SocketAddr) -> anyhow::Result<Arc<TcpListener>> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, listener| listener.strong_count() > 0);
        if let Some(known) = all.get(&address).and_then(Weak::upgrade) {
            return Ok(known);
        }
        let bound = TcpListener::bind(address).with_context(|| format!("listen on {address}"))?;
        bound.set_nonblocking(true).context("set up a socket")?;
        let bound = Arc::new(bound);
        // A port that the system chose is found again by its number.
        all.insert(bound.local_addr().context("read an address")?, Arc::downgrade(&bound));
        Ok(bound)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_shared_within_the_process() {
        let listeners = Listeners::default();
        let first = listeners.bind(([127, 0, 0, 1], 0).into()).unwrap();
        let address = first.local_addr().unwrap();
        let second = listeners.bind(address).unwrap();
        assert!(Arc::ptr_eq(&first, &second));
        assert!(Listeners::default().bind(address).is_err());
        drop((first, second));
        assert!(Listeners::default().bind(address).is_ok());
    }
}
