//! Pauses and their end, as a person orders them: one that is confirmed holds what it names, and is never a pause of nothing by mistake.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::DaemonError;
use super::core::Core;
use super::orders::name_of;
use super::recall::paused_by;
use super::under_way::Why;
use crate::control::{RefusedKind, Reply};
use crate::daily::counted;
use crate::ledger::record::{Actor, EventBody};
use crate::model::Scope;

impl Core {
    /// Holds back a scope. What was never seen is held back only where that is meant.
    pub async fn pause(
        &mut self,
        scope: Scope,
        unseen: bool,
        why: &str,
        lasting: Option<SignedDuration>,
        who: Actor,
        now: Timestamp,
    ) -> Result<Reply, DaemonError> {
        let (scope, note) = match self.scope_named(&scope)? {
            Ok(scope) => (scope, String::new()),
            Err(unknown) if unseen => {
                let note = format!(
                    "; it matches nothing now: {}, and holds what comes under that name",
                    unknown.what
                );
                (scope, note)
            }
            Err(unknown) => {
                return Ok(Reply::refused(
                    RefusedKind::NotFound,
                    format!("{}; a pause of it would stop nothing", unknown.what),
                    format!(
                        "{}; to pause what is still to come, add --unseen",
                        unknown.hint
                    ),
                ));
            }
        };
        let until = lasting.and_then(|lasting| now.checked_add(lasting).ok());
        let held = self
            .governor
            .pause(now, scope.clone(), &name_of(&who), until);
        if let Some(held) = held {
            // what did not come about is not on record as if it had; but what the daemon alone holds, for
            // want of its stored state, is a person's order from now on
            let ordered = self.ledger.read(|index| {
                index.pause(&held.scope, now).is_some_and(|order| {
                    order
                        .until
                        .is_none_or(|ends| until.is_some_and(|until| until <= ends))
                })
            });
            let body = if ordered {
                EventBody::Note {
                    text: Arc::from(format!(
                        "a pause of {scope} {} was ordered ({why}) and changed nothing: {} is paused {}",
                        end(&scope, until),
                        held.scope,
                        end(&held.scope, held.until)
                    )),
                }
            } else {
                EventBody::Paused {
                    scope: scope.clone(),
                    until,
                    reason: Arc::from(why),
                }
            };
            self.put(body, who, now).await?;
            let order = self
                .ledger
                .read(|index| index.pause(&held.scope, now).cloned());
            let by = paused_by(&held.by, order.as_ref());
            let why = order.map_or_else(String::new, |order| format!(" ({})", order.reason));
            return Ok(Reply::done(format!(
                "{} is already paused, {}, by {}{why}; that stays: a pause never shortens another, only `{}` ends it{note}",
                held.scope,
                end(&held.scope, held.until),
                by,
                resume(&held.scope)
            )));
        }
        self.void_queue(now, Why::Order);
        self.put(
            EventBody::Paused {
                scope: scope.clone(),
                until,
                reason: Arc::from(why),
            },
            who,
            now,
        )
        .await?;
        Ok(Reply::done(format!(
            "paused {scope}, {}{}{note}",
            end(&scope, until),
            self.still_sent()
        )))
    }

    /// What goes on all the same.
    fn still_sent(&self) -> String {
        let claimed = u64::try_from(self.under_way.claimed()).unwrap_or(u64::MAX);
        if self.once && claimed == 0 {
            // no daemon runs, or a single cycle has nothing under way
            let open = self.ledger.read(|index| index.open_attempts().count());
            return match u64::try_from(open).unwrap_or(u64::MAX) {
                0 => String::new(),
                open => format!(
                    "; {} sent before, and read back by the next start",
                    counted(open, "open attempt was", "open attempts were")
                ),
            };
        }
        format!(
            "; {} still sent and answered",
            counted(
                claimed,
                "request already claimed is",
                "requests already claimed are"
            )
        )
    }

    /// Ends the pause of a scope.
    pub async fn resume(
        &mut self,
        scope: Scope,
        who: Actor,
        now: Timestamp,
    ) -> Result<Reply, DaemonError> {
        let named = self.scope_named(&scope)?.ok();
        // one of something unseen is kept as it was ordered, also when it is seen later
        let wanted: Vec<Scope> = named.into_iter().chain([scope.clone()]).collect();
        let held: Vec<Scope> = self
            .governor
            .pauses(now)
            .into_iter()
            .map(|pause| pause.scope)
            .collect();
        let ended: Vec<Scope> = held
            .iter()
            .filter(|held| wanted.iter().any(|wanted| wanted.is_like(held)))
            .cloned()
            .collect();
        if ended.is_empty() {
            let hint = if held.is_empty() {
                "nothing is paused".to_owned()
            } else {
                let held: Vec<String> = held.iter().map(ToString::to_string).collect();
                format!("paused are: {}; see `provtaskd status`", held.join(", "))
            };
            let what = wanted.first().unwrap_or(&scope);
            return Ok(Reply::refused(
                RefusedKind::NotFound,
                match what {
                    Scope::Global => "there is no pause of everything".to_owned(),
                    what => format!("{what} is not paused"),
                },
                hint,
            ));
        }
        for scope in &ended {
            self.governor.resume(scope);
            let scope = scope.clone();
            self.put(EventBody::Resumed { scope }, who.clone(), now)
                .await?;
        }
        let words = |scopes: &[Scope]| {
            let words: Vec<String> = scopes.iter().map(ToString::to_string).collect();
            words.join(", ")
        };
        let stay = self.governor.pauses(now).into_iter();
        let stay: Vec<Scope> = stay.map(|pause| pause.scope).collect();
        let stay = match words(&stay) {
            none if none.is_empty() => String::new(),
            stay => format!("; still paused: {stay}"),
        };
        Ok(Reply::done(format!("resumed {}{stay}", words(&ended))))
    }
}

/// How long a pause holds, in words.
fn end(scope: &Scope, until: Option<Timestamp>) -> String {
    until.map_or_else(
        || format!("until `{}`", resume(scope)),
        |until| format!("until {until:.0}"),
    )
}

/// The whole command that ends a pause of a scope, as a shell takes it.
fn resume(scope: &Scope) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_./#:@".contains(c);
    let word = |name: &str| match name.chars().all(plain) && !name.is_empty() {
        true => name.to_owned(),
        false => format!("'{}'", name.replace('\'', "'\\''")),
    };
    let options = match scope {
        Scope::Global => String::new(),
        Scope::Target(target) => format!(" --target {}", word(target.as_str())),
        Scope::ActionOnTarget(action, target) => {
            format!(" --target {} --action {action}", word(target.as_str()))
        }
        Scope::Definition(of) => format!(" --definition {}", word(&of.to_string())),
        Scope::Account(process) => format!(" --account {}", word(process.as_str())),
        Scope::Lineage(lineage) => format!(" --task {lineage}"),
        Scope::Task(task) => format!(" --task {}", word(task.as_str())),
    };
    format!("provtaskd resume{options}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ActionName, LineageId, TargetName};

    #[test]
    fn the_command_that_ends_a_pause_has_its_scope_as_a_shell_takes_it() {
        let target = |name: &str| Scope::Target(TargetName::new(name));
        for (scope, command) in [
            (Scope::Global, "provtaskd resume"),
            (target("AD"), "provtaskd resume --target AD"),
            (target("Oracle HR"), "provtaskd resume --target 'Oracle HR'"),
            (target("it's"), "provtaskd resume --target 'it'\\''s'"),
            (
                Scope::ActionOnTarget(ActionName::Retry, TargetName::new("AD")),
                "provtaskd resume --target AD --action retry",
            ),
            (Scope::Lineage(LineageId(12)), "provtaskd resume --task L12"),
        ] {
            assert_eq!(resume(&scope), command);
        }
    }
}
