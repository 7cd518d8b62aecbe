//! What the packages are made of: man pages in step with the command line, files that exist, and scripts that start nothing and never delete a store.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use provtaskd::cli;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// File name and text of the page of a command and of all below it.
fn pages(command: &clap::Command, out: &mut BTreeMap<String, String>) {
    // the version would make every page differ with each release
    let name = command.get_display_name().unwrap_or(command.get_name());
    let man = clap_mangen::Man::new(command.clone())
        .title(name.to_uppercase())
        .source("provtaskd")
        .manual("Commands of provtaskd");
    let mut text = Vec::new();
    for part in [
        clap_mangen::Man::render_title,
        clap_mangen::Man::render_name_section,
        clap_mangen::Man::render_synopsis_section,
        clap_mangen::Man::render_description_section,
        clap_mangen::Man::render_options_section,
    ] {
        part(&man, &mut text).expect("written to memory");
    }
    if command.has_subcommands() {
        man.render_subcommands_section(&mut text)
            .expect("written to memory");
    }
    out.insert(format!("{name}.1"), String::from_utf8(text).expect("UTF-8"));
    for sub in command.get_subcommands().filter(|s| s.get_name() != "help") {
        pages(sub, out);
    }
}

#[test]
fn the_man_pages_are_those_of_the_command_line() {
    let mut command = cli::definition().disable_help_subcommand(true);
    command.build();
    let mut made = BTreeMap::new();
    pages(&command, &mut made);
    for path in cli::commands() {
        let file = format!("provtaskd-{}.1", path.replace(' ', "-"));
        assert!(made.contains_key(&file), "{file} is not made");
    }
    let dir = root().join("packaging/man");
    for (name, text) in &made {
        super::config::same_as_file(&dir.join(name), text);
    }
    for entry in fs::read_dir(&dir).expect("packaging/man") {
        let name = entry.expect("an entry").file_name();
        let name = name.to_str().expect("UTF-8");
        assert!(
            made.contains_key(name),
            "packaging/man/{name} is of no command: remove it"
        );
    }
}

#[test]
fn what_the_packages_are_built_of_is_there() {
    let build = read("packaging/build");
    let first = [
        "README.md",
        "CHANGELOG.md",
        "LICENSE",
        "docs/",
        "policies/",
        "examples/",
        "packaging/scripts/",
        "packaging/man/",
    ];
    let code = build.lines().filter(|line| {
        let line = line.trim_start();
        ["install ", "cp ", "for page", "examples/"]
            .iter()
            .any(|word| line.starts_with(word))
    });
    let mut seen = Vec::new();
    for word in code.flat_map(str::split_whitespace) {
        let word = word.trim_matches(|c| matches!(c, '"' | ';'));
        if first.iter().any(|start| word.starts_with(start)) {
            let path = word.split(['*', '$']).next().unwrap_or(word);
            assert!(root().join(path).exists(), "packaging/build names {word}");
            seen.push(path.to_owned());
        }
    }
    for start in first {
        assert!(
            seen.iter().any(|path| path.starts_with(start)),
            "{start} is not packed: {seen:?}"
        );
    }
    // one source of truth for what the system reads
    for file in [
        "provtaskd.service",
        "sysusers.d/provtaskd.conf",
        "tmpfiles.d/provtaskd.conf",
    ] {
        assert!(seen.contains(&format!("examples/deploy/{file}")), "{file}");
    }
    let others: Vec<_> = fs::read_dir(root().join("packaging"))
        .expect("packaging")
        .map(|entry| entry.expect("an entry").file_name())
        .filter(|name| Path::new(name).extension().is_some())
        .collect();
    assert!(others.is_empty(), "a second source: {others:?}");
    let sysusers = read("examples/deploy/sysusers.d/provtaskd.conf");
    let user = sysusers
        .lines()
        .find(|line| line.starts_with("u "))
        .expect("a user");
    assert!(
        read("packaging/scripts/preinst").contains(&format!("echo '{user}'")),
        "preinst makes another user than {user}"
    );
}

/// A root of its own for the scripts, with commands that only write down how they were called.
struct Host {
    dir: tempfile::TempDir,
}

impl Host {
    fn new() -> Self {
        let host = Self {
            dir: tempfile::tempdir().expect("a directory"),
        };
        fs::create_dir_all(host.path("run/systemd/system")).expect("made");
        fs::create_dir_all(host.path("var/lib")).expect("made");
        fs::create_dir_all(host.path("etc/provtaskd")).expect("made");
        fs::write(host.path("etc/provtaskd/provtaskd.toml"), "").expect("written");
        for (name, body) in [
            (
                "systemctl",
                r#"[ "$1" != is-active ] || [ -n "$RUNS" ] || exit 3"#,
            ),
            ("provtaskd", r#"[ -z "$SPOILT" ] || exit 78"#),
            ("getent", "exit 2"),
            ("systemd-sysusers", "cat >/dev/null"),
            ("chown", ""),
            ("chgrp", ""),
        ] {
            let file = host.path("bin").join(name);
            fs::create_dir_all(host.path("bin")).expect("made");
            // written by another process: while a descriptor of ours is open for writing, a child that another
            // test starts in that moment has it too, the kernel refuses to run the file ("text file busy"), and
            // the shell takes the real command instead
            let text = format!("#!/bin/sh\necho \"{name} $*\" >>\"$CALLS\"\n{body}\n");
            let write = "printf '%s' \"$2\" >\"$1\" && chmod 755 \"$1\"";
            let file = file.display().to_string();
            let args = ["-c", write, "sh", &file, &text];
            let written = Command::new("sh").args(args).status();
            assert!(written.expect("a shell").success());
        }
        host
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Runs one script inside the root: what it said, and which commands it called.
    fn run(&self, script: &str, args: &[&str], set: &[&str]) -> (String, String) {
        let mut text = read(&format!("packaging/scripts/{script}"));
        for dir in ["/etc/provtaskd", "/var/lib/provtaskd", "/run/systemd"] {
            text = text.replace(dir, &self.path(&dir[1..]).display().to_string());
        }
        let calls = self.path("calls");
        fs::write(&calls, "").expect("written");
        let mut command = Command::new("sh");
        command
            .args(["-c", &text, script])
            .args(args)
            .env_clear()
            .env(
                "PATH",
                format!("{}:/usr/bin:/bin", self.path("bin").display()),
            )
            .env("CALLS", &calls);
        for name in set {
            command.env(name, "yes");
        }
        let output = command.output().expect("a shell");
        let said = format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        assert!(output.status.success(), "{script} {args:?}: {said}");
        (said, fs::read_to_string(&calls).expect("the calls"))
    }
}

#[test]
fn an_installation_makes_the_user_and_the_store_and_starts_nothing() {
    for (pre, post) in [("install", "configure"), ("1", "1")] {
        let host = Host::new();
        let (_, calls) = host.run("preinst", &[pre], &[]);
        assert!(calls.contains("systemd-sysusers -"), "{calls}");
        let (said, calls) = host.run("postinst", &[post], &[]);
        let store = host.path("var/lib/provtaskd");
        let mode = fs::metadata(&store)
            .expect("the store")
            .permissions()
            .mode();
        assert_eq!(mode & 0o7777, 0o700);
        let config = fs::metadata(host.path("etc/provtaskd/provtaskd.toml")).expect("it");
        assert_eq!(config.permissions().mode() & 0o7777, 0o640);
        assert!(calls.contains("chown provtaskd:provtaskd "), "{calls}");
        assert!(
            !calls.contains("start ") && !calls.contains("enable"),
            "{calls}"
        );
        assert!(said.contains("not started"), "{said}");
    }
}

#[test]
fn an_upgrade_restarts_only_what_runs_and_can_go_on() {
    for args in [["configure", "0.0.9-1"].as_slice(), &["2"]] {
        let host = Host::new();
        let (_, calls) = host.run("postinst", args, &[]);
        assert!(!calls.contains("restart"), "{calls}");
        let (_, calls) = host.run("postinst", args, &["RUNS"]);
        assert!(
            calls.contains("systemctl try-restart provtaskd.service"),
            "{calls}"
        );
        let (said, calls) = host.run("postinst", args, &["RUNS", "SPOILT"]);
        assert!(!calls.contains("restart"), "{calls}");
        assert!(said.contains("the old one still runs"), "{said}");
        // the scripts of the version that goes do nothing
        for (script, arg) in [("prerm", "upgrade"), ("prerm", "1"), ("postrm", "1")] {
            let (said, calls) = host.run(script, &[arg], &["RUNS"]);
            assert_eq!((said.as_str(), calls.as_str()), ("", ""), "{script} {arg}");
        }
    }
}

/// Names of secrets of the daemon's directory, as the manual gives them; not the key that signs anchors.
fn secrets_of_the_manual() -> BTreeSet<String> {
    let keys = ["password_file", "credential", "secret_file", "client_key"];
    let mut found = BTreeSet::new();
    let pages =
        ["configuration", "install", "intake", "operations"].map(|name| format!("docs/{name}.md"));
    let deploy = ["README.md", "provtaskd.service", "provtaskd-report.service"];
    let deploy = deploy.map(|name| format!("examples/deploy/{name}"));
    for page in pages.iter().chain(&deploy) {
        for line in read(page).lines() {
            // a row of the manual, or a line of a configuration
            let row = line.trim_start_matches(['|', ' ', '`', '#']);
            if keys.iter().any(|key| row.starts_with(key)) {
                let quoted = line.split('"').skip(1).step_by(2);
                found.extend(quoted.map(str::to_owned));
            }
            let named = line.split("/etc/provtaskd/").skip(1).filter_map(|rest| {
                let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || "-_".contains(c)));
                let name = &rest[..end.unwrap_or(rest.len())];
                ["password", "secret"]
                    .iter()
                    .any(|word| name.contains(word))
                    .then(|| name.to_owned())
            });
            found.extend(named);
        }
    }
    found
}

#[test]
fn a_purge_takes_the_secrets_that_the_manual_names_and_no_other_file() {
    let secrets = secrets_of_the_manual();
    for name in ["oig-password", "password", "smtp-password", "intake-secret"] {
        assert!(secrets.contains(name), "{name} is not found: {secrets:?}");
    }
    let own = ["anchor.key", "client.pem", "my-password", "password.old"];
    let host = Host::new();
    for name in secrets.iter().map(String::as_str).chain(own) {
        fs::write(host.path("etc/provtaskd").join(name), "secret").expect("written");
    }
    fs::remove_file(host.path("etc/provtaskd/provtaskd.toml")).expect("as dpkg does");
    let (said, _) = host.run("postrm", &["purge"], &[]);
    let left: BTreeSet<String> = fs::read_dir(host.path("etc/provtaskd"))
        .expect("it stays")
        .map(|entry| entry.expect("an entry").file_name())
        .map(|name| name.to_string_lossy().into_owned())
        .collect();
    assert_eq!(left, own.map(str::to_owned).into(), "{said}");
    assert!(said.contains("holds files of yours and stays"), "{said}");
    for name in own {
        fs::remove_file(host.path("etc/provtaskd").join(name)).expect("removed");
    }
    host.run("postrm", &["purge"], &[]);
    assert!(!host.path("etc/provtaskd").exists());
    // and each has its mode as long as it is there, and is named where it is said what goes
    let modes = read("examples/deploy/tmpfiles.d/provtaskd.conf");
    let removal = read("docs/install.md");
    let (_, removal) = removal.split_once("## Removal").expect("a chapter");
    for name in &secrets {
        let line = format!("z /etc/provtaskd/{name} 0600 ");
        assert!(modes.contains(&line), "{name} has no mode");
        assert!(
            removal.contains(&format!("`{name}`")),
            "{name} is not said to go"
        );
    }
}

#[test]
fn no_removal_deletes_a_store() {
    for acts in [
        [
            ("prerm", "remove"),
            ("postrm", "remove"),
            ("postrm", "purge"),
        ]
        .as_slice(),
        &[("prerm", "0"), ("postrm", "0")],
    ] {
        let host = Host::new();
        let journal = host.path("var/lib/provtaskd/journal/db");
        fs::create_dir_all(journal.parent().expect("below")).expect("made");
        fs::write(&journal, "what was done").expect("written");
        fs::write(host.path("etc/provtaskd/oig-password"), "secret").expect("written");
        let (mut said, mut calls) = (String::new(), String::new());
        for (script, arg) in acts {
            let (more, called) = host.run(script, &[arg], &["RUNS"]);
            said += &more;
            calls += &called;
        }
        assert_eq!(fs::read_to_string(&journal).expect("it"), "what was done");
        assert!(
            calls.contains("systemctl disable --now provtaskd.service"),
            "{calls}"
        );
        let store = host.path("var/lib/provtaskd").display().to_string();
        assert!(said.contains(&format!("the store in {store}")), "{said}");
        let purged = acts.contains(&("postrm", "purge"));
        let password = host.path("etc/provtaskd/oig-password");
        assert_eq!(password.exists(), !purged, "the password");
        assert!(host.path("etc/provtaskd/provtaskd.toml").exists());
    }
}
