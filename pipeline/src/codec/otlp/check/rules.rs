//! The rules, by name.

use std::fmt;

/// Whose rule it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The profiling SIG: the specification, as `profcheck` has it.
    Sig,
    /// Parca refuses what breaks it.
    Parca,
    /// Pyroscope refuses what breaks it.
    Pyroscope,
}

impl Source {
    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sig => "sig",
            Self::Parca => "parca",
            Self::Pyroscope => "pyroscope",
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Makes the enum, its list, names, sources and demands out of one table.
macro_rules! rules {
    ($($rule:ident $name:literal $source:ident $demand:literal;)*) => {
        /// A rule.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Rule {
            $(#[doc = $demand] $rule,)*
        }

        impl Rule {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$rule),*];

            /// Its name: lower case, words joined by `_`.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$rule => $name,)* }
            }

            /// Whose it is.
            pub const fn source(self) -> Source {
                match self { $(Self::$rule => Source::$source,)* }
            }

            /// What it demands.
            pub const fn demand(self) -> &'static str {
                match self { $(Self::$rule => $demand,)* }
            }
        }
    };
}

rules! {
    Wire "wire" Sig "a message is protobuf of OTLP profiles 1.10";
    Utf8 "utf8" Sig "text is UTF-8";
    ResourceProfilesEmpty "resource_profiles_empty" Sig "a message has resource profiles";
    ScopeProfilesEmpty "scope_profiles_empty" Sig "resource profiles have scope profiles";
    ProfilesEmpty "profiles_empty" Sig "scope profiles have profiles";
    TableEmpty "table_empty" Sig "every table of the dictionary has entry 0";
    TableZero "table_zero" Sig "entry 0 of every table is the empty one";
    IndexRange "index_range" Sig "an index names an entry";
    AttributeKeyUnique "attribute_key_unique" Sig "a message has one attribute of a key";
    AttributeReference "attribute_reference" Sig
        "a key stands in place or is a reference, not both";
    OriginalPayload "original_payload" Sig "an original has its format, and the other way round";
    MappingRange "mapping_range" Sig "a mapping starts before its limit, or both are 0";
    LineNegative "line_negative" Sig "lines and columns are not below 0";
    LinkIds "link_ids" Sig "a link has 16 bytes of trace id and 8 of span id";
    SampleValues "sample_values" Sig
        "a sample has one value, or times, or as many values as times";
    SampleShape "sample_shape" Sig "all samples of a profile have values, or times, or both";
    TimestampRange "timestamp_range" Sig "times of samples are within the time of the profile";
    DictionaryDuplicate "dictionary_duplicate" Sig "the dictionary has no entry twice";
    DictionaryOrphan "dictionary_orphan" Sig "every entry of the dictionary is referred to";
    DictionaryMissing "dictionary_missing" Parca "a message has a dictionary";
    SamplesEmpty "samples_empty" Parca "a profile has samples";
    SampleTypeMissing "sample_type_missing" Parca "a profile has a sample type";
    PeriodTypeMissing "period_type_missing" Parca "a profile has a period type";
    PeriodNegative "period_negative" Parca "a period is not below 0";
    ProfileId "profile_id" Parca "a profile id is none, or 16 bytes that are not all 0";
    AttributeKeyMissing "attribute_key_missing" Parca "an attribute has a key";
    AttributeValueMissing "attribute_value_missing" Parca "an attribute has a value";
    AttributeInline "attribute_inline" Parca
        "keys and texts of attributes stand in place where a message is sent as it is";
    ValuesWithPeriod "values_with_period" Pyroscope
        "a sample of a profile with a period has one value";
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
