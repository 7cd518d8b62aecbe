//! `provtaskd policy`: runs the cases beside the policies, and releases a set for enforce; a test talks to no server and opens no store.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use super::act;
use super::context::{Context, print};
use super::failure::{Failure, Kind, tell};
use super::render;
use crate::control::Request;
use crate::model::PolicyHash;
use crate::model::settings::PolicySettings;
use crate::policy::trial::{FileTally, HELD_OUT_PRECISION_PERCENT, TrialReport};
use crate::policy::{Diagnostic, PolicyError, PolicySet, load, trial};

/// What to do about policies without cases.
pub const WRITE_CASES: &str =
    "write cases into NAME.test.toml beside NAME.rhai: see docs/policy.md";

/// The `policy` group.
#[derive(Debug, Subcommand)]
pub enum PolicyCommand {
    /// Compile the policies and run their cases (NAME.test.toml)
    Test(TestArgs),
    /// Let a policy set enforce
    Release {
        /// The set's hash, or its beginning (8 characters or more), as `status` and `plan` show it
        hash: String,
        /// Who takes the responsibility
        #[arg(long, value_name = "NAME")]
        person: String,
        /// That person's word, e.g. a change number
        #[arg(long, value_name = "TEXT")]
        word: String,
        /// Also a set whose own cases fail, or that fails on tasks now; it is recorded
        #[arg(long)]
        despite_failing_cases: bool,
    },
}

/// Options of `policy test`.
#[derive(Debug, Args)]
pub struct TestArgs {
    /// Directory of policies; without it the configured one, else the shipped set
    dir: Option<PathBuf>,
    /// Fail also where a rule line is reached by no case
    #[arg(long)]
    require_coverage: bool,
}

pub fn policy(context: &Context, command: PolicyCommand) -> Result<(), Failure> {
    match command {
        PolicyCommand::Test(args) => test(context, &args),
        PolicyCommand::Release {
            hash,
            person,
            word,
            despite_failing_cases,
        } => {
            let failing = failing_case(context, &hash)?;
            if let (Some((many, first)), false) = (&failing, despite_failing_cases) {
                return Err(Failure::new(
                    Kind::Data,
                    format!(
                        "policy set {hash} is not released: {} of its own do not hold, the first: {first}",
                        render::counted(*many, "case", "cases")
                    ),
                )
                .hint("mend the policy or the case (`provtaskd policy test` shows them all), then `provtaskd reload`; who knows better gives --despite-failing-cases, which is recorded"));
            }
            let release = Request::Release {
                hash: PolicyHash::new(&hash),
                person,
                word,
                failing: failing.map(|(_, first)| first),
                despite_failing: despite_failing_cases,
            };
            act::order(context, release)
        }
    }
}

/// Characters of a failing case that go on record.
const CASE_LENGTH: usize = 300;

/// How many cases of the configured set fail, and the first, where that is the set that is meant.
fn failing_case(context: &Context, hash: &str) -> Result<Option<(u64, String)>, Failure> {
    let settings = context.load()?.settings.policy;
    let meant = hash.trim().to_ascii_lowercase();
    let untried = match tried(&settings) {
        Ok((set, report)) if set.hash().as_str().starts_with(&meant) => {
            let all = failures(&report, settings.dir.as_deref());
            let many = u64::try_from(all.len()).unwrap_or(u64::MAX);
            return Ok(all.first().map(|first| {
                let words: Vec<&str> = first.split_whitespace().collect();
                let line = words.join(" ");
                (many, line.chars().take(CASE_LENGTH).collect())
            }));
        }
        Ok(_) => "the configured policy files are another set",
        Err(_) => "the configured policy files can't be used (`provtaskd policy test`)",
    };
    tell(&format!(
        "note: the cases of {hash} were not run: {untried}"
    ));
    Ok(None)
}

fn test(context: &Context, args: &TestArgs) -> Result<(), Failure> {
    let settings = match &args.dir {
        // a directory can be tested before there is a configuration
        Some(dir) => PolicySettings {
            dir: Some(dir.clone()),
            ..PolicySettings::default()
        },
        None if context.has_config() => context.load()?.settings.policy,
        None => PolicySettings::default(),
    };
    let (set, report) = tried(&settings)?;
    print(&text(&set, &report, settings.dir.as_deref()))?;
    match wrong(&report, args.require_coverage).as_slice() {
        // who asks for a test and gets none must not take it for a good one
        [] if report.tested_nothing(&set) => Err(Failure::new(
            Kind::Findings,
            "no policy has a case: nothing was tested",
        )
        .hint(WRITE_CASES)),
        [] => Ok(()),
        all => Err(Failure::new(Kind::Findings, all.join("; "))
            .hint("mend the policy or the case at the places above, then run it again")),
    }
}

/// Compiles a set and runs its cases.
///
/// # Errors
/// Everything that is wrong with the files, each with its place.
pub fn tried(settings: &PolicySettings) -> Result<(PolicySet, TrialReport), Failure> {
    let dir = settings.dir.as_deref();
    let (set, cases) = match (load::load(settings), load::cases(dir)) {
        (Ok(set), Ok(cases)) => (set, cases),
        (set, cases) => {
            let findings = [set.err(), cases.err()].into_iter().flatten();
            let mut findings: Vec<Diagnostic> = findings.flat_map(|e| e.findings).collect();
            // a directory that can't be listed is said by both
            findings.dedup();
            return Err(broken(
                &PolicyError {
                    findings,
                    dir: None,
                },
                dir,
            ));
        }
    };
    let report = trial::run(&set, &cases);
    Ok((set, report))
}

/// The failure of a set that can't be used.
fn broken(error: &PolicyError, dir: Option<&Path>) -> Failure {
    let of = dir.map_or_else(
        || "the shipped set".to_owned(),
        |dir| dir.display().to_string(),
    );
    let mut failure = Failure::new(Kind::Config, format!("the policies of {of} can't be used"))
        .hint("mend what is listed above, then run `provtaskd policy test`");
    failure.details = error.findings.iter().map(|f| finding(f, dir)).collect();
    failure
}

/// One finding, with the file as it can be opened from here.
pub fn finding(found: &Diagnostic, dir: Option<&Path>) -> String {
    let mut found = found.clone();
    found.file = place(dir, &found.file).into();
    format!("error: {found}")
}

/// A file of the set. What could not be read is named with its whole path already.
fn place(dir: Option<&Path>, file: &str) -> String {
    match dir {
        Some(dir) if !Path::new(file).starts_with(dir) => dir.join(file).display().to_string(),
        _ => file.to_owned(),
    }
}

/// What makes the trial fail, each in a few words.
pub fn wrong(report: &TrialReport, require_coverage: bool) -> Vec<String> {
    let mut out = Vec::new();
    if !report.failed.is_empty() {
        out.push(format!("{} case(s) failed", report.failed.len()));
    }
    if !report.findings.is_empty() {
        out.push(format!(
            "{} file(s) of cases can't be read",
            report.findings.len()
        ));
    }
    if report.known_texts.wrong > 0 {
        out.push(format!(
            "{} known text(s) are wrongly called retryable",
            report.known_texts.wrong
        ));
    }
    if let Some(precision) = report.held_out.precision_percent()
        && precision < HELD_OUT_PRECISION_PERCENT
    {
        out.push(format!(
            "precision on held-out texts is {precision} %, it has to be {HELD_OUT_PRECISION_PERCENT} %"
        ));
    }
    if require_coverage && !report.uncovered.is_empty() {
        out.push(format!(
            "{} rule line(s) are reached by no case",
            report.uncovered.len()
        ));
    }
    out
}

/// What failed, with its place; the same for `policy test` and `check`.
pub fn failures(report: &TrialReport, dir: Option<&Path>) -> Vec<String> {
    let mut out: Vec<String> = report.findings.iter().map(|f| finding(f, dir)).collect();
    out.extend(report.failed.iter().map(|failure| {
        format!(
            "failed: {}:{}: {}\n        {}",
            place(dir, &failure.file),
            failure.line,
            failure.case,
            failure.message
        )
    }));
    out
}

/// Policies of which nothing was tested, each in a line; where that is all of them, in one.
pub fn untested(set: &PolicySet, report: &TrialReport, dir: Option<&Path>) -> Vec<String> {
    if report.tested_nothing(set) {
        let all: Vec<String> = report
            .without_cases
            .iter()
            .map(|of| place(dir, of))
            .collect();
        return vec![format!(
            "no cases: nothing was tested of {}",
            all.join(", ")
        )];
    }
    let one = |of: &String| format!("no cases: nothing was tested of {}", place(dir, of));
    report.without_cases.iter().map(one).collect()
}

fn text(set: &PolicySet, report: &TrialReport, dir: Option<&Path>) -> String {
    let mut out = String::new();
    let files: Vec<String> = report.files.iter().map(|f| place(dir, &f.file)).collect();
    let widest = files.iter().map(String::len).max().unwrap_or(0);
    // writing to a String can't fail
    for (name, file) in files.iter().zip(&report.files) {
        let _ = writeln!(out, "{name:widest$}  {}", counts(file));
    }
    for line in failures(report, dir) {
        let _ = writeln!(out, "{line}");
    }
    for (policy, line) in &report.uncovered {
        let _ = writeln!(out, "no case reaches {}:{line}", place(dir, policy));
    }
    for line in untested(set, report, dir) {
        let _ = writeln!(out, "{line}");
    }
    let _ = writeln!(
        out,
        "\npolicy set {}: {} cases passed, {} failed; {} of {} rule lines reached",
        set.hash().short(),
        report.passed,
        report.failed.len(),
        report.covered,
        report.covered + report.uncovered.len(),
    );
    let _ = writeln!(out, "reasons, known:    {}", report.known_texts);
    let _ = writeln!(out, "reasons, held out: {}", report.held_out);
    out
}

fn counts(file: &FileTally) -> String {
    let mut out = format!("{} passed, {} failed", file.passed, file.failed);
    if file.scored > 0 {
        let _ = write!(out, ", {} held out and scored", file.scored);
    }
    out
}
