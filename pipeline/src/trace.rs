//! Own traces: the way of a profile as spans. This crate only says where spans begin and end; who
//! keeps them, and how many are sampled, is up to the tracer that the root puts here. Without one
//! nothing is done.

use std::{
    collections::VecDeque,
    ops::Range,
    sync::{Arc, Mutex, PoisonError, RwLock},
};

use opentelemetry::{
    Context, KeyValue,
    global::{BoxedSpan, BoxedTracer},
    trace::{Link, Span as _, SpanContext, Status, TraceContextExt, Tracer},
};

/// Segments whose spans are remembered until their records are exported.
const SEALED_MAX: usize = 1_024;
/// Other spans that one span is linked with.
const LINKS_MAX: usize = 64;

/// Starts spans. Cloning gives the same one.
#[derive(Clone, Debug, Default)]
pub struct Tracing(Arc<RwLock<Option<Arc<BoxedTracer>>>>);

/// A span that ends when it is dropped; nothing where it is not sampled.
#[derive(Debug, Default)]
pub struct Span(Option<BoxedSpan>);

impl Tracing {
    /// From now on this tracer counts; none turns tracing off.
    pub fn set(&self, tracer: Option<BoxedTracer>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = tracer.map(Arc::new);
    }

    /// Starts a trace of its own.
    pub fn root(&self, name: &'static str) -> Span {
        self.start(name, &Context::new(), Vec::new())
    }

    /// Goes on with these spans: in the trace of the first, linked with the others. Nothing where
    /// there is none of them.
    pub fn follow(&self, name: &'static str, spans: &[SpanContext]) -> Span {
        let Some((first, others)) = spans.split_first() else { return Span(None) };
        let others = others.iter().take(LINKS_MAX);
        let links = others.map(|span| Link::with_context(span.clone())).collect();
        self.start(name, &Context::new().with_remote_span_context(first.clone()), links)
    }

    fn start(&self, name: &'static str, parent: &Context, links: Vec<Link>) -> Span {
        let tracer = self.0.read().unwrap_or_else(PoisonError::into_inner).clone();
        let Some(tracer) = tracer else { return Span(None) };
        let builder = tracer.span_builder(name).with_links(links);
        let span = tracer.build_with_context(builder, parent);
        Span(span.is_recording().then_some(span))
    }
}

impl Span {
    /// What spans that follow name it by.
    pub fn context(&self) -> Option<SpanContext> {
        self.0.as_ref().map(|span| span.span_context().clone())
    }

    /// Says something of it; the value is made only where somebody hears it.
    pub fn set<V: Into<opentelemetry::Value>>(
        &mut self,
        key: &'static str,
        value: impl FnOnce() -> V,
    ) {
        if let Some(span) = &mut self.0 {
            span.set_attribute(KeyValue::new(key, value()));
        }
    }

    /// What it stands for failed.
    pub fn fail(&mut self, why: impl FnOnce() -> String) {
        if let Some(span) = &mut self.0 {
            span.set_status(Status::error(why()));
        }
    }
}

/// Spans of segments, each with the numbers of its records, oldest first.
type Sealed = VecDeque<(Range<u64>, SpanContext)>;

/// The spans of one pipeline: those of segments are kept until exporters come to their records.
/// Cloning gives the same one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trail {
    /// Starts spans.
    pub tracing: Tracing,
    sealed: Arc<Mutex<Sealed>>,
}

impl Trail {
    /// A trail without a segment.
    pub fn new(tracing: Tracing) -> Self {
        Self { tracing, sealed: Arc::default() }
    }

    /// Remembers the span of the segment that holds these records.
    pub fn sealed(&self, records: Range<u64>, span: &Span) {
        let Some(context) = span.context() else { return };
        let mut sealed = self.sealed.lock().unwrap_or_else(PoisonError::into_inner);
        if sealed.len() >= SEALED_MAX {
            sealed.pop_front();
        }
        sealed.push_back((records, context));
    }

    /// Starts the span of a push of these records.
    pub fn export(&self, records: &Range<u64>) -> Span {
        let sealed = self.sealed.lock().unwrap_or_else(PoisonError::into_inner);
        let overlaps = |of: &Range<u64>| of.start < records.end && records.start < of.end;
        let spans = sealed.iter().filter(|(of, _)| overlaps(of)).map(|(_, span)| span.clone());
        let spans: Vec<_> = spans.collect();
        drop(sealed);
        self.tracing.follow("export", &spans)
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry::trace::{SpanId, TraceFlags, TraceId, TraceState};

    use super::*;

    #[test]
    fn without_a_tracer_there_is_nothing_and_segments_are_bounded() {
        let trail = Trail::default();
        let span = trail.tracing.root("scrape");
        assert!(span.context().is_none());
        trail.sealed(0..1, &span);
        assert!(trail.sealed.lock().unwrap().is_empty());
        let ids = (TraceId::from_bytes([1; 16]), SpanId::from_bytes([1; 8]));
        let context = SpanContext::new(ids.0, ids.1, TraceFlags::SAMPLED, true, TraceState::NONE);
        assert!(trail.tracing.follow("seal", &[context]).context().is_none());
        assert!(trail.export(&(0..9)).context().is_none());
    }
}
