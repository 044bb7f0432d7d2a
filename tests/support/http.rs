//! Questions to a running profpipe, and its metrics as an account.

use std::{collections::BTreeMap, time::Duration};

use reqwest::{Client, header::HeaderMap};
use serde_json::Value;

use super::process::Running;

/// An answer as a whole.
pub struct Answer {
    /// Status code.
    pub status: u16,
    /// Headers.
    pub headers: HeaderMap,
    /// Body.
    pub body: Vec<u8>,
}

impl Answer {
    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8(self.body.clone()).expect("UTF-8")
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {}", self.text()))
    }

    /// A header as text; empty where it is missing.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("ASCII"))
    }
}

impl Running {
    /// Asks with these headers, besides those that the client sends itself.
    pub async fn get_with(
        &self,
        path: &str,
        headers: &[(&'static str, &str)],
    ) -> reqwest::Result<Answer> {
        let client = Client::builder().timeout(Duration::from_secs(30)).no_proxy().build()?;
        let mut request = client.get(format!("{}{path}", self.url));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = request.send().await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Ok(Answer { status, headers, body: response.bytes().await?.to_vec() })
    }

    /// Posts nothing with these headers.
    pub async fn post(&self, path: &str, headers: &[(&'static str, &str)]) -> Answer {
        let client = Client::builder().timeout(Duration::from_secs(60)).no_proxy().build().unwrap();
        let mut request = client.post(format!("{}{path}", self.url));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = request.send().await.unwrap_or_else(|error| panic!("{path}: {error:?}"));
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Answer { status, headers, body: response.bytes().await.unwrap().to_vec() }
    }

    /// Asks; a process that is going may not answer.
    pub async fn try_get(&self, path: &str) -> reqwest::Result<Answer> {
        self.get_with(path, &[]).await
    }

    /// Asks.
    pub async fn get(&self, path: &str) -> Answer {
        self.try_get(path).await.unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// Asks for JSON, which must come.
    pub async fn json(&self, path: &str) -> Value {
        let answer = self.get(path).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        answer.json()
    }

    /// The metrics of this moment.
    pub async fn account(&self) -> Account {
        match self.try_get("/metrics").await {
            Ok(answer) => Account::parse(&answer.text()),
            Err(error) => panic!("no metrics: {error:?}\n{}", self.log()),
        }
    }
}

/// Metrics: values by name and labels, as `name{label="value"}`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Account(BTreeMap<String, f64>);

impl Account {
    fn parse(text: &str) -> Self {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let parsed = lines.map(|line| {
            let (key, value) = line.rsplit_once(' ').expect("a name and a value");
            (key.to_owned(), value.parse().expect("a number"))
        });
        Self(parsed.collect())
    }

    /// The sum of a metric over the label sets that hold this text.
    pub fn sum(&self, name: &str, labels: &str) -> u64 {
        let named = self.0.iter().filter(|(key, _)| {
            let (metric, set) = key.split_once('{').unwrap_or((key, ""));
            metric == name && set.contains(labels)
        });
        named.map(|(_, value)| *value).sum::<f64>() as u64
    }

    /// What an exporter is answerable for.
    pub fn accepted(&self) -> u64 {
        self.sum("profpipe_exporter_accepted_profiles", "")
    }

    /// What its destination has.
    pub fn delivered(&self) -> u64 {
        self.sum("profpipe_exporter_delivered_profiles", "")
    }

    /// Scrapes of this process that ended well.
    pub fn scraped(&self) -> u64 {
        self.sum("profpipe_scrapes_total", r#"outcome="ok""#)
    }

    /// What waits in the spool.
    pub fn pending(&self) -> u64 {
        self.sum("profpipe_exporter_pending_profiles", "")
    }

    /// What was given up or set aside.
    pub fn lost(&self) -> u64 {
        self.sum("profpipe_exporter_dead_lettered_profiles", "")
            + self.sum("profpipe_exporter_dropped_profiles_total", "")
    }

    /// The conservation law.
    pub fn check(&self) {
        let sum = self.delivered() + self.pending() + self.lost();
        assert_eq!(self.accepted(), sum, "accepted = delivered + pending + lost: {self:#?}");
    }
}
