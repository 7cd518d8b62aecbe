//! Puts a report into a message: text and HTML as alternatives, headers that mail programs ask for; it adds nothing to what the report says, and no text of it makes a header.

use std::time::{Duration, SystemTime};

use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox as Named, MultiPart};
use lettre::{Address, Message};

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

/// Nobody's "out of office" answers a robot (RFC 3834).
const ROBOT: HeaderName = HeaderName::new_from_ascii_str("Auto-Submitted");

/// The message of a report.
pub(super) fn compose(settings: &MailSettings, letter: &Letter) -> Result<Parts, MailError> {
    let from = named(&settings.from)?;
    // no machine's clock stands before 1970
    let seconds = u64::try_from(letter.at.as_second()).unwrap_or_default();
    let id = uuid::Uuid::now_v7().simple();
    let mut to: Vec<Address> = Vec::new();
    let mut message = Message::builder()
        .from(from.clone())
        .date(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
        .subject(letter.subject.replace(char::is_control, " "))
        .message_id(Some(format!("<{id}.provtaskd@{}>", from.email.domain())))
        .raw_header(HeaderValue::new(ROBOT, "auto-generated".to_owned()));
    for mailbox in &settings.to {
        let one = named(mailbox)?;
        if !to.contains(&one.email) {
            to.push(one.email.clone());
            message = message.to(one);
        }
    }
    let body = MultiPart::alternative_plain_html(lines(&letter.text), lines(&letter.html));
    let message = message
        .multipart(body)
        .map_err(|error| MailError::Settings(error.to_string()))?;
    Ok(Parts {
        from: from.email,
        to,
        bytes: message.formatted(),
    })
}

fn named(mailbox: &Mailbox) -> Result<Named, MailError> {
    let parsed = mailbox.address.parse();
    let address =
        parsed.map_err(|error| MailError::Settings(format!("{}: {error}", mailbox.address)))?;
    let name = mailbox.name.as_ref();
    let name = name.map(|name| name.replace(char::is_control, " "));
    Ok(Named::new(name, address))
}

/// Lines that end as the protocol wants it; a carriage return elsewhere could be taken for the end of one.
fn lines(text: &str) -> String {
    let text = text.replace("\r\n", "\n").replace('\r', " ");
    text.replace('\n', "\r\n")
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
            "From: =?utf-8?b?UsO2Ym90?= <r@example.com>",
            "To: a@example.com, Bea <b@example.com>, \"Dr. C\" <c@example.com>",
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
    fn every_byte_is_ascii_and_no_line_is_too_long() {
        let settings = settings(mailbox("", "r@example.com"), &[("", "a@example.com")]);
        for text in [
            "ü",
            ".dot\n\tand tab\n",
            "\u{1b}[2J",
            &"x".repeat(2000),
            &"ä€".repeat(600),
        ] {
            let parts = compose(&settings, &letter("s", text)).expect("composed");
            let made = String::from_utf8(parts.bytes).expect("ASCII");
            assert!(made.is_ascii(), "{made}");
            assert!(made.split("\r\n").all(|line| line.len() <= 998), "{made}");
            assert!(!made.replace("\r\n", "").contains(['\r', '\n']), "{made:?}");
            assert_eq!(made.matches("\r\nSubject: ").count(), 1);
        }
    }

    #[test]
    fn what_is_no_address_makes_no_mail() {
        let settings = settings(mailbox("", "nobody"), &[("", "a@example.com")]);
        let failed = compose(&settings, &letter("", ""));
        assert!(matches!(failed, Err(MailError::Settings(_))));
    }
}
