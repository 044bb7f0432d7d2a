//! The routes of the API in one table: the router is made of it, and so is the OpenAPI document,
//! whose schemas are those of the types that are written. A test holds parameters and answers
//! against it.

use axum::{Json, extract::State, routing::MethodRouter, routing::get};
use pipeline::picture::{Diff, Flame, Top};
use schemars::{JsonSchema, SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};

use super::{
    super::Ui,
    download,
    error::{ApiError, Body},
    lists,
    params::{BASE, FRAMES, GAUGE, Params, SELECTION},
    pictures, status,
};

/// One question that the API answers.
pub struct Route {
    /// Its path below `/api/v1`.
    pub path: &'static str,
    /// What answers it.
    pub handler: fn() -> MethodRouter<Ui>,
    /// What it answers, in a line.
    summary: &'static str,
    /// Its parameters, in groups.
    parameters: &'static [&'static [&'static str]],
    /// The answer; `None` where that is a file.
    answer: Option<fn(&mut SchemaGenerator) -> Value>,
}

/// Name, type and meaning of every parameter.
const PARAMETERS: &[(&str, &str, &str)] = &[
    ("service", "string", "service name; all services where it is missing"),
    ("type", "string", "profile:sample_type such as cpu:cpu, or a half that is unambiguous"),
    ("from", "string", "Unix seconds, RFC 3339 or now-1h"),
    ("to", "string", "the same, exclusive"),
    ("l", "string", "label matchers as in PromQL: pod=~\"a.*\", zone!=\"b\""),
    ("focus", "string", "stacks with a function that matches this regular expression"),
    ("ignore", "string", "stacks without such a function"),
    ("hide", "string", "frames that match are left out"),
    ("show", "string", "frames that do not match are left out"),
    ("gauge", "string", "what a gauge is over the range: mean, last or max"),
    ("by", "string", "label by which values are told apart"),
    ("step", "integer", "seconds of a step, 0 for one that fits"),
    ("n", "integer", "rows at most"),
    ("sort", "string", "flat or cum"),
    ("before", "string", "profiles before this time"),
    ("width", "integer", "pixels, 1 to 16384"),
    ("root", "string", "path hash of the frame that fills the width, 16 hex digits"),
    ("q", "string", "regular expression whose share is told in `matched`"),
    ("base_from", "string", "start of the base"),
    ("base_to", "string", "end of the base"),
    ("base_l", "string", "label matchers of the base"),
    ("id", "string", "one profile in place of a selection, 32 hex digits"),
];

/// All questions.
pub const ROUTES: &[Route] =
    &[
        Route::new("/services", || get(lists::services), "Services and their types")
            .takes(&[SELECTION])
            .answers(schema::<lists::Services>),
        Route::new("/types", || get(lists::types), "Types of a selection")
            .takes(&[SELECTION])
            .answers(schema::<lists::Types>),
        Route::new("/labels", || get(lists::labels), "Labels and their values")
            .takes(&[SELECTION])
            .answers(schema::<lists::Labels>),
        Route::new("/series", || get(lists::series), "Values over time")
            .takes(&[SELECTION, FRAMES, &["by", "step"]])
            .answers(schema::<lists::Series>),
        Route::new("/profiles", || get(lists::profiles), "Single profiles, newest first")
            .takes(&[SELECTION, &["n", "before"]])
            .answers(schema::<lists::Profiles>),
        Route::new("/flame", || get(pictures::flame), "A flame graph in columns")
            .takes(&[SELECTION, FRAMES, GAUGE, &["width", "root", "q"]])
            .answers(schema::<Flame>),
        Route::new("/top", || get(pictures::top), "Functions by value")
            .takes(&[SELECTION, FRAMES, GAUGE, &["n", "sort"]])
            .answers(schema::<Top>),
        Route::new("/diff", || get(pictures::diff), "What changed against a base")
            .takes(&[SELECTION, FRAMES, GAUGE, &["width", "root", "q"], BASE])
            .answers(schema::<Diff>),
        Route::new("/pprof", || get(download::pprof), "A selection merged, as gzip pprof")
            .takes(&[SELECTION, FRAMES, GAUGE, &["id"]]),
        Route::new("/targets", || get(lists::targets), "Targets, and how they are doing")
            .answers(schema::<lists::Targets>),
        Route::new("/status", || get(status::status), "Config, pipelines and exporters")
            .answers(schema::<status::Status>),
        Route::new("/openapi.json", || get(document), "This document").answers(|_| json!({})),
    ];

impl Route {
    const fn new(
        path: &'static str,
        handler: fn() -> MethodRouter<Ui>,
        summary: &'static str,
    ) -> Self {
        Self { path, handler, summary, parameters: &[], answer: None }
    }

    const fn takes(self, parameters: &'static [&'static [&'static str]]) -> Self {
        Self { parameters, ..self }
    }

    const fn answers(self, answer: fn(&mut SchemaGenerator) -> Value) -> Self {
        Self { answer: Some(answer), ..self }
    }

    fn operation(&self, schemas: &mut SchemaGenerator) -> Value {
        let parameters = self.parameters.iter().copied().flatten().map(|name| {
            let known = PARAMETERS.iter().find(|(known, ..)| known == name);
            let (_, kind, meaning) = known.copied().unwrap_or((name, "string", ""));
            json!({"name": name, "in": "query", "description": meaning, "schema": {"type": kind}})
        });
        let parameters: Vec<_> = parameters.collect();
        let content = match self.answer {
            Some(answer) => json!({"application/json": {"schema": answer(schemas)}}),
            None => json!({"application/octet-stream": {}}),
        };
        let error = schemas.subschema_for::<Body>();
        let error = |what: &str| {
            let content = json!({"application/json": {"schema": error}});
            json!({"description": what, "content": content})
        };
        let mut responses = Map::new();
        responses.insert("200".into(), json!({"description": self.summary, "content": content}));
        for (status, what) in [
            ("400", "a parameter is wrong; `field` names it"),
            ("404", "there is no such thing, or no data; the text says what there is"),
            ("429", "too many questions at once"),
            ("503", "the question takes too much time or memory"),
        ] {
            responses.insert(status.into(), error(what));
        }
        let id = self.path.trim_matches(|c: char| !c.is_ascii_alphanumeric()).replace('.', "_");
        json!({"get": {
            "operationId": id,
            "summary": self.summary,
            "parameters": parameters,
            "responses": responses,
        }})
    }
}

fn schema<T: JsonSchema>(schemas: &mut SchemaGenerator) -> Value {
    schemas.subschema_for::<T>().to_value()
}

/// `/api/v1/openapi.json`.
pub async fn document(State(_): State<Ui>, params: Params) -> Result<Json<Value>, ApiError> {
    params.only(&[])?;
    Ok(Json(openapi()))
}

fn openapi() -> Value {
    let settings = SchemaSettings::draft2020_12().for_serialize().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
        settings.meta_schema = None;
    });
    let mut schemas = settings.into_generator();
    let paths = ROUTES.iter().map(|route| {
        let operation = route.operation(&mut schemas);
        (format!("/api/v1{}", route.path), operation)
    });
    let paths: Map<_, _> = paths.collect();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "profpipe",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Reads profiles; docs/http.md says what the numbers mean.",
        },
        "paths": paths,
        "components": {"schemas": schemas.take_definitions(true)},
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_parameter_is_explained() {
        for route in ROUTES {
            for name in route.parameters.iter().copied().flatten() {
                assert!(PARAMETERS.iter().any(|(known, ..)| known == name), "{name}");
            }
        }
    }
}
