//! A selection as pprof, for `go tool pprof`.

use axum::{
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use lake::time::TimeRange;
use pipeline::{codec::pprof as codec, limits::Limits, picture::refine, profile::ProfileId};

use super::{super::Ui, error::ApiError, params::Params};

/// `/api/v1/pprof`.
pub async fn pprof(State(ui): State<Ui>, params: Params) -> Result<Response, ApiError> {
    params.only(&["id"])?;
    let mut selection = params.selection()?;
    if let Some(id) = params.get("id") {
        let id = u128::from_str_radix(id, 16).ok().filter(|_| id.len() == 32);
        let id = id.ok_or_else(|| ApiError::bad("id", "a profile id has 32 hex digits"))?;
        selection.profile_id = Some(ProfileId(id));
        selection.range = TimeRange::ALL;
    }
    let (filter, gauge) = (params.filter()?, params.gauge()?);
    let body = ui.ask(move |lake, allowance| {
        let (mut profile, _) = lake.merge(&selection, gauge, allowance)?;
        if !filter.is_empty() {
            profile = refine(&profile, &filter, &Limits::default())
                .map_err(|refused| ApiError::TooLarge(refused.to_string()))?;
        }
        Ok((profile.meta.name.clone(), codec::encode(&profile)))
    });
    let (name, body) = body.await?;
    let name: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
    let headers = [
        (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}.pb.gz\"")),
    ];
    Ok((headers, body).into_response())
}
