//! Reads from a stored row how the server calls a person, and finds such a name in words; it takes nothing for a name that could be anybody's. Pure.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::model::inputs;

/// A full name or a mail address, in words of lower case.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Name(Vec<String>);

/// Whose name a field shows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Role {
    /// Of whom the task waits for.
    Owner,
    /// Of whom it is for.
    Beneficiary,
}

/// A text as it is compared: without regard to capitals (`GROSS` is how `Groß` is written in them).
pub(super) fn folded(text: &str) -> String {
    text.to_lowercase().replace('ß', "ss")
}

/// Words behind which a number is a login.
const LOGINS: [&str; 11] = [
    "user",
    "login",
    "userid",
    "username",
    "userlogin",
    "uid",
    "cn",
    "samaccountname",
    "owner",
    "assignee",
    "manager",
];
/// What may stand between such a word and the number; a key is written `user#7`.
const BETWEEN: &str = " \t:=\"'([<{";

/// True where these letters or digits stand in a text with none before or behind them.
pub(super) fn is_whole_in(word: &str, text: &str) -> bool {
    places(word, text).next().is_some()
}

/// What stands before and behind each such place.
fn places<'a>(word: &str, text: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
    let plain = |c: Option<char>| c.is_none_or(|c| !c.is_alphanumeric());
    text.match_indices(word)
        .map(|(at, word)| (&text[..at], &text[at + word.len()..]))
        .filter(move |(before, behind)| {
            plain(before.chars().next_back()) && plain(behind.chars().next())
        })
}

/// True where a text (folded) says of a number that it is a login: behind a word that says so (`user
/// 1234567`, `user:1234567`, `uid=1234567`, `"login":"1234567"`, `user id 1234567`), in a mail address, or
/// behind a domain (`CORP\1234567`).
pub(super) fn is_login_in(number: &str, text: &str) -> bool {
    places(number, text).any(|(before, behind)| {
        let in_mail = behind
            .strip_prefix('@')
            .is_some_and(|host| host.starts_with(char::is_alphanumeric));
        let of_domain = before.strip_suffix('\\').is_some_and(|domain| {
            domain
                .trim_end_matches('\\')
                .ends_with(char::is_alphanumeric)
        });
        let told = before.trim_end_matches(|c| BETWEEN.contains(c));
        let mut last = told.rsplit(|c: char| !c.is_alphanumeric());
        let last_is_whole = told.len() < before.len();
        let by_word = match (last.next(), last.next()) {
            (Some("id"), Some(word)) => LOGINS.contains(&word),
            (Some(word), _) => LOGINS.contains(&word),
            (None, _) => false,
        };
        in_mail || of_domain || (last_is_whole && by_word)
    })
}

/// True where a field or a value that was read, by its name in lower case, shows a login.
pub(super) fn is_login(name: &str) -> bool {
    let parts = [
        "login",
        "user id",
        "target user",
        "beneficiary",
        "assignee",
        "owner",
        "manager",
        "employee",
        "personnel",
    ];
    let key = name.contains("key");
    !key && parts.iter().any(|part| name.contains(part))
}

/// The words of a text: runs of letters and digits.
pub(super) fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
}

impl Name {
    /// The name that a text is; none where it has no word.
    pub fn of(text: &str) -> Option<Self> {
        let text = folded(text);
        let words: Vec<String> = words(&text).map(str::to_owned).collect();
        (!words.is_empty()).then_some(Self(words))
    }

    /// The same, where the server shows it: one word alone may be anything.
    fn shown(text: &str) -> Option<Self> {
        Self::of(text).filter(|name| name.0.len() > 1)
    }

    /// True where these words, in lower case, hold the name, in either order (`Jane Doe`, `Doe, Jane`).
    pub fn is_in(&self, words: &[&str]) -> bool {
        let many = self.0.len();
        words.windows(many).any(|some| {
            some.iter().zip(&self.0).all(|(a, b)| a == b)
                || some.iter().zip(self.0.iter().rev()).all(|(a, b)| a == b)
        })
    }
}

/// The fields of a stored row, names in lower case: names and values apart as they are written today,
/// `…:name,s7:value,` of version 2, or the arrays of version 1. What is no row has none.
pub(super) fn fields(text: &str) -> Vec<(String, String)> {
    let mut out = Vec::new();
    if text.starts_with('{') {
        if let Ok(value) = serde_json::from_str(text) {
            of_json(&value, &mut out);
        }
        return out;
    }
    if let Some((blocks, own)) = inputs::blocks(text) {
        of_blocks(blocks, own, &mut out);
        return out;
    }
    out.extend(beneficiary(text).map(|login| ("beneficiary".to_owned(), login.to_owned())));
    for (colon, _) in text.match_indices(':') {
        out.extend(field(text, colon));
    }
    out
}

/// Parts of a row that stand before the values of its fields, and the beneficiary's place among them.
const BEFORE: usize = 14;
const BENEFICIARY: usize = 2;

/// The beneficiary and the fields of a row as it is written today; names are in the second block, values stand
/// last.
fn of_blocks(blocks: [&str; inputs::BLOCKS], own: &str, out: &mut Vec<(String, String)>) {
    let mut rest = own;
    for at in 0..BEFORE {
        let Some((text, behind)) = inputs::part(rest) else {
            return;
        };
        if let (BENEFICIARY, Some(login)) = (at, text) {
            out.push(("beneficiary".to_owned(), login.to_owned()));
        }
        rest = behind;
    }
    let mut names = blocks[1];
    while let Some((Some(name), behind)) = inputs::part(names)
        && let Some((Some(value), more)) = inputs::part(rest)
    {
        out.push((name.to_lowercase(), value.to_owned()));
        // the sort
        (names, rest) = (behind.get(1..).unwrap_or_default(), more);
    }
}

/// Who is the beneficiary of a stored row of version 2: he stands at a place of his own, behind version, id,
/// status (two parts), definition (two), account and target.
fn beneficiary(text: &str) -> Option<&str> {
    let mut rest = text.strip_prefix("2;")?;
    for _ in 0..7 {
        (_, rest) = inputs::part(rest)?;
    }
    inputs::part(rest)?.0
}

/// The text whose length ends before this colon, and what follows it.
fn counted(text: &str, colon: usize) -> Option<(&str, &str)> {
    let before = &text.as_bytes()[..colon];
    let digits = before.iter().rev().take_while(|b| b.is_ascii_digit());
    let length: usize = text[colon - digits.count()..colon].parse().ok()?;
    let (part, rest) = text[colon + 1..].split_at_checked(length)?;
    Some((part, rest.strip_prefix(',')?))
}

fn field(text: &str, colon: usize) -> Option<(String, String)> {
    let (name, rest) = counted(text, colon)?;
    let value = rest.strip_prefix(['s', 'n', 'b', 'j'])?;
    let (value, _) = counted(value, value.find(':')?)?;
    Some((name.to_lowercase(), value.to_owned()))
}

fn of_json(value: &Value, out: &mut Vec<(String, String)>) {
    match value {
        Value::Array(items) => match items.as_slice() {
            [
                Value::String(name),
                Value::String(sort),
                Value::String(value),
            ] if sort.len() == 1 => {
                out.push((name.to_lowercase(), value.clone()));
            }
            items => items.iter().for_each(|item| of_json(item, out)),
        },
        Value::Object(map) => map.values().for_each(|value| of_json(value, out)),
        _ => {}
    }
}

/// True where a field or a value that was read says how somebody is called or can be reached.
pub(super) fn is_personal(name: &str) -> bool {
    let name = name.to_lowercase();
    [
        "first name",
        "last name",
        "display name",
        "full name",
        "mail",
        "user key",
    ]
    .iter()
    .any(|part| name.contains(part))
}

/// The names that the fields of a row show of its owner or of its beneficiary.
pub(super) fn names(fields: &[(String, String)], role: Role) -> BTreeSet<Name> {
    // who has made or changed the row, or is somebody's manager, is another one
    let others = ["manager", "updated by", "created by", "assigned by"];
    let of_role = |name: &str| {
        let owner = name.contains("assignee") || name.contains("assigned to");
        let other = others.iter().any(|other| name.contains(other));
        !other && (owner == (role == Role::Owner))
    };
    let mut out = BTreeSet::new();
    let (mut first, mut last) = (None, None);
    for (name, value) in fields.iter().filter(|(name, _)| of_role(name)) {
        if name.contains("first name") {
            first = Some(value);
        } else if name.contains("last name") {
            last = Some(value);
        } else if name.contains("display name")
            || name.contains("full name")
            || (name.contains("mail") && value.contains('@') && !value.contains(' '))
        {
            out.extend(Name::shown(value));
        }
    }
    if let (Some(first), Some(last)) = (first, last) {
        out.extend(Name::shown(&format!("{first} {last}")));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_tells_how_its_owner_and_its_beneficiary_are_called() {
        let i = "Process Instance.Task Information.";
        let pairs = [
            (format!("{i}Assignee First Name"), "Beatrix"),
            (format!("{i}Assignee Last Name"), "Kiddo"),
            (format!("{i}Target User"), "JDOE"),
            ("Users.Display Name".to_owned(), "Jane Q. Doe"),
            ("Users.Email".to_owned(), "jane@doe.example"),
            (format!("{i}Manager Display Name"), "Big Boss"),
            ("Objects.Display Name".to_owned(), "Directory"),
        ];
        let written: String = pairs
            .iter()
            .map(|(name, value)| format!("{}:{name},s{}:{value},", name.len(), value.len()))
            .collect();
        let json = serde_json::json!({"v": 1, "task": {"fields":
            pairs.iter().map(|(name, value)| (name, 's', value)).collect::<Vec<_>>()}});
        let name = |text: &str| Name::of(text).expect("a name");
        let part = |text: &str| format!("{}:{text},", text.len());
        let shape: String = pairs.iter().map(|(name, _)| part(name) + "s").collect();
        let values: String = pairs.iter().map(|(_, value)| part(value)).collect();
        let today = format!("3;0:,{}0:,0:,{}{values}", part(&shape), "-,".repeat(BEFORE));
        for text in [
            today,
            format!("2;5:known,{written}2:{{}},"),
            json.to_string(),
        ] {
            let fields = fields(&text);
            assert_eq!(fields.len(), pairs.len(), "{text}");
            assert_eq!(names(&fields, Role::Owner), [name("beatrix kiddo")].into());
            assert_eq!(
                names(&fields, Role::Beneficiary),
                [name("jane q doe"), name("jane doe example")].into()
            );
        }
        for other in ["", "fn decide(task) { 5:ab }", "{", "7:é"] {
            assert!(fields(other).is_empty(), "{other}");
        }
    }

    #[test]
    fn the_beneficiary_stands_at_a_place_of_his_own() {
        let text = "2;3:417,5:known,1:R,-,6:Create,4:8001,2:AD,7:1234567,11:{\"type\":\"x\"}";
        assert_eq!(beneficiary(text), Some("1234567"));
        assert_eq!(beneficiary(&text.replace("7:1234567,", "-,")), None);
        for other in ["", "2;", "2;3:417,", "1;3:417,", "2;99:417,"] {
            assert_eq!(beneficiary(other), None, "{other}");
        }
    }

    #[test]
    fn the_beneficiary_of_a_row_with_blocks_is_known() {
        let text = format!(
            "3;0:,0:,0:,0:,3:417,-,7:1234567,{}",
            "1:7,".repeat(BEFORE - 3)
        );
        assert_eq!(
            fields(&text),
            [("beneficiary".to_owned(), "1234567".to_owned())]
        );
        // as the frame of others has it
        let text = text.replace("3:417", "-").replace("7:1234567", "0:");
        assert_eq!(fields(&text), [("beneficiary".to_owned(), String::new())]);
        for cut in 0..text.len() {
            let _ = fields(&text[..cut]);
        }
    }

    #[test]
    fn a_name_is_found_in_either_order_and_never_in_part() {
        let name = Name::of("Jane Doe").expect("a name");
        let is_in = |text: &str| name.is_in(&words(&folded(text)).collect::<Vec<_>>());
        for text in [
            "Jane Doe",
            "for DOE, JANE.",
            "jane.doe@example.org",
            "(jane_doe)",
        ] {
            assert!(is_in(text), "{text}");
        }
        for text in ["Jane", "Doe", "Jane Doering", "Jane and Doe", ""] {
            assert!(!is_in(text), "{text}");
        }
    }
}
