//! The demo's private directory: configuration, password, absences, store; it is removed when it is dropped, whatever has happened.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use crate::cli::context::scratch;
use crate::cli::failure::{Failure, Kind};
use crate::config::{Env, Overrides, load};
use crate::model::settings::Settings;
use crate::sim::Scenario;

/// The directory.
pub struct House {
    dir: PathBuf,
}

impl House {
    /// Makes an empty directory of mode 0700 under the system's place for temporary files.
    pub fn build() -> Result<Self, Failure> {
        let id = uuid::Uuid::now_v7().simple().to_string();
        // the random end of the id; the whole would make the control socket's path long
        let dir = scratch().join(format!("provtaskd-demo-{}", &id[20..]));
        fs::DirBuilder::new()
            .mode(0o700)
            .create(&dir)
            .map_err(|error| cant("make", &dir, &error))?;
        Ok(Self { dir })
    }

    /// Writes what an admin would write, and reads it back as `run` does.
    pub fn furnish(&self, origin: &str, scenario: &Scenario) -> Result<Settings, Failure> {
        let login = scenario.login.first().cloned().unwrap_or_default();
        self.write("password", &login.password)?;
        self.write("absences.csv", ABSENCES)?;
        self.write("provtaskd.toml", &config(origin, &login.login))?;
        Ok(load(&self.config(), &Env::default(), &Overrides::default())?.settings)
    }

    /// The configuration file.
    pub fn config(&self) -> PathBuf {
        self.dir.join("provtaskd.toml")
    }

    /// The directory itself.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Files and bytes of the store.
    pub fn store_size(&self) -> (u64, u64) {
        size(&self.dir.join("store"))
    }

    fn write(&self, name: &str, text: &str) -> Result<(), Failure> {
        let path = self.dir.join(name);
        let mut file = fs::File::options()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .map_err(|error| cant("write", &path, &error))?;
        file.write_all(text.as_bytes())
            .map_err(|error| cant("write", &path, &error))
    }

    /// Removes the directory.
    pub fn remove(&self) -> Result<(), Failure> {
        match fs::remove_dir_all(&self.dir) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(cant("remove", &self.dir, &error))
            }
            _ => Ok(()),
        }
    }
}

impl Drop for House {
    fn drop(&mut self) {
        // `close` has reported a failure already; this is for the ways past it
        let _ = self.remove();
    }
}

/// One owner is on leave, and who stands in is written beside it.
const ABSENCES: &str = "login,from,to,stand_in\nCDIAZ,2027-02-22,2027-03-12,DWEBER\n";

fn config(origin: &str, login: &str) -> String {
    format!(
        r#"# The configuration of `provtaskd demo`.
[server]
origin = "{origin}"
login = "{login}"
password_file = "password"
auth = "bearer"
# Domain time comes from the simulator; a real server has none to lend.
simulator_clock = true

[schedule]
every = "5m"

[mode]
global = "enforce"

[policy]
# The shipped table does not know these names; without a kind nothing is done about them.
kinds = {{ "SERVICEDESK/Manual Grant" = "grant", "SERVICEDESK/Manual Provisioning" = "create", "SERVICEDESK/ManualRevokeStart" = "revoke" }}
fulfilment_roles = {{ SERVICEDESK = "SERVICE DESK" }}

[absence]
feed = "absences.csv"

[delivery]
grace = "3s"

[store]
dir = "store"

[admin]
listen = "off"
"#
    )
}

fn size(dir: &Path) -> (u64, u64) {
    let Ok(entries) = fs::read_dir(dir) else {
        return (0, 0);
    };
    entries.flatten().fold((0, 0), |(files, bytes), entry| {
        let (more, most) = match entry.metadata() {
            Ok(meta) if meta.is_dir() => size(&entry.path()),
            Ok(meta) if meta.is_file() => (1, meta.len()),
            _ => (0, 0),
        };
        (files + more, bytes + most)
    })
}

fn cant(what: &str, path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(
        Kind::Io,
        format!("can't {what} {}: {error}", path.display()),
    )
    .hint("set TMPDIR to a directory that you may write to")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn the_directory_is_private_its_configuration_good_and_its_end_complete() {
        let house = House::build().expect("made");
        let dir = house.dir().to_owned();
        let mode = fs::metadata(&dir).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        let scenario = Scenario::built_in("demo").expect("it ships");
        let settings = house
            .furnish("http://127.0.0.1:9", &scenario)
            .unwrap_or_else(|failure| panic!("{failure:?}"));
        assert!(settings.server.simulator_clock);
        let password = fs::metadata(dir.join("password")).expect("there");
        assert_eq!(password.permissions().mode() & 0o077, 0);
        drop(house);
        assert!(!dir.exists());
    }
}
