//! What the book of hints holds, ends and forgets.

use super::*;

fn coming(id: &str, until: i64, tasks: &[&str]) -> Coming {
    Coming {
        event: Some((print_of(id), until)),
        named: Named {
            tasks: tasks.iter().map(|id| TaskId::new(id)).collect(),
            ..Named::default()
        },
        road: Road::Event,
    }
}

fn taken(book: &mut Book, coming: &Coming, now: i64) -> May {
    let may = book.may(coming, &mut Together::default(), now);
    if may == May::Take {
        book.take(coming);
    }
    may
}

#[test]
fn an_id_is_taken_once_for_as_long_as_its_timestamp_would_be() {
    let mut book = Book::new(10);
    let event = coming("a", 300, &["1"]);
    assert_eq!(taken(&mut book, &event, 0), May::Take);
    assert_eq!(taken(&mut book, &event, 300), May::Known);
    book.forget_old(300);
    assert_eq!(taken(&mut book, &event, 300), May::Known);
    book.forget_old(301);
    assert_eq!(
        taken(&mut book, &event, 301),
        May::Not(Cause::TooLate),
        "it may have been taken before"
    );
    let mut together = Together::default();
    let twice = coming("b", 300, &["2"]);
    assert_eq!(book.may(&twice, &mut together, 0), May::Take);
    assert_eq!(book.may(&twice, &mut together, 0), May::Known);
}

#[test]
fn the_set_is_bounded_and_holds_each_task_once() {
    let mut book = Book::new(3);
    assert_eq!(taken(&mut book, &coming("a", 9, &["1", "2"]), 0), May::Take);
    assert_eq!(taken(&mut book, &coming("b", 9, &["2", "3"]), 0), May::Take);
    let full = May::Not(Cause::Full);
    assert_eq!(taken(&mut book, &coming("c", 9, &["4"]), 0), full);
    assert_eq!(taken(&mut book, &coming("d", 9, &["1", "3"]), 0), May::Take);
    assert_eq!(book.waiting(), 3);
    // what is refused is not remembered: the sender may come again
    let hints = book.hints();
    book.end(&hints[0], HintEnd::Listed);
    assert_eq!(taken(&mut book, &coming("c", 9, &["4"]), 0), May::Take);
    let mut together = Together::default();
    let mut small = Book::new(1);
    assert_eq!(
        small.may(&coming("x", 9, &["1"]), &mut together, 0),
        May::Take
    );
    assert_eq!(small.may(&coming("y", 9, &["2"]), &mut together, 0), full);
    small.take(&coming("x", 9, &["1"]));
    assert_eq!(small.waiting(), 1);
}

#[test]
fn a_hint_that_comes_while_its_task_is_read_is_not_lost() {
    let mut book = Book::new(10);
    taken(&mut book, &coming("a", 9, &["1", "2"]), 0);
    let hints = book.hints();
    taken(&mut book, &coming("b", 9, &["1"]), 0);
    for hint in &hints {
        book.end(hint, HintEnd::Listed);
    }
    let left: Vec<String> = book.hints().iter().map(|h| h.task.to_string()).collect();
    assert_eq!(left, ["1"]);
}

#[test]
fn what_is_followed_stays_until_it_ends_and_what_is_read_in_vain_comes_last() {
    let mut book = Book::new(10);
    taken(&mut book, &coming("a", 9, &["1", "2"]), 0);
    let hints = book.hints();
    assert!(book.end(&hints[0], HintEnd::Followed));
    assert!(!book.in_vain(&hints[1]));
    taken(&mut book, &coming("b", 9, &["3"]), 0);
    let now = book.hints();
    let ids: Vec<(&str, bool)> = now.iter().map(|h| (h.task.as_str(), h.followed)).collect();
    assert_eq!(ids, [("1", true), ("2", false), ("3", false)]);
    assert!(!book.end(&now[0], HintEnd::Followed), "nothing new");
    assert_eq!((book.waiting(), book.followed()), (2, 1));
    for tries in 2..=5 {
        let again = book.hints();
        let two = again
            .iter()
            .find(|h| h.task.as_str() == "2")
            .expect("it waits");
        assert_eq!(book.in_vain(two), tries == 5);
    }
    assert!(book.end(&now[0], HintEnd::NotFound));
    assert_eq!(book.followed(), 0);
}

#[test]
fn one_at_which_a_cycle_ends_comes_last_in_the_next_and_brings_none_forward() {
    let mut book = Book::new(10);
    taken(&mut book, &coming("a", 9, &["1", "2", "3"]), 0);
    let order = |book: &Book| -> Vec<String> {
        let hints = book.hints().into_iter();
        hints.map(|hint| hint.task.to_string()).collect()
    };
    let first = book.hints().remove(0);
    book.had_turn([&first]);
    assert_eq!(order(&book), ["2", "3", "1"]);
    assert!(book.is_wanted(), "the others had no turn");
    let all = book.hints();
    book.had_turn(&all);
    assert_eq!(order(&book), ["2", "3", "1"]);
    assert!(!book.is_wanted());
    // named once more it has a turn of its own, whatever became of the one before
    taken(&mut book, &coming("b", 9, &["1"]), 0);
    book.had_turn(&all);
    assert!(book.is_wanted());
    for hint in book.hints() {
        book.end(&hint, HintEnd::Followed);
    }
    let second = book.hints().remove(1);
    book.had_turn([&second]);
    assert_eq!(order(&book), ["3", "1", "2"]);
}

#[test]
fn what_is_being_read_brings_no_cycle_forward_and_a_new_word_of_it_does() {
    let mut book = Book::new(10);
    taken(&mut book, &coming("a", 9, &["1", "2"]), 0);
    let first = book.hints();
    book.are_read(&first);
    assert!(!book.is_wanted());
    assert!(first.iter().all(|hint| book.holds(hint)), "they wait on");
    // the list shows one of them meanwhile: what the reading tells of it later is of no hint
    book.end(&first[0], HintEnd::Listed);
    assert!(!book.holds(&first[0]));
    taken(&mut book, &coming("b", 9, &["2"]), 0);
    book.are_read(&first);
    assert!(book.is_wanted(), "that reading has begun before it");
    book.end(&first[1], HintEnd::NotFound);
    assert!(book.holds(&first[1]) && book.is_wanted());
}

#[test]
fn one_404_ends_no_hint_and_two_do() {
    let mut book = Book::new(10);
    taken(&mut book, &coming("a", 9, &["1", "2"]), 0);
    let first = book.hints();
    assert!(!book.is_gone(&first[0]));
    assert!(!book.end(&first[1], HintEnd::Followed) || book.followed() == 1);
    assert!(!book.is_wanted(), "it comes with a cycle that comes anyway");
    let again = book.hints();
    let told: Vec<(&str, bool)> = again.iter().map(|h| (h.task.as_str(), h.missed)).collect();
    assert_eq!(told, [("2", false), ("1", true)]);
    // the followed one is away once, is there again, and is away again
    assert!(!book.is_gone(&again[0]));
    assert!(book.hints()[0].missed);
    book.end(&book.hints()[0].clone(), HintEnd::Followed);
    assert!(!book.hints()[0].missed);
    // named once more, the other one has two turns again
    taken(&mut book, &coming("b", 9, &["1"]), 0);
    assert!(!book.hints()[1].missed);
    assert!(!book.is_gone(&book.hints()[1].clone()));
    assert!(book.is_gone(&book.hints()[1].clone()));
}

#[test]
fn a_target_that_is_named_while_the_list_is_read_is_not_lost() {
    let mut book = Book::new(10);
    let recovered = |id: &str| Coming {
        event: Some((print_of(id), 9)),
        named: Named {
            targets: [TargetName::new("AD")].into(),
            ..Named::default()
        },
        road: Road::Event,
    };
    taken(&mut book, &recovered("a"), 0);
    let read_for = book.targets().clone();
    // the list of this cycle is being read; then it recovers once more
    assert_eq!(taken(&mut book, &recovered("b"), 0), May::Take);
    book.looked_at(&read_for);
    assert!(
        book.is_wanted(),
        "what came after the list began is for the next one"
    );
}
