//! `init`: asks the few questions and writes a configuration in observe mode with its password file; it overwrites nothing, and takes no password from the command line.

use std::fs::OpenOptions;
use std::io::{BufRead as _, ErrorKind, IsTerminal as _, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use secrecy::{ExposeSecret as _, SecretString};

use super::check;
use super::context::{Context, print};
use super::failure::{Failure, Kind, no_room};
use crate::config::{self, Env, Overrides};
use crate::daemon;
use crate::given;

mod silent;

/// Options of `init`; what is not given is asked for on a terminal.
#[derive(Debug, Args)]
pub struct InitArgs {
    /// Scheme, host and port of the server
    #[arg(long, value_name = "URL")]
    origin: Option<String>,
    /// The login that is to act
    #[arg(long)]
    login: Option<String>,
    /// Read the password from this file; it is copied into the new password file
    #[arg(long, value_name = "FILE", conflicts_with = "password_stdin")]
    password_from: Option<PathBuf>,
    /// Read the password from standard input, one line
    #[arg(long)]
    password_stdin: bool,
    /// How to authenticate
    #[arg(long, value_enum, default_value = "basic")]
    auth: Auth,
    /// More certificate authorities to trust (PEM)
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// The store's directory [default: /var/lib/provtaskd for a configuration below /etc, else `store` beside it]
    #[arg(long = "store-dir", value_name = "DIR")]
    store_dir: Option<String>,
    /// Zone of schedules and business hours
    #[arg(long, value_name = "ZONE")]
    zone: Option<String>,
    /// Zone of the server's dates that name none
    #[arg(long, value_name = "ZONE")]
    server_zone: Option<String>,
    /// Ask nothing: take the default for what is not given
    #[arg(short, long)]
    yes: bool,
    /// Do not ask the server afterwards
    #[arg(long)]
    offline: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Auth {
    Basic,
    Bearer,
}

/// Name of the password file, beside the configuration.
const PASSWORD: &str = "password";
/// A longer file is no password.
const LONGEST: u64 = 4096;

pub fn init(context: &Context, args: &InitArgs) -> Result<(), Failure> {
    let path = context.new_config();
    let path = std::path::absolute(&path).unwrap_or(path);
    let dir = path.parent().unwrap_or(Path::new("/")).to_path_buf();
    let password_file = dir.join(PASSWORD);
    // before anything is asked
    for file in [&path, &password_file] {
        if file.symlink_metadata().is_ok() {
            return Err(there(file));
        }
    }
    let answers = Answers::of(args, &path)?;
    let text = answers.text();
    if let Err(findings) = config::parse(&text, &path, &Env::default(), &Overrides::default()) {
        let mut failure =
            Failure::findings(&path, &findings).hint("answer otherwise: nothing was written");
        failure.message = "no configuration can be made of these answers".to_owned();
        return Err(failure);
    }
    let password = password(args, &answers.login)?;
    daemon::make_private_dir(&dir).map_err(|error| unwritable(&dir, &error))?;
    create(&password_file, &format!("{}\n", password.expose_secret()))?;
    if let Err(failure) = create(&path, &text) {
        // the one without the other is of no use, and would stop the next try
        let _ = std::fs::remove_file(&password_file);
        return Err(failure);
    }
    print(&format!(
        "written: {} (mode observe: nothing is sent)\nwritten: {}\n",
        path.display(),
        password_file.display()
    ))?;
    let context = context.at(path.clone());
    if !args.offline {
        let settings = context.load()?.settings;
        check::online(&context, &settings).map_err(|failure| {
            let hint = format!(
                "{}; both files are written: correct them there, then `provtaskd -c {} check --online`",
                failure.hint,
                path.display()
            );
            failure.hint(hint)
        })?;
    }
    let option = format!("-c {}", path.display());
    print(&format!(
        "next: provtaskd {option} survey, then provtaskd {option} probe; the road from there is docs/first-day.md\n"
    ))
}

fn there(file: &Path) -> Failure {
    Failure::new(
        Kind::Io,
        format!("{} is there already, and is left as it is", file.display()),
    )
    .hint("name another configuration with -c FILE, or move that one away")
}

fn unwritable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(Kind::Io, format!("can't write {}: {error}", path.display())).hint(
        match no_room(error) {
            Some(room) => format!("{room}, then run it again, or name another place with -c FILE"),
            None => "run it as a user who may write there, or name another place with -c FILE"
                .to_owned(),
        },
    )
}

/// Writes a file that was not there, for this user alone.
fn create(path: &Path, text: &str) -> Result<(), Failure> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists => there(path),
            _ => unwritable(path, &error),
        })?;
    let written = file
        .write_all(text.as_bytes())
        .and_then(|()| file.sync_all());
    written.map_err(|error| {
        // a half of it would be taken for the whole
        let _ = std::fs::remove_file(path);
        unwritable(path, &error)
    })
}

/// What goes into the configuration.
struct Answers {
    origin: String,
    login: String,
    auth: Auth,
    ca_file: Option<String>,
    store: String,
    zone: String,
    server_zone: String,
}

impl Answers {
    fn of(args: &InitArgs, path: &Path) -> Result<Self, Failure> {
        let asks = !args.yes && std::io::stdin().is_terminal() && !args.password_stdin;
        let ask =
            |given: &Option<String>, question: &str, default: Option<&str>, option: &str| match (
                given, default,
            ) {
                (Some(given), _) => Ok(given.trim().to_owned()),
                (None, _) if asks => asked(question, default),
                (None, Some(default)) => Ok(default.to_owned()),
                (None, None) => Err(Failure::new(
                    Kind::Usage,
                    format!("{option} is missing, and there is no terminal to ask for it"),
                )
                .hint(format!(
                    "give {option}; `provtaskd init --help` lists the others"
                ))),
            };
        let origin = ask(
            &args.origin,
            "Server, as scheme, host and port (https://oig.example.com:14001)",
            None,
            "--origin",
        )?;
        let login = ask(&args.login, "Login that is to act", None, "--login")?;
        let given = args.ca_file.as_ref().map(|file| {
            let file = std::path::absolute(file).unwrap_or_else(|_| file.clone());
            file.display().to_string()
        });
        let ca_file = if origin.starts_with("https://") {
            let question = "File with the certificate authority of the server (PEM; empty: the system's authorities will do)";
            ask(&given, question, Some(""), "--ca-file")?
        } else {
            given.unwrap_or_default()
        };
        if !ca_file.is_empty() {
            let beside = path.parent().unwrap_or(Path::new("")).join(&ca_file);
            is_authority(&beside)?;
        }
        let store = if path.starts_with("/etc") {
            "/var/lib/provtaskd"
        } else {
            "store"
        };
        Ok(Self {
            origin,
            login,
            auth: args.auth,
            ca_file: (!ca_file.is_empty()).then_some(ca_file),
            store: ask(
                &args.store_dir,
                "Directory of the store",
                Some(store),
                "--store-dir",
            )?,
            zone: ask(
                &args.zone,
                "Time zone of schedules and business hours",
                Some("UTC"),
                "--zone",
            )?,
            server_zone: ask(
                &args.server_zone,
                "Time zone of the server's dates, where they name none",
                Some("UTC"),
                "--server-zone",
            )?,
        })
    }

    /// The configuration, with what one looks at first explained.
    fn text(&self) -> String {
        let quoted = |text: &str| toml::Value::String(text.to_owned()).to_string();
        let auth = match self.auth {
            Auth::Basic => "basic",
            Auth::Bearer => "bearer",
        };
        let ca_file = match &self.ca_file {
            Some(file) => format!("ca_file = {}", quoted(file)),
            None => "#ca_file = \"oig-ca.pem\"".to_owned(),
        };
        format!(
            r#"# Written by `provtaskd init`. Every other key has a default: see docs/configuration.md.

[server]
# Scheme, host and port, nothing else.
origin = {origin}
# The login that acts. It sees the tasks assigned to it and to its roles, and no others.
login = {login}
# A file that holds the password alone (mode 0600). Under systemd use instead: credential = "oig-password"
password_file = "{PASSWORD}"
# basic (on every call), or bearer (a token): `provtaskd probe` says whether there is a token service.
auth = "{auth}"
# More certificate authorities to trust (PEM), besides the system's.
{ca_file}
# Zone of the server's dates that name none: `provtaskd probe` says whether there are such.
server_zone = {server_zone}

[schedule]
every = "5m"
# Zone of cron lines, business hours and absences.
zone = {zone}

[mode]
# off, observe (decide and record, send nothing), enforce. The road to enforce: docs/first-day.md.
global = "observe"

# Enforce goes target by target: one is enforced once the global mode is, and it has a line of its own here
# (AD = "enforce"). "*" is every target that has none, also one that comes later.
[mode.targets]
"*" = "observe"

[store]
# What was decided, sent and became of it; private to the daemon's user.
dir = {store}
"#,
            origin = quoted(&self.origin),
            login = quoted(&self.login),
            server_zone = quoted(&self.server_zone),
            zone = quoted(&self.zone),
            store = quoted(&self.store),
        )
    }
}

/// Asks until there is an answer.
fn asked(question: &str, default: Option<&str>) -> Result<String, Failure> {
    let shown = match default {
        Some("") | None => String::new(),
        Some(default) => format!(" [{default}]"),
    };
    loop {
        let mut out = std::io::stderr().lock();
        // who does not see it misses the question, and may still answer
        let _ = write!(out, "{question}{shown}: ").and_then(|()| out.flush());
        drop(out);
        let line = line()?;
        match (line.trim(), default) {
            ("", Some(default)) => return Ok(default.to_owned()),
            ("", None) => {}
            (answer, _) => return Ok(answer.to_owned()),
        }
    }
}

/// What is no certificate would stop the daemon at its start.
fn is_authority(file: &Path) -> Result<(), Failure> {
    let wrong = |what: String| {
        Failure::new(Kind::Data, format!("--ca-file: {} {what}", file.display()))
            .hint("name a file with the certificate of the authority in PEM (-----BEGIN CERTIFICATE-----), or leave it out; nothing was written")
    };
    let text =
        given::read(file, given::MOST).map_err(|error| wrong(format!("can't be read: {error}")))?;
    if !String::from_utf8_lossy(&text).contains("-----BEGIN CERTIFICATE-----") {
        return Err(wrong("holds no certificate in PEM".to_owned()));
    }
    Ok(())
}

fn line() -> Result<String, Failure> {
    let mut line = String::new();
    match std::io::stdin().lock().read_line(&mut line) {
        Ok(0) => Err(Failure::new(
            Kind::Interrupted,
            "standard input ended before all was answered",
        )
        .hint("nothing was written; run it again")),
        Ok(_) => Ok(line),
        Err(error) => Err(
            Failure::new(Kind::Io, format!("can't read standard input: {error}"))
                .hint("nothing was written; give the answers as options"),
        ),
    }
}

/// The password: from a file, from standard input, or from a terminal without showing it.
fn password(args: &InitArgs, login: &str) -> Result<SecretString, Failure> {
    let text = if let Some(file) = &args.password_from {
        let mut text = String::new();
        let read = given::open(file).and_then(|file| file.take(LONGEST).read_to_string(&mut text));
        read.map_err(|error| {
            Failure::new(Kind::Io, format!("can't read {}: {error}", file.display()))
                .hint("name a file that holds the password alone, or give it with --password-stdin; nothing was written")
        })?;
        SecretString::from(text)
    } else if args.password_stdin {
        let mut text = line()?;
        // a second line would be left out without a word
        let mut more = std::io::stdin().lock().take(LONGEST);
        let read = more.read_to_string(&mut text);
        read.map_err(|error| {
            Failure::new(Kind::Io, format!("can't read standard input: {error}"))
                .hint("nothing was written; give the password alone, on one line")
        })?;
        SecretString::from(text)
    } else if std::io::stdin().is_terminal() {
        silent::line(&format!("Password of {login} (not shown): "))?
    } else {
        return Err(Failure::new(
            Kind::Usage,
            "there is no password, and no terminal to ask for it",
        )
        .hint("give --password-from FILE or --password-stdin; it is never taken from the command line"));
    };
    let shown = text.expose_secret();
    let shown = shown.strip_suffix('\n').unwrap_or(shown);
    let shown = shown.strip_suffix('\r').unwrap_or(shown);
    if shown.starts_with('\u{feff}') {
        return Err(
            Failure::new(Kind::Data, "the password begins with a byte order mark (BOM), which an editor has put there and the server would not know")
                .hint("save it as UTF-8 without BOM, or give it with --password-stdin; nothing was written"),
        );
    }
    if shown.is_empty() || shown.contains(['\n', '\r', '\0']) {
        return Err(
            Failure::new(Kind::Data, "the password is empty, or more than one line")
                .hint("give the password alone, on one line; nothing was written"),
        );
    }
    Ok(SecretString::from(shown))
}
