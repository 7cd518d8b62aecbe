//! Simulator and daemon of the demo, and how time passes for both; it asks the daemon over its control socket only, as any command does.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;

use super::done;
use super::house::House;
use crate::cli::ask::unexpected;
use crate::cli::failure::{Failure, Kind};
use crate::control::{
    self, ControlError, InboxItem, OutcomeFilter, OutcomeRow, PlanFilter, PlanView, Reply, Request,
    StatusView,
};
use crate::daemon::{self, RunOptions, Running};
use crate::model::settings::Settings;
use crate::sim::scenario::ClockMode;
use crate::sim::{Scenario, SimOptions, SimServer};

/// The longest wait for one answer of the daemon, wall time.
const ANSWER: Duration = Duration::from_secs(60);
/// The longest that one span of domain time may take, wall time.
const SPAN: Duration = Duration::from_secs(120);

/// What the demo plays on.
pub struct Stage {
    /// The directory; it goes last.
    pub house: House,
    /// The simulator.
    pub sim: SimServer,
    /// Tasks by target as first read.
    pub seen: BTreeMap<String, u64>,
    settings: Settings,
    socket: PathBuf,
    daemon: Option<Running>,
}

impl Stage {
    /// Starts the simulator, with its clock held, and writes the daemon's files.
    pub async fn open(mut scenario: Scenario, house: House) -> Result<Self, Failure> {
        scenario.clock.mode = ClockMode::Stepped;
        scenario.clock.hold = true;
        let sim = SimServer::start(SimOptions::new(scenario.clone()))
            .await
            .map_err(|error| {
                Failure::of(Kind::Io, &error).hint("is a limit of open files or sockets reached?")
            })?;
        let settings = house.furnish(&sim.origin(), &scenario)?;
        Ok(Self {
            house,
            sim,
            seen: BTreeMap::new(),
            socket: settings.admin.socket.clone(),
            settings,
            daemon: None,
        })
    }

    /// Starts the daemon as `run` does, and waits until it answers.
    pub async fn start_daemon(&mut self) -> Result<(), Failure> {
        let options = RunOptions {
            once: false,
            config: Some(self.house.config()),
            overrides: None,
        };
        self.daemon = Some(daemon::start(self.settings.clone(), options));
        let began = std::time::Instant::now();
        while began.elapsed() < ANSWER {
            self.alive().await?;
            match control::ask(&self.socket, Request::Status, ANSWER).await {
                Err(ControlError::NotRunning { .. }) => {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
                other => return other.map(drop).map_err(Failure::from),
            }
        }
        Err(Failure::new(
            Kind::Internal,
            "the daemon did not open its control socket",
        ))
    }

    /// An ended daemon ends the demo, with the daemon's own words.
    async fn alive(&mut self) -> Result<(), Failure> {
        if self.daemon.as_ref().is_some_and(Running::has_ended)
            && let Some(daemon) = self.daemon.take()
        {
            daemon.stop().await?;
            return Err(Failure::new(
                Kind::Interrupted,
                "the daemon was stopped before the demo was through",
            )
            .hint("nothing is left behind; start it again when you like"));
        }
        Ok(())
    }

    /// Lets a span of domain time pass; calls `look` now and then meanwhile.
    pub async fn pass(
        &mut self,
        span: Duration,
        look: &mut dyn FnMut(&StatusView),
    ) -> Result<(), Failure> {
        let began = std::time::Instant::now();
        self.sim.run_on(span);
        while !self.sim.at_rest(Duration::from_millis(400)).await {
            self.alive().await?;
            look(&self.status().await?);
            if began.elapsed() > SPAN {
                return Err(Failure::new(
                    Kind::Internal,
                    format!(
                        "the daemon did not come to rest within {} s",
                        SPAN.as_secs()
                    ),
                )
                .hint("this is a bug; report it"));
            }
        }
        self.alive().await
    }

    /// One domain minute: the cycle that is due runs.
    pub async fn minute(&mut self) -> Result<(), Failure> {
        self.pass(Duration::from_secs(60), &mut |_| ()).await
    }

    /// Domain time at the wall's pace, until the daemon ends.
    pub async fn linger(&mut self) -> Result<(), Failure> {
        let second = Duration::from_secs(1);
        while !self.daemon.as_ref().is_none_or(Running::has_ended) {
            self.sim.run_on(second);
            tokio::time::sleep(second).await;
        }
        Ok(())
    }

    /// The world's time.
    pub fn now(&self) -> Option<Timestamp> {
        self.sim.summary()["now"].as_str()?.parse().ok()
    }

    /// Keeps in mind what was read first.
    pub fn remember(&mut self, view: &StatusView) {
        self.seen = view
            .targets
            .iter()
            .map(|row| (row.target.clone(), row.visible.unwrap_or(0)))
            .collect();
    }

    /// Asks the daemon. Readings wait for the budget in domain time, so that goes on meanwhile.
    async fn ask(&self, request: Request) -> Result<Reply, Failure> {
        let answer = control::ask(&self.socket, request, ANSWER);
        tokio::pin!(answer);
        loop {
            tokio::select! {
                reply = &mut answer => return match reply? {
                    Reply::Refused(refused) => Err(refused.into()),
                    reply => Ok(reply),
                },
                () = tokio::time::sleep(Duration::from_millis(50)) => {
                    self.sim.run_on(Duration::from_secs(1));
                }
            }
        }
    }

    /// How the daemon stands.
    pub async fn status(&self) -> Result<StatusView, Failure> {
        // answered from memory: time need not move
        match control::ask(&self.socket, Request::Status, ANSWER).await? {
            Reply::Status(view) => Ok(*view),
            _ => Err(unexpected()),
        }
    }

    /// What waits for a person.
    pub async fn inbox(&self) -> Result<Vec<InboxItem>, Failure> {
        match control::ask(&self.socket, Request::Inbox, ANSWER).await? {
            Reply::Inbox(inbox) => Ok(inbox.items),
            _ => Err(unexpected()),
        }
    }

    /// Everything that is open, with decision and refusals.
    pub async fn plan(&self) -> Result<PlanView, Failure> {
        let filter = PlanFilter::default();
        match self.ask(Request::Plan { filter }).await? {
            Reply::Plan(plan) => Ok(plan),
            _ => Err(unexpected()),
        }
    }

    /// All attempts, newest first.
    pub async fn outcomes(&self) -> Result<Vec<OutcomeRow>, Failure> {
        let filter = OutcomeFilter::default();
        match self.ask(Request::OutcomesList { filter }).await? {
            Reply::Outcomes(view) => Ok(view.rows),
            _ => Err(unexpected()),
        }
    }

    /// One task, explained.
    pub async fn explain(&self, task: String) -> Result<control::ExplainView, Failure> {
        match self.ask(Request::Explain { task }).await? {
            Reply::Explain(view) => Ok(*view),
            _ => Err(unexpected()),
        }
    }

    /// Gives an order; its words.
    pub async fn order(&self, request: Request) -> Result<String, Failure> {
        done(control::ask(&self.socket, request, ANSWER).await?)
    }

    /// Ends the daemon, then the simulator, then removes the directory.
    pub async fn close(mut self) -> Result<(), Failure> {
        let ended = match self.daemon.take() {
            Some(daemon) => daemon.stop().await.map(drop).map_err(Failure::from),
            None => Ok(()),
        };
        self.sim.shutdown().await;
        let removed = self.house.remove();
        ended.and(removed)
    }
}
