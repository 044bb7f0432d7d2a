//! Query parameters to questions. Each error names its parameter.

use std::collections::BTreeMap;

use axum::{
    extract::{FromRequestParts, Query},
    http::request::Parts,
};
use lake::{
    Gauge, Selection, TypeSpec, matcher,
    time::{self, TimeRange, now_us},
};
use pipeline::picture::{Filter, FlameOptions, WIDTH_MAX, parse_path, pattern};

use super::error::ApiError;

/// The longest range of one question.
const RANGE_US_MAX: i64 = 400 * 86_400 * 1_000_000;
/// Where a range starts if nothing is said.
const FROM: &str = "now-1h";

/// Parameters that choose what a question is about.
pub const SELECTION: &[&str] = &["service", "type", "from", "to", "l"];
/// Those that choose stacks and frames.
pub const FRAMES: &[&str] = &["focus", "ignore", "hide", "show"];
/// Those of what a selection is compared to.
pub const BASE: &[&str] = &["base_from", "base_to", "base_l"];
/// What says how a gauge becomes one number.
pub const GAUGE: &[&str] = &["gauge"];

/// The parameters of one request. A parameter without a value counts as not there.
pub struct Params(BTreeMap<String, String>);

impl<S: Send + Sync> FromRequestParts<S> for Params {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let query = Query::<Vec<(String, String)>>::from_request_parts(parts, state).await;
        let Query(pairs) = query.map_err(|error| ApiError::bad("", error.to_string()))?;
        let mut params = BTreeMap::new();
        for (name, value) in pairs {
            if params.insert(name.clone(), value).is_some() {
                return Err(ApiError::bad(name, "is there twice"));
            }
        }
        Ok(Self(params))
    }
}

impl Params {
    /// The value of a parameter.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Refuses parameters that this question does not take, so that a typing error is no answer to
    /// another question.
    pub fn only(&self, names: &[&[&str]]) -> Result<(), ApiError> {
        let is_known = |key: &str| names.iter().any(|names| names.contains(&key));
        match self.0.keys().find(|key| !is_known(key)) {
            Some(name) => Err(ApiError::bad(name, "is no parameter of this question")),
            None => Ok(()),
        }
    }

    /// What the question is about.
    pub fn selection(&self) -> Result<Selection, ApiError> {
        let range = self.range(["from", "to"], FROM, "now")?;
        self.selection_in(range, "l")
    }

    /// What it is compared to: other times, other labels, or both; without either the range of the
    /// same length before. The rest is shared.
    pub fn base(&self) -> Result<Selection, ApiError> {
        let TimeRange { from_us, to_us } = self.range(["from", "to"], FROM, "now")?;
        let range = match (self.get("base_from"), self.get("base_to")) {
            (None, None) if self.get("base_l").is_some() => TimeRange { from_us, to_us },
            (None, None) => TimeRange { from_us: 2 * from_us - to_us, to_us: from_us },
            _ => self.range(["base_from", "base_to"], "now-2h", "now-1h")?,
        };
        self.selection_in(range, if self.get("base_l").is_some() { "base_l" } else { "l" })
    }

    fn range(
        &self,
        [from_name, to_name]: [&'static str; 2],
        from: &str,
        to: &str,
    ) -> Result<TimeRange, ApiError> {
        let now = now_us();
        let at = |name: &'static str, default: &str| {
            time::parse_time(self.get(name).unwrap_or(default), now)
                .map_err(|error| ApiError::bad(name, error.to_string()))
        };
        let (from_us, to_us) = (at(from_name, from)?, at(to_name, to)?);
        if from_us >= to_us {
            return Err(ApiError::bad(from_name, format!("must be before `{to_name}`")));
        }
        if to_us.saturating_sub(from_us) > RANGE_US_MAX {
            return Err(ApiError::bad(from_name, "the range is longer than 400 days"));
        }
        Ok(TimeRange { from_us, to_us })
    }

    fn selection_in(&self, range: TimeRange, l_name: &'static str) -> Result<Selection, ApiError> {
        let mut selection = Selection::new(range);
        selection.service = self.get("service").map(str::to_owned);
        selection.spec = self.get("type").map(TypeSpec::parse).transpose()?;
        selection.matchers = matcher::parse_matchers(self.get(l_name).unwrap_or_default())
            .map_err(|error| ApiError::bad(l_name, error.to_string()))?;
        Ok(selection)
    }

    /// `focus`, `ignore`, `hide`, `show`.
    pub fn filter(&self) -> Result<Filter, ApiError> {
        let [focus, ignore, hide, show] =
            ["focus", "ignore", "hide", "show"].map(|name| self.get(name).unwrap_or_default());
        Ok(Filter::new(focus, ignore, hide, show)?)
    }

    /// What is shown of a gauge.
    pub fn gauge(&self) -> Result<Gauge, ApiError> {
        Ok(self.get("gauge").map(str::parse).transpose()?.unwrap_or_default())
    }

    /// How a tree is drawn.
    pub fn drawing(&self) -> Result<FlameOptions, ApiError> {
        let width = self.number("width", 1..=u64::from(WIDTH_MAX), 1200)? as u32;
        let root = self.get("root").map(parse_path).transpose()?;
        let matching = pattern("q", self.get("q").unwrap_or_default())?;
        Ok(FlameOptions { width, root, matching })
    }

    /// A whole number within bounds.
    pub fn number(
        &self,
        name: &'static str,
        bounds: std::ops::RangeInclusive<u64>,
        default: u64,
    ) -> Result<u64, ApiError> {
        let Some(text) = self.get(name) else { return Ok(default) };
        text.parse().ok().filter(|number| bounds.contains(number)).ok_or_else(|| {
            let (low, high) = (bounds.start(), bounds.end());
            ApiError::bad(name, format!("`{text}` is no number from {low} to {high}"))
        })
    }
}
