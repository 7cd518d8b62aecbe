//! A file is written of a store that is in use: records are acknowledged meanwhile, it holds what was on disk when it was asked for and no more, and it can be stopped.

use std::path::Path;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use provtaskd::ledger::record::Meta;
use provtaskd::ledger::upkeep::{Form, Pace, UpkeepError, check_backup, save};
use provtaskd::ledger::{Entry, EventBody, Ledger};
use provtaskd::model::settings::StoreSettings;

fn now() -> Timestamp {
    "2027-03-01T08:00:00Z".parse().expect("a time")
}

fn note(text: String) -> Entry {
    Entry {
        body: EventBody::Note { text: text.into() },
        meta: Meta::daemon(now(), None),
    }
}

/// A ledger with so many records.
async fn filled(dir: &Path, records: usize) -> Ledger {
    let settings = StoreSettings {
        dir: dir.join("store"),
        cache: 8 << 20,
    };
    let (ledger, _) = crate::opened::open(&settings, now()).expect("created");
    for n in 0..records {
        let text = format!("{n} {}", "of some length ".repeat(10));
        ledger.record_soon(note(text)).await.expect("taken");
    }
    ledger.written().await.expect("on disk");
    ledger
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_are_acknowledged_while_a_backup_is_written() {
    let dir = tempfile::tempdir().expect("a directory");
    let ledger = filled(dir.path(), 30_000).await;
    for (form, name) in [(Form::Backup, "b"), (Form::Lines, "e")] {
        let upto = ledger.on_disk().await.expect("on disk");
        let last = upto.0.seq;
        let (copied, path) = (ledger.clone(), dir.path().join(name));
        let began = Instant::now();
        let saving = tokio::task::spawn_blocking(move || {
            let saved = save(&copied, upto, form, &path, now(), &Pace::default());
            (saved.expect("saved"), began.elapsed())
        });
        let mut longest = Duration::ZERO;
        let mut meanwhile = 0;
        while !saving.is_finished() {
            let asked = Instant::now();
            let one = ledger.record(note("meanwhile".to_owned()));
            one.await.expect("recorded");
            longest = longest.max(asked.elapsed());
            meanwhile += u32::from(!saving.is_finished());
        }
        let (saved, took) = saving.await.expect("no panic");
        println!(
            "{form:?} took {took:?}; {meanwhile} records meanwhile, the longest wait {longest:?}"
        );
        assert!(meanwhile > 0, "nothing else went on for {took:?}");
        assert_eq!(
            (saved.records, saved.last),
            (last, last),
            "no more than was asked for"
        );
    }
    let checked = check_backup(&dir.path().join("b")).expect("whole");
    assert_eq!(checked.examined.findings, []);
    ledger.shutdown().await.expect("closed");
}

#[tokio::test]
async fn a_file_that_is_stopped_goes_away() {
    let dir = tempfile::tempdir().expect("a directory");
    let ledger = filled(dir.path(), 10).await;
    for form in [Form::Backup, Form::Lines] {
        let upto = ledger.on_disk().await.expect("on disk");
        let stop = Pace::default();
        stop.stop();
        let path = dir.path().join("b");
        let stopped = save(&ledger, upto, form, &path, now(), &stop);
        assert!(matches!(stopped, Err(UpkeepError::Stopped)), "{stopped:?}");
        let left = std::fs::read_dir(dir.path()).expect("read");
        assert_eq!(left.count(), 1, "the store alone");
    }
    ledger.shutdown().await.expect("closed");
}
