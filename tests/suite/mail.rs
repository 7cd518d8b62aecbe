//! `report daily --mail` against a mail server on loopback, through the real binary: what arrives is what is printed, and what did not arrive is never said to have.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio_rustls::rustls;

use crate::client_tls::{Authority, authority, named, server};
use crate::smtp_stub::{Mail, Manner, Smtp};
use crate::store_house::{House, Said};

const SPAN: [&str; 4] = ["--from", "2026-01-05", "--to", "2026-01-06"];
const PASSWORD: &str = "battery-staple-7";

/// A house whose configuration has this `[mail]`, beside sender and recipients.
fn house(port: u16, more: &str) -> House {
    let house = House::filled();
    let config = fs::read_to_string(house.path("provtaskd.toml")).expect("read");
    let to = if more.contains("to = ") {
        ""
    } else {
        "to = [\"team@example.com\"]\n"
    };
    let mail = format!(
        "\n[mail]\nserver = \"localhost:{port}\"\nfrom = \"Robot <robot@example.com>\"\n{to}{more}\n"
    );
    fs::write(house.path("provtaskd.toml"), format!("{config}{mail}")).expect("written");
    fs::write(house.path("smtp-password"), format!("{PASSWORD}\n")).expect("written");
    let mode = fs::Permissions::from_mode(0o600);
    fs::set_permissions(house.path("smtp-password"), mode).expect("set");
    house
}

fn daily(house: &House, more: &[&str]) -> Said {
    house.run(&[&["report", "daily"], &SPAN[..], more].concat())
}

/// It was not sent, and nothing says so.
#[track_caller]
fn not_sent(house: &House, code: i32) -> String {
    let said = daily(house, &["--mail"]);
    assert_eq!(said.out, "", "nothing is printed instead");
    let err = said.bad(code);
    assert!(!err.contains("was mailed to"), "{err}");
    assert!(!err.contains(PASSWORD), "{err}");
    err
}

fn part(mail: &Mail, kind: &str) -> String {
    let parts = mail.parts();
    assert_eq!(parts.len(), 2, "{}", mail.text);
    let found = parts.iter().find(|(of, _)| of.starts_with(kind));
    found.expect("a part of this type").1.clone()
}

const PLAIN: &str = "tls = \"none\"\n";
const LOGIN: &str = "login = \"robot\"\npassword_file = \"smtp-password\"\n";

fn secured(authority: &Authority) -> Manner {
    let config = server(authority, "localhost", None, rustls::DEFAULT_VERSIONS);
    Manner {
        tls: Some(Arc::new(config)),
        ..Manner::default()
    }
}

fn trust(house: &House, authority: &Authority) {
    fs::write(house.path("ca.pem"), &authority.pem).expect("written");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn what_arrives_is_what_is_printed() {
    let smtp = Smtp::start(Manner::default()).await;
    let more = "tls = \"none\"\nto = [\"team@example.com\", \"Boss <boss@example.com>\"]\n";
    let house = house(smtp.port, more);
    let text = daily(&house, &[]).good();
    let html = daily(&house, &["--format", "html"]).good();
    let said = daily(&house, &["--mail", "--out", "day.txt"]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert_eq!(said.out, "", "it is sent instead of printed");
    let to = "the report was mailed to team@example.com, boss@example.com";
    assert!(said.err.contains(to), "{}", said.err);
    let file = fs::read_to_string(house.path("day.txt")).expect("written");
    assert_eq!(file, text, "and into the file as well");
    let mails = smtp.mails();
    let [mail] = mails.as_slice() else {
        panic!("{} mails", mails.len());
    };
    assert_eq!(mail.from, "robot@example.com");
    assert_eq!(mail.to, ["team@example.com", "boss@example.com"]);
    assert_eq!(part(mail, "text/plain"), text);
    assert_eq!(part(mail, "text/html"), html);
    // a style sheet has such lines: a server takes a lone dot for the end, and one in front for none
    assert!(html.lines().any(|line| line.starts_with('.')), "{html}");
    let kind = mail.header("Content-Type");
    assert!(kind.starts_with("multipart/alternative"), "{kind}");
    assert_eq!(mail.header("Auto-Submitted"), "auto-generated");
    assert!(mail.header("Message-ID").ends_with("@example.com>"));
    assert!(mail.header("Date").ends_with("+0000"));
    let subject = mail.header("Subject");
    assert!(subject.starts_with("provtaskd 127.0.0.1:"), "{subject}");
    for part in [
        " left to people",
        " healed",
        "2026-01-05 00:00Z to 2026-01-06",
    ] {
        assert!(subject.contains(part), "{part}: {subject}");
    }
    assert_eq!(smtp.lines(false).last().map(String::as_str), Some("QUIT"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_login_goes_over_an_encrypted_way_and_is_tried_once() {
    let ours = authority();
    for at_once in [false, true] {
        let manner = Manner {
            login: Some(("robot", PASSWORD)),
            at_once,
            ..secured(&ours)
        };
        let smtp = Smtp::start(manner).await;
        let tls = if at_once { "tls" } else { "starttls" };
        let more = format!("tls = \"{tls}\"\nca_file = \"ca.pem\"\n{LOGIN}");
        let house = house(smtp.port, &more);
        trust(&house, &ours);
        let said = daily(&house, &["--mail"]);
        assert_eq!(said.code, Some(0), "{tls}: {}", said.err);
        assert_eq!(smtp.mails()[0].login.as_deref(), Some("robot"), "{tls}");
        let plain = smtp.lines(false);
        let open = plain.iter().filter(|line| !line.starts_with("EHLO"));
        let wanted: &[&str] = if at_once { &[] } else { &["STARTTLS"] };
        assert_eq!(open.collect::<Vec<_>>(), wanted, "{tls}");
        // a wrong one: the server repeats it in its answer, with a word to the terminal
        fs::write(house.path("smtp-password"), "wrong-horse-9\n").expect("written");
        let err = not_sent(&house, 77);
        assert!(err.contains("refused at the login: 535"), "{err}");
        assert!(
            err.contains("(password)") && !err.contains('\u{1b}'),
            "{err}"
        );
        assert!(err.contains("mail.login"), "{err}");
        let tried = smtp.lines(true);
        let tried = tried.iter().filter(|line| line.starts_with("AUTH"));
        assert_eq!(tried.count(), 2, "once each");
        assert_eq!(smtp.mails().len(), 1);
    }
    // a server that wants a login where none is configured
    let manner = Manner {
        login: Some(("robot", PASSWORD)),
        ..Manner::default()
    };
    let smtp = Smtp::start(manner).await;
    let err = not_sent(&house(smtp.port, PLAIN), 77);
    assert!(err.contains("set mail.login"), "{err}");
    // and one that has none where one is
    let smtp = Smtp::start(Manner::default()).await;
    let err = not_sent(&house(smtp.port, &format!("{PLAIN}{LOGIN}")), 78);
    assert!(err.contains("offers no login"), "{err}");
    assert!(
        !smtp
            .lines(false)
            .iter()
            .any(|line| line.starts_with("AUTH"))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn recipients_that_are_refused_are_named_and_the_others_get_it() {
    let both = "tls = \"none\"\nto = [\"team@example.com\", \"gone@example.com\"]\n";
    let refuse = |words: &str| vec![("RCPT TO:<gone@", words.to_owned())];
    for (words, code) in [
        ("550 5.1.1 no such\tuser", 78),
        ("451 4.7.1 greylisted", 69),
    ] {
        let smtp = Smtp::start(Manner {
            refuse: refuse(words),
            ..Manner::default()
        })
        .await;
        let house_of_two = house(smtp.port, both);
        let said = daily(&house_of_two, &["--mail"]);
        let err = said.bad(code);
        assert!(err.contains("mailed to team@example.com\n"), "{err}");
        let shown = words.replace('\t', " ");
        assert!(
            err.contains(&format!("gone@example.com ({shown})")),
            "{err}"
        );
        assert!(err.contains("1 of 2 got it"), "{err}");
        assert_eq!(smtp.mails()[0].to, ["team@example.com"]);
        // where nobody is left there is nothing to send
        let alone = house(smtp.port, "tls = \"none\"\nto = [\"gone@example.com\"]\n");
        let err = not_sent(&alone, code);
        assert!(
            err.contains("refused every recipient: gone@example.com"),
            "{err}"
        );
        assert_eq!(smtp.mails().len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn what_a_server_refuses_is_told_with_its_words() {
    let cases = [
        (
            "EHLO",
            "554 5.3.2 not today",
            77,
            "when connecting: 554 5.3.2 not today",
        ),
        ("MAIL", "553 5.1.8 who are you", 78, "mail.from"),
        ("MAIL", "452 4.3.1 no room", 69, "it may take it later"),
        (
            "DATA",
            "503 5.5.1 no",
            77,
            "refused before the text: 503 5.5.1 no",
        ),
        (
            "TEXT",
            "552 5.3.4 too large",
            77,
            "refused after the text: 552 5.3.4 too large",
        ),
    ];
    for (at, words, code, told) in cases {
        let smtp = Smtp::start(Manner {
            refuse: vec![(at, words.to_owned())],
            ..Manner::default()
        })
        .await;
        let err = not_sent(&house(smtp.port, PLAIN), code);
        assert!(err.contains(told), "{at} {words}: {err}");
        assert_eq!(smtp.mails().len(), 0);
    }
    // a positive answer that is no answer to what was asked
    for (at, words) in [
        ("DATA", "250 ok"),
        ("TEXT", "354 go on"),
        ("QUIT", "250 ok"),
    ] {
        let smtp = Smtp::start(Manner {
            refuse: vec![(at, words.to_owned())],
            ..Manner::default()
        })
        .await;
        let err = not_sent(&house(smtp.port, PLAIN), 69);
        assert!(err.contains("out of step"), "{at}: {err}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_server_that_hangs_is_left_in_time() {
    let cases = [
        ("GREETING", "when connecting; nothing was sent"),
        ("MAIL", "when the sender was named; nothing was sent"),
        ("RCPT", "when a recipient was named; nothing was sent"),
        (
            "TEXT",
            "after the text; whether it has taken the mail is not known",
        ),
    ];
    for (at, told) in cases {
        let smtp = Smtp::start(Manner {
            hang: Some(at),
            ..Manner::default()
        })
        .await;
        let house = house(smtp.port, &format!("{PLAIN}timeout = \"1s\"\n"));
        let began = Instant::now();
        let err = not_sent(&house, 69);
        assert!(err.contains(told), "{at}: {err}");
        assert!(began.elapsed() < Duration::from_secs(30), "{at}");
        assert_eq!(smtp.mails().len(), 0);
    }
    // a good-bye that does not come takes nothing back
    let smtp = Smtp::start(Manner {
        refuse: vec![("QUIT", "421 tired".to_owned())],
        ..Manner::default()
    })
    .await;
    let said = daily(&house(smtp.port, PLAIN), &["--mail"]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    // and one that is not there at all
    let gone = Smtp::start(Manner::default()).await.port;
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let free = taken.local_addr().expect("an address").port();
    drop(taken);
    assert_ne!(gone, free);
    let err = not_sent(&house(free, PLAIN), 69);
    assert!(err.contains("can't be reached"), "{err}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn nothing_is_said_before_the_way_is_encrypted_and_the_server_known() {
    let (ours, other) = (authority(), named("Second Test Authority"));
    for at_once in [false, true] {
        let smtp = Smtp::start(Manner {
            login: Some(("robot", PASSWORD)),
            at_once,
            ..secured(&other)
        })
        .await;
        let tls = if at_once { "tls" } else { "starttls" };
        let more = format!("tls = \"{tls}\"\nca_file = \"ca.pem\"\n{LOGIN}");
        let house = house(smtp.port, &more);
        trust(&house, &ours);
        let err = not_sent(&house, 69);
        assert!(
            err.contains("no TLS with the mail server localhost:"),
            "{err}"
        );
        assert!(err.contains("neither in mail.ca_file"), "{err}");
        assert_eq!(smtp.lines(true), [""; 0], "{tls}");
        let plain = smtp.lines(false);
        let said = |what: &str| plain.iter().any(|line| line.starts_with(what));
        assert!(!said("AUTH") && !said("MAIL"), "{plain:?}");
    }
    // a certificate for another name
    let smtp = Smtp::start(Manner {
        tls: Some(Arc::new(server(
            &ours,
            "smtp.example.com",
            None,
            rustls::DEFAULT_VERSIONS,
        ))),
        ..Manner::default()
    })
    .await;
    let house_of = |port| {
        let house = house(port, "ca_file = \"ca.pem\"\n");
        trust(&house, &ours);
        house
    };
    let err = not_sent(&house_of(smtp.port), 69);
    assert!(err.contains("for another host name"), "{err}");
    // a server without STARTTLS, or from whose offers somebody has taken it
    let smtp = Smtp::start(Manner::default()).await;
    let err = not_sent(&house_of(smtp.port), 69);
    assert!(err.contains("does not offer STARTTLS"), "{err}");
    let plain = smtp.lines(false);
    assert!(
        plain.iter().all(|line| line.starts_with("EHLO")),
        "{plain:?}"
    );
    // a port that speaks no TLS
    let house = house(smtp.port, "tls = \"tls\"\nca_file = \"ca.pem\"\n");
    trust(&house, &ours);
    let err = not_sent(&house, 69);
    assert!(err.contains("not with TLS"), "{err}");
}

/// Whoever sits on the way can put answers behind the one to STARTTLS, which are read as if they came over
/// TLS: each that follows is then taken for the answer to the next command.
#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn answers_that_somebody_has_put_in_never_make_a_mail_sent() {
    let ours = authority();
    let smtp = Smtp::start(Manner {
        put_in: "\r\n250 stub",
        // the real one takes nothing
        refuse: vec![("TEXT", "552 no".to_owned())],
        ..secured(&ours)
    })
    .await;
    let house = house(smtp.port, "ca_file = \"ca.pem\"\n");
    trust(&house, &ours);
    let err = not_sent(&house, 69);
    assert!(err.contains("out of step (250"), "{err}");
    assert_eq!(smtp.mails().len(), 0);
    // an answer to each command up to the text: only the good-bye is answered by the real one
    let smtp = Smtp::start(Manner {
        put_in: "\r\n250 stub\r\n250 ok\r\n250 ok\r\n354 go on\r\n250 taken",
        refuse: ["MAIL", "RCPT", "DATA"]
            .map(|verb| (verb, "550 no".to_owned()))
            .into(),
        ..secured(&ours)
    })
    .await;
    let config = fs::read_to_string(house.path("provtaskd.toml")).expect("read");
    let (head, _) = config.split_once("\n[mail]").expect("the section");
    let mail = format!(
        "{head}\n[mail]\nserver = \"localhost:{}\"\nfrom = \"r@example.com\"\nto = [\"t@example.com\"]\nca_file = \"ca.pem\"\n",
        smtp.port
    );
    fs::write(house.path("provtaskd.toml"), mail).expect("written");
    let err = not_sent(&house, 69);
    assert!(err.contains("out of step (250"), "{err}");
    assert_eq!(smtp.mails().len(), 0);
}

#[test]
fn a_configuration_that_can_send_no_mail_is_named_before_anything_is_read() {
    let bare = House::filled();
    let err = daily(&bare, &["--mail"]).bad(78);
    assert!(err.contains("has no [mail]"), "{err}");
    // `check` looks at the files
    let house = house(25, &format!("{LOGIN}ca_file = \"ca.pem\"\n"));
    fs::write(house.path("ca.pem"), "no certificate").expect("written");
    fs::write(house.path("smtp-password"), "one\ntwo\n").expect("written");
    let checked = || {
        let said = house.run(&["check"]);
        assert_eq!(said.code, Some(78), "{}", said.err);
        said.err
    };
    let err = checked();
    for told in [
        "mail.ca_file: ",
        "holds no certificate",
        "mail.password_file: ",
        "more than one line",
    ] {
        assert!(err.contains(told), "{told}: {err}");
    }
    assert!(!err.contains("two"), "{err}");
    let err = not_sent(&house, 78);
    assert!(err.contains("more than one line"), "{err}");
    fs::remove_file(house.path("smtp-password")).expect("removed");
    let err = checked();
    assert!(err.contains("mail.password_file"), "{err}");
    // a credential of the unit is there while it runs, and no longer: no matter for whoever checks
    let config = fs::read_to_string(house.path("provtaskd.toml")).expect("read");
    let config = config.replace("password_file = \"smtp-password\"", "credential = \"smtp\"");
    fs::write(house.path("provtaskd.toml"), config).expect("written");
    let err = checked();
    assert!(!err.contains("mail.password_file"), "{err}");
    let err = not_sent(&house, 78);
    assert!(err.contains("provtaskd-report.service/smtp"), "{err}");
}
