//! The image cases again, against Debian's `docker-registry`, filled and pulled from with `skopeo`.

use super::*;
use crate::images::{amd64, cached_layers, distribution, preheats_three_blobs, tells_which_blobs_there_are};
use crate::registry::{Image, blob_url, manifest_url};
use crate::support::http::Target;
use std::fs::{self, File as Handle};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// `ACCOUNT` as `htpasswd -B` writes it; the registry takes nothing else than bcrypt.
const HTPASSWD: &str = "puller:$2b$04$abcdefghijklmnopqrstuu/LVz6MZlItEy42I2juLihZ66HnQx/cy";

/// A running `docker-registry` with the fixture in it; it ends when it is dropped.
pub struct Docker {
    child: Child,
    dir: TempDir,
    port: u16,
    account: bool,
}

impl Docker {
    #[track_caller]
    pub fn start(account: bool) -> Docker {
        let dir = tempfile::Builder::new().prefix("registry-").tempdir().expect("a temporary directory");
        // It cannot be told to choose a port and say which.
        let port = TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a free port").port();
        let mut config = format!(
            "version: 0.1\nlog:\n  level: error\n  accesslog:\n    disabled: false\nstorage:\n  filesystem:\n    \
             rootdirectory: {}\nhttp:\n  addr: 127.0.0.1:{port}\n",
            dir.path().join("store").display()
        );
        if account {
            let file = dir.path().join("htpasswd");
            fs::write(&file, format!("{HTPASSWD}\n")).expect("a file");
            config.push_str(&format!("auth:\n  htpasswd:\n    realm: real\n    path: {}\n", file.display()));
        }
        let file = dir.path().join("config.yml");
        fs::write(&file, config).expect("the configuration");
        let log = Handle::create(dir.path().join("log")).expect("a log");
        let mut command = Command::new("docker-registry");
        command.arg("serve").arg(&file).stdin(Stdio::null()).process_group(0);
        command.stdout(log.try_clone().expect("a copy")).stderr(log);
        let child = command.spawn().expect("docker-registry, of the Debian package of that name");
        let docker = Docker { child, dir, port, account };
        until("the registry listens", SOON, || std::net::TcpStream::connect(("127.0.0.1", port)).ok());
        docker.fill();
        docker
    }

    #[track_caller]
    fn fill(&self) {
        let layout = self.dir.path().join("layout");
        Image::fixture().lay_out(&layout);
        let to = format!("docker://127.0.0.1:{}/team/app:v1", self.port);
        let mut args = vec!["copy", "--all", "--preserve-digests", "--dest-tls-verify=false"];
        let account = format!("{}:{}", ACCOUNT.0, ACCOUNT.1);
        if self.account {
            args.extend(["--dest-creds", &account]);
        }
        let from = format!("oci:{}:v1", layout.display());
        skopeo(self.dir.path(), &[&args[..], &[&from, &to]].concat());
    }

    pub fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    fn base(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// How often its log tells of a GET of something whose path holds this. What is asked now is told last.
    #[track_caller]
    pub fn gets(&self, part: &str) -> usize {
        let mark = format!("/v2/?{}", fresh("mark"));
        Client::new(Target::Tcp(self.address())).get(&mark);
        let log = until("its log is written", SOON, || {
            let log = fs::read_to_string(self.dir.path().join("log")).ok()?;
            log.contains(&mark).then_some(log)
        });
        log.lines().filter(|line| line.contains("\"GET ") && line.contains(part)).count()
    }
}

impl Drop for Docker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs `skopeo` with a home of its own; it must succeed.
#[track_caller]
pub fn skopeo(home: &Path, args: &[&str]) {
    let mut command = Command::new("skopeo");
    command.args(["--insecure-policy", "--override-os", "linux", "--override-arch", "amd64"]).args(args);
    command.env("HOME", home).env_remove("REGISTRY_AUTH_FILE").env("XDG_RUNTIME_DIR", home).stdin(Stdio::null());
    let output = command.output().expect("skopeo, of the Debian package of that name");
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Pulls the fixture through the mirror into a directory, and compares every file.
#[track_caller]
fn pull(cache: &Cache, name: &str, more: &[&str]) -> PathBuf {
    let to = cache.daemon.path(name);
    let from = format!("docker://{}/team/app:v1", cache.proxy_address());
    let target = format!("dir:{}", to.display());
    skopeo(cache.daemon.dir(), &[&["copy", "--src-tls-verify=false"], more, &[&from, &target]].concat());
    let image = Image::fixture();
    for digest in [CONFIG, LAYER_A, LAYER_B] {
        assert_eq!(fs::read(to.join(digest)).expect("a blob"), image.contents[digest], "{digest}");
    }
    assert_eq!(fs::read(to.join("manifest.json")).expect("a manifest"), image.contents[&image.manifests[0]]);
    to
}

#[test]
fn case_46_an_image_is_fetched_from_a_real_registry() {
    let (cache, docker) = (Cache::start(), Docker::start(false));
    preheats_three_blobs(&cache, &docker.base());
    assert_eq!(docker.gets("/blobs/"), 3);
    warmed(&cache.run("preheat", amd64(&manifest_url(&docker.base()), json!({}))));
    assert_eq!(docker.gets("/blobs/"), 3);
}

#[test]
fn case_51_a_real_registry_wants_basic() {
    let (cache, docker) = (shared(), Docker::start(true));
    let manifest = manifest_url(&docker.base());
    let answer = cache.post(&json!({"type": "preheat", "args": amd64(&manifest, json!({}))}));
    assert_eq!(answer.status, 502, "{}", answer.text());
    let account = json!({"username": ACCOUNT.0, "password": ACCOUNT.1});
    let job = cache.run("preheat", amd64(&manifest, account.clone()));
    assert_eq!(warmed(&job).len(), 3, "{job}");
    assert_eq!(cached_layers(&distribution(&cache, &manifest, account)).len(), 3);
}

#[test]
fn case_50_a_real_registry_takes_a_given_authorization() {
    let (cache, docker) = (shared(), Docker::start(true));
    let headers = json!({"headers": {"Authorization": registry::basic()}});
    warmed(&cache.run("preheat", amd64(&manifest_url(&docker.base()), headers)));
}

#[test]
fn cases_55_to_57_with_a_real_registry() {
    let (cache, docker) = (Cache::start(), Docker::start(false));
    tells_which_blobs_there_are(&cache, &docker.base());
}

#[test]
fn case_58_a_real_registry_is_asked_for_this_machines_platform() {
    let (cache, docker) = (shared(), Docker::start(false));
    let job = cache.run("preheat", json!({"type": "image", "url": manifest_url(&docker.base())}));
    let image = Image::fixture();
    let mine = usize::from(cfg!(target_arch = "aarch64"));
    let expected: Vec<String> = image.blobs[mine].iter().map(|digest| blob_url(&docker.base(), digest)).collect();
    assert_eq!(warmed(&job), expected, "{job}");
    for digest in &image.blobs[2] {
        assert_eq!(docker.gets(digest), 0);
    }
}

#[test]
fn images_are_pulled_through_the_mirror() {
    let docker = Docker::start(false);
    let rule = "rules = [{ regex = \"/v2/.*/(blobs|manifests)/sha256:\" }]";
    let mut cache = Cache::with("", &format!("registry = \"{}\"\n{rule}\n", docker.base()));
    pull(&cache, "first", &[]);
    assert_eq!(docker.gets("/blobs/"), 3);
    for digest in [CONFIG, LAYER_A, LAYER_B] {
        cache.arrives(json!({"url": blob_url(&docker.base(), digest)}));
    }
    pull(&cache, "second", &[]);
    cache.daemon.restart();
    pull(&cache, "third", &[]);
    assert_eq!(docker.gets("/blobs/"), 3, "blobs were fetched again");
}

#[test]
fn a_warmed_image_is_pulled_without_its_registrys_blobs() {
    let docker = Docker::start(false);
    let rule = "rules = [{ regex = \"/blobs/sha256:\" }]";
    let cache = Cache::with("", &format!("registry = \"{}\"\n{rule}\n", docker.base()));
    warmed(&cache.run("preheat", amd64(&manifest_url(&docker.base()), json!({}))));
    let before = docker.gets("/blobs/");
    pull(&cache, "warmed", &[]);
    assert_eq!(docker.gets("/blobs/"), before);
}

#[test]
fn a_private_image_is_pulled_with_its_own_credentials() {
    let docker = Docker::start(true);
    let rule = "rules = [{ regex = \"/blobs/sha256:\" }]";
    let cache = Cache::with("", &format!("registry = \"{}\"\n{rule}\n", docker.base()));
    let account = format!("{}:{}", ACCOUNT.0, ACCOUNT.1);
    for name in ["mine", "again"] {
        pull(&cache, name, &["--src-creds", &account]);
    }
    support::require_root();
    let path = format!("/v2/team/app/blobs/sha256:{LAYER_A}");
    let answer = cache.proxy().as_user(65534).get(&path);
    assert!(matches!(answer.status, 401 | 403), "{}", answer.status);
}
