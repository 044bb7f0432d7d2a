//! profpipe's own heap profile: live memory by stack, sampled by jemalloc each 512 KiB on average.
//! It is an option of the build (`--features heap-profile`), because the allocator that can sample
//! is not the one that imports are fastest with; ARCHITECTURE.md has the figures.

use anyhow::Context;

/// The allocator that samples.
#[cfg(feature = "heap-profile")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Whether this build can tell of its heap.
pub const AVAILABLE: bool = cfg!(feature = "heap-profile");

/// Lets the allocator sample from now on.
#[cfg(feature = "heap-profile")]
pub async fn activate() {
    let Some(control) = jemalloc_pprof::PROF_CTL.as_ref() else { return };
    if let Err(error) = control.lock().await.activate() {
        tracing::warn!(%error, "the own heap cannot be profiled");
    }
}

/// Does nothing in a build without a heap profile.
#[cfg(not(feature = "heap-profile"))]
pub async fn activate() {}

/// The heap as gzip pprof. Memory that was taken before `activate` is not in it.
///
/// # Errors
/// Where this build cannot tell.
#[cfg(feature = "heap-profile")]
pub async fn take() -> anyhow::Result<Vec<u8>> {
    let control = jemalloc_pprof::PROF_CTL.as_ref();
    let control = control.context("the allocator was built without profiles")?;
    let mut control = std::sync::Arc::clone(control).lock_owned().await;
    // The allocator writes a file, and symbols are looked up.
    let taken = tokio::task::spawn_blocking(move || control.dump_pprof());
    taken.await.context("take the heap profile")?
}

/// Says that this build cannot tell.
#[cfg(not(feature = "heap-profile"))]
pub async fn take() -> anyhow::Result<Vec<u8>> {
    None.context("this build has no heap profile: build with --features heap-profile")
}
