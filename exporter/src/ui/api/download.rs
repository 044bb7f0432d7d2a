//! A selection as pprof, for `go tool pprof`.

use axum::{
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use lake::time::TimeRange;
use pipeline::{codec::pprof as codec, limits::Limits, picture::refine, profile::ProfileId};

use super::{
    super::Ui,
    error::ApiError,
    params::{FRAMES, GAUGE, Params, SELECTION},
};

/// The header that carries what should be known about a download.
const NOTES: header::HeaderName = header::HeaderName::from_static("profpipe-notes");
/// Characters of it.
const NOTES_MAX: usize = 1_000;

/// `/api/v1/pprof`.
pub async fn pprof(State(ui): State<Ui>, params: Params) -> Result<Response, ApiError> {
    params.only(&[SELECTION, FRAMES, GAUGE, &["id"]])?;
    let mut selection = params.selection()?;
    if let Some(id) = params.get("id") {
        let id = u128::from_str_radix(id, 16).ok().filter(|_| id.len() == 32);
        let id = id.ok_or_else(|| ApiError::bad("id", "a profile id has 32 hex digits"))?;
        selection.profile_id = Some(ProfileId(id));
        selection.range = TimeRange::ALL;
    }
    let (filter, gauge) = (params.filter()?, params.gauge()?);
    let body = ui.ask(move |lake, allowance| {
        let (mut profile, notes) = lake.merge(&selection, gauge, allowance)?;
        if !filter.is_empty() {
            profile = refine(&profile, &filter, &Limits::default())
                .map_err(|refused| ApiError::TooLarge(refused.to_string()))?;
        }
        Ok((profile.meta.name.clone(), codec::encode(&profile), notes.lines()))
    });
    let (name, body, notes) = body.await?;
    let name: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
    let headers = [
        (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}.pb.gz\"")),
    ];
    let mut response = (headers, body).into_response();
    // The body is for other tools, so what should be known beside goes into the head.
    if !notes.is_empty() {
        let printable = |c: char| if c.is_ascii_graphic() || c == ' ' { c } else { '?' };
        let text: String = notes.join("; ").chars().map(printable).take(NOTES_MAX).collect();
        if let Ok(text) = text.parse() {
            response.headers_mut().insert(NOTES, text);
        }
    }
    Ok(response)
}
