//! `check`: the configuration and everything that it names, each problem with its place and one remedy; it changes nothing, opens a store only to hold names of targets against it, and asks the server only with `--online`.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use clap::Args;

use super::ask::{own_store, unexpected};
use super::context::{Context, print};
use super::failure::{Failure, Kind, tell};
use super::policy;
use super::progress::beside;
use super::render::{clean, counted};
use crate::absence::{Feed, FeedProblem};
use crate::config::{
    Finding, Lines, Severity, join, limit_strangers, mode_strangers, policy_strangers, probe,
};
use crate::control::{self, ControlError, Reply, Request};
use crate::daemon;
use crate::given;
use crate::mail;
use crate::model::settings::{AuthKind, Settings};
use crate::model::{Clock, TargetName};
use crate::policy::kinds::KindTable;
use crate::telemetry;

/// Options of `check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Do not look at the files that the configuration names
    #[arg(long)]
    syntax_only: bool,
    /// Ask the server too: name, port, TLS, clock, login, path, and what the login may do; it authenticates once
    #[arg(long, conflicts_with = "syntax_only")]
    online: bool,
}

/// Lists all findings; fails when one is an error, or when a policy's own case fails. The server is asked all the same
/// where the configuration can be used.
pub fn check(context: &Context, args: &CheckArgs) -> Result<(), Failure> {
    let (settings, mut findings) = context.examine()?;
    let settings = &settings;
    let file = &settings.origin;
    if let Err(error) = telemetry::check_level(&settings.log.level) {
        findings.push(Finding {
            severity: Severity::Error,
            key: "log.level".to_owned(),
            line: None,
            what: error.to_string(),
            hint: "write a level (error, warn, info, debug) or TARGET=LEVEL pairs".to_owned(),
        });
    }
    let mut tested = Vec::new();
    let mut broken = Vec::new();
    if !args.syntax_only {
        findings.extend(probe(settings));
        let faults = unusable(settings, &findings);
        findings.extend(faults);
        findings.extend(no_store(settings));
        findings.extend(absences(settings));
        findings.extend(persons(settings));
        findings.extend(learned(settings));
        findings.extend(targets_in_vain(context, settings));
        // an unreadable directory is among the findings already
        let dir = settings.policy.dir.as_deref();
        if dir.is_none_or(Path::is_dir) {
            match policy::tried(&settings.policy) {
                Ok((set, report)) => {
                    findings.extend(policy_strangers(&settings.modes, set.names()));
                    findings.extend(kind_rows(set.kinds()));
                    let untested = policy::untested(&set, &report, dir).into_iter();
                    findings.extend(untested.map(|what| Finding {
                        severity: Severity::Warning,
                        key: "policy.dir".to_owned(),
                        line: None,
                        what,
                        hint: policy::WRITE_CASES.to_owned(),
                    }));
                    if !policy::wrong(&report, false).is_empty() {
                        tested = policy::failures(&report, dir);
                    }
                }
                Err(failure) => broken = failure.details,
            }
        }
    }
    let lines = Lines::of(&given::text(file, given::MOST).unwrap_or_default());
    for finding in &mut findings {
        finding.line = finding.line.or_else(|| lines.line(&finding.key));
    }
    let unusable = findings.iter().any(|f| f.severity == Severity::Error);
    if unusable {
        let mut failure = Failure::findings(file, &findings);
        failure.details.extend(broken);
        if args.online {
            failure.hint += "; the server was not asked";
        }
        return Err(failure);
    }
    let wrong = if broken.is_empty() {
        for finding in &findings {
            tell(&finding.at(file));
        }
        (!tested.is_empty()).then(|| {
            let mut failure = Failure::new(
                Kind::Findings,
                format!(
                    "{}: the policies do not do what their cases say",
                    file.display()
                ),
            )
            .hint("mend the policy or the case, then run `provtaskd policy test`");
            failure.details = tested;
            failure
        })
    } else {
        let mut failure = Failure::findings(file, &findings);
        failure.details.extend(broken);
        Some(failure)
    };
    if wrong.is_none() {
        print(&format!(
            "{}: good ({}); mode {}\n",
            file.display(),
            counted(
                u64::try_from(findings.len()).unwrap_or(u64::MAX),
                "warning",
                "warnings"
            ),
            settings.modes.global,
        ))?;
    }
    // the server needs no policy to be asked: who mends one thing wants to know of the other
    let asked = if args.online {
        online(context, settings)
    } else {
        Ok(())
    };
    match (wrong, asked) {
        (None, asked) => asked,
        (Some(wrong), Ok(())) => Err(wrong),
        (Some(wrong), Err(failure)) => {
            failure.naming(context.named_config()).report();
            Err(wrong)
        }
    }
}

/// Asks the server; the first cause that stands in the way is the failure.
pub fn online(context: &Context, settings: &Settings) -> Result<(), Failure> {
    let origin = &settings.server.origin;
    let asked = daemon::online(settings.clone(), |what| tell(&format!("note: {what}")));
    let asked = context.block_on(async {
        let asked = beside("asking the server", asked);
        tokio::select! {
            asked = asked => Ok(asked?),
            _ = tokio::signal::ctrl_c() => Err(Failure::new(Kind::Interrupted, "stopped before the server had answered")),
        }
    })?;
    match asked {
        Err(trouble) => Err(Failure::new(trouble.kind.into(), trouble.what).hint(trouble.remedy)),
        Ok(online) => {
            for (what, remedy) in &online.warnings {
                tell(&format!("warning: {what}: {remedy}"));
            }
            let good = online.good.join("; ");
            print(&format!("{origin}: good; {}\n", clean(&good)))
        }
    }
}

/// Names in `[mode.targets]` that no task ever bore, by what the daemon knows, else the store. Where neither can be asked
/// it is said which names nobody has checked.
fn targets_in_vain(context: &Context, settings: &Settings) -> Vec<Finding> {
    let (modes, limits) = (&settings.modes.targets, &settings.governor.targets);
    let names = |section: &'static str, all: Vec<&str>| {
        (!all.is_empty()).then(|| (section, all.join(", ")))
    };
    let named = [
        names(
            "mode.targets",
            modes.keys().map(TargetName::as_str).collect(),
        ),
        names(
            "governor.targets",
            limits.keys().map(TargetName::as_str).collect(),
        ),
    ];
    let named: Vec<(&str, String)> = named.into_iter().flatten().collect();
    if named.is_empty() {
        return Vec::new();
    }
    let seen = match targets_seen(context, settings) {
        Ok(seen) if !seen.is_empty() => seen,
        nothing => {
            let why = nothing.err();
            let why = why.unwrap_or_else(|| "no task was seen yet".to_owned());
            for (section, named) in named {
                tell(&format!(
                    "note: not checked whether there are such targets as {section} names ({}): {}",
                    clean(&named),
                    clean(&why)
                ));
            }
            return Vec::new();
        }
    };
    let finding = |section: &str, (target, what): (TargetName, String)| {
        Finding {
        severity: Severity::Warning,
        key: join(section, target.as_str()),
        line: None,
        what,
        hint: "write the target as `provtaskd status` shows it; where it is one that is still to come, leave the line, and give each that it could be taken for a line of its own".to_owned(),
    }
    };
    let of_modes = mode_strangers(&settings.modes, &seen).into_iter();
    let of_limits = limit_strangers(limits.keys(), &seen).into_iter();
    of_modes
        .map(|of| finding("mode.targets", of))
        .chain(of_limits.map(|of| finding("governor.targets", of)))
        .collect()
}

/// Rows of `policy.kinds` that turn what gives access into what takes it, or the other way round.
fn kind_rows(kinds: &KindTable) -> Vec<Finding> {
    let rows = kinds.contradictions().into_iter();
    rows.map(|(row, what)| Finding {
        severity: Severity::Warning,
        key: join("policy.kinds", &row),
        line: None,
        what,
        hint: "where that is not meant, give the row the table's kind, or take it out".to_owned(),
    })
    .collect()
}

/// Every target that the running daemon has seen, else the store.
fn targets_seen(context: &Context, settings: &Settings) -> Result<Vec<TargetName>, String> {
    let (dir, socket) = (&settings.store.dir, &settings.admin.socket);
    let work = async {
        let told = match control::ask_in_time(socket, Request::Status).await {
            Err(ControlError::NotRunning { .. }) => {
                if !dir.is_dir() {
                    let dir = dir.display();
                    let why = format!("there is no store in {dir} yet, and no daemon runs");
                    return Err(Failure::new(Kind::Store, why));
                }
                own_store(dir)?;
                daemon::offline(settings.clone(), Request::Status).await?.0
            }
            told => told?,
        };
        match told {
            Reply::Status(view) => Ok(view.targets_seen),
            Reply::Refused(refused) => Err(refused.into()),
            _ => Err(unexpected()),
        }
    };
    context.block_on(work).map_err(|failure| failure.message)
}

/// What the traits of this server say against the configuration.
fn learned(settings: &Settings) -> Vec<Finding> {
    let warning = |key: &str, what: String, hint: &str| Finding {
        severity: Severity::Warning,
        key: key.to_owned(),
        line: None,
        what,
        hint: hint.to_owned(),
    };
    let traits = match daemon::kept_traits(settings, None) {
        Ok(Some(traits)) => traits,
        Ok(None) => return Vec::new(),
        Err(error) => {
            let hint = "run `provtaskd probe` again, as the daemon's user";
            return vec![warning("server.traits", error.to_string(), hint)];
        }
    };
    let server = &settings.server;
    if !traits.is_of(&server.origin, server.login.as_str()) {
        let what = format!(
            "{} is about {} as {}",
            settings.traits.display(),
            traits.origin,
            traits.login
        );
        return vec![warning(
            "server.traits",
            what,
            "run `provtaskd probe` for this one",
        )];
    }
    let mut found = Vec::new();
    for of in &settings.logins {
        let login = &of.server.login;
        let hint = format!("run `provtaskd probe --login {login}` again, as the daemon's user");
        match daemon::kept_traits(settings, Some(login)) {
            Ok(Some(own)) if !own.is_of(&server.origin, login.as_str()) => {
                let file = daemon::traits_file(settings, Some(login));
                let what = format!(
                    "{} is about {} as {}",
                    file.display(),
                    own.origin,
                    own.login
                );
                found.push(warning("login", what, &hint));
            }
            Ok(_) => {}
            Err(error) => found.push(warning("login", error.to_string(), &hint)),
        }
    }
    let paging = &traits.paging;
    let most = paging.capped_at.or(paging.refused_at.and(paging.largest));
    if let Some(most) = most.filter(|most| *most < u64::from(server.page_size)) {
        found.push(warning(
            "server.page_size",
            format!(
                "is {}, and the server gives at most {most}",
                server.page_size
            ),
            "write what the server gives: less is asked for in vain",
        ));
    }
    // one that was not seen is not said to be missing
    let refused = ["absent", "refuses"].contains(&&*traits.roads.token);
    if server.auth == AuthKind::Bearer && refused {
        found.push(warning(
            "server.auth",
            format!(
                "is \"bearer\", and the token service was found: {}",
                traits.roads.token
            ),
            "use \"basic\", or correct server.token_path",
        ));
    }
    found
}

/// Secrets and certificates that the client can't use, other than those that are not there at all.
fn unusable(settings: &Settings, found: &[Finding]) -> Vec<Finding> {
    let faults = daemon::inspect(&settings.server)
        .into_iter()
        .chain(daemon::audit::key_faults(&settings.audit))
        .chain(daemon::secret_fault(&settings.intake))
        .chain(daemon::anchor_fault(&settings.audit))
        .map(|fault| (fault.key.to_owned(), fault.what, fault.denied));
    let of_mail = settings.mail.iter().flat_map(mail::inspect);
    let of_mail = of_mail.map(|fault| (fault.key.to_owned(), fault.what, fault.denied));
    // but for its secret a further login has what the main one has
    let further = (0..)
        .zip(&settings.logins)
        .flat_map(|(at, of): (usize, _)| {
            let named = !of.server.password_file.as_os_str().is_empty();
            let faults = daemon::inspect(&of.server).into_iter();
            faults
                .filter(move |fault| named && fault.key == "server.password_file")
                .map(move |fault| {
                    let key = format!("login.{at}.password_file");
                    (key, fault.what, fault.denied)
                })
        });
    let faults = faults.chain(of_mail).chain(further);
    let stranger = is_stranger(settings);
    faults
        .filter(|(key, _, _)| {
            let blank = *key == "server.password_file"
                && settings.server.password_file.as_os_str().is_empty();
            let known = |f: &Finding| f.key == *key && f.severity == Severity::Error;
            !blank && !found.iter().any(known)
        })
        .map(|(key, what, denied)| Finding {
            severity: if denied && stranger {
                Severity::Warning
            } else {
                Severity::Error
            },
            line: None,
            what,
            hint: if key == "server.ca_file" && settings.server.ca_file.is_none() {
                "the package is called ca-certificates on most systems; SSL_CERT_FILE and SSL_CERT_DIR say where else to look".to_owned()
            } else if key == "audit.anchor_file" {
                "make it possible for the daemon's user (and run `check` as that user), or name another file: until then anchors are in the log alone, and with audit.anchor_required nothing is sent".to_owned()
            } else if denied {
                "the daemon's user has to be able to read it; run `check` as that user".to_owned()
            } else {
                "put the right content into the file".to_owned()
            },
            key,
        })
        .collect()
}

/// To another user than the daemon's it says little that this one may not read a file.
fn is_stranger(settings: &Settings) -> bool {
    let store = std::fs::metadata(&settings.store.dir);
    let ours = rustix::process::geteuid().as_raw();
    store.is_ok_and(|meta| meta.uid() != ours)
}

/// What is wrong with the file of persons; the daemon goes on without a bad line, but nobody should start with one.
fn persons(settings: &Settings) -> Vec<Finding> {
    let Some(path) = &settings.intake.persons_file else {
        return Vec::new();
    };
    let shown = path.display();
    let found = |severity, what, hint: &str| Finding {
        severity,
        key: "intake.persons_file".to_owned(),
        line: None,
        what,
        hint: hint.to_owned(),
    };
    match daemon::persons_of(path) {
        Ok(persons) => {
            let named = persons.faults.iter();
            let mut said: Vec<String> = named
                .map(|(line, why)| format!("{shown}:{line}: {why}"))
                .collect();
            let more = usize::try_from(persons.left_out)
                .unwrap_or(usize::MAX)
                .saturating_sub(said.len());
            if more > 0 {
                said.push(format!("{shown}: {more} more such lines"));
            }
            let hint = "correct the line; the daemon leaves it out";
            let said = said.into_iter();
            said.map(|what| found(Severity::Error, what, hint))
                .collect()
        }
        Err(error) => {
            let denied = error.kind() == std::io::ErrorKind::PermissionDenied;
            let severity = if denied && is_stranger(settings) {
                Severity::Warning
            } else {
                Severity::Error
            };
            let hint = "name a file of logins, one a line, that the daemon's user may read and not everybody may write (chmod o-w): who may write there says whose accounts are read";
            vec![found(severity, format!("{shown}: {error}"), hint)]
        }
    }
}

/// A store that is not there and can't be made: the daemon would not start.
fn no_store(settings: &Settings) -> Option<Finding> {
    if settings.store.dir.as_os_str().is_empty() {
        return None;
    }
    let (what, ours) = daemon::no_store(&settings.store)?;
    // another user's `check` says little about the daemon's
    let (severity, hint) = if ours {
        (
            Severity::Warning,
            "make it for the daemon's user (chmod 700), or run `check` as that user",
        )
    } else {
        (
            Severity::Error,
            "name a directory that can be made, or that the daemon's user may enter",
        )
    };
    Some(Finding {
        severity,
        key: "store.dir".to_owned(),
        line: None,
        what,
        hint: hint.to_owned(),
    })
}

/// What is wrong with the absence file.
fn absences(settings: &Settings) -> Vec<Finding> {
    let Some(path) = settings.absence.feed.clone() else {
        return Vec::new();
    };
    // a simulator's time says nothing about the age of a file
    let max_age = settings
        .absence
        .feed_max_age
        .filter(|_| !settings.server.simulator_clock);
    let shown = path.parent().map(Path::to_path_buf).unwrap_or_default();
    let now = Clock::wall().now();
    let (roster, problems) = Feed::new(path, settings.zone.clone(), max_age).read(now);
    // the daemon starts with each of these, and goes on as the hint says
    let warning = |what: String, hint: &str| Finding {
        severity: Severity::Warning,
        key: "absence.feed".to_owned(),
        line: None,
        what,
        hint: hint.to_owned(),
    };
    let doubled = roster.value().map(|roster| roster.doubled());
    let doubled = doubled.into_iter().flatten().map(|what| {
        let hint = "the first of them in the file is asked first; leave the right one";
        warning(shown.join(what).display().to_string(), hint)
    });
    let unasked = roster
        .value()
        .map(|roster| daemon::not_to_be_asked_for(roster));
    let unasked = unasked.into_iter().flatten().map(|place| {
        let what = format!("{place}: OIG can't be asked for a user of the name that stands as stand-in: it holds a quote, `::`, AND or OR");
        let hint = "write a User Login as OIG has it; until then nobody is handed that work by the row";
        warning(shown.join(what).display().to_string(), hint)
    });
    let problems = problems.into_iter().map(|problem| {
        let text = problem.to_string();
        match problem {
            FeedProblem::Row(_) => warning(
                shown.join(text).display().to_string(),
                "write the row as login,from,to,stand_in; until then it is not known whether that person is away, and the other rows hold",
            ),
            FeedProblem::Unnamed { .. } => warning(text, "say in a header what it is"),
            FeedProblem::Unreadable { .. } | FeedProblem::Silent { .. } => warning(
                text,
                "name a regular file that can be read, or remove the key; `run` starts all the same, and as long as nothing can be read nobody counts as away or as there by it: nothing is handed on",
            ),
            _ => warning(
                text,
                "mend or renew the file; `run` starts all the same, and unless a former reading stands nobody counts as away or as there by it: nothing is handed on",
            ),
        }
    });
    problems.chain(doubled).chain(unasked).collect()
}
