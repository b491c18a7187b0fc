//! The table of rights.

use crate::auth::tokens::Owner;
use crate::auth::{Caller, Local, Scope, TokenHolder, Transport};

/// Who holds what; the rows of the table of callers.
#[test]
fn the_table_of_rights() {
    use Scope::*;
    let local = |uid, operator| Caller::local(Local { uid, gid: None, name: None, operator }, Transport::Tcp);
    let token = |owner, scopes: &[Scope]| {
        let holder = TokenHolder {
            id: 1,
            name: "ci".to_owned(),
            owner: Owner::User(owner),
            reaches_all: owner == 0,
            scopes: scopes.to_vec(),
        };
        Caller::token(holder, Transport::Tcp)
    };
    let rows: [(Caller, &[Scope], bool, [bool; 2]); 8] = [
        // who, what he holds, operator, may touch [uid 1000's, uid 1001's]
        (local(0, true), &Scope::ALL, true, [true, true]),
        (local(1000, false), &[ProcRead, ProcWrite, DagRead, DagWrite], false, [true, false]),
        (token(1000, &[]), &[], false, [true, false]),
        (token(1000, &[ProcWrite]), &[ProcWrite], false, [true, false]),
        (token(0, &[ProcRead]), &[ProcRead], false, [true, true]),
        (token(1001, &[Job, Hub]), &[Job, JobRead, Hub], false, [false, true]),
        (token(1001, &[Admin]), &Scope::ALL, true, [true, true]),
        (Caller::anonymous("a test", Transport::Tcp), &[], false, [false, false]),
    ];
    for (caller, held, operator, touches) in rows {
        for scope in Scope::ALL {
            assert_eq!(caller.holds(scope), held.contains(&scope), "{caller:?} and {scope}");
            assert_eq!(caller.require(scope).is_ok(), held.contains(&scope), "{caller:?} and {scope}");
        }
        assert_eq!(caller.require_operator().is_ok(), operator, "{caller:?}");
        assert_eq!([caller.may_touch(1000), caller.may_touch(1001)], touches, "{caller:?}");
    }
}

#[test]
fn a_403_says_what_is_needed_and_what_is_held() {
    let holder = TokenHolder {
        id: 1,
        name: "ci".to_owned(),
        owner: Owner::User(1000),
        reaches_all: false,
        scopes: vec![Scope::ProcRead, Scope::DagRead],
    };
    let denied = Caller::token(holder, Transport::Tcp).require(Scope::ProcWrite).unwrap_err();
    assert_eq!(denied.status, 403);
    assert_eq!(denied.message, "this needs the scope proc:write, and token ci holds only: proc:read, dag:read");
    let local = Local { uid: 1000, gid: None, name: Some("alice".to_owned()), operator: false };
    let denied = Caller::local(local, Transport::Unix).require_operator().unwrap_err();
    assert_eq!(denied.status, 403);
    assert!(denied.message.ends_with("uid 1000 (alice) is none"), "{denied}");
}

#[test]
fn scopes_are_words() {
    for scope in Scope::ALL {
        assert_eq!(scope.text().parse(), Ok(scope));
        assert_eq!(serde_json::to_string(&scope).unwrap(), format!("{:?}", scope.text()));
    }
    let unknown = "proc".parse::<Scope>().unwrap_err().to_string();
    assert!(unknown.starts_with("\"proc\" is not a scope: expected one of proc:read, proc:write"), "{unknown}");
    assert!(serde_json::from_str::<Scope>("\"root\"").is_err());
}
