//! Who asks, and as whom a run runs.

use super::engine::Handle;
use super::machine::Asker;
use super::model::Owner;
use crate::auth::{Caller, Denied, users};
use crate::http::{ErrorStatus, Failure};

/// The caller as the machine knows him.
pub fn asker(handle: &Handle, caller: &Caller) -> Asker {
    let owner =
        Owner { uid: caller.runs_as(handle.settings.own_uid), name: caller.name(), operator: caller.is_operator() };
    Asker { owner, all: caller.may_touch_all() }
}

/// The uid that a run with this `user` runs as.
///
/// # Errors
/// 400 for a user that does not exist; 403 where only an operator may name him.
pub async fn runs_as(caller: &Caller, user: Option<&str>, daemon: u32) -> Result<u32, Failure> {
    let own = caller.runs_as(daemon);
    let Some(name) = user else { return Ok(own) };
    let account = users::by_name(name).await.map_err(|why| Failure::unavailable(why.to_string()))?;
    let Some(account) = account else {
        let message = format!("user: \"{}\" does not exist on this host", name.escape_debug());
        return Err(Failure::public(ErrorStatus::BAD_REQUEST, "bad_user", message));
    };
    if account.uid != own && !caller.is_operator() {
        return Err(Denied::forbidden("user: only an operator may have a run run as somebody else").into());
    }
    Ok(account.uid)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::tokens::Owner;
    use crate::auth::{Local, Scope, TokenHolder, Transport};

    fn local(uid: u32, operator: bool) -> Caller {
        Caller::local(Local { uid, gid: None, name: None, operator }, Transport::Unix)
    }

    #[tokio::test]
    async fn only_operators_name_somebody_else() {
        let (alice, root) = (local(4_000_000, false), local(0, true));
        assert_eq!(runs_as(&alice, None, 7).await.unwrap(), 4_000_000);
        assert_eq!(runs_as(&root, None, 7).await.unwrap(), 7);
        assert_eq!(runs_as(&root, Some("root"), 7).await.unwrap(), 0);
        assert_eq!(runs_as(&alice, Some("root"), 7).await.unwrap_err().status().as_u16(), 403);
        assert_eq!(runs_as(&root, Some("no such user"), 7).await.unwrap_err().status().as_u16(), 400);
        let token = TokenHolder {
            id: 1,
            name: "ci".into(),
            owner: Owner::User(5),
            reaches_all: false,
            scopes: vec![Scope::Admin],
        };
        assert_eq!(runs_as(&Caller::token(token, Transport::Tcp), None, 7).await.unwrap(), 5);
    }
}
