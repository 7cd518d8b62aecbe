//! Which actions may not be enforced yet, because what they rest on was not probed; it reads the traits files of this server and its logins, and writes nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::core::Core;
use super::probe::kept_traits;
use crate::model::settings::Settings;
use crate::model::{ActionName, Login, Mode};
use crate::traits::{Missing, NOTHING_PROBED, Traits, beside, missing};

/// By action, what is missing and what to do; empty where nothing is.
pub type ByAction = BTreeMap<ActionName, Arc<str>>;

/// What is missing; empty where nothing is, or where no probe is asked for.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Unprobed {
    /// Of the main login; it holds for all.
    pub all: ByAction,
    /// Of a further one beside that.
    pub further: BTreeMap<Login, ByAction>,
}

/// What the files say now. One that can't be used, or that is of another server or login, is as good as none.
pub fn unprobed(settings: &Settings) -> Unprobed {
    if !settings.server.require_probe {
        return Unprobed::default();
    }
    let words = |missing: &Missing| Arc::from(format!("{}: {}", missing.what, missing.how));
    let main = match of_login(settings, None) {
        Ok(main) => main,
        Err(why) => {
            return Unprobed {
                all: each(&why),
                further: BTreeMap::new(),
            };
        }
    };
    let all = match &main {
        Some(main) => without(main, words),
        None => each(&words(&NOTHING_PROBED)),
    };
    let further = settings.logins.iter().map(|of| {
        let login = &of.server.login;
        let mut own = match of_login(settings, Some(login)) {
            Ok(Some(own)) => without(&beside(&own, main.as_ref()), |missing| {
                Arc::from(format!(
                    "{}: run `provtaskd probe --login {login}` when its list shows tasks",
                    missing.what
                ))
            }),
            Ok(None) => each(&Arc::from(format!(
                "{}: run `provtaskd probe --login {login}`",
                NOTHING_PROBED.what
            ))),
            Err(why) => each(&why),
        };
        own.retain(|action, _| !all.contains_key(action));
        (login.clone(), own)
    });
    let further = further.filter(|(_, own)| !own.is_empty()).collect();
    Unprobed { all, further }
}

/// What a login's file says, where it is of this server and login.
fn of_login(settings: &Settings, login: Option<&Login>) -> Result<Option<Traits>, Arc<str>> {
    let server = &settings.server;
    let name = login.unwrap_or(&server.login);
    let again = login.map_or_else(String::new, |login| format!(" --login {login}"));
    match kept_traits(settings, login) {
        Ok(kept) => Ok(kept.filter(|traits| traits.is_of(&server.origin, name.as_str()))),
        Err(error) => Err(Arc::from(format!(
            "{error}: move it away and run `provtaskd probe{again}`"
        ))),
    }
}

fn without(traits: &Traits, words: impl Fn(&Missing) -> Arc<str>) -> ByAction {
    let of = |action| Some((action, words(&missing(traits, action)?)));
    ActionName::ALL.into_iter().filter_map(of).collect()
}

fn each(why: &Arc<str>) -> ByAction {
    let each = |action| (action, Arc::clone(why));
    ActionName::ALL.into_iter().map(each).collect()
}

impl Core {
    /// Looks at the traits files again: a probe takes effect without a reload.
    pub fn refresh_traits(&mut self) {
        let now = unprobed(&self.settings);
        if now == self.unprobed {
            return;
        }
        self.unprobed = now;
        // what was refused for it is asked about again
        self.epoch += 1;
        self.say_unprobed();
    }

    /// Says in the log what is only observed although enforce is configured.
    pub fn say_unprobed(&self) {
        for why in self.unprobed_words() {
            tracing::warn!(%why, "an action is not enforced until what it rests on was probed");
        }
    }

    /// In words, one line for all actions that wait for the same; empty where the mode is not enforce anyway.
    pub fn unprobed_words(&self) -> Vec<String> {
        if self.settings.modes.global != Mode::Enforce {
            return Vec::new();
        }
        let mut out = lines(&self.unprobed.all, "");
        for (login, own) in &self.unprobed.further {
            out.extend(lines(own, &format!("as {login} ")));
        }
        out
    }
}

fn lines(missing: &ByAction, whose: &str) -> Vec<String> {
    let mut by_why: BTreeMap<&Arc<str>, Vec<&str>> = BTreeMap::new();
    for (action, why) in missing {
        by_why.entry(why).or_default().push(action.as_str());
    }
    let line = |(why, actions): (&Arc<str>, Vec<&str>)| {
        format!(
            "{whose}{} only observed, not probed: {why}",
            actions.join(", ")
        )
    };
    by_why.into_iter().map(line).collect()
}
