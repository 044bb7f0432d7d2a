//! The scan against files of the stock writer and of our own, compared with a computation over
//! single rows that knows nothing of codes, runs or pages.

// damage
// gauges
mod naive;
mod property;
// questions
mod support;
