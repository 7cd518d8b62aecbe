//! Whether a store is at its place, or could be made there; it makes nothing.

use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{Access, StatVfsMountFlags, access, statfs, statvfs};

use super::error::LedgerError;

/// What is at the place of a store.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// A store, or what can't be looked into.
    There,
    /// None; this user can make it.
    Free,
    /// None; this user may not make it.
    Barred,
}

/// File systems of the kernel's own, in which no directory can be made (`statfs(2)`): proc, sysfs,
/// cgroup and cgroup2, devpts, securityfs, debugfs, tracefs.
const OF_THE_KERNEL: [u64; 8] = [
    0x9fa0,
    0x6265_6572,
    0x0027_e0eb,
    0x6367_7270,
    0x1cd1,
    0x7363_6673,
    0x6462_6720,
    0x7472_6163,
];

/// Looks at the place.
///
/// # Errors
/// It can't be looked at, or no directory can be made there by anybody.
pub fn place(dir: &Path) -> Result<Place, LedgerError> {
    let io = |source: std::io::Error| LedgerError::Io {
        path: dir.to_path_buf(),
        source: Arc::new(source),
    };
    match std::fs::metadata(dir) {
        Ok(meta) if meta.is_dir() && is_of_the_kernel(dir) => {
            let what = "no store can be kept there: it is a file system of the kernel's own";
            return Err(io(std::io::Error::other(what)));
        }
        Ok(meta) if meta.is_dir() && holds_none(dir) => {
            return Ok(match access(dir, Access::WRITE_OK | Access::EXEC_OK) {
                Ok(()) => Place::Free,
                Err(_) => Place::Barred,
            });
        }
        Ok(_) => return Ok(Place::There),
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(io(error)),
    }
    if std::fs::symlink_metadata(dir).is_ok() {
        let what = "it is a link to something that is not there";
        return Err(io(std::io::Error::other(what)));
    }
    let Some((above, meta)) = dir
        .ancestors()
        .skip(1)
        .map(|path| {
            let here = path.as_os_str().is_empty();
            if here { Path::new(".") } else { path }
        })
        .find_map(|path| std::fs::metadata(path).ok().map(|meta| (path, meta)))
    else {
        return Ok(Place::Barred);
    };
    let can_not = |what: &str| {
        let what = format!("no directory can be made in {}: {what}", above.display());
        Err(io(std::io::Error::other(what)))
    };
    if !meta.is_dir() {
        return can_not("it is no directory");
    }
    if is_of_the_kernel(above) {
        return can_not("it is a file system of the kernel's own");
    }
    if statvfs(above).is_ok_and(|fs| fs.f_flag.contains(StatVfsMountFlags::RDONLY)) {
        return can_not("it is on a read-only file system");
    }
    match access(above, Access::WRITE_OK | Access::EXEC_OK) {
        Ok(()) => Ok(Place::Free),
        Err(_) => Ok(Place::Barred),
    }
}

/// What doesn't answer is no reason to call it impossible.
fn is_of_the_kernel(dir: &Path) -> bool {
    let kind = statfs(dir)
        .ok()
        .and_then(|fs| u64::try_from(fs.f_type).ok());
    kind.is_some_and(|kind| OF_THE_KERNEL.contains(&kind))
}

/// True for a directory in which no part of a store is: an empty one, one in which `probe` has left the
/// traits, or one that was named by mistake. What can't be looked into may hold one.
fn holds_none(dir: &Path) -> bool {
    ["journal", "sidecar", "swap", "aside"]
        .iter()
        .all(|part| matches!(dir.join(part).try_exists(), Ok(false)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_there_and_what_can_not_be_are_told_apart() {
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("file");
        std::fs::write(&file, "").expect("written");
        std::os::unix::fs::symlink("nowhere", dir.path().join("link")).expect("linked");
        assert_eq!(place(dir.path()).expect("another's"), Place::Free);
        let probed = dir.path().join("probed");
        std::fs::create_dir(&probed).expect("made");
        assert_eq!(place(&probed).expect("empty"), Place::Free);
        std::fs::write(probed.join("traits.json"), "{}").expect("written");
        assert_eq!(place(&probed).expect("no store"), Place::Free);
        std::fs::write(probed.join("sidecar"), "").expect("written");
        assert_eq!(place(&probed).expect("a store"), Place::There);
        assert_eq!(place(&dir.path().join("a/b")).expect("free"), Place::Free);
        assert_eq!(
            place(Path::new("not-there-yet")).expect("free"),
            Place::Free
        );
        for bad in [
            file.join("store"),
            dir.path().join("link"),
            "/proc/nope".into(),
            "/proc/nope/store".into(),
        ] {
            let error = place(&bad).expect_err("it can't be");
            assert!(
                error.to_string().contains(&*bad.to_string_lossy()),
                "{error}"
            );
        }
        assert!(!dir.path().join("a").exists(), "nothing is made");
    }
}
