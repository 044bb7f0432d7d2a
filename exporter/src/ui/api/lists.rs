//! What there is: services, types, labels, values over time, single profiles, targets.

use std::collections::BTreeMap;

use axum::{Json, extract::State};
use lake::{
    Allowance, Gauge, Lake, Selection, SeriesOptions, Type,
    time::{TimeRange, now_us},
};
use pipeline::{picture::Filter, profile::Temporality, target::TargetStatus};
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    super::Ui,
    error::ApiError,
    params::{FRAMES, Params, SELECTION},
};

/// Profiles that are listed where nothing is said, and at most.
const PROFILES: u64 = 100;
const PROFILES_MAX: u64 = 1_000;
/// A day.
const DAY_US: i64 = 86_400 * 1_000_000;
/// The longest step of a series in seconds.
const STEP_S_MAX: u64 = 86_400;

/// Microseconds to the seconds of the API.
fn seconds(us: i64) -> f64 {
    us as f64 / 1e6
}

/// A type as the API names it.
#[derive(Serialize, JsonSchema)]
pub struct ApiType {
    #[serde(rename = "type")]
    name: String,
    unit: String,
    temporality: Temporality,
    #[serde(skip_serializing_if = "Option::is_none")]
    default: Option<bool>,
}

impl From<Type> for ApiType {
    fn from(kind: Type) -> Self {
        let name = kind.to_string();
        Self { name, unit: kind.unit, temporality: kind.temporality, default: None }
    }
}

/// The answer of `/api/v1/services`.
#[derive(Serialize, JsonSchema)]
pub struct Services {
    now: f64,
    services: Vec<Service>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notes: Vec<String>,
}

#[derive(Serialize, JsonSchema)]
struct Service {
    service: String,
    types: Vec<ApiType>,
    first: f64,
    last: f64,
}

/// `/api/v1/services`: of the last day unless a range is given, or of all time if that is empty,
/// as after an import. All time at once would read every file of a large lake.
pub async fn services(State(ui): State<Ui>, params: Params) -> Result<Json<Services>, ApiError> {
    params.only(&[SELECTION])?;
    let ranged = params.get("from").is_some() || params.get("to").is_some();
    let mut selection = params.selection()?;
    if !ranged {
        selection.range = TimeRange { from_us: now_us() - DAY_US, to_us: i64::MAX };
    }
    let found = ui.ask(move |lake, allowance| {
        let mut found = lake.services(&selection, allowance)?;
        if found.0.is_empty() && !ranged {
            selection.range = TimeRange::ALL;
            found = lake.services(&selection, allowance)?;
        }
        Ok(found)
    });
    let (found, notes) = found.await?;
    let services = found.into_iter().map(|service| Service {
        service: service.service,
        types: service.types.into_iter().map(ApiType::from).collect(),
        first: seconds(service.first_us),
        last: seconds(service.last_us),
    });
    let services = services.collect();
    Ok(Json(Services { now: seconds(now_us()), services, notes: notes.lines() }))
}

/// The answer of `/api/v1/types`.
#[derive(Serialize, JsonSchema)]
pub struct Types {
    types: Vec<ApiType>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notes: Vec<String>,
}

/// `/api/v1/types`.
pub async fn types(State(ui): State<Ui>, params: Params) -> Result<Json<Types>, ApiError> {
    params.only(&[SELECTION])?;
    let selection = params.selection()?;
    let found = ui.ask(move |lake, allowance| Ok(lake.types(&selection, allowance)?));
    let (found, notes) = found.await?;
    let types = found
        .into_iter()
        .map(|(kind, default)| ApiType { default: Some(default), ..ApiType::from(kind) });
    Ok(Json(Types { types: types.collect(), notes: notes.lines() }))
}

/// The answer of `/api/v1/labels`.
#[derive(Serialize, JsonSchema)]
pub struct Labels {
    labels: Vec<Label>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notes: Vec<String>,
}

impl Labels {
    /// The shape of an answer.
    pub fn new(found: Vec<lake::Label>, notes: &lake::Notes) -> Self {
        let labels = found.into_iter().map(|label| Label {
            name: label.name,
            values: label.values,
            more: label.more,
        });
        Self { labels: labels.collect(), notes: notes.lines() }
    }
}

#[derive(Serialize, JsonSchema)]
struct Label {
    name: String,
    values: Vec<String>,
    more: usize,
}

/// `/api/v1/labels`.
pub async fn labels(State(ui): State<Ui>, params: Params) -> Result<Json<Labels>, ApiError> {
    params.only(&[SELECTION])?;
    let selection = params.selection()?;
    let found = ui.ask(move |lake, allowance| Ok(lake.labels(&selection, allowance)?));
    let (labels, notes) = found.await?;
    Ok(Json(Labels::new(labels, &notes)))
}

/// The answer of `/api/v1/series`.
#[derive(Serialize, JsonSchema)]
pub struct Series {
    unit: String,
    temporality: Temporality,
    step: f64,
    t: Vec<f64>,
    series: Vec<Line>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notes: Vec<String>,
}

impl Series {
    /// The shape of an answer; `by` is the label that was asked for.
    pub fn new(found: lake::Series, by: Option<&str>) -> Self {
        let notes = found.notes.lines();
        let lines = found.lines.into_iter().map(|line| Line {
            labels: by.iter().map(|by| ((*by).to_owned(), line.label.clone())).collect(),
            v: line.values,
            mean: line.mean,
        });
        Self {
            unit: found.kind.unit,
            temporality: found.kind.temporality,
            step: seconds(found.step_us),
            t: found.times_us.into_iter().map(seconds).collect(),
            series: lines.collect(),
            notes,
        }
    }
}

#[derive(Serialize, JsonSchema)]
struct Line {
    labels: BTreeMap<String, String>,
    v: Vec<Option<f64>>,
    /// Over the range; of a gauge the same as that of `/api/v1/flame`.
    mean: Option<f64>,
}

/// `/api/v1/series`.
pub async fn series(State(ui): State<Ui>, params: Params) -> Result<Json<Series>, ApiError> {
    params.only(&[SELECTION, FRAMES, &["by", "step"]])?;
    let (selection, filter) = (params.selection()?, params.filter()?);
    let by = params.get("by").map(str::to_owned);
    let step = params.number("step", 0..=STEP_S_MAX, 0)?;
    let step_us = (step > 0).then_some(step as i64 * 1_000_000);
    let label = by.clone();
    let found = ui.ask(move |lake, allowance| {
        let options = SeriesOptions { by: by.as_deref(), step_us, stacks: None };
        Ok(filtered_series(lake, &selection, options, &filter, allowance)?)
    });
    let found = found.await?;
    Ok(Json(Series::new(found, label.as_deref())))
}

/// Values over time of the stacks that a filter leaves; the same as in a picture of them.
///
/// # Errors
/// Those of [`Lake::series`].
pub fn filtered_series(
    lake: &Lake,
    selection: &Selection,
    options: SeriesOptions<'_>,
    filter: &Filter,
    allowance: &Allowance,
) -> Result<lake::Series, lake::Error> {
    if filter.is_empty() {
        return lake.series(selection, options, allowance);
    }
    let flame = lake.flame(selection, Gauge::default(), allowance)?;
    let accepts = filter.stacks(&flame.trie);
    let options = SeriesOptions { stacks: Some(&accepts), ..options };
    lake.series(selection, options, allowance)
}

/// The answer of `/api/v1/profiles`.
#[derive(Serialize, JsonSchema)]
pub struct Profiles {
    profiles: Vec<Entry>,
    more: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notes: Vec<String>,
}

#[derive(Serialize, JsonSchema)]
struct Entry {
    id: String,
    time: f64,
    duration: f64,
    service: String,
    instance: String,
    profile: String,
    types: Vec<Total>,
    samples: i64,
}

#[derive(Serialize, JsonSchema)]
struct Total {
    #[serde(rename = "type")]
    name: String,
    unit: String,
    total: i64,
}

/// `/api/v1/profiles`.
pub async fn profiles(State(ui): State<Ui>, params: Params) -> Result<Json<Profiles>, ApiError> {
    params.only(&[SELECTION, &["n", "before"]])?;
    let mut selection: Selection = params.selection()?;
    let n = params.number("n", 1..=PROFILES_MAX, PROFILES)? as usize;
    if let Some(before) = params.get("before") {
        let before = lake::time::parse_time(before, now_us())
            .map_err(|error| ApiError::bad("before", error.to_string()))?;
        selection.range.to_us = selection.range.to_us.min(before);
    }
    let found = ui.ask(move |lake, allowance| Ok(lake.profiles(&selection, n, allowance)?));
    let (found, more, notes) = found.await?;
    let profiles = found.into_iter().map(|entry| Entry {
        id: entry.id,
        time: seconds(entry.time_us),
        duration: entry.duration_ns as f64 / 1e9,
        service: entry.service,
        instance: entry.instance,
        profile: entry.profile,
        types: entry
            .types
            .into_iter()
            .map(|(name, unit, total)| Total { name, unit, total })
            .collect(),
        samples: entry.samples,
    });
    Ok(Json(Profiles { profiles: profiles.collect(), more, notes: notes.lines() }))
}

/// The answer of `/api/v1/targets`.
#[derive(Serialize, JsonSchema)]
pub struct Targets {
    now: f64,
    targets: Vec<TargetStatus>,
}

/// `/api/v1/targets`.
pub async fn targets(State(ui): State<Ui>, params: Params) -> Result<Json<Targets>, ApiError> {
    params.only(&[])?;
    Ok(Json(Targets { now: seconds(now_us()), targets: ui.sources.targets.snapshot() }))
}
