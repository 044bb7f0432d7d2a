//! `series` and `labels`: values over time, and what there is to ask for.

use std::io::{self, BufWriter, Write};

use clap::Args;
use lake::{Label, Series, SeriesOptions, matcher::same_key, time};
use pipeline::{
    picture::{csv, unit, visible},
    profile::Temporality,
};

use super::{
    Failure,
    ask::{ask, tell},
    select::{FilterArgs, LakeArgs, SelectArgs, usage},
    view::TableFormat,
};

/// Values of a label that a table of all labels shows.
const SHOWN_MAX: usize = 5;

/// Arguments of `series`.
#[derive(Args, Debug)]
pub struct SeriesArgs {
    #[command(flatten)]
    lake: LakeArgs,
    #[command(flatten)]
    select: SelectArgs,
    /// A line for each value of this label, the 20 highest and the rest as one
    #[arg(long, value_name = "LABEL")]
    by: Option<String>,
    /// Length of a step; about a sixtieth of the range unless said
    #[arg(long, value_name = "DURATION")]
    step: Option<String>,
    #[command(flatten)]
    filter: FilterArgs,
    /// How it is written
    #[arg(long, value_enum, default_value_t)]
    format: TableFormat,
}

/// Arguments of `labels`.
#[derive(Args, Debug)]
pub struct LabelsArgs {
    /// A label whose values are wanted; else all labels
    #[arg(value_name = "LABEL")]
    label: Option<String>,
    #[command(flatten)]
    lake: LakeArgs,
    #[command(flatten)]
    select: SelectArgs,
    /// How it is written
    #[arg(long, value_enum, default_value_t)]
    format: TableFormat,
}

/// `profpipe series`.
pub fn series(args: &SeriesArgs) -> Result<(), Failure> {
    let selection = args.select.selection()?;
    let step_us = args.step.as_deref().map(time::parse_duration).transpose().map_err(usage)?;
    let filter = args.filter.filter()?;
    let options = SeriesOptions { by: args.by.as_deref(), step_us, stacks: None };
    let lake = args.lake.open()?;
    let found = ask(|allowance| {
        exporter::ui::filtered_series(&lake, &selection, options, &filter, allowance)
    })?;
    tell(&found.notes, found.lines.is_empty())?;
    let mut out = BufWriter::new(io::stdout().lock());
    match args.format {
        TableFormat::Table => write_series(&found, &mut out)?,
        TableFormat::Csv => write_series_csv(&found, args.by.as_deref(), &mut out)?,
        TableFormat::Json => {
            let shape = exporter::ui::Series::new(found, args.by.as_deref());
            serde_json::to_writer(&mut out, &shape)?;
            writeln!(out)?;
        }
    }
    Ok(out.flush()?)
}

/// A time for people and for other programs: RFC 3339 in UTC.
fn moment(us: i64) -> String {
    jiff::Timestamp::from_microsecond(us).map_or_else(|_| us.to_string(), |at| at.to_string())
}

/// A row for each step, a column for each line.
fn write_series(found: &Series, out: &mut impl Write) -> io::Result<()> {
    let per = if found.kind.temporality == Temporality::Delta { " per second" } else { "" };
    let step = jiff::SignedDuration::from_micros(found.step_us);
    writeln!(out, "{}, {}{per}, in steps of {step:#}", found.kind, found.kind.unit)?;
    let names: Vec<String> = found
        .lines
        .iter()
        .map(|line| match line.label.as_str() {
            "" if found.lines.len() == 1 => "value".to_owned(),
            "" => "(none)".to_owned(),
            label => visible(label).into_owned(),
        })
        .collect();
    let width = |name: &String| name.chars().count().max(10);
    write!(out, "{:<20}", "time")?;
    for name in &names {
        write!(out, "  {name:>width$}", width = width(name))?;
    }
    writeln!(out)?;
    for (step, time_us) in found.times_us.iter().enumerate() {
        write!(out, "{:<20}", moment(*time_us))?;
        for (line, name) in found.lines.iter().zip(&names) {
            let value =
                line.values[step].map(|value| unit::human(value.round() as i64, &found.kind.unit));
            let value = value.unwrap_or_else(|| "-".to_owned());
            write!(out, "  {value:>width$}", width = width(name))?;
        }
        writeln!(out)?;
    }
    Ok(())
}

/// A row for each value that there is.
fn write_series_csv(found: &Series, by: Option<&str>, out: &mut impl Write) -> io::Result<()> {
    let head = by.map_or_else(String::new, |by| format!("{},", csv(by)));
    writeln!(out, "time,{head}value")?;
    for (step, time_us) in found.times_us.iter().enumerate() {
        for line in &found.lines {
            let label = by.map_or_else(String::new, |_| format!("{},", csv(&line.label)));
            if let Some(value) = line.values[step] {
                writeln!(out, "{},{label}{value}", moment(*time_us))?;
            }
        }
    }
    Ok(())
}

/// `profpipe labels`.
pub fn labels(args: &LabelsArgs) -> Result<(), Failure> {
    let selection = args.select.selection()?;
    let lake = args.lake.open()?;
    let (mut labels, notes) = ask(|allowance| lake.labels(&selection, allowance))?;
    tell(&notes, labels.is_empty())?;
    if labels.is_empty() {
        // Asked in order to say where there is something.
        ask(|allowance| lake.resolve(&selection, allowance))?;
    }
    if let Some(wanted) = &args.label {
        let names: Vec<String> = labels.iter().map(|label| label.name.clone()).collect();
        let exact = names.contains(wanted);
        let same = |name: &str| if exact { name == wanted } else { same_key(name, wanted) };
        labels.retain(|label| same(&label.name));
        if labels.is_empty() {
            let there = names.join(", ");
            return Err(usage(anyhow::anyhow!("there is no label `{wanted}`; there are {there}")));
        }
    }
    let mut out = BufWriter::new(io::stdout().lock());
    match args.format {
        TableFormat::Table => {
            write_labels(&labels, args.label.is_some(), &mut out)?;
        }
        TableFormat::Csv => {
            writeln!(out, "label,value")?;
            for label in &labels {
                for value in &label.values {
                    writeln!(out, "{},{}", csv(&label.name), csv(value))?;
                }
            }
        }
        TableFormat::Json => {
            serde_json::to_writer(&mut out, &exporter::ui::Labels::new(labels, &notes))?;
            writeln!(out)?;
        }
    }
    Ok(out.flush()?)
}

/// The values of one label, a line each; or all labels with the first of their values.
fn write_labels(labels: &[Label], one: bool, out: &mut impl Write) -> io::Result<()> {
    let width = labels.iter().map(|label| label.name.chars().count()).max().unwrap_or(0);
    for Label { name, values, more } in labels {
        if one {
            values.iter().try_for_each(|value| writeln!(out, "{}", visible(value)))?;
            if *more > 0 {
                writeln!(out, "and {more} more")?;
            }
            continue;
        }
        let shown: Vec<_> = values.iter().take(SHOWN_MAX).map(|value| visible(value)).collect();
        let more = more + values.len().saturating_sub(SHOWN_MAX);
        let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
        writeln!(out, "{:<width$}  {}{rest}", visible(name), shown.join(", "))?;
    }
    Ok(())
}
