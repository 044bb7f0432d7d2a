//! Top tables as text, as `go tool pprof -top` prints them, and as CSV.

use super::escape::{csv, visible};
use super::top::Top;
use super::unit::{common, human_in, percentage};
use std::io::{self, Write};

/// Writes what `go tool pprof -top` would below its header of type, time and duration. The shares
/// of a diff are of its own side; it gets a column for the change of each value.
///
/// # Errors
/// Those of the writer.
pub fn write_text(top: &Top, out: &mut impl Write) -> io::Result<()> {
    let unit = column_unit(top);
    let show = |value| human_in(value, &top.unit, &unit);
    let shown = top.rows.iter().fold(0i64, |sum, r| sum.saturating_add(r.flat));
    writeln!(
        out,
        "Showing nodes accounting for {}, {} of {} total",
        show(shown),
        percentage(shown, top.total).trim_start(),
        show(top.total)
    )?;
    if top.rows.len() < top.functions {
        writeln!(out, "Showing top {} nodes out of {}", top.rows.len(), top.functions)?;
    }
    let diff = top.total_b.is_some();
    if let Some(total_b) = top.total_b {
        writeln!(out, "Base: {} total", show(total_b))?;
        write!(out, "{:>10} {:>10} ", "flat+-", "cum+-")?;
    }
    writeln!(out, "{:>10} {:>5}% {:>5}% {:>10} {:>5}%", "flat", "flat", "sum", "cum", "cum")?;
    let mut sum = 0i64;
    for row in &top.rows {
        sum = sum.saturating_add(row.flat);
        if diff {
            let change = |a: i64, b: Option<i64>| signed(a.saturating_sub(b.unwrap_or(0)), show);
            write!(
                out,
                "{:>10} {:>10} ",
                change(row.flat, row.flat_b),
                change(row.cum, row.cum_b)
            )?;
        }
        writeln!(
            out,
            "{:>10} {} {} {:>10} {}  {}",
            show(row.flat),
            percentage(row.flat, top.total),
            percentage(sum, top.total),
            show(row.cum),
            percentage(row.cum, top.total),
            visible(&row.function)
        )?;
    }
    Ok(())
}

fn signed(value: i64, show: impl Fn(i64) -> String) -> String {
    let text = show(value);
    if value > 0 && text != "0" { format!("+{text}") } else { text }
}

/// One unit for the whole table. Rows below half a percent have no say, as pprof leaves them out.
fn column_unit(top: &Top) -> String {
    let floor = top.total / 200;
    let sizes = top.rows.iter().filter(|r| r.cum.saturating_abs() > floor).map(|r| {
        let flat = r.flat.saturating_abs();
        if flat == 0 { r.cum.saturating_abs() } else { flat }
    });
    let min = sizes.filter(|&size| size > 0).min().unwrap_or(0);
    common(min, top.total.max(top.total_b.unwrap_or(0)), &top.unit)
}

/// Writes one line per row with values in the base unit; the header names the columns.
///
/// # Errors
/// Those of the writer.
pub fn write_csv(top: &Top, out: &mut impl Write) -> io::Result<()> {
    let diff = top.total_b.is_some();
    writeln!(out, "function,file,flat,cum{}", if diff { ",flat_b,cum_b" } else { "" })?;
    for r in &top.rows {
        write!(out, "{},{},{},{}", csv(&r.function), csv(&r.file), r.flat, r.cum)?;
        if diff {
            write!(out, ",{},{}", r.flat_b.unwrap_or(0), r.cum_b.unwrap_or(0))?;
        }
        writeln!(out)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::escape::HOSTILE;
    use crate::picture::folded::tests::unfold;
    use crate::picture::{Sort, Tree, Trie, top};

    fn text(top: &Top) -> String {
        let mut out = vec![];
        write_text(top, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn text_is_that_of_pprof() {
        let (trie, own) = unfold(
            "main.main;main.work 1200000000\nmain.main;main.work;runtime.mallocgc 90000000\n\
             main.main 10000000\n",
        );
        let tree = Tree::new(&trie, "nanoseconds", own);
        let want = "\
Showing nodes accounting for 1290ms, 99.23% of 1300ms total
Showing top 2 nodes out of 3
      flat  flat%   sum%        cum   cum%
    1200ms 92.31% 92.31%     1290ms 99.23%  main.work
      90ms  6.92% 99.23%       90ms  6.92%  runtime.mallocgc
";
        assert_eq!(text(&top(&tree, Sort::Flat, 2)), want);
    }

    #[test]
    fn a_diff_shows_what_changed() {
        let (trie, own) = unfold("a;b 300\na;c 100\n");
        let base = unfold("a;b 100\na;c 100\n").1;
        let got = text(&top(&Tree::new(&trie, "count", own).with_base(base), Sort::Flat, 0));
        let row = got.lines().find(|l| l.ends_with("  b")).unwrap();
        assert_eq!(row, "      +200       +200        300 75.00% 75.00%        300 75.00%  b");
        assert!(got.contains("Base: 200 total\n"));
    }

    #[test]
    fn hostile_names_stay_in_their_cell() {
        let mut trie = Trie::new();
        let nodes: Vec<u32> = HOSTILE.iter().map(|name| trie.child(0, name)).collect();
        let mut own = vec![0; trie.len()];
        nodes.iter().for_each(|&n| own[n as usize] = -1);
        let table = top(&Tree::new(&trie, "count", own), Sort::Flat, 0);
        assert_eq!(text(&table).lines().count(), 2 + HOSTILE.len());
        let mut out = vec![];
        write_csv(&table, &mut out).unwrap();
        let out = String::from_utf8(out).unwrap();
        assert_eq!(out.lines().count(), 1 + HOSTILE.len());
        assert!(out.lines().all(|l| !l.trim_start_matches('"').starts_with(['=', '+', '@'])));
        assert!(out.contains("\n\"'=HYPERLINK(\"\"http://x\"\",\"\"y\"\")\",,-1,-1\n"), "{out}");
    }
}
