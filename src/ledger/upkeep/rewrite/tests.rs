//! A new journal that takes more room than the old one is thrown away, and the store is what it was, byte by byte.

use std::collections::BTreeMap;
use std::path::Path;

use super::*;
use crate::ledger::index::Index;
use crate::ledger::open::mark;

fn at() -> Timestamp {
    "2027-03-01T08:00:00Z".parse().expect("a time")
}

/// A store of some pieces of the journal's file, in a text that can't be made smaller.
fn store(dir: &Path) -> StoreSettings {
    let mut index = Index::default();
    let mut records = Vec::new();
    let mut add = |body: EventBody| {
        let head = index.head().cloned().unwrap_or_else(genesis);
        let meta = Meta::daemon(at(), None);
        let made = chain(&meta, body, index.last_seq() + 1, head).expect("small");
        for (event, bytes, digest) in made {
            index.apply(&event, digest);
            records.push((event.seq, bytes));
        }
    };
    add(EventBody::StoreCreated {
        store: "0190-s".to_owned(),
    });
    let mut seed = 88_172_645_463_325_252_u64;
    for _ in 0..300 {
        let text: String = std::iter::repeat_with(|| {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            char::from(b'0' + u8::try_from(seed % 75).unwrap_or(0)).to_ascii_lowercase()
        })
        .filter(|c| *c != '\\')
        .take(5000)
        .collect();
        add(EventBody::Note { text: text.into() });
    }
    let (journal, _) = SledStore::open(&dir.join(JOURNAL), 8 << 20).expect("made");
    journal.append(&records).expect("written");
    drop(journal);
    let (sidecar, _) = Sidecar::open(&dir.join(SIDECAR)).expect("made");
    let mut sidecar = sidecar.beside(dir.join(JOURNAL).join("db"));
    sidecar.write(&mark(&index)).expect("written");
    StoreSettings {
        dir: dir.to_path_buf(),
        cache: 8 << 20,
    }
}

fn files(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut out = BTreeMap::new();
    let mut dirs = vec![dir.to_path_buf()];
    while let Some(dir) = dirs.pop() {
        for entry in std::fs::read_dir(&dir).expect("read") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                dirs.push(path);
            } else if path.file_name().is_none_or(|name| name != "lock") {
                out.insert(path.clone(), std::fs::read(&path).expect("read"));
            }
        }
    }
    out
}

/// Rewrites a store as compaction does, as if the old journal had taken so many bytes less than the new one.
fn compacted(settings: &StoreSettings, less: u64) -> Rewritten {
    let mut ground = Ground::take(settings, &|_| None).expect("taken");
    let job = Job {
        why: RewriteWhy::Compact,
        reason: Arc::from("to take less room"),
        actor: Actor::System,
        now: at(),
        change: &|_| None,
        taken_out: &mut |_| Ok(()),
    };
    let ready = ground.rewrite(job, &Allowed::default()).expect("the same");
    assert!(ready.bytes_after > less, "of more than one piece");
    ground.bytes = ready.bytes_after - less;
    ground.swap_unless_more(ready, &mut |_| {}).expect("done")
}

#[test]
fn what_takes_more_room_when_rewritten_stays_as_it_is() {
    let dir = tempfile::tempdir().expect("a directory");
    let settings = store(dir.path());
    let before = files(dir.path());
    let done = compacted(&settings, PIECE + 1);
    assert!(done.kept);
    assert_eq!((done.changed, done.records), (0, 301));
    assert_eq!(done.head.seq, 301, "its anchor is of what is there");
    assert!(
        files(dir.path()) == before,
        "byte by byte, and nothing beside: {:?}",
        files(dir.path()).keys()
    );
    // nobody holds it any more, and the next one may be swapped
    let again = compacted(&settings, 0);
    assert!(!again.kept);
}

#[test]
fn one_piece_more_is_only_how_the_file_is_laid_out() {
    let dir = tempfile::tempdir().expect("a directory");
    let settings = store(dir.path());
    let done = compacted(&settings, PIECE);
    assert!(!done.kept);
    // what was done is on record, which is one more
    assert_eq!((done.records, done.head.seq), (302, 302));
    let ground = Ground::take(&settings, &|_| None).expect("a whole store");
    assert_eq!(ground.before.tally.records, 302);
}
