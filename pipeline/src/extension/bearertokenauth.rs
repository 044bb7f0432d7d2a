//! The config of the extension `bearertokenauth`: who may come in, or as whom we go, by a token.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::secret::Secret;

/// `extensions: {bearertokenauth: …}`. Exporters send the first token; receivers take any of them.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The header that carries the token.
    pub header: String,
    /// What stands before the token; nothing where it is empty.
    pub scheme: String,
    /// The token.
    pub token: Secret,
    /// Several tokens, in place of one.
    pub tokens: Vec<Secret>,
    /// A file with a token a line, which stands before `token`; read again when it changes.
    pub filename: Option<PathBuf>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            header: "Authorization".into(),
            scheme: "Bearer".into(),
            token: Secret::default(),
            tokens: Vec::new(),
            filename: None,
        }
    }
}

impl Config {
    /// What cannot work, as pairs of a field and a message.
    pub fn check(&self) -> Vec<(String, String)> {
        let mut wrong = Vec::new();
        let mut problem = |field: &str, message: &str| wrong.push((field.into(), message.into()));
        // RFC 9110, 5.6.2: what a name of a header or a scheme is made of.
        let sign = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
        if self.header.is_empty() || !self.header.chars().all(sign) {
            problem("header", "must be the name of a header");
        }
        if !self.scheme.chars().all(sign) {
            problem("scheme", "must be a scheme such as Bearer");
        }
        let fits = |token: &Secret| {
            !token.is_empty() && token.expose().chars().all(|c| matches!(c, ' '..='~'))
        };
        if self.token.is_empty() && self.tokens.is_empty() && self.filename.is_none() {
            problem("token", "must be there, or `filename`");
        } else if !self.token.is_empty() && !fits(&self.token) {
            problem("token", "must be one line of ASCII");
        }
        if !self.token.is_empty() && !self.tokens.is_empty() {
            problem("tokens", "must not come together with `token`");
        }
        for (index, _) in self.tokens.iter().enumerate().filter(|(_, token)| !fits(token)) {
            problem(&format!("tokens[{index}]"), "must be one line of ASCII");
        }
        wrong
    }

    /// The tokens of the config itself.
    pub(super) fn own(&self) -> Vec<Secret> {
        match self.token.is_empty() {
            true => self.tokens.clone(),
            false => vec![self.token.clone()],
        }
    }

    /// The value of the header with this token.
    pub(super) fn line(&self, token: &Secret) -> Secret {
        match self.scheme.as_str() {
            "" => token.clone(),
            scheme => Secret::new(format!("{scheme} {}", token.expose())),
        }
    }
}

/// The tokens of a file, a line each.
pub(super) fn tokens(text: &str) -> Result<Vec<Secret>, String> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let tokens: Vec<_> = lines.map(Secret::new).collect();
    if tokens.is_empty() {
        return Err("holds no token".into());
    }
    Ok(tokens)
}
