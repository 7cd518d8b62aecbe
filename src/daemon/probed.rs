//! Which actions may not be enforced yet, because what they rest on was not probed; it reads the traits file of this server and login, and writes nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::core::Core;
use super::probe::kept_traits;
use crate::model::settings::Settings;
use crate::model::{ActionName, Mode};
use crate::traits::{Missing, NOTHING_PROBED, missing};

/// By action, what is missing and what to do; empty where nothing is, or where no probe is asked for.
pub type Unprobed = BTreeMap<ActionName, Arc<str>>;

/// What the file says now. One that can't be used, or that is of another server or login, is as good as none.
pub fn unprobed(settings: &Settings) -> Unprobed {
    if !settings.server.require_probe {
        return Unprobed::new();
    }
    let words = |missing: &Missing| Arc::from(format!("{}: {}", missing.what, missing.how));
    let kept = match kept_traits(settings) {
        Ok(kept) => kept,
        Err(error) => {
            let why: Arc<str> =
                Arc::from(format!("{error}: move it away and run `provtaskd probe`"));
            return all(&why);
        }
    };
    let server = &settings.server;
    let traits = kept.filter(|traits| traits.is_of(&server.origin, server.login.as_str()));
    let Some(traits) = traits else {
        return all(&words(&NOTHING_PROBED));
    };
    let without = |action| Some((action, words(&missing(&traits, action)?)));
    ActionName::ALL.into_iter().filter_map(without).collect()
}

fn all(why: &Arc<str>) -> Unprobed {
    let each = |action| (action, Arc::clone(why));
    ActionName::ALL.into_iter().map(each).collect()
}

impl Core {
    /// Looks at the traits file again: a probe takes effect without a reload.
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
        let mut by_why: BTreeMap<&Arc<str>, Vec<&str>> = BTreeMap::new();
        for (action, why) in &self.unprobed {
            by_why.entry(why).or_default().push(action.as_str());
        }
        let line = |(why, actions): (&Arc<str>, Vec<&str>)| {
            format!("{} only observed, not probed: {why}", actions.join(", "))
        };
        by_why.into_iter().map(line).collect()
    }
}
