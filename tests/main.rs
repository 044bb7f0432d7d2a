//! All integration tests, as one binary: each would link the whole program again.

mod tidy;
