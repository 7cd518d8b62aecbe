//! What a case expects of a policy, and how an answer differs from it; what is not written is not compared.

use jiff::SignedDuration;
use serde::Deserialize;

use super::word;
use crate::model::{Action, ActionName, Verdict};
use crate::policy::duration;
use crate::policy::set::Evaluated;

/// What should come out; what is not written is not compared.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    verdict: String,
    #[serde(default)]
    policy: Option<String>,
    #[serde(default)]
    to: Option<String>,
    #[serde(default)]
    after_min: Option<String>,
    #[serde(default)]
    after_max: Option<String>,
    #[serde(default)]
    priority: Option<i32>,
    #[serde(default)]
    reason_has: Option<String>,
}

impl Expect {
    /// That the case expects a verdict that there is not, if so.
    pub fn no_verdict(&self) -> Option<String> {
        let actions = ActionName::ALL.iter().map(|action| action.as_str());
        let known: Vec<&str> = actions.chain(["leave", "ask", "none", "fault"]).collect();
        (!known.contains(&self.verdict.as_str())).then(|| {
            format!(
                "there is no verdict `{}`: write one of {}",
                self.verdict,
                known.join(", ")
            )
        })
    }

    /// What is not as written, if anything is not.
    pub fn differs(&self, answer: &Evaluated) -> Option<String> {
        if word(answer) != self.verdict {
            return Some(format!("expected {}", self.verdict));
        }
        if let Some(policy) = &self.policy
            && answer.policy.as_deref() != Some(policy)
        {
            return Some(format!("expected the answer from {policy}"));
        }
        let (after, words, to, priority) = parts(answer);
        if let Some(want) = &self.to
            && to.as_deref() != Some(want)
        {
            return Some(format!("expected it to go to {want}"));
        }
        if let Some(want) = self.priority
            && priority != Some(want)
        {
            return Some(format!("expected priority {want}"));
        }
        if let Some(want) = &self.reason_has
            && !words.contains(want.as_str())
        {
            return Some(format!("expected the reason to have `{want}`"));
        }
        for (bound, low) in [(&self.after_min, true), (&self.after_max, false)] {
            let Some(text) = bound else { continue };
            let bound = match duration::parse(text) {
                Ok(bound) => bound,
                Err(error) => return Some(error),
            };
            let fits = after.is_some_and(|a| if low { a >= bound } else { a <= bound });
            if !fits {
                let is = after.map_or("nothing".to_owned(), duration::format);
                let word = if low { "least" } else { "most" };
                return Some(format!("expected after at {word} {text}, is {is}"));
            }
        }
        None
    }
}

type Parts = (Option<SignedDuration>, String, Option<String>, Option<i32>);

fn parts(answer: &Evaluated) -> Parts {
    match &answer.verdict {
        None => (None, String::new(), None, None),
        Some(Verdict::Act {
            action,
            after,
            because,
            priority,
        }) => {
            let to = match action {
                Action::Reassign { to } => Some(to.to_string()),
                _ => None,
            };
            let words = because.as_deref().unwrap_or("").to_owned();
            (*after, words, to, Some(*priority))
        }
        Some(Verdict::Leave { reason, after } | Verdict::Ask { reason, after }) => {
            (*after, reason.to_string(), None, None)
        }
    }
}
