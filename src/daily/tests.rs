//! The words and the HTML of a report.

use super::*;

fn at(hour: i8) -> Timestamp {
    let start: Timestamp = "2027-03-01T00:00:00Z".parse().expect("a time");
    start + jiff::SignedDuration::from_hours(i64::from(hour))
}

fn day() -> Daily {
    let states = [
        (AttemptState::Completed, 3),
        (AttemptState::Gone, 1),
        (AttemptState::Accepted, 2),
    ];
    Daily {
        schema: SCHEMA,
        from: at(0),
        to: at(24),
        store: "s".to_owned(),
        world: Some("https://oig.example as PROVSVC".to_owned()),
        logins: vec![Login::new("PROVSVC")],
        configured: None,
        mode: Some(Mode::Enforce),
        policy: None,
        policy_released: true,
        attempts: vec![AttemptsRow {
            target: TargetName::new("AD"),
            action: ActionName::Retry,
            attempts: 6,
            states: states.into_iter().collect(),
        }],
        healed: Healed {
            tasks: 3,
            by_target: [(TargetName::new("AD"), 3)].into(),
            by_attempts: [(1, 2), (4, 1)].into(),
            doubtful: 1,
        },
        by_others: 1,
        left_lists: 2,
        given_up: vec![WaitingRow {
            target: Some(TargetName::new("<SAP>")),
            reason: "attempts_used_up".into(),
            tasks: 7,
            named: vec![TaskId::new("11"), TaskId::new("12")],
        }],
        would_have: Vec::new(),
        orders: vec![OrderLine {
            at: at(9),
            who: "uid 0 (ann)".to_owned(),
            event: "pause".to_owned(),
            about: vec!["task 41, Create User on AD".to_owned()],
            what: "until noon".to_owned(),
            why: "a <b>change</b>".to_owned(),
            works: 3,
        }],
        notes: NotesRow::default(),
        requests: RequestsRow::default(),
        now: None,
        unreadable: 0,
        out_of_order: 0,
        ahead: 0,
    }
}

#[test]
fn what_is_not_known_is_said_first_and_never_counted_as_done() {
    let day = day();
    assert_eq!(day.open_ends(), 3, "accepted is no end, and gone is none");
    assert_eq!(
        day.headline(),
        "6 attempts, 3 tasks read as done after a retry, 3 attempts with an open end, 7 tasks left to people"
    );
    let text = text(&day);
    assert!(
        text.contains("is what PROVSVC was shown by https://oig.example and did: what its list does not show is not counted"),
        "{text}"
    );
    assert!(text.contains("no daemon runs"), "{text}");
    assert!(
        text.contains("left the lists meanwhile, why is not known: 2"),
        "{text}"
    );
    assert!(text.contains("11 12 and 5 more"), "{text}");
    assert!(
        text.contains("pause on task 41, Create User on AD and 2 more (3 tasks): until noon (a "),
        "{text}"
    );
}

#[test]
fn requests_to_read_are_told_with_the_time_for_which_they_are_known() {
    let mut day = day();
    let said = text(&day);
    assert!(
        said.contains("0 requests to write; how many to read is not on record"),
        "{said}"
    );
    day.requests.add_reads(at(1), at(2), 40);
    day.requests.add_reads(at(0), at(1), 1);
    let line = "41 requests to read, counted from 2027-03-01 00:00Z to 2027-03-01 02:00Z";
    assert!(text(&day).contains(line), "{}", text(&day));
    assert!(html(&day).contains(line), "{}", html(&day));
}

#[test]
fn a_subject_says_what_matters_and_names_nobody() {
    let day = day();
    assert_eq!(
        day.subject(),
        "provtaskd oig.example: 7 left to people, 3 healed, 3 with an open end; 2027-03-01 00:00Z to 2027-03-02 00:00Z"
    );
    let now = Now {
        at: at(24),
        visible: None,
        visible_whole: None,
        visible_as_of: None,
        logins: vec![Login::new("PROVSVC")],
        not_read: Vec::new(),
        waiting: Vec::new(),
        left_alone: LeftAlone::default(),
        waiting_as_of: None,
        attempts_open: 0,
        inbox: vec![("ask".to_owned(), 2), ("unmapped".to_owned(), 3)],
        mode_why: Vec::new(),
        last_error: Some("of user ann".to_owned()),
    };
    let day = Daily {
        now: Some(now),
        attempts: Vec::new(),
        ..day
    };
    assert_eq!(
        day.subject(),
        "provtaskd oig.example: 5 wait for a person, 3 healed, the last cycle failed; 2027-03-01 00:00Z to 2027-03-02 00:00Z"
    );
}

#[test]
fn figures_of_two_moments_say_so_and_a_part_is_not_the_whole() {
    let mut now = Now {
        at: at(24),
        visible: Some(8),
        visible_whole: Some(true),
        visible_as_of: Some(at(22)),
        logins: vec![Login::new("PROVSVC")],
        not_read: Vec::new(),
        waiting: vec![(RefusalReason::BackOff, 5)],
        left_alone: LeftAlone::default(),
        waiting_as_of: Some(at(23)),
        attempts_open: 2,
        inbox: Vec::new(),
        mode_why: Vec::new(),
        last_error: None,
    };
    let told = |now: &Now| {
        let day = Daily {
            now: Some(now.clone()),
            ..day()
        };
        [text(&day), html(&day), markdown(&day).replace('\\', "")]
    };
    for told in told(&now) {
        for words in [
            "2027-03-02 00:00:00Z",
            "8 tasks visible to PROVSVC, as of 2027-03-01 22:00:00Z",
            "Not done, as the cycle of 2027-03-01 23:00:00Z found it",
        ] {
            assert!(told.contains(words), "{words}: {told}");
        }
        assert!(!told.contains("NOT COUNTED"), "{told}");
    }
    now.logins.push(Login::new("HR"));
    now.not_read = vec![NotRead {
        login: "SECOND".into(),
        tasks: Some(4),
        list_read: Some(at(20)),
    }];
    for told in told(&now) {
        let words = "NOT COUNTED, because the last cycle did not read it: 4 tasks of SECOND, whose list of 2027-03-01T20:00:00Z was its last";
        assert_eq!(told.matches(words).count(), 2, "{told}");
        assert!(told.contains("8 tasks visible to PROVSVC and HR"), "{told}");
    }
}

#[test]
fn a_report_says_where_the_journal_could_not_be_read() {
    let day = Daily {
        unreadable: 2,
        world: None,
        logins: vec![Login::new("PROVSVC")],
        configured: None,
        ..day()
    };
    let limits = day.limits().join(" ");
    assert!(
        limits.contains("2 records of the journal could not be read"),
        "{limits}"
    );
    assert!(limits.contains("belonged to no server"), "{limits}");
}

#[test]
fn a_report_says_where_the_times_of_its_records_lie_out_of_order() {
    assert!(!day().limits().join(" ").contains("clock"));
    let limits = |out_of_order, ahead| {
        let day = Daily {
            out_of_order,
            ahead,
            ..day()
        };
        day.limits().join(" ")
    };
    let told = limits(1, 0);
    assert!(told.contains("out of order in time: 1;"), "{told}");
    let told = limits(0, 40);
    assert!(told.contains("with a later time: 40."), "{told}");
}

#[test]
fn nothing_of_a_server_or_a_person_is_markup() {
    let html = html(&day());
    assert!(html.contains("&lt;SAP&gt;") && html.contains("a &lt;b&gt;change&lt;/b&gt;"));
    assert!(!html.contains("<SAP>") && !html.contains("<b>"));
    assert!(!html.contains("<script") && !html.contains("http://"));
}

#[test]
fn nothing_of_a_server_or_a_person_is_markdown() {
    let mut day = day();
    day.orders[0].why = "a | b\n# c [x](http://evil.example) `d` <i>".to_owned();
    let shown = markdown(&day);
    assert!(shown.starts_with("# Provisioning tasks, 2027-03-01 00:00Z to 2027-03-02 00:00Z\n"));
    assert!(
        shown.contains("| &lt;SAP&gt; |") && shown.contains("| 6 |"),
        "{shown}"
    );
    assert!(
        shown.contains("a \\| b # c \\[x\\](http&#58;//evil.example) \\`d\\` &lt;i&gt;"),
        "{shown}"
    );
    assert!(
        !shown.contains("\n# c") && !shown.contains("<i>"),
        "{shown}"
    );
    // as many cells in each row of a table as it has columns
    for table in shown.split("\n\n").filter(|part| part.starts_with("| ")) {
        let cells = |line: &str| line.replace("\\|", "").matches('|').count();
        let first = cells(table.lines().next().unwrap_or_default());
        assert!(table.lines().all(|line| cells(line) == first), "{table}");
    }
}

#[test]
fn no_reason_writes_lines_of_its_own_or_moves_the_cursor() {
    let mut day = day();
    let order = &mut day.orders[0];
    order.why = "rec\u{1b}[31mRED\u{7}\r\nInbox\n  999 tasks released".to_owned();
    order.what = "released for (a\nb\u{1b}[2J".to_owned();
    let shown = text(&day);
    let odd = |c: char| c.is_control() && c != '\n';
    assert!(!shown.contains(odd), "{shown:?}");
    assert!(
        !shown.lines().any(|line| line.starts_with("  999")),
        "{shown}"
    );
}
