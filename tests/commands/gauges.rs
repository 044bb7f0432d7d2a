//! Gauges in a lake of real files, by the commands that people use.
