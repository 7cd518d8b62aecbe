//! Takes out what looks like a secret in a text that OIG shows of a task (a connector's error, a note), before anything is decided on it, kept or shown; pure. It knows forms and no values: a password that stands between words like any other word is not seen.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::LazyLock;

use regex::{Captures, Regex};

/// What stands in its place.
const MASK: &str = "***";

/// Shortest value after a colon or a scheme that is taken for a secret: "token: 42" is none.
const SHORTEST: usize = 6;

/// Names that a secret stands behind, and the secret: the first [`SURE`] groups hold one, and in the last two words stand
/// as well.
static FORMS: LazyLock<Regex> = LazyLock::new(|| {
    let name = r#"(?:passw(?:or)?[dt]|passphrase|kennwort|mot ?de ?passe|contraseña|pwd|secret(?:[-_ ]?key)?|token|credentials?|jsessionid|(?:api|access|private)[-_ ]?key)"#;
    let forms = [
        // password="x y", password = 'x y', "password":"x y", password 'x y'
        format!(r#"(?i:{name}|\bpass)\\?["']?\s*(?:=>?|:)?\s*\\?"([^"\\]+)"#),
        format!(r#"(?i:{name}|\bpass)\\?["']?\s*(?:=>?|:)?\s*\\?'([^'\\]+)"#),
        // a key in PEM to its end
        r"-----BEGIN[A-Z ]*PRIVATE KEY-----((?s:.)+)".to_owned(),
        format!(r#"(?i:{name}|\bpass)["']?\s*=>?\s*([^\s"'&;<>]+)"#),
        format!(r"(?i:name[\W_]*{name}[\W_]*,\s*value)\s*=\s*\[?([^\]}},]+)"),
        format!(r"(?i:--{name})\s+(\S+)"),
        // LDIF, XML, SQL
        format!(r"(?i:{name})::\s*(\S+)"),
        format!(r"(?i:<[^<>]*{name}[^<>]*>)([^<]+)<"),
        r#"(?i:identified\s+by)\s+"?([^\s";]+)"#.to_owned(),
        // a URL, a connect string, curl's -u, a token of its own
        r"[a-z]://[^/\s:@]+:([^@\s/]+)@".to_owned(),
        r"(?i:jdbc):[a-z:]+:[^/\s:@]+/([^@\s/]+)@".to_owned(),
        r"(?:^|\s)-u\s+[^\s:]+:(\S+)".to_owned(),
        r"(eyJ[A-Za-z0-9_-]{17,}[A-Za-z0-9._-]*)".to_owned(),
        format!(r"(?i:{name})\s*:\s*(\S+)"),
        r"(?i:\b(?:bearer|basic))\s+([A-Za-z0-9._~+/=-]+)".to_owned(),
    ];
    let all = forms.join("|");
    #[expect(clippy::expect_used, reason = "a constant pattern; a test compiles it")]
    Regex::new(&all).expect("the pattern of secrets is one")
});

/// So many of the groups hold nothing else.
const SURE: usize = 13;

/// The text with what looks like a secret in it replaced by `***`; itself where nothing does.
pub(super) fn conceal(text: &str) -> Cow<'_, str> {
    let mut out = String::new();
    let mut at = 0;
    for found in FORMS.captures_iter(text).filter_map(|found| secret(&found)) {
        out.push_str(text.get(at..found.start).unwrap_or_default());
        out.push_str(MASK);
        at = found.end;
    }
    if at == 0 {
        return Cow::Borrowed(text);
    }
    out.push_str(text.get(at..).unwrap_or_default());
    Cow::Owned(out)
}

/// True where there is something to take out.
pub(super) fn hides(text: &str) -> bool {
    may_hide(text) && matches!(conceal(text), Cow::Owned(_))
}

/// Most texts have none of what every form has one of, and are not looked at any closer.
fn may_hide(text: &str) -> bool {
    let bytes = text.as_bytes();
    let is_sign = |(at, first): (usize, &u8)| {
        let signs: &[&str] = match first.to_ascii_lowercase() {
            b'p' => &["pass", "pwd"],
            b's' => &["secret"],
            b't' => &["token"],
            b'c' => &["credential", "contrase"],
            b'k' => &["key", "kennwort"],
            b'j' => &["jsessionid", "jdbc"],
            b'i' => &["identified"],
            b'b' => &["bearer", "basic"],
            b'e' => &["eyj"],
            b':' => &["://"],
            b'-' => &["-u"],
            _ => return false,
        };
        let begins = |sign: &&str| {
            let head = bytes.get(at..at + sign.len());
            head.is_some_and(|head| head.eq_ignore_ascii_case(sign.as_bytes()))
        };
        signs.iter().any(begins)
    };
    bytes.iter().enumerate().any(is_sign)
}

/// True where a field's name says that its value is a secret (a column of a process form): the whole value goes.
pub(super) fn names_secret(name: &str) -> bool {
    let letters = name.trim().to_ascii_lowercase();
    let ends = ["password", "passwd", "passphrase", "pwd", "secret"];
    ends.iter().any(|end| letters.ends_with(end))
}

fn secret(found: &Captures<'_>) -> Option<Range<usize>> {
    let masked = |text: &str| text.starts_with(MASK) && text.len() <= MASK.len() + 1;
    let at = (1..found.len()).find(|at| found.get(*at).is_some())?;
    let value = found.get(at).filter(|value| !masked(value.as_str()))?;
    if at <= SURE {
        return Some(value.range());
    }
    // "password: expired", "basic authentication"
    let text = value.as_str();
    let no_word = text
        .chars()
        .any(|c| !c.is_alphabetic() && !".:,-".contains(c));
    (text.len() >= SHORTEST && no_word).then(|| value.range())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_looks_like_a_secret_is_taken_out_and_the_rest_stands() {
        for (text, masked) in [
            (
                "bind failed: password=tr0mb0ne host=a",
                "bind failed: password=*** host=a",
            ),
            (
                "cn=svc;PWD = 'x y!z';server=b",
                "cn=svc;PWD = '***';server=b",
            ),
            ("PWD=ab)tr0mb0ne;server=b", "PWD=***;server=b"),
            (
                r#"400 {"user":"a","password":"tr0m b0ne"}"#,
                r#"400 {"user":"a","password":"***"}"#,
            ),
            (
                r#"400 {\"apiKey\":\"tr0mb0ne\"}"#,
                r#"400 {\"apiKey\":\"***\"}"#,
            ),
            ("bad password 'tr0mb0ne' given", "bad password '***' given"),
            ("pass=tr0mb0ne", "pass=***"),
            ("password => tr0mb0ne", "password => ***"),
            ("secretKey=tr0mb0ne", "secretKey=***"),
            ("Kennwort: tr0m-b0ne", "Kennwort: ***"),
            (
                "{Name=__PASSWORD__, Value=[tr0mb0ne]}",
                "{Name=__PASSWORD__, Value=[***]}",
            ),
            (
                "tool --password tr0mb0ne failed",
                "tool --password *** failed",
            ),
            (
                "key -----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END",
                "key -----BEGIN RSA PRIVATE KEY-----***",
            ),
            (
                r#"<wsse:Password Type="x">tr0mb0ne</wsse:Password>"#,
                r#"<wsse:Password Type="x">***</wsse:Password>"#,
            ),
            ("wrong password: tr0m,b0ne!", "wrong password: ***"),
            ("userPassword:: dHIwbWIwbmU=", "userPassword:: ***"),
            (
                "<userPassword>tr0mb0ne</userPassword>",
                "<userPassword>***</userPassword>",
            ),
            (
                "ALTER USER svc IDENTIFIED BY tr0mb0ne",
                "ALTER USER svc IDENTIFIED BY ***",
            ),
            (
                "curl -u svc:tr0mb0ne https://a",
                "curl -u svc:*** https://a",
            ),
            (
                "Authorization: Bearer abc123.def",
                "Authorization: Bearer ***",
            ),
            ("401 for Basic c3ZjOng= sent", "401 for Basic *** sent"),
            (
                "GET https://svc:tr0mb0ne@erp/x failed",
                "GET https://svc:***@erp/x failed",
            ),
            (
                "jdbc:oracle:thin:svc/tr0mb0ne@//db:1521",
                "jdbc:oracle:thin:svc/***@//db:1521",
            ),
            ("got eyJhbGciOiJSUzI1NiJ9.e30.c2ln back", "got *** back"),
        ] {
            assert_eq!(conceal(text), masked, "{text}");
            assert!(hides(text), "{text}");
            assert!(!hides(masked), "{masked}");
            assert!(may_hide(&text.to_ascii_uppercase()), "{text}");
        }
    }

    #[test]
    fn words_are_no_secrets() {
        for text in [
            "password: expired, the account is locked",
            "Basic authentication failed for svc",
            "token expired; invalid credentials",
            "password policy: at least 12 characters",
            "LDAP: error code 49 - 80090308, data 52e, v3839",
            "ORA-01017: invalid username/password; logon denied",
            "connect to ldaps://ad.example.org:636 failed",
            "",
        ] {
            assert_eq!(conceal(text), text);
            assert!(!hides(text), "{text}");
        }
    }

    #[test]
    fn columns_that_hold_passwords_are_known_by_their_names() {
        assert!(names_secret("UD_ADUSER_PASSWORD") && names_secret(" Client Secret"));
        assert!(!names_secret("Password Reset Date") && !names_secret("UD_ADUSER_UID"));
    }

    proptest! {
        #[test]
        fn no_text_panics_and_what_is_masked_stays_as_it_is(text in "(password=|pwd: |[ -~é]){0,40}") {
            let once = conceal(&text).into_owned();
            prop_assert!(once == text || may_hide(&text), "a form without a sign");
            prop_assert_eq!(conceal(&once), once.as_str());
        }
    }
}
