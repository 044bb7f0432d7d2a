//! What cannot be had twice: ports and directories. And what should not be open to everyone.

use std::path::{Component, Path as FilePath, PathBuf};

use super::{
    extensions::HealthSpec,
    model::Config,
    node::{Node, Path},
    problem::Problem,
};

/// A port that somebody wants: where the config says so, its host and its number. The file of a
/// socket has none.
type Port<'a> = (Path, &'a str, Option<u16>);

/// Finds ports and directories that two components want, and pages open to the network.
pub(crate) fn check(
    config: &Config,
    health: &[HealthSpec],
    root: &Node,
    problems: &mut Vec<Problem>,
    warnings: &mut Vec<Problem>,
) {
    let mut ports = own_ports(config, health);
    let mut lakes: Vec<(Path, PathBuf)> = Vec::new();
    for (id, exporter) in &config.exporters {
        let path = Path::of(&["exporters", &id.to_string()]);
        match exporter {
            exporter::Config::Ui(ui) => {
                let Some((host, port)) = ui.host_port() else { continue };
                if !is_loopback(host) {
                    let message = format!(
                        "`{}` is open to the network, and nobody is asked for a password",
                        ui.endpoint
                    );
                    warnings.push(root.problem(path.key("endpoint"), message));
                }
                ports.push((path.key("endpoint"), host, Some(port)));
            }
            exporter::Config::Parquet(parquet) => {
                let Some(lake) = &parquet.path else { continue };
                lakes.push((path.key("path"), plain(lake)));
            }
            exporter::Config::Debug(_)
            | exporter::Config::OtlpGrpc(_)
            | exporter::Config::OtlpHttp(_) => {}
        }
    }
    ports.extend(receiver_ports(config));
    for (index, (path, host, port)) in ports.iter().enumerate() {
        let same = |(_, other, other_port): &&Port<'_>| {
            *port != Some(0) && port == other_port && overlap(host, other)
        };
        if let Some((other, ..)) = ports[..index].iter().find(same) {
            let what = port.map_or(format!("`{host}`"), |port| format!("port {port}"));
            let message = format!("{what} is taken by `{other}`");
            problems.push(root.problem(path.clone(), message));
        }
    }
    for (index, (path, lake)) in lakes.iter().enumerate() {
        let same =
            |(_, other): &&(Path, PathBuf)| lake.starts_with(other) || other.starts_with(lake);
        if let Some((other, _)) = lakes[..index].iter().find(same) {
            let message = format!("`{}` is shared with `{other}`", lake.display());
            problems.push(root.problem(path.clone(), message));
        }
    }
}

/// Where the process itself listens.
fn own_ports<'a>(config: &Config, health: &'a [HealthSpec]) -> Vec<Port<'a>> {
    let own = config.self_telemetry.as_ref().map(|own| own.pprof_port);
    let own =
        own.map(|port| (Path::of(&["self_telemetry", "pprof_port"]), "127.0.0.1", Some(port)));
    let health = health.iter().filter_map(|spec| {
        let (host, port) = spec.config.host_port()?;
        Some((Path::of(&["extensions", &spec.id.to_string(), "endpoint"]), host, Some(port)))
    });
    own.into_iter().chain(health).collect()
}

/// Where receivers listen that a pipeline names; others never do.
fn receiver_ports(config: &Config) -> Vec<Port<'_>> {
    let pipelines = || config.service.pipelines.values();
    let used =
        config.receivers.iter().filter(|(id, _)| pipelines().any(|p| p.receivers.contains(id)));
    let endpoints = used.flat_map(|(id, receiver)| {
        let path = Path::of(&["receivers", &id.to_string()]);
        let endpoints = receiver.endpoints().into_iter();
        endpoints.map(move |(key, endpoint)| {
            let found = endpoint.rsplit_once(':');
            let found = found.and_then(|(host, port)| Some((host, port.parse().ok()?)));
            let (host, port) = found.map_or((endpoint, None), |(host, port)| (host, Some(port)));
            (path.field(key), host.trim_start_matches('[').trim_end_matches(']'), port)
        })
    });
    endpoints.collect()
}

/// The path without `.` and `..`, as far as that can be told without looking at the disk.
fn plain(path: &FilePath) -> PathBuf {
    path.components().fold(PathBuf::new(), |mut plain, component| {
        match component {
            Component::CurDir => {}
            Component::ParentDir if plain.file_name().is_some() => {
                plain.pop();
            }
            other => plain.push(other),
        }
        plain
    })
}

fn is_loopback(host: &str) -> bool {
    let address = host.parse::<std::net::IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

fn overlap(host: &str, other: &str) -> bool {
    let all = |host: &str| matches!(host, "" | "0.0.0.0" | "::");
    host == other || all(host) || all(other) || (is_loopback(host) && is_loopback(other))
}
