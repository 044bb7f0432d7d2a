//! How a target is spoken to: TLS, credentials, headers, redirects. Names and meanings are those of
//! Prometheus' scrape configs.

use std::{collections::BTreeMap, fmt, path::PathBuf};

use pipeline::{extension::Auth, secret::Secret};
use reqwest::header::{HeaderName, HeaderValue};
use schemars::JsonSchema;
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{Error, MapAccess, Visitor, value::MapAccessDeserializer},
};

/// How the requests of one profile are made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct HttpSettings {
    /// How TLS is spoken, where the scheme is `https`.
    pub tls: TlsConfig,
    /// What the target knows us by.
    pub credentials: Credentials,
    /// Header fields that go with each request.
    pub headers: Vec<(String, Secret)>,
    /// Whether redirects within one host are followed.
    pub follow_redirects: bool,
}

/// `tls_config`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TlsConfig {
    /// PEM certificates of the authorities that are trusted, in place of the system's.
    pub ca: Option<String>,
    /// The same in a file.
    pub ca_file: Option<PathBuf>,
    /// PEM certificate that is shown to the target.
    pub cert: Option<String>,
    /// The same in a file.
    pub cert_file: Option<PathBuf>,
    /// PEM key of that certificate.
    pub key: Option<Secret>,
    /// The same in a file.
    pub key_file: Option<PathBuf>,
    /// The name that is asked for and that the target's certificate must have, in place of its
    /// host.
    pub server_name: Option<String>,
    /// Takes any certificate.
    pub insecure_skip_verify: bool,
}

/// `basic_auth`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct BasicAuth {
    /// The name.
    pub username: String,
    /// The password.
    pub password: Option<Secret>,
    /// A file with the password, read for each request.
    pub password_file: Option<PathBuf>,
}

/// `authorization`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Authorization {
    /// The scheme of authentication.
    #[serde(rename = "type")]
    pub kind: String,
    /// What follows the scheme.
    pub credentials: Option<Secret>,
    /// A file with it, read for each request.
    pub credentials_file: Option<PathBuf>,
}

/// What a request says about who asks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Credentials {
    /// Nothing.
    #[default]
    None,
    /// Name and password.
    Basic(BasicAuth),
    /// A scheme and a token.
    Token(Authorization),
    /// What an extension says.
    Extension(Auth),
}

/// One entry of `http_headers`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(with = "String")]
pub struct HeaderValues(pub Vec<Secret>);

/// `http_headers`.
pub type Headers = BTreeMap<String, HeaderValues>;

impl Default for Authorization {
    fn default() -> Self {
        Self { kind: "Bearer".into(), credentials: None, credentials_file: None }
    }
}

impl<'de> Deserialize<'de> for HeaderValues {
    /// Reads a text, or Prometheus' `{values: […], secrets: […]}`.
    fn deserialize<D: Deserializer<'de>>(de: D) -> Result<Self, D::Error> {
        de.deserialize_any(HeaderVisitor)
    }
}

struct HeaderVisitor;

impl<'de> Visitor<'de> for HeaderVisitor {
    type Value = HeaderValues;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text, or a map with values")
    }

    fn visit_str<E>(self, text: &str) -> Result<HeaderValues, E> {
        Ok(HeaderValues(vec![Secret::new(text)]))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<HeaderValues, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<HeaderValues, A::Error> {
        #[derive(Default, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        struct Lists {
            values: Vec<String>,
            secrets: Vec<Secret>,
        }
        let Lists { values, secrets } = Lists::deserialize(MapAccessDeserializer::new(map))?;
        Ok(HeaderValues(values.into_iter().map(Secret::new).chain(secrets).collect()))
    }
}

/// A wrong key, and why.
type Wrong = (&'static str, String);

impl TlsConfig {
    /// What is wrong with it.
    pub(super) fn check(&self) -> Option<Wrong> {
        let twice = [
            ("ca", self.ca.is_some() && self.ca_file.is_some()),
            ("cert", self.cert.is_some() && self.cert_file.is_some()),
            ("key", self.key.is_some() && self.key_file.is_some()),
        ];
        if let Some((name, _)) = twice.iter().find(|(_, both)| *both) {
            return Some(("tls_config", format!("has `{name}` and `{name}_file`: keep one")));
        }
        let has_cert = self.cert.is_some() || self.cert_file.is_some();
        if has_cert != (self.key.is_some() || self.key_file.is_some()) {
            return Some(("tls_config", "a certificate and its key go together".into()));
        }
        let name = self.server_name.as_deref().unwrap_or("localhost");
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.');
        if name.is_empty() || !name.chars().all(plain) || name.parse::<std::net::IpAddr>().is_ok() {
            let message = format!("`{name}` is not the name of a host");
            return Some(("tls_config.server_name", message));
        }
        None
    }

    /// The files that it names.
    pub(super) fn files(&self) -> impl Iterator<Item = &PathBuf> {
        [&self.ca_file, &self.cert_file, &self.key_file].into_iter().flatten()
    }
}

impl BasicAuth {
    /// What is wrong with it.
    pub(super) fn check(&self) -> Option<Wrong> {
        if self.password.is_some() && self.password_file.is_some() {
            return Some(("basic_auth", "has `password` and `password_file`: keep one".into()));
        }
        let unfit = self.username.contains(':') || self.username.contains(char::is_control);
        let message = "must not contain `:` or control characters".into();
        unfit.then_some(("basic_auth.username", message))
    }
}

impl Authorization {
    /// What is wrong with it.
    pub(super) fn check(&self) -> Option<Wrong> {
        if self.credentials.is_some() == self.credentials_file.is_some() {
            let message = "needs one of `credentials` and `credentials_file`".into();
            return Some(("authorization", message));
        }
        if self.kind.eq_ignore_ascii_case("basic") {
            return Some(("authorization.type", "for `Basic`, use `basic_auth`".into()));
        }
        let fits = HeaderName::try_from(&self.kind).is_ok();
        (!fits).then(|| ("authorization.type", "is not a scheme such as `Bearer`".into()))
    }
}

/// What is wrong with header fields: the name of one, and why.
pub(super) fn check_headers(headers: &Headers) -> Option<(String, String)> {
    const OURS: [&str; 5] =
        ["host", "connection", "content-length", "transfer-encoding", "authorization"];
    headers.iter().find_map(|(name, values)| {
        let wrong = |message: &str| Some((name.clone(), message.to_owned()));
        let Ok(parsed) = HeaderName::try_from(name) else {
            return wrong("is not the name of a header field");
        };
        if parsed.as_str() == "authorization" {
            return wrong("is set by `authorization` or `basic_auth`");
        }
        if OURS.contains(&parsed.as_str()) {
            return wrong("belongs to the connection and cannot be set");
        }
        if values.0.is_empty() {
            return wrong("has no value");
        }
        let fits = |value: &Secret| HeaderValue::try_from(value.expose()).is_ok();
        if values.0.iter().all(fits) { None } else { wrong("has a value that is not one line") }
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn headers_come_as_text_or_lists() {
        let headers: Headers = serde_json::from_value(json!({
            "X-Tenant": "a",
            "X-Many": {"values": ["b", "c"], "secrets": ["d"]},
        }))
        .unwrap();
        let all: Vec<_> = headers["X-Many"].0.iter().map(Secret::expose).collect();
        assert_eq!((all, headers["X-Tenant"].0[0].expose()), (vec!["b", "c", "d"], "a"));
        assert_eq!(check_headers(&headers), None);
        for (headers, message) in [
            (json!({"a b": "c"}), "name of a header"),
            (json!({"Host": "c"}), "cannot be set"),
            (json!({"Authorization": "c"}), "is set by"),
            (json!({"X": {}}), "no value"),
            (json!({"X": "a\r\nb"}), "one line"),
        ] {
            let headers: Headers = serde_json::from_value(headers).unwrap();
            let (_, said) = check_headers(&headers).unwrap();
            assert!(said.contains(message), "{said}");
        }
        assert!(serde_json::from_value::<Headers>(json!({"X": {"valeus": []}})).is_err());
    }

    #[test]
    fn contradictions_are_named() {
        let tls = |value| serde_json::from_value::<TlsConfig>(value).unwrap().check();
        assert_eq!(tls(json!({"ca_file": "/a", "server_name": "orders.local"})), None);
        assert!(tls(json!({"ca_file": "/a", "ca": "b"})).is_some());
        assert!(tls(json!({"cert_file": "/a"})).is_some());
        assert!(tls(json!({"server_name": "10.0.0.1"})).is_some());
        assert!(tls(json!({"server_name": "a/b"})).is_some());
        let token = |value| serde_json::from_value::<Authorization>(value).unwrap().check();
        assert_eq!(token(json!({"credentials": "a"})), None);
        assert!(token(json!({})).is_some());
        assert!(token(json!({"type": "basic", "credentials": "a"})).is_some());
        assert!(token(json!({"type": "a b", "credentials": "a"})).is_some());
        let basic = |value| serde_json::from_value::<BasicAuth>(value).unwrap().check();
        assert_eq!(basic(json!({"username": "a"})), None);
        assert!(basic(json!({"username": "a:b"})).is_some());
        assert!(basic(json!({"password": "a", "password_file": "b"})).is_some());
    }
}
