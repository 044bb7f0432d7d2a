//! What the tests share: programs that are built once, and processes that end with their test.

pub mod go;
pub mod http;
pub mod numbers;
pub mod process;

/// Says that a test is skipped because a tool is missing; where tools are required it fails.
pub fn skip(what: &str) {
    let required = std::env::var("PROFPIPE_REQUIRE_TOOLS").is_ok_and(|value| value == "1");
    assert!(!required, "{what} is missing, and PROFPIPE_REQUIRE_TOOLS=1");
    eprintln!("skipped: {what} is missing");
}
