//! The process as a whole: what it makes of real profiles, how it ends, and what a kill costs.

mod api;
mod chain;
mod config;
mod disk;
mod exact;
mod hostile;
mod kill;
pub mod ledger;
mod openapi;
mod pipelines;
mod processors;
mod quickstart;
mod reload;
mod retention;
mod stop;
mod telemetry;
mod traces;
