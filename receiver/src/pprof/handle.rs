//! What can be told to a `pprof` receiver that runs: another list of targets. Targets that are in
//! both keep their scrape loop and the window that is under way.

use std::sync::Arc;

use tokio::sync::watch;

use super::{Config, ScrapeTarget};

/// The list of targets of one receiver, as the receiver sees it.
#[derive(Debug)]
pub struct Handle {
    id: String,
    config: Config,
    targets: watch::Sender<Arc<[ScrapeTarget]>>,
}

impl Handle {
    pub(super) fn new(id: &str, config: &Config) -> Self {
        let targets = watch::Sender::new(config.scrape_targets(id).into());
        Self { id: id.to_owned(), config: config.clone(), targets }
    }

    pub(super) fn targets(&self) -> watch::Receiver<Arc<[ScrapeTarget]>> {
        self.targets.subscribe()
    }

    /// Whether another config differs in no more than what targets say.
    pub fn can_follow(&self, config: &Config) -> bool {
        frame(&self.config) == frame(config)
    }

    /// Goes over to another config. `false`, and nothing changes, where it cannot.
    pub fn follow(&mut self, config: &Config) -> bool {
        if !self.can_follow(config) {
            return false;
        }
        if self.config == *config {
            return true;
        }
        self.config = config.clone();
        self.targets.send_replace(self.config.scrape_targets(&self.id).into());
        true
    }
}

/// What all scrapes of the receiver share. Every other key must end in the targets; a new one has
/// to be put on one side here.
fn frame(config: &Config) -> impl PartialEq {
    let Config {
        limits,
        auth: _,
        interval: _,
        timeout: _,
        scheme: _,
        params: _,
        tls_config: _,
        basic_auth: _,
        authorization: _,
        http_headers: _,
        follow_redirects: _,
        profiles: _,
        static_configs: _,
        targets_max: _,
        later: _,
        targets: _,
    } = config;
    *limits
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn targets_are_followed_and_limits_are_not() {
        let config = |value| serde_json::from_value::<Config>(value).unwrap();
        let first = config(json!({"static_configs": [{"targets": ["h:1"]}]}));
        let mut handle = Handle::new("pprof", &first);
        let mut targets = handle.targets();
        assert!(handle.follow(&first) && !targets.has_changed().unwrap());

        let second = json!({"interval": "20s", "static_configs": [{"targets": ["h:1", "h:2"]}]});
        assert!(handle.follow(&config(second)) && targets.has_changed().unwrap());
        let seen = targets.borrow_and_update();
        assert_eq!(seen.len(), 2);
        assert_eq!(seen[0].profiles[0].period().as_secs(), 20);
        drop(seen);

        let limits = json!({"limits": {"samples_max": 5}});
        assert!(!handle.follow(&config(limits)) && !targets.has_changed().unwrap());
    }
}
