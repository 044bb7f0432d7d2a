//! Errors of the API: a status, and `{"error", "field"}`.

use axum::{
    Json,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use pipeline::picture::BadInput;
use schemars::JsonSchema;
use serde::Serialize;

/// Why a question has no answer.
#[derive(Debug)]
pub enum ApiError {
    /// A parameter is wrong.
    Bad {
        /// The parameter.
        field: String,
        /// What is wrong with it.
        message: String,
    },
    /// There is no such thing.
    NotFound(String),
    /// Too many questions at once.
    Busy,
    /// The question is too large for its time or memory.
    TooLarge(String),
    /// The lake cannot be read.
    Lake(String),
    /// A fault of ours, which is in the log.
    Internal,
}

impl ApiError {
    /// A parameter that is wrong.
    pub fn bad(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Bad { field: field.into(), message: message.into() }
    }
}

impl From<BadInput> for ApiError {
    fn from(bad: BadInput) -> Self {
        Self::bad(bad.field, bad.message)
    }
}

impl From<lake::Error> for ApiError {
    fn from(error: lake::Error) -> Self {
        match error {
            lake::Error::Input { field, message } => Self::bad(field, message),
            lake::Error::Empty(_) | lake::Error::NoProfile(_) => Self::NotFound(error.to_string()),
            lake::Error::TooSlow | lake::Error::TooLarge { .. } | lake::Error::Stopped => {
                Self::TooLarge(error.to_string())
            }
            error => Self::Lake(error.to_string()),
        }
    }
}

/// The body of every error.
#[derive(Serialize, JsonSchema)]
pub struct Body {
    error: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<String>,
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let (status, error, field) = match self {
            Self::Bad { field, message } => (StatusCode::BAD_REQUEST, message, Some(field)),
            Self::NotFound(message) => (StatusCode::NOT_FOUND, message, None),
            Self::Busy => {
                let message = "too many questions at once: try again in a moment".to_owned();
                (StatusCode::TOO_MANY_REQUESTS, message, None)
            }
            Self::TooLarge(message) => (StatusCode::SERVICE_UNAVAILABLE, message, None),
            Self::Lake(message) => {
                tracing::error!(error = message, "the lake cannot be read");
                (StatusCode::INTERNAL_SERVER_ERROR, message, None)
            }
            Self::Internal => {
                let message = "this question failed; the log says why".to_owned();
                (StatusCode::INTERNAL_SERVER_ERROR, message, None)
            }
        };
        let mut response = (status, Json(Body { error, field })).into_response();
        if matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, header::HeaderValue::from_static("1"));
        }
        response
    }
}
