//! Damaged stores: after a kill a file of the store is cut, flipped or emptied, and the real binary has to have everything that was acknowledged, or name the loss and send nothing; it must never damage anything but its own round's store.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::dice::Dice;
use crate::house::{House, PATIENCE, Trouble, io};
use crate::kill::{Aim, Hunter};
use crate::phase::Remains;

/// A server that runs a retry whenever it is told to: what is sent twice takes effect twice.
const SCENARIO: &str = r#"
name = "damage"
[clock]
mode = "stepped"
hold = true
[[target]]
name = "AD"
retries_anything = true
call_ms = 3
[[target]]
name = "SAP"
connector = "erp"
retries_anything = true
run = "later"
later = "2m"
[[population]]
target = "AD"
accounts = 5
prefix = "A"
task = [{ task = "Telephone Updated", failure = "network" }]
[[population]]
target = "SAP"
accounts = 5
prefix = "S"
task = [{ task = "Cost Center Updated", failure = "network", heals_after = 1 }]
"#;

const CONFIG: &str = r#"
[server]
origin = "ORIGIN"
login = "PROVSVC"
password_file = "password"
simulator_clock = true
[schedule]
every = "5m"
[mode]
global = "enforce"
[store]
dir = "store"
[admin]
listen = "off"
[governor.default]
batch_max = 2
"#;

/// How a case ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum End {
    /// Everything acknowledged is there.
    Whole,
    /// The daemon does not start, and says which file and what to do.
    Refused,
    /// The daemon starts, names the loss, and sends nothing.
    Named,
}

/// What was done to a store, and what came of it.
#[derive(Debug)]
pub struct Case {
    /// The damage in words.
    pub what: String,
    /// How it ended, or what is wrong.
    pub end: Result<End, String>,
}

/// Plays the case of a seed.
pub fn play(dir: &Path, binary: &Path, seed: u64) -> Result<Case, Trouble> {
    let mut dice = Dice::new(seed, 3);
    let scenario = format!("seed = {}\n{SCENARIO}", dice.within(1, 1 << 40));
    let mut house = House::build(dir, binary, &scenario, CONFIG)?;
    begin(&mut house, &mut dice)?;
    let before = Remains::of(&house)?;
    let sent = puts(&house)?;
    let what = spoil(&house.store(), &mut dice)?;
    let end = judged(&mut house, &before, sent)?;
    Ok(Case { what, end })
}

/// A daemon in the middle of its work, killed.
fn begin(house: &mut House, dice: &mut Dice) -> Result<(), Trouble> {
    release(house)?;
    house.start()?;
    house.raise(1)?;
    house.settle()?;
    for target in ["baseline:AD", "baseline:SAP"] {
        house.command(&["approve", target, "--why", "the case's backlog"])?;
    }
    let aim = match dice.within(0, 2) {
        0 => Aim::Put(dice.within(1, 4), dice.within(0, 3_000)),
        1 => Aim::ClaimMark(dice.within(1, 6), 0),
        _ => Aim::Chance(dice.within(0, 300_000)),
    };
    if let Some(daemon) = &house.daemon {
        let hunter = Hunter::after(daemon, aim, house);
        house.raise(dice.within(10, 90))?;
        let began = Instant::now();
        while !hunter.is_through() && began.elapsed() < Duration::from_secs(10) {
            if house.rests(20)? {
                break;
            }
        }
        hunter.back();
    }
    house.bury().map(|_| ())
}

/// Releases the policies, as a person does.
fn release(house: &House) -> Result<(), Trouble> {
    let output = house.asked(&["status", "--json"])?;
    let status: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    let hash = status["policy_hash"].as_str().unwrap_or_default();
    let release = [
        "policy", "release", hash, "--person", "Torture", "--word", "T-1",
    ];
    house.command(&release).map(|_| ())
}

fn puts(house: &House) -> Result<usize, Trouble> {
    let journal = house.journal()?;
    Ok(journal.iter().filter(|row| row["class"] == "put").count())
}

/// The files of a store, but for its lock, its socket and what was put aside.
fn files(dir: &Path, into: &mut Vec<PathBuf>) -> Result<(), Trouble> {
    let mut entries = fs::read_dir(dir)
        .and_then(|entries| entries.collect::<Result<Vec<_>, _>>())
        .map_err(io(dir))?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        let name = entry.file_name();
        if path.is_dir() && name != "aside" {
            files(&path, into)?;
        } else if path.is_file() && name != "lock" {
            into.push(path);
        }
    }
    Ok(())
}

/// Damages one file; answers how, in words.
fn spoil(store: &Path, dice: &mut Dice) -> Result<String, Trouble> {
    let mut all = Vec::new();
    files(store, &mut all)?;
    let Some(path) = dice.pick(&all).cloned() else {
        return Err(Trouble::Store("it has no files".to_owned()));
    };
    let mut bytes = fs::read(&path).map_err(io(&path))?;
    // most of a journal's file is space that is not used yet
    let used = bytes.iter().rposition(|byte| *byte != 0).unwrap_or(0);
    let at = usize::try_from(dice.within(0, u64::try_from(used).unwrap_or(0))).unwrap_or(0);
    let how = match dice.within(0, 9) {
        0..=3 => {
            bytes.truncate(at);
            format!("cut at {at}")
        }
        4..=7 => {
            let bit = dice.within(0, 7);
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1_u8
                    .checked_shl(u32::try_from(bit).unwrap_or(0))
                    .unwrap_or(1);
            }
            format!("bit {bit} of byte {at} flipped")
        }
        _ => {
            bytes.clear();
            "emptied".to_owned()
        }
    };
    fs::write(&path, bytes).map_err(io(&path))?;
    let name = path.strip_prefix(store).unwrap_or(&path);
    Ok(format!("{} {how}", name.display()))
}

/// What the binary makes of it.
fn judged(
    house: &mut House,
    before: &Remains,
    sent: usize,
) -> Result<Result<End, String>, Trouble> {
    house.start()?;
    house.raise(30)?;
    let began = Instant::now();
    loop {
        match house.still_runs() {
            Err(Trouble::Ended { status, log }) => {
                let named = log.contains("error: ") && log.contains("hint: ");
                return Ok(match named && puts(house)? == sent {
                    true => Ok(End::Refused),
                    false => Err(format!("it ended with {status} and named nothing: {log}")),
                });
            }
            other => other?,
        }
        if house.rests(500)? {
            break;
        }
        if began.elapsed() > PATIENCE {
            return Err(Trouble::Late("the daemon to come to rest".to_owned()));
        }
    }
    let output = house.asked(&["status", "--json"])?;
    let status: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    if status["store_rewound"].is_null() {
        if !output.status.success() && !status.is_object() {
            return Ok(Err(String::from_utf8_lossy(&output.stderr).into_owned()));
        }
        let healed = heal(house)?;
        house.stop()?;
        let after = Remains::of(house)?;
        let lost = before
            .records
            .range(..=before.acknowledged)
            .find(|(seq, digest)| after.records.get(seq) != Some(digest));
        return Ok(match (lost, healed) {
            (Some((seq, _)), _) => Err(format!(
                "record {seq} was acknowledged and is lost, and nobody says so"
            )),
            (None, healed) => healed.map(|()| End::Whole),
        });
    }
    if puts(house)? != sent {
        return Ok(Err("it is rewound and has sent something".to_owned()));
    }
    house.command(&["approve", "rewound", "--why", "the case's damage"])?;
    // the release of the policies may be among what is lost
    release(house)?;
    Ok(heal(house)?.map(|()| End::Named))
}

/// All heals, and nothing took effect twice.
fn heal(house: &mut House) -> Result<Result<(), String>, Trouble> {
    house.raise(24 * 60)?;
    house.settle()?;
    for target in ["baseline:AD", "baseline:SAP"] {
        // there is none unless the store began anew
        house.asked(&["approve", target, "--why", "the case's backlog"])?;
    }
    house.raise(24 * 60)?;
    house.settle()?;
    let truth = house.get("/sim/truth?brief")?;
    let summary = &truth["summary"];
    for (name, most) in [
        ("effected_twice", 0),
        ("runs_twice", 0),
        ("healable_open", 0),
    ] {
        if summary[name].as_u64() != Some(most) {
            let inbox = house.asked(&["inbox", "--json"])?;
            return Ok(Err(format!(
                "{name} is {}; inbox: {}",
                summary[name],
                json!(String::from_utf8_lossy(&inbox.stdout))
            )));
        }
    }
    Ok(Ok(()))
}
