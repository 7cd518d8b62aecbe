//! Puts a report into a message: text and HTML as alternatives, headers that mail programs ask for; it adds nothing to what the report says.

use std::time::SystemTime;

use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart};
use lettre::{Address, Message};

use super::Letter;
use super::error::MailError;
use crate::model::settings::MailSettings;

/// What goes over the wire: for whom, and the bytes.
#[derive(Clone, Debug)]
pub(super) struct Parts {
    pub from: Address,
    pub to: Vec<Address>,
    pub bytes: Vec<u8>,
}

/// The message of a report.
pub(super) fn compose(settings: &MailSettings, letter: &Letter) -> Result<Parts, MailError> {
    let from = mailbox(&settings.from)?;
    let id = format!(
        "<{}.provtaskd@{}>",
        uuid::Uuid::now_v7().simple(),
        from.email.domain()
    );
    let at = SystemTime::try_from(letter.at)
        .map_err(|error| MailError::Settings(format!("the time of the report: {error}")))?;
    let mut builder = Message::builder()
        .date(at)
        .message_id(Some(id))
        .from(from.clone())
        .subject(letter.subject.replace(char::is_control, " "))
        // nobody's "out of office" answers a robot (RFC 3834)
        .raw_header(HeaderValue::new(
            HeaderName::new_from_ascii_str("Auto-Submitted"),
            "auto-generated".to_owned(),
        ));
    let mut to = Vec::new();
    for text in &settings.to {
        let mailbox = mailbox(text)?;
        if !to.contains(&mailbox.email) {
            to.push(mailbox.email.clone());
            builder = builder.to(mailbox);
        }
    }
    let body = MultiPart::alternative_plain_html(lines(&letter.text), lines(&letter.html));
    let message = builder
        .multipart(body)
        .map_err(|error| MailError::Settings(error.to_string()))?;
    Ok(Parts {
        from: from.email,
        to,
        bytes: message.formatted(),
    })
}

fn mailbox(text: &str) -> Result<Mailbox, MailError> {
    text.parse()
        .map_err(|error| MailError::Settings(format!("{text}: {error}")))
}

/// Lines that end with a line feed alone: a carriage return elsewhere could be taken for the end of one.
fn lines(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\r', " ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::settings::MailTls;
    use std::time::Duration;

    fn settings(from: &str, to: &[&str]) -> MailSettings {
        MailSettings {
            host: "localhost".to_owned(),
            port: 25,
            tls: MailTls::None,
            from: from.to_owned(),
            to: to.iter().map(|text| (*text).to_owned()).collect(),
            login: None,
            ca_file: None,
            timeout: Duration::from_secs(1),
        }
    }

    fn letter(text: &str) -> Letter {
        Letter {
            subject: "3 wait\r\nBcc: eve@example.com".to_owned(),
            text: text.to_owned(),
            html: format!("<p>{text}</p>"),
            at: "2027-03-01T08:00:00Z".parse().expect("a time"),
        }
    }

    #[test]
    fn headers_say_what_it_is_and_no_text_makes_one() {
        let settings = settings(
            "Röbot <r@example.com>",
            &["a@example.com", "Bea <b@example.com>", "a@example.com"],
        );
        let parts = compose(&settings, &letter("ä\r.\rQUIT\n")).expect("composed");
        let text = String::from_utf8(parts.bytes).expect("ASCII");
        assert!(text.is_ascii());
        let (head, body) = text.split_once("\r\n\r\n").expect("a body");
        for line in [
            "Date: Mon, 01 Mar 2027 08:00:00 +0000",
            "Auto-Submitted: auto-generated",
            "MIME-Version: 1.0",
            "To: a@example.com, Bea <b@example.com>",
        ] {
            assert!(
                head.split("\r\n").any(|have| have == line),
                "{line}: {head}"
            );
        }
        assert!(head.contains("Message-ID: <") && head.contains(".provtaskd@example.com>"));
        assert!(head.contains("multipart/alternative"), "{head}");
        assert!(!head.contains("\r\nBcc"), "{head}");
        assert!(!body.replace("\r\n", "").contains('\r'), "{body:?}");
        assert_eq!(parts.to.len(), 2, "each gets it once");
        let long = body.split("\r\n").map(str::len).max();
        assert!(long.is_some_and(|long| long < 998), "{long:?}");
    }

    #[test]
    fn what_is_no_address_makes_no_mail() {
        let failed = compose(&settings("nobody", &["a@example.com"]), &letter(""));
        assert!(matches!(failed, Err(MailError::Settings(_))));
        let failed = compose(&settings("a@example.com", &[]), &letter(""));
        assert!(matches!(failed, Err(MailError::Settings(_))));
    }
}
