//! What a server answers with, which a reload changes while the server keeps its port and its
//! connections.

use std::{
    convert::Infallible,
    sync::{Arc, PoisonError, RwLock},
};

use axum::{Router, extract::Request, response::Response};
use tower::{ServiceExt, service_fn};

/// A router that can be exchanged. Cloning gives the same one.
#[derive(Clone)]
pub struct Pages(Arc<RwLock<Router>>);

impl Pages {
    /// Answers by this router at first.
    pub fn new(router: Router) -> Self {
        Self(Arc::new(RwLock::new(router)))
    }

    /// Answers by this router from the next request on.
    pub fn set(&self, router: Router) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = router;
    }

    /// A router that asks the one that counts at the moment of each request.
    pub(super) fn router(&self) -> Router {
        let pages = self.clone();
        Router::new().fallback_service(service_fn(move |request| pages.clone().answer(request)))
    }

    async fn answer(self, request: Request) -> Result<Response, Infallible> {
        let router = self.0.read().unwrap_or_else(PoisonError::into_inner).clone();
        router.oneshot(request).await
    }
}
