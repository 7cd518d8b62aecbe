//! Definitions that get another key, as when a connector is imported anew: their tasks stay what they are; no disk.

use super::worlds::{claim_of, known, made};
use super::*;
use crate::ledger::world::World;

#[test]
fn open_rows_of_a_definition_under_another_key_stay_themselves() {
    let (mut work, index) = core();
    let lineages = known(&mut work);
    let dateless = || {
        let mut task = made("92", "92", "40", -60);
        task.created = None;
        task
    };
    let rows = || {
        vec![
            made("90", "90", "40", -60),
            made("91", "91", "40", -60),
            dateless(),
        ]
    };
    for minute in [20, 25] {
        let seen = see(&mut work, rows(), minute);
        assert_eq!((&seen.world, seen.opened), (&World::Known, 0));
        let views: Vec<_> = seen.views.iter().filter_map(|view| view.lineage).collect();
        assert_eq!(views, lineages);
        assert_eq!(seen.views[1].changed, minute == 20, "recorded once");
    }
    assert_eq!(claim_of(&mut work, lineages[1], "91"), None);
    // the successor shows the new key
    send(&mut work, lineages[0], "90", 26, ReceiptStatus::Accepted);
    let seen = see(&mut work, vec![made("1200", "90", "40", 27)], 30);
    assert_eq!((seen.joined, seen.views[0].lineage), (1, Some(lineages[0])));
    let store = MemoryStore::default();
    store.append(&work.pending).expect("numbers rise");
    let (rebuilt, ..) = replay(&store).expect("own records");
    assert_eq!(rebuilt, *index.read().expect("a lock"));
}

#[test]
fn a_successor_by_link_brings_its_key_and_the_next_one_is_known_by_it() {
    let (mut work, index) = core();
    let lineages = known(&mut work);
    send(&mut work, lineages[0], "90", 1, ReceiptStatus::Accepted);
    let mut successor = made("1200", "90", "40", 2);
    successor.retry_of = Some(TaskId::new("90"));
    let rest = || vec![made("91", "91", "39", -60), made("92", "92", "39", -60)];
    let rows = || [vec![successor.clone()], rest()].concat();
    let seen = see(&mut work, rows(), 5);
    assert_eq!(seen.views[0].lineage, Some(lineages[0]));
    {
        let index = index.read().expect("a lock");
        let key = index.lineage(lineages[0]).and_then(|of| of.key);
        assert_eq!(key, crate::ledger::lineage::JoinKey::of_task(&successor));
    }
    // also where the account is not shown any more
    let mut bare = successor.clone();
    bare.process = None;
    let seen = see(&mut work, [vec![bare], rest()].concat(), 10);
    assert_eq!(
        (&seen.world, seen.views[0].lineage),
        (&World::Known, Some(lineages[0]))
    );
}
