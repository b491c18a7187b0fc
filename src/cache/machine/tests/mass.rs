//! Stories of very many tasks: done in slices, each of which fits a batch of the store.

use super::play::*;
use crate::cache::machine::*;
use crate::cache::model::*;

fn full(count: u32) -> (Play, Vec<TaskNo>) {
    let mut play = Play::started(Rules { collect_every: hours(10_000), ..rules() });
    let tasks = (0..count).map(|number| play.cached(&format!("f{number}"), 1)).collect();
    play.effects.clear();
    (play, tasks)
}

#[test]
fn many_are_removed_in_slices() {
    let (mut play, tasks) = full(1_500);
    let plan = play.hear(Event::Asked(Ask::Remove(tasks)));
    let owed = plan.owed.expect("later");
    assert!((150..=256).contains(&plan.changes.len()) && plan.effects.len() <= 256);
    assert_eq!(play.room.deadline(), Some(play.now.mono), "the next slice is due at once");
    play.calm();
    assert!(
        matches!(&play.late[&owed], Verdict::Removed { removed, failed } if removed.len() == 1_500 && failed.is_empty())
    );
    assert_eq!((play.room.task_count(), play.room.bytes()), (0, 0));
    assert!(play.owed.is_empty());
}

#[test]
fn many_expire_in_slices() {
    let (mut play, tasks) = full(1_000);
    play.now = play.now.later(rules().ttl + secs(1));
    let verdict = play.ask_and_wait(Ask::Collect);
    assert_eq!(verdict, Verdict::Collected { tasks: tasks.len(), bytes: 1_000 });
}

#[test]
fn a_large_one_drives_out_many_small_ones() {
    let mut play = Play::started(with_quota(1_000));
    let small: Vec<_> = (0..1_000).map(|number| play.cached(&format!("f{number}"), 1)).collect();
    assert_eq!(play.room.bytes(), 1_000);
    let no = play.open(wanted("large"), 1).no;
    play.order(no);
    assert!(play.answer(no, source(700, "v")));
    assert!(small[..700].iter().all(|no| play.is_gone(*no)));
    assert!(play.room.bytes() <= 1_000);
}

#[test]
fn many_pins_of_one_owner_go_in_slices() {
    let (mut play, tasks) = full(700);
    let owner = PinOwner::Proc("p".into());
    for no in tasks {
        let _ = play.ask(Ask::Pin(no, owner.clone()));
    }
    play.tell(Event::Widowed(vec![owner]));
    play.calm();
    assert_eq!(play.room.pin_owners(), []);
}

#[test]
fn a_job_of_many_urls_comes_to_an_end() {
    let (mut play, _) = full(900);
    let names: Vec<_> = (0..900).map(|number| format!("f{number}")).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let job = play.preheat(&names);
    assert_eq!(play.shelf.job(job.0).state(), JobState::Success);
    assert!(!play.effects.iter().any(|effect| matches!(effect, Effect::Fetch(_))), "all is there");
}

#[test]
fn many_jobs_that_wait_for_one_fetch_all_hear_of_it() {
    let mut play = Play::started(rules());
    let jobs: Vec<_> = (0..600).map(|_| play.preheat(&["a"])).collect();
    let no = play.task_of("a");
    play.arrive(no, PIECE);
    assert!(jobs.iter().all(|job| play.shelf.job(job.0).state() == JobState::Success));
}

#[test]
fn many_old_jobs_are_forgotten_in_slices() {
    let mut play = Play::started(rules());
    for _ in 0..600 {
        play.submit(Args::GetTask(find_args(by_url("a"))));
    }
    play.calm();
    play.pass(rules().keep_jobs_for + hours(1));
    assert_eq!(play.room.heads().count(), 0);
    assert!(play.shelf.jobs.is_empty());
}
