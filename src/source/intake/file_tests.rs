//! The hints file: what was acknowledged comes back, what was torn or damaged is left out and said.

use std::collections::BTreeSet;
use std::fs;

use super::*;
use crate::source::intake::body::Named;
use crate::source::intake::book::{May, Together, print_of};

fn coming(id: &str, until: i64, tasks: &[&str], target: Option<&str>) -> Coming {
    Coming {
        event: Some((print_of(id), until)),
        named: Named {
            tasks: tasks.iter().map(|id| TaskId::new(id)).collect(),
            targets: target.map(TargetName::new).into_iter().collect(),
            ..Named::default()
        },
        road: Road::Event,
    }
}

fn open(dir: &Path) -> (HintFile, Book, u64) {
    let mut book = Book::new(1_000_000);
    let (file, damaged) = HintFile::open(dir, &mut book, 0).expect("opened");
    (file, book, damaged)
}

fn waiting(book: &Book) -> Vec<String> {
    let all = book.hints();
    let ids = all.iter().map(|hint| {
        let mark = if hint.followed { "+" } else { "" };
        format!("{}{mark}", hint.task)
    });
    ids.collect()
}

#[test]
fn what_was_acknowledged_comes_back_in_its_order() {
    let dir = tempfile::tempdir().expect("a directory");
    let (mut file, _, _) = open(dir.path());
    let lines = [
        Line::took(&coming("a", 300, &["30", "4"], Some("AD"))),
        Line::took(&coming("b", 300, &["2"], None)),
        vec![Line::Follow {
            road: Road::Event,
            tasks: vec![TaskId::new("4")],
        }],
        Line::took(&coming("c", 300, &["30"], None)),
        vec![Line::Done {
            tasks: vec![TaskId::new("2")],
        }],
        Line::took(&coming("d", 300, &["1"], None)),
    ]
    .concat();
    file.append(&lines, true).expect("written");
    drop(file);
    for _ in 0..3 {
        // opened again it holds the same, also once it was written anew
        let (_, book, damaged) = open(dir.path());
        assert_eq!(damaged, 0);
        assert_eq!(waiting(&book), ["4+", "30", "1"]);
        assert_eq!(book.targets().len(), 1);
        let again = coming("b", 300, &["2"], None);
        let may = |now| book.may(&again, &mut Together::default(), now);
        assert_eq!(may(300), May::Known, "a replay after a restart");
    }
}

#[test]
fn a_torn_end_is_left_out_and_a_damaged_line_is_counted_and_kept_aside() {
    let dir = tempfile::tempdir().expect("a directory");
    let (mut file, _, _) = open(dir.path());
    for id in ["1", "2", "3"] {
        let line = Line::took(&coming(id, 300, &[id], None));
        file.append(&line, true).expect("written");
    }
    drop(file);
    let path = dir.path().join(NAME);
    let whole = fs::read(&path).expect("read");
    for cut in 1..60 {
        fs::write(&path, &whole[..whole.len() - cut]).expect("written");
        let (_, book, damaged) = open(dir.path());
        assert_eq!((waiting(&book).len(), damaged), (2, 0), "{cut}");
    }
    // any flipped byte of the middle line costs that line alone
    let lines: Vec<&[u8]> = whole.split_inclusive(|byte| *byte == b'\n').collect();
    let from = lines[0].len() + lines[1].len();
    for at in (from..from + lines[2].len() - 1).step_by(7) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x01;
        fs::write(&path, &bytes).expect("written");
        let (_, book, damaged) = open(dir.path());
        assert_eq!(waiting(&book), ["1", "3"], "{at}");
        assert_eq!(damaged, 1, "{at}");
        assert_eq!(fs::read(dir.path().join(DAMAGED)).expect("kept"), bytes);
    }
}

#[test]
fn it_does_not_grow_without_end() {
    let dir = tempfile::tempdir().expect("a directory");
    let (mut file, mut book, _) = open(dir.path());
    let path = dir.path().join(NAME);
    let tasks: BTreeSet<TaskId> = (0..900).map(|n| TaskId::new(&n.to_string())).collect();
    let mut largest = 0;
    for round in 0..2_000_i64 {
        let coming = Coming {
            event: Some((print_of(&round.to_string()), round + 20)),
            named: Named {
                tasks: tasks.clone(),
                ..Named::default()
            },
            road: Road::Folder,
        };
        file.append(&Line::took(&coming), false).expect("written");
        book.take(&coming);
        file.tidy(&mut book, round).expect("tidied");
        largest = largest.max(fs::metadata(&path).expect("there").len());
    }
    assert!(largest < 2 * REWRITE_FROM, "{largest}");
    drop(file);
    let (_, again, damaged) = open(dir.path());
    assert_eq!((again.waiting(), damaged), (900, 0));
    assert_eq!(waiting(&again), waiting(&book));
}

#[test]
fn many_ids_that_were_taken_at_once_all_come_back() {
    let dir = tempfile::tempdir().expect("a directory");
    let (mut file, _, _) = open(dir.path());
    let many = 120_000;
    let coming = Coming {
        event: None,
        named: Named {
            tasks: (0..many)
                .map(|n| TaskId::new(&format!("9{n:09}")))
                .collect(),
            persons: (0..many / 20)
                .map(|n| Login::new(&format!("{n}-{}", "X".repeat(200))))
                .collect(),
            ..Named::default()
        },
        road: Road::Folder,
    };
    file.append(&Line::took(&coming), true).expect("written");
    drop(file);
    let (_, book, damaged) = open(dir.path());
    assert_eq!((book.waiting(), damaged), (many, 0));
    assert_eq!(book.persons.len(), many / 20);
}

#[test]
fn persons_come_back_in_their_order_until_their_turn_is_over() {
    let dir = tempfile::tempdir().expect("a directory");
    let (mut file, _, _) = open(dir.path());
    let asked = |logins: &[&str]| {
        let persons = logins.iter().map(|login| Login::new(login)).collect();
        let named = Named {
            persons,
            ..Named::default()
        };
        Line::took(&Coming {
            event: None,
            named,
            road: Road::Event,
        })
    };
    let over = vec![Line::Walked {
        users: vec![Login::new("C")],
    }];
    let lines = [asked(&["B", "C"]), asked(&["A"]), over, asked(&["B"])].concat();
    file.append(&lines, true).expect("written");
    drop(file);
    for _ in 0..2 {
        let (_, book, damaged) = open(dir.path());
        let waiting: Vec<&str> = book.persons.in_order().map(Login::as_str).collect();
        assert_eq!((waiting, damaged), (vec!["A", "B"], 0));
        assert!(!book.is_wanted(), "only tasks and targets bring cycles");
    }
}

#[test]
fn a_file_of_another_version_is_left_as_it_is() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join(NAME);
    fs::write(&path, "provtaskd hints 2\nwhatever\n").expect("written");
    let refused = HintFile::open(dir.path(), &mut Book::new(1), 0);
    assert!(refused.is_err());
    assert!(
        fs::read_to_string(&path)
            .expect("there")
            .contains("whatever")
    );
}
