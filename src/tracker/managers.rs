//! Managers over HTTP: registering, signing in and out, and who may do what.

use super::answer::{Answer, bad, body, content, done, forbidden, later, long, settled, unauthorized};
use super::engine::{Handle, Registration};
use super::machine::Ask;
use super::model::{Manager, ManagerId, Role};
use super::wire::{self, asked};
use super::{numbers, people, projects};
use crate::auth::accounts::{AccountError, NewAccount, Rights, SignInError, Tracker};
use crate::base::Now;
use crate::http::{Cx, ErrorStatus, Failure, Reply};
use serde::Serialize;
use serde_json::json;
use std::future::pending;
use std::ops::RangeInclusive;
use std::time::Duration;

/// How long a name may be that is registered here, in bytes.
const NAME: RangeInclusive<usize> = 3..=16;
/// How long a password has to be that is registered here, in bytes.
const PASSWORD: usize = 8;

/// `POST /register`
pub(super) async fn register(handle: Handle, cx: Cx) -> Answer {
    let asked::Login { username, password } = body(&cx).await?;
    let accounts = &handle.tools.accounts;
    let open = match handle.settings.registration {
        Registration::Open => true,
        Registration::First => !accounts.has_tracker_admin(),
        Registration::Closed => false,
    };
    if !open {
        let message = "registration is closed; an operator can make accounts";
        return Err(Failure::public(ErrorStatus::FORBIDDEN, "registration_closed", message));
    }
    if !NAME.contains(&username.len()) || password.0.expose().len() < PASSWORD {
        return Err(bad("Invalid register request"));
    }
    let new = NewAccount {
        name: username,
        password: password.0,
        rights: Rights { tracker: Tracker::Manager, ..Rights::default() },
        admin_if_first: people::may_be_first(&handle, &cx),
    };
    let account = match accounts.register(new, cx.from, Now::read()).await {
        Ok(account) => account,
        Err(AccountError::TooMany(rest)) => return Ok(too_many(&AccountError::TooMany(rest), rest)),
        Err(why @ AccountError::Taken(_)) => {
            return Err(
                bad(r#"pq: duplicate key value violates unique constraint "manager_username_key""#).because(why)
            );
        }
        Err(why @ (AccountError::Name | AccountError::Password)) => {
            return Err(bad("Invalid register request").because(why));
        }
        Err(other) => return Err(stored(other)),
    };
    cx.acts_as(|| format!("account {}", account.name));
    signed_in(&handle, account.id, done()?).await
}

/// `POST /login`
pub(super) async fn login(handle: Handle, cx: Cx) -> Answer {
    let asked::Login { username, password } = body(&cx).await?;
    let signed = handle.tools.accounts.sign_in(&username, &password.0, cx.from, Now::read()).await;
    let account = match signed {
        Ok(account) => account,
        Err(SignInError::Wrong) => {
            let message = "Invalid username/password";
            return Err(Failure::public(ErrorStatus::FORBIDDEN, "forbidden", message));
        }
        Err(SignInError::Throttled(rest)) => return Ok(too_many(&SignInError::Throttled(rest), rest)),
        Err(SignInError::Failed(why)) => return Err(Failure::internal(why)),
    };
    cx.acts_as(|| format!("account {}", account.name));
    signed_in(&handle, account.id, content(json!({ "manager": people::shown(&account) }))?).await
}

/// 429, in the words of what keeps him waiting.
fn too_many(why: &impl ToString, rest: Duration) -> Reply {
    later(&why.to_string(), rest.as_secs_f64().max(0.001))
}

/// The answer, with the cookie of a session that is new in any case.
async fn signed_in(handle: &Handle, id: u32, reply: Reply) -> Answer {
    let opened = handle.tools.accounts.open_session(id, handle.settings.session, Now::read()).await;
    let (session, until) = opened.map_err(stored)?;
    people::with_cookie(reply, &handle.settings, &session, until)
}

/// What kept an account from being changed where the request is not to blame.
fn stored(why: AccountError) -> Failure {
    match why {
        AccountError::Commit(why) => Failure::unavailable(why.to_string()),
        other => Failure::internal(other),
    }
}

/// `GET|POST /logout`
pub(super) async fn logout(handle: Handle, cx: Cx) -> Answer {
    if let Some(session) = people::cookie(&cx.headers, &handle.settings.cookie) {
        drop(people::person(&handle, &cx)); // for the audit log: afterwards nobody knows
        let closed = handle.tools.accounts.close_session(session).await;
        closed.map_err(|why| Failure::unavailable(why.to_string()))?;
    }
    Ok(Reply::no_content())
}

/// `GET /account`
pub(super) async fn account(handle: Handle, cx: Cx) -> Answer {
    let reply = match people::person(&handle, &cx)?.shown() {
        Some(manager) => json!({ "ok": true, "content": { "logged_in": true, "manager": manager } }),
        None => json!({ "ok": false, "content": { "logged_in": false } }),
    };
    Ok(Reply::json(&reply))
}

/// `GET /manager/list`
pub(super) async fn list(handle: Handle, cx: Cx) -> Answer {
    if !people::person(&handle, &cx)?.is_manager() {
        return Err(unauthorized());
    }
    // There may be very many, where anybody may register.
    let accounts = handle.tools.accounts.clone();
    let written = tokio::task::spawn_blocking(move || {
        let managers = accounts.list().into_iter().filter(|account| account.rights.tracker != Tracker::None);
        content(Managers { managers: managers.map(|account| people::shown(&account)).collect::<Vec<_>>() })
    });
    written.await.map_err(Failure::internal)?
}

#[derive(Serialize)]
struct Managers<Line> {
    managers: Vec<Line>,
}

/// `GET /manager/list_for_project/{id}`
pub(super) async fn list_for_project(handle: Handle, cx: Cx) -> Answer {
    let project = numbers::project(&cx, "Invalid project id")?;
    let by = people::person(&handle, &cx)?;
    if !by.is_manager() {
        return Err(unauthorized());
    }
    projects::visible(&handle, by.manager, project).await?;
    let roles = handle.look(move |room| room.roles(project)).await?;
    let line = |(id, role): (ManagerId, Role)| {
        let account = handle.tools.accounts.get(id.0)?;
        (people::rights(&account) != Manager::Guest).then(|| wire::manager_role(people::shown(&account), role))
    };
    let managers: Vec<wire::ManagerRole> = roles.into_iter().filter_map(line).collect();
    long(managers.len(), Managers { managers }).await
}

/// `GET|POST /manager/promote/{id}`
pub(super) async fn promote(handle: Handle, cx: Cx) -> Answer {
    let (by, id) = somebody(&handle, &cx)?;
    if !by.manager.is_admin() || by.manager.id() == Some(id) {
        return Err(unauthorized());
    }
    set(&handle, id, |rights| rights.tracker = Tracker::Admin).await
}

/// `GET|POST /manager/demote/{id}`
pub(super) async fn demote(handle: Handle, cx: Cx) -> Answer {
    let (by, id) = somebody(&handle, &cx)?;
    if !by.is_manager() {
        return Err(unauthorized());
    }
    if !by.manager.is_admin() || by.manager.id() == Some(id) {
        return Err(forbidden());
    }
    let demoted = |rights: &mut Rights| {
        if rights.tracker == Tracker::Admin {
            rights.tracker = Tracker::Manager;
        }
    };
    set(&handle, id, demoted).await
}

/// Who asks, and about whom.
fn somebody(handle: &Handle, cx: &Cx) -> Result<(people::Person, ManagerId), Failure> {
    let id = numbers::positive(cx.param("id")).ok_or_else(|| bad("Invalid manager id"))?;
    Ok((people::person(handle, cx)?, ManagerId(id)))
}

/// 204, also where there is nobody to be changed.
async fn set(handle: &Handle, id: ManagerId, change: impl FnOnce(&mut Rights) + Send) -> Answer {
    // 0 is the operator, who is no account; here it is a number too large for any.
    if id.0 != 0 {
        match handle.tools.accounts.set_rights(id.0, change).await {
            Ok(_) | Err(AccountError::Unknown(_)) => {}
            Err(why) => return Err(stored(why)),
        }
    }
    Ok(Reply::no_content())
}

/// `POST /manager/set_role_for_project/{id}`
pub(super) async fn set_role(handle: Handle, cx: Cx) -> Answer {
    let project = numbers::project(&cx, "Invalid project id")?;
    let asked::SetRole { manager, role } = body(&cx).await?;
    let role = Role::new(role).map_err(|why| bad(why.to_string()))?;
    let by = people::person(&handle, &cx)?.manager;
    projects::required(&handle, by, project, Role::MANAGE_ACCESS).await?;
    let account = u32::try_from(manager).ok().and_then(|id| handle.tools.accounts.get(id));
    let account = account.filter(|account| people::rights(account) != Manager::Guest);
    let account = account.ok_or_else(|| bad("Invalid manager"))?;
    let ask = Ask::SetRole { by, project, manager: ManagerId(account.id), role };
    settled(handle.ask(ask, pending()).await?)
}
