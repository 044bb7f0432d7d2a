//! DuckDB: every question of `docs/lake.md` gets an answer, and the right one.

use std::{
    collections::BTreeMap,
    io::Write,
    process::{Command, Stdio},
};

use serde_json::Value;

use super::{fill, script};
use crate::support::{
    cli::{Top, top},
    python, scratch,
};

/// The SQL of the page about the lake, about a service and a time that the lake has.
fn documented(service: &str) -> String {
    let page = include_str!("../../docs/lake.md");
    let blocks = page.split("```sql\n").skip(1).map(|rest| rest.split_once("```").unwrap().0);
    let sql: String = blocks.collect();
    assert!(sql.contains("'orders'") && sql.contains("INTERVAL 1 HOUR"), "{sql}");
    sql.replace("'orders'", &format!("'{service}'")).replace("INTERVAL 1 HOUR", "INTERVAL 99 YEAR")
}

/// The first column and the number in the second.
fn pairs(rows: &[Value]) -> BTreeMap<String, f64> {
    let pair = |row: &Value| (row[0].as_str().unwrap().to_owned(), row[1].as_f64().unwrap());
    rows.iter().map(pair).collect()
}

/// Asserts that rows are the highest of these seconds, as far as floating point tells.
fn assert_highest(rows: &[Value], nanoseconds: impl Fn(&str) -> i64, most: usize) {
    let rows = pairs(rows);
    assert_eq!(rows.len(), most.min(20));
    for (function, seconds) in rows {
        let want = nanoseconds(&function) as f64 / 1e9;
        assert!((seconds - want).abs() < 1e-6, "{function}: {seconds}, not {want}");
    }
}

#[test]
fn duckdb_answers_every_documented_question() {
    let Some(python) = python::python() else { return };
    let folder = scratch();
    let lake = folder.path().join("lake");
    let Some(()) = fill(&lake) else { return };
    let service = &crate::support::profiles::cpu().unwrap()[0].0;
    let mut duckdb = Command::new(python);
    duckdb.arg(script("duckdb_sql.py")).arg(folder.path());
    let mut duckdb = duckdb.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    duckdb.stdin.take().unwrap().write_all(documented(service).as_bytes()).unwrap();
    let done = duckdb.wait_with_output().unwrap();
    assert!(done.status.success());
    let answers = String::from_utf8(done.stdout).unwrap();
    let answers: Vec<Vec<Value>> =
        answers.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(answers.len(), 6);

    let lake = lake.to_str().unwrap();
    let Top { total, rows, .. } = top(&["--lake", lake, "--all", "-s", service, "-t", "cpu:cpu"]);
    let with_own = rows.values().filter(|row| row.0 != 0).count();
    assert_highest(&answers[0], |function| rows[function].0, with_own);
    assert_highest(&answers[1], |function| rows[function].1, rows.len());
    let folded = answers[2].iter().map(|row| row[0].as_str().unwrap());
    let values = folded.map(|line| line.rsplit_once(' ').unwrap().1.parse::<i64>().unwrap());
    assert_eq!(values.sum::<i64>(), total);
    assert_eq!(answers[3].len(), 1);
    assert!(!answers[4].is_empty());
    assert!(answers[5].iter().any(|row| row[2].as_f64().unwrap() > 0.0));
}
