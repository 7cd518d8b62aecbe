//! Drills of a daemon that is there and says nothing, whole processes: every command ends in time, and says what it may be and what to do.

use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::drill::{Drill, Setup};
use crate::drill_ops::STEADY;

/// How long anything may take here before the drill has failed.
const BOUND: Duration = Duration::from_secs(75);

fn ask(drill: &Drill, args: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_provtaskd"))
        .args(args)
        .current_dir(drill.dir.path())
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary runs")
}

/// Waits for something, in small steps and within the bound.
fn within(began: Instant, mut there: impl FnMut() -> bool) -> bool {
    while !there() {
        if began.elapsed() > BOUND {
            return false;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    true
}

/// What a command said in the end, and after how long.
fn end(mut child: Child, began: Instant, what: &str) -> (Output, Duration) {
    let ended = within(began, || child.try_wait().expect("its own child").is_some());
    let took = began.elapsed();
    if !ended {
        child.kill().expect("killed");
        child.wait().expect("reaped");
        panic!("`{what}` hangs");
    }
    (child.wait_with_output().expect("what it said"), took)
}

fn state_of(pid: u32) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit(") ").next()?.chars().next()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopped_daemon_keeps_no_command_for_ever() {
    let mut drill = Setup::of(STEADY).enforcing().await;
    drill.run_for("12h").await;
    let pid = drill.child.as_ref().expect("a daemon runs").id();
    drill.signal(Signal::STOP);
    let began = Instant::now();
    assert!(
        within(began, || state_of(pid) == Some('T')),
        "it is not stopped"
    );
    let began = Instant::now();
    // the last is an order that is carried out when the daemon goes on
    let commands: [&[&str]; 6] = [
        &["status"],
        &["inbox"],
        &["plan"],
        &["outcomes", "list"],
        &["resume"],
        &["stop"],
    ];
    let asked: Vec<_> = commands.iter().map(|args| ask(&drill, args)).collect();
    for (child, args) in asked.into_iter().zip(commands) {
        let what = args.join(" ");
        let (output, took) = end(child, began, &what);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(75), "{what}: {said}");
        for part in [
            "did not answer within",
            &*format!("kill -CONT {pid}"),
            "is stopped",
            "journalctl -u provtaskd",
        ] {
            assert!(said.contains(part), "{what}: {part}: {said}");
        }
        let order = args == ["resume"] || args == ["stop"];
        assert_eq!(
            said.contains("may still be carried out"),
            order,
            "{what}: {said}"
        );
        if args == ["status"] {
            assert!(took < Duration::from_secs(25), "{what} took {took:?}");
        }
    }
    drill.signal(Signal::CONT);
    // as it was said: what it had got, it carries out
    let mut child = drill.child.take().expect("it was there");
    let began = Instant::now();
    assert!(
        within(began, || child.try_wait().expect("its own child").is_some()),
        "it goes on and ends"
    );
    assert!(child.wait().expect("reaped").success());
    drill.daemon();
    drill.run_for("1m").await;
    drill.judge().await;
}
