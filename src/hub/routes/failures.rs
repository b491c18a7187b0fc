//! How the hub says no: the original's numbers, each with its status.

use crate::auth::accounts::{AccountError, SignInError};
use crate::http::{ErrorStatus, Failure};
use crate::hub::engine::{Failed, PublishError};
use crate::hub::machine::Refusal;
use crate::hub::model::{BadEntryPoint, BadName};
use crate::hub::wire::Fault;

/// 400/1007: a parameter is not what it should be.
pub(super) fn parameter(why: impl Into<String>) -> Failure {
    Failure::public(ErrorStatus::BAD_REQUEST, "bad_parameter", why).numbered(1007)
}

/// 400/1400: a parameter is missing.
pub(super) fn absent(why: impl Into<String>) -> Failure {
    Failure::public(ErrorStatus::BAD_REQUEST, "absent", why).numbered(1400)
}

/// 401/6101: nothing is shown.
pub(super) fn no_credentials() -> Failure {
    Failure::public(ErrorStatus::UNAUTHORIZED, "no_credentials", "this needs an Authorization header").numbered(6101)
}

/// 401/1005: what is shown does not count; which part of it is not told.
pub(super) fn rejected() -> Failure {
    Failure::public(ErrorStatus::UNAUTHORIZED, "rejected", "the credentials are rejected").numbered(1005)
}

/// 403/1006: it is known who asks, and he may not.
pub(super) fn forbidden(why: impl Into<String>) -> Failure {
    Failure::public(ErrorStatus::FORBIDDEN, "forbidden", why).numbered(1006)
}

/// 404/1009: what is asked for does not exist.
pub(super) fn missing(why: impl Into<String>) -> Failure {
    Failure::public(ErrorStatus::NOT_FOUND, "not_found", why).numbered(1009)
}

/// 409/1010: a file cannot be handled, or something is in the way.
pub(super) fn conflict(why: impl Into<String>) -> Failure {
    Failure::public(ErrorStatus::CONFLICT, "conflict", why).numbered(1010)
}

/// 500/1008: the store.
pub(super) fn storage(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Failure {
    Failure::public(ErrorStatus::INTERNAL, "storage", "it could not be read or written down")
        .numbered(1008)
        .because(cause)
}

/// 400/6001: no user is named.
pub(super) fn empty_user() -> Failure {
    Failure::public(ErrorStatus::BAD_REQUEST, "empty_user", "the user's name is missing").numbered(6001)
}

/// 400/6002: nobody is called so, or no daemon works for anybody under this id.
pub(super) fn unknown_user(why: impl Into<String>) -> Failure {
    Failure::public(ErrorStatus::BAD_REQUEST, "unknown_user", why).numbered(6002)
}

/// 400/6003: a user cannot be reached anywhere.
pub(super) fn no_entrypoint() -> Failure {
    Failure::public(ErrorStatus::BAD_REQUEST, "no_entrypoint", "the user has no entrypoint").numbered(6003)
}

/// 400/6201: a heartbeat says of nobody.
pub(super) fn empty_daemonid() -> Failure {
    Failure::public(ErrorStatus::BAD_REQUEST, "empty_daemonid", "daemonid: it is missing").numbered(6201)
}

/// 400/6202: none of a heartbeat's entry points answers.
pub(super) fn unreachable() -> Failure {
    Failure::public(ErrorStatus::BAD_REQUEST, "unreachable", "the entrypoint is not reachable").numbered(6202)
}

/// 409/8002: a user is called so.
pub(super) fn user_exists(name: &str) -> Failure {
    let message = format!("there is a user \"{}\" already", name.escape_debug());
    Failure::public(ErrorStatus::CONFLICT, "user_exists", message).numbered(8002)
}

/// 400/4001: a pool cannot be like this.
pub(super) fn bad_pool(why: impl Into<String>) -> Failure {
    Failure::public(ErrorStatus::BAD_REQUEST, "bad_pool", why).numbered(4001)
}

/// 409/4001: a pool of this name is there, or is in use.
pub(super) fn pool_in_use(why: impl Into<String>) -> Failure {
    Failure::public(ErrorStatus::CONFLICT, "pool_in_use", why).numbered(4001)
}

/// 404/4002: there is no such record.
pub(super) fn no_record(why: impl Into<String>) -> Failure {
    Failure::public(ErrorStatus::NOT_FOUND, "no_record", why).numbered(4002)
}

/// 400/4008: there is no such file.
pub(super) fn no_file(why: impl Into<String>) -> Failure {
    Failure::public(ErrorStatus::BAD_REQUEST, "no_file", why).numbered(4008)
}

/// 409/4009: a repository, an item or a tag is called so.
pub(super) fn exists(why: impl Into<String>) -> Failure {
    Failure::public(ErrorStatus::CONFLICT, "exists", why).numbered(4009)
}

/// 404/4010: there is no such pool.
pub(super) fn no_pool(why: impl Into<String>) -> Failure {
    Failure::public(ErrorStatus::NOT_FOUND, "no_pool", why).numbered(4010)
}

/// 404/4404: there is no such job.
pub(super) fn no_job(why: impl Into<String>) -> Failure {
    Failure::public(ErrorStatus::NOT_FOUND, "no_job", why).numbered(4404)
}

impl From<Fault> for Failure {
    fn from(why: Fault) -> Failure {
        let text = why.to_string();
        match why {
            Fault::Wrong(_) => parameter(text),
            Fault::Absent(_) => absent(text),
            Fault::NoFile(_) => no_file(text),
        }
    }
}

impl From<BadName> for Failure {
    fn from(why: BadName) -> Failure {
        // Only pools are called by a field of this name.
        if why.field == "name" { bad_pool(why.to_string()) } else { parameter(why.to_string()) }
    }
}

impl From<BadEntryPoint> for Failure {
    fn from(why: BadEntryPoint) -> Failure {
        parameter(why.to_string())
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Failure {
        let why = refusal.to_string();
        match refusal {
            Refusal::Foreign(_) => forbidden(why),
            Refusal::Name(bad) => bad.into(),
            Refusal::Unknown { what: "datapool", .. } => no_pool(why),
            Refusal::Unknown { what: "job", .. } => no_job(why),
            Refusal::Unknown { what: "user", .. } => unknown_user(why),
            Refusal::Unknown { .. } => missing(why),
            Refusal::Taken { what: "datapool", .. } | Refusal::NotEmpty { what: "datapool", .. } => pool_in_use(why),
            Refusal::Taken { what: "user", name } => user_exists(&name),
            Refusal::Taken { .. } => exists(why),
            Refusal::Overlaps => bad_pool(why),
            Refusal::NotEmpty { .. } => conflict(why),
            Refusal::TooMany { .. } => parameter(why),
        }
    }
}

impl From<Failed> for Failure {
    fn from(why: Failed) -> Failure {
        match why {
            Failed::Gone => Failure::unavailable(why.to_string()),
            Failed::NoAccount => unknown_user(why.to_string()),
            Failed::Read(_) | Failed::Write(_) => storage(why),
        }
    }
}

impl From<PublishError> for Failure {
    fn from(why: PublishError) -> Failure {
        let text = why.to_string();
        match why {
            PublishError::Refused(refusal) => refusal.into(),
            PublishError::NoFile(_) => no_file(text),
            PublishError::Unreadable(_) => conflict(text),
            PublishError::Directory(_) => bad_pool(text),
            PublishError::Failed(failed) => failed.into(),
        }
    }
}

/// A password that does not open anything.
pub(super) fn not_signed_in(why: SignInError) -> Failure {
    match why {
        SignInError::Wrong => rejected(),
        SignInError::Throttled(rest) => Failure::public(ErrorStatus::TOO_MANY_REQUESTS, "too_many", why.to_string())
            .numbered(1006)
            .retry_after(rest),
        SignInError::Failed(_) => Failure::internal(why),
    }
}

/// An account that is not made or changed.
pub(super) fn not_made(why: AccountError) -> Failure {
    match why {
        AccountError::Taken(name) => user_exists(&name),
        AccountError::Unknown(_) => unknown_user(why.to_string()),
        AccountError::Name | AccountError::Password => parameter(why.to_string()),
        AccountError::Commit(_) => storage(why),
        AccountError::NumberTaken(_) | AccountError::TooMany(_) | AccountError::NoRandomness(_) => {
            Failure::internal(why)
        }
    }
}
