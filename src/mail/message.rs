//! Puts a report into a message (RFC 5322, MIME): text and HTML as alternatives, headers that mail programs ask for; it adds nothing to what the report says, and no text of it makes a header.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lettre::Address;

use super::Letter;
use super::error::MailError;
use crate::model::settings::{MailSettings, Mailbox};

/// What goes over the wire: for whom, and the bytes.
#[derive(Clone, Debug)]
pub(super) struct Parts {
    pub from: Address,
    pub to: Vec<Address>,
    pub bytes: Vec<u8>,
}

/// A line may have 998 characters, a dot that is doubled among them.
const LINE: usize = 990;
/// Characters of a line of base64.
const ROW: usize = 76;
/// Bytes in one encoded word, which has 75 characters at most (RFC 2047).
const WORD: usize = 45;

/// The message of a report; its bytes are ASCII.
pub(super) fn compose(settings: &MailSettings, letter: &Letter) -> Result<Parts, MailError> {
    let from = address(&settings.from)?;
    let mut to: Vec<Address> = Vec::new();
    let mut named = Vec::new();
    for mailbox in &settings.to {
        let one = address(mailbox)?;
        if !to.contains(&one) {
            to.push(one);
            named.push(shown(mailbox));
        }
    }
    let id = uuid::Uuid::now_v7().simple();
    // of the random id: no report holds it
    let boundary = format!("provtaskd-{id}");
    let mut out = String::new();
    for (name, value) in [
        (
            "Date",
            letter
                .at
                .strftime("%a, %d %b %Y %H:%M:%S +0000")
                .to_string(),
        ),
        ("From", shown(&settings.from)),
        ("To", named.join(",\r\n ")),
        (
            "Subject",
            words(&letter.subject.replace(char::is_control, " ")),
        ),
        ("Message-ID", format!("<{id}.provtaskd@{}>", from.domain())),
        // nobody's "out of office" answers a robot (RFC 3834)
        ("Auto-Submitted", "auto-generated".to_owned()),
        ("MIME-Version", "1.0".to_owned()),
        (
            "Content-Type",
            format!("multipart/alternative;\r\n boundary=\"{boundary}\""),
        ),
    ] {
        out.push_str(&format!("{name}: {value}\r\n"));
    }
    for (kind, text) in [("plain", &letter.text), ("html", &letter.html)] {
        out.push_str(&format!(
            "\r\n--{boundary}\r\nContent-Type: text/{kind}; charset=utf-8\r\n"
        ));
        let text = lines(text);
        if is_simple(&text) {
            out.push_str("Content-Transfer-Encoding: 7bit\r\n\r\n");
            out.push_str(&text);
        } else {
            out.push_str("Content-Transfer-Encoding: base64\r\n\r\n");
            rows(&mut out, &STANDARD.encode(&text));
        }
    }
    out.push_str(&format!("\r\n--{boundary}--\r\n"));
    Ok(Parts {
        from,
        to,
        bytes: out.into_bytes(),
    })
}

fn address(mailbox: &Mailbox) -> Result<Address, MailError> {
    let parsed = mailbox.address.parse();
    parsed.map_err(|error| MailError::Settings(format!("{}: {error}", mailbox.address)))
}

/// A mailbox as a header names it.
fn shown(mailbox: &Mailbox) -> String {
    match &mailbox.name {
        None => mailbox.address.clone(),
        Some(name) => {
            let name = name.replace(char::is_control, " ");
            let plain = |c: char| c.is_ascii_alphanumeric() || c == ' ';
            let name = if name.chars().all(plain) || !name.is_ascii() {
                words(&name)
            } else {
                format!("\"{}\"", name.replace(['"', '\\'], " "))
            };
            format!("{name} <{}>", mailbox.address)
        }
    }
}

/// A text in a header: as it is where it is ASCII, else in encoded words (RFC 2047).
fn words(text: &str) -> String {
    let is_plain = text.is_ascii() && !text.contains("=?") && text.len() < LINE / 2;
    if is_plain {
        return text.to_owned();
    }
    let mut parts = vec![String::new()];
    for c in text.chars() {
        match parts.last_mut() {
            Some(part) if part.len() + c.len_utf8() <= WORD => part.push(c),
            _ => parts.push(c.to_string()),
        }
    }
    let encoded = parts
        .iter()
        .map(|part| format!("=?UTF-8?B?{}?=", STANDARD.encode(part)));
    encoded.collect::<Vec<_>>().join("\r\n ")
}

/// Lines that end as the protocol wants it; a carriage return elsewhere could be taken for the end of one.
fn lines(text: &str) -> String {
    let text = text.replace("\r\n", "\n").replace('\r', " ");
    text.replace('\n', "\r\n")
}

/// True for a text that every server passes on as it is.
fn is_simple(text: &str) -> bool {
    let good = |c: char| matches!(c, ' '..='~' | '\t' | '\r' | '\n');
    text.chars().all(good) && text.split("\r\n").all(|line| line.len() <= LINE)
}

fn rows(out: &mut String, encoded: &str) {
    for (n, c) in encoded.chars().enumerate() {
        if n > 0 && n % ROW == 0 {
            out.push_str("\r\n");
        }
        out.push(c);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::settings::MailTls;
    use std::time::Duration;

    fn mailbox(name: &str, address: &str) -> Mailbox {
        Mailbox {
            name: (!name.is_empty()).then(|| name.to_owned()),
            address: address.to_owned(),
        }
    }

    fn settings(from: Mailbox, to: &[(&str, &str)]) -> MailSettings {
        MailSettings {
            host: "localhost".to_owned(),
            port: 25,
            tls: MailTls::None,
            from,
            to: to.iter().map(|(name, at)| mailbox(name, at)).collect(),
            login: None,
            ca_file: None,
            timeout: Duration::from_secs(1),
        }
    }

    fn letter(subject: &str, text: &str) -> Letter {
        Letter {
            subject: subject.to_owned(),
            text: text.to_owned(),
            html: format!("<p>{text}</p>\n"),
            at: "2027-03-01T08:00:00Z".parse().expect("a time"),
        }
    }

    #[test]
    fn headers_say_what_it_is_and_no_text_makes_one() {
        let to = [
            ("", "a@example.com"),
            ("Bea", "b@example.com"),
            ("Dr. C", "c@example.com"),
            ("", "a@example.com"),
        ];
        let settings = settings(mailbox("Röbot", "r@example.com"), &to);
        let letter = letter("3 wait\r\nBcc: eve@example.com", "ä\r.\rQUIT\n");
        let parts = compose(&settings, &letter).expect("composed");
        let text = String::from_utf8(parts.bytes).expect("ASCII");
        assert!(text.is_ascii());
        let (head, body) = text.split_once("\r\n\r\n").expect("a body");
        for line in [
            "Date: Mon, 01 Mar 2027 08:00:00 +0000",
            "From: =?UTF-8?B?UsO2Ym90?= <r@example.com>",
            "To: a@example.com,",
            " Bea <b@example.com>,",
            " \"Dr. C\" <c@example.com>",
            "Subject: 3 wait  Bcc: eve@example.com",
            "Auto-Submitted: auto-generated",
            "MIME-Version: 1.0",
            "Content-Type: multipart/alternative;",
        ] {
            assert!(
                head.split("\r\n").any(|have| have == line),
                "{line}: {head}"
            );
        }
        assert!(head.contains("Message-ID: <") && head.contains(".provtaskd@example.com>"));
        assert!(!body.replace("\r\n", "").contains(['\r', '\n']), "{body:?}");
        assert_eq!(parts.to.len(), 3, "each gets it once");
        assert!(text.split("\r\n").all(|line| line.len() < 998), "{text}");
    }

    #[test]
    fn what_is_long_or_not_ascii_is_encoded_and_the_rest_is_left_as_it_is() {
        let settings = settings(mailbox("", "r@example.com"), &[("", "a@example.com")]);
        let made = |text: &str| {
            let parts = compose(&settings, &letter("s", text)).expect("composed");
            String::from_utf8(parts.bytes).expect("ASCII")
        };
        let plain = made(".dot\n\tand tab\n");
        assert!(
            plain.contains("7bit\r\n\r\n.dot\r\n\tand tab\r\n\r\n--"),
            "{plain}"
        );
        for text in ["ü", "\u{1b}[2J", &"x".repeat(2000)] {
            let encoded = made(text);
            assert!(!encoded.contains("7bit"), "{encoded}");
            assert!(
                encoded.split("\r\n").all(|line| line.len() <= 100),
                "{encoded}"
            );
        }
        // an encoded word is bounded, and cut between characters
        let subject = words(&"ä€".repeat(60));
        for word in subject.split("\r\n ") {
            assert!(word.len() <= 75, "{word}");
            let bare = word.trim_start_matches("=?UTF-8?B?").trim_end_matches("?=");
            let bytes = STANDARD.decode(bare).expect("base64");
            assert!(String::from_utf8(bytes).is_ok(), "{word}");
        }
        assert!(
            words("=?UTF-8?B?eA==?=").starts_with("=?UTF-8?B?PT"),
            "not taken for one"
        );
    }

    #[test]
    fn what_is_no_address_makes_no_mail() {
        let settings = settings(mailbox("", "nobody"), &[("", "a@example.com")]);
        let failed = compose(&settings, &letter("", ""));
        assert!(matches!(failed, Err(MailError::Settings(_))));
    }
}
