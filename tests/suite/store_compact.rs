//! The real binary rewrites a journal, and is killed after every step of the change: what opens then is the old store or the new one, with every record.

use std::os::unix::process::ExitStatusExt as _;

use crate::store_house::{House, files};

#[test]
fn a_compaction_loses_nothing_and_takes_no_more_room() {
    let house = House::filled();
    let records = house.records();
    let before = house.checked();
    let out = house.run(&["store", "compact"]).good();
    assert!(out.contains("bytes before"), "{out}");
    let after = house.checked();
    // sled takes its room in pieces of half a megabyte
    let pieces =
        |checked: &serde_json::Value| checked["bytes_of_files"].as_u64().map(|of| of >> 19);
    assert!(pieces(&before).is_some());
    assert!(pieces(&after) <= pieces(&before), "{out}");
    assert_eq!(after["attempts"], before["attempts"]);
    assert_eq!(after["rewritten"], 0, "no record is changed");
    let again = house.records();
    assert_eq!(again.len(), records.len() + 1);
    assert_eq!(again[..records.len()], records[..], "byte by byte");
    let last = &again[records.len()];
    assert!(
        last.contains("\"rewritten\"") && last.contains("\"compact\""),
        "{last}"
    );
    // as a store that was never touched
    let status = house.run(&["status"]).good();
    assert!(status.contains("ok"), "{status}");
    // and once more
    house.run(&["store", "compact"]).good();
    assert_eq!(house.checked()["wrong"], 0);
    let names: Vec<_> = std::fs::read_dir(house.store())
        .expect("read")
        .map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    assert!(
        names
            .iter()
            .all(|name| !name.contains("new") && !name.contains("old")),
        "{names:?}"
    );
}

#[test]
fn a_store_that_is_not_there_or_rewound_is_not_rewritten() {
    let house = House::empty();
    for command in ["compact", "export", "backup"] {
        let args: Vec<&str> = match command {
            "compact" => vec!["store", "compact"],
            other => vec!["store", other, "x"],
        };
        let err = house.run(&args).bad(73);
        assert!(err.contains("no store"), "{err}");
    }
    assert!(!house.store().exists(), "nothing is made for it");
    let house = House::filled();
    std::fs::remove_file(house.store().join("sidecar")).expect("removed");
    let db = std::fs::read(house.store().join("journal/db")).expect("read");
    let err = house.run(&["store", "compact"]).bad(73);
    assert!(err.contains("sidecar"), "{err}");
    assert!(!db.is_empty());
    house.run(&["store", "backup", "b"]).bad(73);
}

/// Steps of a change, more than there are.
const STEPS: u32 = 14;

#[test]
fn killed_after_any_step_of_a_compaction_a_whole_store_opens() {
    let mut killed = 0;
    let mut old = 0;
    for step in 1..=STEPS {
        let house = House::filled();
        let records = house.records();
        let after = step.to_string();
        let output = house
            .command(&["store", "compact", "--kill-after", &after])
            .output()
            .expect("it runs");
        let was_killed = output.status.signal() == Some(9);
        killed += u32::from(was_killed);
        // a check looks at what the next start will use, and changes nothing
        let files_before = files(&house.store());
        assert_eq!(house.checked()["wrong"], 0, "step {step}");
        assert!(files(&house.store()) == files_before, "step {step}");
        let again = house.records();
        assert_eq!(again[..records.len()], records[..], "step {step}");
        old += u32::from(again.len() == records.len());
        assert!(again.len() <= records.len() + 1, "step {step}");
        house.run(&["status"]).good();
        for name in [
            "journal.new",
            "journal.old",
            "sidecar.new",
            "swap",
            "swap.unfinished",
        ] {
            assert!(
                !house.store().join(name).exists(),
                "step {step}: {name} is left"
            );
        }
        if !was_killed {
            assert!(output.status.success());
            break;
        }
    }
    assert!((8..STEPS).contains(&killed), "{killed} steps");
    assert_eq!(old, 2, "the new one counts from the marker on");
}

#[test]
fn killed_after_any_step_of_a_restore_the_old_or_the_new_store_is_there() {
    let mut killed = 0;
    for step in 1..=STEPS {
        let house = House::filled();
        let records = house.records();
        house.run(&["store", "backup", "b"]).good();
        house.run(&["pause", "--why", "later"]).good();
        let later = house.records();
        assert!(later.len() > records.len());
        let after = step.to_string();
        let output = house
            .command(&["store", "restore", "b", "--replace", "--kill-after", &after])
            .output()
            .expect("it runs");
        let was_killed = output.status.signal() == Some(9);
        killed += u32::from(was_killed);
        let again = house.records();
        if step <= 2 {
            assert_eq!(again, later, "step {step}: the old one");
        } else {
            assert_eq!(again[..records.len()], records[..], "step {step}");
            assert!(
                again[records.len()].contains("store_rewound"),
                "step {step}"
            );
            let aside: Vec<_> = std::fs::read_dir(house.store().join("aside"))
                .expect("read")
                .map(|entry| entry.expect("an entry").path())
                .collect();
            assert_eq!(aside.len(), 1, "step {step}");
            let other = House::empty();
            crate::store_house::copy(&aside[0], &other.store());
            assert_eq!(
                other.records(),
                later,
                "step {step}: the old one is kept whole"
            );
        }
        if !was_killed {
            assert!(output.status.success());
            break;
        }
    }
    assert!((8..STEPS).contains(&killed), "{killed} steps");
}

/// Compares the records of before with those that are there.
type IsNew = dyn Fn(&[String], &[String]) -> bool;

/// A change of the store that is killed after each of its steps.
struct Change {
    name: &'static str,
    /// Made in a copy of the filled store, or beside nothing.
    beside_nothing: bool,
    args: Vec<String>,
    /// True of the records that are there once it counts.
    is_new: Box<IsNew>,
}

/// The login of the first beneficiary.
fn somebody(records: &[String]) -> String {
    let opened = records.iter().find(|line| line.contains("lineages_opened"));
    let event: serde_json::Value = serde_json::from_str(opened.expect("work")).expect("JSON");
    let login = event["body"]["of"]["items"][0]["u"].as_str();
    login.expect("a beneficiary").to_owned()
}

fn changes(records: &[String]) -> Vec<Change> {
    let args = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let login = somebody(records);
    let erase = format!("store erase --user {login} --reason request-1 --yes");
    let rewritten = |why: &'static str| {
        move |old: &[String], new: &[String]| {
            let last = new.last().map_or("", String::as_str);
            new.len() == old.len() + 1 && last.contains("rewritten") && last.contains(why)
        }
    };
    let gone = rewritten("erase");
    vec![
        Change {
            name: "retention",
            beside_nothing: false,
            args: args("store retention --older-than 1h --export gone.jsonl --yes"),
            is_new: Box::new(rewritten("retention")),
        },
        Change {
            name: "erase",
            beside_nothing: false,
            args: args(&erase),
            is_new: Box::new(move |old, new| {
                let named = new.concat().to_uppercase().contains(&login);
                gone(old, new) && !named
            }),
        },
        Change {
            name: "import",
            beside_nothing: true,
            args: args("store import e.jsonl"),
            is_new: Box::new(|old, new| new.len() == old.len() + 2 && new[..old.len()] == old[..]),
        },
    ]
}

#[test]
fn killed_after_any_step_of_retention_erasing_or_import_a_whole_store_is_there() {
    let filled = House::filled();
    filled.run(&["store", "export", "e.jsonl"]).good();
    let export = std::fs::read(filled.path("e.jsonl")).expect("read");
    let records = filled.records();
    for change in changes(&records) {
        let (mut killed, mut old) = (0, 0);
        for step in 1..=STEPS {
            let name = format!("{}, step {step}", change.name);
            let house = if change.beside_nothing {
                let house = House::empty();
                std::fs::write(house.path("e.jsonl"), &export).expect("written");
                house
            } else {
                House::filled()
            };
            let after = step.to_string();
            let mut args: Vec<&str> = change.args.iter().map(String::as_str).collect();
            args.extend(["--kill-after", &after]);
            let output = house.command(&args).output().expect("it runs");
            let was_killed = output.status.signal() == Some(9);
            killed += u32::from(was_killed);
            let said = house.run(&["store", "check", "--json"]);
            if change.beside_nothing && said.code == Some(73) {
                // nothing was there, and nothing is
                old += 1;
                assert!(!house.store().join("journal").exists(), "{name}");
                house.run(&args[..3]).good();
                continue;
            }
            let files_before = files(&house.store());
            let rewound = if change.beside_nothing { 1 } else { 0 };
            assert_eq!(house.run(&["store", "check"]).code, Some(rewound), "{name}");
            assert!(files(&house.store()) == files_before, "{name}");
            let again = house.records();
            if again == records {
                old += 1;
            } else {
                assert!((change.is_new)(&records, &again), "{name}");
            }
            house.run(&["status"]);
            for part in [
                "journal.new",
                "journal.old",
                "sidecar.new",
                "swap",
                "check.copy",
            ] {
                assert!(!house.store().join(part).exists(), "{name}: {part} is left");
            }
            if !was_killed {
                assert!(output.status.success(), "{name}");
                break;
            }
        }
        println!("{}: {killed} kills, {old} old", change.name);
        assert!(
            (4..STEPS).contains(&killed),
            "{}: {killed} steps",
            change.name
        );
        assert_eq!(
            old, 2,
            "{}: the new one counts from the marker on",
            change.name
        );
    }
}

/// What is refused has changed nothing: the journal is opened as a copy.
#[test]
fn a_command_that_is_refused_leaves_a_damaged_journal_as_it_was() {
    let mut refused = 0;
    let house = House::filled();
    let whole = std::fs::read(house.store().join("journal/db")).expect("read");
    for at in [
        whole.len() / 5,
        whole.len() / 3,
        whole.len() / 2,
        whole.len() * 2 / 3,
    ] {
        let house = House::filled();
        let db = house.store().join("journal/db");
        let mut spoilt = whole.clone();
        // of unchanged length
        spoilt[at..at + 64]
            .iter_mut()
            .for_each(|byte| *byte ^= 0x5a);
        std::fs::write(&db, &spoilt).expect("written");
        let before = but_the_lock(&house);
        for args in [&["store", "backup", "b"][..], &["store", "compact"]] {
            let said = house.run(args);
            if said.code == Some(0) {
                // these bytes were used by nothing
                break;
            }
            refused += 1;
            said.bad(73);
            assert!(but_the_lock(&house) == before, "{args:?} at {at}");
            assert!(!house.path("b").exists());
        }
        house.run(&["store", "export", "-"]);
    }
    assert!(refused > 0, "nothing was refused: the test tells nothing");
}

/// Every file of a store; the lock's says who held it last.
fn but_the_lock(house: &House) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    let mut all = files(&house.store());
    all.retain(|(path, _)| !path.ends_with("lock"));
    all
}
