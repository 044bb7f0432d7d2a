//! `diff`: what changed between two selections of the lake, or two files; and the gate for CI.

use std::path::PathBuf;

use anyhow::anyhow;
use clap::{Args, ValueEnum};
use lake::{Selection, matcher, time};
use pipeline::picture::{self, Sort, unit};

use super::{
    Failure,
    ask::{ask, tell},
    select::{FilterArgs, GaugeArgs, LakeArgs, SELECTION, SelectArgs, usage},
    view::{self, FlameFormat, TableFormat},
};
use crate::files::{self, Stacks};

/// Arguments of `diff`.
#[derive(Args, Debug)]
#[command(override_usage = "\
profpipe diff [OPTIONS]
       profpipe diff [OPTIONS] <BASE> <NEW>")]
#[command(after_help = "\
Without a flag for the base, it is the range of the same length before the selection.

Examples:
  profpipe diff --service orders --type cpu --since 1h --base-since 1d
  profpipe diff --service orders --type cpu -l 'service_version=\"2\"' \
      --base-l 'service_version=\"1\"'
  profpipe diff before.pb.gz after.pb.gz --fail-on +5%")]
pub struct DiffArgs {
    /// Two pprof files in place of the lake, the base first
    #[arg(value_name = "FILE", num_args = 2, conflicts_with_all = SELECTION)]
    files: Vec<PathBuf>,
    #[command(flatten)]
    lake: LakeArgs,
    #[command(flatten)]
    select: SelectArgs,
    #[command(flatten)]
    base: BaseArgs,
    #[command(flatten)]
    gauge: GaugeArgs,
    #[command(flatten)]
    filter: FilterArgs,
    /// Rows of a table; 0 shows all
    #[arg(short, default_value_t = 20)]
    n: usize,
    /// Sort by the change of what a function and all it calls cost
    #[arg(long)]
    cum: bool,
    /// File to write, or - for the standard output
    #[arg(short, long, value_name = "FILE", default_value = "-")]
    output: PathBuf,
    /// How it is written; else by the extension of -o, else as a table
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// Width of a picture in pixels
    #[arg(long, default_value_t = 1200, value_parser = clap::value_parser!(u32).range(100..=16384))]
    width: u32,
    /// End with exit code 1 where the total is more than this above the base (+5%) or below it
    /// (-5%)
    #[arg(long, value_name = "CHANGE", allow_hyphen_values = true, value_parser = Gate::parse)]
    fail_on: Option<Gate>,
}

/// What a selection is compared to. What is not said is as in the selection.
#[derive(Args, Debug)]
struct BaseArgs {
    /// The base begins so long ago, such as 1d, and is as long as the selection
    #[arg(long, value_name = "DURATION")]
    #[arg(conflicts_with_all = ["base_from", "base_to", "files"])]
    base_since: Option<String>,
    /// Start of the base
    #[arg(long, value_name = "TIME", conflicts_with = "files")]
    base_from: Option<String>,
    /// End of the base; with one of both, the base is as long as the selection
    #[arg(long, value_name = "TIME", conflicts_with = "files")]
    base_to: Option<String>,
    /// Label matchers of the base, in place of --labels
    #[arg(long = "base-l", alias = "base-labels", value_name = "MATCHERS")]
    #[arg(conflicts_with = "files")]
    base_labels: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Table,
    /// Values in the base unit, comma separated
    Csv,
    /// The table as one object
    Json,
    /// A line per stack: root;…;leaf base new
    Folded,
    /// A flame graph as a picture
    Svg,
    /// A flame graph as a page with zoom and search
    Html,
}

/// A change of the total that must not be.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Gate {
    falls: bool,
    percent: f64,
}

impl Gate {
    fn parse(text: &str) -> Result<Self, String> {
        let (falls, number) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let number = number.strip_suffix('%').map(str::parse::<f64>);
        match number {
            Some(Ok(percent)) if percent.is_finite() && percent >= 0.0 => {
                Ok(Self { falls, percent })
            }
            _ => Err("write it as +5% or -5%".to_owned()),
        }
    }

    /// Whether a total is beyond what is allowed.
    fn trips(self, base: i64, new: i64) -> bool {
        let (base, new) = (base as f64, new as f64);
        let change = if self.falls { base - new } else { new - base };
        change > base.abs() * self.percent / 100.0
    }
}

impl BaseArgs {
    /// The selection that another one is compared to.
    fn of(&self, selection: &Selection) -> Result<Selection, Failure> {
        let mut base = selection.clone();
        if let Some(labels) = &self.base_labels {
            base.matchers = matcher::parse_matchers(labels)
                .map_err(|error| usage(anyhow::Error::new(error).context("--base-l")))?;
        }
        let now_us = time::now_us();
        let at = |text: &Option<String>| {
            text.as_deref().map(|text| time::parse_time(text, now_us)).transpose().map_err(usage)
        };
        let since = self.base_since.as_deref().map(time::parse_duration);
        let since = since.transpose().map_err(usage)?.map(|since| now_us.saturating_sub(since));
        let (from, to) = (at(&self.base_from)?.or(since), at(&self.base_to)?);
        let range = selection.range;
        let length = match range.from_us {
            i64::MIN => None,
            from_us => range.to_us.checked_sub(from_us),
        };
        let (from_us, to_us) = match (from, to, length) {
            (Some(from), Some(to), _) => (from, to),
            (Some(from), None, Some(length)) => (from, from.saturating_add(length)),
            (None, Some(to), Some(length)) => (to.saturating_sub(length), to),
            // Other labels at the same time.
            (None, None, _) if self.base_labels.is_some() => (range.from_us, range.to_us),
            (None, None, Some(length)) => (range.from_us.saturating_sub(length), range.from_us),
            (_, _, None) => {
                let message = "the selection has no start that the base could end at: name \
                               --base-from and --base-to, or --base-l";
                return Err(usage(anyhow!(message)));
            }
        };
        base.range = time::TimeRange { from_us, to_us };
        match base.range.is_empty() {
            true => Err(usage(anyhow!("the base ends before it starts"))),
            false => Ok(base),
        }
    }
}

impl DiffArgs {
    fn stacks(&self) -> Result<Stacks, Failure> {
        if let [base, new] = &self.files[..] {
            return Ok(files::diff(base, new, self.select.type_spec()?.as_ref())?);
        }
        let selection = self.select.selection()?;
        let base = self.base.of(&selection)?;
        let (lake, gauge) = (self.lake.open()?, self.gauge.gauge);
        let flame = ask(|allowance| lake.diff(&selection, &base, gauge, allowance))?;
        let all = || flame.own.iter().chain(flame.base.iter().flatten());
        tell(&flame.notes, all().all(|value| *value == 0))?;
        Ok(Stacks::from(flame))
    }

    fn title(&self, stacks: &Stacks) -> String {
        let name =
            |file: &PathBuf| file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        match &self.files[..] {
            [base, new] => format!("{} {} against {}", name(new), stacks.kind, name(base)),
            _ => {
                let service = self.select.service.as_deref().unwrap_or("all services");
                format!("{service} {} against its base", stacks.kind)
            }
        }
    }

    fn format(&self) -> Result<Format, Failure> {
        if let Some(format) = self.format {
            return Ok(format);
        }
        if self.output.extension().is_some_and(|extension| extension == "csv") {
            return Ok(Format::Csv);
        }
        Ok(match view::flame_format(&self.output)? {
            Some(FlameFormat::Svg) => Format::Svg,
            Some(FlameFormat::Html) => Format::Html,
            Some(FlameFormat::Folded) => Format::Folded,
            Some(FlameFormat::Json) => Format::Json,
            None => Format::Table,
        })
    }
}

/// `profpipe diff`.
pub fn diff(args: &DiffArgs) -> Result<(), Failure> {
    let format = args.format()?;
    let stacks = args.stacks()?;
    let title = args.title(&stacks);
    let sort = if args.cum { Sort::Cum } else { Sort::Flat };
    let (bytes, new, base) = view::with_tree(&args.filter, &stacks, |tree| {
        let table = |format| view::write_table(&picture::top(tree, sort, args.n), &title, format);
        let draw = |format| view::draw(tree, &title, args.width, format);
        let bytes = match format {
            Format::Table => table(TableFormat::Table),
            Format::Csv => table(TableFormat::Csv),
            Format::Json => table(TableFormat::Json),
            Format::Folded => draw(FlameFormat::Folded),
            Format::Svg => draw(FlameFormat::Svg),
            Format::Html => draw(FlameFormat::Html),
        };
        let base = tree.base().map_or(0, |base| base.total(0));
        Ok((bytes?, tree.values().total(0), base))
    })?;
    view::write(&args.output, &bytes)?;
    match args.fail_on {
        Some(gate) if gate.trips(base, new) => {
            let show = |value| unit::human(value, &stacks.unit);
            let change = match base {
                0 => String::new(),
                base => format!(" ({:+.2}%)", (new as f64 / base as f64 - 1.0) * 100.0),
            };
            let sign = if gate.falls { '-' } else { '+' };
            Err(Failure::Failed(anyhow!(
                "{} went from {} to {}{change}, which is beyond {sign}{}%",
                stacks.kind,
                show(base),
                show(new),
                gate.percent
            )))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gates_are_percentages_of_the_base() {
        for (gate, base, new, trips) in [
            ("+5%", 100, 105, false),
            ("+5%", 100, 106, true),
            ("5%", 100, 106, true),
            ("+5%", 100, 10, false),
            ("-5%", 100, 95, false),
            ("-5%", 100, 94, true),
            ("-5%", 100, 200, false),
            ("+0%", 100, 101, true),
            ("+5%", 0, 0, false),
            ("+5%", 0, 1, true),
            ("+5%", -100, -90, true),
        ] {
            assert_eq!(Gate::parse(gate).unwrap().trips(base, new), trips, "{gate} {base} {new}");
        }
        for bad in ["", "5", "+%", "5 %", "--5%", "nan%", "inf%", "+-5%"] {
            assert!(Gate::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_base_is_as_long_as_the_selection() {
        let selection = Selection::new(time::TimeRange { from_us: 3_000_000, to_us: 5_000_000 });
        let base = |from: Option<&str>, to: Option<&str>, labels: Option<&str>| {
            let args = BaseArgs {
                base_since: None,
                base_from: from.map(str::to_owned),
                base_to: to.map(str::to_owned),
                base_labels: labels.map(str::to_owned),
            };
            let range = args.of(&selection).map(|base| base.range).ok()?;
            Some((range.from_us / 1_000_000, range.to_us / 1_000_000))
        };
        assert_eq!(base(None, None, None), Some((1, 3)));
        assert_eq!(base(None, None, Some("a=\"b\"")), Some((3, 5)));
        assert_eq!(base(Some("7"), None, None), Some((7, 9)));
        assert_eq!(base(None, Some("7"), Some("a=\"b\"")), Some((5, 7)));
        assert_eq!(base(Some("1"), Some("9"), None), Some((1, 9)));
        assert_eq!(base(Some("9"), Some("1"), None), None);
        let all = Selection::new(time::TimeRange::ALL);
        let none = BaseArgs { base_since: None, base_from: None, base_to: None, base_labels: None };
        assert!(matches!(none.of(&all), Err(Failure::Usage(_))));
    }
}
