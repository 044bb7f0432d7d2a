//! What we send keeps the rules of the profiling SIG, of Parca and of Pyroscope, whatever it was
//! made of; and payloads as the specification shows them are read and found good.

use std::path::{Path, PathBuf};

use pipeline::{
    codec::{
        otlp::{
            self, Decoder, Position,
            check::{self, Form, Rule},
        },
        pprof,
    },
    limits::Limits,
    profile::Profile,
};

use crate::support::{cli::profpipe, profiles};

/// A profile as a receiver hands it on.
fn read(file: &Path) -> Option<Profile> {
    let mut profile = pprof::decode(&std::fs::read(file).unwrap(), &Limits::default()).ok()?;
    profile.meta.resource = [("service.name", "valid"), ("team", "red")].into_iter().collect();
    profile.meta.name = "cpu".into();
    Some(profile).filter(|profile| !profile.is_empty())
}

/// Requests of these files, as the exporters make them, keep all rules. Gives how many profiles
/// there were. Lines and periods below 0, which pprof has a place for, go on as they are.
fn all_valid(files: &[PathBuf]) -> usize {
    let profiles: Vec<Profile> = files.iter().filter_map(|file| read(file)).collect();
    for some in profiles.chunks(20) {
        requests_valid(&some.iter().collect::<Vec<_>>());
    }
    profiles.len()
}

fn requests_valid(profiles: &[&Profile]) {
    let mut at = Position::default();
    while let Some(request) = otlp::next_request(profiles, at, 1 << 20) {
        let report = check::check(&request.bytes, Form::Request);
        let negative = |rule| [Rule::LineNegative, Rule::PeriodNegative].contains(&rule);
        let mut breaches = report.breaches.iter().filter(|breach| !negative(breach.rule));
        assert_eq!(breaches.next(), None, "{at:?}: {} in all", report.breaches.len());
        assert!(report.samples > 0);
        at = request.end;
    }
}

#[test]
fn what_is_made_of_pprof_keeps_all_rules() {
    let Some(random) = profiles::random() else { return };
    assert!(all_valid(random) > 400);
    let cpu: Vec<PathBuf> = profiles::cpu().unwrap().iter().map(|(_, file)| file.clone()).collect();
    assert!(all_valid(&cpu) >= 40);
    assert!(all_valid(profiles::heap().unwrap()) >= 4);
    let mut real = profiles::google().unwrap();
    real.retain(|file| file.ends_with("large.cpu"));
    real.extend(["parca", "alloy-delta"].iter().flat_map(|folder| profiles::corpus(folder)));
    assert_eq!(all_valid(&real), real.len());
}

fn payload(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/otlp/payloads").join(name)
}

#[test]
fn payloads_of_the_specification_are_read() {
    for (name, samples) in [
        ("cpu.json", vec![("run;parse;lex", 3, None), ("run;emit", 2, None)]),
        (
            "linked.json",
            vec![("serve;ask", 5, Some("0af7651916cd43dd8448eb211c80319c")), ("serve", 4, None)],
        ),
    ] {
        let bytes = std::fs::read(payload(name)).unwrap();
        let decoded = Decoder::default().decode_json(&bytes, &Limits::default()).unwrap();
        assert_eq!((decoded.profiles.len(), decoded.error), (1, None), "{name}");
        let profile = &decoded.profiles[0];
        let function = |location: &u32| {
            let line = profile.lines().get(*location)[0];
            profile.text(profile.functions()[line.function as usize].name)
        };
        for (row, (stack, value, trace)) in samples.into_iter().enumerate() {
            let found = profile.stacks().get(profile.samples().stacks[row]);
            let found: Vec<&str> = found.iter().rev().map(function).collect();
            assert_eq!((found.join(";").as_str(), profile.samples().values[row]), (stack, value));
            let labels = format!("{:?}", profile.strings());
            assert!(trace.is_none_or(|trace| labels.contains(trace)), "{labels}");
        }
        if name == "linked.json" {
            let resource = &profile.meta.resource;
            assert_eq!(
                resource.get("service.name").map(ToString::to_string),
                Some("orders".into())
            );
        }
        // As a request, which backends read that know no references, it is another matter.
        let mut found = Vec::new();
        check::messages(&bytes, 1 << 20, |message, form| {
            assert_eq!(check::check(message, form).breaches, [], "{name}");
            found = check::check(message, Form::Request).breaches;
        })
        .unwrap();
        let inline = found.iter().filter(|breach| breach.rule == Rule::AttributeInline).count();
        assert_eq!((found.len(), inline), if name == "cpu.json" { (0, 0) } else { (4, 4) });
    }
}

#[test]
fn the_command_tells_each_breach_and_its_place() {
    let good = [payload("cpu.json"), payload("linked.json")];
    let ok = profpipe(["check-otlp".as_ref(), good[0].as_os_str(), good[1].as_os_str()]).ok();
    assert_eq!(ok.lines().filter(|line| line.contains(": ok: messages 1, profiles 1")).count(), 2);
    let mut piped = std::process::Command::new(env!("CARGO_BIN_EXE_profpipe"));
    piped.args(["check-otlp", "-"]).stdin(std::fs::File::open(&good[0]).unwrap());
    let said = String::from_utf8(piped.output().unwrap().stdout).unwrap();
    assert!(said.starts_with("-: ok: messages 1, profiles 1"), "{said}");

    let folder = tempfile::tempdir().unwrap();
    let text = std::fs::read_to_string(&good[0]).unwrap();
    let text = text.replace(r#""stackIndex": 2"#, r#""stackIndex": 9"#);
    let text = text.replace(r#""periodType""#, r#""unknown""#);
    let bad = folder.path().join("bad.json");
    std::fs::write(&bad, [text.as_str(), "\n", text.as_str()].concat()).unwrap();
    let profile = "resource_profiles[0].scope_profiles[0].profiles[0]";
    let ran = profpipe(["check-otlp".as_ref(), "--format=json".as_ref(), bad.as_os_str()]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(1), "profpipe: 1 of 1 files break rules\n"));
    let found: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    for (field, count) in [("messages", 2), ("profiles", 2), ("samples", 4), ("more", 0)] {
        assert_eq!(found[field], count, "{field}");
    }
    let breaches: Vec<_> = found["breaches"].as_array().unwrap().iter().collect();
    let of = |at: usize, field: &str| breaches[at][field].as_str().unwrap().to_owned();
    assert_eq!(of(0, "place"), format!("messages[0].{profile}.samples[1].stack_index"));
    assert_eq!((of(0, "rule"), of(0, "source")), ("index_range".into(), "sig".into()));
    assert_eq!(of(0, "reason"), "index 9 is not within the 3 entries of its table");
    assert_eq!(of(1, "place"), format!("messages[0].{profile}.period_type"));
    assert_eq!((of(1, "rule"), of(1, "source")), ("period_type_missing".into(), "parca".into()));

    let ran = profpipe(["check-otlp".as_ref(), "--for=sig".as_ref(), bad.as_os_str()]);
    assert_eq!(ran.code, Some(1));
    let line = format!("messages[1].{profile}.samples[1].stack_index: index_range (sig): index 9");
    assert!(ran.stdout.contains(&line) && !ran.stdout.contains("period_type"), "{}", ran.stdout);
    for (what, code) in [("--for=nobody", 2), ("no-such-file", 1)] {
        assert_eq!(profpipe(["check-otlp", what]).code, Some(code), "{what}");
    }
}

#[test]
fn the_page_lists_every_rule() {
    let page = include_str!("../../docs/otlp.md");
    for rule in Rule::ALL {
        let row = format!("| `{rule}` | {} | {} |", rule.source(), rule.demand());
        assert!(page.contains(&row), "docs/otlp.md lacks {row}");
    }
}
