//! Which fault, if any, falls on a request; pure: the draw is a hash of seed, fault and request, and nothing is sent or changed here.

use std::collections::HashMap;

use serde::Deserialize;

use super::draw;
use super::time::{Ms, Span, When};

/// The class of a request, which is what a fault is set on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Class {
    /// GET of the task list.
    List,
    /// PUT on one task or many.
    Put,
    /// GET of a task, its history or responses, a process.
    Read,
    /// Users, their proxies, roles, members, requests.
    People,
    /// The token service.
    Token,
    /// Anything of these, and what is none of them.
    Any,
}

impl Class {
    /// The word in journal and scenario.
    pub fn word(self) -> &'static str {
        match self {
            Class::List => "list",
            Class::Put => "put",
            Class::Read => "read",
            Class::People => "people",
            Class::Token => "token",
            Class::Any => "any",
        }
    }
}

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// Answer leaves out an item (the first; on a list, every third).
    OmitItems,
    /// Answer holds an item twice.
    DuplicateItems,
    /// Answer holds an item that nobody asked for.
    ExtraItems,
    /// Ids are numbers.
    NumericIds,
    /// `success`, `fail`.
    LowerStatus,
    /// `OK` for SUCCESS.
    OkStatus,
    /// A status word that nobody knows.
    UnknownStatus,
    /// Applied, but every item says FAIL with an opaque reason.
    FalseFail,
    /// 500 with an HTML page, nothing applied.
    Html500,
    /// 503 with an HTML page, nothing applied.
    Html503,
    /// 500 with an HTML page, although applied.
    Html500Applied,
    /// 408, nothing applied.
    Timeout408,
    /// 504 without a time, as a front end says it that gave up waiting, nothing applied.
    Gateway504,
    /// 429 with Retry-After (`value`: seconds, or `date`).
    TooMany,
    /// 500 with an XML error.
    XmlError,
    /// 200 without a body, although applied.
    Empty200,
    /// JSON that stops in the middle, although applied.
    TruncatedJson,
    /// The connection ends in the middle of the body, although applied.
    CutBody,
    /// An SSO login page with 200.
    LoginPage,
    /// 302 to a login page.
    LoginRedirect,
    /// Connection reset, nothing applied.
    ResetBefore,
    /// Connection reset, although applied.
    ResetAfter,
    /// Applied; the answer comes after `ms` of wall time (0 = never).
    Hang,
    /// Nothing applied; the answer (503) comes after `ms` of wall time (0 = never).
    HangUnapplied,
    /// No answer for `ms` of wall time, then a reset; applied `delay` of domain time later.
    SlowApply,
    /// All tokens lose their force just before.
    ExpireTokens,
    /// Rows are taken from under the pages: the next page starts one row later than it should.
    ShiftPages,
    /// The next page starts one row earlier than it should.
    OverlapPages,
    /// `next` leads to the same page again.
    RepeatNext,
    /// `next` and `self` name another host.
    ForeignNext,
    /// `hasMore` is true on an empty page.
    EmptyMore,
    /// `hasMore` is false on every page; rows and links stay as they are.
    FalseEnd,
    /// There is no `hasMore`.
    NoHasMore,
    /// Of a page's rows only `value` come (2 without), with `hasMore` false and without a `next` link; `count`
    /// stays what it was.
    CutRows,
    /// `fields` is a map.
    MapFields,
    /// Texts are `{"base": …}`.
    BaseValues,
    /// An admin finishes the tasks of a PUT just before it.
    FinishFirst,
    /// 403 on the whole request.
    Forbidden,
    /// 404 on the whole request, as from a server or front end without that path.
    NotFound,
    /// Some items (every second) are refused as not authorised.
    ForbidItems,
    /// A body of `value` MiB (64 without).
    Oversized,
    /// A small gzip body that unpacks to `value` MiB (64 without).
    GzipBomb,
    /// The password is wrong from here on.
    WrongPassword,
}

impl FaultKind {
    /// Whether the request is answered without being carried out.
    pub fn instead(self) -> bool {
        matches!(
            self,
            FaultKind::Html500
                | FaultKind::Html503
                | FaultKind::Timeout408
                | FaultKind::Gateway504
                | FaultKind::TooMany
                | FaultKind::XmlError
                | FaultKind::LoginPage
                | FaultKind::LoginRedirect
                | FaultKind::ResetBefore
                | FaultKind::HangUnapplied
                | FaultKind::Forbidden
                | FaultKind::NotFound
                | FaultKind::SlowApply
                | FaultKind::Oversized
                | FaultKind::GzipBomb
        )
    }
}

/// A fault as a scenario writes it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaultSpec {
    /// What goes wrong.
    #[serde(rename = "do")]
    pub what: FaultKind,
    /// On which requests.
    #[serde(default = "any")]
    pub on: Class,
    /// Only where the path ends with this text: one task or account that is broken.
    #[serde(default)]
    pub path: Option<String>,
    /// Only where a write names this task, alone or among others.
    #[serde(default)]
    pub task: Option<String>,
    /// Only where this login asks: what it may not read another one may.
    #[serde(default)]
    pub login: Option<String>,
    /// With which probability (0 to 1).
    #[serde(default)]
    pub probability: f64,
    /// At the n-th request of the class, counted from 1 when the fault is set.
    #[serde(default)]
    pub at: Vec<u64>,
    /// At each request from the n-th on.
    #[serde(default)]
    pub from_request: Option<u64>,
    /// Not before.
    #[serde(default)]
    pub from: Option<When>,
    /// Not after.
    #[serde(default)]
    pub until: Option<When>,
    /// At most so often.
    #[serde(default)]
    pub limit: Option<u64>,
    /// Wall milliseconds, for the hanging ones.
    #[serde(default)]
    pub ms: u64,
    /// Domain time, for `slow_apply`.
    #[serde(default)]
    pub delay: Span,
    /// A value: Retry-After, MiB.
    #[serde(default)]
    pub value: Option<String>,
}

impl FaultSpec {
    /// False where it names no request and no probability: it would never happen.
    pub fn can_happen(&self) -> bool {
        self.probability > 0.0 || !self.at.is_empty() || self.from_request.is_some()
    }
}

fn any() -> Class {
    Class::Any
}

#[derive(Debug)]
struct Armed {
    spec: FaultSpec,
    number: u64,
    seen: u64,
    used: u64,
}

/// All faults in force, with their counters.
#[derive(Debug, Default)]
pub struct Faults {
    seed: u64,
    start: Ms,
    armed: Vec<Armed>,
    added: u64,
    ordinals: HashMap<u64, u64>,
}

impl Faults {
    /// The faults of a scenario.
    pub fn new(seed: u64, start: Ms, specs: &[FaultSpec]) -> Self {
        let mut faults = Self {
            seed,
            start,
            ..Self::default()
        };
        for spec in specs {
            faults.add(spec.clone());
        }
        faults
    }

    /// One more fault, from now on.
    pub fn add(&mut self, spec: FaultSpec) {
        self.added += 1;
        self.armed.push(Armed {
            spec,
            number: self.added,
            seen: 0,
            used: 0,
        });
    }

    /// Whether any is in force.
    pub fn any(&self) -> bool {
        !self.armed.is_empty()
    }

    /// None any more.
    pub fn clear(&mut self) {
        self.armed.clear();
    }

    /// The fault for a request. `subject` names what is asked, without what a retry would change, so that the same request meets the same fate whatever happens beside it.
    /// `tasks` are those that a write names; `login` is who asks.
    pub fn pick(
        &mut self,
        class: Class,
        path: &str,
        tasks: &[&str],
        login: Option<&str>,
        subject: u64,
        now: Ms,
    ) -> Option<FaultSpec> {
        if self.armed.is_empty() {
            return None;
        }
        let ordinal = self.ordinals.entry(subject).or_default();
        *ordinal += 1;
        let (seed, start, ordinal) = (self.seed, self.start, *ordinal);
        let mut chosen = None;
        for armed in &mut self.armed {
            let spec = &armed.spec;
            let elsewhere =
                spec.path
                    .as_ref()
                    .is_some_and(|part| !path.ends_with(part.as_str()))
                    || spec
                        .task
                        .as_ref()
                        .is_some_and(|task| !tasks.contains(&task.as_str()))
                    || spec.login.as_ref().is_some_and(|own| {
                        !login.is_some_and(|login| login.eq_ignore_ascii_case(own))
                    });
            if elsewhere || spec.on != Class::Any && spec.on != class {
                continue;
            }
            armed.seen += 1;
            let outside = spec.from.is_some_and(|from| now < from.at(start))
                || spec.until.is_some_and(|until| now > until.at(start));
            let used_up = spec.limit.is_some_and(|limit| armed.used >= limit);
            if outside || used_up || chosen.is_some() {
                continue;
            }
            let listed = spec.at.contains(&armed.seen)
                || spec.from_request.is_some_and(|from| armed.seen >= from);
            let drawn = spec.probability > 0.0
                && draw::share(draw::hash(seed, &[0xfa, armed.number, subject, ordinal]))
                    < spec.probability;
            if listed || drawn {
                armed.used += 1;
                chosen = Some(spec.clone());
            }
        }
        chosen
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(text: &str) -> FaultSpec {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn a_fault_falls_on_the_listed_requests_of_its_class() {
        let mut faults = Faults::new(1, 0, &[spec("do = \"html500\"\non = \"put\"\nat = [2]")]);
        assert!(faults.pick(Class::Put, "/", &[], None, 1, 0).is_none());
        assert!(faults.pick(Class::List, "/", &[], None, 2, 0).is_none());
        assert!(faults.pick(Class::Put, "/", &[], None, 1, 0).is_some());
        assert!(faults.pick(Class::Put, "/", &[], None, 1, 0).is_none());
    }

    #[test]
    fn draws_do_not_depend_on_the_order_of_requests() {
        let make = || Faults::new(9, 0, &[spec("do = \"html503\"\nprobability = 0.5")]);
        let (mut one, mut two) = (make(), make());
        let forward: Vec<bool> = (0..200)
            .map(|subject| one.pick(Class::Read, "/", &[], None, subject, 0).is_some())
            .collect();
        let mut backward: Vec<bool> = (0..200)
            .rev()
            .map(|subject| two.pick(Class::Read, "/", &[], None, subject, 0).is_some())
            .collect();
        backward.reverse();
        assert_eq!(forward, backward);
        let hits = forward.iter().filter(|hit| **hit).count();
        assert!((60..140).contains(&hits), "{hits}");
    }

    #[test]
    fn a_fault_of_a_path_falls_and_counts_there_only() {
        let text = "do = \"html500\"\non = \"read\"\npath = \"/processes/72\"\nat = [2]";
        let mut faults = Faults::new(1, 0, &[spec(text)]);
        let mut on = |path: &str| faults.pick(Class::Read, path, &[], None, 1, 0).is_some();
        assert!(!on("/processes/72"));
        assert!(!on("/processes/71"));
        assert!(on("/processes/72"));
        let text = "do = \"forbidden\"\nlogin = \"SVC\"\nfrom_request = 1";
        let mut faults = Faults::new(1, 0, &[spec(text)]);
        let mut by = |login| faults.pick(Class::Read, "/", &[], login, 1, 0).is_some();
        assert!(by(Some("svc")) && !by(Some("OTHER")) && !by(None));
    }

    #[test]
    fn a_fault_of_a_task_falls_on_every_write_that_names_it_and_on_no_other() {
        let text = "do = \"html500\"\non = \"put\"\ntask = \"41\"\nprobability = 1.0";
        let mut faults = Faults::new(1, 0, &[spec(text)]);
        let mut on = |tasks: &[&str]| faults.pick(Class::Put, "/", tasks, None, 1, 0).is_some();
        assert!(on(&["40", "41"]));
        assert!(!on(&["40", "410"]));
        assert!(on(&["41"]));
    }

    #[test]
    fn limits_and_windows_hold() {
        let mut faults = Faults::new(
            1,
            1_000,
            &[spec(
                "do = \"hang\"\nprobability = 1.0\nlimit = 1\nfrom = \"1s\"",
            )],
        );
        assert!(faults.pick(Class::List, "/", &[], None, 1, 1_500).is_none());
        assert!(faults.pick(Class::List, "/", &[], None, 1, 2_000).is_some());
        assert!(faults.pick(Class::List, "/", &[], None, 1, 2_000).is_none());
    }
}
