//! The durable queue between receivers and exporters: immutable segments on disk, a cursor per exporter.
