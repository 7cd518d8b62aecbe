//! Parsed absence rows and who is away at a moment; pure, and free text beside the four columns is dropped before anything is kept.

use std::collections::BTreeMap;

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use crate::model::Login;
use crate::model::facts::{Absence, AbsenceSource, Person, UserStatus};

/// One absence of one person.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Row {
    from: Timestamp,
    until: Option<Timestamp>,
    stand_in: Option<Login>,
    /// File name and line.
    place: String,
}

/// All absences of a feed.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Roster {
    rows: BTreeMap<Login, Vec<Row>>,
    /// People of whom a row could not be read, with its place: whether they are away is unknown.
    doubts: BTreeMap<Login, String>,
}

/// Whether a person is away, as far as it is known.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Presence {
    /// Neither OIG nor the feed says that he is away.
    Here,
    /// One of them says so.
    Away(Absence),
    /// A row about him could not be read; why.
    Unknown(String),
}

impl Presence {
    /// The absence, where there is one for certain.
    pub fn absence(self) -> Option<Absence> {
        match self {
            Self::Away(absence) => Some(absence),
            Self::Here | Self::Unknown(_) => None,
        }
    }
}

/// What a file holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Parsed {
    /// The absences, and whose are in doubt.
    pub roster: Roster,
    /// The rows that could not be read.
    pub problems: Vec<RowProblem>,
    /// Where the file breaks off in the middle of a row, if it does: rows may be missing.
    pub cut_at: Option<String>,
    /// Neither a header nor a row: a file that was emptied, or is not written yet. "Nobody" is a header alone.
    pub blank: bool,
}

/// A row that could not be read. The message quotes no free text.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "{place}: {what}; mend the row: until then it is not known whether the person whom it names is away"
)]
pub struct RowProblem {
    /// File name and line, `leave.csv:7`.
    pub place: String,
    /// What is wrong with it.
    pub what: String,
}

impl Roster {
    /// Rows that were kept.
    pub fn len(&self) -> usize {
        self.rows.values().map(Vec::len).sum()
    }

    /// True where there are none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The place of a row about a person that could not be read, if there is one.
    pub fn doubt(&self, login: &Login) -> Option<&str> {
        self.doubts.get(login).map(String::as_str)
    }

    fn at(&self, login: &Login, now: Timestamp) -> impl Iterator<Item = &Row> {
        self.rows
            .get(login)
            .into_iter()
            .flatten()
            .filter(move |row| row.from <= now && row.until.is_none_or(|until| now < until))
    }

    /// The absence that holds at `now`, the one that lasts longest where there are several.
    pub fn absence(&self, login: &Login, now: Timestamp) -> Option<Absence> {
        let row = self
            .at(login, now)
            .max_by_key(|row| row.until.unwrap_or(Timestamp::MAX))?;
        Some(Absence {
            from: Some(row.from),
            until: row.until,
            source: AbsenceSource::Feed {
                row: row.place.clone(),
            },
        })
    }

    /// The stand-ins that the feed names for absences that hold at `now`, in the order of the file.
    pub fn stand_ins(&self, login: &Login, now: Timestamp) -> Vec<Login> {
        self.at(login, now)
            .filter_map(|row| row.stand_in.clone())
            .collect()
    }
}

/// Whether a person as read is away: OIG says that he is not active, or the feed says so. A proxy
/// alone never proves absence (invariant 9). A row about him that can't be read may say anything, and
/// may take back what another row says, so only OIG's word counts beside it.
pub fn presence(person: &Person, roster: &Roster, now: Timestamp) -> Presence {
    match &person.status {
        // a word that nobody has explained is no proof of absence
        UserStatus::Active | UserStatus::Unknown(_) => match roster.doubt(&person.login) {
            Some(place) => Presence::Unknown(format!("{place} could not be read")),
            None => roster
                .absence(&person.login, now)
                .map_or(Presence::Here, Presence::Away),
        },
        status => Presence::Away(Absence {
            from: None,
            until: None,
            source: AbsenceSource::OigStatus {
                status: status.clone(),
            },
        }),
    }
}

/// Reads `login,from,to,stand_in`. The header is optional, more columns are ignored, quotes and
/// line ends inside them are understood. Dates are whole days in `zone`, `to` included; a time
/// without an offset is in `zone`, and a `to` with a time is the first moment back; an empty `to`
/// is open. `name` stands before the line in messages. A bad row is reported, and puts the absence of
/// the person whom it names in doubt.
pub fn parse(text: &str, name: &str, zone: &TimeZone) -> Parsed {
    let mut roster = Roster::default();
    let mut problems = Vec::new();
    let mut cut_at = None;
    let mut blank = true;
    for Record {
        line,
        columns,
        ended,
        quoted,
    } in records(text)
    {
        let place = format!("{name}:{line}");
        let is_header = columns
            .first()
            .is_some_and(|first| first.trim().eq_ignore_ascii_case("login"));
        if columns.iter().all(|column| column.trim().is_empty()) {
            continue;
        }
        blank = false;
        if is_header {
            if !ended && columns.len() < 3 {
                cut_at = Some(place);
            }
            continue;
        }
        match row(&columns, &place, zone) {
            Ok((login, row)) => roster.rows.entry(login).or_default().push(row),
            Err(what) => {
                let login = columns.first().map_or("", |text| text.trim());
                if !login.is_empty() {
                    let login = Login::new(login);
                    roster.doubts.entry(login).or_insert_with(|| place.clone());
                }
                if !ended {
                    cut_at = Some(place.clone());
                }
                problems.push(RowProblem { place, what });
                continue;
            }
        }
        // a quote that is never closed has swallowed whatever follows it, however good the row looks
        if quoted {
            cut_at = Some(format!("{name}:{line}"));
        }
    }
    Parsed {
        roster,
        problems,
        cut_at,
        blank,
    }
}

fn row(columns: &[String], place: &str, zone: &TimeZone) -> Result<(Login, Row), String> {
    let column = |at: usize| columns.get(at).map_or("", |text| text.trim());
    if columns.len() < 3 {
        return Err(format!(
            "{} columns instead of login,from,to,stand_in",
            columns.len()
        ));
    }
    let login = column(0);
    if login.is_empty() {
        return Err("the login is empty".to_owned());
    }
    let from = moment(column(1), zone, false).ok_or("`from` is not a date or time")?;
    let until = match column(2) {
        "" => None,
        text => Some(moment(text, zone, true).ok_or("`to` is not a date or time")?),
    };
    if until.is_some_and(|until| until <= from) {
        return Err("`to` is before `from`".to_owned());
    }
    let stand_in = column(3);
    let row = Row {
        from,
        until,
        stand_in: (!stand_in.is_empty()).then(|| Login::new(stand_in)),
        place: place.to_owned(),
    };
    Ok((Login::new(login), row))
}

/// A date (its start, or the next day's where it is the last day), a time in the zone, or a time with an offset.
fn moment(text: &str, zone: &TimeZone, last_day: bool) -> Option<Timestamp> {
    if let Ok(at) = text.parse::<Timestamp>() {
        return Some(at);
    }
    // a bare date would also parse as a time at midnight
    if text.len() <= 10 {
        let date: Date = text.parse().ok()?;
        let date = if last_day {
            date.checked_add(1.day()).ok()?
        } else {
            date
        };
        return Some(date.to_zoned_datetime(zone.clone()).ok()?.timestamp());
    }
    let time: DateTime = text.parse().ok()?;
    Some(time.to_zoned_datetime(zone.clone()).ok()?.timestamp())
}

/// A record as it lies in the file.
struct Record {
    /// The line on which it begins.
    line: usize,
    /// Its first four columns.
    columns: Vec<String>,
    /// A line end follows it.
    ended: bool,
    /// A quote was open at its end.
    quoted: bool,
}

/// Splits into records; only the last one can be without its line end.
fn records(text: &str) -> Vec<Record> {
    let mut out = Vec::new();
    let mut columns: Vec<String> = Vec::new();
    let mut column = String::new();
    let (mut line, mut begins, mut count) = (1_usize, 1_usize, 0_usize);
    let mut quoted = false;
    let mut chars = text.trim_start_matches('\u{feff}').chars().peekable();
    let close = |columns: &mut Vec<String>, column: &mut String, count: &mut usize| {
        if *count < 4 {
            columns.push(std::mem::take(column));
        } else {
            column.clear();
        }
        *count += 1;
    };
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                column.push('"');
            }
            '"' if quoted => quoted = false,
            '"' if column.trim().is_empty() => {
                column.clear();
                quoted = true;
            }
            ',' if !quoted => close(&mut columns, &mut column, &mut count),
            '\n' => {
                line += 1;
                if quoted {
                    column.push(c);
                    continue;
                }
                close(&mut columns, &mut column, &mut count);
                out.push(Record {
                    line: begins,
                    columns: std::mem::take(&mut columns),
                    ended: true,
                    quoted: false,
                });
                (begins, count) = (line, 0);
            }
            '\r' if !quoted => {}
            c => column.push(c),
        }
    }
    if quoted || !column.is_empty() || !columns.is_empty() {
        close(&mut columns, &mut column, &mut count);
        out.push(Record {
            line: begins,
            columns,
            ended: false,
            quoted,
        });
    }
    out
}

#[cfg(test)]
mod tests {
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
            [Login::new("slang")]
        );
    }

    #[test]
    fn bad_rows_are_named_by_line_and_the_good_ones_stay() {
        let text = "a,2027-02-30,2027-03-01,b\n\"c\nd\",2027-03-01T08:00:00Z,,\n,2027-03-01,,\n\
                    e,2027-03-09,2027-03-01,f\ng,2027-03-01\nh,2027-03-01T10:00,2027-03-01T12:00,i";
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
        let roster = parse("b,2027-03-01,,", "x.csv", &berlin()).roster;
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
        let text =
            "a,2027-03-01,,b\na,nonsense,,\nc,2027-02-30,,\nd\n,2027-03-01,,\ne,2027-03-01,,\n";
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
    fn a_file_that_breaks_off_in_a_row_is_told_from_one_without_a_last_line_end() {
        let cut = |text: &str| parse(text, "x.csv", &berlin()).cut_at;
        let whole = "a,2027-03-01,,b\nc,2027-03-01,,d";
        assert_eq!(cut(whole), None);
        assert_eq!(cut(&format!("{whole}\n")), None);
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

    proptest::proptest! {
        #[test]
        fn no_text_panics(text in "\\PC*", more in "[a-z0-9,\"\n\r-]*") {
            parse(&format!("{text}\n{more}"), "x.csv", &TimeZone::UTC);
        }
    }
}
