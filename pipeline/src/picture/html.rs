//! A flame graph as one page that works from a file: the frames of the SVG, with zoom and search.
//!
//! It stands without its script too. The script gets its data as JSON that cannot end the element
//! it is in, and sets names as text only; the page's own policy lets it load nothing.

use super::escape::{script, visible, xml};
use super::flame::Flame;
use super::layout::layout;
use super::svg::{CHAR, Drawing, PAD, ROW, legend_entries, rows, summary, write_frames};
use super::symbol::forms;
use serde::Serialize;
use std::io::{self, Write};

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// What the script knows of the frames; columns as in [`Flame`].
#[derive(Serialize)]
struct Data<'f> {
    /// By function: what may stand in its frames, from longest to shortest.
    labels: Vec<Vec<String>>,
    name: &'f [i64],
    level: &'f [u32],
    start: Vec<f64>,
    size: Vec<f64>,
    viewed: usize,
    row: u32,
    char: f64,
    pad: f64,
}

/// Writes the page.
///
/// # Errors
/// Those of the writer.
pub fn write_html(flame: &Flame, drawing: &Drawing, out: &mut impl Write) -> io::Result<()> {
    let places = layout(flame);
    // Nine digits are below a thousandth of a pixel.
    let round = |x: f64| (x * 1e9).round() / 1e9;
    let data = Data {
        labels: flame.names.iter().map(|name| forms(&visible(name))).collect(),
        name: &flame.name,
        level: &flame.level,
        start: places.iter().map(|p| round(p.start)).collect(),
        size: places.iter().map(|p| round(p.size)).collect(),
        viewed: flame.viewed,
        row: ROW,
        char: CHAR,
        pad: PAD,
    };
    let title = xml(&visible(drawing.title));
    let (width, height) = (drawing.width, rows(flame) * ROW);
    write!(
        out,
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; \
         style-src 'unsafe-inline'; script-src 'unsafe-inline'\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>{title}</title>\n\
         <style>\n{STYLE}</style>\n</head>\n<body>\n\
         <header><h1>{title}</h1><span class=\"m\">{}</span><span class=\"legend m\">",
        xml(&summary(flame))
    )?;
    for (text, color) in legend_entries(flame) {
        write!(out, "<span><i style=\"background:{color}\"></i>{text}</span>")?;
    }
    write!(
        out,
        "</span></header>\n<nav><input id=\"query\" type=\"search\" placeholder=\"search ( / )\" \
         aria-label=\"search functions\"><button id=\"reset\">reset zoom</button>\
         <span id=\"found\" class=\"m\" role=\"status\"></span></nav>\n\
         <p id=\"details\" class=\"m\"></p>\n<main>\n\
         <svg width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\">\n"
    )?;
    write_frames(flame, &places, drawing.module, width, out)?;
    let json = serde_json::to_string(&data)?;
    write!(
        out,
        "</svg>\n</main>\n<script id=\"data\" type=\"application/json\">{}</script>\n\
         <script>\n{SCRIPT}</script>\n</body>\n</html>\n",
        script(&json)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::escape::HOSTILE;
    use crate::picture::svg::tests::{flat, skeleton};
    use crate::picture::{FlameOptions, Trie, flame};

    fn page(names: &[&str], title: &str) -> String {
        let mut trie = Trie::new();
        let f = flame(&flat(&mut trie, names), &FlameOptions::default()).unwrap();
        let mut out = vec![];
        write_html(&f, &Drawing { title, ..Default::default() }, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn hostile_names_make_the_same_page_as_harmless_ones() {
        let harmless: Vec<String> =
            (0..).zip(HOSTILE).map(|(i, n)| format!("{i}{}", "x".repeat(n.len()))).collect();
        let harmless: Vec<&str> = harmless.iter().map(String::as_str).collect();
        let got = page(&HOSTILE, &HOSTILE.join(" "));
        assert_eq!(skeleton(&got), skeleton(&page(&harmless, "x")));
        assert!(!got.contains(['\u{0}', '\u{1b}', '\u{202e}', '\u{2028}']));
    }

    #[test]
    fn the_script_has_the_names_and_loads_nothing() {
        let got = page(&HOSTILE, "x");
        let json = got.split("type=\"application/json\">").nth(1).unwrap();
        let json: serde_json::Value =
            serde_json::from_str(json.split("</script>").next().unwrap()).unwrap();
        let labels: Vec<&str> =
            json["labels"].as_array().unwrap().iter().map(|l| l[0].as_str().unwrap()).collect();
        for name in HOSTILE {
            assert!(labels.contains(&&*visible(name)), "{name} {labels:?}");
        }
        assert!(!SCRIPT.contains("innerHTML") && !SCRIPT.contains("</"));
        assert!(!got.contains("src=\"") && !got.contains("href"));
        assert!(SCRIPT.lines().count() <= 120);
    }
}
