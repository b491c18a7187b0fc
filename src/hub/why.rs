//! The chain of causes behind a tag (`data/REP/ITEM:TAG`) and behind an account's being online (`hub/NAME`).

use super::engine::Handle;
use crate::auth::Caller;
use crate::base::Why;

impl Handle {
    /// Why something is as it is; none: nothing here is called so, or it is none of the caller's business.
    pub async fn why(&self, _caller: &Caller, _name: &str) -> Option<Why> {
        unimplemented!()
    }
}
