//! From the indexes of one profile to the ids of all.

use pipeline::profile::{Label, LabelValue, Profile};

use super::{Function, Symbols, pair};

/// The labels that stand in columns of their own.
const TRACE_ID: &str = "trace_id";
const SPAN_ID: &str = "span_id";
/// Go's numeric label on heap samples, which the lake keeps on demand only.
pub const SIZE_LABEL: &str = "bytes";

/// Longest text of several values of one key; without a limit a few long ones could be joined in
/// many ways. One of this length may have been cut anywhere.
pub const JOINED_BYTES_MAX: usize = 1 << 10;

/// Entries of a table that are looked up together, so that the misses of the cache overlap.
const BLOCK: usize = 32;

/// No id: a location without address and lines, or a set that was not asked for yet.
const NONE: u32 = u32::MAX;

/// Ids by index of a profile's own tables; kept from profile to profile for its space.
#[derive(Default)]
pub struct Local {
    strings: Vec<u32>,
    functions: Vec<u32>,
    locations: Vec<u32>,
    sets: Vec<u32>,
    /// The id of Go's label of the size of a heap sample, if the profile has its name.
    bytes_key: u32,
    words: Vec<u64>,
    longest: usize,
    most_lines: usize,
}

impl Local {
    /// Gives an id to every string, function and location of a profile.
    pub fn load(&mut self, symbols: &mut Symbols, profile: &Profile) {
        self.load_strings(symbols, profile);
        self.load_functions(symbols, profile);
        self.load_locations(symbols, profile);
        self.sets.clear();
        self.sets.resize(profile.label_sets().len(), NONE);
        self.sets[0] = 0;
    }

    fn load_strings(&mut self, symbols: &mut Symbols, profile: &Profile) {
        self.strings.clear();
        self.longest = 0;
        self.bytes_key = NONE;
        let bytes_hash = symbols.strings.hash(SIZE_LABEL);
        let (mut hashes, len) = ([0; BLOCK], profile.strings().len() as u32);
        for start in (0..len).step_by(BLOCK) {
            let block = start..len.min(start + BLOCK as u32);
            for (index, hash) in block.clone().zip(&mut hashes) {
                let text = profile.text(index);
                *hash = symbols.strings.hash(text);
                self.longest = self.longest.max(text.len());
            }
            symbols.strings.touch(&hashes);
            for (index, hash) in block.zip(&hashes) {
                let id = symbols.strings.intern_hashed(*hash, || profile.text(index));
                if *hash == bytes_hash {
                    self.bytes_key = id;
                }
                self.strings.push(id);
            }
        }
    }

    fn load_functions(&mut self, symbols: &mut Symbols, profile: &Profile) {
        self.functions.clear();
        let (mut given, mut hashes) = ([Function::default(); BLOCK], [0; BLOCK]);
        for block in profile.functions().chunks(BLOCK) {
            for (i, function) in block.iter().enumerate() {
                let [name, system_name, file] =
                    [function.name, function.system_name, function.file]
                        .map(|index| self.strings[index as usize]);
                let start_line = u32::try_from(function.start_line.max(0)).unwrap_or(u32::MAX);
                given[i] = Function { name, system_name, file, start_line };
                hashes[i] = symbols.hash_function(given[i]);
            }
            symbols.given.touch(&hashes);
            let ids = given.iter().zip(&hashes).take(block.len());
            self.functions.extend(ids.map(|(given, hash)| symbols.function_hashed(*hash, *given)));
        }
    }

    fn load_locations(&mut self, symbols: &mut Symbols, profile: &Profile) {
        self.locations.clear();
        self.most_lines = 1;
        let (mut ends, mut hashes) = ([0; BLOCK], [0; BLOCK]);
        let mut lines = profile.lines().iter();
        for block in profile.locations().chunks(BLOCK) {
            self.words.clear();
            for (i, (location, lines)) in block.iter().zip(&mut lines).enumerate() {
                let start = self.words.len();
                self.most_lines = self.most_lines.max(lines.len());
                let frames = lines
                    .iter()
                    .map(|line| Symbols::frame(self.functions[line.function as usize], line.line));
                self.words.extend(frames);
                if lines.is_empty() && location.address != 0 {
                    let name = symbols.strings.intern(&profile.unsymbolised(*location));
                    let function = Function { name, ..Function::default() };
                    self.words.push(Symbols::frame(symbols.function(function), 0));
                }
                ends[i] = self.words.len();
                hashes[i] = symbols.locations.hash(&self.words[start..]);
            }
            symbols.locations.touch(&hashes);
            let mut start = 0;
            for (hash, end) in hashes.iter().zip(&ends).take(block.len()) {
                let frames = &self.words[start..*end];
                start = *end;
                self.locations.push(match frames {
                    [] => NONE,
                    frames => symbols.locations.intern_hashed(*hash, frames),
                });
            }
        }
    }

    /// The id of a string.
    #[inline]
    pub fn string(&self, index: u32) -> u32 {
        self.strings[index as usize]
    }

    /// The functions of the profile by id.
    pub fn functions(&self) -> &[u32] {
        &self.functions
    }

    /// Bytes that no location's names pass, separators included.
    pub fn location_bytes_bound(&self) -> usize {
        // A name that is made of a mapping has up to 20 bytes more than its path.
        (self.longest + 20).saturating_mul(self.most_lines)
    }

    /// The locations of the profile by id.
    pub fn locations(&self) -> impl Iterator<Item = u32> {
        self.locations.iter().copied().filter(|location| *location != NONE)
    }

    /// Appends the ids of a stack's locations; those without address and lines are left out.
    #[inline]
    pub fn push_stack(&self, stack: &[u32], out: &mut Vec<u32>) {
        let start = out.len();
        out.extend(stack.iter().map(|location| self.locations[*location as usize]));
        if out[start..].contains(&NONE) {
            out.retain(|id| *id != NONE);
        }
    }

    /// The id of a label set. Numbers become decimal text; several values of a key are joined by
    /// `,` in their order.
    pub fn set(&mut self, symbols: &mut Symbols, profile: &Profile, set: u32, bytes: bool) -> u32 {
        if self.sets[set as usize] == NONE {
            self.sets[set as usize] = match profile.label_sets().get(set) {
                // Every sample of a heap profile has a set of its own with this label alone.
                [label] if !bytes && self.is_bytes(label) => 0,
                _ => self.given_set(symbols, profile, set, bytes),
            };
        }
        self.sets[set as usize]
    }

    fn given_set(
        &mut self,
        symbols: &mut Symbols,
        profile: &Profile,
        set: u32,
        bytes: bool,
    ) -> u32 {
        self.words.clear();
        self.words.push(u64::from(bytes));
        for label in profile.label_sets().get(set) {
            let key = self.string(label.key);
            match label.value {
                LabelValue::Text(text) => self.words.push(pair(key, self.string(text))),
                LabelValue::Number(number, _) => {
                    self.words.extend([pair(key, NONE), number as u64]);
                }
            }
        }
        let hash = symbols.sets.hash(&self.words);
        symbols.given_sets.find(hash).unwrap_or_else(|| {
            let id = self.new_set(symbols, profile, set, bytes);
            symbols.given_sets.insert(hash, id);
            id
        })
    }

    #[cold]
    fn new_set(&mut self, symbols: &mut Symbols, profile: &Profile, set: u32, bytes: bool) -> u32 {
        let mut labels: Vec<(&str, String)> = Vec::new();
        for label in profile.label_sets().get(set) {
            let key = profile.text(label.key);
            let value = match label.value {
                LabelValue::Text(text) => profile.text(text).to_string(),
                _ if !bytes && self.is_bytes(label) => continue,
                LabelValue::Number(number, _) => number.to_string(),
            };
            labels.push((key, value));
        }
        labels.sort_by(|a, b| a.0.cmp(b.0));
        labels.dedup_by(|next, kept| {
            let same = next.0 == kept.0;
            if same && kept.1.len() < JOINED_BYTES_MAX {
                kept.1.push(',');
                kept.1.push_str(&next.1);
                kept.1.truncate(kept.1.floor_char_boundary(JOINED_BYTES_MAX));
            }
            same
        });
        self.words.clear();
        let (mut trace, mut span) = (0, 0);
        for (key, value) in labels {
            let id = symbols.strings.intern(&value);
            match key {
                // An empty one is no link.
                TRACE_ID => trace = id,
                SPAN_ID => span = id,
                _ => self.words.push(pair(symbols.strings.intern(key), id)),
            }
        }
        self.words.insert(0, pair(trace, span));
        symbols.set(&self.words)
    }

    /// Whether it is Go's label of the size of a heap sample.
    fn is_bytes(&self, label: &Label) -> bool {
        let key = self.strings[label.key as usize];
        matches!(label.value, LabelValue::Number(..)) && key == self.bytes_key
    }
}

#[cfg(test)]
mod tests {
    use pipeline::{
        limits::Limits,
        profile::{Builder, Meta, SampleType, Temporality},
    };

    use super::*;

    fn labelled(sets: &[&[(&str, Result<&str, i64>)]]) -> Profile {
        let mut builder = Builder::new(&Limits::default());
        let temporality = Temporality::Delta;
        let sample_types = vec![SampleType { kind: 0, unit: 0, temporality }];
        for set in sets {
            for (key, value) in *set {
                let key = builder.string(key).unwrap();
                let value = match value {
                    Ok(text) => LabelValue::Text(builder.string(text).unwrap()),
                    Err(number) => LabelValue::Number(*number, 0),
                };
                builder.label(Label { key, value }).unwrap();
            }
            builder.value(1);
            builder.sample(&[]).unwrap();
        }
        builder.finish(Meta { sample_types, ..Meta::default() }).unwrap()
    }

    #[test]
    fn a_label_set_that_was_met_before_is_known_by_what_it_says() {
        let (mut symbols, mut local) = (Symbols::default(), Local::default());
        let sets: [&[_]; 5] = [
            &[("a", Ok("7"))],
            &[("a", Err(7))],
            &[("a", Ok("7")), ("bytes", Err(512))],
            &[("a", Ok("7")), ("bytes", Ok("512"))],
            &[("bytes", Err(512))],
        ];
        let profile = labelled(&sets);
        let mut all = |bytes: bool| {
            local.load(&mut symbols, &profile);
            [1, 2, 3, 4, 5].map(|set| local.set(&mut symbols, &profile, set, bytes))
        };
        let (kept, left_out) = (all(true), all(false));
        assert_eq!((all(true), all(false)), (kept, left_out));
        assert_eq!((kept[0], kept[2], left_out[2]), (kept[1], kept[3], kept[0]), "{kept:?}");
        assert!(kept[2] != kept[0] && left_out[3] == kept[3], "{kept:?} {left_out:?}");
        assert!(left_out[4] == 0 && kept[4] != 0, "{kept:?} {left_out:?}");
    }
}
