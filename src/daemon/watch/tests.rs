//! What the file of readings keeps, believes and leaves alone.

use std::os::unix::fs::PermissionsExt as _;

use super::*;
use crate::model::facts::UserStatus;

fn at(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

fn open(path: &Path, now: &str) -> Result<(Kept, Left), WatchError> {
    let keep_for = SignedDuration::from_hours(1);
    Kept::open(
        path,
        "http://oig as SVC",
        &Login::new("SVC"),
        at(now),
        keep_for,
    )
}

fn person(login: &str, status: UserStatus) -> Reading {
    Reading::Person {
        login: Login::new(login),
        value: Known::Yes {
            value: Person {
                key: Some(UserKey::new("7")),
                login: Login::new(login),
                status,
                manager: None,
            },
            as_of: at("2027-03-01T08:00:00Z"),
        },
    }
}

fn logins(left: &Left) -> Vec<String> {
    left.readings
        .iter()
        .filter_map(|(_, reading)| match reading {
            Reading::Person { login, .. } => Some(login.to_string()),
            _ => None,
        })
        .collect()
}

#[test]
fn what_was_read_is_there_for_the_next_run_unless_it_is_old_or_of_another_server() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("readings");
    let (kept, left) = open(&path, "2027-03-01T08:00:00Z").expect("made");
    assert!(left.readings.is_empty());
    let mut watch = Watch::new(Some(kept), None, Progress::default());
    watch.keep(
        at("2027-03-01T08:00:00Z"),
        person("OLD", UserStatus::Active),
    );
    watch.keep(
        at("2027-03-01T08:30:00Z"),
        person("NEW", UserStatus::Disabled),
    );
    drop(watch);
    let mode = std::fs::metadata(&path)
        .expect("there")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);

    let (_, left) = open(&path, "2027-03-01T08:45:00Z").expect("opened");
    assert_eq!(logins(&left), ["OLD", "NEW"]);
    let (kept, left) = open(&path, "2027-03-01T09:10:00Z").expect("opened");
    assert_eq!(logins(&left), ["NEW"]);
    drop(kept);
    // the old one has left the file too
    let text = std::fs::read_to_string(&path).expect("text");
    assert!(!text.contains("OLD"), "{text}");

    let other = Kept::open(
        &path,
        "http://other as SVC",
        &Login::new("SVC"),
        at("2027-03-01T08:45:00Z"),
        SignedDuration::from_hours(1),
    );
    assert!(other.expect("opened").1.readings.is_empty());
}

#[test]
fn a_line_that_a_kill_has_cut_costs_that_reading_alone() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("readings");
    let (kept, _) = open(&path, "2027-03-01T08:00:00Z").expect("made");
    let mut watch = Watch::new(Some(kept), None, Progress::default());
    for login in ["A", "B", "C"] {
        watch.keep(
            at("2027-03-01T08:00:00Z"),
            person(login, UserStatus::Active),
        );
    }
    drop(watch);
    let text = std::fs::read(&path).expect("bytes");
    std::fs::write(&path, &text[..text.len() - 20]).expect("cut");
    let (kept, left) = open(&path, "2027-03-01T08:01:00Z").expect("opened");
    assert_eq!(logins(&left), ["A", "B"]);
    let mut watch = Watch::new(Some(kept), None, Progress::default());
    watch.keep(at("2027-03-01T08:01:00Z"), person("D", UserStatus::Active));
    drop(watch);
    let (kept, left) = open(&path, "2027-03-01T08:01:00Z").expect("opened");
    assert_eq!(logins(&left), ["A", "B", "D"]);
    Watch::new(Some(kept), None, Progress::default())
        .end(true)
        .expect("taken away");
    assert!(!path.exists());
}

#[test]
fn what_is_no_such_file_is_left_as_it_is() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("notes.txt");
    std::fs::write(&path, "my notes\n").expect("written");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("mode");
    let refused = open(&path, "2027-03-01T08:00:00Z").expect_err("refused");
    assert!(matches!(refused, WatchError::Foreign { .. }), "{refused}");
    assert_eq!(std::fs::read_to_string(&path).expect("text"), "my notes\n");

    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).expect("mode");
    let refused = open(&path, "2027-03-01T08:00:00Z").expect_err("refused");
    assert!(
        matches!(refused, WatchError::NotPrivate { .. }),
        "{refused}"
    );
    let link = dir.path().join("link");
    std::os::unix::fs::symlink(&path, &link).expect("linked");
    let refused = open(&link, "2027-03-01T08:00:00Z").expect_err("refused");
    assert!(matches!(refused, WatchError::Io { .. }), "{refused}");

    let own = dir.path().join("own");
    let (_held, _) = open(&own, "2027-03-01T08:00:00Z").expect("made");
    let refused = open(&own, "2027-03-01T08:00:00Z").expect_err("refused");
    assert!(matches!(refused, WatchError::Busy { .. }), "{refused}");
}

/// Guards are asked about what an earlier run has read: what they look at must be there.
#[test]
fn of_a_task_all_is_kept_that_guards_look_at_and_no_text() {
    let mut task = Task::bare(TaskId::new("5124"), TaskStatus::Completed);
    task.definition_key = Some(DefKey::new("39"));
    task.definition_name = Some("Create User".into());
    task.process = Some(ProcessKey::new("700"));
    task.target = Some(TargetName::new("AD"));
    task.beneficiary = Some(Login::new("JDOE"));
    task.created = Some(at("2027-03-01T08:00:00Z"));
    task.started = Some(at("2027-03-01T09:00:00Z"));
    task.ended = Some(Box::new(at("2027-03-01T10:00:00Z")));
    task.retry_of = Some(TaskId::new("5100"));
    task.has_adapter = Some(true);
    task.child = Some("group=sales".into());
    task.row = NonZeroU64::new(7);
    let wanted = format!("{task:?}");
    task.reason = Some("the reason".into());
    task.note = Some("the note".into());
    let text = serde_json::to_string(&KeptTask::from(&task)).expect("JSON");
    assert!(!text.contains("the reason") && !text.contains("the note"));
    let kept: KeptTask = serde_json::from_str(&text).expect("kept");
    assert_eq!(format!("{:?}", Task::from(kept)), wanted);
}
