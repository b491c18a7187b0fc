//! Where pools may lie, and what things may be called.

use super::*;
use std::fs;
use std::os::unix::fs::symlink;
use tempfile::TempDir;

/// A root `root`, beside which lies `outside`.
fn scene() -> (TempDir, PathBuf, Vec<PathBuf>) {
    let temp = TempDir::new().unwrap();
    let base = temp.path().canonicalize().unwrap();
    fs::create_dir(base.join("outside")).unwrap();
    let roots = vec![base.join("root")];
    (temp, base, roots)
}

fn made(roots: &[PathBuf], conn: &Path) -> Result<PathBuf, String> {
    let roots = Roots::open(roots);
    let (there, rest) = roots.place(conn).map_err(|why| why.to_string())?;
    roots.make(&there, &rest).map_err(|why| why.to_string())
}

#[test]
fn pools_are_made_below_a_root() {
    let (_temp, base, roots) = scene();
    assert_eq!(made(&roots, &base.join("root/a/b/c")), Ok(base.join("root/a/b/c")));
    assert!(base.join("root/a/b/c").is_dir());
    assert_eq!(made(&roots, &base.join("root/a/b/")), Ok(base.join("root/a/b")));
    // A link that stays inside is followed, and forgotten.
    symlink("a", base.join("root/link")).unwrap();
    assert_eq!(made(&roots, &base.join("root/link/new")), Ok(base.join("root/a/new")));
    // A root may be a link itself.
    symlink(base.join("root"), base.join("short")).unwrap();
    assert_eq!(made(&[base.join("short")], &base.join("short/d")), Ok(base.join("root/d")));
}

#[test]
fn pools_lie_nowhere_else() {
    let (_temp, base, roots) = scene();
    fs::create_dir_all(base.join("root/a")).unwrap();
    fs::write(base.join("root/file"), "").unwrap();
    symlink(base.join("outside"), base.join("root/out")).unwrap();
    symlink(base.join("nothing"), base.join("root/dangling")).unwrap();
    for conn in ["outside", "outside/new", "root", "root/out", "root/out/new", "rootbeside/new", "nothing"] {
        let refused = made(&roots, &base.join(conn)).unwrap_err();
        assert!(
            refused.starts_with("conn: expected a directory below") && refused.contains("root"),
            "{conn}: {refused}"
        );
    }
    for conn in ["root/../outside", "root/a/../b"] {
        let refused = made(&roots, &base.join(conn)).unwrap_err();
        assert!(refused.starts_with("conn: expected an absolute path"), "{conn}: {refused}");
    }
    for conn in ["", "root", "./root/a", "\0"] {
        let refused = made(&roots, Path::new(conn)).unwrap_err();
        assert!(refused.starts_with("conn: expected an absolute path"), "{conn}: {refused}");
    }
    for conn in ["root/file", "root/file/new", "root/dangling", "root/dangling/new"] {
        let refused = made(&roots, &base.join(conn)).unwrap_err();
        assert!(refused.starts_with("conn: "), "{conn}: {refused}");
    }
    assert_eq!(fs::read_dir(base.join("outside")).unwrap().count(), 0);
    assert!(!base.join("nothing").exists());
}

#[test]
fn a_root_that_cannot_be_is_left_out() {
    let (_temp, base, mut roots) = scene();
    fs::write(base.join("file"), "").unwrap();
    roots.push(base.join("file/root"));
    assert_eq!(made(&roots, &base.join("root/a")), Ok(base.join("root/a")));
    assert!(made(&roots, &base.join("file/root/a")).is_err());
}

#[test]
fn a_directory_of_an_item_is_one_component() {
    for name in ["a", "a b", "ä", ".hidden"] {
        assert_eq!(&*component("itemdesc", name).unwrap(), name);
    }
    for name in ["", ".", "..", "a/b", "/a", "a/", "a\0"] {
        let refused = component("itemdesc", name).unwrap_err().to_string();
        assert!(refused.starts_with("itemdesc: expected"), "{name}: {refused}");
    }
}

#[test]
fn every_outcome_of_a_look_names_the_field() {
    let looks = [
        Look::Missing,
        Look::NotAFile,
        Look::Unreadable("no".to_owned()),
        Look::Escaped,
        Look::PoolGone("no".to_owned()),
    ];
    let texts: std::collections::HashSet<_> = looks.iter().map(no_file).collect();
    assert!(texts.len() == looks.len() && texts.iter().all(|text| text.starts_with("detail: ")));
}
