//! The processes of a round: the simulator, the daemon, commands of the binary; it must never touch a process that it did not start.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// The longest that anything may take in wall time.
pub const PATIENCE: Duration = Duration::from_secs(400);

/// What went wrong with the machinery itself, not with the daemon's promises.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// Files.
    #[error("{path}: {source}", path = path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The simulator does not answer as it should.
    #[error("the simulator: {0}")]
    Sim(String),
    /// A command of the binary failed.
    #[error("provtaskd {args}: {said}")]
    Command {
        /// Its arguments.
        args: String,
        /// What it said.
        said: String,
    },
    /// The daemon ended by itself.
    #[error("the daemon ended by itself ({status}); the end of its log:\n{log}")]
    Ended {
        /// How.
        status: String,
        /// Its last lines.
        log: String,
    },
    /// A file system for the store can't be mounted.
    #[error("mount: {0}")]
    Mount(String),
    /// It takes too long.
    #[error("waited in vain for {0}")]
    Late(String),
    /// The round could not be played or judged.
    #[error("the round or its judge panicked; see above")]
    Panicked,
    /// The store after a kill can't be read.
    #[error("the store after a kill: {0}")]
    Store(String),
}

/// An I/O error with its path.
pub fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Trouble {
    let path = path.to_owned();
    move |source| Trouble::Io { path, source }
}

/// The simulator and the daemon of one round, each a process of its own.
pub struct House {
    /// The round's directory.
    pub dir: PathBuf,
    /// The binary.
    binary: PathBuf,
    sim: Child,
    origin: String,
    runtime: tokio::runtime::Runtime,
    http: reqwest::Client,
    /// The daemon, while it runs.
    pub daemon: Option<Child>,
    /// Where the daemon's log of this life begins.
    pub life: u64,
}

impl House {
    /// Starts the simulator and writes the daemon's files; no daemon runs yet.
    pub fn build(dir: &Path, binary: &Path, scenario: &str, config: &str) -> Result<Self, Trouble> {
        let write = |name: &str, text: &str| {
            let path = dir.join(name);
            fs::write(&path, text).map_err(io(&path)).map(|()| path)
        };
        write("scenario.toml", scenario)?;
        let password = write("password", "sim-password-1")?;
        fs::set_permissions(&password, fs::Permissions::from_mode(0o600)).map_err(io(&password))?;
        let said_at = dir.join("sim.log");
        let said = File::create(&said_at).map_err(io(&said_at))?;
        let mut sim = Command::new(binary)
            .args(["sim", "--bind", "127.0.0.1:0", "--journal", "journal"])
            .args(["--scenario", "scenario.toml"])
            .current_dir(dir)
            .env_clear()
            .stdin(Stdio::null())
            .stdout(said)
            .stderr(Stdio::null())
            .spawn()
            .map_err(io(binary))?;
        let origin = match origin_of(&said_at) {
            Some(origin) => origin,
            None => {
                end(&mut sim);
                return Err(Trouble::Sim("it does not start".to_owned()));
            }
        };
        write("provtaskd.toml", &config.replace("ORIGIN", &origin))?;
        let told = |error: &dyn std::fmt::Display| Trouble::Sim(error.to_string());
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| told(&error))?;
        let http = reqwest::Client::builder()
            .no_proxy()
            .timeout(PATIENCE)
            .build()
            .map_err(|error| told(&error))?;
        Ok(Self {
            dir: dir.to_owned(),
            binary: binary.to_owned(),
            sim,
            origin,
            runtime,
            http,
            daemon: None,
            life: 0,
        })
    }

    /// Starts the daemon.
    pub fn start(&mut self) -> Result<(), Trouble> {
        let path = self.log_path();
        let log = File::options()
            .create(true)
            .append(true)
            .open(&path)
            .map_err(io(&path))?;
        self.life = log.metadata().map_err(io(&path))?.len();
        let errors = log.try_clone().map_err(io(&path))?;
        let daemon = Command::new(&self.binary)
            .arg("run")
            .current_dir(&self.dir)
            .env_clear()
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors)
            .spawn()
            .map_err(io(&self.binary))?;
        self.daemon = Some(daemon);
        Ok(())
    }

    /// An error if the daemon has ended by itself.
    pub fn still_runs(&mut self) -> Result<(), Trouble> {
        if let Some(daemon) = &mut self.daemon
            && let Ok(Some(status)) = daemon.try_wait()
        {
            self.daemon = None;
            return Err(Trouble::Ended {
                status: status.to_string(),
                log: self.last_lines(),
            });
        }
        Ok(())
    }

    /// Waits a little for the daemon to end by itself: its exit code, once it has.
    pub fn ended(&mut self) -> Result<Option<i32>, Trouble> {
        let Some(daemon) = &mut self.daemon else {
            return Ok(None);
        };
        let Some(status) = daemon.try_wait().map_err(io(&self.binary))? else {
            return Ok(None);
        };
        match status.code() {
            Some(code) => Ok(Some(code)),
            None => Err(Trouble::Ended {
                status: status.to_string(),
                log: self.last_lines(),
            }),
        }
    }

    /// Takes the dead daemon away and waits until the simulator has noticed; answers the length of its journal.
    pub fn bury(&mut self) -> Result<usize, Trouble> {
        if let Some(mut daemon) = self.daemon.take() {
            // it may be dead already
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
        let began = Instant::now();
        while self.rests(0)? {
            if began.elapsed() > PATIENCE {
                return Err(Trouble::Late("the end of a killed request".to_owned()));
            }
        }
        Ok(self.journal()?.len())
    }

    /// Lets the world run so many minutes further, as far as the daemon steps it.
    pub fn raise(&self, minutes: u64) -> Result<(), Trouble> {
        self.post("/sim/clock/hold", &json!({ "for": format!("{minutes}m") }))
            .map(|_| ())
    }

    /// Waits until the daemon is idle at the hold.
    pub fn settle(&mut self) -> Result<(), Trouble> {
        let began = Instant::now();
        loop {
            self.still_runs()?;
            if self.rests(1_000)? {
                return Ok(());
            }
            if began.elapsed() > PATIENCE {
                return Err(Trouble::Late(format!(
                    "the daemon to come to rest; the end of its log:\n{}",
                    self.last_lines()
                )));
            }
        }
    }

    /// True if the daemon is idle at the hold, or becomes so in so many milliseconds.
    pub fn rests(&self, ms: u32) -> Result<bool, Trouble> {
        let url = format!("{}/sim/clock/wait_held?timeout_ms={ms}", self.origin);
        let answer = self
            .runtime
            .block_on(async { self.http.get(url).send().await })
            .map_err(|error| Trouble::Sim(error.to_string()))?;
        Ok(answer.status() == 200)
    }

    /// A POST to a control endpoint of the simulator.
    pub fn post(&self, path: &str, body: &Value) -> Result<Value, Trouble> {
        self.ask(
            self.http
                .post(format!("{}{path}", self.origin))
                .body(body.to_string()),
            path,
        )
    }

    /// A GET of a control endpoint of the simulator.
    pub fn get(&self, path: &str) -> Result<Value, Trouble> {
        self.ask(self.http.get(format!("{}{path}", self.origin)), path)
    }

    fn ask(&self, request: reqwest::RequestBuilder, path: &str) -> Result<Value, Trouble> {
        let told = |why: String| Trouble::Sim(format!("{path}: {why}"));
        let (status, text) = self
            .runtime
            .block_on(async {
                let answer = request.send().await?;
                let status = answer.status();
                Ok::<_, reqwest::Error>((status, answer.text().await?))
            })
            .map_err(|error| told(error.to_string()))?;
        if status != 200 {
            return Err(told(format!("{status}: {text}")));
        }
        serde_json::from_str(&text).map_err(|error| told(error.to_string()))
    }

    /// The simulator's journal, as its file has it.
    pub fn journal(&self) -> Result<Vec<Value>, Trouble> {
        let path = self.journal_path();
        let text = fs::read_to_string(&path).map_err(io(&path))?;
        text.lines()
            .map(serde_json::from_str)
            .collect::<Result<_, _>>()
            .map_err(|error| Trouble::Sim(format!("its journal: {error}")))
    }

    /// Runs a command of the binary that must work; answers what it printed.
    pub fn command(&self, args: &[&str]) -> Result<String, Trouble> {
        let output = self.asked(args)?;
        if !output.status.success() {
            return Err(Trouble::Command {
                args: args.join(" "),
                said: String::from_utf8_lossy(&output.stderr).into_owned(),
            });
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Runs a command of the binary that may fail.
    pub fn asked(&self, args: &[&str]) -> Result<Output, Trouble> {
        Command::new(&self.binary)
            .args(args)
            .current_dir(&self.dir)
            .env_clear()
            .stdin(Stdio::null())
            .output()
            .map_err(io(&self.binary))
    }

    /// Whether a change of the store was cut off behind the point from which it is finished.
    pub fn is_changing(&self) -> bool {
        self.store().join("swap").exists()
    }

    /// Runs a change of the store that must work, and kills it so long after its first file has shown
    /// itself; false where it was through before.
    pub fn cut_off(&self, args: &[&str], after: Duration) -> Result<bool, Trouble> {
        let mut child = self.quiet(args)?;
        let first = self.store().join("journal.new");
        while !first.exists() && child.try_wait().map_err(io(&self.binary))?.is_none() {
            std::thread::sleep(Duration::from_micros(50));
        }
        std::thread::sleep(after);
        // it may have ended by itself
        let _ = child.kill();
        self.cut(child, args)
    }

    /// The same for one that kills itself after so many of its steps.
    pub fn cut_after(&self, args: &[&str], steps: &str) -> Result<bool, Trouble> {
        let rehearsed = [args, &["--kill-after", steps]].concat();
        self.cut(self.quiet(&rehearsed)?, args)
    }

    fn quiet(&self, args: &[&str]) -> Result<Child, Trouble> {
        Command::new(&self.binary)
            .args(args)
            .current_dir(&self.dir)
            .env_clear()
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(io(&self.binary))
    }

    fn cut(&self, mut child: Child, args: &[&str]) -> Result<bool, Trouble> {
        let status = child.wait().map_err(io(&self.binary))?;
        match (status.success(), status.signal()) {
            (true, _) => Ok(false),
            (false, Some(9)) => Ok(true),
            (false, _) => Err(Trouble::Command {
                args: args.join(" "),
                said: status.to_string(),
            }),
        }
    }

    /// The same for one that prints JSON.
    pub fn json(&self, args: &[&str]) -> Result<Value, Trouble> {
        let text = self.command(args)?;
        serde_json::from_str(&text).map_err(|error| Trouble::Command {
            args: args.join(" "),
            said: error.to_string(),
        })
    }

    /// Ends the daemon cleanly.
    pub fn stop(&mut self) -> Result<(), Trouble> {
        self.command(&["stop"])?;
        let Some(mut daemon) = self.daemon.take() else {
            return Ok(());
        };
        let status = daemon.wait().map_err(io(&self.binary))?;
        if status.success() {
            return Ok(());
        }
        Err(Trouble::Ended {
            status: status.to_string(),
            log: self.last_lines(),
        })
    }

    /// The daemon's log of all its lives.
    pub fn log_path(&self) -> PathBuf {
        self.dir.join("daemon.log")
    }

    /// The simulator's journal.
    pub fn journal_path(&self) -> PathBuf {
        self.dir.join("journal")
    }

    /// The daemon's store.
    pub fn store(&self) -> PathBuf {
        self.dir.join("store")
    }

    /// What this life of the daemon has logged.
    pub fn log_of_life(&self) -> String {
        let bytes = fs::read(self.log_path()).unwrap_or_default();
        let from = usize::try_from(self.life).unwrap_or(0).min(bytes.len());
        String::from_utf8_lossy(&bytes[from..]).into_owned()
    }

    /// The end of the daemon's log.
    pub fn last_lines(&self) -> String {
        let log = self.log_of_life();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(15)..].join("\n")
    }
}

impl Drop for House {
    fn drop(&mut self) {
        if let Some(daemon) = &mut self.daemon {
            end(daemon);
        }
        end(&mut self.sim);
    }
}

fn end(child: &mut Child) {
    // it may have ended by itself
    let _ = child.kill();
    let _ = child.wait();
}

/// The origin that the simulator prints when it stands.
fn origin_of(said: &Path) -> Option<String> {
    let began = Instant::now();
    while began.elapsed() < PATIENCE {
        let text = fs::read_to_string(said).unwrap_or_default();
        // the login's line follows, so this one is whole
        if text.contains("  login ") {
            let line = text.lines().find(|line| line.starts_with("  origin "))?;
            return line.split_whitespace().nth(1).map(str::to_owned);
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    None
}
