//! One round: a fresh world, kills while everything goes wrong, then time to heal, then the verdict; it must never end without one.

use std::path::Path;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use provtaskd::sim::clock::wall_ms;
use serde_json::{Value, json};

use crate::dice::Dice;
use crate::disk::{Ballast, Disk, NO_ROOM};
use crate::excuse::{Excuses, NEVER_SHOWN, Resets};
use crate::house::{House, PATIENCE, Trouble, io};
use crate::judge::{self, Found};
use crate::kill::{Aim, Hunter};
use crate::others;
use crate::phase::{self, Life, Phase, Remains};
use crate::world::{self, Plan};

/// How often the world goes on for something that may never come.
const GONE_ON: u32 = 12;

/// Hours of the world after which all that can heal has to have healed.
const DEADLINE: i64 = 72;
/// The daemon's word for a cycle that has come to its end.
const CYCLED: &str = "cycle done";
/// The longest that a kill may be waited for, in wall time.
const LONGEST: Duration = Duration::from_secs(20);

/// What a round came to.
#[derive(Debug)]
pub struct Verdict {
    /// What is wrong, by the oracle's name.
    pub found: Found,
    /// The phase of each kill.
    pub kills: Vec<Phase>,
    /// What a full disk came to.
    pub fills: Fills,
    /// Counts for the table.
    pub counts: judge::Counts,
    /// Wall time.
    pub took: Duration,
}

/// How often the disk was full.
#[derive(Debug, Default, Clone, Copy)]
pub struct Fills {
    /// The daemon ended with its code.
    pub ended: u64,
    /// So did one that was started before there was room.
    pub refused: u64,
    /// It had nothing to write until there was room again.
    pub idle: u64,
}

/// A round under way.
struct Round {
    plan: Plan,
    house: House,
    dice: Dice,
    /// Of what others do.
    theirs: Dice,
    slow: u64,
    kills: Vec<Phase>,
    lives: Vec<usize>,
    remains: Vec<Remains>,
    resets: Resets,
    fills: Fills,
    /// Goes after the house: nothing of it runs then.
    disk: Option<Disk>,
}

/// Plays the round of a seed in a directory.
pub fn play(dir: &Path, binary: &Path, seed: u64, full: bool) -> Result<Verdict, Trouble> {
    let began = Instant::now();
    let plan = world::plan(seed);
    let disk = full.then(|| Disk::mounted(dir)).transpose()?;
    let house = House::build(dir, binary, &plan.scenario, &plan.config)?;
    let mut round = Round {
        plan,
        house,
        dice: Dice::new(seed, 2),
        theirs: Dice::new(seed, 7),
        slow: if cfg!(debug_assertions) { 3 } else { 1 },
        kills: Vec::new(),
        lives: Vec::new(),
        remains: Vec::new(),
        resets: Resets::new(),
        fills: Fills::default(),
        disk,
    };
    let mut filling = Dice::new(seed, 8);
    let start = round.open()?;
    let bad_end = start
        .checked_add(SignedDuration::from_hours(
            i64::try_from(round.plan.bad_hours).unwrap_or(4),
        ))
        .map_err(|error| Trouble::Sim(error.to_string()))?;
    // a stream of its own: worlds and acts stay what they were without it
    let mut blind = Dice::new(seed, 5);
    let kills = round.dice.within(3, 5);
    for number in 0..kills {
        // the phases follow each other through all rounds, so that each has its turn as often
        let wanted = Phase::wanted(seed.wrapping_mul(5).wrapping_add(number));
        let aim = Aim::at(wanted, &mut round.dice, round.slow);
        if wanted != Phase::StartUp {
            round.past_start()?;
        }
        let ballast = round.disk.as_ref().map(Disk::ballast);
        match ballast.filter(|_| filling.percent(75)) {
            Some(ballast) => round.fill(aim, &ballast, &mut filling)?,
            None => {
                round.kill(aim)?;
                if wanted == Phase::Compaction {
                    round.compact()?;
                }
            }
        }
        if blind.percent(40) {
            // what was found open can't be read at first: nothing may be sent meanwhile
            let limit = blind.within(1, 6);
            let fault =
                json!({ "do": "html500", "on": "read", "probability": 1.0, "limit": limit });
            round.house.post("/sim/act", &json!({ "fault": fault }))?;
        }
        // what was open at the kill may have been retried by somebody when the daemon comes back
        round.others(60)?;
        if round.house.daemon.is_none() {
            round.house.start()?;
        }
        if round.dice.percent(20)
            && let Some(act) = round.plan.acts.pop()
        {
            let act: Value = serde_json::from_str(&act).unwrap_or_default();
            round.house.post("/sim/act", &act)?;
        }
    }
    let now = round.now()?;
    if now < bad_end {
        round.until(bad_end)?;
    }
    round.house.settle()?;
    round.heal(began)
}

impl Round {
    /// Releases the policies, starts the daemon, releases the backlog; answers when the world began.
    fn open(&mut self) -> Result<Timestamp, Trouble> {
        let start = self.now()?;
        let status = self.house.json(&["status", "--json"])?;
        let hash = status["policy_hash"].as_str().unwrap_or_default();
        let release = [
            "policy", "release", hash, "--person", "Torture", "--word", "T-1",
        ];
        self.house.command(&release)?;
        self.house.start()?;
        // a list that a busy machine was too slow for tells of no backlog
        for _ in 0..5 {
            self.house.raise(1)?;
            self.house.settle()?;
            let inbox = self.house.json(&["inbox", "--json"])?;
            let items = inbox.as_array().into_iter().flatten();
            let backlogs: Vec<&str> = items
                .filter_map(|item| item["id"].as_str())
                .filter(|id| id.starts_with("baseline:"))
                .collect();
            for id in &backlogs {
                self.house.command(&[
                    "approve",
                    id,
                    "--yes-release",
                    "99999",
                    "--why",
                    "the round's backlog",
                ])?;
            }
            if !backlogs.is_empty() {
                return Ok(start);
            }
        }
        Err(Trouble::Late("the round's backlog".to_owned()))
    }

    fn now(&self) -> Result<Timestamp, Trouble> {
        let clock = self.house.get("/sim/clock")?;
        let now = clock["now"].as_str().unwrap_or_default();
        now.parse()
            .map_err(|error: jiff::Error| Trouble::Sim(error.to_string()))
    }

    fn until(&self, at: Timestamp) -> Result<(), Trouble> {
        let hold = json!({ "until": at.to_string() });
        self.house.post("/sim/clock/hold", &hold).map(|_| ())
    }

    /// Lets the daemon come through its first cycle.
    fn past_start(&mut self) -> Result<(), Trouble> {
        let began = Instant::now();
        while !self.house.log_of_life().contains(CYCLED) {
            self.house.still_runs()?;
            if self.house.rests(5)? {
                self.go_on()?;
            }
            if began.elapsed() > PATIENCE {
                return Err(Trouble::Late("the first cycle".to_owned()));
            }
        }
        Ok(())
    }

    /// An admin does something to a task, so often in a hundred; nothing is on its way from the daemon now.
    fn others(&mut self, percent: u64) -> Result<(), Trouble> {
        if !self.plan.admin || !self.theirs.percent(percent) {
            return Ok(());
        }
        let truth = self.house.get("/sim/truth")?;
        match others::act(&truth, &mut self.theirs) {
            Some(act) => self.house.post("/sim/act", &act).map(|_| ()),
            None => Ok(()),
        }
    }

    /// Lets the world run from where it stands.
    fn go_on(&mut self) -> Result<(), Trouble> {
        self.others(35)?;
        let minutes = self.dice.within(5, 60);
        let span = SignedDuration::from_mins(i64::try_from(minutes).unwrap_or(5));
        let at = self
            .now()?
            .checked_add(span)
            .map_err(|error| Trouble::Sim(error.to_string()))?;
        self.until(at)
    }

    /// Kills the daemon when the aim comes true, or when it does not in a while.
    fn kill(&mut self, aim: Aim) -> Result<(), Trouble> {
        let Some(daemon) = &self.house.daemon else {
            return Err(Trouble::Late("a daemon".to_owned()));
        };
        let hunter = Hunter::after(daemon, aim, &self.house);
        let began = Instant::now();
        let mut rested = false;
        if !matches!(aim, Aim::Start(_)) {
            self.go_on()?;
            let mut raised = 1;
            while !hunter.is_through() && began.elapsed() < LONGEST {
                rested = self.house.rests(20)?;
                if rested && !hunter.is_through() {
                    if raised >= 8 {
                        break;
                    }
                    raised += 1;
                    rested = false;
                    self.go_on()?;
                }
            }
        } else {
            while !hunter.is_through() && began.elapsed() < LONGEST {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        let killed = match hunter.back() {
            Some(at) => {
                rested = false;
                at
            }
            None => {
                self.house.still_runs()?;
                wall_ms()
            }
        };
        let began = self.lives.last().copied().unwrap_or(0);
        let log = self.house.log_of_life();
        let rows = self.house.bury()?;
        let old = self.remains.last();
        let life = Life {
            cycled: log.contains(CYCLED),
            rested,
            killed,
            began,
            old: old
                .iter()
                .flat_map(|remains| remains.unanswered())
                .map(str::to_owned)
                .collect(),
        };
        // a change of the store that was cut off is finished before anything else: this life did nothing
        let remains = match (self.house.is_changing(), self.remains.last()) {
            (true, Some(last)) => last.clone(),
            _ => Remains::of(&self.house)?,
        };
        let journal = self.house.journal()?;
        let targets = &self.plan.targets;
        let waits = |row: &Value| judge::waits(row, &journal, targets);
        let phase = phase::of(&remains, &journal, &life, &waits);
        self.kills.push(phase);
        self.lives.push(rows);
        self.remains.push(remains);
        Ok(())
    }

    /// Takes all room of the disk when the aim comes true. The daemon has to end with its code, and so has one
    /// that is started before there is room; then there is some again.
    fn fill(&mut self, aim: Aim, ballast: &Ballast, dice: &mut Dice) -> Result<(), Trouble> {
        let filler = ballast.clone();
        let hunter = Hunter::with(aim, &self.house, move || filler.fill());
        let (began, mut raised) = (Instant::now(), 0);
        self.go_on()?;
        // an aim that does not come about soon never does, and the world must not go on for months
        while !hunter.is_through() && began.elapsed() < LONGEST && raised < GONE_ON {
            if self.house.rests(20)? && !hunter.is_through() {
                raised += 1;
                self.go_on()?;
            }
        }
        if hunter.back().is_none() {
            ballast.fill();
        }
        let (began, mut raised) = (Instant::now(), 0);
        let code = loop {
            if let Some(code) = self.house.ended()? {
                break Some(code);
            }
            if self.house.rests(20)? {
                // one that has nothing more to write goes on as if nothing were
                if raised >= GONE_ON {
                    break None;
                }
                raised += 1;
                self.go_on()?;
            }
            if began.elapsed() > PATIENCE {
                return Err(Trouble::Late("the end of a daemon without room".to_owned()));
            }
        };
        match code {
            Some(NO_ROOM) => self.fills.ended += 1,
            Some(code) => {
                return Err(Trouble::Ended {
                    status: format!("exit code {code} where the disk was full, not {NO_ROOM}"),
                    log: self.house.last_lines(),
                });
            }
            None => {
                self.fills.idle += 1;
                return ballast.make_room();
            }
        }
        let rows = self.house.bury()?;
        self.lives.push(rows);
        self.remains.push(Remains::of(&self.house)?);
        if dice.percent(40) {
            self.start_without_room()?;
        }
        ballast.make_room()
    }

    /// The service manager starts it before somebody has made room.
    fn start_without_room(&mut self) -> Result<(), Trouble> {
        self.house.start()?;
        let began = Instant::now();
        let code = loop {
            match self.house.ended()? {
                Some(code) => break code,
                // what it has found room for it may do
                None if began.elapsed() > LONGEST => return Ok(()),
                None => std::thread::sleep(Duration::from_millis(5)),
            }
        };
        if code != NO_ROOM {
            return Err(Trouble::Ended {
                status: format!("a start without room ended with {code}, not {NO_ROOM}"),
                log: self.house.last_lines(),
            });
        }
        self.fills.refused += 1;
        let rows = self.house.bury()?;
        self.lives.push(rows);
        self.remains.push(Remains::of(&self.house)?);
        Ok(())
    }

    /// A person lets go on what was sent in vain too often, or refused for want of a right, while requests failed by themselves, as the
    /// inbox says; that they heal then is not excused, and that they were in vain is judged.
    fn reset(&mut self, inbox: &Value, rows: usize) -> Result<(), Trouble> {
        let items = inbox.as_array().into_iter().flatten();
        let parked =
            items.filter(|item| item["why"] == "sent_in_vain" || item["why"] == "not_authorised");
        for id in parked.flat_map(|item| item["tasks"].as_array().into_iter().flatten()) {
            let id = id.as_str().unwrap_or_default();
            // one that is being read back is refused, and asked for again later
            let reset = ["outcomes", "reset", id, "--why", "the faults have ended"];
            let done = self.house.asked(&reset)?.status.success();
            let Ok(id) = id.parse() else {
                return Err(Trouble::Store(format!("the inbox names {id:?}, no task")));
            };
            if done {
                self.resets.push((id, rows));
            }
        }
        Ok(())
    }

    /// Rewrites the store while no daemon runs, and kills that at some moment.
    fn compact(&mut self) -> Result<(), Trouble> {
        let compact = ["store", "compact"];
        let after = Duration::from_micros(self.dice.within(0, 25_000).saturating_mul(self.slow));
        let killed = self.dice.percent(60) && self.house.cut_off(&compact, after)?;
        // one that was too quick is killed right after one of its steps
        let steps = self.dice.within(1, 8).to_string();
        if killed || self.house.cut_after(&compact, &steps)? {
            self.kills.push(Phase::Compaction);
        }
        Ok(())
    }

    /// No fault any more: what can heal has to heal by the deadline. Then the verdict.
    fn heal(mut self, began: Instant) -> Result<Verdict, Trouble> {
        self.house
            .post("/sim/act", &json!({ "clear_faults": true }))?;
        let from = self.now()?;
        for hours in [8, 16, 24, 36, 48, DEADLINE] {
            let at = from
                .checked_add(SignedDuration::from_hours(hours))
                .map_err(|error| Trouble::Sim(error.to_string()))?;
            self.until(at)?;
            self.house.settle()?;
            let journal = self.house.journal()?;
            let truth = self.house.get("/sim/truth")?;
            let inbox = self.house.json(&["inbox", "--json"])?;
            let rows = journal.len();
            let outcomes = self.house.command(&["outcomes", "export"])?;
            let over = self.is_over(truth, journal, &outcomes);
            // what is let go on after the last look would be sent while the evidence is gathered
            if over || hours == DEADLINE {
                break;
            }
            self.reset(&inbox, rows)?;
        }
        let outcomes = self.house.command(&["outcomes", "export"])?;
        let inbox = self.house.json(&["inbox", "--json"])?;
        let truth = self.house.get("/sim/truth")?;
        let journal = self.house.journal()?;
        self.keep(&truth, &outcomes, &journal)?;
        self.house.stop()?;
        self.remains.push(Remains::of(&self.house)?);
        let case = judge::Case {
            plan: &self.plan,
            outcomes: &outcomes,
            inbox: &inbox,
            resets: &self.resets,
            lives: &self.lives,
            remains: &self.remains,
        };
        let (found, counts) = judge::judge(case, truth, journal)?;
        Ok(Verdict {
            found,
            kills: self.kills,
            fills: self.fills,
            counts,
            took: began.elapsed(),
        })
    }

    /// Whether all has healed that could, and all is known that can be: time alone brings nothing more.
    fn is_over(&self, truth: Value, journal: Vec<Value>, outcomes: &str) -> bool {
        let rows: Result<Vec<Value>, _> = outcomes.lines().map(serde_json::from_str).collect();
        let evidence = judge::evidence_of(truth, journal);
        let rest = |rows: &[Value]| {
            let excuses = Excuses::of(&evidence, &self.plan, &self.resets)?;
            let (left, _) = excuses.left()?;
            let (unknown, hidden) = excuses.unknown(rows)?;
            let waits = unknown > 0 || hidden.keys().any(|reason| *reason != NEVER_SHOWN);
            Ok::<_, String>(left.is_empty() && !waits)
        };
        // what can't be told now is asked again at the end, and is a breach then
        rows.is_ok_and(|rows| rest(&rows).unwrap_or(false))
    }

    /// What could heal and has not; one that can't be told is left.
    fn left(&self, truth: Value, journal: Vec<Value>) -> Vec<u64> {
        let evidence = judge::evidence_of(truth, journal);
        Excuses::of(&evidence, &self.plan, &self.resets)
            .and_then(|excuses| excuses.left())
            .map_or_else(|_| vec![0], |(left, _)| left)
    }

    /// Keeps what a person needs who looks into a failed round.
    fn keep(&self, truth: &Value, outcomes: &str, journal: &[Value]) -> Result<(), Trouble> {
        let write = |name: &str, text: &str| {
            let path = self.house.dir.join(name);
            std::fs::write(&path, text).map_err(io(&path))
        };
        write("truth.json", &format!("{truth:#}"))?;
        write("outcomes.jsonl", outcomes)?;
        let left = self.left(truth.clone(), journal.to_vec());
        for id in left.into_iter().take(3) {
            let id = id.to_string();
            // it may not be visible any more
            let told = self
                .house
                .command(&["explain", &id])
                .unwrap_or_else(|trouble| trouble.to_string());
            write(&format!("explain-{id}"), &told)?;
        }
        Ok(())
    }
}
