//! `top`, `flame`, `merge`: of a selection of the lake, or of files.

use std::{
    ffi::OsStr,
    fs::File,
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

use anyhow::Context;
use clap::{Args, ValueEnum};
use lake::{Allowance, Gauge, Notes};
use pipeline::{
    codec::pprof,
    picture::{self, Drawing, FlameOptions, Sort, Tree},
    profile::Temporality,
};

use super::{
    Failure,
    select::{FilterArgs, LakeArgs, SelectArgs},
};
use crate::files::{self, Stacks};

/// What the commands have in common.
#[derive(Args, Debug)]
pub struct Source {
    /// pprof files to look at in place of the lake
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    lake: LakeArgs,
    #[command(flatten)]
    select: SelectArgs,
    #[command(flatten)]
    filter: FilterArgs,
}

/// What is shown of a gauge.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum GaugeArg {
    /// The average over the range
    #[default]
    Mean,
    /// The end of the range
    Last,
    /// The highest step of the range
    Max,
}

/// Arguments of `top`.
#[derive(Args, Debug)]
pub struct TopArgs {
    #[command(flatten)]
    source: Source,
    /// Rows; 0 shows all
    #[arg(short, default_value_t = 20)]
    n: usize,
    /// Sort by what a function and all it calls cost
    #[arg(long)]
    cum: bool,
    /// How it is written
    #[arg(long, value_enum, default_value_t)]
    format: TableFormat,
    /// What is shown of a gauge
    #[arg(long, value_enum, default_value_t, conflicts_with = "files")]
    gauge: GaugeArg,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum TableFormat {
    #[default]
    Table,
    Csv,
    Json,
}

/// Arguments of `flame`.
#[derive(Args, Debug)]
pub struct FlameArgs {
    #[command(flatten)]
    source: Source,
    /// File to write, or - for the standard output
    #[arg(short, long, value_name = "FILE", default_value = "-")]
    output: PathBuf,
    /// How it is written; else by the extension of -o, else folded
    #[arg(long, value_enum)]
    format: Option<FlameFormat>,
    /// Width of the picture in pixels
    #[arg(long, default_value_t = 1200, value_parser = clap::value_parser!(u32).range(100..=16384))]
    width: u32,
    /// What is shown of a gauge
    #[arg(long, value_enum, default_value_t, conflicts_with = "files")]
    gauge: GaugeArg,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum FlameFormat {
    Folded,
    Json,
    Svg,
    Html,
}

/// Arguments of `merge`.
#[derive(Args, Debug)]
pub struct MergeArgs {
    #[command(flatten)]
    source: Source,
    /// File to write, or - for the standard output
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// What is shown of a gauge
    #[arg(long, value_enum, default_value_t, conflicts_with = "files")]
    gauge: GaugeArg,
}

impl From<GaugeArg> for Gauge {
    fn from(gauge: GaugeArg) -> Self {
        match gauge {
            GaugeArg::Mean => Self::Mean,
            GaugeArg::Last => Self::Last,
            GaugeArg::Max => Self::Max,
        }
    }
}

impl Source {
    /// Values by stack, from the lake or from files.
    fn stacks(&self, gauge: GaugeArg) -> Result<Stacks, Failure> {
        if !self.files.is_empty() {
            return Ok(files::stacks(&self.files, self.select.type_spec()?.as_ref())?);
        }
        let selection = self.select.selection()?;
        let flame = self.lake.open()?.flame(&selection, gauge.into(), &Allowance::default());
        let flame = flame.map_err(from_lake)?;
        tell(&flame.notes, Some(flame.kind.temporality))?;
        Ok(Stacks::from(flame))
    }

    /// The title of a picture.
    fn title(&self, stacks: &Stacks) -> String {
        let first = self.files.first().and_then(|file| file.file_name()).and_then(OsStr::to_str);
        let of = first.or(self.select.service.as_deref()).unwrap_or("all services");
        format!("{of} {}", stacks.kind)
    }
}

/// A question that cannot be is a matter of usage; anything else is a failure.
fn from_lake(error: lake::Error) -> Failure {
    match error {
        lake::Error::Input { .. } => Failure::Usage(error.into()),
        error => Failure::Failed(error.into()),
    }
}

/// Tells on the standard error what an answer leaves out.
fn tell(notes: &Notes, shown: Option<Temporality>) -> Result<(), Failure> {
    let mut err = io::stderr().lock();
    if let (true, Some(shown)) = (notes.mixed, shown) {
        let shown = shown.as_str();
        writeln!(err, "profpipe: values of other temporalities are left out, shown is {shown}")?;
    }
    for skipped in &notes.skipped {
        writeln!(err, "profpipe: skipped {}: {}", skipped.path.display(), skipped.reason)?;
    }
    Ok(())
}

/// Draws the tree of some stacks, filtered.
fn with_tree<T>(
    source: &Source,
    stacks: &Stacks,
    then: impl FnOnce(&Tree<'_>) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let filter = source.filter.filter()?;
    let filtered = filter.apply(&stacks.trie);
    let tree = Tree::new(filtered.trie(), &stacks.unit, filtered.values(&stacks.own));
    then(&tree)
}

/// `profpipe top`.
pub fn top(args: &TopArgs) -> Result<(), Failure> {
    let stacks = args.source.stacks(args.gauge)?;
    let sort = if args.cum { Sort::Cum } else { Sort::Flat };
    let table = with_tree(&args.source, &stacks, |tree| Ok(picture::top(tree, sort, args.n)))?;
    let mut out = BufWriter::new(io::stdout().lock());
    match args.format {
        TableFormat::Table => {
            writeln!(out, "{}", args.source.title(&stacks))?;
            picture::write_text(&table, &mut out)?;
        }
        TableFormat::Csv => picture::write_csv(&table, &mut out)?,
        TableFormat::Json => {
            serde_json::to_writer(&mut out, &table)?;
            writeln!(out)?;
        }
    }
    Ok(out.flush()?)
}

/// `profpipe flame`.
pub fn flame(args: &FlameArgs) -> Result<(), Failure> {
    let format = flame_format(args)?;
    let stacks = args.source.stacks(args.gauge)?;
    let title = args.source.title(&stacks);
    let drawing = Drawing { title: &title, width: args.width, ..Drawing::default() };
    let options = FlameOptions { width: args.width, ..FlameOptions::default() };
    let bytes = with_tree(&args.source, &stacks, |tree| {
        let mut out = Vec::new();
        let drawn = || picture::flame(tree, &options).map_err(|bad| anyhow::anyhow!(bad.message));
        match format {
            FlameFormat::Folded => picture::write_folded(tree, &mut out)?,
            FlameFormat::Json => serde_json::to_writer(&mut out, &drawn()?)?,
            FlameFormat::Svg => picture::write_svg(&drawn()?, &drawing, &mut out)?,
            FlameFormat::Html => picture::write_html(&drawn()?, &drawing, &mut out)?,
        }
        Ok(out)
    })?;
    write(&args.output, &bytes)
}

fn flame_format(args: &FlameArgs) -> Result<FlameFormat, Failure> {
    let extension = args.output.extension().and_then(OsStr::to_str);
    match (args.format, extension) {
        (Some(format), _) => Ok(format),
        (None, Some("svg")) => Ok(FlameFormat::Svg),
        (None, Some("html" | "htm")) => Ok(FlameFormat::Html),
        (None, Some("json")) => Ok(FlameFormat::Json),
        (None, Some("folded" | "txt") | None) => Ok(FlameFormat::Folded),
        (None, Some(other)) => Err(Failure::Usage(anyhow::anyhow!(
            "`.{other}` is no picture: use .svg, .html, .folded or .json, or say --format"
        ))),
    }
}

/// `profpipe merge`.
pub fn merge(args: &MergeArgs) -> Result<(), Failure> {
    let filter = args.source.filter.filter()?;
    let limits = files::limits();
    let mut profile = match args.source.files.is_empty() {
        true => {
            let selection = args.source.select.selection()?;
            let lake = args.source.lake.open()?;
            let merged = lake.merge(&selection, args.gauge.into(), &Allowance::default());
            let (profile, notes) = merged.map_err(from_lake)?;
            tell(&notes, None)?;
            profile
        }
        false => pipeline::profile::merge(&files::read(&args.source.files)?, &limits)?,
    };
    if !filter.is_empty() {
        profile = picture::refine(&profile, &filter, &limits)?;
    }
    write(&args.output, &pprof::encode(&profile))
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    if path == Path::new("-") {
        let mut out = io::stdout().lock();
        out.write_all(bytes)?;
        return Ok(out.flush()?);
    }
    let mut file = File::create(path).with_context(|| format!("create {}", path.display()))?;
    Ok(file.write_all(bytes).with_context(|| format!("write {}", path.display()))?)
}
