//! Damaged stores: after a kill a file of the store is cut, flipped or emptied, and the real binary has to have everything that was acknowledged, or name the lost records and their lineages and send nothing until that is settled; it must never damage anything but its own round's store.

use std::collections::BTreeSet;
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
    /// The daemon does not start, and says which store and what to do; with the journal moved away it starts,
    /// names all of it as lost, and sends nothing until that is settled.
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
        house.command(&[
            "approve",
            target,
            "--yes-release",
            "99999",
            "--why",
            "the case's backlog",
        ])?;
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
    let Some(mut path) = dice.pick(&all).cloned() else {
        return Err(Trouble::Store("it has no files".to_owned()));
    };
    // all that is worth losing is in one of them
    if dice.percent(50) {
        path = store.join("journal/db");
    }
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
    // it looks at a copy, before anything else opens the store
    let check = house.asked(&["store", "check"])?;
    let refused = match comes_up(house)? {
        Ok(()) => false,
        Err(log) => {
            let store = house.store();
            let place = store.display().to_string();
            // the binary runs beside its store and may name it as it is configured
            let named = log.contains(&place) || log.contains("the store in store ");
            if !named || !log.contains("error: ") || !log.contains("hint: ") {
                return Ok(Err(format!("it ended and named nothing: {log}")));
            }
            if check.status.success() {
                return Ok(Err(
                    "the store can't be opened, and `store check` finds nothing".into(),
                ));
            }
            // what a person does who has no copy: the journal goes, the sidecar says what was lost
            let (journal, away) = (store.join("journal"), house.dir.join("journal-by-hand"));
            fs::rename(&journal, &away).map_err(io(&journal))?;
            if let Err(log) = comes_up(house)? {
                return Ok(Err(format!("it does not start without its journal: {log}")));
            }
            true
        }
    };
    let output = house.asked(&["status", "--json"])?;
    let Ok(status) = serde_json::from_slice::<Value>(&output.stdout) else {
        return Ok(Err(String::from_utf8_lossy(&output.stderr).into_owned()));
    };
    let rewound = !status["store_rewound"].is_null();
    if rewound {
        if puts(house)? != sent {
            return Ok(Err("it has sent something before it was settled".to_owned()));
        }
        let lists = house.journal()?;
        let read = lists.iter().rev().take_while(|row| row["class"] != "put");
        if !read
            .clone()
            .any(|row| row["class"] == "list" && row["status"] == 200)
        {
            return Ok(Err("the server was not read".to_owned()));
        }
        house.command(&["approve", "rewound", "--why", "the case's damage"])?;
        // the release of the policies may be among what is lost
        release(house)?;
    } else if refused {
        return Ok(Err(
            "it began anew beside a sidecar, and does not say so".to_owned()
        ));
    }
    if let Err(why) = heal(house)? {
        return Ok(Err(why));
    }
    house.stop()?;
    let after = Remains::of(house)?;
    let lost: Vec<u64> = before
        .records
        .range(..=before.acknowledged)
        .filter(|(seq, digest)| after.records.get(seq) != Some(digest))
        .map(|(seq, _)| *seq)
        .collect();
    if !lost.is_empty() && check.status.success() {
        return Ok(Err(format!(
            "{lost:?} are lost, and `store check` finds nothing"
        )));
    }
    Ok(match (rewound, lost.first()) {
        (false, None) => Ok(End::Whole),
        (false, Some(seq)) => Err(format!(
            "record {seq} was acknowledged and is lost, and nobody says so"
        )),
        (true, _) => named(&status, before, &lost).map(|()| match refused {
            true => End::Refused,
            false => End::Named,
        }),
    })
}

/// Starts the daemon, which must not send anything yet; the inner error is its log where it ends by itself.
fn comes_up(house: &mut House) -> Result<Result<(), String>, Trouble> {
    house.start()?;
    // an ended daemon leaves the clock to others; so long that a list comes after `settle_after`, however slowly
    // it looks by then
    house.raise(60)?;
    let began = Instant::now();
    loop {
        match house.still_runs() {
            Err(Trouble::Ended { log, .. }) => return Ok(Err(log)),
            other => other?,
        }
        if house.rests(500)? {
            return Ok(Ok(()));
        }
        if began.elapsed() > PATIENCE {
            return Err(Trouble::Late("the daemon to come to rest".to_owned()));
        }
    }
}

/// Whether a status names exactly what is lost: each record, and the lineages that they were about.
fn named(status: &Value, before: &Remains, lost: &[u64]) -> Result<(), String> {
    let rewound = &status["store_rewound"];
    let last = rewound["last"].as_u64().ok_or("it names no last record")?;
    let notes = status["store_notes"].as_array().into_iter().flatten();
    let words: Vec<&str> = [&status["store_state"]]
        .into_iter()
        .chain(notes)
        .filter_map(Value::as_str)
        .collect();
    let said = words.join("\n");
    let mut spans = gaps(&said);
    let acknowledged = rewound["acknowledged"].as_u64();
    match acknowledged {
        Some(seq) if seq != before.acknowledged => {
            return Err(format!(
                "it says that record {seq} was acknowledged, and it was {}: {said}",
                before.acknowledged
            ));
        }
        Some(seq) => spans.push((last.saturating_add(1), seq)),
        // the sidecar was damaged and nothing else: then nothing is lost
        None if last != before.last() => {
            return Err(format!(
                "record {last} is called the last, and it is {}: {said}",
                before.last()
            ));
        }
        None => {}
    }
    let within = |seq: u64| spans.iter().any(|(from, to)| (*from..=*to).contains(&seq));
    if let Some(seq) = lost.iter().find(|seq| !within(**seq)) {
        return Err(format!("record {seq} is lost and not named: {said}"));
    }
    // an interval that is lost up to its end is told with the lineages that were not done before it
    if acknowledged.is_some_and(|acknowledged| acknowledged > last) {
        let many = unfinished(&said).ok_or_else(|| format!("it names no lineages: {said}"))?;
        let about = lost.iter().filter(|seq| **seq > last);
        let about = about.filter_map(|seq| before.about.get(seq)).flatten();
        let concerned: BTreeSet<u64> = about
            .filter(|lineage| before.opened.get(lineage).is_some_and(|seq| *seq <= last))
            .copied()
            .collect();
        if many < u64::try_from(concerned.len()).unwrap_or(u64::MAX) {
            return Err(format!(
                "what is lost is about {} known lineages ({concerned:?}), and {many} are spoken of: {said}",
                concerned.len()
            ));
        }
    }
    Ok(())
}

/// The number that a text begins with, and what follows it.
fn number(text: &str) -> Option<(u64, &str)> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    Some((text[..digits].parse().ok()?, &text[digits..]))
}

/// Records in the middle that are said to be missing, changed or unreadable.
fn gaps(said: &str) -> Vec<(u64, u64)> {
    let mut spans = Vec::new();
    for (seq, rest) in said.split("record ").filter_map(number) {
        if rest.starts_with(" can't be read") {
            spans.push((seq, seq));
        }
    }
    for (start, words) in said.match_indices(" does not follow record ") {
        let before = number(&said[start + words.len()..]);
        let own = said[..start].rsplit(' ').next().and_then(number);
        if let (Some((before, _)), Some((own, _))) = (before, own) {
            spans.push((before, own));
        }
    }
    spans
}

/// How many lineages are said to have been unfinished.
fn unfinished(said: &str) -> Option<u64> {
    match said.contains("no lineage was unfinished at record ") {
        true => Some(0),
        false => number(said.split_once("of each of the ")?.1).map(|(many, _)| many),
    }
}

/// All heals, and nothing took effect twice.
fn heal(house: &mut House) -> Result<Result<(), String>, Trouble> {
    house.raise(24 * 60)?;
    house.settle()?;
    for target in ["baseline:AD", "baseline:SAP"] {
        // there is none unless the store began anew
        house.asked(&[
            "approve",
            target,
            "--yes-release",
            "99999",
            "--why",
            "the case's backlog",
        ])?;
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
