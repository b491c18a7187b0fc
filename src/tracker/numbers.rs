//! Numbers in paths and queries. One that is too large for anything stored is no mistake: nothing has it.

use super::answer::bad;
use super::model::{ProjectId, TaskId, WorkerId};
use super::wire::asked;
use crate::http::{Cx, Failure};
use std::str::FromStr;

/// A positive number, as a project or worker may have one; 0 where none can have it.
pub(super) fn positive(text: &str) -> Option<u32> {
    text.parse::<i64>().ok().filter(|number| *number > 0).map(asked::number)
}

/// The project of the path's `{id}`.
///
/// # Errors
/// 400 with this sentence: it is no number.
pub(super) fn project(cx: &Cx, refusal: &'static str) -> Result<ProjectId, Failure> {
    positive(cx.param("id")).map(ProjectId).ok_or_else(|| bad(refusal))
}

/// The worker of the path's `{worker}`.
///
/// # Errors
/// 400: it is no number.
pub(super) fn worker(cx: &Cx) -> Result<WorkerId, Failure> {
    positive(cx.param("worker")).map(WorkerId).ok_or_else(|| bad("Invalid worker id"))
}

/// A task's number; 0, which nothing has, for what none can be.
pub(super) fn task(sent: i64) -> TaskId {
    TaskId(u64::try_from(sent).unwrap_or(0))
}

/// A number in the query, within bounds.
///
/// # Errors
/// 400 that names it.
pub(super) fn within<N: FromStr + PartialOrd + std::fmt::Display>(
    cx: &Cx,
    name: &str,
    (least, most): (N, N),
) -> Result<Option<N>, Failure> {
    let Some(text) = cx.query.get(name) else { return Ok(None) };
    match text.parse::<N>() {
        Ok(number) if least <= number && number <= most => Ok(Some(number)),
        _ => Err(bad(format!("{name}: expected a number from {least} to {most}, not \"{}\"", text.escape_debug()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nothing_can_have_is_zero() {
        assert_eq!(positive("7"), Some(7));
        assert_eq!(positive("+7"), Some(7));
        assert_eq!(positive("2147483647"), Some(2_147_483_647));
        assert_eq!(positive("2147483648"), Some(0));
        assert_eq!(positive("9223372036854775807"), Some(0));
        for none in ["0", "-1", "", "x", "7 ", "7.0", "9223372036854775808"] {
            assert_eq!(positive(none), None, "{none}");
        }
        assert_eq!(task(-4), TaskId(0));
        assert_eq!(task(4), TaskId(4));
    }
}
