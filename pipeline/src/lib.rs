//! The core of profpipe: the profile model, codecs between bytes and profiles, pictures of stacks,
//! component traits, the engine that joins components, and the spool that keeps what was accepted.
//!
//! It opens no socket and knows no Kubernetes.
//!
//! The engine is a library too: a program of your own joins its receivers and exporters, and ours.
//!
//! ```
//! use std::{sync::Arc, time::Duration};
//!
//! use pipeline::{
//!     component::{Export, ExportError, Exporter, Outlet, Receiver, Taken},
//!     engine::{Pipeline, Sink},
//!     limits::Limits,
//!     settings::Settings,
//!     spool::{Spool, SpoolConfig},
//!     storage::Disk,
//! };
//!
//! /// Reads one file, then waits for the end.
//! struct File(Vec<u8>);
//!
//! #[async_trait::async_trait]
//! impl Receiver for File {
//!     async fn run(
//!         self: Box<Self>,
//!         outlet: Outlet,
//!         stop: tokio_util::sync::CancellationToken,
//!     ) -> anyhow::Result<()> {
//!         let profile = pipeline::codec::pprof::decode(&self.0, &Limits::default())?;
//!         let durable = outlet.send(vec![profile]).await?;
//!         durable.await?;
//!         stop.cancelled().await;
//!         Ok(())
//!     }
//! }
//!
//! /// Says what arrives.
//! struct Names(tokio::sync::mpsc::UnboundedSender<String>);
//!
//! #[async_trait::async_trait]
//! impl Exporter for Names {
//!     async fn export(&mut self, export: &Export) -> Result<Taken, ExportError> {
//!         for stored in &export.profiles {
//!             let _ = self.0.send(stored.profile.meta.name.clone());
//!         }
//!         Ok(Taken::default())
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> anyhow::Result<()> {
//! # let dir = tempfile::tempdir()?;
//! # let spool_dir = dir.path();
//! # let body = [
//! #     &[10, 4, 8, 1, 16, 2, 18, 3, 18, 1, 5, 50, 0, 50, 3][..],
//! #     b"cpu",
//! #     &[50, 11],
//! #     b"nanoseconds",
//! # ].concat();
//! let (names, mut arrived) = tokio::sync::mpsc::unbounded_channel();
//! let sink = Sink {
//!     id: "names".into(),
//!     exporter: Box::new(Names(names)),
//!     settings: Settings::default(),
//! };
//! let running = Pipeline {
//!     name: "profiles".into(),
//!     receivers: vec![("file".into(), Box::new(File(body)))],
//!     processors: vec![],
//!     exporters: vec![sink],
//!     spool: Spool::open(Arc::new(Disk), spool_dir, SpoolConfig::default())?,
//! }
//! .start()?;
//! assert_eq!(arrived.recv().await.as_deref(), Some("cpu"));
//! running.shutdown(Duration::from_secs(5)).await?;
//! # Ok(())
//! # }
//! ```

pub mod codec;
pub mod component;
pub mod config_state;
pub mod engine;
pub mod extension;
pub mod headers;
pub mod limits;
pub mod matcher;
pub mod nearest;
pub mod picture;
pub mod processor;
pub mod profile;
pub mod quantity;
pub mod reason;
pub mod receipt;
pub mod secret;
pub mod settings;
pub mod spool;
pub mod storage;
pub mod target;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod trace;
