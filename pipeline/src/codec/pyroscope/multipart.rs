//! The parts of a form, `multipart/form-data` of <https://www.rfc-editor.org/rfc/rfc7578>. The body
//! is in memory already and within its limit, so parts are only found in it, not copied.

use memchr::memmem;

use crate::reason::{Reason, Refused};

/// Parts of one form.
const PARTS_MAX: usize = 16;
/// Bytes of the head of a part.
const HEAD_BYTES_MAX: usize = 4 << 10;

/// A field of a form.
pub(super) struct Part<'a> {
    /// Its name.
    pub name: &'a str,
    /// What it holds.
    pub bytes: &'a [u8],
}

/// The boundary that a content type names; `None` where it is no form.
pub(super) fn boundary(content_type: &str) -> Option<Result<String, Refused>> {
    let mut parameters = content_type.split(';');
    let kind = parameters.next().unwrap_or_default().trim();
    if !kind.eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    let boundary = parameters.find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        let value = value.trim().trim_matches('"');
        (name.trim().eq_ignore_ascii_case("boundary") && (1..=70).contains(&value.len()))
            .then(|| value.to_owned())
    });
    Some(boundary.ok_or_else(|| Refused::new(Reason::Malformed, "a form without a boundary")))
}

/// Finds the parts of a form.
///
/// # Errors
/// Where it ends too early, a part has no name, or there are too many.
pub(super) fn parts<'a>(body: &'a [u8], boundary: &str) -> Result<Vec<Part<'a>>, Refused> {
    let delimiter = format!("\r\n--{boundary}");
    let truncated = || Refused::new(Reason::Truncated, "the form ends in the middle of a part");
    let malformed = |what: &str| Refused::new(Reason::Malformed, what);
    let mut rest = body
        .strip_prefix(&delimiter.as_bytes()[2..])
        .ok_or_else(|| malformed("the form does not start with its boundary"))?;
    let finder = memmem::Finder::new(delimiter.as_bytes());
    let mut parts = Vec::new();
    loop {
        if rest.starts_with(b"--") {
            return Ok(parts);
        }
        if !rest.starts_with(b"\r\n") {
            return Err(truncated());
        }
        let head = &rest[..rest.len().min(HEAD_BYTES_MAX)];
        let end = memmem::find(head, b"\r\n\r\n").ok_or_else(truncated)?;
        let (head, bytes) = (&rest[..end], &rest[end + 4..]);
        let length = finder.find(bytes).ok_or_else(truncated)?;
        if parts.len() == PARTS_MAX {
            let detail = format!("more than {PARTS_MAX} parts of a form");
            return Err(Refused::new(Reason::CountLimit, detail));
        }
        let name = name(head).ok_or_else(|| malformed("a part of a form without a name"))?;
        parts.push(Part { name, bytes: &bytes[..length] });
        rest = &bytes[length + delimiter.len()..];
    }
}

/// The name that the head of a part gives.
fn name(head: &[u8]) -> Option<&str> {
    let head = std::str::from_utf8(head).ok()?;
    head.lines().find_map(|line| {
        let (field, value) = line.split_once(':')?;
        if !field.trim().eq_ignore_ascii_case("content-disposition") {
            return None;
        }
        value.split(';').find_map(|parameter| {
            let (key, value) = parameter.split_once('=')?;
            key.trim().eq_ignore_ascii_case("name").then(|| value.trim().trim_matches('"'))
        })
    })
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    fn form(parts: &[(&str, &[u8])]) -> Vec<u8> {
        let mut body = Vec::new();
        for (name, bytes) in parts {
            let head = format!(
                "--XX\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"f\"\r\n\
                 Content-Type: application/octet-stream\r\n\r\n"
            );
            body.extend_from_slice(head.as_bytes());
            body.extend_from_slice(bytes);
            body.extend_from_slice(b"\r\n");
        }
        body.extend_from_slice(b"--XX--\r\n");
        body
    }

    fn read(body: &[u8]) -> Result<Vec<(&str, &[u8])>, Reason> {
        let parts = parts(body, "XX").map_err(|refused| refused.reason)?;
        Ok(parts.iter().map(|part| (part.name, part.bytes)).collect())
    }

    #[test]
    fn boundaries_of_content_types() {
        let of = |text| boundary(text).map(|found| found.map_err(|r| r.reason));
        assert_eq!(of("application/proto"), None);
        assert_eq!(of("multipart/form-data; boundary=\"a b\""), Some(Ok("a b".into())));
        assert_eq!(of("Multipart/Form-Data;x=1;Boundary=ab"), Some(Ok("ab".into())));
        assert_eq!(of("multipart/form-data"), Some(Err(Reason::Malformed)));
        let long = format!("multipart/form-data; boundary={}", "x".repeat(71));
        assert_eq!(of(&long), Some(Err(Reason::Malformed)));
    }

    #[test]
    fn broken_forms_are_named() {
        let good = form(&[("profile", b"abc")]);
        assert_eq!(read(&good), Ok(vec![("profile", &b"abc"[..])]));
        for cut in 4..good.len() - 6 {
            assert_eq!(read(&good[..cut]), Err(Reason::Truncated), "{cut}");
        }
        let many: Vec<(&str, &[u8])> = vec![("a", b""); PARTS_MAX + 1];
        assert_eq!(read(&form(&many)), Err(Reason::CountLimit));
        assert_eq!(read(b"--XX\r\nA: b\r\n\r\n\r\n--XX--"), Err(Reason::Malformed));
        assert_eq!(read(b"--XX\r\n\r\n\r\n--XX--"), Err(Reason::Malformed));
        assert_eq!(read(b"something else"), Err(Reason::Malformed));
        let long = [b"--XX\r\nA: ", &vec![b'x'; HEAD_BYTES_MAX][..], b"\r\n\r\n\r\n--XX--"];
        assert_eq!(read(&long.concat()), Err(Reason::Truncated));
    }

    proptest! {
        #[test]
        fn what_is_put_in_comes_out(
            bytes in vec(
                vec(prop_oneof![Just(b'\r'), Just(b'\n'), Just(b'-'), any::<u8>()], 0..40),
                0..PARTS_MAX,
            ),
        ) {
            let all: Vec<(&str, &[u8])> = bytes.iter().map(|bytes| ("p", &bytes[..])).collect();
            let body = form(&all);
            prop_assert_eq!(read(&body), Ok(all));
        }

        #[test]
        fn nothing_makes_it_fail(body in "(--XX)?[-X\r\n\";: =a]{0,60}") {
            let _either = read(body.as_bytes());
        }
    }
}
