//! Where a store lives: marks of its directory, of its sidecar's file and of the machine, by which a copy is told from the store that was only moved; a mark that can't be had says nothing, and nothing here ever decides what follows.
//!
//! The sidecar keeps what was found when the store was last opened. A directory that is moved within its file
//! system keeps its inode and the moment it was made; a copy, an unpacked archive or a restored backup has others.
//! What keeps all of them (a snapshot of the whole machine or disk that is put back to the same machine) is not told.

use std::fs::{File, Metadata};
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::Path;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::error::StoreError;
use super::record::digest_of;
use super::sidecar::check;

/// Where it stands in the sidecar's file, behind the two marks, which older versions read alone.
const AT: u64 = 512;
/// Bytes that it takes there.
const ROOM: usize = 1024;
/// How everything begins that is said of a copy.
pub(super) const COPIED: &str = "a copy";
/// Machines that are remembered: a store on a shared disk goes from one to the other and back.
const MACHINES: usize = 4;
/// Where a machine has its id (`machine-id(5)`).
const MACHINE_ID: &str = "/etc/machine-id";
/// Where one of these is, the id is that of a container or of one start alone, and says nothing of the machine.
const PASSING: [&str; 4] = [
    "/run/.containerenv",
    "/.dockerenv",
    "/run/systemd/container",
    "/run/machine-id",
];

/// A directory or file, as the file system knows it whatever its name and its device's number are.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
struct Made {
    inode: u64,
    /// When it was made, where the file system tells: an inode's number is used again.
    born: Option<Timestamp>,
}

impl Made {
    fn of(meta: &Metadata) -> Self {
        Self {
            inode: meta.ino(),
            born: meta.created().ok().and_then(|at| at.try_into().ok()),
        }
    }

    /// When it was made tells most: some file systems number anew what is mounted again.
    fn is(&self, other: &Self) -> bool {
        match (self.born, other.born) {
            (Some(one), Some(other)) => one == other,
            _ => self.inode == other.inode,
        }
    }
}

/// Where a store was opened.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct Home {
    dir: Made,
    sidecar: Made,
    /// Digests of the ids of the machines on which it was opened, the last one first.
    machines: Vec<String>,
    /// For those who read of it; it is not compared.
    path: String,
}

/// What the sidecar says of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Known {
    /// Nothing: the store is new, or of before this was noted.
    Nothing,
    /// Where it was last opened.
    Home(Home),
    /// Something that can't be read.
    Unreadable,
}

impl Home {
    /// Where the store in a directory is now; `sidecar` is its open file.
    pub fn here(dir: &Path, sidecar: &File) -> Result<Self, StoreError> {
        let io = |e| StoreError::io(dir, e);
        let path = dir.canonicalize().map_err(io)?;
        Ok(Self {
            dir: Made::of(&std::fs::metadata(dir).map_err(io)?),
            sidecar: Made::of(&sidecar.metadata().map_err(io)?),
            machines: machine().into_iter().collect(),
            path: path.display().to_string(),
        })
    }

    /// Why the store that is here now is not the one that was there, in words; `None` where it is.
    pub fn differs(&self, known: &Self) -> Option<String> {
        if !self.dir.is(&known.dir) {
            return Some(if self.path == known.path {
                format!("{COPIED}: its directory was made anew since it was last opened")
            } else {
                format!(
                    "{COPIED}: it was last opened in another directory, {}",
                    known.path
                )
            });
        }
        if !self.sidecar.is(&known.sidecar) {
            return Some(format!(
                "{COPIED}: its files were put there anew since it was last opened"
            ));
        }
        let machine = self.machines.first()?;
        let other = !known.machines.is_empty() && !known.machines.contains(machine);
        other.then(|| {
            format!(
                "{COPIED}, or was moved: it was last opened on another machine (by /etc/machine-id)"
            )
        })
    }

    /// The same, with the machines that were known.
    pub fn after(mut self, known: &Known) -> Self {
        if let Known::Home(known) = known {
            for machine in &known.machines {
                if !self.machines.contains(machine) && self.machines.len() < MACHINES {
                    self.machines.push(machine.clone());
                }
            }
        }
        self
    }

    /// As a line that fits into its room; a path that is too long is left out.
    fn line(&self) -> String {
        let line = |home: &Self| {
            // numbers and texts alone: it can always be written
            let text = serde_json::to_string(home).unwrap_or_default();
            format!("{:016x} {text}\n", check(&text))
        };
        let whole = line(self);
        if whole.len() <= ROOM {
            return whole;
        }
        line(&Self {
            path: "a path that is too long to be noted".to_owned(),
            ..self.clone()
        })
    }

    fn parse(bytes: &[u8]) -> Known {
        if bytes.iter().all(|byte| *byte == 0) {
            return Known::Nothing;
        }
        let read = || {
            let end = bytes.iter().position(|byte| *byte == b'\n')?;
            let line = std::str::from_utf8(&bytes[..end]).ok()?;
            let (sum, text) = line.split_once(' ')?;
            let whole = u64::from_str_radix(sum, 16).ok()? == check(text);
            whole.then(|| serde_json::from_str(text).ok())?
        };
        read().map_or(Known::Unreadable, Known::Home)
    }

    /// Writes it into the sidecar's file and syncs it.
    pub fn write(&self, sidecar: &File) -> std::io::Result<()> {
        let mut bytes = [b' '; ROOM];
        for (to, from) in bytes.iter_mut().zip(self.line().bytes()) {
            *to = from;
        }
        sidecar.write_all_at(&bytes, AT)?;
        sidecar.sync_data()
    }
}

/// What the sidecar's file says.
pub(super) fn read(sidecar: &File) -> std::io::Result<Known> {
    let mut bytes = [0; ROOM];
    match sidecar.read_exact_at(&mut bytes, AT) {
        Ok(()) => Ok(Home::parse(&bytes)),
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => Ok(Known::Nothing),
        Err(error) => Err(error),
    }
}

/// What the sidecar at a path says; one that is not there says nothing.
pub(super) fn noted(path: &Path) -> Result<Known, StoreError> {
    match File::open(path) {
        Ok(file) => read(&file).map_err(|e| StoreError::io(path, e)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Known::Nothing),
        Err(error) => Err(StoreError::io(path, error)),
    }
}

/// What a new sidecar says that takes the place of the one in a directory. That of a copy stays what it was: the next
/// opening tells it.
pub(super) fn of_next(dir: &Path, sidecar: &Path, next: Home) -> Result<Home, StoreError> {
    let known = noted(sidecar)?;
    if let Known::Home(then) = &known {
        let file = File::open(sidecar).map_err(|e| StoreError::io(sidecar, e))?;
        if Home::here(dir, &file)?.differs(then).is_some() {
            return Ok(then.clone());
        }
    }
    Ok(next.after(&known))
}

/// A digest of the machine's id, where it has one of its own that lasts.
fn machine() -> Option<String> {
    if PASSING.iter().any(|path| Path::new(path).exists()) {
        return None;
    }
    machine_of(&std::fs::read_to_string(MACHINE_ID).ok()?)
}

/// The id itself is confidential, by its manual: only a digest is kept, under a name of our own.
fn machine_of(text: &str) -> Option<String> {
    let id = text.trim();
    // "uninitialized" is said before the first boot, and in images
    let is_one = id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_one.then(|| {
        let digest = digest_of(format!("provtaskd store {id}").as_bytes());
        digest.as_str().chars().take(32).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(inode: u64, born: Option<i64>) -> Made {
        let born = born.map(|at| Timestamp::from_second(at).expect("a time"));
        Made { inode, born }
    }

    fn home(dir: Made, sidecar: Made, machines: &[&str]) -> Home {
        Home {
            dir,
            sidecar,
            machines: machines.iter().map(|id| (*id).to_owned()).collect(),
            path: "/var/lib/provtaskd".to_owned(),
        }
    }

    #[test]
    fn a_copy_differs_and_what_was_moved_does_not() {
        let known = home(made(7, Some(100)), made(8, Some(100)), &["a", "b"]);
        let (dir, file) = (known.dir, known.sidecar);
        let moved = Home {
            path: "/srv/provtaskd".to_owned(),
            ..known.clone()
        };
        for (now, why) in [
            (known.clone(), None),
            (moved.clone(), None),
            // a mount may number anew, and a number may be used again
            (home(made(70, Some(100)), file, &["a"]), None),
            (home(made(7, Some(200)), file, &["a"]), Some("made anew")),
            (
                Home {
                    dir: made(9, Some(200)),
                    ..moved
                },
                Some("another directory, /var/lib/provtaskd"),
            ),
            // where the moment is not told, the number has to do
            (home(made(7, None), file, &["a"]), None),
            (home(made(9, None), file, &["a"]), Some("made anew")),
            (
                home(dir, made(8, Some(300)), &["a"]),
                Some("put there anew"),
            ),
            (home(dir, file, &["b"]), None),
            (home(dir, file, &[]), None),
            (home(dir, file, &["c"]), Some("another machine")),
        ] {
            let differs = now.differs(&known);
            assert_eq!(differs.is_some(), why.is_some(), "{now:?}: {differs:?}");
            let words = differs.unwrap_or_default();
            assert!(words.contains(why.unwrap_or_default()), "{words}");
            assert!(why.is_none() || words.starts_with(COPIED), "{words}");
        }
        let unnamed = home(dir, file, &[]);
        assert_eq!(known.differs(&unnamed), None, "no machine was known");
    }

    #[test]
    fn machines_are_remembered_and_only_real_ids_are() {
        let at = made(1, None);
        let known = Known::Home(home(at, at, &["a", "b", "c", "d"]));
        assert_eq!(
            home(at, at, &["e"]).after(&known).machines,
            ["e", "a", "b", "c"]
        );
        assert_eq!(
            home(at, at, &["b"]).after(&known).machines,
            ["b", "a", "c", "d"]
        );
        assert_eq!(home(at, at, &["b"]).after(&Known::Nothing).machines, ["b"]);
        let id = "0123456789abcdef0123456789abcdef";
        let digest = machine_of(&format!("{id}\n")).expect("an id");
        assert!(digest.len() == 32 && digest != id, "{digest}");
        for none in ["", "\n", "uninitialized\n", "0123"] {
            assert_eq!(machine_of(none), None, "{none:?}");
        }
    }

    #[test]
    fn it_is_read_as_it_was_written_and_damage_is_told() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("sidecar");
        let file = File::options();
        let file = file.clone().read(true).write(true).create(true).open(&path);
        let file = file.expect("made");
        assert_eq!(read(&file).expect("read"), Known::Nothing);
        file.set_len(AT).expect("as older versions make it");
        assert_eq!(read(&file).expect("read"), Known::Nothing);
        let here = Home::here(dir.path(), &file).expect("here");
        here.write(&file).expect("written");
        assert_eq!(read(&file).expect("read"), Known::Home(here.clone()));
        let long = Home {
            path: "ä".repeat(ROOM),
            ..here.clone()
        };
        long.write(&file).expect("written");
        let Known::Home(read_back) = read(&file).expect("read") else {
            panic!("it has to fit");
        };
        assert_eq!(read_back.differs(&here), None);
        file.write_all_at(b"x", AT + 30).expect("spoilt");
        assert_eq!(read(&file).expect("read"), Known::Unreadable);
    }

    #[test]
    fn a_copied_directory_is_told_and_a_renamed_one_is_not() {
        let dir = tempfile::tempdir().expect("a directory");
        let at = |name: &str| dir.path().join(name);
        std::fs::create_dir(at("store")).expect("made");
        let sidecar = |name: &str| at(name).join("sidecar");
        let file = File::create(sidecar("store")).expect("made");
        let here = Home::here(&at("store"), &file).expect("here");
        here.write(&file).expect("written");
        std::fs::create_dir(at("copy")).expect("made");
        std::fs::copy(sidecar("store"), sidecar("copy")).expect("copied");
        std::fs::rename(at("store"), at("moved")).expect("moved");
        let says = |name: &str| {
            let file = File::open(sidecar(name)).expect("there");
            Home::here(&at(name), &file).expect("here").differs(&here)
        };
        assert_eq!(says("moved"), None);
        let copy = says("copy").expect("a copy");
        assert!(copy.contains("another directory"), "{copy}");
        // what rewrites a copy leaves it one, and what rewrites the store makes its new sidecar the known one
        let next = |name: &str| {
            let path = at(name).join("sidecar.new");
            let file = File::create(path).expect("made");
            let new = Home::here(&at(name), &file).expect("here");
            let of = of_next(&at(name), &sidecar(name), new.clone()).expect("read");
            of == new
        };
        assert!(next("moved") && !next("copy"));
        // its files alone are put back, as an archive is unpacked
        std::fs::rename(sidecar("copy"), sidecar("moved")).expect("put back");
        let put_back = says("moved").expect("other files");
        assert!(put_back.contains("put there anew"), "{put_back}");
    }
}
