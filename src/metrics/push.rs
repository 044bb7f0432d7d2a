//! OTLP push of own metrics, by the SDK's exporter.

use std::collections::HashMap;

use anyhow::Context;
use axum::http::{HeaderMap, HeaderName};
use opentelemetry::KeyValue;
use opentelemetry_otlp::{
    MetricExporter, Protocol as OtlpProtocol, WithExportConfig, WithHttpConfig, WithTonicConfig,
    tonic_types::metadata::MetadataMap,
};
use opentelemetry_sdk::{
    Resource,
    metrics::{PeriodicReader, SdkMeterProvider, Temporality as SdkTemporality},
};

use crate::config::{Header, Otlp, Periodic, Protocol, Telemetry, Temporality};

/// A provider that pushes to all readers of the config.
pub(super) fn provider(telemetry: &Telemetry) -> anyhow::Result<SdkMeterProvider> {
    let mut provider = SdkMeterProvider::builder().with_resource(resource(telemetry));
    for periodic in telemetry.metrics.readers.iter().filter_map(|reader| reader.periodic.as_ref()) {
        let Some(otlp) = &periodic.exporter.otlp else { continue };
        let exporter = exporter(otlp, periodic);
        let exporter =
            exporter.with_context(|| format!("set up the push of metrics to {}", otlp.endpoint))?;
        let reader = PeriodicReader::builder(exporter).with_interval(periodic.interval);
        provider = provider.with_reader(reader.build());
    }
    Ok(provider.build())
}

/// Who speaks.
pub(crate) fn resource(telemetry: &Telemetry) -> Resource {
    let own =
        telemetry.resource.iter().map(|(key, value)| KeyValue::new(key.clone(), value.clone()));
    Resource::builder()
        .with_service_name("profpipe")
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .with_attributes(own)
        .build()
}

fn exporter(otlp: &Otlp, periodic: &Periodic) -> anyhow::Result<MetricExporter> {
    let temporality = match otlp.temporality_preference {
        Temporality::Cumulative => SdkTemporality::Cumulative,
        Temporality::Delta => SdkTemporality::Delta,
    };
    let builder = MetricExporter::builder().with_temporality(temporality);
    let built = match otlp.protocol {
        Protocol::HttpProtobuf => builder
            .with_http()
            .with_protocol(OtlpProtocol::HttpBinary)
            .with_endpoint(with_path(&otlp.endpoint, "/v1/metrics"))
            .with_headers(headers(&otlp.headers))
            .with_timeout(periodic.timeout)
            .build(),
        Protocol::Grpc => builder
            .with_tonic()
            .with_endpoint(&otlp.endpoint)
            .with_metadata(metadata(&otlp.headers)?)
            .with_timeout(periodic.timeout)
            .build(),
    };
    Ok(built?)
}

/// Headers without a value are left out: a variable that is not set gives one.
fn sent(headers: &[Header]) -> impl Iterator<Item = &Header> {
    headers.iter().filter(|header| !header.value.is_empty())
}

pub(crate) fn headers(headers: &[Header]) -> HashMap<String, String> {
    let pairs = sent(headers).map(|header| (header.name.clone(), header.value.expose().to_owned()));
    pairs.collect()
}

pub(crate) fn metadata(headers: &[Header]) -> anyhow::Result<MetadataMap> {
    let mut map = HeaderMap::new();
    for header in sent(headers) {
        let name = &header.name;
        let key: HeaderName =
            name.parse().with_context(|| format!("`{name}` is no name of a header"))?;
        // What the value is must not be told.
        let value = header.value.expose().parse();
        let value = value.map_err(|_| anyhow::anyhow!("the value of `{name}` cannot be sent"))?;
        map.insert(key, value);
    }
    Ok(MetadataMap::from_headers(map))
}

/// The endpoint with the path of the specification, unless it has one of its own.
pub(crate) fn with_path(endpoint: &str, path: &str) -> String {
    let bare = endpoint.trim_end_matches('/');
    match bare.split_once("://").is_some_and(|(_, rest)| rest.contains('/')) {
        true => endpoint.to_owned(),
        false => format!("{bare}{path}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_added_where_there_is_none() {
        for (endpoint, want) in [
            ("http://h:4318", "http://h:4318/v1/metrics"),
            ("http://h:4318/", "http://h:4318/v1/metrics"),
            ("https://h/otlp/v1/metrics", "https://h/otlp/v1/metrics"),
        ] {
            assert_eq!(with_path(endpoint, "/v1/metrics"), want);
        }
    }
}
