//! The scan against files of the stock writer and of our own, compared with a computation over
//! single rows that knows nothing of codes, runs or pages.

mod cost;
mod damage;
mod gauges;
mod jitter;
mod labels;
mod naive;
mod property;
mod questions;
mod support;
