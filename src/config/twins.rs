//! Pipelines that share their receivers. The Collector gives each of them its own copy of what
//! comes in; here that is one pipeline with the exporters of both, as each exporter has a place of
//! its own in the spool.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    components::ComponentId,
    model::Pipeline,
    node::{Node, Path},
    problem::Problem,
};

type Pipelines = BTreeMap<ComponentId, Pipeline>;

/// The first pipeline with the receivers and processors of this one.
pub(crate) fn first<'a>(pipelines: &'a Pipelines, name: &ComponentId) -> Option<&'a ComponentId> {
    let one = pipelines.get(name)?;
    let receivers =
        |pipeline: &Pipeline| -> BTreeSet<_> { pipeline.receivers.iter().cloned().collect() };
    let same =
        |other: &Pipeline| receivers(other) == receivers(one) && other.processors == one.processors;
    pipelines.iter().find(|(_, other)| same(other)).map(|(first, _)| first)
}

/// Gives the exporters of each twin to the first pipeline of its kind.
pub(crate) fn join(pipelines: &mut Pipelines, root: &Node, warnings: &mut Vec<Problem>) {
    let firsts =
        pipelines.keys().filter_map(|name| Some((name.clone(), first(pipelines, name)?.clone())));
    let twins: Vec<_> = firsts.filter(|(name, first)| name != first).collect();
    for (name, first) in twins {
        let path = Path::of(&["service", "pipelines", &name.to_string()]);
        let message = format!("has the receivers and processors of `{first}`, so they run as one");
        warnings.push(root.problem(path, message));
        let Some(twin) = pipelines.remove(&name) else { continue };
        if let Some(pipeline) = pipelines.get_mut(&first) {
            let known = pipeline.exporters.clone();
            pipeline.exporters.extend(twin.exporters.into_iter().filter(|id| !known.contains(id)));
        }
    }
}
