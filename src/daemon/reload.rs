//! Reads configuration and policies again and sets the pace of the cycles; a bad set never replaces the last good one.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::DaemonError;
use super::core::Core;
use super::lists::shows;
use super::start::{bounds, record_mode, record_policy};
use super::under_way::Why;
use crate::calendar::Cron;
use crate::config::{self, Overrides};
use crate::given::Apart;
use crate::governor::Census;
use crate::ledger::record::{Actor, Meta};
use crate::model::TargetName;
use crate::model::settings::{FurtherLogin, Modes, Schedule, Settings};
use crate::policy;
use crate::source::Pace;

/// The longest pause after failed cycles.
const FAILED_AT_MOST: SignedDuration = SignedDuration::from_mins(30);
/// So long configuration and policies are waited for (wall time); they take some milliseconds.
const PATIENCE: Duration = Duration::from_secs(10);

impl Core {
    /// Reload: all or nothing, and what is live is said.
    ///
    /// # Errors
    /// Only a ledger that can't write.
    pub async fn reload(&mut self, by: Actor) -> Result<(), DaemonError> {
        match self.read_again().await {
            Ok((settings, policies)) => {
                let now = self.clock.now();
                // before anything is recorded: what was decided otherwise is not claimed after it
                self.void_queue(now, Why::Reload);
                let policies = Arc::new(policies);
                record_policy(&self.ledger, &policies, now).await?;
                let changed = policies.hash() != self.policies.hash();
                self.governor
                    .reconfigure(settings.governor.clone(), settings.modes.clone());
                let (every, at_most) = bounds(&settings);
                self.pace = Pace::new(every, at_most);
                let before = &self.settings;
                if settings.schedule.when != before.schedule.when || settings.zone != before.zone {
                    // else a time that has come stays: the run that it began is worked out again
                    self.acts_from = acts_from(&settings, now);
                }
                if settings.absence != self.settings.absence || settings.zone != self.settings.zone
                {
                    self.absences.reconfigure(&settings);
                }
                record_mode(&self.ledger, &settings, Meta::by(by, now)).await?;
                // before it is answered: who reloads is told what is wrong with the file
                self.absences_after_reload();
                self.settings = Arc::new(settings);
                self.policies = policies;
                self.hold_slips(&Census::default());
                self.refresh_traits();
                self.reload_error = None;
                self.last.reloaded = true;
                self.targets_said = false;
                self.warn_of_policies();
                self.epoch += 1;
                self.next_tick = now;
                let released = self
                    .ledger
                    .read(|index| index.released(self.policies.hash()));
                self.metrics.set_policy(self.policies.hash(), released);
                tracing::info!(
                    policy = self.policies.hash().short(),
                    changed,
                    released,
                    mode = %self.settings.modes.global,
                    "reloaded"
                );
            }
            Err(error) => {
                tracing::error!(
                    error = %error,
                    policy = self.policies.hash().short(),
                    "the reload failed; the last good configuration and policies stay in use"
                );
                self.reload_error = Some(error);
            }
        }
        Ok(())
    }

    /// Says which policies the configuration names in vain, and which kinds it turns round.
    pub fn warn_of_policies(&self) {
        say(self.policy_strangers());
        for (row, what) in self.policies.kinds().contradictions() {
            tracing::warn!(row = %row, "policy.kinds: {what}");
        }
    }

    /// Rows of the configuration and of the absence file that do nothing, or the opposite of what their words say.
    pub fn doubtful(&self) -> Vec<String> {
        let seen: Vec<TargetName> = self.targets_seen().into_iter().collect();
        let limits = config::limit_strangers(self.settings.governor.targets.keys(), &seen);
        let limits = limits.into_iter();
        let kinds = self.policies.kinds().contradictions().into_iter();
        limits
            .map(|(target, why)| (config::join("governor.targets", target.as_str()), why))
            .chain(kinds.map(|(row, why)| (config::join("policy.kinds", &row), why)))
            .map(|(key, why)| format!("{key}: {why}"))
            .chain(self.stand_ins_unknown())
            .collect()
    }

    /// Policies of `[mode.policies]` that the set does not hold.
    pub fn policy_strangers(&self) -> Vec<config::Finding> {
        config::policy_strangers(&self.settings.modes, self.policies.names())
    }

    /// Targets of `[mode.targets]` that nothing answers to.
    pub fn mode_strangers(&self) -> Vec<(TargetName, String)> {
        let seen: Vec<TargetName> = self.targets_seen().into_iter().collect();
        config::mode_strangers(&self.settings.modes, &seen)
    }

    /// Holds each target for which a line of `[mode.targets]` may be a slip in the mode that the line asks for, and says
    /// so when that changes. What was seen says which: it is looked at again with each cycle and each reload.
    pub fn hold_slips(&mut self, now_seen: &Census) {
        let modes = self.modes_with(now_seen);
        let before = &self.settings.modes;
        if modes.slips != before.slips || modes.policies != before.policies {
            for (target, slip) in &modes.slips {
                if self.settings.modes.slips.get(target) != Some(slip) {
                    tracing::warn!(
                        target_held = %target,
                        written = %slip.written,
                        mode = %slip.mode,
                        "mode.targets.{} names no target that was ever seen and may be a slip for {target}: {target} is held in {} until the name is mended or {target} has a line of its own, then `provtaskd reload`",
                        slip.written,
                        slip.mode
                    );
                }
            }
            Arc::make_mut(&mut self.settings).modes = modes.clone();
        }
        self.governor.set_modes(modes);
    }

    /// The modes as they hold with these targets seen beside all that were seen before.
    pub fn modes_with(&self, now_seen: &Census) -> Modes {
        let mut seen = self.targets_seen();
        seen.extend(now_seen.0.keys().cloned());
        let seen: Vec<TargetName> = seen.into_iter().collect();
        let mut modes = self.settings.modes.clone();
        modes.slips = config::mode_slips(&modes, &seen);
        let policies = config::policy_slips(&modes, self.policies.names());
        modes.policies.extend(policies);
        modes
    }

    /// What a person who reloads is told.
    pub fn reloaded_words(&self) -> String {
        let set = self.policies.hash().short();
        let mut words = vec![format!("reloaded; policy set {set} is live")];
        let (mode, why) = self.effective_mode();
        // single actions may wait while others go
        let all = mode < self.settings.modes.global;
        words.extend(why.into_iter().map(|why| match all {
            true => format!("nothing is sent: {why}"),
            false => why,
        }));
        let strangers = self.mode_strangers().into_iter();
        words.extend(strangers.map(|(target, why)| format!("mode.targets.{target}: {why}")));
        let policies = self.policy_strangers().into_iter();
        words.extend(policies.map(|of| format!("{}: {}; {}", of.key, of.what, of.hint)));
        words.extend(self.doubtful());
        words.join("; ")
    }

    /// Says once, when a whole list was read, which targets the configuration names in vain.
    pub fn warn_of_targets(&mut self) {
        if self.targets_said || !self.last.seen.whole || !self.last.seen.all_read() {
            return;
        }
        self.targets_said = true;
        let seen = self.last.seen.targets.keys().collect();
        say(config::target_strangers(&self.settings, &seen));
    }

    /// Reads both beside the loop, and waits for them no longer than a file system may take.
    async fn read_again(&mut self) -> Result<(Settings, policy::PolicySet), String> {
        let hangs = |reading: &Reading| {
            format!(
                "{} or a file that it names does not answer: its reading hangs since {} s, as where the server of a network mount is gone; look at the mount (`mount`, `dmesg`), mend or unmount it (`umount -l`), and reload",
                self.config.display(),
                reading.age().as_secs()
            )
        };
        // one reader at most hangs at them
        if let Some(former) = &self.rereading
            && !former.has_come()
        {
            return Err(hangs(former));
        }
        let (config, overrides) = (self.config.clone(), self.overrides.clone());
        let live = Arc::clone(&self.settings);
        let reading = Apart::begin(move || read_again(&config, &overrides, &live))
            .map_err(|error| format!("nothing was read: {error}"))?;
        reading.coming().within(PATIENCE).await;
        if !reading.has_come() {
            let error = hangs(&reading);
            self.rereading = Some(reading);
            return Err(error);
        }
        let read = reading.take();
        read.unwrap_or_else(|| Err("its reader has failed, see the log".to_owned()))
    }
}

/// What a reload has read, or why it can't be used.
type Read = Result<(Settings, policy::PolicySet), String>;
/// A reading of configuration and policies that may hang.
pub type Reading = Apart<Read>;

fn read_again(config: &Path, overrides: &Overrides, live: &Settings) -> Read {
    let env = config::Env {
        // the unit's credentials can't move while the process lives
        credentials_directory: live
            .server
            .password_file
            .parent()
            .map(std::path::Path::to_path_buf),
        runtime_directory: live
            .audit
            .anchor_run
            .as_ref()
            .and_then(|file| Some(file.parent()?.to_path_buf())),
    };
    let loaded = config::load(config, &env, overrides).map_err(|error| match &error {
        config::LoadError::Findings { findings, .. } => {
            let lines: Vec<String> = findings.iter().map(ToString::to_string).collect();
            format!("{error}: {}", lines.join("; "))
        }
        config::LoadError::Read { source, .. } => format!("{error}: {source}"),
    })?;
    for warning in &loaded.warnings {
        tracing::warn!(warning = %warning, "configuration");
    }
    let settings = loaded.settings;
    if let Some(key) = fixed(live, &settings) {
        return Err(format!(
            "{key} can't change while the daemon runs; restart it, or put back what it was"
        ));
    }
    let policies = policy::load::load(&settings.policy).map_err(|error| error.one_line())?;
    Ok((settings, policies))
}

impl Core {
    /// When the next cycle starts after a whole one.
    pub fn pace_after(&mut self, now: Timestamp, took: Duration, changed: bool) -> Timestamp {
        match &self.settings.schedule.when {
            Schedule::Every { .. } => {
                let took = SignedDuration::try_from(took).unwrap_or(SignedDuration::ZERO);
                let pause = if self.asked_early && !changed {
                    self.pace.again(took)
                } else {
                    self.pace.next(took, changed)
                };
                self.asked_early = false;
                let next = now.checked_add(pause).unwrap_or(Timestamp::MAX);
                self.by_the_first_due(now, next)
            }
            Schedule::Cron(_) => {
                // a time that came while a cycle only looked is not used up by it
                if self.acting {
                    self.acts_from = acts_from(&self.settings, now);
                }
                self.acts_from.max(now)
            }
        }
    }

    /// What is wanted and only waits for its time is not kept waiting by an idle pace, nor is the list
    /// read oftener for it than while things change.
    fn by_the_first_due(&self, now: Timestamp, next: Timestamp) -> Timestamp {
        let (every, _) = bounds(&self.settings);
        let soonest = now.checked_add(every).unwrap_or(Timestamp::MAX);
        let soonest = soonest.max(self.soonest(now));
        let due = self.memory.as_ref().and_then(|memory| {
            let every = |n: usize| self.settings.logins.get(n.checked_sub(1)?)?.every;
            let shows = |by, at| shows(&memory.lists, every, by, at);
            memory.first_due(now, shows)
        });
        due.map_or(next, |due| next.min(due.max(soonest)))
    }

    /// What is queued may not be wanted any more. With cron lines what was still to be sent is
    /// proposed anew in the same run, not at the time of the next line.
    pub fn void_queue(&mut self, now: Timestamp, why: Why) {
        let lives = self.queue_ends().is_some_and(|end| now <= end);
        if lives && !(self.queues.is_empty() && self.under_way.all_claimed()) {
            self.acts_from = self.acts_from.min(now);
        }
        self.drop_queued(why);
    }

    /// When the next cycle starts after a failed one: ever later, up to a bound.
    pub fn pace_after_failure(&mut self, now: Timestamp) -> Timestamp {
        let (every, _) = bounds(&self.settings);
        let doubled = 2_i32.saturating_pow(self.last.failures.saturating_sub(1).min(8));
        let pause = every
            .checked_mul(doubled)
            .unwrap_or(FAILED_AT_MOST)
            .min(FAILED_AT_MOST.max(every));
        now.checked_add(pause).unwrap_or(Timestamp::MAX)
    }
}

fn say(findings: Vec<config::Finding>) {
    for finding in findings {
        tracing::warn!(key = %finding.key, "{}; {}", finding.what, finding.hint);
    }
}

/// From when on a cycle may send: the next time of the cron lines, or at once without any.
pub fn acts_from(settings: &Settings, now: Timestamp) -> Timestamp {
    match &settings.schedule.when {
        Schedule::Every { .. } => Timestamp::MIN,
        Schedule::Cron(lines) => lines
            .iter()
            .filter_map(|line| Cron::parse(line, settings.zone.clone()).ok())
            .filter_map(|cron| cron.next_after(now))
            .min()
            .unwrap_or(Timestamp::MAX),
    }
}

/// The first key that differs and can't change while the daemon runs: connections, store, sockets and
/// logs are made at start.
fn fixed(live: &Settings, new: &Settings) -> Option<String> {
    let (a, b) = (&live.server, &new.server);
    let keys = [
        ("server.origin", a.origin == b.origin),
        ("server.api_path", a.api_path == b.api_path),
        ("server.token_path", a.token_path == b.token_path),
        ("server.login", a.login_as_written == b.login_as_written),
        ("server.password_file", a.password_file == b.password_file),
        ("server.auth", a.auth == b.auth),
        ("server.ca_file", a.ca_file == b.ca_file),
        ("server.client_cert", a.client_cert == b.client_cert),
        ("server.proxy", a.proxy == b.proxy),
        (
            "server.plain_http",
            a.allow_plain_http == b.allow_plain_http,
        ),
        ("server.page_size", a.page_size == b.page_size),
        (
            "server.pages_in_flight",
            a.pages_in_flight == b.pages_in_flight,
        ),
        ("server.max_pages", a.max_pages == b.max_pages),
        ("server.list_filter", a.list_filter == b.list_filter),
        (
            "server.reads_per_minute",
            a.reads_per_minute == b.reads_per_minute,
        ),
        (
            "server.connect_timeout",
            a.connect_timeout == b.connect_timeout,
        ),
        ("server.read_timeout", a.read_timeout == b.read_timeout),
        ("server.write_timeout", a.write_timeout == b.write_timeout),
        ("server.max_body", a.max_body == b.max_body),
        ("server.role_word", a.role_word == b.role_word),
        (
            "server.simulator_clock",
            a.simulator_clock == b.simulator_clock,
        ),
        ("server.server_zone", a.server_zone == b.server_zone),
        ("store.dir", live.store.dir == new.store.dir),
        ("store.cache", live.store.cache == new.store.cache),
        ("audit", live.audit == new.audit),
        ("admin.socket", live.admin.socket == new.admin.socket),
        ("admin.listen", live.admin.listen == new.admin.listen),
        ("intake.listen", live.intake.listen == new.intake.listen),
        (
            "intake.secret_file",
            live.intake.secret_file == new.intake.secret_file,
        ),
        ("intake.folder", live.intake.folder == new.intake.folder),
        (
            "intake.persons_file",
            live.intake.persons_file == new.intake.persons_file,
        ),
        (
            "intake.max_waiting",
            live.intake.max_waiting == new.intake.max_waiting,
        ),
        ("log.format", live.log.format == new.log.format),
        ("log.level", live.log.level == new.log.level),
    ];
    let fixed = keys.into_iter().find(|(_, same)| !same);
    fixed
        .map(|(key, _)| key.to_owned())
        .or_else(|| another_login(&live.logins, &new.logins))
}

/// A client has its login and its secret's file for life, and how often its list is read is counted from its
/// start; the rest of it is the server's, which is compared above.
fn another_login(live: &[FurtherLogin], new: &[FurtherLogin]) -> Option<String> {
    if live.len() != new.len() {
        return Some(format!(
            "the number of [[login]] tables ({}, was {})",
            new.len(),
            live.len()
        ));
    }
    live.iter().zip(new).find_map(|(a, b)| {
        let keys = [
            (
                "login",
                a.server.login_as_written == b.server.login_as_written,
            ),
            (
                "password_file",
                a.server.password_file == b.server.password_file,
            ),
            (
                "reads_per_minute",
                a.server.reads_per_minute == b.server.reads_per_minute,
            ),
            ("every", a.every == b.every),
        ];
        let (key, _) = keys.into_iter().find(|(_, same)| !same)?;
        Some(format!(
            "{key} of the [[login]] {}",
            a.server.login_as_written
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Env, parse};

    #[test]
    fn what_a_reload_can_not_change_of_further_logins_is_named() {
        let of = |tables: &str| {
            let text = format!(
                "[server]\norigin = \"https://oig.example.com\"\nlogin = \"ME\"\npassword_file = \"pw\"\n{tables}"
            );
            let path = Path::new("/etc/provtaskd.toml");
            let loaded = parse(&text, path, &Env::default(), &Overrides::default());
            loaded.expect("a configuration").settings
        };
        let her = |more: &str| {
            of(&format!(
                "[[login]]\nlogin = \"HER\"\npassword_file = \"pw2\"\n{more}"
            ))
        };
        let live = her("every = \"1h\"\n");
        assert_eq!(fixed(&live, &live), None);
        let said = |new: &Settings| fixed(&live, new).unwrap_or_default();
        assert_eq!(said(&her("every = \"2h\"\n")), "every of the [[login]] HER");
        assert_eq!(said(&her("")), "every of the [[login]] HER");
        assert!(said(&of("")).starts_with("the number of [[login]] tables (0, was 1)"));
    }
}
