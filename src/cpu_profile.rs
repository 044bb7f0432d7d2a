//! profpipe's own CPU profile. It is an option of the build (`self-profile`, on by default), as
//! it brings what finds names in binaries, which the image of a sidecar can do without.

use std::time::Duration;

use anyhow::Context;

/// Whether this build can tell of its CPU time.
pub const AVAILABLE: bool = cfg!(feature = "self-profile");

/// Samples for a while, as pprof.
///
/// # Errors
/// Where this build cannot tell, or the timer of the process cannot be had.
#[cfg(feature = "self-profile")]
pub async fn take(window: Duration) -> anyhow::Result<Vec<u8>> {
    use pprof::{ProfilerGuardBuilder, protos::Message};
    /// Samples per second of CPU time. Go takes 100, of which a process that is nearly idle shows
    /// none in a window.
    const FREQUENCY_HZ: i32 = 499;
    /// Code in which the profiler must not look at the stack: it may hold locks that this takes.
    const BLOCKLIST: [&str; 4] = ["libc", "libgcc", "pthread", "vdso"];
    let guard = ProfilerGuardBuilder::default()
        .frequency(FREQUENCY_HZ)
        .blocklist(&BLOCKLIST)
        .build()
        .context("start the profiler")?;
    tokio::time::sleep(window).await;
    // Symbols are looked up here, which may take a while.
    let encoded = tokio::task::spawn_blocking(move || {
        let report = guard.report().build().context("end the profiler")?;
        drop(guard);
        Ok(report.pprof().context("build the profile")?.encode_to_vec())
    });
    encoded.await.context("encode the profile")?
}

/// Says that this build cannot tell.
#[cfg(not(feature = "self-profile"))]
pub async fn take(_: Duration) -> anyhow::Result<Vec<u8>> {
    None.context("this build has no CPU profile: build with --features self-profile")
}
