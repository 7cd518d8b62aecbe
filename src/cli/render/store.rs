//! What the commands of the group `store` say: what is there, what is wrong, what would go; pure.

use std::fmt::Write as _;
use std::path::Path;

use serde_json::{Value, json};

use super::layout::{Width, number, prose, table, word};
use super::{clean, counted, time};
use crate::daemon::Noted;
use crate::ledger::upkeep::{BroughtIn, Checked, ErasePlan, Estimate, RetentionPlan, Rewritten};

/// Lineages that are named one by one.
const NAMED: usize = 20;

/// A number that can be read.
pub fn count(of: u64) -> String {
    let digits = of.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Bytes per one of them.
fn share(bytes: u64, of: u64) -> String {
    bytes.checked_div(of).map_or_else(|| "-".to_owned(), count)
}

/// What a check has found, for people.
pub fn checked(checked: &Checked, width: Width) -> String {
    let examined = &checked.examined;
    let (tally, index) = (&examined.tally, &examined.index);
    let outcomes: u64 = index.counts().values().sum();
    let end = |of: Option<(u64, jiff::Timestamp)>| {
        of.map_or_else(
            || "-".to_owned(),
            |(seq, at)| format!("{seq}, {}", time(at)),
        )
    };
    let states = index.counts().iter().filter(|(_, many)| **many > 0);
    let states: Vec<String> = states
        .map(|(state, many)| format!("{} {state}", count(*many)))
        .collect();
    let versions: Vec<String> = tally
        .versions
        .iter()
        .map(|(version, many)| format!("{} of version {version}", count(*many)))
        .collect();
    let mut rows = vec![
        ("store", index.store_id().unwrap_or("-").to_owned()),
        (
            "server",
            index.world().unwrap_or("not bound yet").to_owned(),
        ),
        (
            "records",
            format!("{} ({})", count(tally.records), versions.join(", ")),
        ),
        ("oldest", end(tally.oldest)),
        ("newest", end(tally.newest)),
        (
            "acknowledged",
            checked
                .mark
                .as_ref()
                .map_or_else(|| "not known".to_owned(), |mark| mark.seq.to_string()),
        ),
        (
            "head of the chain",
            index
                .head()
                .map_or_else(|| "-".to_owned(), ToString::to_string),
        ),
        ("rewritten records", count(tally.rewritten)),
        ("bytes of records", count(tally.bytes)),
    ];
    if let Some((values, bytes)) = checked.values {
        rows.push((
            "packed",
            format!("{} in {} values", count(bytes), count(values)),
        ));
    }
    rows.push(("bytes of files", count(checked.bytes)));
    rows.push(("bytes per outcome", share(checked.bytes, outcomes)));
    rows.push((
        "lineages",
        format!(
            "{}, {} of them not done",
            count(index.lineages()),
            count(index.unfinished())
        ),
    ));
    rows.push((
        "attempts",
        if states.is_empty() {
            "none".to_owned()
        } else {
            states.join(", ")
        },
    ));
    rows.push(("open claims", index.open_attempts().count().to_string()));
    rows.push(("stored texts", stored(checked)));
    let mut out = String::new();
    for (name, value) in rows {
        // writing to a String can't fail
        let _ = writeln!(out, "{name:<18} {}", clean(&value));
    }
    let sorts = tally.sorts.iter();
    let rows = sorts.map(|(sort, (many, bytes))| vec![clean(sort), count(*many), count(*bytes)]);
    out.push('\n');
    out.push_str(&table(
        width,
        &[word("RECORDS OF"), number("MANY"), number("BYTES")],
        rows,
    ));
    for note in &checked.notes {
        let _ = writeln!(out, "\nnote: {}", clean(note));
    }
    if examined.wrong == 0 {
        let older = checked.anchor.as_ref().is_some_and(|held| !held.agrees);
        out.push_str(match older {
            true => "\nnothing is wrong with its records; it is no copy of what the configured store is now\n",
            false => "\nnothing is wrong\n",
        });
        return out;
    }
    let rows = examined.findings.iter().map(|finding| {
        let record = finding
            .record
            .map_or_else(|| "-".to_owned(), |seq| seq.to_string());
        vec![record, clean(&finding.what)]
    });
    out.push('\n');
    out.push_str(&table(width, &[number("RECORD"), prose("FINDING")], rows));
    let told = u64::try_from(examined.findings.len()).unwrap_or(u64::MAX);
    if examined.wrong > told {
        let _ = writeln!(out, "and {} more", count(examined.wrong - told));
    }
    out
}

fn stored(checked: &Checked) -> String {
    let tally = &checked.examined.tally;
    let mut text = format!("{} whole", count(tally.texts));
    for (many, what) in [
        (tally.unfinished, "never finished (the process ended)"),
        (
            tally.unchecked,
            "not looked at (what they lean on was taken out, or lies too far back)",
        ),
    ] {
        if many > 0 {
            let _ = write!(text, ", {} {what}", count(many));
        }
    }
    text
}

/// The same for programs.
pub fn checked_json(checked: &Checked) -> Value {
    let examined = &checked.examined;
    let (tally, index) = (&examined.tally, &examined.index);
    let states: Vec<Value> = index
        .counts()
        .iter()
        .map(|(state, many)| json!({"state": state, "attempts": many}))
        .collect();
    let findings: Vec<Value> = examined
        .findings
        .iter()
        .map(|finding| json!({"record": finding.record, "finding": finding.what}))
        .collect();
    json!({
        "store": index.store_id(),
        "server": index.world(),
        "records": tally.records,
        "oldest": tally.oldest.map(|(seq, at)| json!({"record": seq, "at": at})),
        "newest": tally.newest.map(|(seq, at)| json!({"record": seq, "at": at})),
        "acknowledged": checked.mark.as_ref().map(|mark| mark.seq),
        "head": index.head().map(ToString::to_string),
        "rewritten": tally.rewritten,
        "bytes_of_records": tally.bytes,
        "bytes_packed": checked.values.map(|(_, bytes)| bytes),
        "bytes_of_files": checked.bytes,
        "lineages": index.lineages(),
        "lineages_not_done": index.unfinished(),
        "attempts": states,
        "open_claims": index.open_attempts().count(),
        "texts": tally.texts,
        "texts_unfinished": tally.unfinished,
        "texts_unchecked": tally.unchecked,
        "anchor": checked.anchor.as_ref().map(|held| json!({
            "record": held.anchor.seq, "at": held.anchor.at, "agrees": held.agrees,
        })),
        "rewound": checked.rewound,
        "notes": checked.notes,
        "wrong": examined.wrong,
        "findings": findings,
    })
}

/// What a rewriting did.
pub fn rewritten(what: &str, done: &Rewritten) -> String {
    if done.kept {
        return format!(
            "left as it is: it takes {} bytes ({} per outcome), and rewritten it would take {}\n",
            count(done.bytes_before),
            share(done.bytes_before, done.outcomes),
            count(done.bytes_after),
        );
    }
    format!(
        "{what}: {} bytes before, {} after ({}; {} and {} bytes per outcome); both journals were compared\n",
        count(done.bytes_before),
        count(done.bytes_after),
        records(done.records),
        share(done.bytes_before, done.outcomes),
        share(done.bytes_after, done.outcomes),
    )
}

fn records(many: u64) -> String {
    counted(many, "record", "records")
}

fn estimate(of: &Estimate) -> String {
    format!(
        "{} {} less, {} of them nothing but their place in the chain; {} bytes of records, unpacked, become {}\n",
        records(of.changed),
        if of.changed == 1 { "says" } else { "say" },
        count(of.dropped),
        count(of.bytes.0),
        count(of.bytes.1)
    )
}

/// What retention would do, or did.
pub fn retained(plan: &RetentionPlan) -> String {
    let mut out = format!(
        "closed work in which nothing has happened since {}: {}; left as it is: {}\nstored texts that go with it: {}\n{}",
        time(plan.before),
        counted(plan.lineages, "lineage", "lineages"),
        count(plan.kept),
        count(plan.texts),
        estimate(&plan.estimate)
    );
    match (&plan.done, &plan.export) {
        (Some(done), Some(export)) => {
            let _ = writeln!(
                out,
                "as it was before: {}, in {}",
                records(done.changed),
                export.display()
            );
            out.push_str(&rewritten("done", done));
        }
        _ => out.push_str("nothing was done: add --export FILE --yes to do it\n"),
    }
    out
}

/// What erasing would do, or did.
pub fn erased(plan: &ErasePlan) -> String {
    let mut out = format!(
        "closed lineages that name the person or are about him: {}; stored texts that go: {}\n{}",
        count(plan.lineages),
        count(plan.texts),
        estimate(&plan.estimate)
    );
    if !plan.open.is_empty() {
        let named: Vec<String> = plan
            .open
            .iter()
            .take(NAMED)
            .map(ToString::to_string)
            .collect();
        let more = match plan.open.len().saturating_sub(NAMED) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let _ = writeln!(
            out,
            "not closed, and kept as it is: {}, {}{more}; erase again when that is done",
            counted(
                u64::try_from(plan.open.len()).unwrap_or(u64::MAX),
                "piece of work",
                "pieces of work"
            ),
            named.join(", ")
        );
    }
    if plan.texts_kept > 0 {
        let _ = writeln!(
            out,
            "stored texts that name him and stay, because open work rests on them: {}",
            count(plan.texts_kept)
        );
    }
    if plan.in_force > 0 {
        let _ = writeln!(
            out,
            "in force, naming him, and kept: {} (a stopped login, a doubt about the server, the governor's last state); erase again when that has ended",
            count(plan.in_force)
        );
    }
    if plan.configured > 0 {
        let _ = writeln!(
            out,
            "records that hold his login or name in a name of the server's configuration (the login that acts, a target, a definition), and stay: {}",
            count(plan.configured)
        );
    }
    match &plan.done {
        Some(done) => {
            out.push_str(&rewritten("done", done));
            out.push_str("backups, exports and copies in `aside` are not touched: they hold what they held\n");
        }
        None => out.push_str("nothing was done: add --yes to do it\n"),
    }
    out
}

/// What became of the anchor of a store that was made anew, and what `audit verify` says therefore.
pub fn anchored(noted: &Noted, rewritten: bool) -> String {
    match noted {
        Noted::InFile(path, record) => format!(
            "record {record}, the last one, is anchored in {}\n",
            path.display()
        ),
        Noted::Nowhere { line, why } => {
            let says = if rewritten {
                "with anchors of before `audit verify` says \"no anchor after it vouches for that\", and ends with 3, until a daemon has started"
            } else {
                "a daemon that starts notes one"
            };
            format!(
                "the last record is anchored in no file ({}): {says}; this is its anchor, to be kept with the others:\n{line}\n",
                clean(why)
            )
        }
    }
}

/// What was brought into a store.
pub fn brought_in(done: &BroughtIn, dir: &Path) -> String {
    let mut out = format!(
        "made the store {} of {} up to {} (store {})\n",
        dir.display(),
        records(done.records),
        done.last,
        done.store
    );
    if let Some(replaced) = &done.replaced {
        let _ = writeln!(out, "the store that was there is in {}", replaced.display());
    }
    if let Some(acknowledged) = done.acknowledged.filter(|seq| *seq > done.last) {
        let _ = writeln!(
            out,
            "what came after record {} up to {acknowledged} is not in the backup; it was about {}",
            done.last,
            counted(done.lineages, "lineage", "lineages")
        );
    }
    if done.open_attempts > 0 {
        let _ = writeln!(
            out,
            "open attempts, each read back before anything is sent: {}",
            count(done.open_attempts)
        );
    }
    out.push_str("it is rewound and paused: let `provtaskd run` read the server, look at `provtaskd plan`, then `provtaskd approve rewound --why …` and `provtaskd resume`\n");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_by_three() {
        for (of, text) in [
            (0, "0"),
            (999, "999"),
            (1000, "1,000"),
            (1_234_567, "1,234,567"),
        ] {
            assert_eq!(count(of), text);
        }
        assert_eq!(
            (share(10, 0), share(9_001, 3)),
            ("-".to_owned(), "3,000".to_owned())
        );
    }
}
