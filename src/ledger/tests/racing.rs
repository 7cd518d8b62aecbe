//! A retry that takes effect while the list is being read; the two ids must never become two pieces of work.

use super::*;

#[test]
fn a_successor_on_a_later_page_than_its_old_id_is_the_same_work() {
    for linked in [false, true] {
        let (mut work, index) = core();
        let lineage = retried(&mut work);
        let mut successor = row("1200", TaskStatus::Rejected, "77");
        if linked {
            successor.retry_of = Some(TaskId::new("90"));
        }
        // the retry took effect between the first page and the last
        let old = row("90", TaskStatus::Rejected, "77");
        let seen = see(&mut work, vec![old, successor.clone()], 1);
        assert_eq!((seen.opened, seen.joined), (0, 0));
        assert_eq!(seen.views[1].lineage, None, "it can't be told yet");
        let seen = see(&mut work, vec![successor], 3);
        assert_eq!(seen.views[0].lineage, Some(lineage));
        assert_eq!(seen.outcomes[0].event, AttemptEvent::ReadBounced);
        assert!(
            index
                .read()
                .expect("a lock")
                .open_attempt(lineage)
                .is_none()
        );
    }
}
