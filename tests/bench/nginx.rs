//! nginx, with sendfile and nothing else: the origin of what is cached, and the peer that serves the same files.

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::support::{SOON, until};

/// A running nginx with one worker, gone when this is dropped.
pub struct Nginx {
    master: Child,
    dir: PathBuf,
    address: SocketAddr,
}

impl Nginx {
    /// Serves the directory `files` below `dir`, and keeps what it needs itself beside that.
    pub fn start(dir: &Path) -> Nginx {
        let dir = dir.join("nginx");
        fs::create_dir_all(dir.join("files")).expect("a directory");
        // It cannot tell which port it chose; the one that was free a moment ago has to do.
        let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port");
        let here = dir.display();
        let user = if nix::unistd::geteuid().is_root() { "user root;" } else { "" };
        let config = format!(
            "daemon off; {user} worker_processes 1; pid {here}/pid; error_log {here}/error.log;
             events {{ worker_connections 1024; }}
             http {{
                 access_log {here}/access.log combined buffer=64k flush=1s;
                 client_body_temp_path {here}/body; proxy_temp_path {here}/proxy; fastcgi_temp_path {here}/fastcgi;
                 uwsgi_temp_path {here}/uwsgi; scgi_temp_path {here}/scgi;
                 sendfile on; tcp_nopush on; keepalive_requests 1000000000;
                 server {{ listen {free}; root {here}/files; }}
             }}"
        );
        fs::write(dir.join("nginx.conf"), config).expect("its configuration");
        let mut command = Command::new("nginx");
        command.arg("-c").arg(dir.join("nginx.conf")).arg("-p").arg(&dir);
        let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let master = quiet.spawn().expect("nginx, of the Debian package nginx-light");
        until("nginx listens", SOON, || TcpStream::connect(free).ok());
        Nginx { master, dir, address: free }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Puts a file there, of so many bytes that do not repeat soon.
    pub fn put(&self, name: &str, bytes: u64) {
        let mut state = bytes | 1;
        let mut block = vec![0_u8; 1 << 20];
        for chunk in block.chunks_mut(8) {
            // xorshift64: nobody along the way can make it shorter.
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            chunk.copy_from_slice(&state.to_le_bytes()[..chunk.len()]);
        }
        let mut file = fs::File::create(self.dir.join("files").join(name)).expect("a file");
        let mut left = bytes;
        while left > 0 {
            let part = left.min(block.len() as u64);
            std::io::Write::write_all(&mut file, &block[..part as usize]).expect("room for it");
            left -= part;
        }
    }

    /// How often it was asked for a path, with that query.
    pub fn asked(&self, target: &str) -> usize {
        let log = fs::read_to_string(self.dir.join("access.log")).unwrap_or_default();
        log.lines().filter(|line| line.contains(&format!("\"GET {target} "))).count()
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // A master that is killed leaves its worker behind; one that is asked does not.
        super::support::process::signal(self.master.id() as i32, nix::sys::signal::Signal::SIGTERM);
        let _ = self.master.wait();
    }
}
