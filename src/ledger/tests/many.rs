//! Long lists on their way to the record, and what is counted over many attempts; no disk.

use super::*;

#[test]
fn very_many_first_sights_become_records_part_by_part_in_their_order() {
    let (mut work, index) = core();
    let ids: Vec<String> = (1..=2_500).map(|n: u32| (5_000 + n).to_string()).collect();
    let rows = ids
        .iter()
        .map(|id| row(id, TaskStatus::Rejected, &format!("p{id}")));
    let seen = see(&mut work, rows.collect(), 0);
    let lineages: Vec<u64> = seen
        .views
        .iter()
        .filter_map(|view| view.lineage.map(|lineage| lineage.0))
        .collect();
    assert_eq!(lineages, (1..=2_500).collect::<Vec<u64>>());
    let store = MemoryStore::default();
    store.append(&work.pending).expect("numbers rise");
    let (rebuilt, ..) = replay(&store).expect("own records");
    let index = index.read().expect("a lock");
    assert!(rebuilt == *index, "what is on record is what is known");
    for (n, id) in (1..).zip(&ids) {
        let known = index.current_task(LineageId(n));
        assert_eq!(known, Some(TaskId::new(id)));
    }
}

#[test]
fn open_attempts_are_counted_as_they_are_and_what_was_not_told_or_is_gone_waits_for_a_person() {
    let (mut work, index) = core();
    let ids = ["90", "91", "92", "93"];
    let rows = ids.map(|id| row(id, TaskStatus::Rejected, id));
    see(&mut work, rows.to_vec(), 0);
    for (n, id) in (1..).zip(ids).take(3) {
        let minute = if id == "92" { 50 } else { 1 };
        let status = match id {
            "91" => ReceiptStatus::Refused {
                reason: Arc::from("no"),
                manual: false,
            },
            _ => ReceiptStatus::Accepted,
        };
        send(&mut work, LineageId(n), id, minute, status);
    }
    let index = index.read().expect("a lock");
    let open = index.open_attempts().count();
    assert_eq!(open, 2);
    assert_eq!(usize::try_from(index.open_count()), Ok(open));
    let waiting = |told_by| {
        let items = index.inbox(told_by).into_iter();
        items
            .map(|item| (item.task.to_string(), item.why))
            .collect::<Vec<_>>()
    };
    let late = |id: &str| (id.to_owned(), "not_told");
    assert_eq!(waiting(at(0)), []);
    assert_eq!(waiting(at(1)), [late("90")]);
    assert_eq!(waiting(at(60)), [late("90"), late("92")]);
}
