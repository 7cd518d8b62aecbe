//! Writes queries and paths (contract sections 1.4 and 9.20); a value that could change a filter's meaning never gets in.

use super::error::OigError;
use crate::model::Login;

/// One condition `attribute eq value`, not yet percent-encoded; blanks inside become `::`.
///
/// # Errors
/// [`OigError::Filter`] for an empty value, control characters, quotes, `::`, or the words AND / OR.
pub fn equals(attribute: &str, value: &str) -> Result<String, OigError> {
    let value = value.trim();
    let refuse = |why: &'static str| {
        Err(OigError::Filter {
            value: value.chars().filter(|c| !c.is_control()).take(60).collect(),
            why,
        })
    };
    if value.is_empty() {
        return refuse("it is empty");
    }
    if value.chars().any(char::is_control) {
        return refuse("it holds a control character");
    }
    if value.contains("::") {
        return refuse("it holds `::`, which stands for a blank in OIG's filters");
    }
    if value.contains(['"', '\'']) {
        return refuse("it holds a quote, for which OIG documents no escape");
    }
    let joins = |w: &str| w.eq_ignore_ascii_case("and") || w.eq_ignore_ascii_case("or");
    if value.split_whitespace().any(joins) {
        return refuse("it holds the word AND or OR, for which OIG documents no escape");
    }
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join("::");
    Ok(format!("{} eq {}", words(attribute), words(value)))
}

/// True where the server can be asked for a person of this login.
pub fn can_be_asked_for(login: &Login) -> bool {
    equals("User Login", login.as_str()).is_ok()
}

/// Percent-encodes everything but unreserved characters (RFC 3986), for one query value or path segment.
pub fn encode(text: &str) -> String {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let mut out = String::with_capacity(text.len() + 16);
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push(char::from(HEX[usize::from(byte >> 4)]));
            out.push(char::from(HEX[usize::from(byte & 15)]));
        }
    }
    out
}

/// The value of a query parameter that is a number, e.g. `offset` of a `next` link.
pub fn number_of(query: &str, name: &str) -> Option<u64> {
    query.split('&').find_map(|pair| {
        let (key, value) = pair.split_once('=')?;
        key.eq_ignore_ascii_case(name)
            .then(|| value.parse().ok())
            .flatten()
    })
}

/// Splits an href into path and query; scheme, host and fragment are dropped, because only the
/// configured origin is ever called (contract section 9, point 21).
pub fn path_and_query(href: &str) -> (&str, &str) {
    let rest = match href.split_once("://") {
        Some((_, after)) => after.find('/').map_or("/", |at| &after[at..]),
        None => href
            .strip_prefix("//")
            .map_or(href, |after| after.find('/').map_or("/", |at| &after[at..])),
    };
    let rest = rest.split('#').next().unwrap_or(rest);
    rest.split_once('?').unwrap_or((rest, ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_become_double_colons_and_dangerous_values_are_refused() {
        assert_eq!(
            equals("User Login", "j doe").ok().as_deref(),
            Some("User::Login eq j::doe")
        );
        for bad in [
            "",
            " ",
            "a::b",
            "a AND b",
            "x or y",
            "o'neil",
            "a\nb",
            "say \"x\"",
        ] {
            assert!(equals("User Login", bad).is_err(), "{bad:?}");
        }
        assert!(equals("User Login", "ANDERSON").is_ok());
        assert_eq!(
            encode("Status.Category eq Rejected"),
            "Status.Category%20eq%20Rejected"
        );
        assert_eq!(encode("User::Login"), "User%3A%3ALogin");
    }

    #[test]
    fn only_path_and_query_of_a_link_are_kept() {
        let (path, query) = path_and_query("http://elsewhere:99/a/b?offset=11&limit=10#x");
        assert_eq!((path, query), ("/a/b", "offset=11&limit=10"));
        assert_eq!(path_and_query("//elsewhere/a?x=1"), ("/a", "x=1"));
        assert_eq!(path_and_query("https://elsewhere"), ("/", ""));
        assert_eq!(number_of(query, "OFFSET"), Some(11));
        assert_eq!(number_of(query, "q"), None);
    }
}
