//! From a typed config to pipelines: defaults, the implicit receiver of `monitors`, references
//! between components, and a check of all that one field alone cannot show to be wrong.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    path::PathBuf,
    time::Duration,
};

use exporter::parquet::Retention;
use pipeline::processor;

use super::{
    Options, clash,
    components::ComponentId,
    extensions::{self, HealthSpec},
    model::{Config, Pipeline},
    monitors,
    node::{Node, Path},
    problem::{Problem, suggestion},
    telemetry::Telemetry,
    twins,
};

/// What is to be run.
#[derive(Clone, Debug, PartialEq)]
pub struct Resolved {
    /// Pipelines by name; without pages, which are in `ui`.
    pub pipelines: Vec<PipelineSpec>,
    /// Pages and API.
    pub ui: Vec<UiSpec>,
    /// Whether profpipe serves and scrapes its own profile.
    pub self_telemetry: Option<SelfProfile>,
    /// Addresses for probes.
    pub health: Vec<HealthSpec>,
    /// Own logs and metrics.
    pub telemetry: Telemetry,
    /// What is odd but works, each with its place.
    pub warnings: Vec<String>,
}

/// One pipeline with the configs of its components. A component that several pipelines name
/// stands in each of them with the same id.
#[derive(Clone, Debug, PartialEq)]
pub struct PipelineSpec {
    /// `profiles[/name]`.
    pub name: String,
    /// What fills it.
    pub receivers: Vec<(ComponentId, receiver::Config)>,
    /// What changes what comes in, in order.
    pub processors: Vec<(ComponentId, processor::Config)>,
    /// What takes from its spool. The path of a lake is set.
    pub exporters: Vec<(ComponentId, exporter::Config)>,
}

/// One server of pages.
#[derive(Clone, Debug, PartialEq)]
pub struct UiSpec {
    /// `ui[/name]`.
    pub id: ComponentId,
    /// Its config.
    pub config: exporter::ui::Config,
    /// The exporter whose lake it shows.
    pub lake: ComponentId,
    /// The directory of that lake.
    pub lake_path: PathBuf,
}

/// profpipe's own CPU profile. The target itself is among those of `pprof/monitors`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SelfProfile {
    /// Where it is served.
    pub listen: SocketAddr,
    /// Length of a window.
    pub window: Duration,
}

/// Turns a config into what is to be run. The result counts only if no problem was found.
pub(crate) fn resolve(
    config: Config,
    root: &Node,
    options: &Options,
    problems: &mut Vec<Problem>,
    warnings: Vec<Problem>,
) -> Resolved {
    let mut telemetry = config.service.telemetry.clone();
    if let Some(level) = options.log_level {
        telemetry.logs.level = level;
    }
    for (field, message) in telemetry.check() {
        let path = Path::of(&["service", "telemetry"]).field(&field);
        problems.push(root.problem(path, message));
    }
    let self_telemetry = config.self_telemetry.as_ref();
    let self_profile =
        self_telemetry.map(|own| SelfProfile { listen: own.listen(), window: own.window() });
    let mut graph = Graph { config, root, options, problems, warnings };
    graph.add_monitors();
    graph.add_default_pipeline();
    graph.add_lake_for_pages();
    graph.set_paths_and_endpoints();
    let health = extensions::resolve(&mut graph.config, root, graph.problems, &mut graph.warnings);
    graph.check_components();
    graph.check_references();
    twins::join(&mut graph.config.service.pipelines, root, &mut graph.warnings);
    let ui = graph.pages();
    clash::check(&graph.config, &health, root, graph.problems, &mut graph.warnings);
    let pipelines = graph.pipelines();
    let warnings = graph.warnings.iter().map(Problem::to_string).collect();
    Resolved { pipelines, ui, self_telemetry: self_profile, health, telemetry, warnings }
}

/// A config on its way to pipelines.
struct Graph<'a> {
    config: Config,
    root: &'a Node,
    options: &'a Options,
    problems: &'a mut Vec<Problem>,
    warnings: Vec<Problem>,
}

/// The receiver that `monitors` and `self_telemetry` feed.
const MONITORS: (&str, &str) = ("pprof", "monitors");

impl Graph<'_> {
    fn problem(&mut self, path: Path, message: String) {
        self.problems.push(self.root.problem(path, message));
    }

    fn check_components(&mut self) {
        let mut wrong = Vec::new();
        for (id, receiver) in &self.config.receivers {
            wrong.extend(receiver.check().into_iter().map(|found| ("receivers", id, found)));
        }
        for (id, processor) in &self.config.processors {
            wrong.extend(processor.check().into_iter().map(|found| ("processors", id, found)));
        }
        for (id, exporter) in &self.config.exporters {
            wrong.extend(exporter.check().into_iter().map(|found| ("exporters", id, found)));
        }
        for (section, id, (field, message)) in wrong {
            let path = Path::of(&[section, &id.to_string()]).field(&field);
            self.problems.push(self.root.problem(path, message));
        }
    }

    /// Makes the receiver `pprof/monitors` and puts it into its pipeline.
    fn add_monitors(&mut self) {
        let root = self.root;
        let Config { monitors, self_telemetry, .. } = &self.config;
        if monitors.is_empty() && self_telemetry.is_none() {
            return;
        }
        let mut targets = monitors::targets(monitors, root, self.problems, &mut self.warnings);
        if let Some(own) = self_telemetry {
            own.check(root, self.problems);
            targets.extend(own.target());
        }
        let id = monitors_id();
        let section = if monitors.is_empty() { "self_telemetry" } else { "monitors" };
        // The default of the receiver names profiles for targets that have none of their own.
        let receiver = receiver::pprof::Config { targets, ..Default::default() };
        let receiver = receiver::Config::Pprof(Box::new(receiver));
        if self.config.receivers.insert(id.clone(), receiver).is_some() {
            let path = Path::of(&["receivers", &id.to_string()]);
            self.problem(path, format!("this id is taken by the receiver that `{section}` makes"));
        }
        let pipelines = &mut self.config.service.pipelines;
        if pipelines.values().any(|pipeline| pipeline.receivers.contains(&id)) {
            return;
        }
        match pipelines.len() {
            0 => {}
            1 => pipelines.values_mut().for_each(|only| only.receivers.push(id.clone())),
            _ => {
                let message = format!(
                    "there are several pipelines: name `{id}` among the receivers of one of them"
                );
                self.problem(Path::of(&[section]), message);
            }
        }
    }

    /// Monitors need no `service`: what they give goes to all exporters of the file, which are a
    /// lake and its pages where none are named.
    fn add_default_pipeline(&mut self) {
        if !self.config.service.pipelines.is_empty() {
            return;
        }
        let pipelines = Path::of(&["service", "pipelines"]);
        if !self.config.receivers.contains_key(&monitors_id()) {
            // What could not be read may well have been the pipeline.
            if self.problems.is_empty() && self.root.entry("monitors").is_some() {
                let message = "is empty, so there is nothing to run: name a process such as \
                               `{name: orders, endpoint: http://localhost:6060, heap: {}}`";
                self.problem(Path::of(&["monitors"]), message.into());
            } else if self.problems.is_empty() {
                let message = "there is nothing to run: name a pipeline such as \
                               `profiles: {receivers: [pprof], exporters: [parquet]}`, or \
                               `monitors` at the top";
                self.problem(pipelines, message.into());
            }
            return;
        }
        let exporters = &mut self.config.exporters;
        if exporters.is_empty() {
            for (kind, config) in [
                ("parquet", exporter::Config::Parquet(Default::default())),
                ("ui", exporter::Config::Ui(Default::default())),
            ] {
                exporters.insert(ComponentId::of(kind), config);
            }
        }
        let pipeline = Pipeline {
            receivers: self.config.receivers.keys().cloned().collect(),
            processors: in_order(self.root, &self.config.processors),
            exporters: exporters.keys().cloned().collect(),
        };
        self.config.service.pipelines.insert(ComponentId::of("profiles"), pipeline);
    }

    /// Pages need a lake: without any in the file there is a small one.
    fn add_lake_for_pages(&mut self) {
        let Config { exporters, service, .. } = &mut self.config;
        let is_lake = |config: &exporter::Config| matches!(config, exporter::Config::Parquet(_));
        if exporters.values().any(is_lake) || lost(self.root, "exporters") {
            return;
        }
        let pages: BTreeSet<_> = exporters
            .iter()
            .filter(|(_, config)| matches!(config, exporter::Config::Ui(_)))
            .map(|(id, _)| id.clone())
            .collect();
        let lake = ComponentId::of("parquet");
        let mut shown = false;
        for pipeline in service.pipelines.values_mut() {
            if pipeline.exporters.iter().any(|id| pages.contains(id)) {
                pipeline.exporters.push(lake.clone());
                shown = true;
            }
        }
        if shown {
            let retention = Retention::implied();
            let config = exporter::parquet::Config { retention, ..Default::default() };
            exporters.insert(lake, exporter::Config::Parquet(config));
        }
    }

    /// Fills in what the config leaves open, and lets flags win.
    fn set_paths_and_endpoints(&mut self) {
        let options = self.options;
        let mut flags = (options.web_host.as_deref(), options.web_port);
        for (id, config) in &mut self.config.exporters {
            match config {
                exporter::Config::Parquet(config) => {
                    let default = match &id.name {
                        Some(name) => options.data_dir.join("lakes").join(name),
                        None => options.data_dir.join("lake"),
                    };
                    config.path.get_or_insert(default);
                }
                exporter::Config::Ui(config) => {
                    // Flags are for one server of pages: the first.
                    let (host, port) = std::mem::take(&mut flags);
                    let Some((own_host, own_port)) = config.host_port() else { continue };
                    let (host, port) = (host.unwrap_or(own_host), port.unwrap_or(own_port));
                    let bare = host.trim_start_matches('[').trim_end_matches(']');
                    config.endpoint = match bare.contains(':') {
                        true => format!("[{bare}]:{port}"),
                        false => format!("{bare}:{port}"),
                    };
                }
                exporter::Config::Debug(_)
                | exporter::Config::OtlpGrpc(_)
                | exporter::Config::OtlpHttp(_) => {}
            }
        }
        if flags != (None, None) {
            let message = "there is no exporter `ui`, so --web-host and --web-port do nothing";
            self.warnings.push(self.root.problem(Path::default(), message));
        }
    }

    /// Every id in a pipeline must be there, once; what no pipeline names is odd.
    fn check_references(&mut self) {
        let sections = [
            ("receivers", names(&self.config.receivers)),
            ("processors", names(&self.config.processors)),
            ("exporters", names(&self.config.exporters)),
        ];
        let pipelines = std::mem::take(&mut self.config.service.pipelines);
        for (section, known) in sections {
            let mut used = BTreeSet::new();
            for (name, pipeline) in &pipelines {
                let before = used.clone();
                let path = Path::of(&["service", "pipelines", &name.to_string(), section]);
                let ids = match section {
                    "receivers" => &pipeline.receivers,
                    "processors" => &pipeline.processors,
                    _ => &pipeline.exporters,
                };
                self.check_list(section, &known, ids, &path);
                if section == "receivers" && twins::first(&pipelines, name) == Some(name) {
                    self.check_single(ids, &before, &path);
                }
                used.extend(ids.iter().map(ComponentId::to_string));
            }
            for id in known.iter().filter(|id| !used.contains(*id)) {
                let path = Path::of(&[section, id]);
                self.warnings.push(self.root.problem(path, "is in no pipeline, so it is not used"));
            }
        }
        self.config.service.pipelines = pipelines;
    }

    /// Two pipelines would share what is pushed to a receiver between them, and ask each target
    /// twice.
    fn check_single(&mut self, ids: &[ComponentId], before: &BTreeSet<String>, path: &Path) {
        for (index, id) in ids.iter().enumerate().filter(|(_, id)| before.contains(&id.to_string()))
        {
            let message = format!(
                "`{id}` is in another pipeline: both must have the same receivers and processors"
            );
            self.problem(path.index(index), message);
        }
    }

    fn check_list(&mut self, section: &str, known: &[String], ids: &[ComponentId], path: &Path) {
        if ids.is_empty() && section != "processors" && !self.root.has_struck(path) {
            let what = section.trim_end_matches('s');
            self.problem(path.clone(), format!("a pipeline needs at least one {what}"));
        }
        for (index, id) in ids.iter().enumerate() {
            let (text, path) = (id.to_string(), path.index(index));
            let declared = self.root.entry(section).is_some_and(|s| s.node.entry(&text).is_some());
            if ids[..index].contains(id) {
                self.problem(path, format!("`{text}` is listed twice"));
            } else if *id == monitors_id() && !known.contains(&text) && !declared {
                let message = format!("`{text}` is made by `monitors`, and there are none");
                self.problem(path, message);
            } else if !known.contains(&text) && !declared {
                let suggestion = suggestion(&text, known);
                self.problem(path, format!("there is no `{text}` under `{section}`{suggestion}"));
            }
        }
    }

    /// The servers of pages that a pipeline names, each with its lake.
    fn pages(&mut self) -> Vec<UiSpec> {
        let used: BTreeSet<_> =
            self.config.service.pipelines.values().flat_map(|p| &p.exporters).cloned().collect();
        let mut lakes = BTreeMap::new();
        let mut pages = Vec::new();
        for (id, config) in self.config.exporters.iter().filter(|(id, _)| used.contains(*id)) {
            match config {
                exporter::Config::Parquet(parquet) => {
                    lakes.insert(id.to_string(), (id.clone(), parquet.path.clone()));
                }
                exporter::Config::Ui(ui) => pages.push((id.clone(), ui.clone())),
                exporter::Config::Debug(_)
                | exporter::Config::OtlpGrpc(_)
                | exporter::Config::OtlpHttp(_) => {}
            }
        }
        let mut specs = Vec::new();
        let pipelines = Path::of(&["service", "pipelines"]);
        for (id, config) in pages {
            let chosen = match &config.lake {
                Some(lake) => lakes.get(lake),
                None if lakes.len() == 1 => lakes.values().next(),
                None => None,
            };
            if let Some((lake, Some(path))) = chosen.cloned() {
                specs.push(UiSpec { id, config, lake, lake_path: path });
            } else if !lost(self.root, "exporters") && !self.root.has_struck(&pipelines) {
                let (path, known) = (Path::of(&["exporters", &id.to_string()]), names(&lakes));
                let message = match &config.lake {
                    Some(lake) => format!(
                        "there is no lake `{lake}` in a pipeline{}",
                        suggestion(lake, &known)
                    ),
                    None if known.is_empty() => "no pipeline has a lake to show".into(),
                    None => format!("must name the lake to show{}", suggestion("", &known)),
                };
                self.problem(path.key("lake"), message);
            }
        }
        specs
    }

    fn pipelines(&self) -> Vec<PipelineSpec> {
        let Config { receivers, processors, exporters, service, .. } = &self.config;
        let pipelines = service.pipelines.iter().map(|(name, pipeline)| PipelineSpec {
            name: name.to_string(),
            receivers: chosen(&pipeline.receivers, receivers),
            processors: chosen(&pipeline.processors, processors),
            exporters: chosen(&pipeline.exporters, exporters)
                .into_iter()
                .filter(|(_, config)| !matches!(config, exporter::Config::Ui(_)))
                .collect(),
        });
        pipelines.collect()
    }
}

fn monitors_id() -> ComponentId {
    ComponentId { kind: MONITORS.0.into(), name: Some(MONITORS.1.into()) }
}

/// Whether a whole component could not be read, so that what is missing may be there.
fn lost(root: &Node, section: &str) -> bool {
    let path = Path::of(&[section]);
    let components = root.entry(section).map(|section| section.node.entries()).unwrap_or_default();
    root.is_struck(&path) || components.iter().any(|entry| root.is_struck(&path.key(&entry.key)))
}

/// Ids of components as they stand in the file, which is the order in which processors work where
/// nothing else says one.
fn in_order<T>(root: &Node, known: &BTreeMap<ComponentId, T>) -> Vec<ComponentId> {
    let entries = root.entry("processors").map(|entry| entry.node.entries()).unwrap_or_default();
    let ids = entries.iter().filter_map(|entry| entry.key.parse().ok());
    ids.filter(|id| known.contains_key(id)).collect()
}

fn names<K: ToString, V>(map: &BTreeMap<K, V>) -> Vec<String> {
    map.keys().map(K::to_string).collect()
}

fn chosen<T: Clone>(
    ids: &[ComponentId],
    components: &BTreeMap<ComponentId, T>,
) -> Vec<(ComponentId, T)> {
    let found = |id: &ComponentId| Some((id.clone(), components.get(id)?.clone()));
    ids.iter().filter_map(found).collect()
}
