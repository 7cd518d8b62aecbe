//! Parsed absence rows and who is away at a moment; pure, and free text beside the four columns is dropped before anything is kept.

use std::collections::BTreeMap;

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use crate::model::Login;
use crate::model::facts::{Absence, AbsenceSource, Person, UserStatus};

/// What is said of a row in Latin-1, UTF-16 and the like.
const GARBLED: &str = "it is not written in UTF-8";

/// Rows of one person with which a later one is compared.
const MEETING: usize = 100;

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
    /// Where the file breaks off in a row, or may have: a row without its line end may be the half of one, however
    /// good it looks.
    pub cut_at: Option<String>,
    /// Neither a header nor a row: a file that was emptied, or is not written yet. "Nobody" is a header alone.
    pub blank: bool,
    /// Where a fourth column begins that no header calls stand-ins; it is not read, for it may hold reasons.
    pub unnamed: Option<String>,
    /// Why the whole file can't be what it should be, with its first place, if so: whom its rows name is not known.
    pub misread: Option<String>,
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

    /// Whom its rows name.
    pub fn logins(&self) -> impl Iterator<Item = &Login> {
        self.rows.keys()
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

    /// Whom the rows name as stand-ins for absences that hold at `now`, with their places.
    pub fn named_stand_ins(&self, now: Timestamp) -> impl Iterator<Item = (&Login, &str)> {
        let rows = self.rows.keys().flat_map(move |login| self.at(login, now));
        rows.filter_map(|row| Some((row.stand_in.as_ref()?, row.place.as_str())))
    }

    /// Whom the rows name as stand-ins, whenever that is, with their places.
    pub fn all_stand_ins(&self) -> impl Iterator<Item = (&Login, &str)> {
        let rows = self.rows.values().flatten();
        rows.filter_map(|row| Some((row.stand_in.as_ref()?, row.place.as_str())))
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

    /// Rows of one person that hold at the same time and name different stand-ins, each with its place and the former
    /// one's; of very many rows of one person the first are looked at.
    pub fn doubled(&self) -> Vec<String> {
        let mut out = Vec::new();
        for rows in self.rows.values().filter(|rows| rows.len() > 1) {
            for (at, row) in rows.iter().enumerate() {
                let meet = |other: &&Row| {
                    row.until.is_none_or(|until| other.from < until)
                        && other.until.is_none_or(|until| row.from < until)
                        && matches!((&row.stand_in, &other.stand_in), (Some(a), Some(b)) if a != b)
                };
                if let Some(other) = rows.iter().take(at.min(MEETING)).find(meet) {
                    out.push(format!(
                        "{}: names another stand-in than {} for the same person and time",
                        row.place, other.place
                    ));
                }
            }
        }
        out
    }

    /// When an absence of a person begins or ends next, after `now`.
    pub fn next_change(&self, login: &Login, now: Timestamp) -> Option<Timestamp> {
        let rows = self.rows.get(login).into_iter().flatten();
        let ends = rows.flat_map(|row| [Some(row.from), row.until]);
        ends.flatten().filter(|at| *at > now).min()
    }

    /// The stand-ins that the feed names for absences that hold at `now`, in the order of the file.
    pub fn stand_ins(&self, login: &Login, now: Timestamp) -> Vec<(Login, &str)> {
        self.at(login, now)
            .filter_map(|row| Some((row.stand_in.clone()?, row.place.as_str())))
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

/// Reads `login,from,to,stand_in`. The header is optional, but only one that names them makes stand-ins of the fourth
/// column: where nobody says what it is it may hold reasons, which go nowhere. More columns are ignored, quotes and
/// line ends inside them are understood; rows end with LF, CR or both, and columns with a comma, or with a
/// semicolon where the header is written so. Dates are whole days in `zone`, `to` included; a time
/// without an offset is in `zone`, and a `to` with a time is the first moment back; an empty `to`
/// is open. `name` stands before the line in messages. A bad row is reported, and puts the absence of
/// the person whom it names in doubt; what says that the rows name nobody for certain is `misread`.
pub fn parse(text: &str, name: &str, zone: &TimeZone) -> Parsed {
    let mut roster = Roster::default();
    let mut problems = Vec::new();
    let mut cut_at = None;
    let mut blank = true;
    let mut misread = None;
    let (mut named, mut unnamed) = (false, None);
    for Record {
        line,
        columns,
        ended,
        quoted,
    } in records(text, separator(text))
    {
        let place = format!("{name}:{line}");
        let empty = columns.iter().all(|column| column.trim().is_empty());
        // what stands in half a row is not asked: it may name another person, or an absence without its end
        let is_begun = !blank || !empty || quoted;
        if is_begun && !ended {
            blank = false;
            cut_at = Some(place.clone());
        }
        if empty {
            continue;
        }
        let first = std::mem::take(&mut blank);
        let mut is_misread = |what: &str| {
            misread.get_or_insert_with(|| format!("{place}: {what}"));
        };
        // a cut may go through a letter
        if ended && is_garbled(&columns) {
            is_misread(GARBLED);
        }
        if is_header(&columns) {
            if names_columns(&columns) {
                named = columns.get(3).is_some_and(|name| !name.trim().is_empty());
            } else if ended {
                is_misread(
                    "the header does not name the columns login,from,to,stand_in in this order",
                );
            }
            continue;
        }
        if first && ended && names_others(&columns) {
            is_misread("the header names other columns than login,from,to,stand_in");
        } else if columns.len() < 3 && ended {
            is_misread("the row has too few columns");
        }
        let fourth = columns.get(3).is_some_and(|text| !text.trim().is_empty());
        if fourth && !named {
            unnamed.get_or_insert_with(|| place.clone());
        }
        match row(&columns, named, &place, zone) {
            Ok((login, row)) => roster.rows.entry(login).or_default().push(row),
            Err(what) => {
                let login = columns.first().map_or("", |text| text.trim());
                if !login.is_empty() {
                    let login = Login::new(login);
                    roster.doubts.entry(login).or_insert_with(|| place.clone());
                }
                problems.push(RowProblem { place, what });
            }
        }
    }
    let none = roster.rows.is_empty() && cut_at.is_none();
    if let (true, Some(first)) = (none, problems.first()) {
        misread.get_or_insert_with(|| {
            format!("{}: no row can be read, from this one on", first.place)
        });
    }
    Parsed {
        roster,
        problems,
        cut_at,
        blank,
        unnamed,
        misread,
    }
}

/// True where a column holds what was no UTF-8, or every other byte of UTF-16.
fn is_garbled(columns: &[String]) -> bool {
    let garbled = |column: &String| column.contains(['\u{fffd}', '\0']);
    columns.iter().any(garbled)
}

/// What parts the columns: a spreadsheet of most of Europe writes semicolons, which the header shows.
fn separator(text: &str) -> char {
    let header = text.trim_start_matches('\u{feff}').trim_start();
    let rest = header.strip_prefix('"').unwrap_or(header);
    let rest = match rest.split_at_checked(5) {
        Some((word, rest)) if word.eq_ignore_ascii_case("login") => rest,
        _ => return ',',
    };
    let rest = rest.strip_prefix('"').unwrap_or(rest);
    let after = rest.trim_start_matches([' ', '\t']);
    if after.starts_with(';') { ';' } else { ',' }
}

fn is_header(columns: &[String]) -> bool {
    let first = columns.first();
    first.is_some_and(|first| first.trim().eq_ignore_ascii_case("login"))
}

/// True where the header names what is read, in its order; the stand-ins may be left out.
fn names_columns(columns: &[String]) -> bool {
    let of = |at: usize| -> String {
        let name = columns.get(at).map_or("", |text| text.trim());
        let letters = name.chars().filter(|c| !matches!(c, '_' | '-' | ' '));
        letters.map(|c| c.to_ascii_lowercase()).collect()
    };
    of(1) == "from" && of(2) == "to" && matches!(of(3).as_str(), "" | "standin")
}

/// True where the first row is a header of something else: what should be a date has no digit.
fn names_others(columns: &[String]) -> bool {
    let words =
        |text: &String| !text.trim().is_empty() && !text.contains(|c: char| c.is_ascii_digit());
    let dates = columns.get(1..).unwrap_or_default();
    columns.len() > 2 && dates.iter().take(2).all(words)
}

fn row(
    columns: &[String],
    named: bool,
    place: &str,
    zone: &TimeZone,
) -> Result<(Login, Row), String> {
    let column = |at: usize| columns.get(at).map_or("", |text| text.trim());
    if columns.len() < 3 {
        return Err(format!(
            "{} columns instead of login,from,to,stand_in",
            columns.len()
        ));
    }
    if is_garbled(columns) {
        return Err(GARBLED.to_owned());
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
    let stand_in = if named { column(3) } else { "" };
    let has_blanks = |text: &str| text.contains(char::is_whitespace);
    if has_blanks(stand_in) && !has_blanks(login) {
        return Err("the stand-in has blanks in it, as words have and logins have not".to_owned());
    }
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
    /// A line end follows it. None does where a quote is never closed: it has swallowed whatever follows it.
    ended: bool,
    /// A quote was open at its end.
    quoted: bool,
}

/// Splits into records; only the last one can be without its line end.
fn records(text: &str, separator: char) -> Vec<Record> {
    let mut out = Vec::new();
    let mut columns: Vec<String> = Vec::new();
    let mut column = String::new();
    let (mut line, mut begins, mut count) = (1_usize, 1_usize, 0_usize);
    let (mut quoted, mut open) = (false, false);
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
        open = true;
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
            c if c == separator && !quoted => close(&mut columns, &mut column, &mut count),
            '\r' if chars.peek() == Some(&'\n') => {
                if quoted {
                    column.push(c);
                }
            }
            '\r' | '\n' => {
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
                (begins, count, open) = (line, 0, false);
            }
            c => column.push(c),
        }
    }
    if open {
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
#[path = "roster_tests.rs"]
mod tests;
