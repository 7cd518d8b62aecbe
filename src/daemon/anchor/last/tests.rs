//! Forged, copied and broken lines in an anchor file neither stop a good store nor vouch for an old one.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration as Wall;

use super::*;
use crate::ledger::anchor::{Head, Key};
use crate::model::Digest;
use crate::model::settings::StoreSettings;

const SECRET: &str = "correct-horse-battery-staple-4711";

fn at(hour: i32) -> Timestamp {
    let text = format!("2027-03-01T{hour:02}:00:00Z");
    text.parse().expect("a time")
}

fn key(text: &str) -> Key {
    Key::of(text.as_bytes()).expect("long enough")
}

/// A store, its anchors, and the settings for both.
struct Place {
    dir: tempfile::TempDir,
    audit: AuditSettings,
}

impl Place {
    fn new(signed: bool) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("key");
        std::fs::write(&path, SECRET).expect("written");
        std::fs::set_permissions(&path, Permissions::from_mode(0o600)).expect("mode");
        let audit = AuditSettings {
            anchor_every: jiff::SignedDuration::from_hours(1),
            anchor_records: 1000,
            anchor_file: Some(dir.path().join("anchors")),
            anchor_file_named: true,
            anchor_file_max: 1 << 20,
            anchor_run: None,
            anchor_required: false,
            hmac_key_file: signed.then_some(path),
            former_hmac_key_files: Vec::new(),
        };
        Self { dir, audit }
    }

    fn open(&self, name: &str) -> Ledger {
        let settings = StoreSettings {
            dir: self.dir.path().join(name),
            cache: 8 << 20,
        };
        let began = std::time::Instant::now();
        loop {
            match Ledger::open(&settings, at(8)) {
                // a process that another test starts holds the lock's file until it runs its own program
                Err(LedgerError::Locked { .. }) if began.elapsed() < Wall::from_secs(30) => {
                    std::thread::yield_now();
                }
                opened => return opened.expect("opened").0,
            }
        }
    }

    /// Lives once: so many notes, then the head at that hour.
    async fn live(&self, notes: usize, hour: i32, key: Option<&Key>) -> Anchor {
        let ledger = self.open("store");
        note(&ledger, notes).await;
        let head = ledger.head().await.expect("read").expect("a head");
        ledger.shutdown().await.expect("closed");
        Anchor::of(&head, at(hour), key)
    }

    /// Another key signs from now on.
    fn sign_with(&mut self, secret: &str, former: bool) {
        let path = self.dir.path().join("new-key");
        std::fs::write(&path, secret).expect("written");
        std::fs::set_permissions(&path, Permissions::from_mode(0o600)).expect("mode");
        let old = self.audit.hmac_key_file.replace(path);
        self.audit.former_hmac_key_files = old.into_iter().filter(|_| former).collect();
    }

    fn write(&self, text: &str) {
        let path = self.audit.anchor_file.as_ref().expect("configured");
        std::fs::write(path, text).expect("written");
    }

    async fn check(&self, name: &str) -> LastAnchor {
        let ledger = self.open(name);
        let last = ledger.read(|index| index.last_seq());
        // as an opening does that finds claims open
        note(&ledger, 1).await;
        let found = check_last(&ledger, &self.audit, last, at(9)).await;
        let rewound = ledger.read(|index| index.rewound());
        if let Some((_, found)) = rewound {
            assert!(
                found <= last,
                "what the opening wrote was not found: {found}"
            );
        }
        // some of these stores are copies, which is held beside what the anchor says
        let of = ledger.read(|index| Rewound::of(index, |_| None));
        let rewound = of.is_some_and(|of| !of.is_a_copy());
        let found = found.expect("checked");
        assert_eq!(rewound, found == LastAnchor::Rewound);
        ledger.shutdown().await.expect("closed");
        found
    }

    fn copy(&self, from: &str, to: &str) {
        fn copy(from: &Path, to: &Path) {
            std::fs::create_dir(to).expect("made");
            std::fs::set_permissions(to, Permissions::from_mode(0o700)).expect("mode");
            for entry in std::fs::read_dir(from).expect("read") {
                let path = entry.expect("an entry").path();
                let target = to.join(path.file_name().expect("a name"));
                if path.is_dir() {
                    copy(&path, &target);
                } else {
                    std::fs::copy(&path, &target).expect("copied");
                }
            }
        }
        copy(&self.dir.path().join(from), &self.dir.path().join(to));
    }
}

async fn note(ledger: &Ledger, many: usize) {
    for n in 0..many {
        let body = EventBody::Note {
            text: format!("note {n}").into(),
        };
        let meta = Meta::by(Actor::System, at(8));
        ledger.record(Entry { body, meta }).await.expect("recorded");
    }
}

/// Of them those that a daemon with another key, or none, may have written.
const BY_NOBODY_KNOWN: [&str; 2] = ["unsigned", "another key"];

/// Every line behind which a real anchor may stand: each alone is no anchor that counts.
fn forged(real: &Anchor) -> Vec<(&'static str, String)> {
    let head = |seq| Head {
        store: real.store.clone(),
        seq,
        link: Digest::new(&"cd".repeat(32)),
    };
    let mut changed = Anchor::of(&head(real.seq), at(7), Some(&key(SECRET)));
    changed.seq += 900;
    let line = |anchor: &Anchor| anchor.line().expect("JSON");
    let other = key("another key of some length");
    vec![
        ("unsigned", line(&Anchor::of(&head(900), at(7), None))),
        (
            "another key",
            line(&Anchor::of(&head(900), at(7), Some(&other))),
        ),
        ("a wrong HMAC", line(&changed)),
        ("broken", line(real)[..60].to_owned()),
        ("something else", "x".repeat(700)),
        ("something long", "x".repeat(90_000)),
    ]
}

#[tokio::test]
async fn lines_that_can_t_be_anchors_behind_the_last_one_do_not_stop_a_good_store() {
    for signed in [true, false] {
        let place = Place::new(signed);
        let key = signed.then(|| key(SECRET));
        let real = place.live(5, 6, key.as_ref()).await;
        let line = real.line().expect("JSON");
        for (what, forged) in forged(&real) {
            if BY_NOBODY_KNOWN.contains(&what) || (!signed && what == "a wrong HMAC") {
                // who signed them is not known; without a key any line counts
                continue;
            }
            // once, and more of it than a block holds
            for many in [1, 150_000 / forged.len()] {
                place.write(&format!("{line}\n{}", format!("{forged}\n").repeat(many)));
                let found = place.check("store").await;
                assert_eq!(found, LastAnchor::Known, "{what}, {many} times");
            }
        }
    }
}

#[tokio::test]
async fn forged_lines_behind_the_last_anchor_do_not_vouch_for_an_old_store() {
    for signed in [true, false] {
        let place = Place::new(signed);
        let key = signed.then(|| key(SECRET));
        let old = place.live(5, 6, key.as_ref()).await;
        place.copy("store", "old");
        let real = place.live(5, 7, key.as_ref()).await;
        let lines = format!(
            "{}\n{}",
            old.line().expect("JSON"),
            real.line().expect("JSON")
        );
        let mut unsigned = old.clone();
        (unsigned.key, unsigned.hmac) = (None, None);
        let mut all = forged(&real);
        if signed {
            all.push(("of the old store, unsigned", unsigned.line().expect("JSON")));
            all.push(("of the old store, copied", old.line().expect("JSON")));
        } else {
            all.retain(|(what, _)| !BY_NOBODY_KNOWN.contains(what) && *what != "a wrong HMAC");
        }
        for (n, (what, forged)) in all.iter().enumerate() {
            let many = 150_000 / forged.len();
            place.write(&format!("{lines}\n{}", format!("{forged}\n").repeat(many)));
            let name = format!("old-{n}");
            place.copy("old", &name);
            assert_eq!(place.check(&name).await, LastAnchor::Rewound, "{what}");
            if !BY_NOBODY_KNOWN.contains(what) {
                assert_eq!(place.check("store").await, LastAnchor::Known, "{what}");
            }
        }
    }
}

/// Store and configuration are put back from before the key was changed, was first set or was taken away, the
/// anchor file on its other mount is not: lines by a key that is not configured tell of records that are gone.
#[tokio::test]
async fn a_whole_machine_put_back_from_before_the_key_was_changed_is_noticed() {
    for after in [Some("another-correct-horse-battery-0815"), None] {
        let place = Place::new(true);
        let old = place.live(5, 6, Some(&key(SECRET))).await;
        place.copy("store", "old");
        let new_key = after.map(key);
        let new = place.live(5, 7, new_key.as_ref()).await;
        let lines = [&old, &new].map(|anchor| anchor.line().expect("JSON") + "\n");
        place.write(&lines.concat());
        assert_eq!(place.check("old").await, LastAnchor::Rewound, "{after:?}");
        // where the configuration alone is the old one the store has what they tell of
        assert_eq!(place.check("store").await, LastAnchor::Known, "{after:?}");
        // and once a configured key has signed behind them they are news no more
        place.write(&format!("{}{}", lines[1], lines[0]));
        assert_eq!(place.check("store").await, LastAnchor::Known, "{after:?}");
    }
}

/// What tells of a later record does not hide that the store speaks against the one that counts.
#[tokio::test]
async fn a_store_that_was_changed_is_not_saved_by_a_line_that_was_written_for_it() {
    let place = Place::new(true);
    let real = place.live(5, 6, Some(&key(SECRET))).await;
    std::fs::rename(
        place.dir.path().join("store"),
        place.dir.path().join("first"),
    )
    .expect("moved");
    let mut other = place.live(9, 7, None).await;
    // another store under the same name, and a line for it that nobody has signed
    let mut claimed = real.clone();
    claimed.store.clone_from(&other.store);
    let claimed = Anchor::of(
        &Head {
            store: claimed.store,
            seq: claimed.seq,
            link: claimed.head,
        },
        at(6),
        Some(&key(SECRET)),
    );
    other.hmac = None;
    let lines = [&claimed, &other].map(|anchor| anchor.line().expect("JSON") + "\n");
    place.write(&lines.concat());
    assert!(other.seq > claimed.seq);
    assert_eq!(place.check("store").await, LastAnchor::Rewound);
}

#[tokio::test]
async fn a_file_of_which_no_line_counts_is_on_the_safe_side_and_what_is_there_is_said() {
    let place = Place::new(true);
    let real = place.live(5, 6, Some(&key(SECRET))).await;
    let forged = forged(&real);
    let text: Vec<String> = forged.iter().map(|(_, line)| format!("{line}\n")).collect();
    place.write(&text.concat());
    // one of them names a record that the store does not have
    place.copy("store", "held");
    assert_eq!(place.check("held").await, LastAnchor::Rewound);
    // what can't be read names none
    place.write(&format!(
        "{}\n{}\n",
        &real.line().expect("JSON")[..60],
        "x".repeat(700)
    ));
    assert_eq!(place.check("store").await, LastAnchor::Unknown);
    place.write(&text.concat());
    let path = place.audit.anchor_file.clone().expect("configured");
    let read = AtomicU64::new(0);
    let keys = Keys::from(vec![key(SECRET)]);
    let searched = last_of(&path, &real.store, &keys, &read).expect("read");
    assert_eq!(searched.anchor, None);
    assert_eq!(
        searched.passed.words().expect("said"),
        "1 without an HMAC, 1 signed with another key, 1 with a wrong HMAC, 1 that can't be read"
    );
    // nothing is passed over where the last line counts; older keys before it are no news
    place.write(&format!(
        "{}{}\n",
        text.concat(),
        real.line().expect("JSON")
    ));
    let searched = last_of(&path, &real.store, &keys, &read).expect("read");
    assert_eq!(searched.anchor, Some(real));
    assert_eq!(searched.passed.words(), None);
    // and without its key nobody knows
    std::fs::remove_file(place.dir.path().join("key")).expect("removed");
    assert_eq!(place.check("store").await, LastAnchor::Unknown);
}

/// A key file beside the store, and anchors of before the key was changed: an older copy is noticed all the
/// same, whether the former key is named or not, and so is one of before there was a key at all.
#[tokio::test]
async fn an_older_copy_is_noticed_after_the_key_was_changed() {
    for (before, former) in [(true, true), (true, false), (false, false)] {
        let mut place = Place::new(before);
        let old_key = before.then(|| key(SECRET));
        let old = place.live(5, 6, old_key.as_ref()).await;
        place.copy("store", "old");
        let last = place.live(5, 7, old_key.as_ref()).await;
        let lines = [&old, &last].map(|anchor| anchor.line().expect("JSON") + "\n");
        place.write(&lines.concat());
        place.sign_with("another-correct-horse-battery-0815", former);
        let what = format!("signed before: {before}, the former key is named: {former}");
        assert_eq!(place.check("old").await, LastAnchor::Rewound, "{what}");
        // the store itself is not stopped; that nothing vouches for it is said
        let expected = if former {
            LastAnchor::Known
        } else {
            LastAnchor::Unknown
        };
        assert_eq!(place.check("store").await, expected, "{what}");
    }
}

/// Once the new key has signed an anchor the former one still counts, and the latest of all is the last.
#[tokio::test]
async fn the_latest_anchor_of_any_key_that_is_named_is_the_last() {
    let mut place = Place::new(true);
    let old = place.live(5, 6, Some(&key(SECRET))).await;
    place.sign_with("another-correct-horse-battery-0815", true);
    let keys = Keys::read(&place.audit).expect("both");
    let new = place.live(5, 7, keys.signing()).await;
    let path = place.audit.anchor_file.clone().expect("configured");
    let last = |text: String| {
        place.write(&text);
        let searched = last_of(&path, &old.store, &keys, &AtomicU64::new(0)).expect("read");
        (searched.anchor, searched.passed)
    };
    let (line, newer) = (old.line().expect("JSON"), new.line().expect("JSON"));
    assert_eq!(
        last(format!("{line}\n{newer}\n")),
        (Some(new.clone()), Passed::default())
    );
    let (anchor, passed) = last(format!("{newer}\n{line}\n"));
    assert_eq!(anchor, Some(new), "a copy behind it vouches for nothing");
    assert_eq!(passed.older, 1);
    let (anchor, _) = last(format!("{line}\n"));
    assert_eq!(anchor, Some(old.clone()));
}

#[test]
fn a_file_that_nobody_has_named_is_done_without_where_it_can_not_be_had() {
    let mut place = Place::new(false);
    let above = place.dir.path().join("store-anchors");
    place.audit.anchor_file = Some(above.join("anchors.jsonl"));
    place.audit.anchor_file_named = false;
    assert_eq!(
        crate::daemon::anchor_fault(&place.audit),
        None,
        "`check` has nothing to say"
    );
    // its directory is made, for this user alone
    assert_eq!(super::super::settled(&place.audit), place.audit);
    let mode = std::fs::metadata(&above)
        .expect("made")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o700);
    std::fs::remove_dir(&above).expect("removed");
    std::fs::write(&above, "a file").expect("written");
    assert_eq!(super::super::settled(&place.audit).anchor_file, None);
    // one that is named stays, whatever is wrong with it
    place.audit.anchor_file_named = true;
    assert_eq!(super::super::settled(&place.audit), place.audit);
    assert!(crate::daemon::anchor_fault(&place.audit).is_some());
}
