//! Turns incoming rows into users, proxies, roles and history; pure, and it never treats a missing word as a good one.

use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::dates;
use super::map::pack;
use super::wire::{Row, Value};
use crate::model::facts::{Person, ProxyEnd, UserStatus};
use crate::model::standing::{EndDate, LastDay};
use crate::model::{Fields, Login, RoleKey, TaskStatus, UserKey};

/// One row of a person's proxies (contract section 7): information for choosing a stand-in, never proof of absence.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Proxy {
    /// The proxy person's key, from the self link; the row's own `id` is the proxy record's.
    pub key: Option<UserKey>,
    /// The proxy person's login.
    pub login: Option<Login>,
    /// First moment.
    pub from: ProxyEnd,
    /// Last moment.
    pub until: ProxyEnd,
    /// The server's word, e.g. `NOT_STARTED`; it can rule a proxy out, never in.
    pub state: Option<String>,
}

/// A role.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Role {
    /// Its key, as a reassignment needs it.
    pub key: RoleKey,
    /// Its name.
    pub name: Arc<str>,
}

/// A direct member of a role; whether he is active has to be read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Member {
    /// `usr_key`
    pub key: Option<UserKey>,
    /// The login.
    pub login: Login,
}

/// One row of a task's history.
#[derive(Clone, Debug)]
pub struct HistoryRow {
    /// `Status`, where shown.
    pub status: Option<TaskStatus>,
    /// `ASSIGNER_USER_KEY`, where above zero.
    pub assigner: Option<UserKey>,
    /// The row's date, where one of its fields is one.
    pub at: Option<Timestamp>,
    /// Everything, as it came.
    pub fields: Fields,
}

fn user_key(text: &str) -> Option<UserKey> {
    let key = UserKey::new(text);
    (key.as_str() != "0" && !key.as_str().is_empty()).then_some(key)
}

/// A person; `None` without a login. A missing status is an unknown one, never an active one.
pub fn person(row: &Row<'_>) -> Option<Person> {
    let login = Login::new(&row.text(&["User Login", "userLogin", "login"])?);
    Some(Person {
        key: key(row),
        login,
        status: UserStatus::parse(&row.text(&["Status"]).unwrap_or_default()),
        manager: row
            .text(&["Manager Login", "managerLogin"])
            .map(|t| Login::new(&t)),
    })
}

/// Whose row it is.
pub fn key(row: &Row<'_>) -> Option<UserKey> {
    let key = row.text(&["usr_key"]).and_then(|t| user_key(&t));
    key.or_else(|| row.id().and_then(|t| user_key(&t)))
}

/// A person's last day, where the row shows one; without it where what is shown is no date that can be read.
pub fn end_date(row: &Row<'_>, zone: &TimeZone) -> Option<(Login, Option<Timestamp>)> {
    let login = Login::new(&row.text(&["User Login", "userLogin", "login"])?);
    let shown = row.text(&["End Date"]);
    let shown = shown.filter(|text| !text.trim().is_empty())?;
    Some((login, last_day(&shown, zone)))
}

/// The last year of all stands for "never", and is beyond what is counted here.
fn last_day(shown: &str, zone: &TimeZone) -> Option<Timestamp> {
    let never = || shown.trim().starts_with("9999").then_some(Timestamp::MAX);
    dates::read(shown, zone).or_else(never)
}

/// What stands as a person's last day and is no date that can be read.
pub fn odd_end(row: &Row<'_>, zone: &TimeZone) -> Option<Arc<str>> {
    let shown = row.text(&["End Date"])?;
    let shown = shown.trim();
    (!shown.is_empty() && last_day(shown, zone).is_none()).then(|| Arc::from(shown))
}

/// Whose row it is, and what it shows of his last day.
pub fn last_day_of(row: &Row<'_>, zone: &TimeZone) -> Option<(Login, LastDay)> {
    let login = Login::new(&row.text(&["User Login", "userLogin", "login"])?);
    let shown = match (end(row, zone), odd_end(row, zone)) {
        (Some(end), _) => LastDay::On(end),
        (None, Some(odd)) => LastDay::Odd(odd),
        (None, None) => LastDay::NotShown,
    };
    Some((login, shown))
}

/// When a person's time is over: a day at its end, which is what midnight stands for too. `None` where the row shows
/// no date that can be read.
pub fn end(row: &Row<'_>, zone: &TimeZone) -> Option<EndDate> {
    let shown = row.text(&["End Date"])?;
    let at = dates::read(&shown, zone)?;
    // of a day, its first moment is shown: in the server's zone, or as one in UTC
    let of_a_day = [zone, &TimeZone::UTC].into_iter().find_map(|zone| {
        let moment = at.to_zoned_datetime(zone.clone());
        let begins = moment.start_of_day().ok()?.timestamp() == at;
        begins.then(|| moment.tomorrow().and_then(|next| next.start_of_day()))
    });
    let over = match of_a_day {
        Some(next) => next.map_or(Timestamp::MAX, |next| next.timestamp()),
        None => at,
    };
    Some(EndDate {
        shown: Arc::from(shown.trim()),
        over,
    })
}

/// A proxy; `None` where the row names nobody. Keys are matched without case (`userLogin`, `userlogin`).
pub fn proxy(row: &Row<'_>, zone: &TimeZone) -> Option<Proxy> {
    let key = row
        .text(&["userid"])
        .and_then(|t| user_key(&t))
        .or_else(|| row.self_segment().and_then(|t| user_key(&t)))
        .filter(|key| key.as_str().bytes().all(|b| b.is_ascii_digit()));
    let login = row.text(&["userLogin"]).map(|t| Login::new(&t));
    if key.is_none() && login.is_none() {
        return None;
    }
    Some(Proxy {
        key,
        login,
        from: proxy_end(row, "startDate", zone),
        until: proxy_end(row, "endDate", zone),
        state: row
            .text(&["description"])
            .map(|t| t.trim().to_ascii_uppercase()),
    })
}

/// One end of an interval: missing, null and blank are open; whatever else is no date is unreadable.
fn proxy_end(row: &Row<'_>, name: &str, zone: &TimeZone) -> ProxyEnd {
    match row.field(name).or_else(|| row.flat_value(name)) {
        None | Some(Value::Null) => ProxyEnd::Open,
        Some(value) => match value.text() {
            Some(text) if text.trim().is_empty() => ProxyEnd::Open,
            Some(text) => dates::read(&text, zone).map_or(ProxyEnd::Unreadable, ProxyEnd::At),
            None => ProxyEnd::Unreadable,
        },
    }
}

/// A role; `None` without key or name.
pub fn role(row: &Row<'_>) -> Option<Role> {
    let name = row.text(&[
        "Role Name",
        "roleName",
        "Role Unique Name",
        "name",
        "Role Display Name",
    ])?;
    let key = row
        .id()
        .or_else(|| row.text(&["Role Key", "role_key"]).map(|t| t.into_owned()))?;
    Some(Role {
        key: RoleKey::new(&key),
        name: Arc::from(name.trim()),
    })
}

/// A member of a role; flat rows (contract section 7).
pub fn member(row: &Row<'_>) -> Option<Member> {
    let login = Login::new(&row.text(&["userLogin", "User Login"])?);
    Some(Member {
        key: row.id().and_then(|t| user_key(&t)),
        login,
    })
}

/// A row of history.
pub fn history(row: &Row<'_>, zone: &TimeZone) -> HistoryRow {
    let status = row.text(&[
        "Status",
        "Status.Status",
        "Process Instance.Task Details.Status",
        "Status.Category",
    ]);
    let dated = row.fields.iter().find_map(|field| {
        let name = field.name.to_ascii_lowercase();
        let text = (name.contains("date") || name.contains("create") || name.contains("update"))
            .then(|| field.value.text())
            .flatten()?;
        dates::read(&text, zone)
    });
    HistoryRow {
        status: status.map(|t| TaskStatus::parse(&t)),
        assigner: row.text(&["ASSIGNER_USER_KEY"]).and_then(|t| user_key(&t)),
        at: dated,
        fields: pack(row),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oig::wire::page;

    /// A day is over at its end in the server's zone, however it is written; what is no date is none.
    #[test]
    fn an_end_date_is_over_at_the_end_of_its_day() {
        let berlin = TimeZone::get("Europe/Berlin").expect("a zone");
        let over = |shown: &str, zone: &TimeZone| {
            let text = format!(
                r#"{{"fields":[{{"name":"User Login","value":"A"}},{{"name":"End Date","value":"{shown}"}}]}}"#
            );
            let own = page(&text, &["accounts"]).expect("readable").own;
            end(&own, zone).map(|end| end.over.to_string())
        };
        let day = |of: &str| Some(of.to_owned());
        let utc = TimeZone::UTC;
        assert_eq!(over("2027-03-01", &utc), day("2027-03-02T00:00:00Z"));
        assert_eq!(over("2027-03-01", &berlin), day("2027-03-01T23:00:00Z"));
        // the night on which the clocks change
        assert_eq!(over("2027-03-28", &berlin), day("2027-03-28T22:00:00Z"));
        assert_eq!(
            over("2027-03-01T00:00:00Z", &berlin),
            day("2027-03-02T00:00:00Z")
        );
        assert_eq!(
            over("2027-03-01T12:00:00Z", &berlin),
            day("2027-03-01T12:00:00Z")
        );
        for none in ["", "some day", "9999-12-31"] {
            assert_eq!(over(none, &utc), None, "{none}");
        }
    }

    #[test]
    fn the_documented_people_are_read() {
        let text = r#"{"count":1,"users":[{"id":"5001","links":[{"rel":"self","href":"http://secureoracle.oracledemo.com:14000/iam/governance/selfservice/api/v1/users/5001"}],
            "fields":[{"name":"Display Name","value":"Molly Graff"},{"name":"usr_key","value":5001},{"name":"User Login","value":"MGRAFF"}]}]}"#;
        let list = page(text, &["users"]).expect("readable");
        let molly = person(&list.items[0]).expect("a person");
        assert_eq!(molly.key, Some(UserKey::new("5001")));
        assert_eq!(molly.login, Login::new("mgraff"));
        assert!(matches!(molly.status, UserStatus::Unknown(_)));

        let text = r#"{"links":[],"fields":[{"name":"Display Name","value":{"base":"Beatrix Kiddo"}},{"name":"usr_key","value":23},{"name":"User Login","value":"BKIDDO"},{"name":"Status","value":"Active"},{"name":"Manager Login","value":""}]}"#;
        let one = page(text, &[]).expect("readable");
        let beatrix = person(&one.own).expect("a person");
        assert_eq!(beatrix.key, Some(UserKey::new("23")));
        assert_eq!(beatrix.status, UserStatus::Active);
        assert_eq!(beatrix.manager, None);
    }

    #[test]
    fn a_map_with_nulls_is_a_person_too() {
        let text =
            r#"{"id":7,"fields":{"User Login":"x","Status":"disabled","Manager Login":null}}"#;
        let one = page(text, &[]).expect("readable");
        let x = person(&one.own).expect("a person");
        assert_eq!((x.status, x.manager), (UserStatus::Disabled, None));
    }

    #[test]
    fn the_proxy_is_the_person_in_the_link_not_the_record() {
        let text = r#"{"user":[{"links":[{"rel":"self","href":"https://pseudo.com/iam/governance/selfservice/api/v1/users/17"}],"requestId":0,"id":"1","userlogin":"AARORA","description":"NOT_STARTED","startdate":"2019-07-01T07:00:00Z","endDate":"2019-07-06T06:59:59Z","relationship":"MANAGER"}, {"id":"2"}]}"#;
        let list = page(text, &["user"]).expect("readable");
        let got = proxy(&list.items[0], &TimeZone::UTC).expect("a proxy");
        assert_eq!(got.key, Some(UserKey::new("17")));
        assert_eq!(got.login, Some(Login::new("AARORA")));
        assert_eq!(
            got.from.at().map(|t| t.to_string()).as_deref(),
            Some("2019-07-01T07:00:00Z")
        );
        assert_eq!(got.state.as_deref(), Some("NOT_STARTED"));
        assert_eq!(proxy(&list.items[1], &TimeZone::UTC), None);
    }

    #[test]
    fn a_proxy_date_that_is_no_date_is_not_a_missing_one() {
        let ends = |dates: &str| {
            let text = format!(r#"{{"user":[{{"userLogin":"A"{dates}}}]}}"#);
            let list = page(&text, &["user"]).expect("readable");
            let got = proxy(&list.items[0], &TimeZone::UTC).expect("a proxy");
            (got.from, got.until)
        };
        let open = (ProxyEnd::Open, ProxyEnd::Open);
        assert_eq!(ends(""), open);
        assert_eq!(ends(r#","startDate":null,"endDate":" ""#), open);
        let poor = (ProxyEnd::Unreadable, ProxyEnd::Unreadable);
        assert_eq!(
            ends(r#","startDate":"soon","endDate":"31.12.27 ff.""#),
            poor
        );
        assert_eq!(ends(r#","startDate":true,"endDate":["2027-01-01"]"#), poor);
    }

    #[test]
    fn members_and_history_are_read() {
        let text =
            r#"{"users":[{"links":[],"id":"24","userLogin":"BKIDDO","email":"b@v"},{"id":"82"}]}"#;
        let list = page(text, &["users"]).expect("readable");
        let got: Vec<Member> = list.items.iter().filter_map(member).collect();
        assert_eq!(got.len(), 1);
        assert_eq!(got[0].key, Some(UserKey::new("24")));
        let text = r#"{"provTaskHistoryList":[{"links":[],"fields":[{"name":"Status","value":"Pending"},{"name":"ASSIGNER_USER_KEY","value":0}]}]}"#;
        let list = page(text, &["provTaskHistoryList"]).expect("readable");
        let row = history(&list.items[0], &TimeZone::UTC);
        assert_eq!(row.status, Some(TaskStatus::Pending));
        assert_eq!(row.assigner, None);
    }
}
