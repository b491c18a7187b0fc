//! Projects: who makes and changes them, names, repositories and chains.

use super::play::*;
use crate::base::Secret;
use crate::tracker::machine::*;
use crate::tracker::model::*;

const USER: Manager = Manager::Known(ManagerId(2));

fn no(refusal: Refusal) -> Verdict {
    Verdict::Refused(refusal)
}

#[test]
fn who_may_make_which_project() {
    let mut play = Play::new();
    let theirs = play.project(definition("theirs"));
    let public = Definition { public: true, ..definition("p") };
    let chained = |to| Definition { chain: Some(to), ..definition("p") };
    assert_eq!(play.create(Manager::Guest, definition("theirs")), no(Refusal::NotPermitted), "before the name");
    assert_eq!(play.create(USER, public), no(Refusal::NotPermitted));
    assert_eq!(play.create(USER, chained(theirs)), no(Refusal::NotPermitted));
    assert_eq!(play.create(ADMIN, chained(ProjectId(99))), no(Refusal::NotPermitted));
    assert_eq!(play.create(USER, definition("theirs")), no(Refusal::NameTaken));
    play.ask(Ask::SetRole { by: ADMIN, project: theirs, manager: ManagerId(2), role: Role::EDIT });
    let Verdict::Project(id) = play.create(USER, chained(theirs)) else { panic!() };
    assert_eq!(play.changes, [Change { project: id, what: What::Project }]);
    assert_eq!(play.room.roles(id).into_iter().collect::<Vec<_>>(), [(ManagerId(2), Role::ALL)]);
    let Verdict::Project(id) = play.create(Manager::Admin(ManagerId(0)), definition("operator's")) else { panic!() };
    assert!(play.room.roles(id).is_empty(), "the operator is no account");
    play.crash();
}

#[test]
fn who_may_change_which_project() {
    let mut play = Play::new();
    let (p, q) = (play.project(definition("p")), play.project(definition("q")));
    assert_eq!(play.update(Manager::Guest, p, |_| ()), no(Refusal::Unauthorized));
    assert_eq!(play.update(USER, p, |_| ()), no(Refusal::Unauthorized));
    assert_eq!(play.update(USER, ProjectId(99), |_| ()), no(Refusal::Unauthorized));
    assert_eq!(play.update(ADMIN, ProjectId(99), |_| ()), no(Refusal::NoProject));
    play.ask(Ask::SetRole { by: ADMIN, project: p, manager: ManagerId(2), role: Role::EDIT });
    assert_eq!(play.update(USER, p, |it| it.chain = Some(q)), no(Refusal::NoChain));
    assert_eq!(play.update(USER, p, |it| it.chain = Some(ProjectId(99))), no(Refusal::NoChain));
    assert_eq!(play.update(ADMIN, p, |it| it.chain = Some(p)), no(Refusal::NoChain));
    assert_eq!(play.update(USER, p, |it| it.name = "q".into()), no(Refusal::NameTaken));
    assert_eq!(play.update(ADMIN, p, |it| it.chain = Some(ProjectId(99))), no(Refusal::ChainUnknown));
    assert_eq!(play.update(USER, p, |it| it.public = true), Verdict::Accepted, "making it public was for admins");
    assert_eq!(play.update(ADMIN, p, |it| it.chain = Some(q)), Verdict::Accepted);
    play.crash();
}

#[test]
fn names_are_free_again_when_they_change() {
    let mut play = Play::new();
    let p = play.project(definition("b"));
    play.project(definition("a"));
    play.update(ADMIN, p, |it| it.name = "c".into());
    play.project(definition("b"));
    let names: Vec<_> = play.room.projects().map(|project| project.definition.name.clone()).collect();
    assert_eq!(names, ["a", "b", "c"]);
    assert_eq!(play.update(ADMIN, p, |it| it.name = "c".into()), Verdict::Accepted, "its own name is no other's");
}

#[test]
fn repositories_are_found_in_any_case() {
    let mut play = Play::new();
    let with = |name: &str, repo: &str| Definition { git_repo: repo.into(), ..definition(name) };
    let (p, q) = (play.project(with("p", "Acme/Widgets")), play.project(with("q", "acme/widgets")));
    play.project(with("r", ""));
    assert_eq!(play.room.projects_of_repository("ACME/widgets"), [p, q]);
    assert_eq!(play.room.projects_of_repository(""), []);
    play.update(ADMIN, p, |it| it.git_repo = "other".into());
    assert_eq!(play.room.projects_of_repository("acme/widgets"), [q]);
    assert_eq!(play.room.projects_of_repository("Other"), [p]);
    play.crash();
    assert_eq!(play.room.projects_of_repository("acme/Widgets"), [q]);
    let projects = vec![q, ProjectId(99)];
    assert_eq!(play.ask(Ask::SetVersion { projects, version: "v2".into() }), Verdict::Accepted);
    assert_eq!(play.room.project(q).unwrap().definition.version, "v2");
    play.crash();
}

#[test]
fn the_version_is_that_of_the_next_task() {
    let mut play = Play::new();
    let (project, worker) = (play.open_project("p"), play.worker());
    play.put(project, vec![task("a")]);
    play.ask(Ask::SetVersion { projects: vec![project], version: "v2".into() });
    let verdict = play.fetch_from(worker, From::Project(project), 1, secs(0));
    assert!(matches!(verdict, Verdict::Handed(handed) if handed[0].project.version == "v2"));
}

#[test]
fn secrets_do_not_print_themselves() {
    let mut play = Play::new();
    play.create(ADMIN, definition("p"));
    let ask = Ask::SetSecret { by: ADMIN, project: ProjectId(1), secret: Secret::new("hunter2") };
    let plan = play.step(Event::Asked(ask));
    assert!(!format!("{plan:?}").contains("hunter2"));
}
