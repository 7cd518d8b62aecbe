//! Tests of the absence file: what is taken, what stands, and for how long.

use std::fs::File;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

static SILENT: AtomicUsize = AtomicUsize::new(0);

/// A network mount whose server is gone.
fn silent(_: &Path) -> Text {
    SILENT.fetch_add(1, Ordering::SeqCst);
    loop {
        std::thread::park();
    }
}

#[test]
fn a_file_that_does_not_answer_is_as_one_that_can_not_be_read_and_has_one_reader() {
    let now: Timestamp = "2027-03-01T00:00:00Z".parse().expect("a timestamp");
    let at = |hours| now + SignedDuration::from_hours(hours);
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("leave.csv");
    std::fs::write(&path, "a,2027-03-01,,b\n").expect("written");
    let file = File::options().write(true).open(&path).expect("opened");
    file.set_modified(now.try_into().expect("in range"))
        .expect("a time is set");
    let of = |hours| {
        let max_age = Some(SignedDuration::from_hours(hours));
        Feed::new(path.clone(), TimeZone::UTC, max_age)
    };
    let mut feed = of(24);
    assert!(feed.read(now).0.value().is_some());
    feed.reader = silent;
    // nobody waits: what has not come is not there
    let ask = |feed: &mut Feed, hours| {
        let waits = feed.begin(at(hours)).expect("a thread").is_some();
        let (roster, problems) = feed.end(at(hours), None);
        assert!(
            matches!(&problems[..], [FeedProblem::Silent { .. }]),
            "{problems:?}"
        );
        assert!(!feed.state(at(hours)).taken);
        (roster.value().is_some(), waits)
    };
    assert_eq!(ask(&mut feed, 1), (true, true), "the last good one stands");
    assert_eq!(ask(&mut feed, 23), (true, false), "waited for once");
    assert_eq!(
        ask(&mut feed, 25),
        (false, false),
        "nobody is present by it"
    );
    let mut anew = of(48).after(Some(feed));
    anew.reader = silent;
    assert_eq!(ask(&mut anew, 26), (false, false), "nothing was ever read");
    while SILENT.load(Ordering::SeqCst) == 0 {
        std::thread::yield_now();
    }
    assert_eq!(SILENT.load(Ordering::SeqCst), 1, "one reader hangs at it");
    let said = anew.state(at(26)).problem.expect("it is said");
    assert!(
        said.contains("leave.csv") && said.contains("umount"),
        "{said}"
    );
}

#[test]
fn what_comes_late_is_as_old_as_its_reading() {
    static GO: AtomicUsize = AtomicUsize::new(0);
    fn late(_: &Path) -> Text {
        while GO.load(Ordering::SeqCst) == 0 {
            std::thread::park_timeout(Duration::from_millis(1));
        }
        Ok(("a,2027-03-01,,\n".to_owned(), None))
    }
    let now: Timestamp = "2027-03-01T00:00:00Z".parse().expect("a timestamp");
    let mut feed = Feed::new("leave.csv".into(), TimeZone::UTC, None);
    feed.reader = late;
    assert!(feed.begin(now).expect("a thread").is_some());
    let later = now + SignedDuration::from_hours(3);
    assert!(feed.end(later, None).0.value().is_none());
    GO.store(1, Ordering::SeqCst);
    let apart = &feed.reading.as_ref().expect("under way").apart;
    apart.wait(Duration::from_secs(60));
    let (roster, problems) = feed.end(later, None);
    assert!(problems.is_empty(), "{problems:?}");
    assert_eq!(roster.value().map(|roster| roster.len()), Some(1));
    assert_eq!(feed.state(later).as_of, Some(now));
}

#[test]
fn the_last_good_reading_stands_for_as_long_as_it_may_be_believed() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("leave.csv");
    let max_age = SignedDuration::from_hours(24);
    let mut feed = Feed::new(path.clone(), TimeZone::UTC, Some(max_age));
    let now: Timestamp = "2027-03-01T00:00:00Z".parse().expect("a timestamp");

    let (roster, problems) = feed.read(now);
    assert!(roster.value().is_none(), "no file is not an empty file");
    assert!(problems[0].to_string().contains("leave.csv"));

    std::fs::write(&path, "a,2027-03-01,,b\nc,nonsense,,\n").expect("written");
    let file = File::options().write(true).open(&path).expect("opened");
    file.set_modified(now.try_into().expect("in range"))
        .expect("a time is set");
    let (roster, problems) = feed.read(now);
    assert_eq!(roster.value().map(|r| r.len()), Some(1));
    assert!(problems[0].to_string().starts_with("leave.csv:2:"));

    std::fs::remove_file(&path).expect("removed");
    let (roster, problems) = feed.read(now + SignedDuration::from_hours(23));
    assert_eq!(roster.value().map(|r| r.len()), Some(1));
    assert_eq!(problems.len(), 1);
    let (roster, _) = feed.read(now + SignedDuration::from_hours(25));
    assert!(roster.value().is_none());
}

#[test]
fn a_file_that_breaks_off_leaves_the_last_good_reading_for_as_long_as_it_may_be_believed() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("leave.csv");
    let now: Timestamp = "2027-03-01T00:00:00Z".parse().expect("a timestamp");
    let write = |text: &str, at: Timestamp| {
        std::fs::write(&path, text).expect("written");
        let file = File::options().write(true).open(&path).expect("opened");
        file.set_modified(at.try_into().expect("in range"))
            .expect("a time is set");
    };
    let max_age = SignedDuration::from_hours(24);
    let mut feed = Feed::new(path.clone(), TimeZone::UTC, Some(max_age));
    write("a,2027-03-01,,b\nc,2027-0", now);
    let (roster, problems) = feed.read(now);
    assert!(roster.value().is_none(), "there is no good reading yet");
    assert!(
        problems
            .iter()
            .any(|p| matches!(p, FeedProblem::Cut { place } if place == "leave.csv:2"))
    );
    write("a,2027-03-01,,b\nc,2027-03-01,,d\n", now);
    assert_eq!(feed.read(now).0.value().map(|r| r.len()), Some(2));
    for (hours, left) in [(23, Some(2)), (25, None)] {
        let later = now + SignedDuration::from_hours(hours);
        write("a,2027-03-01,,b\nc,2027-0", later);
        let (roster, problems) = feed.read(later);
        assert_eq!(roster.value().map(|r| r.len()), left);
        assert!(
            problems
                .iter()
                .any(|p| matches!(p, FeedProblem::Cut { .. }))
        );
    }
}

#[test]
fn an_emptied_file_is_no_word_and_a_header_alone_says_nobody() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("leave.csv");
    let now: Timestamp = "2027-03-01T00:00:00Z".parse().expect("a timestamp");
    let mut feed = Feed::new(path.clone(), TimeZone::UTC, None);
    let mut read = |text: &str| {
        std::fs::write(&path, text).expect("written");
        let (roster, problems) = feed.read(now);
        let empty = problems
            .iter()
            .any(|problem| matches!(problem, FeedProblem::Empty { .. }));
        (roster.value().map(|roster| roster.len()), empty)
    };
    assert_eq!(read(""), (None, true), "there is no good reading yet");
    assert_eq!(read("a,2027-03-01,,b\n"), (Some(1), false));
    for text in ["", "\n", " \r\n\r\n", "\u{feff}"] {
        assert_eq!(
            read(text),
            (Some(1), true),
            "{text:?}: the last good one stands"
        );
    }
    assert_eq!(read("log").0, Some(1), "that is no header");
    assert_eq!(read("login,fr").0, Some(1), "a header that breaks off");
    assert_eq!(
        read("login,from,to,stand_in").0,
        Some(1),
        "whose rows may be missing"
    );
    for text in [
        "login,from,to,stand_in\n",
        "\u{feff}login,from,to,stand_in\r\n",
    ] {
        assert_eq!(read(text), (Some(0), false), "{text:?}: nobody is away");
        assert_eq!(read("a,2027-03-01,,b\n"), (Some(1), false));
    }
}

/// The half of `JSMITHB` is a person too, and half a date is an absence without an end.
#[test]
fn half_a_row_that_looks_like_a_whole_one_is_not_believed() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("leave.csv");
    let now: Timestamp = "2027-03-01T00:00:00Z".parse().expect("a timestamp");
    let whole = "login,from,to,stand_in\nA,2027-02-01,,B\nBACK,2027-01-10,2027-01-20,JSMITHB";
    for part in [
        "BACK,2027-01-10,",
        "BACK,2027-01-10,2027-01-20",
        "BACK,2027-01-10,2027-01-20,",
        "BACK,2027-01-10,2027-01-20,JSMITH",
        "BACK,2027-01-10,2027-01-20,JSMITHB",
    ] {
        let end = whole.find(part).expect("it is a part") + part.len();
        let mut feed = Feed::new(path.clone(), TimeZone::UTC, None);
        std::fs::write(&path, &whole[..end]).expect("written");
        let (roster, problems) = feed.read(now);
        assert!(roster.value().is_none(), "{part}");
        let [FeedProblem::Cut { place }] = &problems[..] else {
            panic!("{part}: {problems:?}")
        };
        assert_eq!(place, "leave.csv:3", "{part}");
        let said = problems[0].to_string();
        assert!(said.contains("put a line end behind it"), "{said}");
        std::fs::write(&path, format!("{whole}\n")).expect("written");
        assert_eq!(feed.read(now).0.value().map(|r| r.len()), Some(2));
        std::fs::write(&path, &whole[..end]).expect("written");
        assert_eq!(
            feed.read(now).0.value().map(|r| r.len()),
            Some(2),
            "the former one stands"
        );
    }
}

#[test]
fn a_file_that_nobody_renews_is_not_believed() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("leave.csv");
    std::fs::write(&path, "a,2027-03-01,,b\n").expect("written");
    let written: Timestamp = "2027-03-01T00:00:00Z".parse().expect("a timestamp");
    let file = File::options().write(true).open(&path).expect("opened");
    file.set_modified(written.try_into().expect("in range"))
        .expect("a time is set");
    let later = written + SignedDuration::from_hours(30);
    let mut strict = Feed::new(
        path.clone(),
        TimeZone::UTC,
        Some(SignedDuration::from_hours(24)),
    );
    let (roster, problems) = strict.read(later);
    assert!(roster.value().is_none());
    assert!(matches!(
        problems[0],
        FeedProblem::TooOld { age_hours: 30, .. }
    ));
    let why = roster.why().expect("it is unknown");
    assert!(why.contains("too old") && why.contains("24 h"), "{why}");
    let (roster, _) = Feed::new(path, TimeZone::UTC, None).read(later);
    assert!(roster.value().is_some());
}

#[test]
fn a_misread_file_leaves_the_last_good_reading_and_is_said() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("leave.csv");
    let now: Timestamp = "2027-03-01T00:00:00Z".parse().expect("a timestamp");
    let mut feed = Feed::new(path.clone(), TimeZone::UTC, None);
    let mut read = |bytes: &[u8]| {
        std::fs::write(&path, bytes).expect("written");
        let (roster, problems) = feed.read(now);
        let said = problems
            .iter()
            .any(|problem| matches!(problem, FeedProblem::Misread { .. }));
        let state = feed.state(now);
        assert_eq!(state.taken, !said, "{:?}", state.problem);
        (roster.value().map(|roster| roster.len()), said)
    };
    let utf_16: Vec<u8> = [0xff, 0xfe]
        .into_iter()
        .chain(
            "a,2027-03-01,,b\r\n"
                .encode_utf16()
                .flat_map(u16::to_le_bytes),
        )
        .collect();
    assert_eq!(read(&utf_16), (None, true), "there is no good reading yet");
    assert_eq!(read(b"a,2027-03-01,,b\n"), (Some(1), false));
    for bytes in [
        &utf_16[..],
        b"m\xfcller,2027-03-01,,b\nc,2027-03-01,,d\n",
        b"id,login,from,to\n7,a,2027-03-01,\n",
        b"a;2027-03-01;;b\n",
    ] {
        assert_eq!(read(bytes), (Some(1), true), "the last good one stands");
    }
}
