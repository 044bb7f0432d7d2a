//! The columns of each table, and their indexes as constants for those who write or scan them.

use super::{Column, Kind, Table};

const fn time(name: &'static str, meaning: &'static str) -> Column {
    Column::new(name, Kind::Time, meaning)
}

const fn int(name: &'static str, meaning: &'static str) -> Column {
    Column::new(name, Kind::Int, meaning)
}

const fn text(name: &'static str, meaning: &'static str) -> Column {
    Column::new(name, Kind::Text, meaning)
}

const fn map(name: &'static str, meaning: &'static str) -> Column {
    Column::new(name, Kind::Map, meaning)
}

/// One constant per name, counting up: the indexes of a table's columns.
macro_rules! indexes {
    ($($name:ident)+) => { indexes!(@ 0usize; $($name)+); };
    (@ $index:expr; $name:ident $($rest:ident)*) => {
        #[doc = concat!("Index of the column of this name: `", stringify!($name), "`.")]
        pub const $name: usize = $index;
        indexes!(@ $index + 1; $($rest)*);
    };
    (@ $index:expr;) => {
        /// Number of columns.
        pub const COLUMNS: usize = $index;
    };
}

/// Column indexes of [`SAMPLES`].
pub mod samples {
    indexes! {
        TIME DURATION_NS SERVICE SERVICE_VERSION NAMESPACE INSTANCE HOST PROFILE SAMPLE_TYPE UNIT
        VALUE COUNT TEMPORALITY PERIOD FUNCTION FILE STACK STACK_LINES STACK_FILES STACK_ID
        BUILD_ID LABELS RESOURCE TRACE_ID SPAN_ID PROFILE_ID
    }
}

/// Column indexes of [`PROFILES`].
pub mod profiles {
    indexes! {
        PROFILE_ID TIME DURATION_NS SERVICE SERVICE_VERSION NAMESPACE INSTANCE HOST PROFILE
        SAMPLE_TYPE UNIT TEMPORALITY PERIOD PERIOD_TYPE PERIOD_UNIT DEFAULT_TYPE COMMENTS
        LABEL_UNITS TOTAL SAMPLES SOURCE INGEST_TIME BUILD_ID RESOURCE
    }
}

/// Column indexes of [`FUNCTIONS`].
pub mod functions {
    indexes! { FUNCTION BUILD_ID SYSTEM_NAME FILE START_LINE }
}

const SERVICE: Column = text("service", "`service.name`, else `unknown_service`").stats();
const VERSION: Column = text("service_version", "`service.version`").nullable();
const NAMESPACE: Column =
    text("namespace", "`service.namespace`, else `k8s.namespace.name`").nullable().stats();
const INSTANCE: Column =
    text("instance", "`service.instance.id`, else `k8s.pod.name`").nullable().stats();
const HOST: Column = text("host", "`host.name`, else `k8s.node.name`").nullable();
const PROFILE: Column = text(
    "profile",
    "`cpu`, `heap`, `mutex`, `block`, `goroutine`, `threadcreate`, or a custom name",
)
.stats();
const TEMPORALITY: Column = text(
    "temporality",
    "`delta`: values add over time; `instant`: a gauge; `cumulative`: a total since the start \
     of the process",
);
const BUILD_ID: Column = text("build_id", "build id of the main binary").nullable();
const RESOURCE: Column = map("resource", "all resource attributes, sorted by key");

/// One row per window × sample type × stack × label set.
pub const SAMPLES: Table = Table {
    name: "samples",
    columns: &[
        time("time", "start of the window that the value covers").stats(),
        int("duration_ns", "length of the window, nanoseconds; 0 for a snapshot"),
        SERVICE,
        VERSION,
        NAMESPACE,
        INSTANCE,
        HOST,
        PROFILE,
        text("sample_type", "`cpu`, `alloc_space`, `inuse_space`, `delay`, `goroutine`, …").stats(),
        text("unit", "unit of `value` as pprof gives it: `nanoseconds`, `bytes`, `count`"),
        int("value", "the measured value, in `unit`"),
        int("count", "its twin: samples of `cpu`, objects of `*_space`, contentions of `delay`")
            .nullable(),
        TEMPORALITY,
        int("period", "one sample stands for this much; its unit is in `profiles`").nullable(),
        text("function", "the leaf function; empty for an empty stack").stats(),
        text("file", "the leaf function's source file").nullable(),
        text("stack", "names from root to leaf joined by `;`; a `;` in a name is a `:` here"),
        text("stack_lines", "line numbers in the same order joined by `;`; 0 is unknown")
            .nullable(),
        text(
            "stack_files",
            "source files in the same order joined by `;`, only where a name in the stack has \
             several files in one build",
        )
        .nullable(),
        int("stack_id", "hash of names, files and lines: tells stacks apart down to the line"),
        BUILD_ID,
        map(
            "labels",
            "sample labels sorted by key; numbers as decimal text; several values of one key \
             joined by `,`; `trace_id` and `span_id` stand in their own columns",
        ),
        RESOURCE,
        text("trace_id", "trace of the sample, hex").nullable(),
        text("span_id", "span of the sample, hex").nullable(),
        text("profile_id", "the profile it came in, 32 hex digits"),
    ],
    sorted_by: &[
        samples::SERVICE,
        samples::PROFILE,
        samples::SAMPLE_TYPE,
        samples::STACK,
        samples::STACK_ID,
    ],
};

/// One row per profile × sample type, empty windows included.
pub const PROFILES: Table = Table {
    name: "profiles",
    columns: &[
        text("profile_id", "identity: hash of content, name and resource, 32 hex digits"),
        time("time", "start of the window").stats(),
        int("duration_ns", "length of the window, nanoseconds; 0 for a snapshot"),
        SERVICE,
        VERSION,
        NAMESPACE,
        INSTANCE,
        HOST,
        PROFILE,
        text("sample_type", "each type of the profile, those that `samples` shows as `count` too")
            .stats(),
        text("unit", "unit of the sample type"),
        TEMPORALITY,
        int("period", "one sample stands for this much of `period_type`").nullable(),
        text("period_type", "what the period counts: `cpu`, `space`").nullable(),
        text("period_unit", "unit of `period`: `nanoseconds`, `bytes`").nullable(),
        text("default_type", "the sample type that the profile shows first"),
        text("comments", "comments of the profile, a line each").nullable(),
        map("label_units", "units of numeric labels, by key; empty for plain numbers"),
        int("total", "sum of all values, within the range of int64"),
        int("samples", "samples whose value is not 0"),
        text("source", "receiver and peer that it came from").nullable(),
        time("ingest_time", "when it was accepted"),
        BUILD_ID,
        RESOURCE,
    ],
    sorted_by: &[profiles::SERVICE, profiles::PROFILE, profiles::SAMPLE_TYPE, profiles::TIME],
};

/// One row per function and build: what `samples` leaves out.
pub const FUNCTIONS: Table = Table {
    name: "functions",
    columns: &[
        text("function", "the name, as a frame of `stack` has it").stats(),
        BUILD_ID,
        text("system_name", "the name in the binary, where it is another").nullable(),
        text("file", "source file").nullable(),
        int("start_line", "first line of the function").nullable(),
    ],
    sorted_by: &[functions::FUNCTION],
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constants_name_their_columns() {
        assert_eq!(samples::COLUMNS, SAMPLES.columns.len());
        assert_eq!(profiles::COLUMNS, PROFILES.columns.len());
        assert_eq!(functions::COLUMNS, FUNCTIONS.columns.len());
        for (table, index, name) in [
            (&SAMPLES, samples::PERIOD, "period"),
            (&SAMPLES, samples::LABELS, "labels"),
            (&SAMPLES, samples::PROFILE_ID, "profile_id"),
            (&PROFILES, profiles::DEFAULT_TYPE, "default_type"),
            (&PROFILES, profiles::LABEL_UNITS, "label_units"),
            (&PROFILES, profiles::RESOURCE, "resource"),
            (&FUNCTIONS, functions::START_LINE, "start_line"),
        ] {
            assert_eq!((table.columns[index].name, table.column(name)), (name, Some(index)));
        }
        assert_eq!((SAMPLES.leaf(samples::LABELS), SAMPLES.leaf(samples::PROFILE_ID)), (21, 27));
    }
}
