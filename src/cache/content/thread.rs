//! The thread on which bytes move.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

/// Jobs that wait for a disk or a resolver at once. More than disks have queues, so that a slow resolver does not keep
/// writes waiting; few enough that their stacks do not count.
const BLOCKING_THREADS: usize = 64;

/// The thread on which bytes move: a runtime of its own, started when it is first needed. Clones are the same thread; it
/// ends with the last of them.
#[derive(Clone, Default)]
pub struct DataThread {
    started: Arc<Mutex<Option<Started>>>,
}

struct Started {
    handle: Handle,
    /// Dropped with the last clone: that ends the thread.
    _alive: oneshot::Sender<()>,
}

impl DataThread {
    /// The runtime's handle; starts the thread.
    ///
    /// # Errors
    /// The kernel gives no thread.
    pub fn handle(&self) -> io::Result<Handle> {
        let mut started = self.started.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(started) = &*started {
            return Ok(started.handle.clone());
        }
        let runtime = Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(BLOCKING_THREADS)
            .thread_name("hostler-disk")
            .build()?;
        let handle = runtime.handle().clone();
        let (alive, ended) = oneshot::channel::<()>();
        let drive = move || {
            // An error is the end, too: nobody holds the thread any more.
            let _ = runtime.block_on(ended);
            // A job that hangs on a dead disk must not keep the daemon from ending.
            runtime.shutdown_background();
        };
        std::thread::Builder::new().name("hostler-data".to_owned()).spawn(drive)?;
        *started = Some(Started { handle: handle.clone(), _alive: alive });
        Ok(handle)
    }

    /// Runs something that waits for a disk on the blocking pool.
    ///
    /// # Errors
    /// The kernel gives no thread; the job panicked, or the daemon is ending.
    pub(super) async fn blocking<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let job = self.handle()?.spawn_blocking(job);
        job.await.unwrap_or_else(|ended| Err(io::Error::other(format!("a job on the disk ended early: {ended}"))))
    }
}

/// What is behind a lock, also where a thread died while it held it: every change below is complete in itself.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
