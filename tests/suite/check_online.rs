//! `check --online` through the real binary: each cause is named alone, with its remedy and its exit code, the login is tried once, and nothing is written.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Output};

use tokio_rustls::rustls;

use crate::client_stub::{Seen, Stub, http, json, page};
use crate::client_tls::{authority, listen, named, raw, serve, server};
use crate::survey_house::{House, WORLD};

/// An answer, the exit code, words of the error and of the hint.
type Case = (
    Vec<u8>,
    i32,
    &'static [&'static str],
    &'static [&'static str],
);

/// A directory with a configuration of this server.
fn house(origin: &str, more: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a directory");
    let config = format!(
        "[server]\norigin = \"{origin}\"\nlogin = \"ME\"\npassword_file = \"pw\"\nconnect_timeout = \"3s\"\nread_timeout = \"3s\"\n{more}\n[store]\ndir = \"store\"\n[admin]\nlisten = \"off\"\n"
    );
    fs::write(dir.path().join("provtaskd.toml"), config).expect("written");
    let password = dir.path().join("pw");
    fs::write(&password, "correct-horse-1").expect("written");
    fs::set_permissions(&password, fs::Permissions::from_mode(0o600)).expect("mode");
    dir
}

fn check(dir: &tempfile::TempDir) -> Output {
    Command::new(env!("CARGO_BIN_EXE_provtaskd"))
        .args(["check", "--online"])
        .current_dir(dir.path())
        .env_clear()
        .output()
        .expect("the binary runs")
}

/// One error and one hint with these words, and this exit code.
fn named_as(output: &Output, code: i32, error: &[&str], hint: &[&str]) {
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{said}");
    let lines = |start: &str| -> Vec<String> {
        let lines = said.lines().filter(|line| line.starts_with(start));
        lines.map(str::to_owned).collect()
    };
    let (errors, hints) = (lines("error: "), lines("hint: "));
    assert_eq!((errors.len(), hints.len()), (1, 1), "{said}");
    for word in error {
        assert!(errors[0].contains(word), "`{word}` is not in: {said}");
    }
    for word in hint {
        assert!(hints[0].contains(word), "`{word}` is not in: {said}");
    }
    assert!(!said.contains("correct-horse"), "{said}");
}

fn plain(status: &str, headers: &str, body: &str) -> Vec<u8> {
    http(status, headers, body)
}

async fn stub(reply: impl Fn(usize, &Seen) -> Vec<u8> + Send + Sync + 'static) -> Stub {
    Stub::start(reply).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_good_server_is_called_good_by_one_login() {
    let house = House::of(WORLD).await;
    let output = house.cli(&["check", "--online"]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    for part in [
        "may read the list, and sees tasks",
        "clocks agree",
        "does not look like a system administrator",
        "no write was tried",
        "X-Requested-By",
        "the account of its first task can be read",
    ] {
        assert!(said.contains(part), "`{part}`: {said}");
    }
    assert!(output.stderr.is_empty(), "{output:?}");
    house.nothing_was_written();
    // without the option the server is not asked
    let asked = house.requests(0).len();
    assert!(asked <= 7, "{asked}");
    house.done(&["check"]);
    assert_eq!(house.requests(0).len(), asked);
}

/// A server that can be worked with, of which nothing would be given: what waits because of that is said.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn accounts_that_can_not_be_read_are_a_warning_with_what_waits_for_them() {
    let faults = [
        ("people", "whether people's accounts are on can't be read"),
        ("read", "the tasks of an account can't be read"),
    ];
    for (on, what) in faults {
        let house = House::of(WORLD).await;
        let truth = house.sim.truth();
        let users = truth["users"].as_array().expect("users").iter();
        let paths: Vec<String> = match on {
            "people" => users
                .map(|user| format!("/users/{}", user["key"]))
                .collect(),
            _ => vec![String::new()],
        };
        let http = reqwest::Client::builder().no_proxy().build();
        let http = http.expect("a client");
        for path in paths {
            let fault =
                serde_json::json!({"do": "forbidden", "on": on, "path": path, "probability": 1.0});
            let act = http
                .post(format!("{}/sim/act", house.sim.origin()))
                .body(serde_json::json!({ "fault": fault }).to_string());
            assert_eq!(act.send().await.expect("an answer").status(), 200);
        }
        let output = house.cli(&["check", "--online"]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(0), "{said}");
        for words in [
            "warning: ",
            what,
            "403",
            "account_unknown",
            "revokes and disables go on",
        ] {
            assert!(said.contains(words), "{words}: {said}");
        }
        let good = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(!good.contains("of its first task"), "{good}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_system_administrator_is_warned_about() {
    let admin = WORLD.replace(
        "roles = [\"PROV OPERATORS\"]",
        "roles = [\"PROV OPERATORS\"]\nis_admin = true",
    );
    let house = House::of(&admin).await;
    let output = house.cli(&["check", "--online"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains("warning: system administrator: "), "{said}");
    assert!(said.contains("a lesser account does"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_password_is_named_tried_once_and_never_again() {
    let house = House::of(WORLD).await;
    house.password("not-the-password");
    let output = house.cli(&["check", "--online"]);
    named_as(
        &output,
        77,
        &["401", "PROVSVC"],
        &["password", "locks accounts"],
    );
    assert_eq!(house.requests(0).len(), 1);
    for args in [["check", "--online"].as_slice(), &["probe"]] {
        let output = house.cli(args);
        assert_eq!(output.status.code(), Some(77), "{output:?}");
    }
    assert_eq!(house.requests(0).len(), 1, "it was tried again");
    // a run that meets the stop makes it no younger, and is not through
    let since = |house: &House| {
        let output = house.cli(&["status", "--json"]);
        let status: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
        status["login_state"]["since"].clone()
    };
    let first = since(&house);
    assert!(first.is_string(), "{first}");
    for _ in 0..2 {
        let output = house.cli(&["run", "--once"]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(77), "{said}");
        assert!(said.contains("the one cycle has FAILED"), "{said}");
        assert!(!said.contains("is through"), "{said}");
        assert_eq!(since(&house), first);
    }
    assert_eq!(house.requests(0).len(), 1, "it was tried again");
    house.password("sim-password-1");
    house.done(&["check", "--online"]);
}

/// Each login is asked for itself, in the order of the file; a wrong password of a further one is named with
/// it, tried once by whatever command, and no reason to try the others more often.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn further_logins_are_asked_as_well_and_a_wrong_password_of_one_is_tried_once() {
    let further = "[[login]]\nlogin = \"SECOND\"\npassword = \"second-password-1\"\nroles = [\"PROV OPERATORS\"]\n";
    let world = WORLD.replacen("[[role]]", &format!("{further}[[role]]"), 1);
    let tables = "[[login]]\nlogin = \"SECOND\"\npassword_file = \"second\"\n";
    let house = House::with(&world, "", tables).await;
    let asked_as = |login: &str| {
        let all = house.requests(0);
        all.iter().filter(|row| row["login"] == login).count()
    };
    house.secret("second", "correct-horse-not");
    let output = house.cli(&["check", "--online"]);
    named_as(
        &output,
        77,
        &["401", "SECOND"],
        &["second", "locks accounts"],
    );
    let refused = |house: &House| {
        let all = house.requests(0);
        all.iter().filter(|row| row["status"] == 401).count()
    };
    assert_eq!(refused(&house), 1, "{:?}", house.requests(0));
    assert!(asked_as("PROVSVC") > 0, "{:?}", house.requests(0).last());
    named_as(&house.cli(&["check", "--online"]), 77, &["SECOND"], &[]);
    // an answer says on whose lists it rests, and on whose not
    let plan = house.done(&["plan"]);
    let plan = plan.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(plan.contains(" visible to PROVSVC, read "), "{plan}");
    let not_read = "NOT READ: the list of SECOND, and what only it sees is not in this answer: login SECOND is stopped";
    assert!(plan.contains(not_read), "{plan}");
    let once = house.cli(&["run", "--once"]);
    let said = String::from_utf8_lossy(&once.stderr).into_owned();
    let lists = "the one cycle rests on the lists of some logins only";
    assert!(said.contains(lists), "{said}");
    assert!(
        said.contains("not_read=SECOND: login SECOND is stopped"),
        "{said}"
    );
    // the daemon knows of it as well, and so does the order that ends it
    house.cli(&["run", "--once"]);
    assert_eq!(refused(&house), 1, "it was tried again");
    house.secret("second", "second-password-1");
    house.done(&["login", "clear"]);
    let said = house.done(&["check", "--online"]);
    for part in [
        "PROVSVC may read the list",
        "SECOND may read the list, and sees tasks",
        "SECOND does not look like a system administrator",
    ] {
        assert!(said.contains(part), "`{part}`: {said}");
    }
    assert_eq!(said.matches("clocks agree").count(), 1, "{said}");
    assert_eq!(refused(&house), 1);
    // all that are refused are named in one go
    house.secret("second", "correct-horse-not");
    house.password("battery-not");
    let both = house.cli(&["check", "--online"]);
    named_as(&both, 77, &["2 logins", "PROVSVC", "SECOND"], &["each"]);
    assert_eq!(refused(&house), 3);
}

#[test]
fn a_name_that_nobody_knows_and_a_port_that_nobody_listens_on() {
    let dir = house("https://no-such-host.invalid:14001", "");
    named_as(
        &check(&dir),
        69,
        &["name resolution", "no-such-host.invalid"],
        &["server.origin"],
    );
    // a port that was free a moment ago
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = free.local_addr().expect("an address").port();
    drop(free);
    let dir = house(&format!("http://127.0.0.1:{port}"), "");
    named_as(
        &check(&dir),
        69,
        &["connection refused", &port.to_string()],
        &["14000"],
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn statuses_and_pages_of_front_ends_have_each_their_cause() {
    let html = "Content-Type: text/html\r\n";
    let form = "<!DOCTYPE html><html><form><input type=password></form></html>";
    let cases: [Case; 8] = [
        (
            plain("403 Forbidden", "", ""),
            77,
            &["403", "ME"],
            &["self service"],
        ),
        (
            plain("404 Not Found", html, "<html>nothing</html>"),
            78,
            &["wrong path"],
            &["server.api_path"],
        ),
        (
            plain("404 Not Found", "Content-Type: application/json\r\n", "{}"),
            78,
            &["wrong path"],
            &["server.api_path"],
        ),
        (
            plain(
                "302 Found",
                "Location: https://sso.example.com/oam/login?x=1\r\n",
                "",
            ),
            78,
            &["login page", "sso.example.com"],
            &["front end", "server.origin"],
        ),
        (
            plain("200 OK", html, form),
            78,
            &["login page", "HTML"],
            &["front end"],
        ),
        (
            json("{\"hello\":\"world\"}"),
            78,
            &["wrong path", "no list of tasks"],
            &["host, port"],
        ),
        (
            json("not json at all"),
            78,
            &["wrong path"],
            &["host, port"],
        ),
        (
            plain("503 Service Unavailable", html, "<html>busy</html>"),
            69,
            &["503"],
            &["log"],
        ),
    ];
    for (answer, code, error, hint) in cases {
        let stub = stub(move |_, _| answer.clone()).await;
        let output = check(&house(&stub.origin(), ""));
        named_as(&output, code, error, hint);
        assert_eq!(stub.seen().len(), 1, "{error:?}: asked again");
        assert_eq!(stub.seen()[0].method, "GET");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_token_service_has_its_own_wrong_path() {
    let stub = stub(|_, seen| match seen.method.as_str() {
        "POST" => plain("404 Not Found", "", ""),
        _ => page(1..2, false, None),
    })
    .await;
    let output = check(&house(&stub.origin(), "auth = \"bearer\""));
    named_as(
        &output,
        78,
        &["token service"],
        &["server.token_path", "basic"],
    );
}

/// A front end that removes a header is no fault of the server.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_header_that_is_removed_on_the_way_is_named() {
    let missing = "The X-Requested-By header is missing.";
    let bodies = [
        plain("400 Bad Request", "Content-Type: text/plain\r\n", missing),
        plain(
            "400 Bad Request",
            "Content-Type: application/json\r\n",
            &format!("{{\"status\":400,\"message\":\"{missing}\"}}"),
        ),
    ];
    for body in bodies {
        for auth in ["basic", "bearer"] {
            let answer = body.clone();
            let stub = stub(move |_, _| answer.clone()).await;
            let output = check(&house(&stub.origin(), &format!("auth = \"{auth}\"")));
            named_as(
                &output,
                78,
                &["missing header", "400", "X-Requested-By"],
                &["front end", "let X-Requested-By through"],
            );
            assert_eq!(stub.seen().len(), 1, "asked again");
            let method = if auth == "bearer" { "POST" } else { "GET" };
            assert_eq!(stub.seen()[0].method, method);
            assert!(stub.seen()[0].headers.contains_key("x-requested-by"));
        }
    }
    // a page of 400 that repeats the request proves nothing
    let repeated = plain(
        "400 Bad Request",
        "Content-Type: text/plain\r\n",
        "bad request: X-Requested-By: provtaskd",
    );
    let stub = stub(move |_, _| repeated.clone()).await;
    let output = check(&house(&stub.origin(), ""));
    named_as(&output, 69, &["400"], &["look at the server"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clocks_that_differ_are_told_with_their_sign() {
    for (skew, side) in [(-3_600, "behind"), (600, "ahead of")] {
        let world = format!("{WORLD}[traits]\nclock_skew_secs = {skew}\n");
        let house = House::of(&world).await;
        named_as(
            &house.cli(&["check", "--online"]),
            1,
            &["clock", side],
            &["NTP"],
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_hangs_is_told_from_one_that_is_away() {
    let world = format!("{WORLD}[[fault]]\ndo = \"hang\"\non = \"list\"\nprobability = 1.0\n");
    let house = House::with(&world, "read_timeout = \"1s\"", "").await;
    named_as(
        &house.cli(&["check", "--online"]),
        69,
        &["no answer within 1 s"],
        &["server.read_timeout"],
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_with_tls_is_named() {
    let trusted = authority();
    let of = |port: u16| {
        let dir = house(&format!("https://localhost:{port}"), "ca_file = \"ca.pem\"");
        fs::write(dir.path().join("ca.pem"), &trusted.pem).expect("written");
        dir
    };
    let good = serve(&trusted, "localhost").await;
    let said = check(&of(good));
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    let found = "TLS 1.3: the certificate, issued by First Test Authority, holds until 4096-01-01";
    assert!(said.contains(found), "{said}");
    let stranger = serve(&named("Second Test Authority"), "localhost").await;
    named_as(
        &check(&of(stranger)),
        69,
        &["neither in server.ca_file"],
        &["mend"],
    );
    let other = serve(&trusted, "oig.example.com").await;
    named_as(&check(&of(other)), 69, &["another host name"], &["mend"]);
    let old = raw(b"\x15\x03\x01\x00\x02\x02\x46").await;
    named_as(&check(&of(old)), 69, &["TLS 1.2"], &["mend"]);
    let http = raw(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
    named_as(&check(&of(http)), 69, &["not with TLS"], &["mend"]);
    // and the other way round
    let config = server(&trusted, "localhost", None, rustls::DEFAULT_VERSIONS);
    let (port, _) = listen(config).await;
    let dir = house(&format!("http://127.0.0.1:{port}"), "");
    named_as(&check(&dir), 69, &["broke the connection"], &["https://"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn traits_are_held_against_the_configuration() {
    let world = format!("{WORLD}[server]\nlimit_max = 40\n");
    let house = House::of(&world).await;
    house.done(&["probe"]);
    let warned = |house: &House| {
        let output = house.cli(&["check"]);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let said = warned(&house);
    assert!(said.contains("the server gives at most 40"), "{said}");
    let file = house.dir.path().join("store/traits.json");
    let kept = fs::read_to_string(&file).expect("kept");
    fs::write(&file, kept.replace("127.0.0.1", "127.0.0.2")).expect("written");
    let said = warned(&house);
    assert!(
        said.contains("server.traits") && said.contains("127.0.0.2"),
        "{said}"
    );
    fs::write(&file, "{}").expect("written");
    let said = warned(&house);
    assert!(said.contains("no traits file"), "{said}");
}

/// A daemon works on with the password that it has read at start, while a new, wrong one lies in the file;
/// commands that read the file anew try it once, not once a cycle of the daemon's (invariant 12).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_daemon_that_works_with_the_old_password_forgets_no_stop_of_the_new_one() {
    let mut drill = crate::drill::Setup::of(WORLD).start().await;
    drill.daemon();
    drill.run_for("10m").await;
    drill.password("mistyped");
    let refused = |drill: &crate::drill::Drill| {
        let journal = drill.journal();
        journal.iter().filter(|row| row["status"] == 401).count()
    };
    let mut counts = Vec::new();
    for _ in 0..5 {
        let out = drill.cli(&["check", "--online"]);
        assert_eq!(out.status.code(), Some(77), "{out:?}");
        counts.push(refused(&drill));
        drill.run_for("10m").await;
    }
    assert_eq!(
        counts, [1; 5],
        "the same wrong password was tried again and again"
    );
    drill.expect.wrong_secrets = 1;
    let left = drill.count("healable_open");
    drill.judge_leaving(left).await;
}

/// What is wrong with the policies keeps nobody from asking the server: both are told.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn policies_whose_cases_fail_keep_nobody_from_asking_the_server() {
    let house = House::with(WORLD, "", "[policy]\ndir = \"own\"\n").await;
    let write = |name: &str, text: &str| {
        fs::create_dir_all(house.dir.path().join("own")).expect("made");
        fs::write(house.dir.path().join("own").join(name), text).expect("written");
    };
    let case = "[[case]]\nname = \"not so\"\nexpect = { verdict = \"retry\" }\n";
    write("10-a.rhai", "fn decide(task, facts) { leave(\"all\") }\n");
    write("10-a.test.toml", case);
    let ran = |code| {
        let output = house.cli(&["check", "--online"]);
        let told = String::from_utf8_lossy(&output.stdout).into_owned();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{told}{said}");
        (told, said)
    };
    let (told, said) = ran(1);
    assert!(told.contains(": good; "), "the server: {told}");
    assert!(!told.contains("good ("), "the policies are not: {told}");
    assert!(said.contains("10-a.test.toml:1: not so"), "{said}");
    // nor does one that is broken
    write("10-a.rhai", "fn decide(task, facts) { leave( }\n");
    let (told, said) = ran(78);
    assert!(told.contains(": good; "), "{told}");
    assert!(said.contains("10-a.rhai:1:"), "{said}");
    house.nothing_was_written();
    // both are wrong
    write("10-a.rhai", "fn decide(task, facts) { leave(\"all\") }\n");
    house.password("another-horse-2");
    let (told, said) = ran(1);
    assert!(!told.contains(": good; "), "{told}");
    for words in ["10-a.test.toml:1: not so", "refused"] {
        assert!(said.contains(words), "`{words}`: {said}");
    }
    assert_eq!(said.matches("error: ").count(), 2, "{said}");
}
