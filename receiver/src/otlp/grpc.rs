//! OTLP over gRPC: one method.

use http_body_util::{BodyExt, Full};
use hyper::{Method, Request, Response, body::Incoming, header::HeaderValue};
use pipeline::codec::otlp::answer::{self, Status};

use crate::server::{
    Peer,
    grpc::{Answer, UNIMPLEMENTED, failed, not_taken, taken},
    intake::{Form, Intake, Verdict},
};

/// The one method.
const PATH: &str = "/opentelemetry.proto.collector.profiles.v1development.ProfilesService/Export";

/// Answers a request.
pub(crate) async fn answer(request: Request<Incoming>, peer: Peer, intake: &Intake) -> Answer {
    let text = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
    let is_grpc = text("content-type").is_some_and(|t| t.starts_with("application/grpc"));
    if !is_grpc {
        let mut answer = Response::new(Full::default().boxed());
        *answer.status_mut() = hyper::StatusCode::UNSUPPORTED_MEDIA_TYPE;
        return answer;
    }
    let unimplemented =
        |message: String| failed(&Status { code: UNIMPLEMENTED, message, retry_after: None });
    if request.method() != Method::POST || request.uri().path() != PATH {
        return unimplemented(format!("only {PATH} is there"));
    }
    let encoding = text("grpc-encoding").unwrap_or("identity");
    if !matches!(encoding, "identity" | "gzip" | "zstd") {
        let mut answer = unimplemented(format!("compression {encoding} is not known"));
        let known = HeaderValue::from_static("identity,gzip,zstd");
        answer.headers_mut().insert("grpc-accept-encoding", known);
        return answer;
    }
    match intake.take(request.into_body(), intake.otlp(Form::Framed), peer).await {
        Verdict::Taken(rejected, reason) => taken(&answer::response(rejected, &reason)),
        other => not_taken(other),
    }
}
