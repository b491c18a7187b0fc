//! Every outcome of a look, at real files.

use super::super::directory::{Fault, no_file};
use super::super::tests::{expected, pool_dir, there};
use super::super::{directory, open};
use super::*;
use nix::errno::Errno;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use std::fs::{self, File, FileTimes};
use std::os::unix::fs::symlink;
use std::path::PathBuf;

/// A pool with an item `i` and a file `a` in it; beside the pool lies `secret`.
fn scene() -> (tempfile::TempDir, PathBuf) {
    let (temp, dir) = pool_dir();
    fs::create_dir(dir.join("i")).unwrap();
    fs::write(dir.join("i/a"), "data").unwrap();
    fs::write(dir.parent().unwrap().join("secret"), "secret").unwrap();
    (temp, dir)
}

#[test]
fn a_file_is_there_and_what_else_may_be() {
    let (_temp, dir) = scene();
    fs::create_dir(dir.join("i/sub")).unwrap();
    mkfifo(&dir.join("i/fifo"), Mode::S_IRWXU).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(dir.join("i/socket")).unwrap();
    assert_eq!(look(&dir, "i", "a"), there(&dir, "i", "a"));
    assert_eq!(look(&dir, "i", "b"), Look::Missing);
    assert_eq!(look(&dir, "i", &"n".repeat(255)), Look::Missing);
    for other in ["sub", "fifo", "socket"] {
        assert_eq!(look(&dir, "i", other), Look::NotAFile, "{other}");
        assert_eq!(open(&dir, "i", other).unwrap_err(), Look::NotAFile, "{other}");
    }
}

#[test]
fn links_lead_nowhere_outside() {
    let (_temp, dir) = scene();
    fs::create_dir(dir.join("other")).unwrap();
    fs::write(dir.join("other/x"), "x").unwrap();
    let links = [
        ("inside", "a", None),
        ("around", "../i/a", Some(Look::Escaped)),
        ("outside", "../../secret", Some(Look::Escaped)),
        ("beside", "../other/x", Some(Look::Escaped)),
        ("absolute", "/etc/passwd", Some(Look::Escaped)),
        ("loop", "loop", Some(Look::Escaped)),
        ("process", "/proc/self/exe", Some(Look::Escaped)),
        ("dangling", "nothing", Some(Look::Missing)),
        ("through", "a/b", Some(Look::Missing)),
        ("folder", ".", Some(Look::NotAFile)),
    ];
    for (name, target, found) in links {
        symlink(target, dir.join("i").join(name)).unwrap();
        let found = found.unwrap_or_else(|| there(&dir, "i", "a"));
        assert_eq!(look(&dir, "i", name), found, "{name} -> {target}");
        assert_eq!(open(&dir, "i", name).is_ok(), matches!(found, Look::There(_)), "{name} -> {target}");
    }
}

#[test]
fn directories_that_are_gone_or_lead_out_say_so() {
    let (_temp, dir) = scene();
    fs::write(dir.join("plain"), "").unwrap();
    symlink("i", dir.join("same")).unwrap();
    symlink("../", dir.join("out")).unwrap();
    symlink("/etc", dir.join("etc")).unwrap();
    symlink(&dir, dir.parent().unwrap().join("link")).unwrap();
    let gone = |look: Look, part: &str| matches!(&look, Look::PoolGone(why) if why.contains(part));
    assert!(gone(look(&dir.join("no"), "i", "a"), "is not there"));
    assert!(gone(look(&dir, "no", "a"), "is not there"));
    assert!(gone(look(&dir, "plain", "a"), "is not a directory"));
    // A pool's directory has no links in its path when it is made: one with a link is another one.
    assert!(gone(look(&dir.parent().unwrap().join("link"), "i", "a"), "symbolic link"));
    assert_eq!(look(&dir, "same", "a"), there(&dir, "i", "a"));
    assert_eq!(look(&dir, "out", "secret"), Look::Escaped);
    assert_eq!(look(&dir, "etc", "passwd"), Look::Escaped);
    assert_eq!(look(&dir, "..", "secret"), Look::Escaped);
}

/// Who runs tests as root may read everything, and a test cannot become somebody else for its own thread alone; so what the
/// kernel answers to others is tested by its numbers.
#[test]
fn what_the_kernel_refuses_is_told_apart() {
    let seen = |errno| match no_file(errno) {
        Fault::Seen(look) => Some(look),
        Fault::Ours(_) => None,
    };
    for refused in [Errno::EACCES, Errno::EPERM, Errno::EIO] {
        assert_eq!(seen(refused), Some(Look::Unreadable(refused.desc().to_owned())));
    }
    assert!(matches!(seen(Errno::ESTALE), Some(Look::PoolGone(_))));
    assert!(matches!(seen(Errno::ENOTCONN), Some(Look::PoolGone(_))));
    // What this process lacks says nothing of the file.
    for ours in [Errno::EMFILE, Errno::ENFILE, Errno::ENOMEM] {
        assert_eq!(seen(ours), None);
    }
    assert_eq!(Look::from(Fault::Ours(Errno::EMFILE)), Look::Unreadable(Errno::EMFILE.desc().to_owned()));
    let (file, mut found) = (expected("i", 1, "a"), Found::default());
    found.nowhere(Fault::Ours(Errno::EMFILE), [(ItemNo(1), &file)].into_iter());
    assert!(found.overlooked && found.others.is_empty() && file.looked.get().is_none());
    found = Found::default();
    found.nowhere(Fault::Seen(Look::Missing), [(ItemNo(1), &file)].into_iter());
    assert!(!found.overlooked && found.others.len() == 1);
}

#[test]
fn every_change_of_the_content_shows_in_the_stamp() {
    let (_temp, dir) = scene();
    let file = dir.join("i/a");
    let old = fs::metadata(&file).unwrap();
    let changes: [(&str, &dyn Fn()); 4] = [
        ("appended", &|| fs::write(&file, "data and more").unwrap()),
        ("cut", &|| fs::write(&file, "d").unwrap()),
        ("replaced", &|| {
            fs::write(dir.join("i/new"), "d").unwrap();
            fs::rename(dir.join("i/new"), &file).unwrap();
        }),
        ("rewritten with the old times", &|| {
            fs::write(&file, "e").unwrap();
            let times = FileTimes::new().set_modified(old.modified().unwrap()).set_accessed(old.accessed().unwrap());
            File::options().write(true).open(&file).unwrap().set_times(times).unwrap();
        }),
    ];
    for (what, change) in changes {
        let before = look(&dir, "i", "a");
        let Look::There(stamp) = before else { panic!("{before:?}") };
        settle(stamp.ctime);
        change();
        assert_ne!(look(&dir, "i", "a"), before, "{what}");
    }
}

/// Until the kernel's clock for stamps has gone on: what follows has another one.
fn settle(ctime: i64) {
    let probe = tempfile::NamedTempFile::new().unwrap();
    let bound = std::time::Instant::now() + super::super::tests::BOUND;
    loop {
        fs::write(probe.path(), "x").unwrap();
        let (_, stamp) = open_plain(probe.path());
        if stamp > ctime {
            return;
        }
        assert!(std::time::Instant::now() < bound, "the kernel's clock stands still");
    }
}

fn open_plain(path: &Path) -> (File, i64) {
    use std::os::unix::fs::MetadataExt as _;
    let file = File::open(path).unwrap();
    let metadata = file.metadata().unwrap();
    (file, metadata.ctime() * 1_000_000_000 + metadata.ctime_nsec())
}

#[test]
fn only_what_is_not_as_expected_is_told() {
    let (_temp, dir) = scene();
    fs::write(dir.join("i/b"), "b").unwrap();
    let mut files = [expected("i", 1, "a"), expected("i", 2, "b"), expected("i", 3, "c")];
    let now = |name: &str| look(&dir, "i", name);
    assert_eq!(look_many(&dir, "i", &files), [(TagNo(1), now("a")), (TagNo(2), now("b")), (TagNo(3), Look::Missing)]);
    assert!(files.iter().all(|file| file.looked.get().is_none()), "who was told touches them");

    for file in &mut files {
        file.look = Some(now(&file.detail));
    }
    assert_eq!(look_many(&dir, "i", &files), []);
    assert!(files.iter().all(|file| file.looked.get().is_some()));

    fs::write(dir.join("i/c"), "c").unwrap();
    fs::remove_file(dir.join("i/a")).unwrap();
    assert_eq!(look_many(&dir, "i", &files), [(TagNo(1), Look::Missing), (TagNo(3), now("c"))]);

    fs::rename(dir.join("i"), dir.join("j")).unwrap();
    let gone = look_many(&dir, "i", &files);
    assert!(gone.len() == 3 && gone.iter().all(|(_, look)| matches!(look, Look::PoolGone(_))), "{gone:?}");
}

#[test]
fn directories_of_items_are_made_inside_the_pool_alone() {
    let (_temp, dir) = scene();
    let outside = dir.parent().unwrap().join("outside");
    fs::create_dir(&outside).unwrap();
    let made = directory(&dir, "new").unwrap();
    assert!(dir.join("new").is_dir());
    assert_eq!(made.for_people(&made.file("a").display().to_string()), dir.join("new/a").display().to_string());
    directory(&dir, "new").unwrap();
    // What has come in its place since leads nowhere.
    fs::rename(dir.join("new"), dir.join("moved")).unwrap();
    symlink("../outside", dir.join("new")).unwrap();
    fs::write(made.file("a"), "").unwrap();
    assert!(dir.join("moved/a").is_file() && !outside.join("a").exists());
    symlink("i", dir.join("same")).unwrap();
    directory(&dir, "same").unwrap();
    symlink("../outside", dir.join("out")).unwrap();
    symlink("../nothing", dir.join("dangling")).unwrap();
    fs::write(dir.join("plain"), "").unwrap();
    for refused in ["out", "dangling", "plain", ".."] {
        let why = directory(&dir, refused).unwrap_err().to_string();
        assert!(why.contains(dir.to_str().unwrap()), "{why}");
    }
    assert!(!dir.parent().unwrap().join("nothing").exists());
}
