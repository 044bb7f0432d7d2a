//! The allocator, and profpipe's own heap profile: live memory by stack, which it samples each
//! 512 KiB on average. glibc's keeps an arena for each thread that blocks, and what a thousand
//! targets leave in them; this one has two for all, and gives back what it does not need.

use anyhow::Context;

/// How it is set is in `.cargo/config.toml`.
#[cfg(all(target_os = "linux", feature = "self-profile"))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Whether this build and system have a heap profile.
pub const AVAILABLE: bool = cfg!(all(target_os = "linux", feature = "self-profile"));

/// Lets the allocator sample from now on.
#[cfg(all(target_os = "linux", feature = "self-profile"))]
pub async fn activate() {
    let Some(control) = jemalloc_pprof::PROF_CTL.as_ref() else { return };
    if let Err(error) = control.lock().await.activate() {
        tracing::warn!(%error, "the own heap cannot be profiled");
    }
}

/// Does nothing where there is no heap profile.
#[cfg(not(all(target_os = "linux", feature = "self-profile")))]
pub async fn activate() {}

/// The heap as gzip pprof. Memory that was taken before `activate` is not in it.
///
/// # Errors
/// If the profile cannot be taken.
#[cfg(all(target_os = "linux", feature = "self-profile"))]
pub async fn take() -> anyhow::Result<Vec<u8>> {
    let control = jemalloc_pprof::PROF_CTL.as_ref();
    let control = control.context("the allocator was built without profiles")?;
    let mut control = std::sync::Arc::clone(control).lock_owned().await;
    // The allocator writes a file, and symbols are looked up.
    let taken = tokio::task::spawn_blocking(move || control.dump_pprof());
    taken.await.context("take the heap profile")?
}

/// Says that there is none.
#[cfg(not(all(target_os = "linux", feature = "self-profile")))]
pub async fn take() -> anyhow::Result<Vec<u8>> {
    None.context("there is a heap profile on Linux only")
}
