//! Colours of frames: whose code it is, or how it changed. The same as in the web app: all in
//! OKLCH, so that equal lightness looks equal and text can be read on every frame.

use super::symbol::{Family, family, package};

/// Text on frames.
pub(super) const INK: &str = "#1f2126";
/// Frames that stand for others.
pub(super) const REST: &str = "#eceef1";

/// OKLCH to `#rrggbb` (Björn Ottosson, "A perceptual color space for image processing").
fn oklch(light: f64, chroma: f64, hue: f64) -> String {
    let (a, b) = (chroma * hue.to_radians().cos(), chroma * hue.to_radians().sin());
    let l = (light + 0.396_337_777_4 * a + 0.215_803_757_3 * b).powi(3);
    let m = (light - 0.105_561_345_8 * a - 0.063_854_172_8 * b).powi(3);
    let s = (light - 0.089_484_177_5 * a - 1.291_485_548 * b).powi(3);
    let linear = [
        4.076_741_662_1 * l - 3.307_711_591_3 * m + 0.230_969_929_2 * s,
        -1.268_438_004_6 * l + 2.609_757_401_1 * m - 0.341_319_396_5 * s,
        -0.004_196_086_3 * l - 0.703_418_614_7 * m + 1.707_614_701 * s,
    ];
    let byte = |x: f64| {
        let x = x.clamp(0.0, 1.0);
        let gamma = if x <= 0.003_130_8 { 12.92 * x } else { 1.055 * x.powf(1.0 / 2.4) - 0.055 };
        (255.0 * gamma).round() as u8
    };
    let [r, g, b] = linear.map(byte);
    format!("#{r:02x}{g:02x}{b:02x}")
}

/// Hue, chroma, and how far the hues of packages are spread.
fn look(family: Family) -> (f64, f64, f64) {
    match family {
        Family::Own => (70.0, 0.082, 10.0),
        Family::Dependency => (300.0, 0.055, 14.0),
        Family::Std => (192.0, 0.048, 12.0),
        Family::Runtime => (260.0, 0.008, 0.0),
        Family::Other => (260.0, 0.004, 0.0),
    }
}

/// The middle shade of a family; `step` from -0.5 to 0.5 goes to its others.
pub(super) fn shade(family: Family, step: f64) -> String {
    let (hue, chroma, spread) = look(family);
    oklch(0.865 + step * 0.085, chroma, hue + step * 2.0 * spread)
}

/// Family gives the hue, the package one of seven shades of it.
pub(super) fn frame(name: &str, module: &str) -> String {
    let family = family(name, module);
    let fnv = |hash: u32, byte: u8| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
    let hash = package(name).bytes().fold(0x811c_9dc5, fnv);
    let step = if family == Family::Other { 0.0 } else { f64::from((hash >> 3) % 7) / 6.0 - 0.5 };
    shade(family, step)
}

/// Change of share from -1, gone, to 1, new: blue is less, red is more.
pub(super) fn change(x: f64) -> String {
    let much = x.abs().min(1.0).powf(0.75);
    oklch(0.92 - 0.125 * much, 0.004 + 0.095 * much, if x < 0.0 { 250.0 } else { 25.0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// WCAG contrast of two `#rrggbb`.
    fn contrast(a: &str, b: &str) -> f64 {
        let light = |color: &str| {
            let channel = |at: usize| {
                let x = f64::from(u8::from_str_radix(&color[at..at + 2], 16).unwrap()) / 255.0;
                if x <= 0.039_28 { x / 12.92 } else { ((x + 0.055) / 1.055).powf(2.4) }
            };
            0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5)
        };
        let (a, b) = (light(a), light(b));
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    #[test]
    fn text_can_be_read_on_every_frame() {
        use Family::{Dependency, Other, Own, Runtime, Std};
        for family in [Own, Dependency, Std, Runtime, Other] {
            for step in -3..=3 {
                let fill = shade(family, f64::from(step) / 6.0);
                assert!(contrast(&fill, INK) > 7.0, "{family:?} {fill}");
            }
        }
        for tenth in -10..=10 {
            assert!(contrast(&change(f64::from(tenth) / 10.0), INK) > 7.0);
        }
        assert_eq!(oklch(1.0, 0.0, 0.0), "#ffffff");
        assert_ne!(frame("main.main", ""), frame("runtime.main", ""));
    }
}
