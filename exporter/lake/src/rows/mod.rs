//! A batch of profiles as rows of the three tables: windows, series and samples, all by id.

mod budget;
mod cut;
mod functions;
mod profiles;
mod samples;
mod sort;
mod store;

use pipeline::{
    matcher::FIXED_KEYS,
    profile::{LabelValue, Profile, SampleType, kind},
};

use crate::symbols::{Local, Symbols};
use budget::Budget;

pub use functions::{Functions, column as function_column};
pub use profiles::ProfileRows;
pub use samples::SampleRows;
pub use sort::Space;
use store::{Row, Rows};

/// One sample type of one window that has rows of its own.
#[derive(Clone, Copy, Debug)]
pub struct Series {
    /// Index of the window.
    pub window: u32,
    /// The type.
    pub kind: Kind,
    /// Whether a twin gives the count.
    pub counted: bool,
}

/// A sample type by string ids.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    /// The name.
    pub name: u32,
    /// The unit.
    pub unit: u32,
    /// The temporality.
    pub temporality: u32,
}

/// What a profile says as a whole; texts are string ids, 0 is none.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    /// Identity of the profile.
    pub id: u128,
    /// Start in microseconds since 1970.
    pub time_us: i64,
    /// When it was accepted, microseconds since 1970.
    pub ingest_us: i64,
    /// Length in nanoseconds.
    pub duration_ns: i64,
    /// The service and its version, namespace, instance and host.
    pub target: [u32; 5],
    /// Name of the profile.
    pub profile: u32,
    /// Sampling period; 0 is none.
    pub period: i64,
    /// Type and unit of the period.
    pub period_type: [u32; 2],
    /// Name of the sample type to show first.
    pub default_type: u32,
    /// Comments, a line each.
    pub comments: u32,
    /// Units of numeric labels, as a set of pairs.
    pub label_units: u32,
    /// Where it came from.
    pub source: u32,
    /// Build id of the main binary.
    pub build_id: u32,
    /// Resource attributes, as a set of pairs.
    pub resource: u32,
}

/// A row of the table `profiles`.
#[derive(Clone, Copy, Debug)]
pub struct Total {
    /// Index of the window.
    pub window: u32,
    /// The type.
    pub kind: Kind,
    /// Sum of the values.
    pub total: i128,
    /// Samples whose value is not 0.
    pub samples: i64,
}

/// The rows of some profiles. Ids are those of one [`Symbols`].
pub struct Batch {
    windows: Vec<Window>,
    totals: Vec<Total>,
    series: Vec<Series>,
    rows: Rows,
    functions: functions::Used,
    keep_bytes_label: bool,
    folded_bytes_max: usize,
}

/// Where the values of a series stand in a sample.
struct Pair {
    series: u32,
    value: usize,
    count: Option<usize>,
}

/// Bytes of all comments of a profile that are kept.
const COMMENTS_BYTES_MAX: usize = 64 << 10;

/// Samples whose stacks are looked up together, and rows that are.
const BLOCK: usize = 32;

/// In place of a unit: the string is not the key of a numeric label.
const NO_NUMBER: u32 = u32::MAX;

impl Batch {
    /// An empty batch. Go's numeric label `bytes` multiplies the rows of heap profiles, so it is
    /// kept only on demand.
    pub fn new(keep_bytes_label: bool) -> Self {
        Self {
            windows: Vec::new(),
            totals: Vec::new(),
            series: Vec::new(),
            rows: Rows::default(),
            functions: functions::Used::default(),
            keep_bytes_label,
            folded_bytes_max: budget::FOLDED_BYTES_MAX,
        }
    }

    /// Drops all rows; some of their memory stays.
    pub fn clear(&mut self) {
        self.windows.clear();
        self.totals.clear();
        self.series.clear();
        self.rows.clear();
        self.functions = functions::Used::default();
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Adds a profile whose window started and that was accepted at these times.
    pub fn add(
        &mut self,
        symbols: &mut Symbols,
        local: &mut Local,
        profile: &Profile,
        start_ns: i64,
        ingest_ns: i64,
    ) {
        local.load(symbols, profile);
        let mut window = self.window(symbols, local, profile);
        window.time_us = start_ns.div_euclid(1000);
        window.ingest_us = ingest_ns.div_euclid(1000);
        self.functions.add(window.build_id, local.functions());
        let index = self.windows.len() as u32;
        self.windows.push(window);
        let types = &profile.meta.sample_types;
        let kinds: Vec<Kind> = types.iter().map(|t| kind_of(symbols, local, t)).collect();
        let first = self.totals.len();
        let total = |kind: &Kind| Total { window: index, kind: *kind, total: 0, samples: 0 };
        self.totals.extend(kinds.iter().map(total));
        let twins = twins(profile);
        let mut pairs = Vec::new();
        for (value, kind) in kinds.iter().enumerate().filter(|(i, _)| twins[*i].is_none()) {
            let count = twins.iter().position(|twin| *twin == Some(value));
            pairs.push(Pair { series: self.series.len() as u32, value, count });
            self.series.push(Series { window: index, kind: *kind, counted: count.is_some() });
        }
        self.add_samples(symbols, local, profile, &pairs, first);
    }

    fn add_samples(
        &mut self,
        symbols: &mut Symbols,
        local: &mut Local,
        profile: &Profile,
        pairs: &[Pair],
        first: usize,
    ) {
        let samples = profile.samples();
        let types = profile.meta.sample_types.len();
        let totals = &mut self.totals[first..];
        let mut budget = Budget::new(symbols, local, profile, self.folded_bytes_max);
        let (mut locations, mut hashes, mut ends) = (Vec::new(), Vec::new(), Vec::new());
        for (block, stacks) in samples.stacks.chunks(BLOCK).enumerate() {
            locations.clear();
            hashes.clear();
            ends.clear();
            for stack in stacks {
                let start = locations.len();
                local.push_stack(profile.stacks().get(*stack), &mut locations);
                let mut hash = symbols.hash_stack(&locations[start..]);
                if let Some(budget) = &mut budget
                    && !budget.admits(symbols, hash, &locations[start..])
                {
                    locations.truncate(start);
                    locations.push(symbols.cut_location());
                    hash = symbols.hash_stack(&locations[start..]);
                }
                hashes.push(hash);
                ends.push(locations.len());
            }
            symbols.touch(&hashes);
            let mut start = 0;
            for (i, (hash, end)) in hashes.iter().zip(&ends).enumerate() {
                let stack = symbols.stack(*hash, &locations[start..*end]);
                start = *end;
                let sample = block * BLOCK + i;
                let labels = match samples.label_sets[sample] {
                    0 => 0,
                    set => local.set(symbols, profile, set, self.keep_bytes_label),
                };
                let values = &samples.values[sample * types..(sample + 1) * types];
                for (total, value) in totals.iter_mut().zip(values) {
                    total.total += i128::from(*value);
                    total.samples += i64::from(*value != 0);
                }
                for pair in pairs {
                    let value = values[pair.value];
                    let count = pair.count.map_or(0, |count| values[count]);
                    if value != 0 || count != 0 {
                        let row = Row { series: pair.series, stack, value, count };
                        self.rows.push(row, labels);
                    }
                }
            }
        }
    }

    /// The rows of the table `functions`.
    pub fn functions(&self, symbols: &mut Symbols) -> Functions {
        Functions::new(symbols, &self.functions)
    }

    fn window(&self, symbols: &mut Symbols, local: &Local, profile: &Profile) -> Window {
        let meta = &profile.meta;
        let resource = &meta.resource;
        let target = FIXED_KEYS.map(|key| resource.column(key).unwrap_or_default());
        let comments: Vec<&str> = meta.comments.iter().map(|text| profile.text(*text)).collect();
        let comments = comments.join("\n");
        let cut = comments.floor_char_boundary(COMMENTS_BYTES_MAX);
        let source = [meta.origin.receiver.as_str(), meta.origin.peer.as_str()].join(" ");
        // What the profile says stands also where this part of it lacks the type.
        let last = meta.sample_types.last().map_or(0, |t| t.kind);
        let default_type = if meta.default_type == 0 { last } else { meta.default_type };
        let units = self.label_units(profile);
        Window {
            id: profile.id().0,
            time_us: 0,
            ingest_us: 0,
            duration_ns: meta.duration_ns,
            target: target.map(|text| symbols.strings.intern(text)),
            profile: symbols.strings.intern(&meta.name),
            period: meta.period,
            period_type: [meta.period_type.0, meta.period_type.1].map(|text| local.string(text)),
            default_type: local.string(default_type),
            comments: symbols.strings.intern(&comments[..cut]),
            label_units: symbols.map(units.into_iter()),
            source: symbols.strings.intern(source.trim()),
            build_id: profile
                .mappings()
                .first()
                .map_or(0, |mapping| local.string(mapping.build_id)),
            resource: symbols.map(resource.iter()),
        }
    }

    /// Units of numeric labels by key, none for plain numbers; of several the first one stays, as
    /// google/pprof has it.
    fn label_units<'a>(&self, profile: &'a Profile) -> Vec<(&'a str, &'a str)> {
        // By string index, because a profile may have nearly as many keys as labels.
        let (mut unit_of, mut keys) = (Vec::new(), Vec::new());
        let (labels, _) = profile.label_sets().parts();
        for label in labels {
            let LabelValue::Number(_, unit) = label.value else { continue };
            if unit_of.is_empty() {
                unit_of.resize(profile.strings().len(), NO_NUMBER);
            }
            let known = &mut unit_of[label.key as usize];
            if *known == NO_NUMBER {
                keys.push(label.key);
            }
            if matches!(*known, 0 | NO_NUMBER) {
                *known = unit;
            }
        }
        let mut units: Vec<(&str, &str)> = keys
            .into_iter()
            .map(|key| (profile.text(key), profile.text(unit_of[key as usize])))
            .filter(|(key, _)| self.keep_bytes_label || *key != "bytes")
            .collect();
        units.sort_by_key(|(key, unit)| (*key, unit.is_empty()));
        units.dedup_by(|a, b| a.0 == b.0);
        units
    }
}

fn kind_of(symbols: &mut Symbols, local: &Local, sample_type: &SampleType) -> Kind {
    Kind {
        name: local.string(sample_type.kind),
        unit: local.string(sample_type.unit),
        temporality: symbols.strings.intern(sample_type.temporality.as_str()),
    }
}

/// For each sample type the one whose count it is.
fn twins(profile: &Profile) -> Vec<Option<usize>> {
    let types = &profile.meta.sample_types;
    let twin = |counter: &SampleType| {
        let counted = kind::counts(profile.text(counter.kind));
        types.iter().position(|of| {
            of.temporality == counter.temporality && counted.contains(&profile.text(of.kind))
        })
    };
    let mut twins: Vec<Option<usize>> = types.iter().map(twin).collect();
    // One count per value: a second one has rows of its own.
    for i in 1..twins.len() {
        if twins[i].is_some() && twins[..i].contains(&twins[i]) {
            twins[i] = None;
        }
    }
    twins
}
