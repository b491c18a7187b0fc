//! The task that hears everybody: what the room wants, what the kernel tells, which pools there are.

use super::Settings;
use super::house::House;
use super::passes::Passes;
use super::patience::Hanging;
use super::readings::{GoingOn, Readings};
use super::wanted::{Names, Wanted};
use super::watch::Watches;
use crate::hub::machine::ReadOrder;
use crate::hub::model::{ItemNo, PoolName, TagNo};
use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::unix::AsyncFd;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, sleep_until};

/// What comes together so soon is heard together: a file that is replaced is told of three times.
const TOGETHER: Duration = Duration::from_millis(10);

/// What the room wants.
#[derive(Debug)]
pub(super) enum Command {
    Read(ReadOrder),
    StopReading(TagNo),
    LookAt(ItemNo, Arc<str>),
    PoolsChanged,
}

struct Driver<H> {
    house: H,
    settings: Settings,
    watches: Arc<Watches>,
    hanging: Hanging,
    readings: Readings<H>,
    pools: HashMap<PoolName, Arc<Wanted>>,
    tasks: JoinSet<PoolName>,
    /// When the kernel's news are heard; none: there are none.
    hear_at: Option<Instant>,
}

/// Looks and reads until the last command is heard.
pub(super) async fn drive<H: House>(
    house: H,
    mut commands: UnboundedReceiver<Command>,
    settings: Settings,
    going_on: Arc<GoingOn>,
) {
    let (watches, hanging) = (Arc::new(Watches::new()), Hanging::default());
    let ears = watches.ears();
    let readings = Readings::new(house.clone(), settings, hanging.clone()).seen_through(going_on);
    let (pools, tasks) = (HashMap::new(), JoinSet::new());
    let mut driver = Driver { house, settings, watches, hanging, readings, pools, tasks, hear_at: None };
    driver.compare_pools();
    loop {
        tokio::select! {
            command = commands.recv() => match command {
                Some(command) => driver.obey(command),
                None => return,
            },
            () = news(ears.as_ref()), if driver.hear_at.is_none() => driver.hear_at = Some(Instant::now() + TOGETHER),
            () = at(driver.hear_at), if driver.hear_at.is_some() => driver.hear(),
            Some(ended) = driver.tasks.join_next() => driver.ended(ended),
        }
    }
}

/// Returns when the kernel has news; all of them have to be heard then.
async fn news(ears: Option<&AsyncFd<OwnedFd>>) {
    if let Some(ears) = ears
        && let Ok(mut ready) = ears.readable().await
    {
        return ready.clear_ready();
    }
    std::future::pending().await
}

async fn at(moment: Option<Instant>) {
    if let Some(moment) = moment {
        sleep_until(moment).await;
    }
}

impl<H: House> Driver<H> {
    fn obey(&mut self, command: Command) {
        match command {
            Command::Read(order) => self.readings.begin(order),
            Command::StopReading(tag) => self.readings.stop(tag),
            Command::PoolsChanged => self.compare_pools(),
            Command::LookAt(item, file) => {
                let Some(pool) = self.house.pool_of(item) else { return self.compare_pools() };
                if !self.pools.contains_key(&pool) {
                    self.compare_pools();
                }
                if let Some(wanted) = self.pools.get(&pool) {
                    wanted.want(item, Names::one(file));
                }
            }
        }
    }

    /// A task for every pool; the tasks of those that are gone end by themselves.
    fn compare_pools(&mut self) {
        for pool in self.house.pools() {
            if !self.pools.contains_key(&pool) {
                let (watches, hanging) = (Arc::clone(&self.watches), self.hanging.clone());
                let passes = Passes::new(self.house.clone(), pool.clone(), self.settings.stat_every, watches, hanging);
                self.pools.insert(pool, passes.wanted());
                self.tasks.spawn(passes.run());
            }
        }
        self.pools.values().for_each(|wanted| wanted.ring());
    }

    /// Its pool may be there again.
    fn ended(&mut self, ended: Result<PoolName, JoinError>) {
        match ended {
            Ok(pool) => drop(self.pools.remove(&pool)),
            Err(broken) => {
                tracing::error!(why = %broken, "the looks at a data pool broke down; this is a defect");
                return;
            }
        }
        self.compare_pools();
    }

    fn hear(&mut self) {
        let heard = self.watches.hear();
        self.hear_at = heard.more.then(|| Instant::now() + TOGETHER);
        if heard.lost {
            self.pools.values().for_each(|wanted| wanted.want_all());
        }
        for ((pool, item), names) in heard.items {
            if let Some(wanted) = self.pools.get(&pool) {
                wanted.want(item, names);
            }
        }
    }
}
