//! What a scenario file may say: the world, its course and its faults, as TOML; it must never act on any of it.

mod act;
mod built_in;
mod people;
mod work;

pub use act::{Act, Do, EventSpec, PasswordAct, TimedRetrySpec};
pub use people::{LoginSpec, ProxySpec, RequestSpec, RoleSpec, UserSpec};
pub use work::{
    AccountSpec, DefinitionSpec, DoneSpec, Pick, PopTask, PopulationSpec, TargetSpec, TaskSpec,
    WindowSpec,
};

use serde::Deserialize;

use super::fault::FaultSpec;
use super::time::{Ms, Span, parse_stamp};

/// The role that owns generated tasks and that the default login is in.
pub const OPERATORS: &str = "PROV OPERATORS";

/// A scenario that can't be used.
#[derive(Debug, thiserror::Error)]
pub enum ScenarioError {
    /// Not TOML, or a key or value that the simulator does not know.
    #[error("scenario: {0}")]
    Toml(#[from] Box<toml::de::Error>),
    /// Something is named that does not exist, or contradicts itself.
    #[error("scenario: {0}")]
    Meaning(String),
}

/// A whole scenario.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Scenario {
    /// Short name.
    pub name: String,
    /// What it is for.
    pub about: String,
    /// Seed of every draw.
    pub seed: u64,
    /// Domain time at which the world starts, RFC 3339.
    pub start: String,
    /// How domain time runs.
    pub clock: ClockSpec,
    /// The server's settings.
    pub server: ServerSpec,
    /// How this server words its answers.
    pub traits: Traits,
    /// Logins that may call it; without any, one default login.
    pub login: Vec<LoginSpec>,
    /// Roles with members.
    pub role: Vec<RoleSpec>,
    /// Users written out.
    pub user: Vec<UserSpec>,
    /// Proxies.
    pub proxy: Vec<ProxySpec>,
    /// Access requests.
    pub request: Vec<RequestSpec>,
    /// Application instances.
    pub target: Vec<TargetSpec>,
    /// Task definitions written out.
    pub definition: Vec<DefinitionSpec>,
    /// Accounts written out.
    pub account: Vec<AccountSpec>,
    /// Tasks written out.
    pub task: Vec<TaskSpec>,
    /// Generated accounts with their tasks.
    pub population: Vec<PopulationSpec>,
    /// What happens in the course of time.
    pub event: Vec<EventSpec>,
    /// Faults of the server.
    pub fault: Vec<FaultSpec>,
    /// OIG's own Task Timed Retry job, if it runs.
    pub timed_retry: Option<TimedRetrySpec>,
}

impl Default for Scenario {
    fn default() -> Self {
        Self {
            name: "unnamed".to_owned(),
            about: String::new(),
            seed: 1,
            start: "2027-03-01T07:00:00Z".to_owned(),
            clock: ClockSpec::default(),
            server: ServerSpec::default(),
            traits: Traits::default(),
            login: Vec::new(),
            role: Vec::new(),
            user: Vec::new(),
            proxy: Vec::new(),
            request: Vec::new(),
            target: Vec::new(),
            definition: Vec::new(),
            account: Vec::new(),
            task: Vec::new(),
            population: Vec::new(),
            event: Vec::new(),
            fault: Vec::new(),
            timed_retry: None,
        }
    }
}

impl Scenario {
    /// Reads a scenario from TOML.
    ///
    /// # Errors
    /// [`ScenarioError`] with the line, or with what is named but missing.
    pub fn from_toml(text: &str) -> Result<Self, ScenarioError> {
        let mut scenario: Scenario = toml::from_str(text).map_err(Box::new)?;
        if scenario.login.is_empty() {
            scenario.login.push(LoginSpec::default());
        }
        let start = scenario.start_ms()?;
        // Building the world once finds every name that does not exist; very large ones are built in part.
        let mut part = scenario.clone();
        for population in &mut part.population {
            population.accounts = population.accounts.min(5_000);
        }
        super::world::World::build(&part, start)?;
        Ok(scenario)
    }

    /// One of the scenarios that ship inside the binary.
    pub fn built_in(name: &str) -> Option<Self> {
        let text = built_in::text(name)?;
        // The shipped files are read by a test each, so a failure here is a broken build.
        Self::from_toml(text).ok()
    }

    /// The names that [`Scenario::built_in`] knows.
    pub fn built_in_names() -> impl Iterator<Item = &'static str> {
        built_in::names()
    }

    /// The start as milliseconds since the epoch.
    ///
    /// # Errors
    /// [`ScenarioError::Meaning`] if it is not RFC 3339.
    pub fn start_ms(&self) -> Result<Ms, ScenarioError> {
        parse_stamp(&self.start).map_err(|error| ScenarioError::Meaning(error.to_string()))
    }
}

/// How domain time runs.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ClockSpec {
    /// The mode.
    pub mode: ClockMode,
    /// Domain seconds per wall second, for `scaled`.
    pub scale: f64,
    /// Stepped: whether the world is held at its start until a test lets it run.
    pub hold: bool,
}

impl Default for ClockSpec {
    fn default() -> Self {
        Self {
            mode: ClockMode::Stepped,
            scale: 60.0,
            hold: false,
        }
    }
}

/// The modes of domain time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClockMode {
    /// Domain time is the wall's; the world starts now.
    Wall,
    /// Domain time runs a fixed factor faster.
    Scaled,
    /// Domain time moves only when the client asks.
    Stepped,
}

impl ClockMode {
    /// The word on the wire.
    pub fn word(self) -> &'static str {
        match self {
            ClockMode::Wall => "wall",
            ClockMode::Scaled => "scaled",
            ClockMode::Stepped => "stepped",
        }
    }
}

/// Whose tasks the list shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ListScope {
    /// The caller's and those of his roles.
    Own,
    /// All open tasks.
    Everybody,
}

/// The server's settings.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ServerSpec {
    /// Whose tasks the list shows.
    pub list_scope: ListScope,
    /// Bulk answers come in another order than asked.
    pub shuffle_bulk: bool,
    /// Consecutive wrong passwords after which a login is locked.
    pub lock_after: u32,
    /// Life of a token, in domain time.
    pub token_lifetime: Span,
    /// How long a finished task can still be read.
    pub forget_after: Span,
    /// The most rows of one page, whatever the client asks.
    pub limit_max: usize,
    /// The journal keeps the bodies of requests.
    pub journal_bodies: bool,
}

impl Default for ServerSpec {
    fn default() -> Self {
        Self {
            list_scope: ListScope::Own,
            shuffle_bulk: true,
            lock_after: 5,
            token_lifetime: Span(1_800_000),
            forget_after: Span(30 * 86_400_000),
            limit_max: 5_000,
            journal_bodies: true,
        }
    }
}

/// How this server words what it says.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Traits {
    /// Ids are JSON numbers.
    pub numeric_ids: bool,
    /// The form of dates.
    pub dates: DateForm,
    /// The raw status is a word (`Rejected`), not a code (`R`).
    pub status_words: bool,
    /// Texts are objects with a `base`.
    pub localised: bool,
    /// `fields` is a map (11.1.2.3).
    pub map_fields: bool,
    /// PUT answers say `OK` and name the assignee (11.1.2.3), nobody asks for X-Requested-By.
    pub legacy: bool,
    /// The child row of a grant is shown, in a field that no documentation knows.
    pub show_child: bool,
    /// A successor lives in a process instance with a new key.
    pub new_process_key: bool,
    /// Finished tasks are left out of a process's answer.
    pub process_hides_finished: bool,
    /// A task that is read by itself or in its process does not show its adapter's key; lists do.
    pub process_no_adapter: bool,
    /// Finished tasks show when they ended, in a field that no documentation knows.
    pub task_ends: bool,
    /// What tasks may be added to a process is not told (404).
    pub no_available_tasks: bool,
    /// The accounts of a user show no status.
    pub accounts_no_status: bool,
    /// The accounts of a user are shown without those that were revoked.
    pub accounts_hide_gone: bool,
    /// A list shows no creation dates; an account and a single task do.
    pub list_no_dates: bool,
    /// The note of a task is not shown.
    pub no_notes: bool,
    /// No task shows the key of its process instance.
    pub no_process_key: bool,
    /// A list shows so many characters of a reason, and none of them where it is 0; a single task shows all.
    pub list_reason: Option<usize>,
    /// Codes and words of a status are in small letters.
    pub lower_words: bool,
    /// The order of the list.
    pub list_order: ListOrder,
    /// The server's `Date` header is so many seconds ahead of the wall's clock.
    pub clock_skew_secs: i64,
}

/// In which order the list comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ListOrder {
    /// As the tasks were opened.
    #[default]
    Opened,
    /// The last that was opened first.
    Newest,
    /// Another one for each request, so that pages neither join nor add up.
    Moving,
}

/// The forms in which dates are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DateForm {
    /// `2027-03-01T08:00:00Z`, as in every 12c sample.
    #[default]
    Zulu,
    /// `2027-03-01T08:00:00.000+00:00`.
    Offset,
    /// `2027-03-01T08:00:00`.
    NoZone,
    /// `2027-03-01`.
    Day,
    /// Milliseconds since the epoch, as a number.
    Millis,
}
