//! `provtaskd demo`: a simulated Monday and the real daemon over loopback HTTP; it must leave no process and no directory behind, and never touch another server.

mod house;
mod report;
mod screen;
mod stage;
mod stories;
mod tally;

use std::time::{Duration, Instant};

use clap::Args;
use tokio::signal::unix::{Signal, SignalKind, signal};

use self::house::House;
use self::screen::Screen;
use self::stage::Stage;
use super::context::Context;
use super::failure::{Failure, Kind};
use super::sim;
use crate::control::{Reply, Request};
use crate::sim::Scenario;

/// The scenario; `house.rs` knows its definitions and people.
const SCENARIO: &str = "demo";
/// The day that is played.
const DAY: Duration = Duration::from_secs(24 * 3_600);
/// One step of it.
const STEP: Duration = Duration::from_secs(15 * 60);
/// Options of `demo`.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Leave simulator and daemon running at the end, and print what to ask them
    #[arg(long)]
    keep: bool,
    /// Play a smaller Monday with about so many tasks, 200 to 3053
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(200..=3_053), default_value_t = 3_053)]
    tasks: u32,
    /// End the day early on a machine that needs longer, seconds of wall time
    #[arg(long, hide = true, value_name = "SECONDS", default_value_t = 75)]
    patience: u64,
}

/// Plays the day.
pub fn demo(context: &Context, args: &DemoArgs) -> Result<(), Failure> {
    let mut world = sim::scenario(SCENARIO)
        .map_err(|error| Failure::of(Kind::Internal, &error).hint("this is a bug; report it"))?;
    shrink(&mut world, args.tasks);
    context.block_on(async {
        let mut interrupt = Interrupt::listen()?;
        let mut stage = Stage::open(world, House::build()?).await?;
        let mut screen = Screen::new();
        let played = tokio::select! {
            // a day that is through is through, even if Ctrl-C came at the same moment
            biased;
            played = play(&mut stage, &mut screen, args) => played,
            () = interrupt.wait() => Err(interrupted()),
        };
        let lingered = match (&played, args.keep) {
            (Ok(day), true) => {
                screen.say(&report::kept(&stage.house, &day.stories));
                tokio::select! {
                    ended = stage.linger() => ended,
                    () = interrupt.wait() => Ok(()),
                }
            }
            _ => Ok(()),
        };
        screen.leave();
        let closed = stage.close().await;
        let day = played?;
        lingered?;
        closed?;
        if !args.keep {
            screen.say("Nothing is left behind. `provtaskd demo --keep` leaves the daemon running, to ask it yourself.");
        }
        report::judge(&day.truth)
    })
}

/// What came of the day.
struct Day {
    stories: Vec<stories::Told>,
    truth: serde_json::Value,
}

/// The day from the start of the simulator to the report.
async fn play(stage: &mut Stage, screen: &mut Screen, args: &DemoArgs) -> Result<Day, Failure> {
    let began = Instant::now();
    let about = stage.sim.summary();
    let open = &about["summary"]["open"];
    screen.say(&format!(
        "The simulator is a Monday after a bad weekend: {open} open tasks on six targets.\n\
         EXCHANGE is down until 11:00 (all times are UTC), LEGACYHR is retired, CDIAZ is on leave.\n\
         The daemon is the real one, over HTTP on {}; its clock runs fast.\n",
        stage.sim.origin()
    ));
    first_day(stage, screen).await?;
    let patience = Duration::from_secs(args.patience);
    let mut stopped = None;
    let steps = DAY.as_secs() / STEP.as_secs();
    for step in 0..steps {
        if began.elapsed() > patience {
            stopped = Some(step);
            break;
        }
        stage
            .pass(STEP, &mut |view| screen.show(view, step, steps, began))
            .await?;
        // work that has come up meanwhile may be held as well
        person(stage, screen, "caps").await?;
        let mut view = stage.status().await?;
        view.now = stage.now().unwrap_or(view.now);
        screen.progress(&view, step + 1, steps, began);
    }
    screen.say("");
    if let Some(step) = stopped {
        screen.say(&format!(
            "This machine is slow: the day ends after {} of 24 hours.",
            step * STEP.as_secs() / 3_600
        ));
    }
    let status = stage.status().await?;
    let plan = stage.plan().await?;
    let outcomes = stage.outcomes().await?;
    let tally = tally::Tally::of(&outcomes, &plan.items, &stage.seen);
    let told = stories::tell(stage, &outcomes, &plan.items).await?;
    let truth = stage.sim.summary();
    let journal = stage.sim.journal(0);
    screen.say(&report::table(&tally, &status));
    screen.say(&report::requests(&journal));
    screen.say(&stories::text(&told));
    screen.say(&report::store(&stage.house, &status, args.keep));
    screen.say(&report::truth(&truth, status.now, stopped.is_some()));
    screen.say(&format!("All this took {} s.\n", began.elapsed().as_secs()));
    Ok(Day {
        stories: told,
        truth,
    })
}

/// What a first day asks of a person: look at what would be done, release the policy set, release the old backlog.
async fn first_day(stage: &mut Stage, screen: &mut Screen) -> Result<(), Failure> {
    stage.start_daemon().await?;
    stage.minute().await?;
    let view = stage.status().await?;
    stage.remember(&view);
    screen.say("What a person does on the first day\n");
    screen.say(&format!(
        "1  provtaskd run             {} tasks are visible to {}; {} writes were sent\n\
         {:29}mode {}, not {}: {}",
        view.tasks_visible.unwrap_or(0),
        view.login,
        view.writes_sent,
        "",
        view.effective_mode,
        view.mode,
        view.mode_why.join("; "),
    ));
    let hash = view
        .policy_hash
        .ok_or_else(|| Failure::new(Kind::Internal, "the daemon has no policy set"))?;
    let release = Request::Release {
        hash,
        person: "Molly Graff".to_owned(),
        word: "CHG-2027-0301".to_owned(),
        failing: None,
        despite_failing: false,
    };
    screen.say(&format!(
        "2  provtaskd policy release  {}",
        stage.order(release).await?
    ));
    stage.minute().await?;
    screen.say("3  provtaskd approve         what was there before enforce waits for a person");
    person(stage, screen, "first day").await?;
    stage.minute().await?;
    person(stage, screen, "caps").await?;
    screen.say("");
    Ok(())
}

/// The person of the demo says yes to everything that may be approved.
async fn person(stage: &mut Stage, screen: &mut Screen, why: &str) -> Result<(), Failure> {
    for item in stage.inbox().await?.into_iter().filter(|i| i.can_approve) {
        let approve = Request::Approve {
            id: item.id.clone(),
            why: format!("the demo: {why}"),
            max_age: None,
            at_most: None,
            despite_rejection: false,
        };
        let held = !item.id.starts_with("baseline:");
        if held {
            screen.say(&format!("   held: {}", item.text));
        }
        let name = if held {
            "so a person"
        } else {
            item.id.as_str()
        };
        screen.say(&format!("   {name:22} {}", stage.order(approve).await?));
    }
    Ok(())
}

/// Fewer accounts of each population, so that about `tasks` of 3,053 are left and every sort is still there.
fn shrink(scenario: &mut Scenario, tasks: u32) {
    for population in &mut scenario.population {
        let accounts = u64::from(population.accounts) * u64::from(tasks) / 3_053;
        population.accounts = u32::try_from(accounts).unwrap_or(u32::MAX).max(5);
    }
}

fn interrupted() -> Failure {
    Failure::new(Kind::Interrupted, "the demo was interrupted")
        .hint("nothing is left behind; start it again when you like")
}

/// SIGINT, SIGTERM and the end of the terminal.
struct Interrupt([Signal; 3]);

impl Interrupt {
    fn listen() -> Result<Self, Failure> {
        let on = |kind| {
            signal(kind).map_err(|error| {
                Failure::new(Kind::Io, format!("can't listen to signals: {error}"))
            })
        };
        Ok(Self([
            on(SignalKind::interrupt())?,
            on(SignalKind::terminate())?,
            on(SignalKind::hangup())?,
        ]))
    }

    async fn wait(&mut self) {
        let [interrupt, terminate, hangup] = &mut self.0;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    }
}

/// The message of an order that was carried out.
fn done(reply: Reply) -> Result<String, Failure> {
    match reply {
        Reply::Done(done) => Ok(done.message),
        Reply::Refused(refused) => Err(refused.into()),
        _ => Err(super::ask::unexpected()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_monday_keeps_every_population() {
        let mut scenario = sim::scenario(SCENARIO).expect("it ships");
        let before = scenario.population.len();
        shrink(&mut scenario, 200);
        assert_eq!(scenario.population.len(), before);
        assert!(scenario.population.iter().all(|p| p.accounts >= 5));
        let accounts: u32 = scenario.population.iter().map(|p| p.accounts).sum();
        assert!(accounts < 400, "{accounts}");
    }
}
