//! The web app, embedded in the binary.

use axum::{
    Router,
    extract::Path,
    http::{HeaderMap, StatusCode, header},
    response::{Html, IntoResponse, Response},
    routing::get,
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

/// Paths of the app's own pages; the last is the one of rancher-profiling.
const PAGES: [&str; 4] = ["/", "/explore", "/targets", "/ui/dashboard"];

/// The app: its page at the paths that it knows, and the files that it names.
pub fn router() -> Router {
    let pages = PAGES.into_iter().fold(Router::new(), |router, path| {
        router.route(path, get(async |headers: HeaderMap| page(&headers)))
    });
    pages.route("/{*file}", get(file))
}

async fn file(Path(path): Path<String>) -> Response {
    let Some(file) = Dist::get(&path).filter(|_| path != "index.html") else {
        return lost(&path);
    };
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

/// The app itself says that there is no such page, with the way to those that there are. What is
/// named like a file is asked for by programs, which want no page.
fn lost(path: &str) -> Response {
    let name = path.rsplit('/').next().unwrap_or_default();
    let index = Dist::get("index.html").filter(|_| !name.contains('.'));
    match index {
        Some(index) => {
            let cached = [(header::CACHE_CONTROL, "no-store")];
            (StatusCode::NOT_FOUND, cached, Html(index.data)).into_response()
        }
        None => (StatusCode::NOT_FOUND, "there is no such page\n").into_response(),
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
    fn an_unknown_page_is_the_app_with_status_404() {
        for (path, is_page) in [("nosuch", true), ("a/b", true), ("assets/x.js", false)] {
            let response = lost(path);
            assert_eq!(response.status(), StatusCode::NOT_FOUND);
            let kind = response.headers()[header::CONTENT_TYPE].to_str().expect("text");
            assert_eq!(kind.starts_with("text/html"), is_page, "{path}");
        }
    }

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
