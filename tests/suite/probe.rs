//! `probe` as a whole process against simulators of different traits: what it says is the scenario's truth, it writes nothing to the server, and a capture names nobody.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::Value;

use crate::survey_house::{EVERYBODY, House, WORLD, counted, text};

/// The traits as printed.
fn traits(house: &House, more: &[&str]) -> Value {
    let args = [&["probe", "--format", "json"], more].concat();
    let text = house.done(&args);
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

async fn of(server: &str, traits_: &str, config: &str) -> (House, Value) {
    let scenario = format!("{WORLD}[server]\n{server}\n[traits]\n{traits_}\n");
    let house = House::with(&scenario, config, "").await;
    let traits = traits(&house, &[]);
    only_reads(&house);
    (house, traits)
}

/// Nothing but reads, and the token service.
fn only_reads(house: &House) {
    for request in house.requests(0) {
        let token = text(&request["path"]).contains("/iam/governance/token/");
        assert!(request["method"] == "GET" || token, "{request}");
    }
    let effects = house.sim.journal(0).into_iter();
    assert_eq!(effects.filter(|entry| entry["type"] == "effect").count(), 0);
}

/// The words of a field's counts.
fn words(counts: &Value) -> BTreeSet<String> {
    let counts = counts.as_object().expect("counts");
    counts.keys().cloned().collect()
}

fn set(words: &[&str]) -> BTreeSet<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

const STATUS: &str = "Process Instance.Task Details.Status";
/// Rows that the login of the world sees, and all there are.
const OWN: u64 = 30 * 2 + 12 + 9 * 3 + 4 + 2 - 12;
const ALL: u64 = 30 * 2 + 12 + 9 * 3 + 4 + 5 + 3 + 2 + 2;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_documented_server_is_described_as_it_is() {
    let (house, traits) = of("", "", "").await;
    let visible = house.open(|task| task["owner"] == "role:PROV OPERATORS");
    let seen = u64::try_from(visible.len()).expect("few");
    assert_eq!(seen, OWN);
    let rows = &traits["rows"];
    assert_eq!(rows["seen"], seen, "{rows:#}");
    assert_eq!(rows["unreadable"], 0);
    assert_eq!(words(&rows["shape"]), set(&["array"]));
    assert_eq!(words(&rows["id_field"]), set(&["number"]));
    assert_eq!(words(&rows["id_key"]), set(&["absent"]));
    assert_eq!(words(&rows["id_link"]), set(&["same"]));
    assert_eq!(words(&rows["dates"]), set(&["Z"]));
    let codes = counted(&visible, |task| text(&task["status"]));
    for (code, count) in &codes {
        assert_eq!(rows["status"][STATUS][code], *count, "{codes:?}");
    }
    assert_eq!(words(&rows["status"][STATUS]).len(), codes.len());
    assert_eq!(rows["process"], seen);
    let manual = house.open(|task| text(&task["kind"]) == "other").len();
    assert_eq!(
        rows["adapter"]["manual"],
        u64::try_from(manual).expect("few")
    );
    let fields = rows["fields"].as_array().expect("fields");
    assert_eq!(fields.len(), 30);
    let key = fields
        .iter()
        .find(|field| field["name"] == "Process Instance.Key")
        .expect("it is shown");
    assert_eq!(key["types"]["number"], seen);

    assert_eq!(
        traits["paging"]["pages"], "stable",
        "{:#}",
        traits["paging"]
    );
    assert_eq!(traits["paging"]["total"], "-1");
    assert_eq!(traits["order"]["by"], "id ascending");
    assert_eq!(traits["order"]["repeatable"], true);
    let scope = &traits["scope"];
    assert_eq!(scope["shows"], "own and roles", "{scope:#}");
    assert_eq!(scope["own_roles"], seen);
    assert_eq!(scope["others"], 0);
    assert_eq!(scope["administrator"], Value::Null);
    assert_eq!(traits["accounts"]["read"], 5);
    assert_eq!(words(&traits["accounts"]["id_key"]), set(&["string"]));
    let roads = &traits["roads"];
    assert_eq!(roads["single"], true);
    assert_eq!(roads["single_id"], "string");
    assert_eq!(roads["history"], true);
    assert_eq!(roads["filter"], "honoured");
    assert_eq!(roads["token"], "there");
    assert_eq!(traits["people"]["joined"], true, "{:#}", traits["people"]);
    let skew = traits["wire"]["skew_ms"].as_i64().expect("a date is sent");
    assert!(skew.abs() < 60_000, "{skew}");
    assert_eq!(traits["wire"]["scheme"], "http");

    // the file holds what was printed, for this user alone
    let file = house.dir.path().join("store/traits.json");
    let kept: Value =
        serde_json::from_str(&fs::read_to_string(&file).expect("written")).expect("JSON");
    assert_eq!(kept, traits);
    let mode = |path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
    assert_eq!(mode(file.clone()), 0o600);
    assert_eq!(mode(house.dir.path().join("store")), 0o700);
    let left = fs::read_dir(house.dir.path().join("store")).expect("read");
    assert_eq!(left.count(), 1, "nothing is left beside it");
    // and no store is made of it
    house.done(&["plan", "--json"]);
    let left = fs::read_dir(house.dir.path().join("store")).expect("read");
    assert_eq!(left.count(), 1, "a question made a store");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forms_of_ids_words_dates_and_fields_are_told_as_the_scenario_sets_them() {
    let (_, traits) = of("", "numeric_ids = true", "").await;
    assert_eq!(traits["roads"]["single_id"], "number");
    assert_eq!(words(&traits["accounts"]["id_key"]), set(&["number"]));

    let (house, traits) = of("", "lower_words = true\nstatus_words = true", "").await;
    let rows = &traits["rows"];
    assert_eq!(
        words(&rows["status"][STATUS]),
        set(&["pending", "rejected"])
    );
    assert_eq!(words(&rows["status_unknown"]), set(&[]));
    let rejected =
        house.open(|task| task["owner"] == "role:PROV OPERATORS" && task["status"] == "R");
    assert_eq!(
        rows["status"][STATUS]["rejected"],
        u64::try_from(rejected.len()).expect("few")
    );

    for (form, word) in [
        ("no_zone", "no zone"),
        ("day", "day"),
        ("offset", "offset"),
        ("millis", "milliseconds"),
    ] {
        let (house, traits) = of("", &format!("dates = \"{form}\""), "").await;
        assert_eq!(words(&traits["rows"]["dates"]), set(&[word]));
        let said = house.done(&["probe"]);
        let warned = said.lines().any(|line| line.starts_with("! dates"));
        assert_eq!(warned, matches!(form, "no_zone" | "day"), "{form}: {said}");
    }

    let (_, traits) = of("", "map_fields = true\nlegacy = true", "").await;
    let rows = &traits["rows"];
    assert_eq!(words(&rows["shape"]), set(&["map"]));
    assert_eq!(
        (&rows["seen"], &rows["unreadable"]),
        (&OWN.into(), &0.into())
    );
    assert_eq!(traits["paging"]["pages"], "stable");

    let (_, traits) = of("", "localised = true\nshow_child = true", "").await;
    let rows = &traits["rows"];
    assert_eq!(words(&rows["status_unknown"]), set(&[]));
    let fields = rows["fields"].as_array().expect("fields");
    let name = fields
        .iter()
        .find(|field| field["name"] == "Process Definition.Tasks.Task Name")
        .expect("shown");
    assert_eq!(words(&name["types"]), set(&["base"]));
    assert!(rows["child"].as_u64() > Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_without_process_keys_is_told_and_so_is_what_follows() {
    let (house, traits) = of("", "no_process_key = true", "").await;
    assert_eq!(traits["rows"]["process"], 0);
    assert_eq!(traits["accounts"]["read"], 0);
    let said = house.done(&["probe", "--no-save"]);
    assert!(said.contains("! process keys: 0 of"), "{said}");
    assert!(said.contains("wait for a person"), "{said}");
    for line in said.lines() {
        assert!(line.chars().count() <= 160, "{line}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_and_order_are_told_apart() {
    let (_, traits) = of("", "list_order = \"moving\"", "").await;
    assert_eq!(
        traits["paging"]["pages"], "unstable",
        "{:#}",
        traits["paging"]
    );
    assert_eq!(traits["order"]["by"], "none");
    assert_eq!(traits["order"]["repeatable"], false);

    let (_, traits) = of("", "list_order = \"newest\"", "").await;
    assert_eq!(
        traits["paging"]["pages"], "stable",
        "{:#}",
        traits["paging"]
    );
    assert_eq!(traits["order"]["by"], "id descending");

    // rows slip through between pages
    let fault = "[[fault]]\ndo = \"shift_pages\"\non = \"list\"\nprobability = 1.0\n";
    let house = House::of(&format!("{WORLD}{fault}")).await;
    let shifted = self::traits(&house, &[]);
    assert_eq!(
        shifted["paging"]["pages"], "unstable",
        "{:#}",
        shifted["paging"]
    );

    // the server's own limit, below and above what is asked for
    let (house, traits) = of("limit_max = 40", "", "").await;
    assert_eq!(traits["paging"]["capped_at"], 40);
    assert_eq!(traits["paging"]["default_rows"], 10);
    assert_eq!(traits["paging"]["next"], "offset");
    assert_eq!(traits["rows"]["seen"], OWN);
    assert_eq!(traits["paging"]["pages"], "stable");
    let said = house.done(&["probe"]);
    assert!(said.contains("set it to 40 or less"), "{said}");
    let (_, traits) = of("limit_max = 40", "", "page_size = 16").await;
    assert_eq!(traits["paging"]["largest"], 32);
    assert_eq!(traits["paging"]["capped_at"], 40);
    let (_, traits) = of("", "", "page_size = 16").await;
    assert_eq!(traits["paging"]["largest"], 64);
    assert_eq!(traits["paging"]["capped_at"], Value::Null);

    // a bound on pages holds, and nothing is called whole then
    let house = House::with(WORLD, "page_size = 10", "").await;
    let few = self::traits(&house, &["--max-pages", "2", "--largest-page", "10"]);
    assert!(
        few["rows"]["seen"].as_u64() < Some(OWN),
        "{:#}",
        few["rows"]
    );
    let lists = house.requests(0).into_iter();
    let lists = lists.filter(|r| text(&r["path"]).ends_with("/provtasks"));
    assert!(lists.count() <= 2 + 2 + 3);
}

/// People come in pages too: whom a first page leaves out is shown all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn people_are_counted_over_all_pages() {
    let (house, traits) = of("limit_max = 7", "", "").await;
    let people = &traits["people"];
    assert_eq!(people["asked"], 15);
    assert_eq!(people["shown"], 15, "{people:#}");
    assert_eq!(people["joined"], true);
    let counted = people["status"].as_object().expect("states").values();
    let counted: u64 = counted.map(|n| n.as_u64().expect("a count")).sum();
    assert_eq!(counted, 15 + 1, "and the login's own: {people:#}");
    only_reads(&house);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whose_tasks_the_list_shows_is_told_by_their_owners() {
    let house = House::of(&format!("{WORLD}{EVERYBODY}")).await;
    let wide = traits(&house, &[]);
    let scope = &wide["scope"];
    assert_eq!(scope["shows"], "wider");
    assert_eq!(wide["rows"]["seen"], ALL);
    let by_users = house.open(|task| text(&task["owner"]).starts_with("user:"));
    assert_eq!(scope["others"], u64::try_from(by_users.len()).expect("few"));
    assert_eq!(scope["other_roles"], 12, "{scope:#}");
    assert_eq!(scope["roles"], serde_json::json!(["PROV OPERATORS"]));

    let admin = WORLD.replace(
        "roles = [\"PROV OPERATORS\"]",
        "roles = [\"PROV OPERATORS\"]\nis_admin = true",
    );
    let house = House::of(&admin).await;
    let almighty = traits(&house, &[]);
    let why = text(&almighty["scope"]["administrator"]);
    assert!(why.contains("SYSTEM ADMINISTRATORS"), "{why}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_is_wrong_is_told_with_its_sign() {
    let (house, traits) = of("", "clock_skew_secs = -300", "").await;
    let skew = traits["wire"]["skew_ms"].as_i64().expect("a date");
    assert!((-310_000..=-290_000).contains(&skew), "{skew}");
    let said = house.done(&["probe", "--no-save"]);
    assert!(said.contains("! clock: -"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_capture_names_nobody_and_replaces_alike() {
    let house = House::of(&format!("{WORLD}{EVERYBODY}")).await;
    house.done(&["probe", "--capture", "capture.json", "--no-save"]);
    // nothing is written over, the configuration least of all, and nothing is asked for it
    let (asked, config) = (
        house.requests(0).len(),
        house.dir.path().join("provtaskd.toml"),
    );
    let before = fs::read(&config).expect("read");
    for there in ["provtaskd.toml", "capture.json"] {
        let out = house.cli(&["probe", "--capture", there, "--no-save"]);
        let said = String::from_utf8_lossy(&out.stderr).into_owned();
        assert_eq!(out.status.code(), Some(74), "{said}");
        assert!(said.contains("is there already"), "{said}");
    }
    assert_eq!(fs::read(&config).expect("read"), before);
    assert_eq!(house.requests(0).len(), asked);
    assert!(
        !house.dir.path().join("store").exists(),
        "although --no-save"
    );
    let path = house.dir.path().join("capture.json");
    let mode = fs::metadata(&path).expect("written").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let whole = fs::read_to_string(&path).expect("read");
    let lower = whole.to_lowercase();
    let truth = house.sim.truth();
    let mut secret: BTreeSet<String> = BTreeSet::new();
    for user in truth["users"].as_array().expect("users") {
        secret.insert(text(&user["login"]));
        secret.insert(text(&user["key"]));
    }
    let shown = house.open(|_| true);
    for task in &shown {
        for key in ["id", "target", "process"] {
            secret.insert(text(&task[key]));
        }
    }
    secret.insert("PROV OPERATORS".to_owned());
    secret.insert("SERVICE DESK".to_owned());
    secret.insert("Add User to Group".to_owned());
    secret.insert("127.0.0.1".to_owned());
    secret.remove("null");
    assert!(secret.len() > 100, "{}", secret.len());
    for name in secret.iter().filter(|name| name.len() > 3) {
        let quoted = [
            format!("\"{name}\""),
            format!("/{name}"),
            format!(": {name},"),
        ];
        let found = quoted
            .iter()
            .any(|text| lower.contains(&text.to_lowercase()));
        assert!(!found, "{name} stands in the capture");
        if name.chars().any(char::is_alphabetic) && name.len() > 4 {
            assert!(!lower.contains(&name.to_lowercase()), "{name}");
        }
    }
    // the same task is the same in the list and by itself
    let capture: Value = serde_json::from_str(&whole).expect("JSON");
    assert_eq!(capture["schema"], "provtaskd.capture");
    let answers = capture["answers"].as_array().expect("answers");
    let of = |what: &str| {
        let found = answers.iter().find(|answer| answer["what"] == what);
        found.unwrap_or_else(|| panic!("{what}")).clone()
    };
    let (list, single) = (of("the task list"), of("a task"));
    let first = &list["body"]["tasks"][0];
    assert_eq!(first["fields"], single["body"]["fields"]);
    let request = text(&single["request"]);
    assert!(
        request.ends_with(&format!("/provtasks/{}", text(&single["body"]["id"]))),
        "{request}"
    );
    // forms and order are as they were
    let ids: Vec<u64> = list["body"]["tasks"]
        .as_array()
        .expect("rows")
        .iter()
        .map(|row| row["fields"][1]["value"].as_u64().expect("a number"))
        .collect();
    assert!(ids.len() > 3 && ids.is_sorted(), "{ids:?}");
    let reason = text(&first["fields"][5]["value"]);
    assert!(reason.contains('<'), "{reason}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_password_is_tried_once_and_not_again_until_it_changes() {
    let house = House::of(WORLD).await;
    house.password("not-the-password");
    let output = house.cli(&["probe"]);
    assert_eq!(output.status.code(), Some(77), "{output:?}");
    assert_eq!(house.requests(0).len(), 1);
    let output = house.cli(&["probe"]);
    assert_eq!(output.status.code(), Some(77), "{output:?}");
    assert_eq!(house.requests(0).len(), 1, "it was tried again");
    let kept = fs::read_to_string(house.dir.path().join("store/traits.json.login")).expect("kept");
    assert!(!kept.contains("not-the-password"), "{kept}");
    house.password("sim-password-1");
    traits(&house, &[]);
    assert!(!house.dir.path().join("store/traits.json.login").exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_empty_list_teaches_little_and_says_so() {
    let house = House::of("name = \"empty\"\n[[target]]\nname = \"AD\"\n").await;
    let nothing = traits(&house, &[]);
    assert_eq!(nothing["rows"]["seen"], 0);
    assert_eq!(nothing["paging"]["pages"], "not seen");
    let said = house.done(&["probe"]);
    assert!(said.contains("the list is empty for this login"), "{said}");
}

/// What one simulator was seen to be like, another one can be.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_simulator_takes_on_the_traits_of_a_probed_server() {
    let sets = [
        "numeric_ids = true\ndates = \"no_zone\"\nlist_order = \"newest\"",
        "map_fields = true\nlower_words = true\nno_process_key = true\nclock_skew_secs = 400",
        "status_words = true\nlocalised = true\nlist_order = \"moving\"\ndates = \"millis\"",
        "list_no_dates = true\nlist_reason = 0",
    ];
    for set in sets {
        let (house, probed) = of("limit_max = 40\nlist_scope = \"everybody\"", set, "").await;
        fs::write(house.dir.path().join("world.toml"), WORLD).expect("written");
        let mut sim = house
            .command(&[
                "sim",
                "--scenario",
                "world.toml",
                "--traits",
                "store/traits.json",
                "--bind",
                "127.0.0.1:0",
                "--write-config",
                "like",
            ])
            .stdout(std::process::Stdio::null())
            .spawn()
            .expect("started");
        let config = house.dir.path().join("like/provtaskd.toml");
        let password = house.dir.path().join("like/password");
        let began = std::time::Instant::now();
        while !fs::read_to_string(&password).is_ok_and(|text| !text.is_empty()) {
            assert!(began.elapsed() < crate::survey_house::PATIENCE);
            assert!(sim.try_wait().expect("its child").is_none(), "it has ended");
            tokio::task::yield_now().await;
        }
        let config = config.to_str().expect("text");
        let output = house.cli(&["-c", config, "probe", "--format", "json"]);
        sim.kill().expect("killed");
        sim.wait().expect("reaped");
        let like: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        let names = |traits: &Value| -> Vec<String> {
            let fields = traits["rows"]["fields"].as_array().expect("fields");
            fields.iter().map(|field| text(&field["name"])).collect()
        };
        assert_eq!(names(&probed), names(&like), "{set}");
        for part in ["shape", "id_key", "id_link"] {
            let (a, b) = (&probed["rows"][part], &like["rows"][part]);
            assert_eq!(words(a), words(b), "{set}: {part}");
        }
        assert_eq!(
            words(&probed["rows"]["dates"]),
            words(&like["rows"]["dates"])
        );
        assert_eq!(
            words(&probed["rows"]["status"][STATUS]),
            words(&like["rows"]["status"][STATUS]),
            "{set}"
        );
        for (part, trait_) in [
            ("order", "by"),
            ("order", "repeatable"),
            ("paging", "pages"),
            ("paging", "capped_at"),
            ("scope", "shows"),
            ("roads", "single_id"),
        ] {
            assert_eq!(
                probed[part][trait_], like[part][trait_],
                "{set}: {part} {trait_}"
            );
        }
        let skew = |traits: &Value| traits["wire"]["skew_ms"].as_i64().expect("a date");
        assert!((skew(&probed) - skew(&like)).abs() < 5_000, "{set}");
    }
}

/// What a simulator prints until it listens, made like these traits.
fn printed(house: &House, traits: &Value) -> String {
    use std::io::BufRead as _;
    let dir = house.dir.path();
    fs::write(dir.join("like.json"), traits.to_string()).expect("written");
    fs::write(dir.join("world.toml"), WORLD).expect("written");
    let args = "sim --scenario world.toml --traits like.json --bind 127.0.0.1:0";
    let args: Vec<&str> = args.split(' ').collect();
    let mut sim = house
        .command(&args)
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("started");
    let lines = std::io::BufReader::new(sim.stdout.take().expect("its output")).lines();
    let lines = lines.map(|line| line.expect("text"));
    let said: Vec<String> = lines.take_while(|line| line != "try:").collect();
    sim.kill().expect("killed");
    sim.wait().expect("reaped");
    said.join("\n")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_simulator_does_not_take_on_of_a_probed_server_is_printed() {
    let (house, probed) = of("", "", "").await;
    let said = printed(&house, &probed);
    assert!(!said.contains("not taken on"), "{said}");
    for (part, name, value, line) in [
        (
            "roads",
            "filter",
            "\"ignored\"",
            "a filter of the list that is ignored",
        ),
        (
            "roads",
            "token",
            "\"refuses\"",
            "a token service that refuses",
        ),
        (
            "paging",
            "next",
            "\"other\"",
            "a next link that names no offset",
        ),
        ("paging", "foreign_links", "true", "links to another host"),
        (
            "paging",
            "total",
            "\"counted\"",
            "a totalResult that is counted",
        ),
        ("paging", "default_rows", "25", "25 rows of a page without"),
        (
            "scope",
            "roles",
            "null",
            "roles of the login that are not shown",
        ),
        ("people", "shown", "0", "people who are not shown"),
        ("people", "joined", "false", "asked for together"),
    ] {
        let mut other = probed.clone();
        other[part][name] = serde_json::from_str(value).expect("JSON");
        let said = printed(&house, &other);
        let lines = said.lines().filter(|line| line.contains("not taken on"));
        let lines: Vec<&str> = lines.collect();
        assert!(
            lines.len() == 1 && lines[0].contains(line),
            "{part}.{name}: {said}"
        );
    }
    let mut untold = probed.clone();
    untold["retry"] = serde_json::json!({"lineage": "not told", "answered_ms": null, "runs": "not told", "settled_secs": null, "outcome": "unknown"});
    assert!(printed(&house, &untold).contains("not taken on: how work goes on after a retry"));
}

/// By what it is told since when finished tasks are kept: whether accounts show what is automated, or their process
/// tells, or nothing does. The simulator takes it on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_says_by_what_it_is_told_since_when_finished_tasks_are_kept() {
    let kept = "forget_after = \"900d\"";
    let (house, shown) = of(kept, "", "").await;
    let accounts = &shown["accounts"];
    assert!(
        accounts["adapter"]["automated"].as_u64() > Some(0),
        "{accounts:#}"
    );
    assert_eq!(
        (accounts["definitions"].is_null(), &accounts["ends"]),
        (true, &0.into())
    );
    let said = one_line(&house.done(&["probe", "--no-save"]));
    assert!(said.contains(" how long they are kept: of "), "{said}");
    assert!(
        said.contains("which end as they begin, tell since when"),
        "{said}"
    );

    for (more, told, means) in [
        ("", true, "of which the process tells"),
        (
            "no_available_tasks = true",
            false,
            "nothing tells since when until our own retries",
        ),
    ] {
        let (house, traits) = of(kept, &format!("process_no_adapter = true\n{more}"), "").await;
        let accounts = &traits["accounts"];
        assert_eq!(words(&accounts["adapter"]), set(&["not shown"]));
        assert_eq!(accounts["definitions"], told, "{accounts:#}");
        let said = one_line(&house.done(&["probe"]));
        assert!(said.contains(means), "{said}");
        assert_eq!(said.contains("! how long they are kept"), !told, "{said}");
    }
}

/// Without the breaks of its lines.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
