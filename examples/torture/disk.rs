//! A small file system for a round's store, and what fills it; it must never leave a mount behind, nor touch a file outside its round's directory.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::house::{Trouble, io};

/// The exit code of a daemon whose store can't be written.
pub const NO_ROOM: i32 = 73;

/// What such a file system is as large as.
const SIZE: &str = "size=24m,mode=0700";

/// A file system in memory, with the store of a round in it.
#[derive(Debug)]
pub struct Disk {
    mount: PathBuf,
    store: PathBuf,
}

/// What takes the room of a disk.
#[derive(Debug, Clone)]
pub struct Ballast(PathBuf);

impl Ballast {
    /// Takes all the room that is left.
    pub fn fill(&self) {
        // what can't be made or written has no room: that is what is wanted
        let Ok(mut file) = File::options().create(true).append(true).open(&self.0) else {
            return;
        };
        for size in [1 << 16, 1 << 12, 1] {
            while file.write_all(&vec![7; size]).is_ok() {}
        }
    }

    /// Gives it back.
    pub fn make_room(&self) -> Result<(), Trouble> {
        match fs::remove_file(&self.0) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(io(&self.0)(error)),
            _ => Ok(()),
        }
    }
}

impl Disk {
    /// Mounts one below a round's directory; only root can.
    pub fn mounted(dir: &Path) -> Result<Self, Trouble> {
        let mount = dir.join("disk");
        fs::create_dir_all(&mount).map_err(io(&mount))?;
        let done = Command::new("mount")
            .args(["-t", "tmpfs", "-o", SIZE, "tmpfs"])
            .arg(&mount)
            .output()
            .map_err(io(Path::new("mount")))?;
        if !done.status.success() {
            let said = String::from_utf8_lossy(&done.stderr).trim().to_owned();
            return Err(Trouble::Mount(said));
        }
        let disk = Self {
            store: dir.join("store"),
            mount,
        };
        let inside = disk.mount.join("store");
        fs::create_dir(&inside).map_err(io(&inside))?;
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(&inside, fs::Permissions::from_mode(0o700)).map_err(io(&inside))?;
        symlink(&inside, &disk.store).map_err(io(&disk.store))?;
        Ok(disk)
    }

    /// Why none can be mounted, if so.
    pub fn why_not(place: &Path) -> Option<String> {
        let dir = place.join("probe");
        let tried = fs::create_dir_all(&dir)
            .map_err(io(&dir))
            .and_then(|()| Self::mounted(&dir));
        let why = tried.err().map(|trouble| trouble.to_string());
        // nothing of it is needed
        let _ = fs::remove_dir_all(&dir);
        why
    }

    /// What fills it.
    pub fn ballast(&self) -> Ballast {
        Ballast(self.mount.join("ballast"))
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // a failed round is looked into later: its store stays, in a place that lasts
        let _ = self.ballast().make_room();
        if fs::remove_file(&self.store).is_ok() {
            let _ = Command::new("cp")
                .arg("-a")
                .arg(self.mount.join("store"))
                .arg(&self.store)
                .status();
        }
        // a lazy one also ends where somebody still looks
        let ended = Command::new("umount").arg("-l").arg(&self.mount).status();
        if !ended.is_ok_and(|status| status.success()) {
            eprintln!(
                "error: {} could not be unmounted; do it by `umount`",
                self.mount.display()
            );
        }
    }
}
