//! docs/intake.md and docs/security.md say what the code does: the words of answers and ends, and tests that exist.

use std::fs;
use std::path::PathBuf;

use provtaskd::source::HintEnd;
use provtaskd::source::intake::Cause;

use crate::config::{between, same_as_file};

fn docs(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("docs")
        .join(name)
}

#[test]
fn the_manual_lists_every_cause_and_every_end() {
    let path = docs("intake.md");
    let mut causes = "| status | word | meaning |\n|---|---|---|\n".to_owned();
    for cause in Cause::ALL {
        causes += &format!(
            "| {} | `{}` | {} |\n",
            cause.status(),
            cause.as_str(),
            cause.explanation()
        );
    }
    same_as_file(&path, &between(&path, "causes", &causes));
    let mut ends = "| end | meaning |\n|---|---|\n".to_owned();
    for end in HintEnd::ALL {
        ends += &format!("| `{}` | {} |\n", end.as_str(), end.explanation());
    }
    same_as_file(&path, &between(&path, "ends", &ends));
}

#[test]
fn every_attack_names_a_test_that_exists_and_every_test_of_attacks_is_named() {
    let text = fs::read_to_string(docs("security.md")).expect("docs/security.md");
    let (_, rest) = text.split_once("<!-- attacks -->").expect("the table");
    let (table, _) = rest.split_once("<!-- /attacks -->").expect("its end");
    let suite = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/suite");
    let source =
        |module: &str| fs::read_to_string(suite.join(format!("{module}.rs"))).expect("the tests");
    let mut rows = 0;
    for row in table.lines().skip(3).filter(|line| line.starts_with('|')) {
        rows += 1;
        let test = row.split('`').find(|span| {
            span.starts_with("intake_attacks::") || span.starts_with("drill_intake::")
        });
        let (module, name) = test.and_then(|test| test.split_once("::")).expect(row);
        let there = source(module).contains(&format!("async fn {name}()"));
        assert!(there, "there is no test {module}::{name}");
    }
    assert!(rows >= 15, "{rows} attacks");
    for line in source("intake_attacks").lines() {
        if let Some(name) = line
            .strip_prefix("async fn ")
            .and_then(|rest| rest.split_once("()"))
        {
            assert!(
                table.contains(name.0),
                "docs/security.md does not name {}",
                name.0
            );
        }
    }
}
