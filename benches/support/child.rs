//! Runs a contender as a process of its own and tells how long it took and how much memory it held at most.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// What a process was seen to do.
#[derive(Debug)]
pub struct Ended {
    /// When it ended.
    pub at: Instant,
    /// Processor time, of all its threads.
    pub cpu: Duration,
    /// Peak resident memory in KiB, where the system tells.
    pub peak: u64,
    /// What it printed.
    pub printed: String,
}

/// Runs a command to its end.
///
/// # Panics
/// It can't be started, or fails: a contender that fails has no time.
pub fn run(command: &mut Command) -> Ended {
    let before = children_cpu();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{command:?} can't be started: {error}"));
    let out = drain(child.stdout.take());
    let err = drain(child.stderr.take());
    let mut peak = 0;
    let status = loop {
        peak = peak.max(peak_of(child.id()));
        if let Some(status) = child.try_wait().expect("its own child") {
            break status;
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    let at = Instant::now();
    let printed: Vec<String> = out.iter().collect();
    let said: Vec<String> = err.iter().collect();
    assert!(
        status.success(),
        "{command:?} ended with {status}:\n{}",
        said.join("\n")
    );
    Ended {
        at,
        cpu: children_cpu().saturating_sub(before),
        peak,
        printed: printed.join("\n"),
    }
}

/// A running process whose log is read line by line.
pub struct Running {
    child: Child,
    lines: mpsc::Receiver<String>,
}

impl Running {
    /// Starts a command.
    ///
    /// # Panics
    /// It can't be started.
    pub fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?} can't be started: {error}"));
        let lines = drain(child.stderr.take());
        Self { child, lines }
    }

    /// Waits for a line that holds these words.
    ///
    /// # Panics
    /// It ends, or says nothing of the kind for five minutes.
    pub fn wait_for(&self, words: &str) -> Instant {
        loop {
            let line = self
                .lines
                .recv_timeout(Duration::from_secs(300))
                .unwrap_or_else(|_| panic!("`{words}` was never said"));
            if line.contains(words) {
                return Instant::now();
            }
        }
    }

    /// Processor time so far, of all its threads.
    pub fn cpu(&self) -> Duration {
        let stat = Path::new("/proc").join(self.child.id().to_string());
        cpu_in(&stat.join("stat"), 11)
    }

    /// Peak resident memory in KiB so far.
    pub fn peak(&self) -> u64 {
        peak_of(self.child.id())
    }

    /// Asks it to end and waits.
    pub fn stop(mut self) {
        let pid = self.child.id().to_string();
        // the shell's own kill: no unsafe code here
        let told = Command::new("kill").args(["-TERM", &pid]).status();
        if told.is_ok_and(|status| status.success()) {
            // what it says while it ends must not fill the pipe
            while self.lines.recv().is_ok() {}
        }
        let _ = self.child.wait();
    }
}

fn drain(pipe: Option<impl std::io::Read + Send + 'static>) -> mpsc::Receiver<String> {
    let (tell, lines) = mpsc::sync_channel(1 << 16);
    if let Some(pipe) = pipe {
        std::thread::spawn(move || {
            for line in BufReader::new(pipe).lines().map_while(Result::ok) {
                if tell.send(line).is_err() {
                    break;
                }
            }
        });
    }
    lines
}

/// Processor time of all children that have ended; in hundredths of a second, as Linux counts for users.
fn children_cpu() -> Duration {
    cpu_in(Path::new("/proc/self/stat"), 13)
}

/// Two neighbouring counts of hundredths of a second, so many words behind the name.
fn cpu_in(stat: &Path, skip: usize) -> Duration {
    let text = std::fs::read_to_string(stat).unwrap_or_default();
    // the name may hold blanks; what follows it does not
    let ticks: u64 = text
        .rsplit(')')
        .next()
        .unwrap_or("")
        .split_whitespace()
        .skip(skip)
        .take(2)
        .filter_map(|word| word.parse::<u64>().ok())
        .sum();
    Duration::from_millis(ticks * 10)
}

fn peak_of(pid: u32) -> u64 {
    std::fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("status"))
        .ok()
        .and_then(|text| {
            let line = text.lines().find(|line| line.starts_with("VmHWM:"))?;
            line.split_whitespace().nth(1)?.parse().ok()
        })
        .unwrap_or(0)
}
