//! Call trees and what is drawn from them: flame graphs, top tables, diffs, folded text.
//!
//! Nothing here knows where stacks come from: a scan of the lake and a file on disk both fill a
//! [`Trie`] and a column of values, put a [`Tree`] over them, and draw that. No tree is ever walked
//! by recursion, no sum wraps, and no name reaches a picture unescaped.

mod color;
mod escape;
mod filter;
mod flame;
mod folded;
mod html;
mod intern;
mod layout;
mod prune;
mod refine;
mod svg;
mod symbol;
mod table;
mod top;
mod tree;
mod trie;
pub mod unit;

pub use escape::{csv, visible};
pub use filter::{Filter, Filtered, pattern};
pub use flame::{Diff, FRAMES_MAX, Flame, FlameOptions, WIDTH_MAX, flame, parse_path};
pub use folded::write_folded;
pub use html::write_html;
pub use refine::refine;
pub use svg::{Drawing, write_svg};
pub use table::{write_csv, write_text};
pub use top::{Sort, Top, TopRow, top, weight};
pub use tree::{Column, Tree};
pub use trie::Trie;

/// A question that cannot be answered as it was put, and the parameter that is to blame.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {message}")]
pub struct BadInput {
    /// Name of the parameter, as in the HTTP API: `focus`, `root`, …
    pub field: &'static str,
    /// What is wrong with it.
    pub message: String,
}

impl BadInput {
    fn new(field: &'static str, message: impl Into<String>) -> Self {
        BadInput { field, message: message.into() }
    }
}
