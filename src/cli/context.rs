//! What every command shares: the global options, the environment (read here alone), the runtime, standard output.

use std::io::{ErrorKind, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::failure::{Failure, Kind, no_room};
use crate::config::{Env, Finding, Loaded, Overrides, examine, load, whereabouts};
use crate::model::settings::{LogFormat, Settings};

/// Where the configuration is when nothing else is said.
const SYSTEM_CONFIG: &str = "/etc/provtaskd/provtaskd.toml";
/// Taken instead when it is in the current directory.
const LOCAL_CONFIG: &str = "provtaskd.toml";

/// The device /dev/null.
const NULL: (u32, u32) = (1, 3);
/// So long threads that are still at something may take once a command is through (wall time).
const LEFT_AT_MOST: Duration = Duration::from_secs(2);

/// Options of every command.
#[derive(Debug, Args)]
pub struct Global {
    /// Configuration file [default: ./provtaskd.toml if there, else /etc/provtaskd/provtaskd.toml]
    #[arg(short, long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The store's directory, instead of the configured one
    #[arg(long, global = true, value_name = "DIR")]
    store: Option<PathBuf>,
    /// The control socket, instead of the configured one
    #[arg(long, global = true, value_name = "FILE")]
    socket: Option<PathBuf>,
    /// Format of the log, instead of the configured one
    #[arg(long, global = true, value_name = "FORMAT")]
    log_format: Option<LogFormatArg>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum LogFormatArg {
    Human,
    Json,
    Journald,
}

impl From<LogFormatArg> for LogFormat {
    fn from(arg: LogFormatArg) -> Self {
        match arg {
            LogFormatArg::Human => Self::Human,
            LogFormatArg::Json => Self::Json,
            LogFormatArg::Journald => Self::Journald,
        }
    }
}

/// The global options, resolved.
#[derive(Debug)]
pub struct Context {
    config: PathBuf,
    named: bool,
    env: Env,
    overrides: Overrides,
}

impl Global {
    /// True where the command line sends the log to the journal.
    pub fn is_for_journal(&self) -> bool {
        matches!(self.log_format, Some(LogFormatArg::Journald))
    }

    /// The configuration, where the command line names one.
    pub fn named(&self) -> Option<&Path> {
        self.config.as_deref()
    }
}

impl Context {
    /// Reads the environment, once.
    pub fn new(global: Global) -> Self {
        let named = global.config.is_some();
        let config = global.config.unwrap_or_else(|| {
            let local = Path::new(LOCAL_CONFIG);
            if local.is_file() {
                local.to_path_buf()
            } else {
                PathBuf::from(SYSTEM_CONFIG)
            }
        });
        Self {
            config,
            named,
            env: Env {
                credentials_directory: std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from),
                runtime_directory: std::env::var_os("RUNTIME_DIRECTORY")
                    .and_then(|dirs| std::env::split_paths(&dirs).next()),
            },
            overrides: Overrides {
                // relative to where the command was typed
                store: global
                    .store
                    .map(|dir| std::path::absolute(&dir).unwrap_or(dir)),
                socket: global
                    .socket
                    .map(|file| std::path::absolute(&file).unwrap_or(file)),
                log_format: global.log_format.map(LogFormat::from),
            },
        }
    }

    /// True where a configuration was named or is at its usual place.
    pub fn has_config(&self) -> bool {
        self.named || self.config.exists()
    }

    /// The configuration file.
    pub fn config_path(&self) -> &Path {
        &self.config
    }

    /// The same, where it was named: what commands that are told to be run have to name too.
    pub fn named_config(&self) -> Option<&Path> {
        self.named.then_some(self.config.as_path())
    }

    /// Where a new configuration goes: where `-c` says, else into the current directory.
    pub fn new_config(&self) -> PathBuf {
        if self.named {
            self.config.clone()
        } else {
            PathBuf::from(LOCAL_CONFIG)
        }
    }

    /// The same options with another configuration.
    pub fn at(&self, config: PathBuf) -> Self {
        Self {
            config,
            named: true,
            env: self.env.clone(),
            overrides: self.overrides.clone(),
        }
    }

    /// The configuration, resolved.
    ///
    /// # Errors
    /// With all findings at once.
    pub fn load(&self) -> Result<Loaded, Failure> {
        Ok(load(&self.config, &self.env, &self.overrides)?)
    }

    /// The configuration with the default for each bad key, and all that is wrong with it.
    ///
    /// # Errors
    /// The file can't be read, or is no TOML.
    pub fn examine(&self) -> Result<(Settings, Vec<Finding>), Failure> {
        Ok(examine(&self.config, &self.env, &self.overrides)?)
    }

    /// The store and the socket of a daemon, where the configuration can't be used.
    pub fn whereabouts(&self) -> (PathBuf, PathBuf) {
        whereabouts(&self.config, &self.overrides)
    }

    /// What the command line says against the file.
    pub fn overrides(&self) -> Overrides {
        self.overrides.clone()
    }

    /// True where the command line names another store than the configuration does.
    pub fn elsewhere(&self, dir: &Path) -> bool {
        if self.overrides.store.is_none() {
            return false;
        }
        let plain = Overrides {
            store: None,
            ..self.overrides.clone()
        };
        let real = |dir: &Path| std::fs::canonicalize(dir).unwrap_or_else(|_| dir.to_path_buf());
        load(&self.config, &self.env, &plain)
            .is_ok_and(|loaded| real(&loaded.settings.store.dir) != real(dir))
    }

    /// Runs a future to its end on a runtime of its own.
    ///
    /// # Errors
    /// The future's, or that the kernel gives no runtime.
    pub fn block_on<T>(
        &self,
        future: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .map_err(|error| {
                Failure::new(Kind::Io, format!("can't start threads: {error}"))
                    .hint("is a limit of processes or memory reached?")
            })?;
        let ended = runtime.block_on(future);
        // a thread that reads from a mount whose server is gone ends with the process
        runtime.shutdown_timeout(LEFT_AT_MOST);
        ended
    }
}

/// Writes to standard output; a reader that has gone away (`| head`) is no failure.
///
/// # Errors
/// When standard output can't be written for another reason.
pub fn print(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            let failure = lost(&error);
            let hint = format!(
                "{}; what was ordered is done all the same: look with `provtaskd status` before it is ordered again",
                failure.hint
            );
            Err(failure.hint(hint))
        }
        _ => Ok(()),
    }
}

/// Standard output can't be written.
pub fn lost(error: &std::io::Error) -> Failure {
    Failure::new(Kind::Io, format!("can't write to standard output: {error}"))
        .hint(no_room(error).unwrap_or("look at where standard output goes"))
}

/// For what is worth nothing but to whom it is written: a standard output that was closed (`>&-`) is opened by
/// the language's runtime as /dev/null for reading and writing, and takes everything without a word.
///
/// # Errors
/// Standard output is that.
pub fn somebody_reads() -> Result<(), Failure> {
    let out = std::io::stdout();
    let null = rustix::fs::fstat(&out).is_ok_and(|meta| {
        let device = meta.st_rdev;
        (rustix::fs::major(device), rustix::fs::minor(device)) == NULL
    });
    let both_ways = rustix::fs::fcntl_getfl(&out)
        .is_ok_and(|flags| flags & rustix::fs::OFlags::ACCMODE == rustix::fs::OFlags::RDWR);
    if null && both_ways {
        return Err(
            Failure::new(Kind::Io, "standard output is closed: nothing was exported")
                .hint("send it somewhere, e.g. `> FILE`"),
        );
    }
    Ok(())
}

/// Where temporary files go: `$TMPDIR`, else `/tmp`.
pub fn scratch() -> PathBuf {
    std::env::temp_dir()
}

/// True where standard output is a terminal on which lines can be redrawn.
pub fn is_live() -> bool {
    std::io::stdout().is_terminal() && std::env::var_os("TERM").is_some_and(|term| term != "dumb")
}

/// Columns of the terminal that standard output is, at least 40; `None` where it is none.
pub fn width() -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(std::io::stdout()).ok()?;
    // a terminal that doesn't know its size says 0
    let columns = if size.ws_col == 0 { 80 } else { size.ws_col };
    Some(usize::from(columns.max(40)))
}
