//! What may be done to pools.

use super::{counted, may, taken, unknown};
use crate::hub::machine::{By, Change, NewPool, Refusal, Room, Verdict};
use crate::hub::model::{Pool, PoolName};
use std::sync::Arc;

impl Room {
    pub(in crate::hub::machine) fn make_pool(&mut self, by: By, new: NewPool) -> Verdict {
        if self.catalogue.pool(&new.name).is_some() {
            return Verdict::Refused(taken("datapool", new.name));
        }
        // There are few pools, and this is rare.
        let overlaps = |pool: &Arc<Pool>| new.dir.starts_with(&*pool.dir) || pool.dir.starts_with(&new.dir);
        if self.catalogue.pools().any(|pool| pool.owner != by.account && overlaps(pool)) {
            return Verdict::Refused(Refusal::Overlaps);
        }
        let pool = Pool { name: new.name, dir: Arc::new(new.dir), owner: by.account, made: self.now.wall };
        let pool = self.catalogue.insert_pool(pool);
        self.plan.changes.push(Change::Pool(pool.clone()));
        self.line(pool.owner, format!("made data pool {} at {}", pool.name, pool.dir.display()));
        Verdict::Pool(pool)
    }

    pub(in crate::hub::machine) fn forget_pool(&mut self, by: By, name: &PoolName) -> Verdict {
        let pool = match self.admits_into(by, name) {
            Ok(pool) => pool,
            Err(refusal) => return Verdict::Refused(refusal),
        };
        let items = self.catalogue.item_count_of_pool(name);
        if items > 0 {
            let holds = counted(items, "item");
            return Verdict::Refused(Refusal::NotEmpty { what: "datapool", name: name.to_string(), holds });
        }
        self.catalogue.remove_pool(name);
        self.health.forget_pool(name);
        self.plan.changes.push(Change::PoolGone(name.clone()));
        self.log_deed(by, pool.owner, format!("forgot data pool {name}; its files stay"));
        Verdict::Done
    }

    /// Whether somebody may have something pulled into this pool, or make an item there.
    ///
    /// # Errors
    /// There is none of that name, or it is somebody else's, which is not told apart.
    pub fn admits_into(&self, by: By, name: &PoolName) -> Result<Arc<Pool>, Refusal> {
        let pool = self.catalogue.pool(name).filter(|pool| may(by, pool.owner));
        pool.cloned().ok_or_else(|| unknown("datapool", name))
    }
}
