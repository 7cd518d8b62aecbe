//! A directory with configuration, policies and store for one daemon that is measured; two named configurations and nothing between them.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use provtaskd::policy::load::shipped_sources;
use serde_json::Value;

use super::child;

/// Which limits hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Limits {
    /// What a fresh installation has; only the cap per cycle is lifted, so that a cycle has an end.
    Safe,
    /// Batches of 500, several PUTs in flight, no caps: for measuring only.
    Throughput,
}

const THROUGHPUT: &str = "\
[governor]
cap_retries = 1000000
cap_share_percent = 100
writes_in_flight = 8
[governor.default]
per_minute = 60000
in_flight = 2
batch_max = 500
batch_start = 500
[delivery]
reread_after = \"1h\"
verify_first = \"2h\"
";

/// The daemon's directory.
pub struct Home {
    dir: tempfile::TempDir,
}

impl Home {
    /// Writes the files of a daemon for this server.
    ///
    /// # Panics
    /// The directory can't be written.
    pub fn new(origin: &str, limits: Limits, mode: &str) -> Self {
        let base = std::env::var_os("PROVTASKD_BENCH_DIR")
            .unwrap_or_else(|| env!("CARGO_TARGET_TMPDIR").into());
        fs::create_dir_all(&base).expect("a directory");
        let dir = tempfile::tempdir_in(base).expect("a directory");
        let policies = dir.path().join("policies");
        fs::create_dir(&policies).expect("a directory");
        let sources = shipped_sources();
        for (name, text) in sources
            .policies
            .iter()
            .chain([&sources.kinds, &sources.reasons])
        {
            // the shipped set, but for its first pause: else nothing is sent in the first minutes
            let text = text.replace(".after(pause)", "");
            fs::write(policies.join(name), text).expect("written");
        }
        let more = match limits {
            Limits::Safe => "",
            Limits::Throughput => THROUGHPUT,
        };
        let config = format!(
            "[server]\norigin = \"{origin}\"\nlogin = \"bench\"\npassword_file = \"password\"\n\
             pages_in_flight = 4\nrequire_probe = false\nreads_per_minute = 1000000\n\
             [schedule]\nevery = \"1s\"\nat_most = \"1s\"\n[mode]\nglobal = \"{mode}\"\n\
             [policy]\ndir = \"policies\"\n[store]\ndir = \"store\"\n[admin]\nlisten = \"off\"\n{more}"
        );
        fs::write(dir.path().join("provtaskd.toml"), config).expect("written");
        let password = dir.path().join("password");
        fs::write(&password, "secret").expect("written");
        fs::set_permissions(&password, fs::Permissions::from_mode(0o600)).expect("mode");
        Self { dir }
    }

    /// The binary with these arguments, in this directory.
    pub fn command(&self, args: &[&str]) -> Command {
        // another build's, where two are measured in turn
        let other = std::env::var_os("PROVTASKD_BENCH_BIN");
        let program = other.unwrap_or_else(|| env!("CARGO_BIN_EXE_provtaskd").into());
        self.command_of(Path::new(&program), args)
    }

    /// Another program with these arguments, in this directory.
    pub fn command_of(&self, program: &Path, args: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(args).current_dir(self.dir.path()).env_clear();
        // the unit in examples/deploy sets it; so may who runs the bench
        let delay = std::env::var_os("MIMALLOC_PURGE_DELAY");
        command.envs(delay.map(|delay| ("MIMALLOC_PURGE_DELAY", delay)));
        command
    }

    /// Releases the policy set for enforce.
    ///
    /// # Panics
    /// The daemon's own commands fail.
    pub fn release(&self) {
        let status = child::run(&mut self.command(&["status", "--json"])).printed;
        let status: Value = serde_json::from_str(&status).expect("JSON");
        let hash = status["policy_hash"].as_str().expect("a policy set");
        let release = [
            "policy", "release", hash, "--person", "Bench", "--word", "B-1",
        ];
        child::run(&mut self.command(&release));
    }

    /// Bytes that the store takes on disk.
    pub fn store_bytes(&self) -> u64 {
        size(&self.dir.path().join("store"))
    }
}

fn size(path: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(path) else {
        return fs::metadata(path).map_or(0, |of| of.len());
    };
    entries.flatten().map(|entry| size(&entry.path())).sum()
}
