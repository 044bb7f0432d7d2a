//! Go symbol names: their package, whose code that is, and shorter forms that fit into a frame.

use std::borrow::Cow;

/// Whose code a function is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    /// The service itself.
    Own,
    /// A module it uses.
    Dependency,
    /// The standard library.
    Std,
    /// The Go runtime.
    Runtime,
    /// No Go symbol.
    Other,
}

/// Where the package path ends: the first dot after the last slash, outside of type arguments.
/// `gopkg.in/x.v1.F` has a dot in its package.
fn package_end(name: &str) -> Option<usize> {
    let plain = &name[..name.find('[').unwrap_or(name.len())];
    let last = plain.rfind('/').map_or(0, |slash| slash + 1);
    let dot = last + plain[last..].find('.')?;
    let version = plain[dot..].strip_prefix(".v").and_then(|rest| {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        (digits > 0 && rest[digits..].starts_with('.')).then_some(2 + digits)
    });
    Some(dot + version.unwrap_or(0))
}

/// The linker writes a dot in the last element of a package path as `%2e`.
fn unescape(text: &str) -> Cow<'_, str> {
    if text.contains("%2e") { Cow::Owned(text.replace("%2e", ".")) } else { Cow::Borrowed(text) }
}

/// `github.com/a/b.(*T).F` → `github.com/a/b`; empty where there is none.
pub(super) fn package(name: &str) -> Cow<'_, str> {
    package_end(name).map_or(Cow::Borrowed(""), |end| unescape(&name[..end]))
}

/// Whose code it is, in a service whose main module is `module` (empty: not known).
pub(super) fn family(name: &str, module: &str) -> Family {
    let package = package(name);
    let within = |root: &str| {
        package.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    if package.is_empty() {
        Family::Other
    } else if package == "main" || (!module.is_empty() && within(module)) {
        Family::Own
    } else if within("runtime") && !within("runtime/pprof") || within("internal/runtime") {
        Family::Runtime
    } else if package.split('/').next().is_some_and(|host| host.contains('.')) {
        Family::Dependency
    } else {
        Family::Std
    }
}

/// From longest to shortest: `github.com/a/b.(*T).F`, `b.(*T).F`, `(*T).F`, `F`.
pub(super) fn forms(name: &str) -> Vec<String> {
    let mut forms = vec![unescape(name).into_owned()];
    if let Some(end) = package_end(name) {
        let rest = &name[end + 1..];
        let package = package(name);
        let last = package.rsplit('/').next().unwrap_or_default();
        forms.push(format!("{last}.{rest}"));
        forms.push(rest.to_owned());
        forms.push(bare(rest));
    }
    forms.dedup();
    forms
}

/// Without type arguments, and without the receiver; closures keep what they are named after.
fn bare(rest: &str) -> String {
    let mut out = String::new();
    let mut depth = 0usize;
    for c in rest.chars() {
        depth += usize::from(c == '[');
        if depth == 0 {
            out.push(c);
        }
        depth = depth.saturating_sub(usize::from(c == ']'));
    }
    match out.split_once('.') {
        Some((_, method)) if !method.is_empty() && !closure(method) => method.to_owned(),
        _ => out,
    }
}

/// `func1`, `gowrap1`, `1`, `.f`.
fn closure(name: &str) -> bool {
    let digit = |text: &str| text.starts_with(|c: char| c.is_ascii_digit());
    let func = name.strip_prefix("func").is_some_and(digit);
    func || name.starts_with("gowrap") || name.starts_with('.') || digit(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_and_families() {
        for (name, want, whose) in [
            ("main.main", "main", Family::Own),
            ("example.com/shop/cart.(*Cart).Add", "example.com/shop/cart", Family::Own),
            ("example.com/shopping.F", "example.com/shopping", Family::Dependency),
            ("gopkg.in/yaml%2ev3.Marshal", "gopkg.in/yaml.v3", Family::Dependency),
            ("gopkg.in/yaml.v3.Marshal", "gopkg.in/yaml.v3", Family::Dependency),
            ("net/http.(*conn).serve", "net/http", Family::Std),
            ("slices.Sort[go.shape.[]example.com/x.T]", "slices", Family::Std),
            ("runtime/pprof.profileWriter", "runtime/pprof", Family::Std),
            ("runtime.mallocgc", "runtime", Family::Runtime),
            ("internal/runtime/maps.(*Map).Get", "internal/runtime/maps", Family::Runtime),
            ("__libc_start_main", "", Family::Other),
            ("", "", Family::Other),
        ] {
            assert_eq!(package(name), want, "{name}");
            assert_eq!(family(name, "example.com/shop"), whose, "{name}");
        }
    }

    #[test]
    fn shorter_forms() {
        for (name, want) in [
            ("net/http.(*conn).serve", &["http.(*conn).serve", "(*conn).serve", "serve"][..]),
            ("main.main", &["main"][..]),
            ("a/b.Map[int,x/y.T].Get", &["b.Map[int,x/y.T].Get", "Map[int,x/y.T].Get", "Get"]),
            ("a/b.F.func1", &["b.F.func1", "F.func1"]),
            ("a/b.F.gowrap2", &["b.F.gowrap2", "F.gowrap2"]),
            ("clone", &[]),
            ("a/b.", &["b.", ""]),
        ] {
            assert_eq!(forms(name)[1..].to_vec(), want, "{name}");
        }
    }
}
