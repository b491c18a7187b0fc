//! Who may do what: access for workers, roles for managers.

use super::play::*;
use crate::base::Secret;
use crate::tracker::machine::*;
use crate::tracker::model::*;

const USER: Manager = Manager::Known(ManagerId(2));

#[test]
fn access_is_asked_for_granted_and_taken() {
    let mut play = Play::new();
    let (project, worker) = (play.project(definition("p")), play.worker());
    let ask = Ask::RequestAccess { worker, project, assign: true, submit: false };
    assert_eq!(play.ask(ask.clone()), Verdict::Accepted);
    assert_eq!(play.changes, [Change { project, what: What::Access(worker) }]);
    assert_eq!(play.ask(ask), Verdict::Refused(Refusal::NoRequest));
    let elsewhere = Ask::RequestAccess { worker, project: ProjectId(99), assign: true, submit: false };
    assert_eq!(play.ask(elsewhere), Verdict::Refused(Refusal::NoRequest));
    play.crash();
    let accept = Ask::AcceptAccess { by: ADMIN, project, worker };
    assert_eq!(play.ask(accept.clone()), Verdict::Accepted);
    assert_eq!(play.ask(accept), Verdict::Accepted, "twice is as good as once");
    assert_eq!(play.room.access_list(project)[0].1, Access { assign: true, submit: false, pending: false });
    let reject = Ask::RejectAccess { by: ADMIN, project, worker };
    assert_eq!(play.ask(reject.clone()), Verdict::Accepted);
    assert_eq!(play.ask(reject), Verdict::Refused(Refusal::NoAccess));
    assert_eq!(play.ask(Ask::AcceptAccess { by: ADMIN, project, worker }), Verdict::Refused(Refusal::NoAccess));
    play.crash();
}

#[test]
fn who_loses_access_may_still_give_back_what_he_holds() {
    let mut play = Play::new();
    let (project, worker) = (play.project(definition("p")), play.worker());
    play.grant(project, worker, true, true);
    let ids = play.put(project, vec![task("a"), task("b")]);
    play.fetch(worker, project);
    play.ask(Ask::RejectAccess { by: ADMIN, project, worker });
    assert_eq!(play.fetch(worker, project), None);
    assert_eq!(play.submit(worker, project, vec![task("c")]), Verdict::Refused(Refusal::NoSubmit));
    assert!(play.release(worker, ids[0], Outcome::Done(0)));
}

#[test]
fn access_and_roles_need_the_right_to_manage_them() {
    let mut play = Play::new();
    let (project, worker) = (play.project(definition("p")), play.worker());
    play.ask(Ask::RequestAccess { worker, project, assign: true, submit: false });
    let asks = |by, project| {
        let role = Role::ALL;
        [
            Ask::AcceptAccess { by, project, worker },
            Ask::SetRole { by, project, manager: ManagerId(9), role },
            Ask::RejectAccess { by, project, worker },
        ]
    };
    for by in [Manager::Guest, USER] {
        for ask in asks(by, project).into_iter().chain(asks(by, ProjectId(99))) {
            assert_eq!(play.ask(ask), Verdict::Refused(Refusal::Unauthorized));
        }
    }
    play.ask(Ask::SetRole { by: ADMIN, project, manager: ManagerId(2), role: Role::MANAGE_ACCESS });
    for ask in asks(USER, project) {
        assert_eq!(play.ask(ask), Verdict::Accepted);
    }
    let [accept, role, reject] = asks(ADMIN, ProjectId(99));
    assert_eq!(play.ask(accept), Verdict::Refused(Refusal::NoAccess));
    assert_eq!(play.ask(role), Verdict::Refused(Refusal::NoProject));
    assert_eq!(play.ask(reject), Verdict::Refused(Refusal::NoAccess));
}

#[test]
fn roles_are_replaced_removed_and_forgotten() {
    let mut play = Play::new();
    let (p, q) = (play.project(definition("p")), play.project(definition("q")));
    let set = |project, manager, role| Ask::SetRole { by: ADMIN, project, manager: ManagerId(manager), role };
    for ask in [set(p, 5, Role::ALL), set(p, 5, Role::READ), set(q, 5, Role::EDIT), set(p, 6, Role::EDIT)] {
        play.ask(ask);
    }
    let roles = |play: &Play, project| {
        play.room.roles(project).into_iter().map(|(id, role)| (id.0, role.bits())).collect::<Vec<_>>()
    };
    assert_eq!(roles(&play, p), [(1, 31), (5, 1), (6, 2)]);
    play.ask(set(p, 6, Role::NONE));
    play.ask(Ask::ForgetManager(ManagerId(5)));
    play.crash();
    assert_eq!((roles(&play, p), roles(&play, q)), (vec![(1, 31)], vec![(1, 31)]));
    assert!(!play.room.may(Manager::Known(ManagerId(5)), p, Role::READ));
    assert!(play.room.may(ADMIN, ProjectId(99), Role::READ));
    assert!(!play.room.may(USER, ProjectId(99), Role::READ));
}

#[test]
fn secrets_need_their_own_right() {
    let mut play = Play::new();
    let project = play.project(definition("p"));
    let secrets = |play: &Play| {
        let project = play.room.project(project).unwrap();
        (project.secret.expose().to_owned(), project.webhook_secret.expose().to_owned())
    };
    assert_eq!(secrets(&play), ("{}".into(), "hook".into()));
    let set = |by, project| Ask::SetSecret { by, project, secret: Secret::new("s") };
    let hook = |by, project| Ask::SetWebhookSecret { by, project, secret: Secret::new("h") };
    play.ask(Ask::SetRole { by: ADMIN, project, manager: ManagerId(2), role: Role::new(23).unwrap() });
    for ask in [set(USER, project), hook(USER, project), set(USER, ProjectId(99)), set(Manager::Guest, project)] {
        assert_eq!(play.ask(ask), Verdict::Refused(Refusal::Unauthorized));
    }
    assert_eq!(play.ask(set(ADMIN, ProjectId(99))), Verdict::Refused(Refusal::NoProject));
    play.ask(Ask::SetRole { by: ADMIN, project, manager: ManagerId(2), role: Role::SECRET });
    assert_eq!(play.ask(set(USER, project)), Verdict::Accepted);
    assert_eq!(play.ask(hook(USER, project)), Verdict::Accepted);
    play.crash();
    assert_eq!(secrets(&play), ("s".into(), "h".into()));
}

#[test]
fn managers_submit_where_they_may_edit() {
    let mut play = Play::new();
    let project = play.project(Definition { submit: rate(1.0), ..definition("p") });
    let submit = |by, project| Ask::Submit { by: Submitter::Manager(by), project, tasks: vec![task("x")] };
    assert_eq!(play.ask(submit(Manager::Guest, project)), Verdict::Refused(Refusal::Unauthorized));
    assert_eq!(play.ask(submit(Manager::Guest, ProjectId(99))), Verdict::Refused(Refusal::Unauthorized));
    assert_eq!(play.ask(submit(USER, project)), Verdict::Refused(Refusal::Unauthorized));
    assert_eq!(play.ask(submit(USER, ProjectId(99))), Verdict::Refused(Refusal::NoProject));
    play.ask(Ask::SetRole { by: ADMIN, project, manager: ManagerId(2), role: Role::EDIT });
    for _ in 0..3 {
        assert!(matches!(play.ask(submit(USER, project)), Verdict::Submitted(answers) if answers[0].is_ok()));
    }
}

#[test]
fn workers_are_paused_by_admins_and_rename_themselves() {
    let mut play = Play::new();
    let worker = play.worker();
    let pause = |by, worker| Ask::PauseWorker { by, worker, paused: true };
    assert_eq!(play.ask(pause(USER, WorkerId(99))), Verdict::Refused(Refusal::Unauthorized));
    assert_eq!(play.ask(pause(ADMIN, WorkerId(99))), Verdict::Refused(Refusal::NoWorker));
    assert_eq!(play.ask(pause(ADMIN, worker)), Verdict::Accepted);
    assert_eq!(play.ask(Ask::RenameWorker { worker, alias: "new".into() }), Verdict::Accepted);
    let nobody = Ask::RenameWorker { worker: WorkerId(99), alias: "new".into() };
    assert_eq!(play.ask(nobody), Verdict::Refused(Refusal::NoWorker));
    play.crash();
    let worker = play.room.worker(worker).unwrap();
    assert_eq!((worker.alias.as_str(), worker.paused), ("new", true));
}

#[test]
fn access_is_listed_accepted_first_then_by_alias() {
    let mut play = Play::new();
    let project = play.project(definition("p"));
    let workers: Vec<_> = ["d", "a", "c", "b"]
        .map(|alias| {
            let worker = play.worker();
            play.ask(Ask::RenameWorker { worker, alias: alias.into() });
            play.ask(Ask::RequestAccess { worker, project, assign: true, submit: true });
            worker
        })
        .into();
    for worker in [workers[0], workers[3]] {
        play.ask(Ask::AcceptAccess { by: ADMIN, project, worker });
    }
    let list = play.room.access_list(project);
    let seen: Vec<_> = list.iter().map(|(worker, access)| (worker.alias.as_str(), access.pending)).collect();
    assert_eq!(seen, [("b", false), ("d", false), ("a", true), ("c", true)]);
}
