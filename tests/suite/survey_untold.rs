//! What a survey could not tell is said in it: tasks without a kind, leave dates that were not read, people named in other tongues.

use crate::drill::Setup;
use crate::drill_front::behind;

/// What `survey` prints of a world, on one line.
async fn surveyed(
    world: &str,
    args: &[&str],
    change: impl Fn(&crate::client_stub::Seen, &str) -> Option<(&'static str, String)>
    + Send
    + Sync
    + 'static,
) -> String {
    let drill = Setup::of(world).start().await;
    behind(&drill, change).await;
    let told = drill.done(&[&["survey", "--no-resume"], args].concat());
    drill.judged_elsewhere();
    told.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Tasks of people who are gone whose definition nobody has named may be revokes: the chapter may not say "none".
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_survey_does_not_pass_over_unnamed_tasks_of_people_who_are_gone() {
    let world = r#"
name = "german"
seed = 3
[[target]]
name = "AD"
[[definition]]
target = "AD"
name = "Benutzer deaktivieren"
kind = "disable"
[[user]]
login = "GONE"
status = "Deleted"
[[task]]
target = "AD"
user = "GONE"
task = "Benutzer deaktivieren"
failure = "network"
"#;
    let told = surveyed(world, &[], |_, _| None).await;
    let of = told.split("ACCESS STILL OPEN").nth(1).expect("the chapter");
    let of = of.split("ACCESS THAT WOULD").next().expect("its end");
    assert!(
        of.contains("without a kind") || of.contains("unknown"),
        "{of}"
    );
}

const LEAVE: &str = r#"
name = "leave"
seed = 3
[[target]]
name = "AD"
[[user]]
login = "PAST"
fields = { "End Date" = "DATE" }
[[task]]
target = "AD"
user = "PAST"
task = "Disable User"
failure = "network"
"#;

/// Leave dates that are refused, or can't be read, are no leave dates that are to come.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_survey_says_of_how_many_no_leave_date_could_be_read() {
    let world = LEAVE.replace("DATE", "2027-01-15");
    let refused = surveyed(&world, &[], |seen, _| {
        let end = seen.path.contains("/users?") && seen.path.contains("End");
        end.then(|| ("400 Bad Request", "{}".to_owned()))
    });
    let odd = surveyed(&LEAVE.replace("DATE", "15-JAN-27"), &[], |_, _| None).await;
    for told in [refused.await, odd] {
        let of = told.replace("AFTER THE LEAVE DATE", "");
        assert!(of.contains("leave date"), "{told}");
    }
}

/// Names in letters without case, logins in small letters behind a word that is not English, and what is nobody's
/// business: none of it may stand in a report without names, or in a capture.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_masked_reason_names_people_in_other_tongues() {
    let world = r#"
name = "tongues"
seed = 3
[[target]]
name = "AD"
[[user]]
login = "EMP"
[[task]]
target = "AD"
user = "EMP"
task = "Telephone Updated"
failure = "data"
reason = "benutzer jmeyer existiert bereits; 山田花子 krank seit operation"
"#;
    let told = surveyed(world, &["--no-names"], |_, _| None).await;
    for word in ["山田花子", "jmeyer", "krank"] {
        assert!(!told.contains(word), "{word}: {told}");
    }
}
