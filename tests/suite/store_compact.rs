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
