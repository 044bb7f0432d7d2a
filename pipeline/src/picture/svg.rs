//! A flame graph as one SVG file: root on top, no script, everything named in tooltips.

use super::color::{INK, REST, change, frame, shade};
use super::escape::{visible, xml};
use super::flame::Flame;
use super::layout::{Place, layout};
use super::symbol::{Family, forms};
use super::unit::{human, percentage};
use std::io::{self, Write};

/// How a flame graph is drawn.
#[derive(Clone, Copy, Debug)]
pub struct Drawing<'a> {
    /// What it shows, above it: service, type and range.
    pub title: &'a str,
    /// Main module of the service, whose frames are its own; empty where it is not known.
    pub module: &'a str,
    /// Pixels across, the margin included.
    pub width: u32,
}

impl Default for Drawing<'_> {
    fn default() -> Self {
        Drawing { title: "flame graph", module: "", width: 1200 }
    }
}

/// Height of a frame, the gap included.
pub(super) const ROW: u32 = 18;
/// Width of a character of the monospaced font of 12 pixels, the widest that is common.
pub(super) const CHAR: f64 = 7.25;
/// Space inside a frame beside its text.
pub(super) const PAD: f64 = 4.0;
const MARGIN: u32 = 12;
const HEADER: u32 = 54;
const FONT: &str = "ui-monospace,'SF Mono',Menlo,Consolas,'DejaVu Sans Mono',monospace";

/// Writes the picture. All text in it is escaped; nothing in it runs or loads.
///
/// # Errors
/// Those of the writer.
pub fn write_svg(flame: &Flame, drawing: &Drawing, out: &mut impl Write) -> io::Result<()> {
    let width = drawing.width.max(300);
    let height = HEADER + rows(flame) * ROW + MARGIN;
    let title = xml(drawing.title);
    writeln!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\" font-family=\"{FONT}\" font-size=\"12\" role=\"img\" \
         aria-label=\"{title}\">\n<style>.f:hover rect{{stroke:{INK}}}.up{{opacity:.5}}\
         .r text,.m{{fill:#59626e}}</style>\n\
         <rect width=\"{width}\" height=\"{height}\" fill=\"#fff\"/>\n\
         <text x=\"{MARGIN}\" y=\"22\" font-size=\"15\" font-weight=\"600\" fill=\"{INK}\">{title}\
         </text>\n<text class=\"m\" x=\"{MARGIN}\" y=\"41\">{}</text>",
        xml(&summary(flame))
    )?;
    legend(flame, f64::from(width - MARGIN), out)?;
    let places = layout(flame);
    writeln!(out, "<g transform=\"translate({MARGIN} {HEADER})\" fill=\"{INK}\">")?;
    write_frames(flame, &places, drawing.module, width - 2 * MARGIN, out)?;
    writeln!(out, "</g>\n</svg>")
}

/// Levels of the picture.
pub(super) fn rows(flame: &Flame) -> u32 {
    flame.level.iter().max().map_or(0, |level| level + 1)
}

/// The total with its unit, and how much is drawn.
pub(super) fn summary(flame: &Flame) -> String {
    let value = |v: i64| human(v.saturating_mul(flame.scale), &flame.unit);
    let total = value(flame.total.first().copied().unwrap_or(0));
    let was = match flame.total_b.as_ref().and_then(|b| b.first()) {
        Some(&b) => format!(", {} before", value(b)),
        None => String::new(),
    };
    let kept = flame.name.iter().filter(|&&n| n >= 0).count();
    let pruned: i64 = flame.name.iter().filter(|&&n| n < 0).map(|n| -n).sum();
    let rest = if pruned > 0 { format!(" + {pruned} too narrow") } else { String::new() };
    // Where the number does not tell its unit, the unit's own name does.
    let bare = total.ends_with(|c: char| c.is_ascii_digit()) && flame.unit != "count";
    let unit = if bare { format!(" {}", flame.unit) } else { String::new() };
    format!("{total}{unit} in total{was} · {kept} frames{rest}")
}

/// The legend: text and colour.
pub(super) fn legend_entries(flame: &Flame) -> Vec<(&'static str, String)> {
    if flame.own_b.is_some() {
        return vec![("less", change(-1.0)), ("same", change(0.0)), ("more", change(1.0))];
    }
    let families = [
        ("own code", Family::Own),
        ("dependencies", Family::Dependency),
        ("standard library", Family::Std),
        ("runtime", Family::Runtime),
    ];
    families.map(|(text, family)| (text, shade(family, 0.0))).to_vec()
}

/// Swatches up to the right edge.
fn legend(flame: &Flame, right: f64, out: &mut impl Write) -> io::Result<()> {
    let mut x = right;
    for (text, color) in legend_entries(flame).into_iter().rev() {
        x -= text.len() as f64 * CHAR + 18.0;
        let at = x + 16.0;
        writeln!(
            out,
            "<rect x=\"{x:.0}\" y=\"31\" width=\"11\" height=\"11\" rx=\"2\" fill=\"{color}\"/>\
             <text class=\"m\" x=\"{at:.0}\" y=\"41\">{text}</text>"
        )?;
        x -= 12.0;
    }
    Ok(())
}

/// Writes a `<g class="f">` per frame, in the order of the columns.
pub(super) fn write_frames(
    flame: &Flame,
    places: &[Place],
    module: &str,
    width: u32,
    out: &mut impl Write,
) -> io::Result<()> {
    let hints = Hints::new(flame);
    for (i, place) in places.iter().enumerate() {
        let rest = flame.name[i] < 0;
        let kind = match (i < flame.viewed, rest) {
            (true, _) => "f up",
            (false, true) => "f r",
            (false, false) => "f",
        };
        let (x, w) = (place.start * f64::from(width), place.size * f64::from(width));
        let y = flame.level[i] * ROW;
        let gap = if w > 3.0 { 1.0 } else { w * 0.1 };
        write!(
            out,
            "<g class=\"{kind}\"><title>{}</title><rect x=\"{x:.2}\" y=\"{y}\" \
             width=\"{:.2}\" height=\"{}\" rx=\"1\" fill=\"{}\"/>",
            xml(&hints.of(i)),
            w - gap,
            ROW - 1,
            fill(flame, i, module)
        )?;
        let text = fit(&labels(flame, i), w - gap - 2.0 * PAD);
        if !text.is_empty() {
            let (x, y) = (x + PAD, y + 13);
            write!(out, "<text x=\"{x:.2}\" y=\"{y}\">{}</text>", xml(&text))?;
        }
        writeln!(out, "</g>")?;
    }
    Ok(())
}

/// What may stand in a frame, from longest to shortest.
pub(super) fn labels(flame: &Flame, i: usize) -> Vec<String> {
    match usize::try_from(flame.name[i]) {
        Ok(name) => forms(&visible(&flame.names[name])),
        Err(_) => vec![format!("({} smaller)", -flame.name[i])],
    }
}

/// The longest form that fits, else the shortest one cut, else nothing.
fn fit(labels: &[String], room: f64) -> String {
    let chars = (room / CHAR).max(0.0) as usize;
    let columns = |text: &str| text.chars().map(wide).sum::<usize>();
    if let Some(text) = labels.iter().find(|text| columns(text) <= chars) {
        return text.clone();
    }
    match labels.last() {
        Some(last) if chars > 2 && !last.starts_with('(') => {
            let mut left = chars - 1;
            let part = last.chars().take_while(|&c| {
                let fits = wide(c) <= left;
                left = left.saturating_sub(wide(c));
                fits
            });
            part.chain(['…']).collect()
        }
        _ => String::new(),
    }
}

/// Characters that a character is as wide as: from Hangul on, most take two.
fn wide(c: char) -> usize {
    if c < '\u{1100}' { 1 } else { 2 }
}

fn fill(flame: &Flame, i: usize, module: &str) -> String {
    let Ok(name) = usize::try_from(flame.name[i]) else { return REST.to_owned() };
    let Some(total_b) = &flame.total_b else { return frame(&flame.names[name], module) };
    let share = |column: &[i64]| column[i] as f64 / (column[0] as f64).abs().max(1.0);
    let (now, before) = (share(&flame.total), share(total_b));
    let most = now.abs().max(before.abs());
    change(if most > 0.0 { (now - before) / most } else { 0.0 })
}

/// Makes the tooltips.
struct Hints<'f> {
    flame: &'f Flame,
    /// What shares are of, now and in the base.
    full: (i64, i64),
}

impl<'f> Hints<'f> {
    fn new(flame: &'f Flame) -> Self {
        let magnitude = |own: &[i64], total: &[i64]| {
            let own = own[flame.viewed..].iter().map(|v| v.saturating_abs());
            let sum = own.fold(0i64, i64::saturating_add);
            sum.max(total.first().map_or(0, |t| t.saturating_abs()))
        };
        let b = flame.own_b.as_ref().zip(flame.total_b.as_ref());
        let full_b = b.map_or(0, |(own, total)| magnitude(own, total));
        Hints { flame, full: (magnitude(&flame.own, &flame.total), full_b) }
    }

    fn of(&self, i: usize) -> String {
        let f = self.flame;
        let value = |v: i64, full: i64| {
            let text = human(v.saturating_mul(f.scale), &f.unit);
            format!("{text} ({})", percentage(v, full).trim())
        };
        let mut text = labels(f, i).swap_remove(0);
        if let Some(file) = usize::try_from(f.name[i]).ok().map(|name| &f.files[name])
            && !file.is_empty()
        {
            text = format!("{text}\n{}", visible(file));
        }
        text = format!("{text}\n{}", value(f.total[i], self.full.0));
        if f.own[i] != 0 && f.name[i] >= 0 {
            text = format!("{text}, self {}", value(f.own[i], self.full.0));
        }
        if let Some(total_b) = &f.total_b {
            text = format!("{text}\nbefore: {}", value(total_b[i], self.full.1));
        }
        text
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::picture::escape::HOSTILE;
    use crate::picture::folded::tests::unfold;
    use crate::picture::{FlameOptions, Tree, Trie, flame};

    /// A tree of these names side by side, their files named alike.
    pub fn flat<'t>(trie: &'t mut Trie, names: &[&str]) -> Tree<'t> {
        let mut own = vec![0];
        for name in names {
            let node = trie.child(0, name);
            trie.set_file(name, name);
            own.resize(trie.len(), 0);
            own[node as usize] = 10;
        }
        Tree::new(trie, "count", own)
    }

    fn draw(flame: &Flame, drawing: &Drawing) -> String {
        let mut out = vec![];
        write_svg(flame, drawing, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    /// The tags of a document without their attributes' values.
    pub fn skeleton(text: &str) -> Vec<String> {
        let tag = |rest: &str| {
            let tag = &rest[..rest.find('>').unwrap_or(rest.len())];
            tag.split('"').step_by(2).collect::<String>()
        };
        text.split('<').skip(1).map(tag).collect()
    }

    #[test]
    fn hostile_names_draw_as_harmless_ones_do() {
        let harmless: Vec<String> =
            (0..).zip(HOSTILE).map(|(i, n)| format!("{i}{}", "x".repeat(n.len()))).collect();
        let (mut one, mut other) = (Trie::new(), Trie::new());
        let harmless: Vec<&str> = harmless.iter().map(String::as_str).collect();
        let (a, b) = (flat(&mut one, &HOSTILE), flat(&mut other, &harmless));
        let options = FlameOptions::default();
        let (a, b) = (flame(&a, &options).unwrap(), flame(&b, &options).unwrap());
        let title = HOSTILE.join(" ");
        let a = draw(&a, &Drawing { title: &title, ..Default::default() });
        assert_eq!(skeleton(&a), skeleton(&draw(&b, &Drawing::default())));
        assert!(!a.contains(['\u{0}', '\u{1b}', '\u{202e}', '\u{2028}']));
    }

    #[test]
    fn frames_say_what_they_are() {
        let (mut trie, own) = unfold("main.main;net/http.(*conn).serve 900\nmain.main 100\n");
        trie.set_file("main.main", "/src/main.go:5");
        let tree = Tree::new(&trie, "bytes", own);
        let svg = draw(&flame(&tree, &FlameOptions::default()).unwrap(), &Drawing::default());
        assert!(
            svg.contains("<title>main.main\n/src/main.go:5\n1000B (100%), self 100B (10.00%)<")
        );
        assert!(svg.contains(">net/http.(*conn).serve</text>"));
        assert!(svg.contains(">1000B in total · 3 frames</text>"));
        let narrow = Drawing { width: 300, ..Default::default() };
        let (trie, own) = unfold("a/b.(*Server).handle 50\nx 50\n");
        let f = flame(&Tree::new(&trie, "count", own), &FlameOptions::default()).unwrap();
        assert!(draw(&f, &narrow).contains(">(*Server).handle</text>"));
    }

    #[test]
    fn deep_stacks_draw() {
        let (trie, own) = unfold(&(vec!["f"; 100_000].join(";") + " 1\n"));
        let f = flame(&Tree::new(&trie, "count", own), &FlameOptions::default()).unwrap();
        let svg = draw(&f, &Drawing::default());
        assert_eq!(svg.matches("<g class").count(), f.level.len());
        assert!(svg.contains("1 in total · 50000 frames + 50001 too narrow"), "{}", &svg[..900]);
    }

    #[test]
    fn labels_fit() {
        let forms = ["net/http.(*conn).serve", "http.(*conn).serve", "serve"].map(String::from);
        for (chars, want) in
            [(30, "net/http.(*conn).serve"), (20, "http.(*conn).serve"), (5, "serve"), (3, "se…")]
        {
            assert_eq!(fit(&forms, f64::from(chars) * CHAR), want);
        }
        assert_eq!(fit(&forms, 2.0 * CHAR), "");
        assert_eq!(fit(&["日本語の関数".to_owned()], 6.0 * CHAR), "日本…");
    }
}
