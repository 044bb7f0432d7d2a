//! The config of the extension `basicauth`: who may come in, or as whom we go, by name and
//! password.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::htpasswd;
use crate::secret::Secret;

/// `extensions: {basicauth: …}`: `htpasswd` for receivers, or `client_auth` for exporters.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Who may come in.
    pub htpasswd: Option<Htpasswd>,
    /// As whom we go.
    pub client_auth: Option<ClientAuth>,
}

/// `htpasswd`: lines of name, colon and password, which is bcrypt (`htpasswd -B`), `{SHA}` or
/// plain text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Htpasswd {
    /// A file of such lines, read again when it changes.
    pub file: Option<PathBuf>,
    /// The lines themselves; a name that is here, too, has this password.
    pub inline: Secret,
}

/// `client_auth`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ClientAuth {
    /// The name.
    pub username: String,
    /// A file with the name, which stands before `username`; read for each request.
    pub username_file: Option<PathBuf>,
    /// The password.
    pub password: Secret,
    /// A file with the password, which stands before `password`; read for each request.
    pub password_file: Option<PathBuf>,
}

impl Config {
    /// What cannot work, as pairs of a field and a message.
    pub fn check(&self) -> Vec<(String, String)> {
        let mut wrong = Vec::new();
        let mut problem = |field: &str, message: String| wrong.push((field.into(), message));
        match (&self.htpasswd, &self.client_auth) {
            (None, None) => problem("", "needs `htpasswd` or `client_auth`".into()),
            (Some(_), Some(_)) => {
                problem("client_auth", "must not come together with `htpasswd`".into());
            }
            (Some(Htpasswd { file: None, inline }), None) if inline.is_empty() => {
                problem("htpasswd", "needs `file` or `inline`".into());
            }
            (Some(Htpasswd { inline, .. }), None) => {
                if let Err(message) = htpasswd::parse(inline.expose()) {
                    problem("htpasswd.inline", message);
                }
            }
            (None, Some(client)) => {
                let name = &client.username;
                if name.is_empty() && client.username_file.is_none() {
                    problem("client_auth.username", "must not be empty".into());
                }
                if name.contains(':') || name.contains(char::is_control) {
                    let message = "must not contain `:` or control characters";
                    problem("client_auth.username", message.into());
                }
            }
        }
        wrong
    }
}
