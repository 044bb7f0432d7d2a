//! Own spans by OTLP: the way of a profile from the scrape to each exporter. What takes spans has a
//! queue of its own that drops what is too much, so a backend that is away disturbs nobody.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::Context;
use opentelemetry::{global::BoxedTracer, trace::TracerProvider};
use opentelemetry_otlp::{
    Protocol as OtlpProtocol, SpanExporter, WithExportConfig, WithHttpConfig, WithTonicConfig,
};
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, Sampler, SdkTracerProvider,
};
use pipeline::trace::Tracing;

use crate::{
    config::{Otlp, Protocol, Telemetry, Traces},
    metrics::push,
};

/// How long the last push may take at the end.
const LAST_PUSH_MAX: Duration = Duration::from_secs(1);

/// Where spans go. Cloning gives the same one.
#[derive(Clone, Default)]
pub struct Spans {
    /// What starts spans.
    pub tracing: Tracing,
    pushing: Arc<Mutex<Option<Pushing>>>,
}

struct Pushing {
    telemetry: Telemetry,
    provider: SdkTracerProvider,
}

impl Spans {
    /// Pushes to whom the config names, and to nobody else any more.
    ///
    /// # Errors
    /// Where an exporter cannot be made; nothing changes then.
    pub fn push(&self, telemetry: &Telemetry) -> anyhow::Result<()> {
        let mut pushing = self.pushing.lock().unwrap_or_else(PoisonError::into_inner);
        let same = |old: &Pushing| {
            old.telemetry.traces == telemetry.traces && old.telemetry.resource == telemetry.resource
        };
        if pushing.as_ref().is_some_and(same) {
            return Ok(());
        }
        let new = match telemetry.traces.processors.is_empty() {
            true => None,
            false => Some(provider(telemetry)?),
        };
        let tracer = new.as_ref().map(|new| new.tracer("profpipe"));
        self.tracing.set(tracer.map(|tracer| BoxedTracer::new(Box::new(tracer))));
        let new = new.map(|provider| Pushing { telemetry: telemetry.clone(), provider });
        if let Some(old) = std::mem::replace(&mut *pushing, new) {
            // Its last push may wait for a destination that is gone.
            std::thread::spawn(move || old.provider.shutdown_with_timeout(LAST_PUSH_MAX));
        }
        Ok(())
    }

    /// Pushes a last time.
    pub async fn stop(&self) {
        self.tracing.set(None);
        let last = self.pushing.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(last) = last else { return };
        let ended =
            tokio::task::spawn_blocking(move || last.provider.shutdown_with_timeout(LAST_PUSH_MAX));
        let ended = tokio::time::timeout(LAST_PUSH_MAX, ended).await;
        if !matches!(ended, Ok(Ok(Ok(())))) {
            tracing::warn!("the last push of own spans did not succeed");
        }
    }
}

fn provider(telemetry: &Telemetry) -> anyhow::Result<SdkTracerProvider> {
    let Traces { processors, .. } = &telemetry.traces;
    let sampler = Sampler::TraceIdRatioBased(telemetry.traces.ratio());
    let mut provider = SdkTracerProvider::builder()
        .with_resource(push::resource(telemetry))
        .with_sampler(Sampler::ParentBased(Box::new(sampler)));
    for batch in processors.iter().filter_map(|processor| processor.batch.as_ref()) {
        let Some(otlp) = &batch.exporter.otlp else { continue };
        let exporter = exporter(otlp, batch.export_timeout)
            .with_context(|| format!("set up the push of spans to {}", otlp.endpoint))?;
        let config = BatchConfigBuilder::default()
            .with_max_queue_size(batch.max_queue_size)
            .with_max_export_batch_size(batch.max_export_batch_size)
            .with_scheduled_delay(batch.schedule_delay);
        let processor = BatchSpanProcessor::builder(exporter).with_batch_config(config.build());
        provider = provider.with_span_processor(processor.build());
    }
    Ok(provider.build())
}

fn exporter(otlp: &Otlp, timeout: Duration) -> anyhow::Result<SpanExporter> {
    let built = match otlp.protocol {
        Protocol::HttpProtobuf => SpanExporter::builder()
            .with_http()
            .with_protocol(OtlpProtocol::HttpBinary)
            .with_endpoint(push::with_path(&otlp.endpoint, "/v1/traces"))
            .with_headers(push::headers(&otlp.headers))
            .with_timeout(timeout)
            .build(),
        Protocol::Grpc => SpanExporter::builder()
            .with_tonic()
            .with_endpoint(&otlp.endpoint)
            .with_metadata(push::metadata(&otlp.headers)?)
            .with_timeout(timeout)
            .build(),
    };
    Ok(built?)
}
