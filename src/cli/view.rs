//! `top`, `flame`, `merge`: of a selection of the lake, or of files.

use std::{
    ffi::OsStr,
    fs::File,
    io::{self, Write},
    path::{Path, PathBuf},
};

use anyhow::Context;
use clap::{Args, ValueEnum};
use pipeline::{
    codec::pprof,
    picture::{self, Drawing, FlameOptions, Sort, Top, Tree},
};

use super::{
    Failure,
    ask::{ask, tell},
    select::{FilterArgs, GaugeArgs, LakeArgs, SELECTION, SelectArgs},
};
use crate::files::{self, Stacks};

/// What the commands have in common.
#[derive(Args, Debug)]
pub struct Source {
    /// pprof files to look at in place of the lake
    #[arg(value_name = "FILE", conflicts_with_all = SELECTION)]
    files: Vec<PathBuf>,
    #[command(flatten)]
    lake: LakeArgs,
    #[command(flatten)]
    select: SelectArgs,
    #[command(flatten)]
    gauge: GaugeArgs,
    #[command(flatten)]
    filter: FilterArgs,
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
}

/// How tables are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum TableFormat {
    /// For people
    #[default]
    Table,
    /// Values in the base unit, comma separated
    Csv,
    /// One object
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
}

/// How flame graphs are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FlameFormat {
    /// A line per stack: root;…;leaf value
    Folded,
    /// Columns, as /api/v1/flame
    Json,
    /// A picture
    Svg,
    /// A page with zoom and search that works from a file
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
}

impl Source {
    /// Values by stack, from the lake or from files.
    fn stacks(&self) -> Result<Stacks, Failure> {
        if !self.files.is_empty() {
            return Ok(files::stacks(&self.files, self.select.type_spec()?.as_ref())?);
        }
        let selection = self.select.selection()?;
        let (lake, gauge) = (self.lake.open()?, self.gauge.gauge);
        let flame = ask(|allowance| lake.flame(&selection, gauge, allowance))?;
        tell(&flame.notes, flame.own.iter().all(|value| *value == 0))?;
        Ok(Stacks::from(flame))
    }

    /// The title of a picture.
    fn title(&self, stacks: &Stacks) -> String {
        let first = self.files.first().and_then(|file| file.file_name()).and_then(OsStr::to_str);
        let of = first.or(self.select.service.as_deref()).unwrap_or("all services");
        format!("{of} {}", stacks.kind)
    }
}

/// Draws the tree of some stacks, filtered.
pub fn with_tree<T>(
    filter: &FilterArgs,
    stacks: &Stacks,
    then: impl FnOnce(&Tree<'_>) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let filter = filter.filter()?;
    let filtered = filter.apply(&stacks.trie);
    let tree = Tree::new(filtered.trie(), &stacks.unit, filtered.values(&stacks.own));
    then(&match &stacks.base {
        Some(base) => tree.with_base(filtered.values(base)),
        None => tree,
    })
}

/// `profpipe top`.
pub fn top(args: &TopArgs) -> Result<(), Failure> {
    let stacks = args.source.stacks()?;
    let sort = if args.cum { Sort::Cum } else { Sort::Flat };
    let filter = &args.source.filter;
    let mut table = with_tree(filter, &stacks, |tree| Ok(picture::top(tree, sort, args.n)))?;
    // Shares are of the profile, not of what a filter left of it.
    table.total = picture::weight(&stacks.own);
    if table.functions == 0 && table.total > 0 {
        writeln!(io::stderr(), "profpipe: --focus, --ignore, --hide and --show leave no stack")?;
    }
    let table = write_table(&table, &args.source.title(&stacks), args.format)?;
    write(Path::new("-"), &table)
}

/// A table in the format that is asked for.
pub fn write_table(table: &Top, title: &str, format: TableFormat) -> Result<Vec<u8>, Failure> {
    let mut out = Vec::new();
    match format {
        TableFormat::Table => {
            writeln!(out, "{title}")?;
            picture::write_text(table, &mut out)?;
        }
        TableFormat::Csv => picture::write_csv(table, &mut out)?,
        TableFormat::Json => {
            serde_json::to_writer(&mut out, table)?;
            writeln!(out)?;
        }
    }
    Ok(out)
}

/// `profpipe flame`.
pub fn flame(args: &FlameArgs) -> Result<(), Failure> {
    let format = match args.format {
        Some(format) => format,
        None => flame_format(&args.output)?.unwrap_or(FlameFormat::Folded),
    };
    let stacks = args.source.stacks()?;
    let title = args.source.title(&stacks);
    let filter = &args.source.filter;
    let bytes = with_tree(filter, &stacks, |tree| draw(tree, &title, args.width, format))?;
    write(&args.output, &bytes)
}

/// A flame graph in the format that is asked for.
pub fn draw(
    tree: &Tree<'_>,
    title: &str,
    width: u32,
    format: FlameFormat,
) -> Result<Vec<u8>, Failure> {
    let drawing = Drawing { title, width, ..Drawing::default() };
    let options = FlameOptions { width, ..FlameOptions::default() };
    let drawn = || picture::flame(tree, &options).map_err(|bad| anyhow::anyhow!(bad.message));
    let mut out = Vec::new();
    match format {
        FlameFormat::Folded => picture::write_folded(tree, &mut out)?,
        FlameFormat::Json => serde_json::to_writer(&mut out, &drawn()?)?,
        FlameFormat::Svg => picture::write_svg(&drawn()?, &drawing, &mut out)?,
        FlameFormat::Html => picture::write_html(&drawn()?, &drawing, &mut out)?,
    }
    Ok(out)
}

/// The format that the name of a file asks for; none for the standard output.
pub fn flame_format(output: &Path) -> Result<Option<FlameFormat>, Failure> {
    let extension = output.extension().and_then(OsStr::to_str).map(str::to_ascii_lowercase);
    match extension.as_deref() {
        Some("svg") => Ok(Some(FlameFormat::Svg)),
        Some("html" | "htm") => Ok(Some(FlameFormat::Html)),
        Some("json") => Ok(Some(FlameFormat::Json)),
        Some("folded" | "txt") => Ok(Some(FlameFormat::Folded)),
        None => Ok(None),
        Some(other) => Err(Failure::Usage(anyhow::anyhow!(
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
            let gauge = args.source.gauge.gauge;
            let (profile, notes) = ask(|allowance| lake.merge(&selection, gauge, allowance))?;
            tell(&notes, profile.is_empty())?;
            profile
        }
        false => pipeline::profile::merge(&files::read(&args.source.files)?, &limits)?,
    };
    if !filter.is_empty() {
        profile = picture::refine(&profile, &filter, &limits)?;
    }
    write(&args.output, &pprof::encode(&profile))
}

/// Writes to a file, or for - to the standard output.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    if path == Path::new("-") {
        let mut out = io::stdout().lock();
        out.write_all(bytes)?;
        return Ok(out.flush()?);
    }
    let mut file = File::create(path).with_context(|| format!("create {}", path.display()))?;
    Ok(file.write_all(bytes).with_context(|| format!("write {}", path.display()))?)
}
