//! The core and the keeper itself: connection, patience, replacement, stop, upgrade.

use super::{
    CHECK_TIME, Core, Effect, FAREWELL, Loss, MISUSE, Machine, PAUSE, PAUSE_MAX, PING_EVERY, SILENCE, Up, Upgrade,
};
use crate::keeper::model::*;
use crate::keeper::wire::{Ask, OLDEST, VERSION};
use std::path::PathBuf;
use std::time::Duration;

/// What the core asks for.
impl Machine {
    pub(super) fn asked(&mut self, ask: Ask, now: Duration) -> Vec<Effect> {
        if let Core::Up(up) = &mut self.core {
            // Whatever it asks, it lives. The next ping counts from here.
            up.patience_until = (!up.connected).then_some(now + SILENCE);
            if !up.connected && !matches!(ask, Ask::Hello { .. }) {
                return self.core_lost(Loss::BadFrame, now);
            }
        }
        match ask {
            Ask::Hello { oldest, newest, hello } => self.hello(oldest, newest, hello, now),
            Ask::Ready => {
                if let Core::Up(up) = &mut self.core {
                    up.ready = true;
                    self.ever_ready = true;
                    self.failures = 0;
                }
                Vec::new()
            }
            Ask::Pong if self.watchdog => vec![Effect::Notify("WATCHDOG=1".to_owned())],
            Ask::Pong => Vec::new(),
            Ask::Spawn(spawn) => self.spawn(spawn),
            Ask::Signal { slot, signal, scope } => self.signal(slot, signal, scope),
            Ask::Acknowledge(seqs) => self.acknowledge(&seqs),
            Ask::EndLeftover(leftover) => {
                self.leftovers.end(leftover);
                Vec::new()
            }
            Ask::HoldListener(name) => vec![Effect::Hold(name)],
            Ask::DropListener(name) => vec![Effect::Drop(name)],
            Ask::Notify(state) => vec![Effect::Notify(state)],
            Ask::Upgrade(binary) => self.upgrade(binary),
            Ask::Done(code) => {
                self.leaving = Some(code);
                self.dismiss_core(now)
            }
        }
    }

    pub(super) fn hello(&mut self, oldest: u16, newest: u16, hello: Hello, now: Duration) -> Vec<Effect> {
        let Core::Up(up) = &mut self.core else { return Vec::new() };
        if up.connected || oldest > VERSION || newest < OLDEST {
            let mut effects = vec![Effect::Log(format!("the core speaks versions {oldest} to {newest}"))];
            effects.extend(self.core_lost(Loss::BadFrame, now));
            return effects;
        }
        *up = Up { connected: true, patience_until: None, ping_at: now + self.ping_every, ..*up };
        let max_slots = hello.max_slots.and_then(|slots| usize::try_from(slots).ok());
        self.max_slots = max_slots.unwrap_or(MAX_SLOTS);
        let mut effects = vec![Effect::SetUpGroups(hello.cgroup_root), Effect::Welcome];
        if std::mem::take(&mut self.reloaded) {
            effects.push(Effect::Tell(News::Reloaded));
        }
        effects
    }
}

/// What becomes of the core, and of the keeper itself.
impl Machine {
    /// The core has ended.
    pub(super) fn core_exited(&mut self, status: Status, now: Duration) -> Vec<Effect> {
        let was_ready = match self.core {
            Core::Up(up) => up.ready,
            Core::Ending { was_ready, .. } => was_ready,
            Core::Down { .. } | Core::Launching => false,
        };
        let mut effects = vec![Effect::CloseCore];
        if self.leaving.is_none() {
            effects.push(Effect::Log(format!("the core has ended: {status:?}")));
        }
        let first_and_only = !self.ever_ready && self.failures == 0 && self.slots.is_empty();
        if status == Status::Code(MISUSE) && first_and_only {
            self.leaving = self.leaving.or(Some(MISUSE));
        }
        effects.extend(self.core_gone(was_ready, now));
        effects
    }

    /// Plans the next core, or the end.
    pub(super) fn core_gone(&mut self, was_ready: bool, now: Duration) -> Vec<Effect> {
        let pause = if was_ready { Duration::ZERO } else { pause_after(self.failures) };
        self.failures = if was_ready { 0 } else { self.failures.saturating_add(1) };
        if self.leaving.is_none() && self.stopping != Stopping::No && self.slots.is_empty() {
            self.leaving = Some(0); // asked to stop, and nothing is left that a core could stop
        }
        match self.leaving {
            Some(code) => {
                self.core = Core::Down { start_at: Duration::MAX }; // there is no next one
                vec![Effect::Exit(code)]
            }
            None => {
                self.core = Core::Down { start_at: now + pause };
                Vec::new()
            }
        }
    }

    pub(super) fn core_lost(&mut self, loss: Loss, now: Duration) -> Vec<Effect> {
        let Core::Up(Up { pid, ready, .. }) = self.core else { return vec![Effect::CloseCore] };
        match loss {
            Loss::HungUp => self.dismiss_core(now),
            Loss::BadFrame | Loss::Stalled => {
                self.core = Core::Ending { pid, kill_at: None, was_ready: ready };
                let why = if loss == Loss::Stalled { "does not read" } else { "sent a bad frame" };
                let log = Effect::Log(format!("the core {why}: it is replaced"));
                vec![log, Effect::CloseCore, Effect::Kill { pid, signal: libc::SIGKILL }]
            }
        }
    }

    /// Hangs up and gives the core some time to end.
    fn dismiss_core(&mut self, now: Duration) -> Vec<Effect> {
        if let Core::Up(Up { pid, ready, .. }) = self.core {
            self.core = Core::Ending { pid, kill_at: Some(now + FAREWELL), was_ready: ready };
        }
        vec![Effect::CloseCore]
    }

    pub(super) fn stop_signal(&mut self, now: Duration) -> Vec<Effect> {
        let news = match self.stopping {
            Stopping::No => News::Stop,
            Stopping::Yes | Stopping::Now => News::StopNow,
        };
        self.stopping = if news == News::Stop { Stopping::Yes } else { Stopping::Now };
        match self.core {
            Core::Up(Up { connected: true, .. }) => vec![Effect::Tell(news)],
            Core::Down { .. } if self.slots.is_empty() => vec![Effect::Exit(0)],
            // A core that has not even said hello has nothing to wind up.
            Core::Up(_) if self.stopping == Stopping::Now => self.dismiss_core(now),
            // It learns of the stop from its welcome.
            Core::Up(_) | Core::Down { .. } | Core::Launching | Core::Ending { .. } => Vec::new(),
        }
    }

    pub(super) fn upgrade(&mut self, binary: Option<PathBuf>) -> Vec<Effect> {
        if self.upgrade.is_some() {
            return refuse_upgrade("another upgrade is under way".to_owned());
        }
        if self.stopping != Stopping::No || self.leaving.is_some() {
            return refuse_upgrade("the daemon is stopping".to_owned());
        }
        self.upgrade = Some(Upgrade::Requested(binary.clone()));
        vec![Effect::StartCheck(binary)]
    }

    pub(super) fn checked(&mut self, status: Status) -> Vec<Effect> {
        let Some(Upgrade::Checking { binary, kill_at, .. }) = self.upgrade.take() else { return Vec::new() };
        let reason = match (status, kill_at) {
            (Status::Code(0), Some(_)) if self.stopping == Stopping::No => {
                self.upgrade = Some(Upgrade::Executing);
                return vec![Effect::Reexec(binary)];
            }
            (Status::Code(0), Some(_)) => "the daemon is stopping".to_owned(),
            (Status::Code(_) | Status::Signal { .. }, None) => format!("its self-check took over {CHECK_TIME:?}"),
            (Status::Code(code), Some(_)) => format!("its self-check ended with code {code}; the log says why"),
            (Status::Signal { signal, .. }, Some(_)) => format!("its self-check was ended by signal {signal}"),
        };
        refuse_upgrade(reason)
    }

    /// After an upgrade: the old core has lost its connection with the exec and has to go.
    pub(super) fn taken_over(&mut self, now: Duration) -> Vec<Effect> {
        self.reloaded = true;
        // The next one is no failure of the old binary's: it starts without a pause.
        self.failures = 0;
        match self.core {
            Core::Up(Up { pid, .. }) | Core::Ending { pid, .. } => {
                self.core = Core::Ending { pid, kill_at: Some(now + FAREWELL), was_ready: true };
            }
            Core::Down { .. } | Core::Launching => self.core = Core::Down { start_at: now },
        }
        Vec::new()
    }

    pub(super) fn tick(&mut self, now: Duration) -> Vec<Effect> {
        self.leftovers.tick(now);
        let mut effects = Vec::new();
        match &mut self.core {
            Core::Down { start_at } if *start_at <= now => {
                self.core = Core::Launching;
                effects.push(Effect::StartCore);
            }
            Core::Up(up) if up.patience_until.is_some_and(|end| end <= now) => {
                let pid = up.pid;
                self.core = Core::Ending { pid, kill_at: None, was_ready: up.ready };
                effects.push(Effect::Log("the core does not answer: it is replaced".to_owned()));
                effects.extend([Effect::CloseCore, Effect::Kill { pid, signal: libc::SIGKILL }]);
            }
            Core::Up(up) if up.connected && up.ping_at <= now => {
                up.ping_at = now + self.ping_idle;
                // Counted from a question, not from the last word: a keeper that was itself stopped for a while
                // must not blame the core.
                up.patience_until = up.patience_until.or(Some(now + SILENCE.saturating_sub(PING_EVERY)));
                effects.push(Effect::Ping);
            }
            Core::Ending { pid, kill_at, .. } if kill_at.is_some_and(|at| at <= now) => {
                *kill_at = None;
                effects.push(Effect::Kill { pid: *pid, signal: libc::SIGKILL });
            }
            Core::Down { .. } | Core::Up(_) | Core::Ending { .. } | Core::Launching => {}
        }
        if let Some(Upgrade::Checking { pid, kill_at, .. }) = &mut self.upgrade
            && kill_at.is_some_and(|at| at <= now)
        {
            *kill_at = None;
            effects.push(Effect::Kill { pid: *pid, signal: libc::SIGKILL });
        }
        effects
    }
}

pub(super) fn refuse_upgrade(reason: String) -> Vec<Effect> {
    let log = Effect::Log(format!("upgrade refused: {reason}"));
    vec![log, Effect::Tell(News::UpgradeRefused { reason })]
}

/// The pause before the next core when `failures` in a row were never ready before this one.
fn pause_after(failures: u32) -> Duration {
    PAUSE.saturating_mul(1 << failures.min(10)).min(PAUSE_MAX)
}
