//! Values with units as `go tool pprof` prints them, since people hold the two side by side.
//! Rules from google/pprof `internal/measurement`.

/// A unit that values are shown in: its name, other names for it, and what one of it is worth.
type Scale = (&'static str, &'static [&'static str], f64);

const BYTES: &[Scale] = &[
    ("B", &["b", "byte"], 1.0),
    ("kB", &["kb", "kbyte", "kilobyte"], 1024.0),
    ("MB", &["mb", "mbyte", "megabyte"], 1_048_576.0),
    ("GB", &["gb", "gbyte", "gigabyte"], 1_073_741_824.0),
    ("TB", &["tb", "tbyte", "terabyte"], 1_099_511_627_776.0),
    ("PB", &["pb", "pbyte", "petabyte"], 1_125_899_906_842_624.0),
];

const TIME: &[Scale] = &[
    ("ns", &["ns", "nanosecond"], 1.0),
    ("us", &["μs", "µs", "us", "microsecond"], 1e3),
    ("ms", &["ms", "millisecond"], 1e6),
    ("s", &["s", "sec", "second"], 1e9),
    ("hrs", &["hour", "hr"], 3.6e12),
];

/// The scale of a kind and the place of a unit in it, by any of its names.
fn find(unit: &str) -> Option<(&'static [Scale], &'static Scale)> {
    let unit = unit.to_lowercase();
    let long = unit.chars().count() > 2;
    let name = if long { unit.strip_suffix('s').unwrap_or(&unit) } else { &unit };
    [BYTES, TIME].into_iter().find_map(|kind| {
        let at = kind.iter().find(|scale| scale.1.contains(&name))?;
        Some((kind, at))
    })
}

/// The value in the unit `to`, or in the largest one that leaves at least 1 where `to` is `auto`,
/// and that unit's name; empty where there is nothing to tell, as for counts.
fn convert(value: i64, from: &str, to: &str) -> (f64, String) {
    let Some((kind, from)) = find(from) else {
        let plain = matches!(to, "count" | "sample" | "unit" | "auto");
        return (value as f64, if plain { String::new() } else { to.to_owned() });
    };
    let base = value as f64 * from.2;
    let fallback = if kind[0].0 == "ns" { &TIME[3] } else { &kind[0] };
    let fits = |scale: &&&Scale| base.abs() / scale.2 >= 1.0;
    let to = match to {
        "auto" => kind.iter().rev().find(|scale| fits(&scale)).unwrap_or(fallback),
        to => find(to).filter(|(k, _)| std::ptr::eq(*k, kind)).map_or(fallback, |(_, to)| to),
    };
    (base / to.2, to.0.to_owned())
}

/// `1.20s`, `12.50MB`, `340ms`, `17`: a value of `unit` in the unit that suits it.
pub fn human(value: i64, unit: &str) -> String {
    human_in(value, unit, "auto")
}

/// A value of `unit` in the unit `to`, so that a column has one: `0.34s`.
pub fn human_in(value: i64, unit: &str, to: &str) -> String {
    let (scaled, name) = convert(value, unit, to);
    let text = format!("{scaled:.2}");
    match text.strip_suffix(".00").unwrap_or(&text) {
        "0" | "-0" => "0".to_owned(),
        digits => format!("{digits}{name}"),
    }
}

/// The one unit for values from `min` to `max` (magnitudes) of `unit`: the small ones decide, but
/// where the large ones are over a hundred times larger, they may go down to 0.01.
pub fn common(min: i64, max: i64, unit: &str) -> String {
    let min = if min == 0 { max } else { min };
    let name = |value: i64| convert(value, unit, "auto").1;
    let (low, high) = (name(min), name(max));
    let wide = low != high && min.saturating_mul(100) < max;
    let chosen = if wide { name(min.saturating_mul(100)) } else { low };
    if chosen.is_empty() { unit.to_owned() } else { chosen }
}

/// The share of `total`, six wide: ` 12.3%` is `12.34%`, all is `  100%`.
pub fn percentage(value: i64, total: i64) -> String {
    let share = if total == 0 { 0.0 } else { (value as f64 / total as f64).abs() * 100.0 };
    if (99.95..=100.05).contains(&share) {
        "  100%".to_owned()
    } else if share >= 1.0 {
        format!("{share:5.2}%")
    } else {
        format!("{:>5}%", two_digits(share))
    }
}

/// C's `%.2g` for 0 ≤ x < 1.
fn two_digits(x: f64) -> String {
    if x == 0.0 {
        return "0".to_owned();
    }
    // Rounding comes first: 0.0999 is 0.1.
    let science = format!("{x:.1e}");
    let (digits, exponent) = science.split_once('e').unwrap_or((&science, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let trim = |s: &str| match s.contains('.') {
        true => s.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => s.to_owned(),
    };
    if exponent < -4 {
        format!("{}e-{:02}", trim(digits), -exponent)
    } else {
        trim(&format!("{x:.*}", (1 - exponent).max(0) as usize))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_look_as_in_pprof() {
        for (value, unit, want) in [
            (0, "nanoseconds", "0"),
            (1_200_000_000, "nanoseconds", "1.20s"),
            (340_000_000, "nanoseconds", "340ms"),
            (999, "nanoseconds", "999ns"),
            (1_500, "ns", "1.50us"),
            (7_200, "seconds", "2hrs"),
            (2_000, "μs", "2ms"),
            (13_107_200, "bytes", "12.50MB"),
            (512, "bytes", "512B"),
            (1 << 40, "bytes", "1TB"),
            (-1_536, "bytes", "-1.50kB"),
            (17, "count", "17"),
            (17, "widgets", "17"),
            (i64::MIN, "bytes", "-8192PB"),
        ] {
            assert_eq!(human(value, unit), want);
        }
    }

    #[test]
    fn columns_have_one_unit() {
        for (min, max, unit, value, want) in [
            (10_000_000, 30_000_000_000, "nanoseconds", 10_000_000, "0.01s"),
            (10_000_000, 900_000_000, "nanoseconds", 10_000_000, "10ms"),
            (0, 2_000_000, "nanoseconds", 1_000_000, "1ms"),
            (1 << 10, 1 << 30, "bytes", 1 << 30, "1048576kB"),
            (512 << 10, 1 << 30, "bytes", 512 << 10, "0.50MB"),
            (5, 500, "count", 5, "5"),
            (5, 500, "widgets", 5, "5widgets"),
        ] {
            let to = common(min, max, unit);
            assert_eq!(human_in(value, unit, &to), want, "{min} {max} {unit} {to}");
        }
    }

    #[test]
    fn shares() {
        for (value, total, want) in [
            (0, 0, "    0%"),
            (1, 1, "  100%"),
            (9_996, 10_000, "  100%"),
            (1_234, 10_000, "12.34%"),
            (100, 10_000, " 1.00%"),
            (57, 100_000, "0.057%"),
            (5, 1_000, "  0.5%"),
            (999, 100_000, "    1%"),
            (1, 10_000_000, "1e-05%"),
            (-1, 4, "25.00%"),
            (3, 1, "300.00%"),
        ] {
            assert_eq!(percentage(value, total), want);
        }
    }
}
