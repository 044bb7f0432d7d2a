//! A replay that is asked to stop ends where another run can go on.

use std::time::Duration;

use anyhow::Context;
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    time,
};

/// What a batch that is under way has to come to its end.
const GRACE: Duration = Duration::from_secs(10);

/// SIGTERM and SIGINT.
pub struct Stop {
    terminate: Signal,
    interrupt: Signal,
    /// Whether one of them came.
    pub asked: bool,
}

impl Stop {
    /// Listens from now on; within a runtime.
    pub fn listen() -> anyhow::Result<Self> {
        let listen = |kind| signal(kind).context("listen for signals");
        let (terminate, interrupt) =
            (listen(SignalKind::terminate())?, listen(SignalKind::interrupt())?);
        Ok(Self { terminate, interrupt, asked: false })
    }

    /// Resolves when it is asked to stop.
    pub async fn asked(&mut self) {
        if !self.asked {
            self.signal().await;
            self.asked = true;
        }
    }

    /// Resolves when a batch has had its time after that, or it is asked once more.
    pub async fn too_late(&mut self) {
        self.asked().await;
        let _ = time::timeout(GRACE, self.signal()).await;
    }

    async fn signal(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
