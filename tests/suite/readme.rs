//! The README tells the truth: its commands exist, its files are there, and its first screen says what it has to.

use std::path::{Path, PathBuf};

use provtaskd::cli;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn readme() -> String {
    std::fs::read_to_string(root().join("README.md")).expect("README.md")
}

/// Command lines in fenced blocks and in backticks, from `provtaskd` on.
fn commands(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut fenced = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        } else if fenced {
            let line = line.trim().trim_start_matches("$ ");
            if let Some(rest) = line.strip_prefix("provtaskd ") {
                found.push(rest.to_owned());
            }
        } else if let Some((_, rest)) = line.split_once("cargo run --release --locked -- ") {
            found.push(rest.to_owned());
        } else {
            let spans = line.split('`').skip(1).step_by(2);
            found.extend(
                spans
                    .filter_map(|span| span.strip_prefix("provtaskd "))
                    .map(str::to_owned),
            );
        }
    }
    found
}

/// Words as a shell splits them, without the comment; the README uses double quotes only.
fn words(command: &str) -> Vec<String> {
    let command = command.split(" #").next().unwrap_or(command);
    let mut out = Vec::new();
    for (number, part) in command.split('"').enumerate() {
        if number % 2 == 1 {
            out.push(part.to_owned());
        } else {
            out.extend(
                part.split_whitespace()
                    .filter(|word| !matches!(*word, "&"))
                    .map(str::to_owned),
            );
        }
    }
    out
}

#[test]
fn every_command_in_the_readme_is_understood() {
    let commands = commands(&readme());
    assert!(commands.len() >= 15, "{commands:#?}");
    let wrong: Vec<String> = commands
        .iter()
        .filter_map(|command| {
            let words = words(command);
            let known = cli::understands(words.iter().map(String::as_str));
            known
                .err()
                .map(|error| format!("provtaskd {command}: {error}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_check_of_commands_notices_a_wrong_one() {
    let text = "x `provtaskd status` and `provtaskd frobnicate`\n```\n$ provtaskd plan --nonsense # no\n```\n";
    let found = commands(text);
    assert_eq!(found, ["status", "frobnicate", "plan --nonsense # no"]);
    let ok = |command: &str| cli::understands(words(command).iter().map(String::as_str)).is_ok();
    assert_eq!(
        found.iter().map(|c| ok(c)).collect::<Vec<_>>(),
        [true, false, false]
    );
    assert_eq!(
        words("approve x --why \"a b\" &"),
        ["approve", "x", "--why", "a b"]
    );
}

#[test]
fn the_first_screen_says_what_it_does_for_whom_and_what_it_can_not_see() {
    let text = readme();
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines.len() <= 200, "{} lines", lines.len());
    assert!(
        lines[4].contains("visible to its login"),
        "line 5: {}",
        lines[4]
    );
    let screen = lines[..40].join("\n");
    for command in [
        "cargo run --release --locked -- demo",
        "cargo test --locked",
    ] {
        assert!(screen.contains(command), "{command}");
    }
}

#[test]
fn every_file_that_the_readme_names_is_there() {
    let text = readme();
    let mut missing = Vec::new();
    let mut seen = 0;
    for target in text
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next())
    {
        let target = target.split('#').next().unwrap_or(target);
        if !target.contains("://") && !target.is_empty() {
            seen += 1;
            if !Path::exists(&root().join(target)) {
                missing.push(target);
            }
        }
    }
    assert!(
        seen >= 5 && missing.is_empty(),
        "{seen} links; missing: {missing:?}"
    );
}

#[test]
fn the_table_of_commands_is_whole() {
    let text = readme();
    for command in cli::commands() {
        let word = command.split(' ').next().unwrap_or(&command);
        assert!(
            text.contains(&format!("`{word}")),
            "`{word}` is not in the README"
        );
    }
}
