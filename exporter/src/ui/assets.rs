//! The web app, embedded in the binary.

use axum::{
    Router,
    extract::Request,
    http::{HeaderMap, StatusCode, header},
    response::{Html, IntoResponse, Response},
};
use rust_embed::RustEmbed;

/// What `make ui` built. It is committed, so that a build without Node serves the real app.
#[derive(RustEmbed)]
#[folder = "web/dist"]
#[allow_missing = true]
struct Dist;

/// What is served where the app was not built.
const MISSING: &str = "<!doctype html><title>profpipe</title><p>The web app is not in this build: \
                       run <code>make ui</code> and build again. The API is there.";

/// The app: its files under `/assets`, and its page at every other path, because paths are its own.
pub fn router() -> Router {
    Router::new().fallback(file)
}

async fn file(request: Request) -> Response {
    let path = request.uri().path().trim_start_matches('/');
    match Dist::get(path).filter(|_| !path.is_empty() && path != "index.html") {
        Some(file) => {
            let age = match path.starts_with("assets/") {
                true => "public, max-age=31536000, immutable", // Their names change with them.
                false => "no-cache",
            };
            let headers = [
                (header::CONTENT_TYPE, file.metadata.mimetype().to_owned()),
                (header::CACHE_CONTROL, age.to_owned()),
            ];
            (headers, file.data).into_response()
        }
        None if path.starts_with("assets/") || path.starts_with("api/") => {
            (StatusCode::NOT_FOUND, "no such file\n").into_response()
        }
        None => page(request.headers()),
    }
}

fn page(headers: &HeaderMap) -> Response {
    let Some(index) = Dist::get("index.html") else { return Html(MISSING).into_response() };
    let hash = index.metadata.sha256_hash();
    let tag: String = hash[..8].iter().map(|byte| format!("{byte:02x}")).collect();
    let tag = format!("\"{tag}\"");
    let known = headers.get(header::IF_NONE_MATCH).is_some_and(|known| known == tag.as_str());
    let cached = [(header::CACHE_CONTROL, "no-cache".to_owned()), (header::ETAG, tag)];
    match known {
        true => (StatusCode::NOT_MODIFIED, cached).into_response(),
        false => (cached, Html(index.data)).into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_real_app_is_embedded_with_all_its_files() {
        let index = Dist::get("index.html").expect("`make ui` has been run");
        let text = std::str::from_utf8(&index.data).expect("HTML");
        let named = text.split('"').filter(|part| part.contains("assets/"));
        let mut files = 0;
        for path in named {
            let path = path.trim_start_matches(['.', '/']);
            assert!(Dist::get(path).is_some(), "{path} is named by the page");
            files += 1;
        }
        assert!(files >= 2, "a script and a style sheet");
    }
}
