//! Call trees and what is drawn from them: flame graphs, top tables, diffs, folded text.
