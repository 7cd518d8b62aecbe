//! Raw configuration to settings, pure: all findings at once, each with its key, line and what to do; no I/O.

mod audit;
mod governor;
mod intake;
mod logins;
mod mail;
mod server;

pub(super) use mail::UNIT_CREDENTIALS as MAIL_CREDENTIALS;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::finding::Finding;
use super::lines::Lines;
use super::load::{Env, Overrides, SOCKET, STORE_DIR};
use super::raw::{GuardRaw, ModeRaw, PolicyRaw, Raw, ScheduleRaw};
use super::read::Reader;
use crate::calendar::Cron;
use crate::model::settings::{
    AbsenceSettings, AdminSettings, DeliverySettings, GuardSettings, LogFormat, LogSettings, Modes,
    PolicySettings, Schedule, ScheduleSettings, Settings, StoreSettings,
};
use crate::model::{ActionName, Kind, Mode, TargetName};

const SECOND: SignedDuration = SignedDuration::from_secs(1);
const MINUTE: SignedDuration = SignedDuration::from_mins(1);
const HOUR: SignedDuration = SignedDuration::from_hours(1);
const DAY: SignedDuration = SignedDuration::from_hours(24);
const YEAR: SignedDuration = SignedDuration::from_hours(24 * 366);

/// Where traits are kept in the store's directory, unless another file is named.
const TRAITS: &str = "traits.json";

/// A socket address of the kernel holds no longer path.
const SOCKET_PATH_MAX: usize = 107;

/// The words of `[log] format` and `--log-format`.
pub const LOG_FORMATS: [(&str, LogFormat); 3] = [
    ("human", LogFormat::Human),
    ("json", LogFormat::Json),
    ("journald", LogFormat::Journald),
];

const MODES: [(&str, Mode); 3] = [
    ("off", Mode::Off),
    ("observe", Mode::Observe),
    ("enforce", Mode::Enforce),
];

const WEEKDAYS: [(&str, u8); 7] = [
    ("mon", 1),
    ("tue", 2),
    ("wed", 3),
    ("thu", 4),
    ("fri", 5),
    ("sat", 6),
    ("sun", 7),
];

/// Turns the raw file into settings. `origin` is the file's absolute path; relative paths start from its directory.
///
/// The settings stand also beside errors, with the default for each bad key, so that `check` can look on; nothing else may
/// use them then.
pub fn resolve(
    raw: &Raw,
    lines: &Lines,
    origin: &Path,
    env: &Env,
    overrides: &Overrides,
) -> (Settings, Vec<Finding>) {
    let base = origin.parent().unwrap_or(Path::new("/"));
    let mut reader = Reader::new(lines, base);
    let r = &mut reader;

    let server = server::resolve(r, &raw.server, env);
    let logins = logins::resolve(r, &raw.login, &server, env);
    let schedule = schedule(r, &raw.schedule);
    let zone = r.zone("schedule.zone", &raw.schedule.zone);
    let modes = modes(r, &raw.mode);
    let policy = policy(r, &raw.policy);
    let guard = guard(r, &raw.guard);
    let governor = governor::resolve(r, &raw.governor, server.write_timeout);
    let absence = AbsenceSettings {
        feed: r.path("absence.feed", &raw.absence.feed),
        feed_max_age: raw.absence.feed_max_age.is_some().then(|| {
            r.duration(
                "absence.feed_max_age",
                &raw.absence.feed_max_age,
                DAY,
                MINUTE,
                YEAR,
            )
        }),
        use_proxies: r
            .plain("absence.use_proxies", &raw.absence.use_proxies)
            .unwrap_or(true),
        use_manager: r
            .plain("absence.use_manager", &raw.absence.use_manager)
            .unwrap_or(false),
        max_depth: r.number("absence.max_depth", &raw.absence.max_depth, 3, 1, 10),
    };
    let d = &raw.delivery;
    let delivery = DeliverySettings {
        settle_after: r.duration(
            "delivery.settle_after",
            &d.settle_after,
            MINUTE * 15,
            MINUTE,
            DAY * 7,
        ),
        verify_first: r.duration(
            "delivery.verify_first",
            &d.verify_first,
            MINUTE,
            SECOND,
            DAY,
        ),
        verify_cap: r.duration(
            "delivery.verify_cap",
            &d.verify_cap,
            HOUR * 2,
            SECOND,
            DAY * 7,
        ),
        verify_give_up: r.duration(
            "delivery.verify_give_up",
            &d.verify_give_up,
            DAY * 3,
            MINUTE,
            YEAR,
        ),
        reread_after: r.duration(
            "delivery.reread_after",
            &d.reread_after,
            MINUTE * 2,
            SignedDuration::ZERO,
            DAY,
        ),
        grace: r.wall(
            "delivery.grace",
            &d.grace,
            SECOND * 30,
            SignedDuration::ZERO,
            HOUR,
        ),
        manual_ttl: r.duration(
            "delivery.manual_ttl",
            &d.manual_ttl,
            DAY * 90,
            HOUR,
            YEAR * 10,
        ),
        note: r.plain("delivery.note", &d.note).unwrap_or(false),
        note_max: r.number("delivery.note_max", &d.note_max, 1000, 200, 4000),
    };
    check_order(
        r,
        "delivery.verify_first",
        delivery.verify_first,
        "delivery.verify_cap",
        delivery.verify_cap,
    );
    check_order(
        r,
        "delivery.settle_after",
        delivery.settle_after,
        "delivery.verify_give_up",
        delivery.verify_give_up,
    );
    // a simulator's time and that of a request are two
    if !server.simulator_clock
        && SignedDuration::try_from(server.write_timeout).is_ok_and(|w| w > delivery.settle_after)
    {
        r.error(
            "delivery.settle_after",
            "is shorter than server.write_timeout",
            "a request that is given up would count as settled at once, while its connector may still run, and be sent again beside it; make it at least as long",
        );
    }

    let dir = overrides
        .store
        .clone()
        .or_else(|| r.path("store.dir", &raw.store.dir))
        .unwrap_or_else(|| PathBuf::from(STORE_DIR));
    let store = StoreSettings {
        cache: r.number("store.cache", &raw.store.cache, 8 << 20, 1 << 20, 1 << 40),
        dir,
    };
    let traits = r
        .path("server.traits", &raw.server.traits)
        .unwrap_or_else(|| store.dir.join(TRAITS));
    let audit = audit::resolve(r, &raw.audit, &store.dir, env.runtime_directory.as_deref());
    let configured = r
        .path("admin.socket", &raw.admin.socket)
        .filter(|_| overrides.store.is_none());
    let socket = overrides
        .socket
        .clone()
        .or(configured)
        .unwrap_or_else(|| store.dir.join(SOCKET));
    if socket.as_os_str().len() > SOCKET_PATH_MAX {
        r.error(
            "admin.socket",
            format!("the path is longer than {SOCKET_PATH_MAX} bytes, which a socket can't have"),
            "set admin.socket to a shorter path",
        );
    }
    let admin = AdminSettings {
        listen: listen(r, "admin.listen", &raw.admin.listen, "127.0.0.1:9464"),
        socket,
    };
    let intake = intake::resolve(r, &raw.intake, &admin, env);
    let mail = mail::resolve(r, &raw.mail, env);
    let format = r.word(
        "log.format",
        &raw.log.format,
        LogFormat::Human,
        &LOG_FORMATS,
    );
    let log = LogSettings {
        format: overrides.log_format.unwrap_or(format),
        level: Arc::from(
            r.text("log.level", &raw.log.level)
                .unwrap_or_else(|| "info".to_owned()),
        ),
    };

    let findings = reader.into_findings();
    let settings = Settings {
        server,
        logins,
        schedule,
        modes,
        policy,
        guard,
        governor,
        absence,
        delivery,
        store,
        traits,
        audit,
        admin,
        intake,
        mail,
        log,
        zone,
        origin: origin.to_path_buf(),
    };
    (settings, findings)
}

fn check_order(
    r: &mut Reader<'_>,
    low_key: &str,
    low: SignedDuration,
    high_key: &str,
    high: SignedDuration,
) {
    if low > high {
        r.error(
            low_key,
            format!("{low:#} is longer than {high_key} ({high:#})"),
            format!("make it shorter, or {high_key} longer"),
        );
    }
}

fn schedule(r: &mut Reader<'_>, raw: &ScheduleRaw) -> ScheduleSettings {
    let every = r.duration("schedule.every", &raw.every, MINUTE * 5, SECOND, DAY * 7);
    let at_most = r.duration(
        "schedule.at_most",
        &raw.at_most,
        (MINUTE * 30).max(every),
        SECOND,
        DAY * 31,
    );
    let cron = r.plain("schedule.cron", &raw.cron);
    let when = match cron {
        Some(lines) => {
            if raw.every.is_some() || raw.at_most.is_some() {
                r.error(
                    "schedule.cron",
                    "stands beside `every` or `at_most`",
                    "keep either the cron lines or the interval",
                );
            }
            if lines.is_empty() {
                r.error("schedule.cron", "is empty", "write at least one cron line");
            }
            for line in &lines {
                let fields = line.split_whitespace().count();
                if !(5..=6).contains(&fields) {
                    r.error(
                        "schedule.cron",
                        format!("`{line}` has {fields} fields"),
                        "write 5 fields (minute hour day month weekday) or 6 with seconds first",
                    );
                } else if let Err(error) = cron_fires(line) {
                    r.error(
                        "schedule.cron",
                        format!("`{line}`: {error}"),
                        "see docs/configuration.md for what a cron line may hold",
                    );
                }
            }
            Schedule::Cron(lines)
        }
        None => {
            check_order(r, "schedule.every", every, "schedule.at_most", at_most);
            Schedule::Every { every, at_most }
        }
    };
    ScheduleSettings {
        when,
        business_hours: business_hours(r, raw),
    }
}

/// A line that can't be read, or never fires, would silently end all cycles.
fn cron_fires(line: &str) -> Result<(), String> {
    let cron = Cron::parse(line, TimeZone::UTC).map_err(|error| error.what)?;
    // whether it ever fires does not depend on when one asks
    match cron.next_after(Timestamp::UNIX_EPOCH) {
        Some(_) => Ok(()),
        None => Err("there is no such day".to_owned()),
    }
}

fn business_hours(r: &mut Reader<'_>, raw: &ScheduleRaw) -> BTreeMap<u8, (u16, u16)> {
    let key = "schedule.business_hours";
    if raw.business_hours.is_none() {
        return (1..=5).map(|day| (day, (8 * 60, 18 * 60))).collect();
    }
    let mut hours = BTreeMap::new();
    for (path, day, span) in r.table(key, &raw.business_hours) {
        let day = r.pick(&path, &day, &WEEKDAYS);
        let parsed = span
            .split_once('-')
            .and_then(|(from, to)| Some((minute_of_day(from)?, minute_of_day(to)?)));
        match (day, parsed) {
            (Some(day), Some((from, to))) if from < to => {
                hours.insert(day, (from, to));
            }
            (None, Some(_)) => {}
            _ => r.error(
                &path,
                format!("`{span}` is not a span of hours"),
                "write it as 08:00-18:00; the end is later than the start, at most 24:00",
            ),
        }
    }
    hours
}

/// `08:30` to 510; up to `24:00`.
fn minute_of_day(text: &str) -> Option<u16> {
    let (hour, minute) = text.trim().split_once(':')?;
    let (hour, minute): (u16, u16) = (hour.parse().ok()?, minute.parse().ok()?);
    let total = hour.checked_mul(60)?.checked_add(minute)?;
    (minute < 60 && total <= 24 * 60).then_some(total)
}

fn modes(r: &mut Reader<'_>, raw: &ModeRaw) -> Modes {
    let actions: Vec<(&str, ActionName)> =
        ActionName::ALL.iter().map(|a| (a.as_str(), *a)).collect();
    let mut modes = Modes {
        global: r.word("mode.global", &raw.global, Mode::Observe, &MODES),
        actions: BTreeMap::new(),
        policies: BTreeMap::new(),
        targets: BTreeMap::new(),
        others: None,
        slips: BTreeMap::new(),
    };
    for (path, name, mode) in r.table("mode.actions", &raw.actions) {
        let action = r.pick(&path, &name, &actions);
        let mode = r.pick(&path, &mode, &MODES);
        if let (Some(action), Some(mode)) = (action, mode) {
            modes.actions.insert(action, mode);
        }
    }
    for (path, name, mode) in r.table("mode.policies", &raw.policies) {
        if let Some(mode) = r.pick(&path, &mode, &MODES) {
            modes.policies.insert(name, mode);
        }
    }
    for (path, name, mode) in r.table("mode.targets", &raw.targets) {
        if name == "*" {
            modes.others = r.pick(&path, &mode, &MODES);
            continue;
        }
        if name.contains('*') {
            // it would stand for no target, and everything would be enforced
            r.error(
                &path,
                "a target is named in full here, a pattern stands for none",
                "name each (`provtaskd survey` lists them), or say \"*\" for every target that is not named",
            );
            continue;
        }
        if let Some(mode) = r.pick(&path, &mode, &MODES) {
            modes.targets.insert(TargetName::new(&name), mode);
        }
    }
    let names: Vec<String> = modes.targets.keys().map(ToString::to_string).collect();
    r.alike("mode.targets", &names, true);
    modes
}

fn policy(r: &mut Reader<'_>, raw: &PolicyRaw) -> PolicySettings {
    let kinds_known: Vec<(&str, Kind)> = Kind::ALL.iter().map(|k| (k.as_str(), *k)).collect();
    let mut kinds = Vec::new();
    for (path, pattern, word) in r.table("policy.kinds", &raw.kinds) {
        r.check_pattern(&path, &pattern);
        if let Some(kind) = r.pick(&path, &word, &kinds_known) {
            kinds.push((pattern, kind));
        }
    }
    // the most exact pattern first, whatever the order of the file's keys
    kinds.sort_by_key(|(pattern, _)| {
        (
            pattern.matches('*').count(),
            std::cmp::Reverse(pattern.len()),
        )
    });
    let fulfilment_roles: BTreeMap<String, String> = r
        .table("policy.fulfilment_roles", &raw.fulfilment_roles)
        .into_iter()
        .map(|(_, target, role)| (target, role))
        .collect();
    r.alike("policy.fulfilment_roles", fulfilment_roles.keys(), false);
    PolicySettings {
        dir: r.path("policy.dir", &raw.dir),
        kinds,
        named: r.patterns("policy.named", &raw.named),
        fulfilment_roles,
    }
}

fn guard(r: &mut Reader<'_>, raw: &GuardRaw) -> GuardSettings {
    GuardSettings {
        age_limit: r.duration("guard.age_limit", &raw.age_limit, DAY * 14, HOUR, YEAR * 10),
        manual_complete: r.patterns("guard.manual_complete", &raw.manual_complete),
        set_response: r.patterns("guard.set_response", &raw.set_response),
        assignee_load: r.number("guard.assignee_load", &raw.assignee_load, 50, 1, 100_000),
        handed_for: r.duration("guard.handed_for", &raw.handed_for, DAY * 7, HOUR, DAY * 30),
        fact_age: r.duration("guard.fact_age", &raw.fact_age, MINUTE * 10, SECOND, DAY),
    }
}

fn listen(
    r: &mut Reader<'_>,
    key: &str,
    raw: &Option<super::raw::Field<String>>,
    default: &str,
) -> Option<SocketAddr> {
    let text = r.text(key, raw).unwrap_or_else(|| default.to_owned());
    if text.trim() == "off" {
        return None;
    }
    match text.trim().parse::<SocketAddr>() {
        Ok(at) if at.ip().is_loopback() => Some(at),
        Ok(_) => {
            r.error(
                key,
                format!("`{text}` is not a loopback address"),
                "write 127.0.0.1:PORT or [::1]:PORT; put a proxy with access control in front for others",
            );
            None
        }
        Err(_) => {
            r.error(
                key,
                format!("`{text}` is not an address"),
                "write 127.0.0.1:PORT or [::1]:PORT, or \"off\"",
            );
            None
        }
    }
}
