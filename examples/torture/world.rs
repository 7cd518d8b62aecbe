//! The world and the configuration of a round, made from its seed alone; it must never make a world in which the daemon can't be right.

use crate::dice::Dice;
use crate::notes::BY_ADMIN;
use crate::others;

/// What a round starts from.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The simulator's scenario.
    pub scenario: String,
    /// The daemon's configuration; `ORIGIN` stands for the simulator.
    pub config: String,
    /// Targets by name, each with the wall milliseconds that a run holds up a PUT.
    pub targets: Vec<(String, u64)>,
    /// The rate of every target.
    pub per_minute: u64,
    /// Hours of the world in which the faults last.
    pub bad_hours: u64,
    /// Whether rows show which child row they are about.
    pub shows_child: bool,
    /// What happens meanwhile, as `/sim/act` takes it.
    pub acts: Vec<String>,
    /// Whether an admin retries, completes and hands over tasks meanwhile.
    pub admin: bool,
    /// Whether attempts of others count towards the cap.
    pub counts_theirs: bool,
}

/// Names of a connector's definitions: create, grant, revoke, two changes, disable.
const CONNECTORS: [(&str, [&str; 6]); 4] = [
    (
        "ldap",
        [
            "Create User",
            "Add User to Group",
            "Remove User from Group",
            "Telephone Updated",
            "Department Updated",
            "Disable User",
        ],
    ),
    (
        "erp",
        [
            "Create User",
            "Add Role",
            "Remove Role",
            "Cost Center Updated",
            "Company Updated",
            "Lock User",
        ],
    ),
    (
        "mail",
        [
            "Create Mailbox",
            "Add Distribution Group",
            "Remove Distribution Group",
            "Quota Updated",
            "Display Name Updated",
            "Disable Mailbox",
        ],
    ),
    (
        "database",
        [
            "Create User",
            "Grant Role",
            "Revoke Role",
            "Default Tablespace Updated",
            "Default Tablespace Updated",
            "Disable User",
        ],
    ),
];

/// Failures that time alone mends.
const PASSING: [&str; 4] = ["network", "timeout", "throttle", "lock"];

/// Faults: what, on which requests, and more keys; `hang` and the like cost wall time, so they come rarely.
const FAULTS: [(&str, &str, &str); 54] = [
    ("omit_items", "put", ""),
    ("duplicate_items", "put", ""),
    ("extra_items", "put", ""),
    ("lower_status", "put", ""),
    ("ok_status", "put", ""),
    ("unknown_status", "put", ""),
    ("html500", "put", ""),
    ("html503", "put", ""),
    ("html500_applied", "put", ""),
    ("timeout408", "put", ""),
    ("too_many", "put", "value = \"40\""),
    ("too_many", "put", "value = \"date\""),
    ("xml_error", "put", ""),
    ("empty200", "put", ""),
    ("truncated_json", "put", ""),
    ("cut_body", "put", ""),
    ("login_page", "put", ""),
    ("login_redirect", "put", ""),
    ("reset_before", "put", ""),
    ("reset_after", "put", ""),
    ("hang", "put", "ms = 0\nlimit = 1"),
    ("hang_unapplied", "put", "ms = 0\nlimit = 1"),
    ("slow_apply", "put", "ms = 20\ndelay = \"4m\""),
    ("slow_apply", "put", "ms = 5\ndelay = \"12m\""),
    ("finish_first", "put", "limit = 2"),
    ("not_found", "put", "limit = 3"),
    ("forbid_items", "put", "limit = 2"),
    ("forbidden", "put", "limit = 1"),
    ("oversized", "put", "value = \"2\"\nlimit = 2"),
    ("omit_items", "list", ""),
    ("duplicate_items", "list", ""),
    ("shift_pages", "list", ""),
    ("overlap_pages", "list", ""),
    ("repeat_next", "list", ""),
    ("foreign_next", "list", ""),
    ("empty_more", "list", ""),
    ("html500", "list", ""),
    ("html503", "list", ""),
    ("too_many", "list", "value = \"90\""),
    ("truncated_json", "list", ""),
    ("login_page", "list", ""),
    ("reset_before", "list", ""),
    ("oversized", "list", "value = \"2\"\nlimit = 2"),
    ("gzip_bomb", "list", "value = \"2\"\nlimit = 2"),
    ("html500", "read", ""),
    ("html503", "read", ""),
    ("too_many", "read", "value = \"20\""),
    ("truncated_json", "read", ""),
    ("empty200", "read", ""),
    ("reset_before", "read", ""),
    ("html500", "people", ""),
    ("truncated_json", "people", ""),
    ("numeric_ids", "any", ""),
    ("base_values", "any", ""),
];

/// Makes the plan of a round.
pub fn plan(seed: u64) -> Plan {
    let mut dice = Dice::new(seed, 1);
    let bad_hours = dice.within(2, 4);
    let show_child = dice.percent(60);
    let mut scenario = format!(
        "name = \"torture\"\nseed = {}\n[clock]\nmode = \"stepped\"\nhold = true\n[server]\nshuffle_bulk = {}\n",
        dice.within(1, 1 << 40),
        dice.percent(80),
    );
    scenario.push_str(&traits(&mut dice, show_child));
    let mut targets = Vec::new();
    let count = dice.within(1, 3);
    for number in 1..=count {
        let sort = target(&mut dice, number, bad_hours, &mut scenario, &mut targets);
        populations(&mut dice, number, show_child, sort, &mut scenario);
    }
    let desk = dice.percent(35);
    if desk {
        scenario.push_str(
            "[[target]]\nname = \"DESK\"\nconnector = \"ticket\"\n[[population]]\ntarget = \"DESK\"\naccounts = 4\nprefix = \"M\"\n\
             task = [{ task = \"Manual Grant\", status = \"R\", failure = \"network\" }]\n",
        );
        targets.push(("DESK".to_owned(), 0));
    }
    faults(&mut dice, &mut scenario);
    let acts = acts(&mut dice);
    let per_minute = dice.within(2, 15);
    let mut config = config(&mut dice, per_minute, desk);
    if seed.is_multiple_of(2) {
        // no draw of the dice, so that the worlds of all seeds stay what they were
        config = config.replace("[delivery]\n", "[delivery]\nnote = true\n");
    }
    let mut plan = Plan {
        scenario,
        config,
        targets,
        per_minute,
        bad_hours,
        shows_child: show_child,
        acts,
        admin: false,
        counts_theirs: true,
    };
    others::plan(seed, &mut plan);
    plan
}

/// What kind of target it is.
#[derive(Debug, Clone, Copy)]
struct Sort {
    /// Every run is good.
    steady: bool,
    /// Successors are never shown, so that whatever waits for one waits for days.
    hidden: bool,
}

fn traits(dice: &mut Dice, show_child: bool) -> String {
    let forms = ["zulu", "zulu", "offset", "no_zone", "millis"];
    let form = dice.pick(&forms).copied().unwrap_or("zulu");
    format!(
        "[traits]\ndates = \"{form}\"\nshow_child = {show_child}\nnumeric_ids = {}\nstatus_words = {}\nlocalised = {}\nmap_fields = {}\n",
        dice.percent(20),
        dice.percent(30),
        dice.percent(20),
        dice.percent(20),
    )
}

fn target(
    dice: &mut Dice,
    number: u64,
    bad_hours: u64,
    scenario: &mut String,
    targets: &mut Vec<(String, u64)>,
) -> Sort {
    let (connector, _) = names(number);
    let call_ms = match dice.within(0, 3) {
        0 => dice.within(10, 60),
        1 => dice.within(1, 8),
        _ => 0,
    };
    let mut text = format!(
        "[[target]]\nname = \"T{number}\"\nconnector = \"{connector}\"\ncall_ms = {call_ms}\n"
    );
    // where a run under the same id fails with the same words, or its successor is never shown, nobody
    // can tell it from none: there all runs are good
    let same_id = dice.percent(12);
    let hidden = !same_id && dice.percent(3);
    let steady = same_id || hidden;
    match dice.within(0, 9) {
        _ if steady => {}
        0..=3 => {}
        4 | 5 => {
            let until = dice.within(1, bad_hours);
            text.push_str(&format!(
                "window = [{{ from = \"-2h\", to = \"{until}h\", state = \"down\" }}]\n"
            ));
        }
        6 | 7 => text.push_str(&format!(
            "period = \"{}m\"\nwindow = [{{ from = \"-2h\", to = \"{bad_hours}h\", state = \"flapping\" }}]\n",
            dice.within(5, 45)
        )),
        _ => text.push_str(&format!("capacity = {}\n", dice.within(2, 8))),
    }
    if dice.percent(25) && !steady {
        text.push_str("error_rate = 0.15\n");
    }
    if dice.percent(50) {
        text.push_str(&format!(
            "run = \"later\"\nlater = \"{}s\"\n",
            dice.within(20, 540)
        ));
    }
    match dice.within(2, 7) {
        _ if same_id => text.push_str("same_id = true\n"),
        _ if hidden => text.push_str("successor_hidden = true\n"),
        2 => text.push_str("link_successor = true\n"),
        3 => text.push_str(&format!("successor_delay = \"{}m\"\n", dice.within(1, 100))),
        _ => {}
    }
    if dice.percent(60) {
        text.push_str("retries_anything = true\n");
    }
    scenario.push_str(&text);
    targets.push((format!("T{number}"), call_ms));
    Sort { steady, hidden }
}

/// A target's connector and the names of its definitions.
fn names(number: u64) -> (&'static str, [&'static str; 6]) {
    let at = usize::try_from(number).unwrap_or(0) % CONNECTORS.len();
    CONNECTORS[at]
}

fn populations(dice: &mut Dice, number: u64, show_child: bool, sort: Sort, scenario: &mut String) {
    let (_, [create, grant, revoke, change, other, disable]) = names(number);
    let mut groups = match sort.hidden {
        true => vec![4, 6, 7],
        false => vec![0_u64, 1, 2, 3, 4, 5, 6],
    };
    dice.shuffle(&mut groups);
    let many = usize::try_from(dice.within(2, 4)).unwrap_or(2);
    for group in groups.into_iter().take(many) {
        let failure = dice.pick(&PASSING).copied().unwrap_or("network");
        let heals = match sort.steady {
            true => 0,
            false => dice.within(0, 4).saturating_sub(2),
        };
        let one = |task: &str, more: &str| {
            format!("{{ task = \"{task}\", failure = \"{failure}\", heals_after = {heals}{more} }}")
        };
        let mut status = "";
        let (accounts, tasks) = match group {
            0 => {
                let repeat = format!(", repeat = {}", dice.within(1, 2));
                (dice.within(2, 8), vec![one(grant, &repeat)])
            }
            1 => {
                let repeat = format!(", repeat = {}", dice.within(1, 3));
                (
                    dice.within(2, 5),
                    vec![one(change, &repeat), one(other, "")],
                )
            }
            2 => (dice.within(1, 3), vec![one(create, ""), one(grant, "")]),
            3 if show_child => (
                dice.within(1, 3),
                vec![
                    one(change, ", age = \"30h\""),
                    one(grant, ", age = \"20h\""),
                    one(revoke, ", age = \"2h\""),
                ],
            ),
            3 => (dice.within(1, 3), vec![one(revoke, "")]),
            4 => (dice.within(1, 4), vec![one(disable, "")]),
            7 => (dice.within(2, 6), vec![one(grant, "")]),
            5 if !sort.steady => (
                dice.within(1, 2),
                vec![format!("{{ task = \"{grant}\", failure = \"data\" }}")],
            ),
            _ => {
                status = "status = \"Disabled\"\n";
                (dice.within(1, 3), vec![one(grant, "")])
            }
        };
        scenario.push_str(&format!(
            "[[population]]\ntarget = \"T{number}\"\naccounts = {accounts}\nprefix = \"P{number}{group}\"\n{status}task = [{}]\n",
            tasks.join(", ")
        ));
    }
}

fn faults(dice: &mut Dice, scenario: &mut String) {
    let mut all: Vec<usize> = (0..FAULTS.len()).collect();
    dice.shuffle(&mut all);
    let many = usize::try_from(dice.within(3, 9)).unwrap_or(3);
    for at in all.into_iter().take(many) {
        let (what, on, more) = FAULTS[at];
        let probability = match on {
            "put" => dice.within(5, 40),
            _ => dice.within(3, 20),
        };
        scenario.push_str(&format!(
            "[[fault]]\ndo = \"{what}\"\non = \"{on}\"\nfrom = \"2m\"\nprobability = 0.{probability:02}\n{more}\n"
        ));
    }
}

/// What an admin writes into tasks meanwhile; what he does to their work is drawn from the world as it is then.
fn acts(dice: &mut Dice) -> Vec<String> {
    (0..dice.within(0, 2))
        .map(|_| {
            let each = dice.within(2, 9);
            format!("{{\"each\":{each},\"do\":\"note\",\"to\":\"{BY_ADMIN}\"}}")
        })
        .collect()
}

fn config(dice: &mut Dice, per_minute: u64, desk: bool) -> String {
    let batch = dice.within(1, 6);
    let kinds = match desk {
        true => {
            "[governor.targets.DESK]\nin_flight = 1\n[policy]\nkinds = { \"DESK/Manual Grant\" = \"grant\" }\n"
        }
        false => "",
    };
    format!(
        "[server]\norigin = \"ORIGIN\"\nlogin = \"PROVSVC\"\npassword_file = \"password\"\nsimulator_clock = true\n\
         page_size = {}\nwrite_timeout = \"1s\"\nread_timeout = \"2s\"\nmax_body = 1048576\nauth = \"{}\"\n\
         [schedule]\nevery = \"{}m\"\nat_most = \"40m\"\n[mode]\nglobal = \"enforce\"\n[store]\ndir = \"store\"\n\
         [admin]\nlisten = \"off\"\n[governor]\nmax_attempts_taking = 5\nbackoff_base = \"3m\"\nbackoff_cap = \"1h\"\n\
         [delivery]\nverify_give_up = \"1d\"\n[governor.default]\nper_minute = {per_minute}\nin_flight = {}\nbatch_start = {}\nbatch_max = {batch}\nbreaker_cap = \"1h\"\n{kinds}",
        dice.within(6, 60),
        if dice.percent(30) { "bearer" } else { "basic" },
        dice.within(3, 12),
        dice.within(1, 3),
        dice.within(1, batch),
    )
}
