//! The configuration file as an admin meets it: what is accepted, what is said about mistakes, and that docs and examples are true.

use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::SignedDuration;
use provtaskd::config::{Env, Finding, Loaded, Overrides, docs, parse, raw};
use provtaskd::model::settings::{LogFormat, Schedule};
use provtaskd::model::{ActionName, Kind, Mode, TargetName};

const MINIMAL: &str = "[server]\norigin = \"https://oig.example.com:14001\"\nlogin = \"ProvTaskD\"\npassword_file = \"password\"\n";

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn with(text: &str) -> Result<Loaded, Vec<Finding>> {
    parse(
        text,
        Path::new("/etc/provtaskd/provtaskd.toml"),
        &Env::default(),
        &Overrides::default(),
    )
}

fn findings(text: &str) -> Vec<Finding> {
    with(text).err().unwrap_or_default()
}

/// Compares a file with what the code says; `UPDATE_DOCS=1` writes it instead.
pub fn same_as_file(path: &Path, made: &str) {
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(path, made).expect("written");
    }
    let have = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        have == made,
        "{} differs from the code; run UPDATE_DOCS=1 cargo test --test suite config and read the change",
        path.display()
    );
}

/// Replaces what stands between two marker lines.
pub fn between(path: &Path, name: &str, made: &str) -> String {
    let text = std::fs::read_to_string(path).expect("the document");
    let (open, close) = (format!("<!-- {name} -->\n"), format!("<!-- /{name} -->"));
    let (head, rest) = text.split_once(&open).expect("the opening marker");
    let (_, tail) = rest.split_once(&close).expect("the closing marker");
    format!("{head}{open}{made}{close}{tail}")
}

#[test]
fn the_minimal_file_has_safe_defaults() {
    let settings = with(MINIMAL).expect("valid").settings;
    assert_eq!(settings.modes.global, Mode::Observe);
    assert_eq!(settings.server.login.as_str(), "PROVTASKD");
    assert_eq!(settings.server.login_as_written, "ProvTaskD");
    assert_eq!(
        settings.server.password_file,
        Path::new("/etc/provtaskd/password")
    );
    assert_eq!(
        settings.delivery.settle_after,
        SignedDuration::from_mins(15)
    );
    assert_eq!(settings.governor.default.batch_start, 1);
    assert_eq!(
        settings.governor.default.batch_time,
        Duration::from_secs(200)
    );
    assert_eq!(
        settings.admin.socket,
        Path::new("/var/lib/provtaskd/control.sock")
    );
    assert!(settings.admin.listen.expect("on").ip().is_loopback());
    assert_eq!(settings.schedule.business_hours.get(&1), Some(&(480, 1080)));
    assert_eq!(settings.schedule.business_hours.get(&7), None);
}

#[test]
fn the_full_example_holds_every_key_with_its_default() {
    let full = docs::full_example();
    same_as_file(&root().join("examples/full.toml"), &full);
    let required: String = "[server]\n".to_owned()
        + raw::ServerRaw::SECTION
            .keys
            .iter()
            .filter_map(|key| match key.fill {
                raw::Fill::Required(value) => Some(format!("{} = {value}\n", key.name)),
                _ => None,
            })
            .collect::<String>()
            .as_str();
    let by_file = with(&full).expect("the full example is valid").settings;
    let by_default = with(&required).expect("valid").settings;
    assert_eq!(format!("{by_file:#?}"), format!("{by_default:#?}"));
}

#[test]
fn examples_of_optional_keys_are_accepted() {
    let without_alternatives = ["credential", "cron"];
    let uncommented: String = docs::full_example()
        .lines()
        .filter(|line| {
            !without_alternatives
                .iter()
                .any(|k| line.starts_with(&format!("#{k} ")))
        })
        .map(|line| {
            let key = line.strip_prefix('#').filter(|rest| !rest.starts_with(' '));
            format!("{}\n", key.unwrap_or(line))
        })
        .collect();
    let settings = with(&uncommented).expect("every example is valid").settings;
    assert!(settings.server.allow_plain_http);
    let own = settings
        .governor
        .targets
        .get(&TargetName::new("Active Directory"));
    assert_eq!(own.map(|limits| limits.per_minute), Some(30));
}

#[test]
fn the_manual_lists_every_key() {
    let path = root().join("docs/configuration.md");
    same_as_file(&path, &between(&path, "keys", &docs::key_tables()));
}

#[test]
fn the_starting_example_is_valid() {
    let text =
        std::fs::read_to_string(root().join("examples/provtaskd.toml")).expect("the example");
    let loaded = with(&text).expect("valid");
    assert_eq!(loaded.settings.modes.global, Mode::Observe);
    assert_eq!(loaded.warnings, []);
}

#[test]
fn all_mistakes_come_at_once_with_key_line_and_what_to_do() {
    let text = "[server]\norigin = \"http://oig.example.com\"\nlogin = 7\npagesize = 3\npage_size = 0\n\n[delivery]\nsettle_after = \"5s\"\n[admin]\nlisten = \"0.0.0.0:80\"\n[mode]\nglobal = \"on\"\n[schedule]\ncron = \"*/10 * * * *\"\n[governor.targets.\"A D\"]\nbatch_max = \"many\"\n";
    let found = findings(text);
    let at = |key: &str| {
        found
            .iter()
            .find(|f| f.key == key)
            .unwrap_or_else(|| panic!("{key} is missing in {found:#?}"))
    };
    assert_eq!(at("server.origin").line, Some(2));
    assert_eq!(at("server.login").line, Some(3));
    assert_eq!(at("server.pagesize").hint, "did you mean `page_size`?");
    assert_eq!(at("server.page_size").line, Some(5));
    assert!(at("server.password_file").what.contains("missing"));
    assert_eq!(at("delivery.settle_after").line, Some(8));
    assert!(at("admin.listen").what.contains("loopback"));
    assert!(at("mode.global").hint.contains("enforce"));
    assert_eq!(at("schedule.cron").line, Some(14));
    assert_eq!(
        at("schedule.cron").hint,
        "write `cron = [\"*/10 * * * *\"]`"
    );
    let many = at("governor.targets.\"A D\".batch_max");
    assert_eq!(many.line, Some(16));
    assert!(many.hint.contains("`batch_max = "), "{many}");
    for finding in &found {
        assert!(!finding.hint.is_empty(), "no hint: {finding}");
    }
}

#[test]
fn a_password_in_the_file_is_refused_and_never_repeated() {
    let secret = "hunter2-and-more";
    let texts = [
        format!("{MINIMAL}password = \"{secret}\"\n"),
        // a slip on the same line must not print the line
        format!("{MINIMAL}password = \"{secret}\n"),
        MINIMAL.replace("https://", &format!("https://me:{secret}@")),
        format!("{MINIMAL}proxy = \"http://me:{secret}@proxy:3128\"\n"),
        MINIMAL.replace("https://", &format!("ldap://me:{secret}@")),
    ];
    for text in texts {
        let found = findings(&text);
        assert!(!found.is_empty(), "accepted: {text}");
        let said = format!("{found:?}");
        assert!(!said.contains(secret), "{said}");
    }
    let found = findings(&format!("{MINIMAL}password = \"{secret}\"\n"));
    assert!(
        found
            .iter()
            .any(|f| f.hint.contains("password_file") && f.line == Some(5)),
        "{found:?}"
    );
}

#[test]
fn the_command_line_wins_and_moves_the_socket_along() {
    let overrides = Overrides {
        store: Some(PathBuf::from("/tmp/other")),
        socket: None,
        log_format: Some(LogFormat::Json),
    };
    let path = Path::new("/etc/provtaskd.toml");
    let settings = parse(MINIMAL, path, &Env::default(), &overrides)
        .expect("valid")
        .settings;
    assert_eq!(settings.store.dir, Path::new("/tmp/other"));
    assert_eq!(settings.admin.socket, Path::new("/tmp/other/control.sock"));
    assert_eq!(settings.log.format, LogFormat::Json);
}

#[test]
fn a_systemd_credential_is_found_where_systemd_says() {
    let text = MINIMAL.replace("password_file = \"password\"", "credential = \"oig\"");
    let env = Env {
        credentials_directory: Some(PathBuf::from("/run/credentials/x.service")),
        ..Env::default()
    };
    let path = Path::new("/etc/provtaskd.toml");
    let settings = parse(&text, path, &env, &Overrides::default())
        .expect("valid")
        .settings;
    assert_eq!(
        settings.server.password_file,
        Path::new("/run/credentials/x.service/oig")
    );
}

#[test]
fn tables_reach_the_settings() {
    let text = format!(
        "{MINIMAL}[schedule]\ncron = [\"*/5 * * * *\"]\nzone = \"Europe/Berlin\"\nbusiness_hours = {{ sat = \"09:00-12:30\" }}\n[mode]\nglobal = \"enforce\"\nactions = {{ reassign = \"observe\" }}\n[policy.kinds]\n\"*/Create *\" = \"create\"\n\"AD/Create Special\" = \"grant\"\n[governor.default]\nper_minute = 10\n[governor.targets.AD]\nbatch_max = 3\n"
    );
    let settings = with(&text).expect("valid").settings;
    assert_eq!(
        settings.schedule.when,
        Schedule::Cron(vec!["*/5 * * * *".to_owned()])
    );
    assert_eq!(settings.schedule.business_hours.get(&6), Some(&(540, 750)));
    assert_eq!(settings.schedule.business_hours.len(), 1);
    assert_eq!(
        settings.modes.actions.get(&ActionName::Reassign),
        Some(&Mode::Observe)
    );
    // the more exact pattern is asked first
    assert_eq!(
        settings.policy.kinds[0],
        ("AD/Create Special".to_owned(), Kind::Grant)
    );
    let own = &settings.governor.targets[&TargetName::new("AD")];
    assert_eq!((own.batch_max, own.per_minute), (3, 10));
}

/// Larger batches than the usual ones are allowed, and told with the reason.
#[test]
fn a_batch_beyond_the_usual_is_warned_of() {
    let warned = |tables: &str| -> Vec<String> {
        let loaded = with(&format!("{MINIMAL}{tables}")).expect("valid");
        let warnings = loaded.warnings.iter();
        warnings.map(|finding| finding.to_string()).collect()
    };
    assert!(warned("[governor.default]\nbatch_max = 25\n").is_empty());
    let found = warned(
        "[governor.default]\nbatch_max = 26\nbatch_start = 26\n[governor.targets.AD]\nper_minute = 3\n",
    );
    assert_eq!(found.len(), 1, "{found:?}");
    for part in [
        "governor.default.batch_max",
        "26 is more than 25",
        "in doubt",
    ] {
        assert!(found[0].contains(part), "{found:?}");
    }
    let found = warned("[governor.targets.AD]\nbatch_max = 500\n");
    assert!(
        found[0].contains("governor.targets.AD.batch_max"),
        "{found:?}"
    );
    assert_eq!(found.len(), 1, "{found:?}");
}

/// It stands for no target, and everything would be enforced; the asterisk alone is every target that is not named.
#[test]
fn a_mode_of_targets_takes_no_pattern() {
    let text = |name: &str| format!("{MINIMAL}[mode.targets]\n\"{name}\" = \"observe\"\n");
    for name in ["AD", "*"] {
        assert!(with(&text(name)).is_ok(), "{name}");
    }
    let found = findings(&text("AD*"));
    assert!(
        found.iter().any(|of| of.what.contains("named in full")),
        "{found:?}"
    );
}

#[test]
fn plain_http_needs_the_whole_sentence() {
    let remote = MINIMAL.replace("https://oig.example.com:14001", "http://oig.example.com");
    assert!(!findings(&remote).is_empty());
    assert!(!findings(&format!("{remote}plain_http = \"yes\"\n")).is_empty());
    let sentence = "plain_http = \"I accept that passwords cross the network unencrypted\"\n";
    assert!(with(&format!("{remote}{sentence}")).is_ok());
    let local = MINIMAL.replace("https://oig.example.com:14001", "http://127.0.0.1:8080");
    assert!(with(&local).is_ok());
}

#[test]
fn nothing_that_is_written_makes_it_panic() {
    use proptest::prelude::*;
    let keys: Vec<String> = raw::SECTIONS
        .iter()
        .flat_map(|s| s.keys.iter().map(|k| format!("{}.{}", s.path, k.name)))
        .collect();
    let value = prop_oneof![
        any::<i64>().prop_map(|n| n.to_string()),
        any::<f64>()
            .prop_filter("TOML", |f| f.is_finite())
            .prop_map(|f| format!("{f:?}")),
        "[ -~]{0,20}".prop_map(|s| format!("{s:?}")),
        "[0-9]{1,3}[smhd:-]{1,2}[0-9]{0,3}".prop_map(|s| format!("{s:?}")),
        Just("[]".to_owned()),
        Just("{ a = 1 }".to_owned()),
        Just("true".to_owned()),
    ];
    let line = (proptest::sample::select(keys), value);
    proptest!(ProptestConfig::with_cases(300), |(lines in proptest::collection::vec(line, 0..6))| {
        let text: String = lines.iter().map(|(k, v)| format!("{k} = {v}\n")).collect();
        // required keys are missing in most of these, so the result is findings; it must not be a panic
        let _ = with(&text);
    });
}

/// What is found with these lines in `[mail]`, as key and text.
fn of_mail(lines: &str) -> Vec<(String, String)> {
    let text = format!("{MINIMAL}[mail]\n{lines}");
    let found = findings(&text).into_iter();
    found.map(|f| (f.key.clone(), f.to_string())).collect()
}

#[test]
fn mail_is_off_until_a_server_is_named_and_then_whole() {
    use provtaskd::model::settings::MailTls;
    assert_eq!(with(MINIMAL).expect("valid").settings.mail, None);
    let whole = "server = \"smtp.example.com:587\"\nfrom = \"a@example.com\"\nto = [\"Bea <b@example.com>\"]\n";
    assert_eq!(of_mail(whole), []);
    let text = format!("{MINIMAL}[mail]\n{whole}");
    let mail = with(&text).expect("valid").settings.mail.expect("on");
    assert_eq!((mail.host.as_str(), mail.port), ("smtp.example.com", 587));
    assert_eq!(mail.tls, MailTls::StartTls, "encrypted by default");
    assert_eq!(mail.timeout, Duration::from_secs(60));
    // IPv6, and what is plain on this machine
    let local = whole.replace("smtp.example.com:587", "[::1]:25") + "tls = \"none\"\n";
    let text = format!("{MINIMAL}[mail]\n{local}");
    let mail = with(&text).expect("valid").settings.mail.expect("on");
    assert_eq!((mail.host.as_str(), mail.tls), ("::1", MailTls::None));
}

#[test]
fn a_password_in_a_configuration_is_to_be_changed() {
    for table in ["", "[mail]\n"] {
        let found = findings(&format!("{MINIMAL}{table}password = \"hunter2\"\n"));
        let said = found.iter().find(|of| of.key.ends_with("password"));
        let said = said.unwrap_or_else(|| panic!("{found:?}"));
        assert!(said.hint.contains("change the password"), "{said:?}");
        assert!(!format!("{found:?}").contains("hunter2"), "{found:?}");
    }
}

#[test]
fn what_is_wrong_with_mail_is_said_with_its_key() {
    let whole =
        "server = \"smtp.example.com:587\"\nfrom = \"a@example.com\"\nto = [\"b@example.com\"]\n";
    let cases: [(String, &str, &str); 13] = [
        (
            "from = \"a@example.com\"".to_owned(),
            "mail.server",
            "is missing",
        ),
        (
            "server = \"localhost:25\"\nto = [\"b@example.com\"]".to_owned(),
            "mail.from",
            "is missing",
        ),
        (
            "server = \"localhost:25\"\nfrom = \"b@example.com\"".to_owned(),
            "mail.to",
            "is missing",
        ),
        (
            whole.replace("[\"b@example.com\"]", "[]"),
            "mail.to",
            "names 0 recipients",
        ),
        (
            whole.replace("b@example.com", "b@"),
            "mail.to",
            "`b@` is not a mail address",
        ),
        (
            whole.replace("b@example.com", "b@example.com\\r\\nBcc: x@example.com"),
            "mail.to",
            "is not a mail address",
        ),
        (
            whole.replace("a@example", "ä@example"),
            "mail.from",
            "is not a mail address",
        ),
        (
            whole.replace(":587", ""),
            "mail.server",
            "is not a host and a port",
        ),
        (
            whole.replace("smtp.example.com:587", "smtp://x:secret@h:25"),
            "mail.server",
            "is not a host and a port",
        ),
        (
            format!("{whole}tls = \"none\""),
            "mail.tls",
            "on another machine",
        ),
        (format!("{whole}tls = \"ssl\""), "mail.tls", "is not known"),
        (
            format!("{whole}login = \"x\""),
            "mail.login",
            "stands without",
        ),
        (
            format!("{whole}password_file = \"x\""),
            "mail.login",
            "is missing",
        ),
    ];
    for (lines, key, what) in cases {
        let found = of_mail(&lines);
        let hit = found
            .iter()
            .any(|(at, text)| at == key && text.contains(what));
        assert!(hit, "{lines}: {found:?}");
        assert!(!format!("{found:?}").contains("secret"), "{found:?}");
        // each with what to do
        assert!(
            found.iter().all(|(_, text)| text.contains('(')),
            "{found:?}"
        );
    }
}

/// A request that is given up must not count as settled in that moment.
#[test]
fn a_write_that_may_last_longer_than_its_settling_is_refused() {
    let refused = |server: &str, after: &str| {
        let text = format!("{MINIMAL}{server}\n[delivery]\nsettle_after = \"{after}\"\n");
        let found = with(&text).err().unwrap_or_default();
        found
            .iter()
            .any(|finding| finding.key == "delivery.settle_after")
    };
    assert!(refused("", "9m") && refused("write_timeout = \"20m\"", "15m"));
    assert!(!refused("", "10m") && !refused("write_timeout = \"15m\"", "15m"));
}

#[test]
fn further_logins_take_the_server_as_it_is_and_stand_there_once() {
    let second = "[[login]]\nlogin = \"Second\"\npassword_file = \"second\"\nreads_per_minute = 30\nevery = \"1h\"\n";
    let settings = with(&format!("{MINIMAL}{second}")).expect("valid").settings;
    let [of] = settings.logins.as_slice() else {
        panic!("one further login: {:#?}", settings.logins);
    };
    assert_eq!(of.server.login.as_str(), "SECOND");
    assert_eq!(of.server.origin, settings.server.origin);
    assert_eq!(of.server.password_file, Path::new("/etc/provtaskd/second"));
    let reads = (of.server.reads_per_minute, settings.server.reads_per_minute);
    assert_eq!(reads, (30, 600));
    assert_eq!(of.every, Some(SignedDuration::from_hours(1)));
    let said = |text: &str| -> Vec<String> {
        let found = findings(&format!("{MINIMAL}{text}"));
        found.iter().map(ToString::to_string).collect()
    };
    let own = said("[[login]]\nlogin = \"provtaskd\"\npassword_file = \"p\"\n");
    assert!(
        own[0].contains("login.0.login") && own[0].contains("configured already"),
        "{own:?}"
    );
    assert!(
        own[0].contains("line 6") || own[0].contains(":6"),
        "{own:?}"
    );
    let twice = said(&second.repeat(2));
    assert!(twice[0].contains("login.1.login"), "{twice:?}");
    let none = said("[[login]]\nlogin = \"B\"\npasword_file = \"p\"\npassword = \"secret\"\n");
    let all = none.join("\n");
    assert!(
        all.contains("login.0.password_file") && all.contains("did you mean `password_file`"),
        "{all}"
    );
    assert!(
        all.contains("must not stand in the configuration") && !all.contains("secret\""),
        "{all}"
    );
    let many: String = (0..9)
        .map(|n| format!("[[login]]\nlogin = \"B{n}\"\npassword_file = \"p{n}\"\n"))
        .collect();
    assert!(said(&many)[0].contains("9 times"));
}

/// Names of targets are taken in any case: two that differ in it alone can't both hold.
#[test]
fn targets_that_differ_in_case_alone_are_named() {
    for lines in [
        "[governor.targets.AD]\nper_minute = 3\n[governor.targets.ad]\nper_minute = 4\n",
        "[policy]\nfulfilment_roles = { \"Öl\" = \"ONE\", \"öl\" = \"TWO\" }\n",
    ] {
        let found = findings(&format!("{MINIMAL}{lines}"));
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].what.contains("in another case"), "{found:?}");
    }
    let modes = "[mode.targets]\nAD = \"observe\"\nad = \"enforce\"\n";
    let loaded = with(&format!("{MINIMAL}{modes}")).expect("the lowest holds");
    assert_eq!(loaded.warnings.len(), 1, "{:?}", loaded.warnings);
    let apart = "[governor.targets.AD]\nper_minute = 3\n[governor.targets.AD2]\nper_minute = 4\n";
    assert!(with(&format!("{MINIMAL}{apart}")).is_ok());
}
