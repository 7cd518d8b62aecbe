//! `status` as text: how the daemon stands, its targets, and what is not done and why.

use std::fmt::Write as _;

use super::feed::feed_line;
use super::layout::{Width, number, pairs, paragraph, prose, table, word};
use super::{clean, counted, opt_time, time};
use crate::control::{
    AnchorView, IntakeView, LOGIN_HINT, LoginRow, LoginView, PauseView, StatusView, TurnsView,
    WalkView, main_stopped,
};
use crate::model::{Login, RefusalReason, Road};

/// How far what does not fit into a line goes in.
const HANGING: usize = 4;

/// What, who, since when and why.
fn pause_line(pause: &PauseView) -> String {
    let mut line = format!("{} by {}", pause.what, pause.by);
    for (word, at) in [("since", pause.since), ("until", pause.until)] {
        if let Some(at) = at {
            // writing to a String can't fail
            let _ = write!(line, " {word} {}", time(at));
        }
    }
    if let Some(why) = &pause.why {
        let _ = write!(line, ": {why}");
    }
    line
}

/// Where hints come in, how many there are, and what became of the others.
fn intake_line(intake: &IntakeView, roads: &[(Road, u64)]) -> String {
    let places = [
        intake.listen.as_ref().map(|at| format!("events at {at}")),
        intake.folder.as_ref().map(|at| format!("files of {at}")),
        intake
            .walk
            .as_ref()
            .map(|walk| format!("accounts of the persons of {}", walk.file)),
    ];
    let places: Vec<String> = places.into_iter().flatten().collect();
    let mut line = format!(
        "{}; {} waiting, {} read by their ids in each cycle; {} events taken, {} repeated",
        places.join(", "),
        intake.waiting,
        intake.followed,
        intake.accepted,
        intake.duplicates
    );
    if intake.folder.is_some() {
        // writing to a String can't fail
        let _ = write!(
            line,
            "; {} files taken, {} failed",
            intake.files, intake.files_failed
        );
    }
    let words = |counts: &[(String, u64)]| -> String {
        let words: Vec<String> = counts.iter().map(|(w, n)| format!("{w} {n}")).collect();
        words.join(", ")
    };
    for (title, counts) in [("refused", &intake.refused), ("hints ended", &intake.ended)] {
        if !counts.is_empty() {
            let _ = write!(line, "; {title}: {}", words(counts));
        }
    }
    let seen: Vec<String> = roads.iter().map(|(r, n)| format!("{r} {n}")).collect();
    if !seen.is_empty() {
        let _ = write!(line, "; tasks seen by: {}", seen.join(", "));
    }
    if let Some(walk) = &intake.walk {
        let _ = write!(line, "; {}", walk_words(walk));
    }
    if intake.persons_waiting > 0 {
        let _ = write!(
            line,
            "; {} persons wait to be walked through",
            intake.persons_waiting
        );
    }
    if let Some(turns) = &intake.persons {
        let _ = write!(line, "; persons who were named: {}", turns_words(turns));
    }
    if let Some(problem) = &intake.problem {
        let _ = write!(line, "; PROBLEM: {problem}");
    }
    line
}

/// How far the walk through the persons of a file has come, and whom it left out.
fn walk_words(walk: &WalkView) -> String {
    let mut words = match walk.began {
        None => "no person was walked through yet".to_owned(),
        Some(began) => format!(
            "walk {} {}: {}",
            if walk.over { "of" } else { "goes on since" },
            time(began),
            turns_words(&walk.turns)
        ),
    };
    if let Some(problem) = &walk.problem {
        // writing to a String can't fail
        let _ = write!(words, "; PROBLEM: {problem}");
    }
    words
}

/// What became of persons, and who could not be walked through.
fn turns_words(turns: &TurnsView) -> String {
    let mut words = format!(
        "accounts of {} persons read, {} tasks found that no list shows",
        turns.walked, turns.found
    );
    if turns.not_walked > 0 {
        let names = |title: &str, of: &[Login]| {
            let names: Vec<&str> = of.iter().map(Login::as_str).collect();
            (!names.is_empty()).then(|| format!("{title} {}", names.join(", ")))
        };
        let named = [
            names("not shown", &turns.not_shown),
            names("accounts not read", &turns.not_read),
        ];
        let named: Vec<String> = named.into_iter().flatten().collect();
        // writing to a String can't fail
        let _ = write!(
            words,
            ", {} persons not walked through ({})",
            turns.not_walked,
            named.join("; ")
        );
    }
    words
}

/// Which head was noted, and whether it is in its file.
fn anchor_line(anchor: &AnchorView) -> String {
    let mut line = format!("record {}, {}", anchor.record, time(anchor.at));
    if let Some(key) = &anchor.key {
        // writing to a String can't fail
        let _ = write!(line, ", signed with key {key}");
    }
    match (&anchor.file, &anchor.problem) {
        (None, _) => line.push_str(", in the log alone"),
        (Some(file), None) => {
            let _ = write!(line, ", in {file}");
        }
        (Some(file), Some(why)) => {
            let last = anchor.file_record.map_or_else(
                || "none of this run".to_owned(),
                |record| format!("that of record {record}"),
            );
            let _ = write!(
                line,
                "; NOT in {file}: {why}; the last that is there is {last}"
            );
        }
    }
    line
}

/// Who sees which tasks, where there are several logins, and what is wrong with any of them.
fn logins(out: &mut String, rows: &[LoginRow], width: Width) {
    if rows.len() < 2 {
        return;
    }
    out.push('\n');
    let some = |count: Option<u64>| count.map_or_else(|| "-".to_owned(), |n| n.to_string());
    *out += &table(
        width,
        &[
            word("login"),
            word("state"),
            number("tasks"),
            number("acts on"),
            word("list read"),
            number("reads"),
            number("writes"),
        ],
        rows.iter().map(|row| {
            let state = match &row.state {
                LoginView::Untried if row.reads_sent > 0 => "asked, no list yet",
                LoginView::Untried => "not tried",
                LoginView::Good if row.list_read.is_none() => "good, no list yet",
                LoginView::Good if row.in_last_cycle => "good",
                LoginView::Good => "good, not read in the last cycle",
                LoginView::Stopped { .. } => "STOPPED",
            };
            vec![
                row.login.to_string(),
                state.to_owned(),
                some(row.tasks),
                some(row.acts),
                opt_time(row.list_read),
                row.reads_sent.to_string(),
                row.writes_sent.to_string(),
            ]
        }),
    );
    for row in rows {
        let name = format!("{}: ", row.login);
        match (&row.state, &row.problem) {
            (LoginView::Stopped { since, why }, _) if !row.main => {
                let text = format!("STOPPED since {}: {why}; {LOGIN_HINT}", time(*since));
                paragraph(out, width, &name, HANGING, &text);
            }
            (_, Some(problem)) => paragraph(out, width, &name, HANGING, problem),
            _ => {}
        }
    }
}

/// Further logins that are stopped, beside the standing of the main one: nobody has to look for them below.
fn others_stopped(view: &StatusView) -> String {
    let stopped = |row: &&LoginRow| !row.main && matches!(row.state, LoginView::Stopped { .. });
    let names: Vec<&str> = view
        .logins
        .iter()
        .filter(stopped)
        .map(|row| row.login.as_str())
        .collect();
    if names.is_empty() {
        return String::new();
    }
    if matches!(view.login_state, LoginView::Stopped { .. }) {
        return format!("; STOPPED too: {}, see below", names.join(", "));
    }
    format!(
        " ({}); of {} logins STOPPED: {}, see below",
        view.login,
        view.logins.len(),
        names.join(", ")
    )
}

/// Hints are read as the main login, so that its stop leaves theirs out as well.
fn hints_not_read(view: &StatusView) -> Option<String> {
    let main = view.logins.first().filter(|main| !main.in_last_cycle)?;
    let followed = view.intake.as_ref().map_or(0, |intake| intake.followed);
    (view.tasks_visible.is_some() && followed > 0).then(|| {
        format!(
            "; NOT COUNTED either: {} that hints have named and no list shows, read as {}",
            counted(followed, "task", "tasks"),
            main.login
        )
    })
}

fn others_work(view: &StatusView) -> bool {
    let stopped = |row: &LoginRow| matches!(row.state, LoginView::Stopped { .. });
    view.logins.iter().any(|row| !row.main && !stopped(row))
}

/// What stands for the values of a daemon, where none runs.
const UNKNOWN: &str = "not known while no daemon runs";

/// `status`
pub fn status(view: &StatusView, width: Width) -> String {
    let mut out = String::new();
    // what only a running daemon knows is not "not yet" without one
    let idle = view.pid.is_none() && view.last_cycle.is_none();
    let mode = if view.mode_why.is_empty() {
        view.effective_mode.to_string()
    } else {
        format!(
            "{} (configured: {}; {})",
            view.effective_mode,
            view.mode,
            view.mode_why.join("; ")
        )
    };
    let mode = match view.modes.as_slice() {
        [] => mode,
        modes => format!("{mode}; beside it, the lowest wins: {}", modes.join(", ")),
    };
    let not_yet = view.cycle.as_ref().map_or_else(
        || "not read yet".to_owned(),
        |cycle| format!("not counted yet: {}", cycle.words(true)),
    );
    let policy = match (&view.policy_hash, &view.policy_released) {
        (None, _) => "none loaded".to_owned(),
        (Some(hash), None) => format!("{hash}, not released"),
        (Some(hash), Some(by)) => {
            format!(
                "{}, released {} by {} ({})",
                hash.short(),
                time(by.at),
                by.person,
                by.word
            )
        }
    };
    let login = match &view.login_state {
        LoginView::Untried if idle => UNKNOWN.to_owned(),
        LoginView::Untried if view.reads_sent > 0 => "asked, no answer yet".to_owned(),
        LoginView::Untried => "not tried yet".to_owned(),
        LoginView::Good => "good".to_owned(),
        LoginView::Stopped { since, why } if view.logins.len() > 1 => format!(
            "STOPPED since {}: {why}; {}; {LOGIN_HINT}",
            time(*since),
            main_stopped(&view.login, others_work(view))
        ),
        LoginView::Stopped { since, why } => {
            format!("STOPPED since {}: {why}; {LOGIN_HINT}", time(*since))
        }
    } + others_stopped(view).as_str();
    let not_read: String = LoginRow::not_read(&view.logins)
        .iter()
        .map(|of| format!("; NOT COUNTED here and below: {of}"))
        .chain(hints_not_read(view))
        .collect();
    // a main login that is stopped shows nothing
    let mut read = view.logins.iter().filter(|row| row.in_last_cycle);
    let (first, more) = match (view.logins.first(), read.next()) {
        (Some(main), Some(first)) if !main.in_last_cycle => (&first.login, read.count()),
        _ => (&view.login, view.logins.len().saturating_sub(1)),
    };
    let visible = match view.tasks_visible {
        Some(many) => {
            format!(
                "{} visible to {}{}, read {}{}",
                counted(many, "task", "tasks"),
                first,
                match more {
                    0 => String::new(),
                    more => format!(" and {more} more"),
                },
                opt_time(view.tasks_as_of),
                match view.tasks_whole {
                    Some(false) =>
                        "; pages moved while they were read: some may be missing in this number",
                    _ => "",
                }
            ) + not_read.as_str()
        }
        None if idle => UNKNOWN.to_owned(),
        None => not_yet.clone(),
    };
    let cycle = match (view.last_cycle, view.last_cycle_ms) {
        (Some(at), Some(ms)) => format!("{}, {ms} ms", time(at)),
        (None, _) if idle => UNKNOWN.to_owned(),
        (at, _) => opt_time(at),
    };
    let next = match view.next_cycle {
        None if idle => "none while no daemon runs".to_owned(),
        at => match &view.cycle {
            None => opt_time(at),
            Some(cycle) => format!("under way since {}", time(cycle.since)),
        },
    };
    let requests = if idle {
        UNKNOWN.to_owned()
    } else {
        format!(
            "{} writes, {} reads since start",
            view.writes_sent, view.reads_sent
        )
    };
    let daemon = view.pid.map_or_else(
        || "not running; from the store".to_owned(),
        |pid| format!("running, pid {pid}, since {}", opt_time(view.started)),
    );
    if view.store_foreign {
        let text = format!(
            "{}; what follows knows nothing of what is in it, and no order is taken",
            view.world
        );
        paragraph(&mut out, width, "ANOTHER WORLD: ", HANGING, &text);
    }
    let mut lines = vec![
        ("provtaskd", format!("{}, {daemon}", view.version)),
        ("server", format!("{} as {}", view.server, view.login)),
        ("login", login),
        ("mode", mode),
        ("policy", policy),
        ("tasks", visible),
        ("last cycle", cycle),
        ("next cycle", next),
        ("requests", requests),
        ("attempts", format!("{} not settled", view.attempts_open)),
        ("inbox", format!("{} waiting for a person", view.inbox)),
        ("store", format!("{}: {}", view.store, view.store_state)),
        ("world", view.world.clone()),
    ];
    if let Some(fault) = &view.policy_fault {
        let many = counted(view.policy_faults, "task", "tasks");
        let line = format!("{many} left alone, on which a policy fails; the first fault: {fault}");
        lines.insert(5, ("POLICY FAULT", line));
    }
    // before what goes on as always: while it lasts, nothing below is newer
    if let Some(error) = &view.last_error {
        let since = view.last_error_since;
        let since = since.map_or_else(String::new, |at| format!("since {}: ", time(at)));
        lines.insert(1, ("LAST ERROR", format!("{since}{error}")));
    }
    if let Some(ending) = &view.ending {
        lines.insert(1, ("ENDING", ending.clone()));
    }
    pairs(&mut out, width, &lines);
    if let Some(anchor) = &view.anchor {
        paragraph(&mut out, width, "anchor: ", HANGING, &anchor_line(anchor));
    }
    if let Some(feed) = &view.absence_feed {
        paragraph(&mut out, width, "absences: ", HANGING, &feed_line(feed));
    }
    if let Some(intake) = &view.intake {
        let line = intake_line(intake, &view.roads);
        paragraph(&mut out, width, "intake: ", HANGING, &line);
    }
    for (name, problem) in [
        ("nothing was sent", &view.write_error),
        ("server clock", &view.server_clock),
        ("reload", &view.reload_error),
        ("policies on disk", &view.policy_error),
        ("configuration", &view.config_error),
    ] {
        if let Some(text) = problem {
            paragraph(&mut out, width, &format!("{name}: "), HANGING, text);
        }
    }
    for note in &view.store_notes {
        paragraph(&mut out, width, "store, at opening: ", HANGING, note);
    }
    for row in &view.doubtful {
        paragraph(&mut out, width, "look at ", HANGING, row);
    }
    if view.left > 0 {
        let text = format!(
            "{} are in no list any more and no attempt tells why: what happened to them is not known, see `provtaskd outcomes show TASK`",
            view.left
        );
        paragraph(&mut out, width, "left: ", HANGING, &text);
    }
    if let Some(text) = view.left_alone.words() {
        paragraph(&mut out, width, "", HANGING, &text);
    }
    if view.orders_released > 0 {
        let count = view.orders_released;
        let text = format!(
            "{count} by a person, see `provtaskd explain TASK`: a task need not wait for another one"
        );
        paragraph(&mut out, width, "order released: ", HANGING, &text);
    }
    for pause in &view.pauses {
        paragraph(&mut out, width, "paused: ", HANGING, &pause_line(pause));
    }
    if let (Some(read), Some(at)) = (&view.another.last, view.another.last_at) {
        let text = format!(
            "{} under this login that no attempt of this store explains, the last one seen at {at:.0}: {read}",
            counted(view.another.acts, "act", "acts")
        );
        paragraph(&mut out, width, "another client: ", HANGING, &text);
    }
    logins(&mut out, &view.logins, width);
    if !view.targets.is_empty() {
        let some = |count: Option<u64>| count.map_or_else(|| "-".to_owned(), |n| n.to_string());
        out.push('\n');
        out += &table(
            width,
            &[
                word("target"),
                number("visible"),
                number("rejected"),
                number("open"),
                number("completed"),
                number("failed"),
                number("gone"),
                number("in vain"),
                prose("breaker"),
            ],
            view.targets.iter().map(|t| {
                vec![
                    t.target.clone(),
                    some(t.visible),
                    some(t.rejected),
                    t.open.to_string(),
                    t.completed.to_string(),
                    t.failed.to_string(),
                    t.gone.to_string(),
                    t.in_vain.to_string(),
                    match &t.told_breaker {
                        None => t.breaker.clone(),
                        Some(told) => {
                            format!("{}; of notes, hand-overs and answers: {told}", t.breaker)
                        }
                    },
                ]
            }),
        );
    }
    if view.tasks_visible.is_none() && !view.targets.is_empty() {
        let text = match idle {
            true => format!("{UNKNOWN}; the other columns are of the store"),
            false => format!("{not_yet}; the other columns are of the store"),
        };
        paragraph(&mut out, width, "visible, rejected: ", HANGING, &text);
    }
    if view.tasks_visible.is_some() {
        for missing in LoginRow::not_read(&view.logins) {
            let text = format!("{missing}; the other columns are of the store, which knows them");
            let title = "NOT in visible and rejected: ";
            paragraph(&mut out, width, title, HANGING, &text);
        }
    }
    counts(
        &mut out,
        "attempts so far",
        view.attempts.iter().map(|(s, n)| (s.as_str(), *n)),
    );
    if view.completed_by_word > 0 {
        let text = format!(
            "{} of the completed ones by a person's word, not by a reading",
            view.completed_by_word
        );
        paragraph(&mut out, width, "  ", HANGING, &text);
    }
    let notes = view.notes;
    let notes = [
        ("seen", notes.seen),
        ("accepted", notes.accepted),
        ("refused", notes.refused),
        ("unsent", notes.unsent),
        ("unknown", notes.unknown),
    ];
    counts(
        &mut out,
        "lines about attempts in the notes of tasks",
        notes.into_iter().filter(|(_, many)| *many > 0),
    );
    let mut title = "rejected tasks that no login's list shows, by owner".to_owned();
    if let Some(at) = view.no_road_at.filter(|at| Some(*at) != view.tasks_as_of) {
        let _ = write!(title, ", as of {at:.0}, when all lists were last read");
    }
    counts(
        &mut out,
        &title,
        view.no_road.iter().map(|(owner, n)| (owner.as_str(), *n)),
    );
    counts(
        &mut out,
        "not done now",
        view.refusals.iter().map(|(r, n)| {
            // the column `rejected` is OIG's word for a task
            let word = match r {
                RefusalReason::Rejected => {
                    "refused by a person's no (`provtaskd inbox --rejected`)"
                }
                other => other.as_str(),
            };
            (word, *n)
        }),
    );
    counts(
        &mut out,
        "definitions without a kind",
        view.unmapped.iter().map(|(d, n)| (d.as_str(), *n)),
    );
    if !view.doubted.is_empty() {
        out.push_str("\nof these, such as fit a pattern and have no kind all the same (name them in `policy.kinds`):\n");
    }
    for (definition, why) in &view.doubted {
        paragraph(&mut out, width, "  ", 6, &format!("{definition}: {why}"));
    }
    out
}

fn counts<'a>(out: &mut String, title: &str, rows: impl Iterator<Item = (&'a str, u64)>) {
    let mut rows = rows.peekable();
    if rows.peek().is_some() {
        let _ = writeln!(out, "\n{title}:");
    }
    for (word, count) in rows {
        let _ = writeln!(out, "  {count:>8}  {}", clean(word));
    }
}
