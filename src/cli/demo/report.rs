//! The demo's report and its verdict: what the daemon says, then what the simulator saw by its own truth; it softens no count.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::house::House;
use super::stories::Told;
use super::tally::Tally;
use crate::cli::failure::{Failure, Kind};
use crate::control::StatusView;

/// Width of the first column.
const WORDS: usize = 29;

/// Counts of the truth that have to be zero.
const SAFETY: [(&str, &str); 6] = [
    (
        "effected_twice",
        "pieces of work whose effect happened twice",
    ),
    ("runs_twice", "runs of a connector that happened twice"),
    (
        "stale_effects",
        "grants given that must not be given any more",
    ),
    ("overtaken_effects", "old changes over newer ones"),
    ("given_to_inactive", "tasks handed to people who have left"),
    (
        "given_to_beneficiary",
        "tasks handed to the one whom they are for",
    ),
];

/// What became of the tasks, by target.
pub fn table(tally: &Tally, view: &StatusView) -> String {
    let widths: Vec<usize> = tally.targets.iter().map(|t| t.len().max(4) + 1).collect();
    let line = |out: &mut String, words: &str, cells: &[String], all: &str| {
        let _ = write!(out, "{words:WORDS$}");
        for (cell, width) in cells.iter().zip(&widths) {
            let _ = write!(out, "{cell:>width$}");
        }
        // writing to a String can't fail
        let _ = writeln!(out, "{all:>6}");
    };
    let mut out = format!(
        "What became of the tasks visible to {}, {}\n\n",
        view.login,
        view.now.strftime("%a %H:%M")
    );
    line(&mut out, "", &tally.targets, "all");
    for (fate, counts) in &tally.rows {
        let cells: Vec<String> = counts.iter().map(|n| number(*n)).collect();
        line(
            &mut out,
            &fate.words(),
            &cells,
            &number(counts.iter().sum()),
        );
    }
    let sums: Vec<u64> = (0..widths.len()).map(|at| tally.column(at)).collect();
    let cells: Vec<String> = sums.iter().map(|n| number(*n)).collect();
    line(&mut out, "seen", &cells, &number(sums.iter().sum()));
    out.push_str(
        "\n\"completed\" was read as completed; that OIG accepted a retry is not enough.\n",
    );
    out
}

/// Zero is easier to see as a dash.
fn number(count: u64) -> String {
    if count == 0 {
        "-".to_owned()
    } else {
        count.to_string()
    }
}

/// The requests in the simulator's journal, by sort.
pub fn requests(journal: &[Value]) -> String {
    let mut sorts: BTreeMap<&str, u64> = BTreeMap::new();
    let mut items = 0;
    for request in journal.iter().filter(|entry| entry["type"] == "request") {
        *sorts
            .entry(request["class"].as_str().unwrap_or("any"))
            .or_default() += 1;
        if request["class"] == "put" {
            items += request["items"].as_array().map_or(0, Vec::len);
        }
    }
    let of = |sort: &str| sorts.get(sort).copied().unwrap_or(0);
    format!(
        "Requests that the simulator got: {} reads ({} pages of the list, {} of tasks and accounts,\n\
         {} of people), {} PUTs with {items} items, {} authentications.\n",
        of("list") + of("read") + of("people") + of("any"),
        of("list"),
        of("read") + of("any"),
        of("people"),
        of("put"),
        of("token"),
    )
}

/// What is on disk.
pub fn store(house: &House, view: &StatusView, keep: bool) -> String {
    let (files, bytes) = house.store_size();
    let end = if keep { "" } else { ", removed at the end" };
    format!(
        "In the store: {} records, {} MB in {files} files, in {}{end}\n",
        view.store_records,
        bytes / 1_000_000,
        view.store
    )
}

/// What really happened, by the simulator's own count.
/// `table`: of when the table is; `early`: the day has ended before its end.
pub fn truth(truth: &Value, table: Timestamp, early: bool) -> String {
    let count = |name: &str| truth["summary"][name].as_u64().unwrap_or(0);
    let at = truth["now"].as_str().and_then(|at| at.parse().ok());
    let later =
        at.filter(|at: &Timestamp| at.duration_since(table) >= SignedDuration::from_mins(1));
    let at = later.map_or_else(String::new, |at| {
        format!(", {}, later than the table above", at.strftime("%a %H:%M"))
    });
    let mut out = format!(
        "What the simulator saw, by its own count{at}\n\n{:>7} of {} tasks that could heal have healed\n",
        count("healed"),
        count("healed") + count("healable_open"),
    );
    // what a target holds that is not back yet can't heal, and counts on neither side
    let targets = truth["by_target"].as_object().filter(|_| early);
    for (name, target) in targets.into_iter().flatten() {
        let open = target["tasks"]["R"].as_u64().unwrap_or(0);
        if target["state"] == "down" && open > 0 {
            let _ = writeln!(
                out,
                "{open:>7} of {name} are not among them: it was still down when the day ended"
            );
            continue;
        }
        // what can heal and has not: nothing is wrong with it
        let waits = target["tasks"]["healable_open"].as_u64().unwrap_or(0);
        if waits > 0 {
            let _ = writeln!(
                out,
                "{waits:>7} of {name} had not had their turn yet, by its rate or their back-off, when the day was ended early"
            );
        }
    }
    for (name, words) in SAFETY {
        let _ = writeln!(out, "{:>7} {words}", count(name));
    }
    out
}

/// The verdict: every safety count is zero, and something has healed.
pub fn judge(truth: &Value) -> Result<(), Failure> {
    let mut wrong: Vec<String> = SAFETY
        .iter()
        .filter_map(|(name, words)| match truth["summary"][*name].as_u64() {
            Some(0) => None,
            Some(count) => Some(format!("{count} {words}")),
            None => Some(format!("the simulator does not tell {name}")),
        })
        .collect();
    if truth["summary"]["healed"].as_u64().unwrap_or(0) == 0 {
        wrong.push("nothing has healed".to_owned());
    }
    if wrong.is_empty() {
        return Ok(());
    }
    Err(Failure::new(
        Kind::Findings,
        format!(
            "the simulator saw what must never happen: {}",
            wrong.join("; ")
        ),
    )
    .hint("this is a bug; report it with the line above"))
}

/// What to ask the daemon that is left running.
pub fn kept(house: &House, told: &[Told]) -> String {
    let program = std::env::current_exe().unwrap_or_else(|_| "provtaskd".into());
    let call = format!("{} -c {}", quoted(&program), quoted(&house.config()));
    let mut out = String::from(
        "Simulator and daemon stay, from now on at the clock's own pace. In another terminal:\n\n",
    );
    for words in ["status", "inbox", "outcomes list --limit 20"] {
        let _ = writeln!(out, "  {call} {words}");
    }
    for story in told {
        if let Some(lineage) = story.lineage {
            let _ = writeln!(out, "\n  # {}", story.title);
            let _ = writeln!(out, "  {call} outcomes show {lineage}");
            let _ = writeln!(out, "  {call} explain {lineage}");
        }
    }
    let _ = write!(
        out,
        "\nCtrl-C here, or `{call} stop`, ends both and removes {}.",
        house.dir().display()
    );
    out
}

/// A path as a shell takes it.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
    if text.chars().all(plain) {
        text
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn clean_truth() -> Value {
        let mut summary = json!({ "healed": 3, "healable_open": 1 });
        for (name, _) in SAFETY {
            summary[name] = json!(0);
        }
        json!({ "summary": summary })
    }

    #[test]
    fn every_safety_count_alone_fails_the_demo_and_so_does_a_daemon_that_heals_nothing() {
        assert_eq!(judge(&clean_truth()), Ok(()));
        for (name, words) in SAFETY {
            let mut bad = clean_truth();
            bad["summary"][name] = json!(1);
            let failure = judge(&bad).expect_err(name);
            assert_eq!(failure.kind, Kind::Findings);
            assert!(failure.message.contains(words), "{}", failure.message);
            bad["summary"][name] = Value::Null;
            assert!(judge(&bad).is_err(), "{name} is not told");
        }
        let mut idle = clean_truth();
        idle["summary"]["healed"] = json!(0);
        assert!(judge(&idle).is_err());
        let said = truth(&clean_truth(), Timestamp::UNIX_EPOCH, false);
        assert!(said.contains("3 of 4 tasks"));
        let mut later = clean_truth();
        for (now, words) in [
            ("1970-01-01T00:00:59Z", "by its own count\n"),
            (
                "1970-01-01T00:07:00Z",
                "by its own count, Thu 00:07, later than",
            ),
        ] {
            later["now"] = json!(now);
            let said = truth(&later, Timestamp::UNIX_EPOCH, false);
            assert!(said.contains(words), "{said}");
        }
        let mut down = clean_truth();
        down["by_target"] = json!({
            "EXCHANGE": { "state": "down", "tasks": { "R": 9 } },
            "AD": { "state": "up", "tasks": { "R": 2 } },
            "SAP": { "state": "up", "tasks": { "R": 7, "healable_open": 5 } },
        });
        let early = truth(&down, Timestamp::UNIX_EPOCH, true);
        assert!(
            early.contains("9 of EXCHANGE are not among them"),
            "{early}"
        );
        assert!(
            early.contains("5 of SAP had not had their turn yet"),
            "{early}"
        );
        let whole = truth(&down, Timestamp::UNIX_EPOCH, false);
        assert!(!whole.contains("SAP"), "{whole}");
        assert!(!early.contains("AD") && !whole.contains("EXCHANGE"));
    }

    #[test]
    fn paths_are_quoted_for_a_shell() {
        assert_eq!(quoted(Path::new("/a/b-1.toml")), "/a/b-1.toml");
        assert_eq!(quoted(Path::new("/a b/it's")), r"'/a b/it'\''s'");
    }
}
