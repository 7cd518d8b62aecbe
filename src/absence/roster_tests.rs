//! Tests of the absence rows: forms, days, zones and doubts.

use super::*;

fn berlin() -> TimeZone {
    TimeZone::get("Europe/Berlin").expect("a zone")
}

fn ts(text: &str) -> Timestamp {
    text.parse().expect("a timestamp")
}

#[test]
fn whole_days_count_in_the_zone_and_the_last_day_is_included() {
    let text = "login,from,to,stand_in\nmweber,2027-07-05,2027-07-16,slang\n";
    let Parsed {
        roster, problems, ..
    } = parse(text, "leave.csv", &berlin());
    assert_eq!(problems, []);
    let login = Login::new("MWeber");
    let away = |at: &str| roster.absence(&login, ts(at)).is_some();
    assert!(!away("2027-07-04T21:59:59Z"));
    assert!(away("2027-07-04T22:00:00Z"));
    assert!(away("2027-07-16T21:59:59Z"));
    assert!(!away("2027-07-16T22:00:00Z"));
    let absence = roster.absence(&login, ts("2027-07-10T00:00:00Z"));
    let source = absence.expect("away").source;
    assert_eq!(
        source,
        AbsenceSource::Feed {
            row: "leave.csv:2".to_owned()
        }
    );
    assert_eq!(
        roster.stand_ins(&login, ts("2027-07-10T00:00:00Z")),
        [(Login::new("slang"), "leave.csv:2")]
    );
}

#[test]
fn the_next_change_is_the_first_begin_or_end_to_come() {
    let text =
        "a,2027-03-01T08:00:00Z,2027-03-01T12:00:00Z\na,2027-03-01T10:00:00Z,\nb,2027-03-01,\n";
    let roster = parse(text, "x.csv", &berlin()).roster;
    let next = |at: &str| roster.next_change(&"a".into(), ts(at));
    for (at, wanted) in [
        ("2027-03-01T07:00:00Z", Some("2027-03-01T08:00:00Z")),
        ("2027-03-01T08:00:00Z", Some("2027-03-01T10:00:00Z")),
        ("2027-03-01T11:00:00Z", Some("2027-03-01T12:00:00Z")),
        ("2027-03-01T12:00:00Z", None),
    ] {
        assert_eq!(next(at), wanted.map(ts), "at {at}");
    }
}

#[test]
fn bad_rows_are_named_by_line_and_the_good_ones_stay() {
    let text = "a,2027-02-30,2027-03-01,b\n\"c\nd\",2027-03-01T08:00:00Z,,\n,2027-03-01,,\n\
                e,2027-03-09,2027-03-01,f\ng,2027-03-01\nh,2027-03-01T10:00,2027-03-01T12:00,i\n";
    let Parsed {
        roster, problems, ..
    } = parse(text, "x.csv", &berlin());
    let places: Vec<&str> = problems.iter().map(|p| p.place.as_str()).collect();
    assert_eq!(places, ["x.csv:1", "x.csv:4", "x.csv:5", "x.csv:6"]);
    assert_eq!(roster.len(), 2);
    assert!(
        roster
            .absence(&"c\nd".into(), ts("2050-01-01T00:00:00Z"))
            .is_some()
    );
    assert!(
        roster
            .absence(&"h".into(), ts("2027-03-01T09:30:00Z"))
            .is_some()
    );
    assert!(
        roster
            .absence(&"h".into(), ts("2027-03-01T11:00:00Z"))
            .is_none()
    );
}

#[test]
fn free_text_beyond_the_four_columns_is_not_kept_or_quoted() {
    let text = "a,2027-03-01,2027-03-05,b,\"broken leg,\nsee file\"\nz,oops,,,broken arm\n";
    let Parsed {
        roster, problems, ..
    } = parse(text, "x.csv", &berlin());
    assert_eq!((roster.len(), problems.len()), (1, 1));
    assert_eq!(problems[0].place, "x.csv:3");
    let all = format!("{roster:?} {problems:?}");
    assert!(!all.contains("broken"));
}

#[test]
fn oig_or_the_feed_proves_absence_and_an_unknown_word_does_not() {
    let roster = parse("b,2027-03-01,,\n", "x.csv", &berlin()).roster;
    let person = |login: &str, status: UserStatus| Person {
        key: None,
        login: login.into(),
        status,
        manager: None,
    };
    let now = ts("2027-03-02T00:00:00Z");
    let is_away = |p: &Person| presence(p, &roster, now).absence().is_some();
    assert!(!is_away(&person("a", UserStatus::Active)));
    assert!(is_away(&person("b", UserStatus::Active)));
    assert!(is_away(&person("a", UserStatus::Disabled)));
    assert!(!is_away(&person("a", UserStatus::parse("On Sabbatical"))));
    assert_eq!(
        presence(&person("a", UserStatus::Active), &roster, now),
        Presence::Here
    );
}

#[test]
fn a_bad_row_puts_its_person_in_doubt_and_nobody_else() {
    let text = "a,2027-03-01,,b\na,nonsense,,\nc,2027-02-30,,\nd\n,2027-03-01,,\ne,2027-03-01,,\n";
    let Parsed {
        roster,
        problems,
        cut_at,
        ..
    } = parse(text, "x.csv", &berlin());
    assert_eq!((problems.len(), cut_at), (4, None));
    let now = ts("2027-03-02T00:00:00Z");
    let of = |login: &str, status: UserStatus| {
        let person = Person {
            key: None,
            login: login.into(),
            status,
            manager: None,
        };
        presence(&person, &roster, now)
    };
    for (login, place) in [("a", "x.csv:2"), ("c", "x.csv:3"), ("d", "x.csv:4")] {
        let Presence::Unknown(why) = of(login, UserStatus::Active) else {
            panic!("{login} is in doubt")
        };
        assert!(why.contains(place), "{why}");
        // that OIG calls him inactive needs no row
        assert!(of(login, UserStatus::Disabled).absence().is_some());
    }
    assert!(of("e", UserStatus::Active).absence().is_some());
    assert_eq!(of("f", UserStatus::Active), Presence::Here);
}

#[test]
fn a_file_whose_last_row_has_no_line_end_may_be_cut_there() {
    let cut = |text: &str| parse(text, "x.csv", &berlin()).cut_at;
    let whole = "a,2027-03-01,,b\nc,2027-03-01,,d";
    assert_eq!(cut(whole).as_deref(), Some("x.csv:2"));
    assert_eq!(cut(&format!("{whole}\n")), None);
    // one row, and the header alone, may be the beginning of a longer file
    for text in [
        "a,2027-03-01,,b",
        "a,2027-03-01,",
        "login,from,to,stand_in",
        "login,from,to,stand",
        "\u{feff}login;from;to",
    ] {
        let parsed = parse(text, "x.csv", &berlin());
        assert_eq!(parsed.cut_at.as_deref(), Some("x.csv:1"), "{text}");
        assert_eq!(parsed.misread, None, "{text}");
    }
    // nothing was begun
    for text in [
        "",
        "  ",
        "\u{feff} ",
        "a,2027-03-01,,b\n",
        "a,2027-03-01,,b\r",
    ] {
        assert_eq!(cut(text), None, "{text:?}");
    }
    for part in [
        "c",
        "c,",
        "c,2027-03-",
        "c,2027-03-01",
        "c,2027-03-01,2027-0",
    ] {
        let text = format!("a,2027-03-01,,b\n{part}");
        assert_eq!(cut(&text).as_deref(), Some("x.csv:2"), "{part}");
        // with its line end it is a bad row and no more
        assert_eq!(cut(&format!("{text}\n")), None);
    }
    // an open quote swallows all the rest, line ends too
    for part in [
        "\"c,2027-03-01,,d\n",
        "c,2027-03-01,,d,\"ill\ne,2027-03-01,,f\n",
    ] {
        let text = format!("a,2027-03-01,,b\n{part}");
        assert_eq!(cut(&text).as_deref(), Some("x.csv:2"), "{part}");
    }
}

/// A row as it may be written: quoted or not, with letters of two bytes, with and without an end and a stand-in.
fn written() -> impl proptest::strategy::Strategy<Value = String> {
    let row = (
        "[A-Z\u{fc}]{1,6}",
        "|2027-01-20|2027-01-20T12:00|2027-01-20T12:00:00Z",
        "[A-Z\u{fc}]{0,6}",
        "|,\"ill, since\n\"\"then\"\"\"|,ill",
        proptest::bool::ANY,
    );
    proptest::strategy::Strategy::prop_map(row, |(login, to, stand_in, more, quoted)| {
        let login = if quoted {
            format!("\"{login}\"")
        } else {
            login
        };
        format!("{login},2027-01-10,{to},{stand_in}{more}")
    })
}

proptest::proptest! {
    #[test]
    fn a_file_that_is_cut_in_its_last_row_is_never_believed(
        rows in proptest::collection::vec(written(), 1..4),
        header in "(\u{feff}?login,from,to,stand_in)?",
        end in "\n|\r\n|\r",
    ) {
        let lines: Vec<String> = Some(header).filter(|h| !h.is_empty()).into_iter().chain(rows).collect();
        let text: String = lines.iter().map(|line| format!("{line}{end}")).collect();
        let whole = parse(&text, "x.csv", &berlin());
        proptest::prop_assert_eq!((&whole.cut_at, &whole.misread), (&None, &None));
        let last = lines.last().expect("a row").len() + end.len();
        let begins = text.len() - last;
        for at in begins + 1..text.len() {
            let cut = String::from_utf8_lossy(&text.as_bytes()[..at]).into_owned();
            // of CR LF the first half ends the row as well
            if cut.ends_with('\r') && at == text.len() - 1 {
                continue;
            }
            let parsed = parse(&cut, "x.csv", &berlin());
            let taken = parsed.cut_at.is_none() && parsed.misread.is_none() && !parsed.blank;
            proptest::prop_assert!(!taken, "{:?} is taken", cut);
        }
    }

    #[test]
    fn no_text_panics(text in "\\PC*", more in "[a-z0-9,\"\n\r-]*") {
        parse(&format!("{text}\n{more}"), "x.csv", &TimeZone::UTC);
    }
}

#[test]
fn rows_end_with_any_line_end_and_columns_as_the_header_shows() {
    let want = parse(
        "login,from,to,stand_in\na,2027-03-01,,b\n",
        "x.csv",
        &berlin(),
    );
    assert_eq!((want.roster.len(), want.misread.as_deref()), (1, None));
    for text in [
        "login,from,to,stand_in\ra,2027-03-01,,b\r",
        "login,from,to,stand_in\r\na,2027-03-01,,b\r\n",
        "\u{feff}login;from;to;stand_in\na;2027-03-01;;b\n",
        "\r\n\"login\";\"from\";\"to\";\"stand_in\"\r\n\"a\";\"2027-03-01\";;b\r\n",
        "Login , From , To , Stand-In , note\na,2027-03-01,,b,Kur\n",
        "login,from,to\na,2027-03-01,\n",
    ] {
        let got = parse(text, "x.csv", &berlin());
        assert_eq!((got.problems.len(), &got.misread), (0, &None), "{text:?}");
        let now = ts("2027-03-02T00:00:00Z");
        assert!(got.roster.absence(&"A".into(), now).is_some(), "{text:?}");
    }
}

#[test]
fn what_does_not_name_its_people_for_certain_is_misread() {
    let good = "a,2027-03-01,,b\n";
    let wide: String = good.chars().flat_map(|c| [c, '\0']).collect();
    for (text, place) in [
        // columns of other names, in another order, or one before them
        (format!("login,to,from,stand_in\n{good}"), "x.csv:1"),
        (format!("login,from,to,reason\n{good}"), "x.csv:1"),
        (format!("user,start,end,deputy\n{good}"), "x.csv:1"),
        ("id,login,from,to\n7,a,2027-03-01,\n".to_owned(), "x.csv:1"),
        // separated by what the header does not show
        (
            format!("login,from,to,stand_in\n{good}c;2027-03-01;;d\n"),
            "x.csv:3",
        ),
        ("a;2027-03-01;;b\n".to_owned(), "x.csv:1"),
        (
            "login\tfrom\tto\tstand_in\na\t2027-03-01\t\tb\n".to_owned(),
            "x.csv:1",
        ),
        (format!("{good}c,2027-03-01\n"), "x.csv:2"),
        // dates of another form: not one row
        (
            "login,from,to,stand_in\na,01.03.2027,,b\nc,02.03.2027,,d\n".to_owned(),
            "x.csv:2",
        ),
        // Latin-1 in a column that is read, UTF-16 without a mark
        (format!("{good}m\u{fffd}ller,2027-03-01,,b\n"), "x.csv:2"),
        (format!("{good}c,2027-03-01,,m\u{fffd}ller\n"), "x.csv:2"),
        (wide, "x.csv:1"),
    ] {
        let misread = parse(&text, "x.csv", &berlin()).misread;
        let misread = misread.unwrap_or_else(|| panic!("{text:?} is taken"));
        assert!(misread.starts_with(place), "{text:?}: {misread}");
    }
    // in what is not read it does not matter
    let free = parse("a,2027-03-01,,b,M\u{fffd}ller\n", "x.csv", &berlin());
    assert_eq!((free.roster.len(), free.misread), (1, None));
    let nobody = parse("login,from,to,stand_in\n", "x.csv", &berlin());
    assert_eq!((nobody.misread, nobody.blank), (None, false));
}

#[test]
fn a_fourth_column_is_read_only_where_a_header_says_what_it_is() {
    let row = "LOTTO,2027-03-01,2027-04-01,flu\n";
    for (text, place) in [
        (row.to_owned(), Some("x.csv:1")),
        (format!("login,from,to\n{row}"), Some("x.csv:2")),
        (format!("login,from,to,\n{row}"), Some("x.csv:2")),
        (format!("login,from,to,stand-in\n{row}"), None),
        ("LOTTO,2027-03-01,2027-04-01,\n".to_owned(), None),
    ] {
        let parsed = parse(&text, "x.csv", &berlin());
        assert_eq!(parsed.unnamed.as_deref(), place, "{text}");
        assert_eq!(parsed.roster.len(), 1, "{text}");
        assert!(parsed.misread.is_none() && parsed.problems.is_empty());
        let to = parsed
            .roster
            .stand_ins(&Login::new("LOTTO"), ts("2027-03-10T00:00:00Z"));
        assert_eq!(to.is_empty(), !text.contains("stand-in"), "{text}");
    }
}

#[test]
fn words_in_the_column_of_stand_ins_are_no_name_and_are_not_repeated() {
    let text = "login,from,to,stand_in\nLOTTO,2027-03-01,,krank seit Mai\nA B,2027-03-01,,C D\n";
    let parsed = parse(text, "x.csv", &berlin());
    assert_eq!(
        parsed.roster.len(),
        1,
        "whose login has a blank may be stood in for by such a one"
    );
    let problem = parsed.problems[0].to_string();
    assert!(
        problem.starts_with("x.csv:2: the stand-in has blanks"),
        "{problem}"
    );
    assert!(!problem.contains("krank") && !format!("{parsed:?}").contains("krank"));
    assert!(parsed.roster.doubt(&Login::new("LOTTO")).is_some());
}
