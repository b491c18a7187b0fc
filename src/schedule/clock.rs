//! Waiting for a deadline on either clock, without polling.
//!
//! Two kernel timers: one counts time since boot, suspended time included, as [`Mono`] does; the other follows the wall
//! clock and is cancelled by the kernel when somebody sets it (`TFD_TIMER_CANCEL_ON_SET`), so a schedule computed by
//! the old time does not oversleep. With no deadline neither is armed and nothing ever wakes up.

use crate::base::{Mono, Wall};
use nix::errno::Errno;
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use std::io;
use std::os::fd::{AsFd as _, AsRawFd, RawFd};
use std::time::Duration;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// The two timers of one engine.
pub struct Clock {
    boot: Timer,
    real: Timer,
}

impl Clock {
    /// Two timers, not armed. Needs a tokio runtime.
    ///
    /// # Errors
    /// The kernel's: out of descriptors or memory.
    pub fn new() -> io::Result<Clock> {
        let boot = Timer::new(ClockId::CLOCK_BOOTTIME, TimerSetTimeFlags::TFD_TIMER_ABSTIME)?;
        let on_set = TimerSetTimeFlags::TFD_TIMER_ABSTIME | TimerSetTimeFlags::TFD_TIMER_CANCEL_ON_SET;
        Ok(Clock { boot, real: Timer::new(ClockId::CLOCK_REALTIME, on_set)? })
    }

    /// Returns at the earlier of both deadlines (at once when it is past), or before that when the wall clock was set
    /// and a wall deadline is awaited: read the clocks anew and decide again. Never returns when there is neither.
    ///
    /// Dropping the future before it is ready loses nothing: the next call arms the timers again.
    ///
    /// # Errors
    /// The kernel refuses the timer: not seen with valid deadlines, but waiting on would be waiting for ever.
    pub async fn until(&mut self, mono: Option<Mono>, wall: Option<Wall>) -> io::Result<()> {
        self.boot.arm(mono.map(|Mono(since_boot)| since_boot))?;
        self.real.arm(wall.map(since_epoch))?;
        tokio::select! {
            fired = self.boot.fired() => fired,
            fired = self.real.fired() => fired,
        }
    }

    /// As [`Clock::until`], for a deadline that may stand for a moment of the wall clock: that is another one when somebody
    /// sets it, so no moment of it is awaited but for hearing so.
    ///
    /// # Errors
    /// As [`Clock::until`].
    pub async fn due(&mut self, deadline: Option<Mono>) -> io::Result<()> {
        self.until(deadline, deadline.map(|_| Wall::MAX_UTC)).await
    }
}

/// Before 1970 is as past as 1970.
fn since_epoch(wall: Wall) -> Duration {
    (wall - Wall::UNIX_EPOCH).to_std().unwrap_or(Duration::ZERO)
}

struct Timer {
    fd: AsyncFd<Timerfd>,
    flags: TimerSetTimeFlags,
    /// Nothing to disarm: saves a system call for a deadline that is never used.
    armed: bool,
}

impl Timer {
    fn new(clock: ClockId, flags: TimerSetTimeFlags) -> io::Result<Timer> {
        let fd = TimerFd::new(clock, TimerFlags::TFD_CLOEXEC | TimerFlags::TFD_NONBLOCK)?;
        #[expect(
            deprecated,
            reason = "the successor is unsafe, to no gain: `Timerfd` owns its descriptor and never swaps it"
        )]
        let fd = AsyncFd::with_interest(Timerfd(fd), Interest::READABLE)?;
        Ok(Timer { fd, flags, armed: false })
    }

    fn arm(&mut self, at: Option<Duration>) -> io::Result<()> {
        let timer = &self.fd.get_ref().0;
        match at {
            None if !self.armed => {}
            None => timer.unset()?,
            // Zero would disarm it, and more than the kernel can count is as good as never.
            Some(at) => {
                let at = at.clamp(Duration::from_nanos(1), Duration::from_secs(i64::MAX as u64 / 4));
                timer.set(Expiration::OneShot(TimeSpec::from_duration(at)), self.flags)?;
            }
        }
        self.armed = at.is_some();
        Ok(())
    }

    /// Waits until the timer has run out or was cancelled. What it did before it was last armed is forgotten.
    async fn fired(&self) -> io::Result<()> {
        loop {
            let mut ready = self.fd.readable().await?;
            // `wait` also ends well when the kernel says the clock was set.
            match self.fd.get_ref().0.wait() {
                Err(Errno::EAGAIN) => ready.clear_ready(),
                other => return Ok(other?),
            }
        }
    }
}

/// What tokio needs to know of a timer.
struct Timerfd(TimerFd);

impl AsRawFd for Timerfd {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Now;
    use futures_util::future::{FutureExt as _, poll_fn};
    use std::task::Poll;

    /// A bound for what must happen; far longer than it takes.
    const SOON: Duration = Duration::from_secs(10);

    #[tokio::test]
    async fn the_earlier_deadline_wakes() {
        let mut clock = Clock::new().unwrap();
        let hour = Duration::from_secs(3600);
        let now = Now::read();
        let (soon, late) = (now.later(Duration::from_millis(5)), now.later(hour));
        tokio::time::timeout(SOON, clock.until(Some(soon.mono), Some(late.wall))).await.unwrap().unwrap();
        assert!(Now::read().mono >= soon.mono);
        tokio::time::timeout(SOON, clock.until(Some(late.mono), Some(soon.wall))).await.unwrap().unwrap();
        assert!(Now::read().wall >= soon.wall);
    }

    #[tokio::test]
    async fn the_wall_clock_is_heard_of_while_something_is_due() {
        let mut clock = Clock::new().unwrap();
        tokio::time::timeout(SOON, clock.due(Some(Mono::default()))).await.unwrap().unwrap();
        for (deadline, armed) in [(Some(Mono(Duration::MAX)), true), (None, false)] {
            assert!(clock.due(deadline).now_or_never().is_none());
            assert_eq!((clock.boot.armed, clock.real.armed), (armed, armed));
        }
    }

    #[tokio::test]
    async fn a_past_deadline_is_now() {
        let mut clock = Clock::new().unwrap();
        for (mono, wall) in [(Some(Mono::default()), None), (None, Some(Wall::UNIX_EPOCH)), (None, Some(Wall::MIN_UTC))]
        {
            tokio::time::timeout(SOON, clock.until(mono, wall)).await.unwrap().unwrap();
        }
    }

    #[tokio::test]
    async fn the_end_of_time_can_be_awaited() {
        let mut clock = Clock::new().unwrap();
        let mut wait = std::pin::pin!(clock.until(Some(Mono(Duration::MAX)), Some(Wall::MAX_UTC)));
        let first = poll_fn(|cx| Poll::Ready(wait.poll_unpin(cx))).await;
        assert!(first.is_pending());
    }

    #[tokio::test]
    async fn a_dropped_wait_does_not_wake_the_next_one() {
        let mut clock = Clock::new().unwrap();
        let past = clock.until(Some(Mono(Duration::from_nanos(1))), None);
        drop(past);
        assert!(clock.until(Some(Mono(Duration::from_nanos(1))), None).await.is_ok());
        // Armed and run out, but never read: the reading belongs to a deadline that nobody waits for any more.
        clock.boot.arm(Some(Duration::from_nanos(1))).unwrap();
        let mut never = std::pin::pin!(clock.until(None, None));
        for _ in 0..3 {
            tokio::task::yield_now().await;
            assert!(poll_fn(|cx| Poll::Ready(never.poll_unpin(cx))).await.is_pending());
        }
    }

    /// A test cannot set the host's clock; that the kernel was told to cancel the timer then is in `/proc`.
    #[tokio::test]
    async fn the_kernel_is_asked_to_tell_when_the_clock_is_set() {
        let mut clock = Clock::new().unwrap();
        let far = Now::read().later(Duration::from_secs(3600));
        assert!(clock.until(Some(far.mono), Some(far.wall)).now_or_never().is_none());
        let flags = |timer: &Timer| {
            let info = std::fs::read_to_string(format!("/proc/self/fdinfo/{}", timer.fd.as_raw_fd())).unwrap();
            let flags = info.lines().find_map(|line| line.strip_prefix("settime flags: ")).unwrap();
            u32::from_str_radix(flags, 8).unwrap()
        };
        let (absolute, cancel_on_set) = (1, 2); // TFD_TIMER_ABSTIME, TFD_TIMER_CANCEL_ON_SET
        assert_eq!(flags(&clock.boot), absolute);
        assert_eq!(flags(&clock.real), absolute | cancel_on_set);
    }
}
