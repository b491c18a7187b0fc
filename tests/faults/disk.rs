//! Small disks that only the calling thread, and those it starts, can see.

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

pub const MIB: u64 = 1 << 20;

/// Gives this thread, and what it starts from now on, mounts of its own.
#[track_caller]
pub fn own_mounts() {
    let nothing = None::<&str>;
    let own = unshare(CloneFlags::CLONE_NEWNS)
        .and_then(|()| mount(nothing, "/", nothing, MsFlags::MS_REC | MsFlags::MS_PRIVATE, nothing));
    if let Err(why) = own {
        panic!("this test mounts a tmpfs and needs the right to (run it as root): {why}");
    }
}

/// A mounted tmpfs; unmounted when dropped, also by a failing test.
pub struct Disk {
    at: PathBuf,
}

impl Disk {
    /// An empty one of so many bytes over the directory `at`, which is made if it is missing. After [`own_mounts`].
    #[track_caller]
    pub fn over(at: &Path, bytes: u64, flags: MsFlags) -> Disk {
        fs::create_dir_all(at).expect("a place to mount on");
        let options = format!("size={bytes},mode=0700");
        mount(None::<&str>, at, Some("tmpfs"), flags, Some(options.as_str())).expect("a tmpfs");
        Disk { at: at.to_owned() }
    }

    /// Takes all the space there is; may be done again.
    pub fn fill(&self) {
        let ballast = File::options().create(true).append(true).open(self.at.join("ballast"));
        let mut ballast = ballast.expect("a file for the ballast");
        for size in [MIB as usize, 4096] {
            let zeros = vec![0; size];
            while ballast.write_all(&zeros).is_ok() {}
        }
    }

    /// Gives it back.
    pub fn clear(&self) {
        fs::remove_file(self.at.join("ballast")).expect("the ballast");
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = umount2(&self.at, MntFlags::MNT_DETACH); // unmounted already by the test itself
    }
}
