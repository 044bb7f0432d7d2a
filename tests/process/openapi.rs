//! The OpenAPI document against the process: every path answers in its schema, and takes the
//! parameters that stand there and no others.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::support::{process::Running, schema::breaches};

/// Holds the document against a process that has profiles of the service `hold`.
pub async fn holds(running: &Running) {
    let document = running.json("/api/v1/openapi.json").await;
    assert_eq!(document["openapi"], "3.1.0");
    let paths = document["paths"].as_object().unwrap();
    let documented = |path: &str| -> BTreeSet<String> {
        let parameters = paths[path]["get"]["parameters"].as_array().unwrap().iter();
        parameters.map(|parameter| parameter["name"].as_str().unwrap().to_owned()).collect()
    };
    let all: BTreeSet<String> = paths.keys().flat_map(|path| documented(path)).collect();
    for (path, item) in paths {
        let operation = &item["get"];
        assert!(operation["summary"].as_str().is_some_and(|summary| !summary.is_empty()), "{path}");
        let (known, selects) = (documented(path), documented(path).contains("type"));
        let question = if selects { "?service=hold&type=cpu:cpu" } else { "" };
        let answer = running.get(&format!("{path}{question}")).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        let content = operation["responses"]["200"]["content"].as_object().unwrap();
        assert!(content.contains_key(answer.header("content-type")), "{path}: {content:?}");
        if let Some(json) = content.get("application/json") {
            let found = breaches(&document, &json["schema"], &answer.json());
            assert!(found.is_empty(), "{path}: {found:#?}");
        }
        for name in &all {
            let refused = refused(running, path, name).await;
            assert_eq!(refused, !known.contains(name), "{path} and its parameter {name}");
        }
        let error = running.get(&format!("{path}?no_such=1")).await;
        assert_eq!(error.status, 400, "{path}");
        let schema = &operation["responses"]["400"]["content"]["application/json"]["schema"];
        let found = breaches(&document, schema, &error.json());
        assert!(found.is_empty() && !schema.is_null(), "{path}: {found:#?}");
    }
    // What docs/http.md names is in the document, and the other way round.
    let page = include_str!("../../docs/http.md");
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `/api/v1/"));
    let rows: BTreeSet<_> =
        rows.map(|row| format!("/api/v1/{}", &row[..row.find('`').unwrap()])).collect();
    assert_eq!(rows, paths.keys().cloned().collect());
}

/// Whether a path says that this is none of its parameters.
async fn refused(running: &Running, path: &str, name: &str) -> bool {
    let answer = running.get(&format!("{path}?{name}=1")).await;
    if answer.status != 400 {
        return false;
    }
    let error: Value = answer.json();
    error["field"] == name && error["error"] == "is no parameter of this question"
}
