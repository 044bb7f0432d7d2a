//! Extensions: that each id of `service.extensions` is there, and that each `auth` names one that
//! can do what is asked of it. The config of an authenticator is put beside its name, so that who
//! uses it is made anew when it changes.

use std::{collections::BTreeSet, net::IpAddr};

use pipeline::extension::{self, Auth, health_check};

use super::{
    components::ComponentId,
    model::Config,
    node::{Node, Path},
    problem::{Problem, suggestion},
};

/// An address for probes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthSpec {
    /// `health_check[/name]`.
    pub id: ComponentId,
    /// Its config.
    pub config: health_check::Config,
}

/// Checks extensions, and gives each `auth` what it names. Returns those that listen.
pub(crate) fn resolve(
    config: &mut Config,
    root: &Node,
    problems: &mut Vec<Problem>,
    warnings: &mut Vec<Problem>,
) -> Vec<HealthSpec> {
    let enabled = enabled(config, root, problems, warnings);
    let mut join = Join { config, root, enabled: &enabled, problems, warnings };
    join.receivers();
    join.exporters();
    let listening = config.extensions.iter().filter(|(id, _)| enabled.contains(*id));
    let listening = listening.filter_map(|(id, extension)| match extension {
        extension::Config::HealthCheck(config) => {
            Some(HealthSpec { id: id.clone(), config: config.clone() })
        }
        extension::Config::BasicAuth(_) | extension::Config::BearerTokenAuth(_) => None,
    });
    listening.collect()
}

/// The ids of `service.extensions`, each of which must be there, once.
fn enabled(
    config: &Config,
    root: &Node,
    problems: &mut Vec<Problem>,
    warnings: &mut Vec<Problem>,
) -> BTreeSet<ComponentId> {
    let list = Path::of(&["service", "extensions"]);
    let mut enabled = BTreeSet::new();
    for (index, id) in config.service.extensions.iter().enumerate() {
        let path = list.index(index);
        if !config.extensions.contains_key(id) && !is_declared(root, id) {
            let known: Vec<_> = config.extensions.keys().map(ComponentId::to_string).collect();
            let suggestion = suggestion(&id.to_string(), &known);
            let message = format!("there is no `{id}` under `extensions`{suggestion}");
            problems.push(root.problem(path, message));
        } else if !enabled.insert(id.clone()) {
            problems.push(root.problem(path, format!("`{id}` is listed twice")));
        }
    }
    for (id, extension) in &config.extensions {
        let path = Path::of(&["extensions", &id.to_string()]);
        for (field, message) in extension.check() {
            let path = if field.is_empty() { path.clone() } else { path.field(&field) };
            problems.push(root.problem(path, message));
        }
        if !enabled.contains(id) && !root.has_struck(&list) {
            warnings.push(root.problem(path, "is not in service.extensions, so it is not used"));
        }
    }
    enabled
}

/// Whether the file has it, even if it could not be read.
fn is_declared(root: &Node, id: &ComponentId) -> bool {
    let section = root.entry("extensions");
    section.is_some_and(|section| section.node.entry(&id.to_string()).is_some())
}

/// Joins what names an authenticator with what it names.
struct Join<'a> {
    config: &'a mut Config,
    root: &'a Node,
    enabled: &'a BTreeSet<ComponentId>,
    problems: &'a mut Vec<Problem>,
    warnings: &'a mut Vec<Problem>,
}

impl Join<'_> {
    fn receivers(&mut self) {
        let mut receivers = std::mem::take(&mut self.config.receivers);
        for (id, receiver) in &mut receivers {
            let (base, is_server) =
                (Path::of(&["receivers", &id.to_string()]), receiver.is_server());
            for (field, auth) in receiver.auths() {
                self.one(&base.field(&field), auth, is_server);
            }
        }
        self.config.receivers = receivers;
    }

    fn exporters(&mut self) {
        let mut exporters = std::mem::take(&mut self.config.exporters);
        for (id, exporter) in &mut exporters {
            let (base, host) = (Path::of(&["exporters", &id.to_string()]), exporter.plain_host());
            for (field, auth) in exporter.auths() {
                let path = base.field(&field);
                self.one(&path, auth, false);
                if let Some(host) = host.as_deref().filter(|host| !is_loopback(host)) {
                    let message = format!("credentials go to {host} in the clear: use TLS");
                    self.warnings.push(self.root.problem(path, message));
                }
            }
        }
        self.config.exporters = exporters;
    }

    fn one(&mut self, path: &Path, auth: &mut Auth, is_server: bool) {
        let name = auth.authenticator.clone();
        let problem = match name.parse::<ComponentId>() {
            Err(message) => Some(message),
            Ok(id) => match self.config.extensions.get(&id) {
                // What is wrong with it is said already.
                None if is_declared(self.root, &id) => None,
                None => {
                    let known = self.config.extensions.keys().map(ComponentId::to_string);
                    let suggestion = suggestion(&name, &known.collect::<Vec<_>>());
                    Some(format!("there is no `{name}` under `extensions`{suggestion}"))
                }
                Some(_) if !self.enabled.contains(&id) => {
                    Some(format!("`{name}` is not in service.extensions"))
                }
                Some(extension) => {
                    auth.extension = Some(extension.clone());
                    let problem = match is_server {
                        true => extension.server_problem(),
                        false => extension.client_problem(),
                    };
                    problem.map(|problem| format!("`{name}` {problem}"))
                }
            },
        };
        if let Some(message) = problem {
            self.problems.push(self.root.problem(path.clone(), message));
        }
    }
}

fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}
