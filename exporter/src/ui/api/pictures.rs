//! Flame graph, top table and diff: values by stack, filtered, pruned and drawn here, so that the
//! browser gets what it can show.

use axum::{Json, extract::State, response::IntoResponse};
use lake::Flame;
use pipeline::picture::{self, Diff, Filter, FlameOptions, Sort, Top, Tree};
use serde::Serialize;

use super::{
    super::Ui,
    error::ApiError,
    params::{BASE, FRAMES, GAUGE, Params, SELECTION},
};

/// Rows of a top table where nothing is said.
const ROWS: u64 = 100;

/// An answer, and what should be known beside.
#[derive(Serialize)]
struct Noted<T> {
    #[serde(flatten)]
    answer: T,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notes: Vec<String>,
}

/// `/api/v1/flame`.
pub async fn flame(State(ui): State<Ui>, params: Params) -> Result<impl IntoResponse, ApiError> {
    params.only(&[SELECTION, FRAMES, GAUGE, &["width", "root", "q"]])?;
    let (selection, filter) = (params.selection()?, params.filter()?);
    let (gauge, options) = (params.gauge()?, params.drawing()?);
    let drawn = ui.ask(move |lake, allowance| {
        let flame = lake.flame(&selection, gauge, allowance)?;
        with_tree(flame, &filter, |tree| draw(tree, &options))
    });
    drawn.await.map(Json)
}

/// `/api/v1/top`.
pub async fn top(State(ui): State<Ui>, params: Params) -> Result<impl IntoResponse, ApiError> {
    params.only(&[SELECTION, FRAMES, GAUGE, &["n", "sort"]])?;
    let (selection, filter) = (params.selection()?, params.filter()?);
    let (gauge, rows) = (params.gauge()?, params.number("n", 0..=1_000_000, ROWS)? as usize);
    let sort = match params.get("sort").unwrap_or("flat") {
        "flat" => Sort::Flat,
        "cum" => Sort::Cum,
        other => return Err(ApiError::bad("sort", format!("`{other}` is not flat or cum"))),
    };
    let table = ui.ask(move |lake, allowance| {
        let flame = lake.flame(&selection, gauge, allowance)?;
        // Shares are of the profile, not of what a filter left of it.
        let total = picture::weight(&flame.own);
        with_tree(flame, &filter, |tree| Ok(Top { total, ..picture::top(tree, sort, rows) }))
    });
    table.await.map(Json)
}

/// `/api/v1/diff`.
pub async fn diff(State(ui): State<Ui>, params: Params) -> Result<impl IntoResponse, ApiError> {
    params.only(&[SELECTION, FRAMES, GAUGE, &["width", "root", "q"], BASE])?;
    let (selection, base, filter) = (params.selection()?, params.base()?, params.filter()?);
    let (gauge, options) = (params.gauge()?, params.drawing()?);
    let drawn = ui.ask(move |lake, allowance| {
        let flame = lake.diff(&selection, &base, gauge, allowance)?;
        with_tree(flame, &filter, |tree| {
            let top = picture::top(tree, Sort::Flat, 0);
            Ok(Diff { flame: draw(tree, &options)?, top })
        })
    });
    drawn.await.map(Json)
}

/// Draws a tree; a root that is not in this selection counts as none.
fn draw(tree: &Tree<'_>, options: &FlameOptions) -> Result<picture::Flame, ApiError> {
    match picture::flame(tree, options) {
        Err(bad) if bad.field == "root" => {
            Ok(picture::flame(tree, &FlameOptions { root: None, ..options.clone() })?)
        }
        drawn => Ok(drawn?),
    }
}

/// Applies the filter and hands the tree on.
fn with_tree<T>(
    flame: Flame,
    filter: &Filter,
    then: impl FnOnce(&Tree<'_>) -> Result<T, ApiError>,
) -> Result<Noted<T>, ApiError> {
    let notes = flame.notes.lines();
    let answer = filtered(flame, filter, then)?;
    Ok(Noted { answer, notes })
}

fn filtered<T>(
    flame: Flame,
    filter: &Filter,
    then: impl FnOnce(&Tree<'_>) -> Result<T, ApiError>,
) -> Result<T, ApiError> {
    let unit = &flame.kind.unit;
    if filter.is_empty() {
        let tree = Tree::new(&flame.trie, unit, flame.own);
        return then(&match flame.base {
            Some(base) => tree.with_base(base),
            None => tree,
        });
    }
    let filtered = filter.apply(&flame.trie);
    let tree = Tree::new(filtered.trie(), unit, filtered.values(&flame.own));
    then(&match &flame.base {
        Some(base) => tree.with_base(filtered.values(base)),
        None => tree,
    })
}
