//! Answers in the manner of the original: bare or in an envelope, `{"code":0,"msg":"OK","data":…}`, whose `code` is always
//! there.

use crate::http::{Failure, Reply};
use crate::hub::machine::Verdict;
use serde::Serialize;

/// How the answers of one path look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// Under `/daemon`.
    Bare,
    /// Under `/api`, and everywhere else.
    Enveloped,
}

impl Shape {
    /// 200 with a value.
    pub(super) fn reply(self, value: &impl Serialize) -> Reply {
        match self {
            Shape::Bare => plain(value),
            Shape::Enveloped => data(value),
        }
    }
}

#[derive(Serialize)]
struct Envelope<'a, T> {
    code: u16,
    msg: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a T>,
}

/// 200 with a bare value.
pub(super) fn plain(value: &impl Serialize) -> Reply {
    Reply::json(value)
}

/// 200 with a value in an envelope.
pub(super) fn data(value: &impl Serialize) -> Reply {
    Reply::json(&Envelope { code: 0, msg: "OK", data: Some(value) })
}

/// 200 with a text that clients read, and the same as a value.
pub(super) fn said(text: &str, value: &impl Serialize) -> Reply {
    Reply::json(&Envelope { code: 0, msg: text, data: Some(value) })
}

/// 200 with a text for people.
pub(super) fn message(text: &str) -> Reply {
    Reply::json(&Envelope::<()> { code: 0, msg: text, data: None })
}

/// 200: it is done, and there is nothing to say.
pub(super) fn ok() -> Reply {
    message("OK")
}

/// A verdict that does not answer the question: a defect of ours.
pub(super) fn unexpected(verdict: &Verdict) -> Failure {
    Failure::internal(format!("not the verdict that was asked for: {verdict:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_always_there_and_data_only_where_there_is_some() {
        let text = |envelope: &Envelope<'_, [u8; 1]>| serde_json::to_string(envelope).unwrap();
        let whole = Envelope { code: 0, msg: "OK", data: Some(&[1]) };
        assert_eq!(text(&whole), r#"{"code":0,"msg":"OK","data":[1]}"#);
        assert_eq!(text(&Envelope { data: None, ..whole }), r#"{"code":0,"msg":"OK"}"#);
    }

    #[test]
    fn nothing_at_all_is_a_value_too() {
        let envelope = Envelope { code: 0, msg: "OK", data: Some(&()) };
        assert_eq!(serde_json::to_string(&envelope).unwrap(), r#"{"code":0,"msg":"OK","data":null}"#);
    }
}
