//! Which of several logins may not send what it sees: one that is stopped, has to read back first, or was not probed; it stops nobody, and sends nothing.

use std::collections::BTreeMap;

use super::core::Core;
use super::probed::ByAction;
use crate::governor::Governor;
use crate::model::{ActionName, Decision, Login, Refusal, RefusalReason, Scope, Verdict};
use jiff::Timestamp;

/// As a cycle goes by them.
pub struct Senders {
    /// `None`: the main one.
    stops: Vec<(Option<Login>, Refusal)>,
    unprobed: BTreeMap<Login, ByAction>,
}

impl Senders {
    /// Why what the guards have passed is not sent as this login.
    pub fn refuse(
        &self,
        login: Option<&Login>,
        decision: &Decision,
        governor: &Governor,
        now: Timestamp,
    ) -> Option<Refusal> {
        let Some(Verdict::Act { action, .. }) = &decision.verdict else {
            return None;
        };
        self.refuse_act(login, action.name(), || {
            governor.forbidden(now, decision).into_iter().next()
        })
    }

    /// The same for one action. What is `forbidden` to everybody comes before what was not probed.
    pub fn refuse_act(
        &self,
        login: Option<&Login>,
        action: ActionName,
        forbidden: impl FnOnce() -> Option<Refusal>,
    ) -> Option<Refusal> {
        let stop = self.stops.iter().find(|(of, _)| of.as_ref() == login);
        if let Some((_, stop)) = stop {
            return Some(stop.clone());
        }
        let login = login?;
        let missing = self.unprobed.get(login)?.get(&action)?;
        Some(forbidden().unwrap_or_else(|| {
            Refusal::new(RefusalReason::NotProbed, Scope::Global)
                .with("login", login)
                .with("action", action)
                .with("missing", missing)
                .for_person()
        }))
    }
}

impl Core {
    /// As they stand now.
    pub fn senders(&self) -> Senders {
        Senders {
            stops: self.senders_stopped(),
            unprobed: self.unprobed.further.clone(),
        }
    }

    /// Which of several logins (`None`: the main one) can't send, for what a cycle has read before their stop.
    fn senders_stopped(&self) -> Vec<(Option<Login>, Refusal)> {
        let main = &self.settings.server.login;
        let further = self.logins.further().iter().map(|(login, _)| login);
        let all = std::iter::once((None, main)).chain(further.map(|of| (Some(of.clone()), of)));
        let stopped = |login: &Login| {
            self.ledger
                .read(|index| Some(index.login_stopped(login)?.why.clone()))
        };
        let refusal = |(sender, login): (Option<Login>, &Login)| {
            let refuse = |reason| Refusal::new(reason, Scope::Global).with("login", login);
            let refusal = match stopped(login) {
                Some(why) => refuse(RefusalReason::LoginStopped)
                    .with("why", why)
                    .for_person(),
                // it comes by itself
                None if self.reads_first(sender.as_ref()) => refuse(RefusalReason::AwaitsSettling),
                None => return None,
            };
            Some((sender, refusal))
        };
        match self.logins.further() {
            // one alone holds everything
            [] => Vec::new(),
            _ => all.filter_map(refusal).collect(),
        }
    }
}
