//! The real binary at a stopped store: check, backup, restore, export, import; a cut or changed file is told, and nothing is written over.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::store_house::{House, files, records_of};

#[test]
fn a_check_says_what_is_there_and_changes_nothing() {
    let house = House::filled();
    let before = files(&house.store());
    let out = house.run(&["store", "check"]).good();
    for part in [
        "head of the chain",
        "bytes per outcome",
        "12, 0 of them not done",
        "12 completed",
        "decided",
        "nothing is wrong",
    ] {
        assert!(out.contains(part), "{part}: {out}");
    }
    let json = house.checked();
    assert_eq!(json["wrong"], 0);
    assert_eq!(json["open_claims"], 0);
    assert_eq!(json["acknowledged"], json["newest"]["record"]);
    assert!(files(&house.store()) == before, "a check changes no byte");
    // elsewhere too, where the store's disk has no room or can't be written
    let scratch = house.path("scratch");
    fs::create_dir(&scratch).expect("made");
    let at = scratch.to_str().expect("text");
    house.run(&["store", "check", "--scratch", at]).good();
    assert_eq!(fs::read_dir(&scratch).expect("read").count(), 0);
}

#[test]
fn a_check_names_each_damage_and_ends_with_findings() {
    // a store that is not there
    let house = House::empty();
    let err = house.run(&["store", "check"]).bad(73);
    assert!(err.contains("no store"), "{err}");
    // a lost sidecar
    let house = House::filled();
    fs::remove_file(house.store().join("sidecar")).expect("removed");
    let said = house.run(&["store", "check"]);
    assert!(said.out.contains("sidecar is missing"), "{}", said.out);
    said.bad(1);
    // a cut journal
    let house = House::filled();
    let db = house.store().join("journal/db");
    let file = fs::File::options()
        .write(true)
        .open(&db)
        .expect("a journal");
    file.set_len(16 << 10).expect("cut");
    let before = files(&house.store());
    let said = house.run(&["store", "check"]);
    assert!(said.out.contains("was acknowledged"), "{}", said.out);
    assert!(
        said.out.contains("bytes long when it was last written"),
        "{}",
        said.out
    );
    said.bad(1);
    assert!(
        files(&house.store()) == before,
        "nor is a damaged one changed"
    );
}

#[test]
fn a_backup_comes_back_as_it_was_rewound_and_paused() {
    let house = House::filled();
    let records = house.records();
    let out = house.run(&["store", "backup", "b"]).good();
    assert!(out.contains(&format!("{} records", records.len())), "{out}");
    let mode = fs::metadata(house.path("b"))
        .expect("there")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    let checked = house.run(&["store", "check", "--backup", "b"]).good();
    assert!(checked.contains("nothing is wrong"), "{checked}");
    // over nothing
    assert!(
        house
            .run(&["store", "backup", "b"])
            .bad(74)
            .contains("exists already")
    );
    // into a directory: a name of its own
    fs::create_dir(house.path("d")).expect("made");
    house.run(&["store", "backup", "d"]).good();
    let made: Vec<_> = fs::read_dir(house.path("d")).expect("read").collect();
    assert_eq!(made.len(), 1, "{made:?}");

    // no folder, and what is none
    house.run(&["store", "backup", "nowhere/b"]).bad(74);
    house.run(&["store", "backup", "b/b"]).bad(74);
    let err = house.run(&["store", "backup", "-"]).bad(64);
    assert!(err.contains("export -"), "{err}");
    assert!(!house.path("-").exists(), "no file of that name");

    // the store is there
    let err = house.run(&["store", "restore", "b"]).bad(73);
    assert!(err.contains("not empty"), "{err}");
    // an empty place
    let other = House::empty();
    fs::copy(house.path("b"), other.path("b")).expect("copied");
    let out = other.run(&["store", "restore", "b"]).good();
    assert!(out.contains("rewound and paused"), "{out}");
    let status = other.run(&["status"]);
    assert_eq!(status.code, Some(1), "{}", status.err);
    let words: Vec<&str> = status.out.split_whitespace().collect();
    let words = words.join(" ");
    for part in [
        "REWOUND",
        "was made of",
        "approve rewound",
        "paused: everything",
    ] {
        assert!(words.contains(part), "{part}: {words}");
    }
    // not a sidecar's finding, and no copy of anything: the journal is whole
    assert!(!other.store().join("aside").exists());
    let again = other.records();
    assert_eq!(again[..records.len()], records[..]);
    assert!(again[records.len()].contains("store_rewound"));
    assert!(again[records.len() + 1].contains("\"paused\""));
}

#[test]
fn a_restore_in_the_place_of_a_store_moves_it_aside_and_names_what_is_lost() {
    let house = House::filled();
    house.run(&["store", "backup", "b"]).good();
    for n in 0..3 {
        let task = format!("{}", 90_000 + n);
        let pause = ["pause", "--why", "later", "--unseen", "--task", &task];
        house.run(&pause).good();
    }
    let later = house.records();
    let out = house.run(&["store", "restore", "b", "--replace"]).good();
    assert!(out.contains("the store that was there is in"), "{out}");
    assert!(out.contains("is not in the backup"), "{out}");
    let aside: Vec<_> = fs::read_dir(house.store().join("aside"))
        .expect("read")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    assert_eq!(aside.len(), 1);
    let status = house.run(&["status", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&status.out).expect("JSON");
    let rewound = &json["store_rewound"];
    assert_eq!(rewound["acknowledged"], later.len(), "{rewound}");
    assert!(
        rewound["restored"]
            .as_str()
            .is_some_and(|from| from.ends_with('b'))
    );
    // the old one is whole: put back, it says all that it said
    let other = House::empty();
    crate::store_house::copy(&aside[0], &other.store());
    assert_eq!(other.records()[..later.len()], later[..]);
    // and at another server the first thing to mend comes first; no release is gone by that
    let file = house.path("provtaskd.toml");
    let config = fs::read_to_string(&file).expect("read");
    let moved = config.replace("127.0.0.1", "localhost");
    assert_ne!(moved, config);
    fs::write(&file, moved).expect("written");
    let words = |said: String| said.split_whitespace().collect::<Vec<_>>().join(" ");
    let status = house.run(&["status"]);
    assert_eq!(status.code, Some(1));
    let status = words(status.out);
    assert!(status.starts_with("ANOTHER WORLD: the store"), "{status}");
    let both = status.find("belongs to").zip(status.find("beside it: "));
    assert!(both.is_some_and(|(first, then)| first < then), "{status}");
    assert!(!status.contains("not released"), "{status}");
}

#[test]
fn a_backup_that_was_cut_or_changed_anywhere_is_told_and_nothing_is_made_of_it() {
    let house = House::filled();
    house.run(&["store", "backup", "b"]).good();
    let whole = fs::read(house.path("b")).expect("read");
    let other = House::empty();
    let mut cases: Vec<(String, Vec<u8>)> = Vec::new();
    for cut in [0, 1, 500, 1024, 1500, whole.len() / 2, whole.len() - 1] {
        cases.push((format!("cut at {cut}"), whole[..cut].to_vec()));
    }
    for at in [
        3,
        40,
        200,
        1023,
        1030,
        1040,
        whole.len() / 3,
        whole.len() - 20,
    ] {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        cases.push((format!("changed at {at}"), bytes));
    }
    let mut longer = whole.clone();
    longer.extend_from_slice(b"{}");
    cases.push(("longer".to_owned(), longer));
    for (what, bytes) in cases {
        fs::write(other.path("b"), bytes).expect("written");
        let said = other.run(&["store", "restore", "b"]);
        assert_eq!(said.code, Some(65), "{what}: {}", said.err);
        let err = said.bad(65);
        assert!(err.contains("b: "), "{what}: {err}");
        assert!(!other.store().join("journal").exists(), "{what}");
        assert!(!other.store().join("journal.new").exists(), "{what}");
        other.run(&["store", "check", "--backup", "b"]).bad(65);
    }
    let err = other.run(&["store", "restore", "nowhere"]).bad(74);
    assert!(err.contains("nowhere"), "{err}");
    other.run(&["store", "restore", "."]).bad(65);
}

#[test]
fn an_export_comes_back_and_is_equal_but_for_what_the_import_appended() {
    let house = House::filled();
    let out = house.run(&["store", "export", "e.jsonl"]).good();
    assert!(out.contains("e.jsonl"), "{out}");
    let text = fs::read_to_string(house.path("e.jsonl")).expect("read");
    let records = records_of(&text);
    let header = text.lines().next().expect("a line");
    assert!(header.contains("\"schema\":9"), "{header}");
    assert_eq!(house.records(), records, "standard output says the same");
    assert!(
        house
            .run(&["store", "export", "e.jsonl"])
            .bad(74)
            .contains("exists")
    );
    let err = house.run(&["store", "import", "e.jsonl"]).bad(73);
    assert!(err.contains("not empty"), "{err}");

    for stdin in [false, true] {
        let other = House::empty();
        fs::write(other.path("e.jsonl"), &text).expect("written");
        let said = if stdin {
            let file = fs::File::open(other.path("e.jsonl")).expect("open");
            let mut import = other.command(&["store", "import", "-"]);
            import.stdin(file).output().expect("it runs").into()
        } else {
            other.run(&["store", "import", "e.jsonl"])
        };
        let out = said.good();
        assert!(out.contains("rewound and paused"), "{out}");
        let again = other.records();
        assert_eq!(again.len(), records.len() + 2);
        assert_eq!(again[..records.len()], records[..]);
        assert_eq!(other.run(&["status"]).code, Some(1));
    }
}

#[test]
fn lines_that_were_cut_changed_or_are_of_something_else_are_told() {
    let house = House::filled();
    house.run(&["store", "export", "e"]).good();
    let text = fs::read_to_string(house.path("e")).expect("read");
    let lines: Vec<&str> = text.lines().collect();
    let without = |at: usize| {
        let mut lines = lines.clone();
        lines.remove(at);
        lines.join("\n") + "\n"
    };
    let cases = [
        ("nothing", String::new(), "empty"),
        ("something else", "hello\n".to_owned(), "first line"),
        (
            "another sort",
            text.replacen("provtaskd events", "something", 1),
            "first line",
        ),
        (
            "a newer one",
            text.replacen("\"schema\":9", "\"schema\":10", 1),
            "newer provtaskd",
        ),
        ("no last line", without(lines.len() - 1), "it was cut"),
        (
            "half a line",
            text[..text.len() / 2].to_owned(),
            "it was cut",
        ),
        ("a line less", without(5), "it was changed"),
        (
            "a word changed",
            text.replacen("completed", "cOmpleted", 1),
            "",
        ),
        (
            "a line that is no record",
            text.replacen(lines[5], "{\"seq\":5}", 1),
            "line 6: ",
        ),
        ("only a header", format!("{}\n", lines[0]), "it was cut"),
    ];
    let other = House::empty();
    for (what, text, part) in cases {
        fs::write(other.path("e"), text).expect("written");
        let said = other.run(&["store", "import", "e"]);
        assert_eq!(said.code, Some(65), "{what}: {} {}", said.out, said.err);
        let err = said.bad(65);
        assert!(err.contains(part), "{what}: {err}");
        assert!(!other.store().exists(), "{what}: nothing is left of it");
    }
    // and nothing is taken away that was there
    fs::create_dir(other.store()).expect("made");
    fs::set_permissions(other.store(), fs::Permissions::from_mode(0o700)).expect("mode");
    fs::write(other.store().join("lock"), "").expect("written");
    other.run(&["store", "import", "e"]).bad(65);
    assert!(other.store().join("lock").exists());
}

/// The name of a target is no login: every word about the target would go from the record.
#[test]
fn a_target_is_not_erased_as_a_person() {
    let house = House::filled();
    let before = house.records();
    let args = ["store", "erase", "--user", "sap", "--reason", "r", "--yes"];
    let said = house.run(&args).bad(65);
    assert!(said.contains("SAP is a target"), "{said}");
    assert_eq!(house.records(), before);
}
