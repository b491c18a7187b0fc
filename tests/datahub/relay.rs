//! A way between two daemons that can be narrowed: so many bytes come through, and no more until the test lets them. Its
//! address stays while what is behind it is started anew elsewhere.

use super::*;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

struct Inner {
    target: Mutex<SocketAddr>,
    /// How many bytes may come through in all, and how many have.
    allowed: AtomicU64,
    passed: AtomicU64,
    over: AtomicBool,
}

/// It ends when it is dropped.
pub struct Relay {
    address: SocketAddr,
    inner: Arc<Inner>,
}

impl Relay {
    pub fn to(target: SocketAddr, allowed: u64) -> Relay {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("its address");
        let (passed, over) = Default::default();
        let inner = Arc::new(Inner { target: Mutex::new(target), allowed: AtomicU64::new(allowed), passed, over });
        let serving = Arc::clone(&inner);
        thread::spawn(move || {
            for near in listener.incoming().flatten() {
                if serving.over.load(Ordering::SeqCst) {
                    return;
                }
                let serving = Arc::clone(&serving);
                thread::spawn(move || drop(serving.carry(&near)));
            }
        });
        Relay { address, inner }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Leads elsewhere from now on.
    pub fn lead_to(&self, target: SocketAddr) {
        *self.inner.target.lock().unwrap_or_else(PoisonError::into_inner) = target;
    }

    pub fn allow(&self, bytes: u64) {
        self.inner.allowed.store(bytes, Ordering::SeqCst);
    }

    pub fn passed(&self) -> u64 {
        self.inner.passed.load(Ordering::SeqCst)
    }

    /// Waits until all that may come through has.
    #[track_caller]
    pub fn wait_until_full(&self, bytes: u64) {
        until("so many bytes have come through", Duration::from_secs(60), || (self.passed() >= bytes).then_some(()));
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.inner.over.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address); // wakes the one that accepts
    }
}

impl Inner {
    fn carry(&self, near: &TcpStream) -> io::Result<()> {
        let target = *self.target.lock().unwrap_or_else(PoisonError::into_inner);
        let Ok(far) = TcpStream::connect(target) else { return near.shutdown(Shutdown::Both) };
        thread::scope(|scope| {
            scope.spawn(|| {
                let _ = io::copy(&mut &*near, &mut &far);
                let _ = far.shutdown(Shutdown::Both);
            });
            let done = self.pump(&far, near);
            let _ = near.shutdown(Shutdown::Both);
            let _ = far.shutdown(Shutdown::Both);
            done
        })
    }

    fn pump(&self, mut from: &TcpStream, mut to: &TcpStream) -> io::Result<()> {
        from.set_read_timeout(Some(millis(20)))?;
        let mut buffer = vec![0; 64 << 10];
        while !self.over.load(Ordering::SeqCst) {
            let room = self.take(buffer.len() as u64);
            if room == 0 {
                // Held back; whoever has gone meanwhile is noticed below.
                thread::park_timeout(millis(2));
                match from.peek(&mut [0]) {
                    Ok(0) => return Ok(()),
                    Ok(_) => continue,
                    Err(error) if passing(&error) => continue,
                    Err(error) => return Err(error),
                }
            }
            let read = from.read(&mut buffer[..room as usize]);
            let got = read.as_ref().map_or(0, |got| *got);
            self.passed.fetch_sub(room - got as u64, Ordering::SeqCst);
            match read {
                Ok(0) => return Ok(()),
                Ok(_) => to.write_all(&buffer[..got])?,
                Err(error) if passing(&error) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Takes up to so many bytes of what is allowed.
    fn take(&self, most: u64) -> u64 {
        let allowed = self.allowed.load(Ordering::SeqCst);
        let take = |passed: u64| allowed.checked_sub(passed).map(|left| passed + left.min(most));
        let before = self.passed.fetch_update(Ordering::SeqCst, Ordering::SeqCst, take);
        before.map_or(0, |before| (allowed - before).min(most))
    }
}

fn passing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted)
}

#[test]
fn it_lets_so_much_through_and_the_rest_later() {
    let server = support::server::Server::start(|_| support::server::Reply::new(200, vec![7; 300_000]));
    let relay = Relay::to(server.address(), 100_000);
    let client = Client::new(support::http::Target::Tcp(relay.address));
    let mut stream = client.stream(Request::new("GET", "/"));
    relay.wait_until_full(100_000);
    stream.bytes(90_000).expect("what came through");
    assert_eq!(relay.passed(), 100_000);
    relay.allow(u64::MAX);
    assert_eq!(stream.rest().expect("the rest").len(), 210_000);
}
