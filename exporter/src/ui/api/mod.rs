//! `/api/v1` as docs/http.md has it. Every answer comes from the lake, on a blocking thread, within
//! an allowance of time and memory.

mod download;
mod error;
mod lists;
mod openapi;
mod params;
mod pictures;
mod status;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use axum::{Router, extract::OriginalUri};
use lake::{Allowance, Lake};

use self::error::ApiError;
pub use self::lists::{Labels, Series, filtered_series};
use self::openapi::{ROUTES, Route};
use super::Ui;

/// How long one question may take.
const TIME_MAX: Duration = Duration::from_secs(10);
/// How long one may wait for its turn.
const WAIT_MAX: Duration = Duration::from_secs(5);

/// The router of the API.
pub fn router(ui: Ui) -> Router {
    let route = |router: Router<Ui>, route: &Route| router.route(route.path, (route.handler)());
    ROUTES.iter().fold(Router::new(), route).fallback(nothing).with_state(ui)
}

/// The answer at a path where nothing is.
pub async fn nothing(uri: OriginalUri) -> ApiError {
    ApiError::NotFound(format!("there is no {}", uri.path()))
}

impl Ui {
    /// Asks the lake on a blocking thread, when it is this question's turn.
    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Lake, &Allowance) -> Result<T, ApiError> + Send + 'static,
    ) -> Result<T, ApiError> {
        let _waits = self.waiting.clone().try_acquire_owned().map_err(|_| ApiError::Busy)?;
        let turn = tokio::time::timeout(WAIT_MAX, self.questions.clone().acquire_owned()).await;
        let turn = turn.ok().and_then(Result::ok).ok_or(ApiError::Busy)?;
        let lake = self.lake.clone();
        let left = Left::default();
        let stop = Some(Arc::clone(&left.0));
        let answer = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            let deadline = Some(Instant::now() + TIME_MAX);
            question(&lake, &Allowance { deadline, stop, ..Allowance::default() })
        });
        answer.await.unwrap_or_else(|_| Err(ApiError::Internal))
    }
}

/// Set when the request is dropped, because nobody waits for its answer any more.
#[derive(Default)]
struct Left(Arc<AtomicBool>);

impl Drop for Left {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
