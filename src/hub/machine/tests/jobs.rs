//! Jobs: pulls in line, publications that follow a reading, what a restart does to them, and how long they are remembered.

use super::play::*;
use crate::hub::machine::*;
use crate::hub::model::*;
use std::sync::Arc;

fn source(publish: Option<Access>) -> PullSource {
    PullSource {
        from: entry("http://192.0.2.7:35800"),
        username: None,
        secret: false,
        pool: pool("main"),
        dir: "rain".into(),
        file: "t1.bin".into(),
        publish,
    }
}

fn new_pull(name: &str, source: PullSource) -> NewPull {
    NewPull { rep: rep("weather"), item: item("rain"), tag: tag(name), source }
}

fn started() -> Play {
    let mut play = Play::new(rules());
    play.join(ALICE);
    play.join(BOB);
    play.make_pool(ALICE, "main");
    play.take_effects();
    play
}

fn pull_from(play: &mut Play, name: &str, source: PullSource) -> JobId {
    match play.ask(Ask::Pull(by(ALICE), new_pull(name, source))) {
        Verdict::Job(job) => job.id,
        other => panic!("{other:?}"),
    }
}

fn pull(play: &mut Play, name: &str) -> JobId {
    pull_from(play, name, source(None))
}

fn state(play: &Play, id: JobId) -> JobState {
    play.room.job(id).expect("a job").state.clone()
}

/// Which pulls have begun since this was asked last, and which were ended.
fn begun_and_ended(play: &mut Play) -> (Vec<JobId>, Vec<JobId>) {
    let (mut begun, mut ended) = (Vec::new(), Vec::new());
    for effect in play.take_effects() {
        match effect {
            Effect::Pull(job) => begun.push(job.id),
            Effect::StopPulling(id) => ended.push(id),
            _ => {}
        }
    }
    (begun, ended)
}

fn unknown(id: JobId) -> Verdict {
    Verdict::Refused(Refusal::Unknown { what: "job", name: id.to_string() })
}

#[test]
fn some_pulls_go_on_and_others_wait_in_line() {
    let mut play = started();
    let ids: Vec<JobId> = ["a", "b", "c", "d"].map(|name| pull(&mut play, name)).into();
    assert_eq!(begun_and_ended(&mut play), (vec![ids[0], ids[1]], vec![]));
    assert_eq!(state(&play, ids[2]), JobState::Queued);
    play.tell(Event::JobMoved(ids[2], JobState::Verifying));
    assert_eq!(state(&play, ids[2]), JobState::Queued, "it has not begun");
    play.tell(Event::JobSized(ids[1], 77));
    play.tell(Event::JobMoved(ids[1], JobState::Verifying));
    play.tell(Event::JobMoved(ids[1], JobState::Downloaded));
    let job = play.room.job(ids[1]).unwrap();
    assert_eq!((job.size, job.over.is_some()), (Some(77), true));
    assert_eq!(begun_and_ended(&mut play), (vec![ids[2]], vec![]));
    play.tell(Event::JobMoved(ids[0], JobState::Failed("the source is gone".into())));
    play.tell(Event::JobMoved(ids[0], JobState::Downloading));
    assert_eq!(state(&play, ids[0]), JobState::Failed("the source is gone".into()), "what is over stays so");
    assert_eq!(begun_and_ended(&mut play), (vec![ids[3]], vec![]));
    assert!(play.room.jobs().map(|job| job.id).eq(ids.iter().rev().copied()), "newest first");
    let log = play.log(ALICE).join("\n");
    assert!(log.contains("pull of weather/rain:a from http://192.0.2.7:35800 (job 00000001) begins"), "{log}");
    assert!(log.contains("pull of weather/rain:b from http://192.0.2.7:35800 (job 00000002) is done: downloaded"));
    assert!(log.contains("(job 00000001) failed: the source is gone"), "{log}");
}

#[test]
fn a_pull_needs_a_pool_of_ones_own() {
    let mut play = started();
    let refused = play.ask(Ask::Pull(by(BOB), new_pull("t1", source(None))));
    assert!(matches!(refused, Verdict::Refused(_)), "{refused:?}");
    let other = PullSource { pool: pool("other"), ..source(None) };
    let refused = play.ask(Ask::Pull(by(ALICE), new_pull("t1", other)));
    assert!(matches!(refused, Verdict::Refused(_)), "{refused:?}");
    assert_eq!(play.room.jobs().count(), 0);
}

#[test]
fn jobs_are_forgotten_by_their_owners_and_by_administrators() {
    let mut play = started();
    let ids: Vec<JobId> = ["a", "b", "c", "d"].map(|name| pull(&mut play, name)).into();
    assert_eq!(play.ask(Ask::ForgetJob(by(ALICE), Some(JobId(99)))), unknown(JobId(99)));
    assert_eq!(play.ask(Ask::ForgetJob(by(BOB), Some(ids[0]))), unknown(ids[0]), "nobody else learns of it");
    begun_and_ended(&mut play);
    assert_eq!(play.ask(Ask::ForgetJob(ADMIN, Some(ids[2]))), Verdict::Gone(1));
    assert_eq!(begun_and_ended(&mut play), (vec![], vec![ids[2]]), "its secret may be kept, although it has not begun");
    assert_eq!(play.ask(Ask::ForgetJob(by(ALICE), Some(ids[0]))), Verdict::Gone(1));
    assert_eq!(begun_and_ended(&mut play), (vec![ids[3]], vec![ids[0]]));
    play.tell(Event::JobMoved(ids[0], JobState::Downloaded));
    assert!(play.room.job(ids[0]).is_none());
    assert_eq!(play.ask(Ask::ForgetJob(by(BOB), None)), Verdict::Gone(0));
    assert_eq!(play.ask(Ask::ForgetJob(by(ALICE), None)), Verdict::Gone(2));
    assert_eq!(begun_and_ended(&mut play), (vec![], vec![ids[1], ids[3]]));
    assert!(play.shelf.jobs.is_empty());
    let mut play = play.restart();
    assert!(pull(&mut play, "e") > ids[3] || !play.shelf.jobs.contains_key(&ids[3]), "numbers grow");
    assert_eq!(play.room.jobs().next().unwrap().id, JobId(5));
}

#[test]
fn pulls_go_on_after_a_restart_save_for_those_with_secrets() {
    let mut play = started();
    let plain = pull(&mut play, "a");
    let secret = pull_from(&mut play, "b", PullSource { secret: true, ..source(None) });
    let (waits, last) = (pull(&mut play, "c"), pull(&mut play, "d"));
    let mut play = play.restart();
    assert_eq!(begun_and_ended(&mut play), (vec![plain, waits], vec![]));
    let JobState::Failed(why) = state(&play, secret) else { panic!("it goes on without its secret") };
    assert!(why.contains("restart") && why.contains("secret"), "{why}");
    assert!(play.room.job(secret).unwrap().over.is_some());
    assert_eq!(state(&play, last), JobState::Queued);
    assert!(play.log(ALICE).iter().any(|line| line.contains("(job 00000002) failed: interrupted")));
}

#[test]
fn what_was_pulled_is_published_where_that_was_asked_for() {
    let mut play = started();
    let id = pull_from(&mut play, "t1", source(Some(Access::Private)));
    let new = NewTag { detail: "other".into(), ..new_tag("other", 10) };
    play.tell(Event::Pulled(id, Box::new(new), Look::There(stamp(7, 10))));
    assert_eq!(state(&play, id), JobState::Published);
    let item = play.room.item(&rep("weather"), &item("rain")).expect("made with it").clone();
    assert_eq!((item.access, &item.pool, &*item.dir), (Access::Private, &pool("main"), "rain"));
    let made = play.room.tag(item.no, &tag("t1")).expect("under the name that was asked for");
    assert_eq!((&*made.detail, made.digests), ("t1.bin", Some(digests(10))));
    let elsewhere = PullSource { dir: "snow".into(), ..source(Some(Access::Public)) };
    let refused = play.ask(Ask::Pull(by(ALICE), new_pull("t2", elsewhere)));
    assert!(matches!(refused, Verdict::Refused(Refusal::Taken { what: "item", .. })), "{refused:?}");
}

#[test]
fn a_tag_that_is_pulled_anew_is_replaced_and_keeps_what_was_said_of_it() {
    let mut play = started();
    let file = NewTag { replace: true, ..new_tag("t1", 10) };
    let id = pull_from(&mut play, "t1", source(Some(Access::Private)));
    play.tell(Event::Pulled(id, Box::new(file.clone()), Look::There(stamp(7, 10))));
    let up = requires(&[Requirement::Proc("db".into())], ALICE);
    let ask = Ask::RequireOfTag(by(ALICE), rep("weather"), item("rain"), tag("t1"), up.clone());
    assert_eq!(play.ask(ask), Verdict::Done);
    let foreign = play.ask(Ask::Pull(by(BOB), new_pull("t1", source(Some(Access::Public)))));
    assert!(matches!(foreign, Verdict::Refused(_)), "{foreign:?}");
    let again = pull_from(&mut play, "t1", source(Some(Access::Public)));
    let read = Some((stamp(8, 20), digests(20)));
    play.tell(Event::Pulled(again, Box::new(NewTag { read, size: 20, ..file }), Look::There(stamp(8, 20))));
    assert_eq!(state(&play, again), JobState::Published);
    let item = play.room.item(&rep("weather"), &item("rain")).unwrap().clone();
    assert_eq!((item.access, play.room.tag_count(item.no)), (Access::Private, 1), "the item stays as it is");
    let there = play.room.tag(item.no, &tag("t1")).unwrap();
    assert_eq!((there.digests, &there.requires), (Some(digests(20)), &up));
    assert_eq!(play.room.requirements().len(), 1);
    assert_eq!(play.shelf.tags.len(), 1);
}

#[test]
fn a_pull_that_cannot_be_published_fails_and_says_why() {
    let mut play = started();
    let id = pull_from(&mut play, "t1", source(Some(Access::Public)));
    let made = play.ask(Ask::MakeRepository(by(BOB), rep("weather"), "".into()));
    assert!(matches!(made, Verdict::Repository(_)), "{made:?}");
    play.tell(Event::Pulled(id, Box::new(new_tag("t1", 10)), Look::There(stamp(7, 10))));
    let JobState::Failed(why) = state(&play, id) else { panic!("it is another's repository") };
    assert!(why.starts_with("the file is in place, but was not published"), "{why}");
    assert!(play.shelf.tags.is_empty() && play.shelf.items.is_empty());
    let reserved = NewPull { rep: rep("tags"), ..new_pull("t1", source(Some(Access::Public))) };
    let refused = play.ask(Ask::Pull(by(ALICE), reserved));
    assert!(matches!(refused, Verdict::Refused(Refusal::Name(_))), "{refused:?}");
}

#[test]
fn pulls_end_with_their_account() {
    let mut play = started();
    let ids: Vec<JobId> = ["a", "b", "c"].map(|name| pull(&mut play, name)).into();
    begun_and_ended(&mut play);
    play.tell(Event::Removed(ALICE));
    assert_eq!(begun_and_ended(&mut play), (vec![], ids.clone()));
    for id in ids {
        assert_eq!(state(&play, id), JobState::Failed("the account is removed".into()));
    }
}

/// Tells that the file of a pull is in place, and how it then is.
fn place(play: &mut Play, id: JobId, ino: u64) -> (Arc<Job>, Stamp) {
    let job = play.room.job(id).expect("a job").clone();
    play.tell(Event::Placed(job.clone(), stamp(ino, 10)));
    (job, stamp(ino, 10))
}

/// The files that were to be removed since this was asked last.
fn removed(play: &mut Play) -> Vec<(JobId, Stamp)> {
    let removed = |effect| match effect {
        Effect::Unplace(job, stamp) => Some((job.id, stamp)),
        _ => None,
    };
    play.take_effects().into_iter().filter_map(removed).collect()
}

fn forget(play: &mut Play, id: JobId) {
    assert_eq!(play.ask(Ask::ForgetJob(by(ALICE), Some(id))), Verdict::Gone(1));
}

#[test]
fn a_pull_that_is_ended_leaves_no_file() {
    let mut play = started();
    let id = pull(&mut play, "a");
    play.tell(Event::JobMoved(id, JobState::Verifying));
    let (_, placed) = place(&mut play, id, 7);
    assert_eq!(removed(&mut play), []);
    forget(&mut play, id);
    assert_eq!(removed(&mut play), [(id, placed)], "it was being verified");
    // And also where it was on its way there.
    let id = pull_from(&mut play, "b", source(Some(Access::Public)));
    let job = play.room.job(id).unwrap().clone();
    forget(&mut play, id);
    assert_eq!(removed(&mut play), []);
    play.tell(Event::Placed(job, stamp(8, 10)));
    play.tell(Event::Pulled(id, Box::new(new_tag("b", 10)), Look::There(stamp(8, 10))));
    assert_eq!(removed(&mut play), [(id, stamp(8, 10))]);
    assert!(play.shelf.tags.is_empty(), "what comes after the end is not published");
    let id = pull(&mut play, "c");
    let (_, placed) = place(&mut play, id, 9);
    play.tell(Event::Removed(ALICE));
    assert_eq!(removed(&mut play), [(id, placed)]);
}

#[test]
fn a_pull_that_is_over_leaves_its_file() {
    let mut play = started();
    for (publish, over) in [(None, JobState::Downloaded), (Some(Access::Public), JobState::Published)] {
        let id = pull_from(&mut play, "a", source(publish));
        place(&mut play, id, 7);
        play.tell(Event::Pulled(id, Box::new(new_tag("a", 10)), Look::There(stamp(7, 10))));
        assert_eq!(state(&play, id), over);
        forget(&mut play, id);
    }
    // It was there before: nobody has put it there.
    let id = pull(&mut play, "b");
    play.tell(Event::JobMoved(id, JobState::Verifying));
    forget(&mut play, id);
    assert_eq!(removed(&mut play), []);
}

#[test]
fn the_file_of_an_ended_pull_stays_where_it_is_somebodys() {
    let mut play = started();
    // The same file, for two.
    let (one, two) = (pull(&mut play, "a"), pull(&mut play, "a"));
    let (job, placed) = place(&mut play, one, 7);
    assert!(!play.room.is_left(&job));
    forget(&mut play, one);
    assert_eq!(removed(&mut play), [], "the other may have found it there");
    forget(&mut play, two);
    let elsewhere = PullSource { file: "t2.bin".into(), ..source(None) };
    let other = pull_from(&mut play, "b", elsewhere);
    let again = pull(&mut play, "a");
    let (job, _) = place(&mut play, again, 7);
    assert!(play.room.is_left(&job), "one of another file says nothing");
    forget(&mut play, other);
    // What is published stays, whoever has put it there; also where it is published under another name.
    let id = pull_from(&mut play, "t1", source(Some(Access::Public)));
    play.tell(Event::Pulled(id, Box::new(new_tag("t1", 10)), Look::There(placed)));
    assert_eq!(state(&play, id), JobState::Published);
    forget(&mut play, id);
    forget(&mut play, again);
    assert_eq!(removed(&mut play), []);
    let ask = Ask::ForgetTags(by(ALICE), rep("weather"), item("rain"), Which::All);
    assert_eq!(play.ask(ask), Verdict::Gone(1));
    play.tell(Event::Placed(job, placed));
    assert_eq!(removed(&mut play), [(again, placed)], "it came when it was nobody's");
}

/// A tag of `weather/rain` that has to be read, and the job that does it.
fn publication(play: &mut Play, name: &str) -> (TagNo, Arc<Job>) {
    let (no, job) = play.publish(ALICE, NewTag { read: None, ..new_tag(name, 1 << 30) });
    (no, job.expect("a job reads it"))
}

fn whole() -> Reading {
    Reading::Whole(stamp(7, 1 << 30), digests(1 << 30))
}

fn publishing() -> Play {
    let mut play = Play::new(rules());
    play.join(ALICE);
    play.make_item(ALICE, "main");
    play.take_effects();
    play
}

#[test]
fn a_publication_follows_the_reading_of_its_tag() {
    let mut play = publishing();
    let (no, job) = publication(&mut play, "big");
    assert_eq!((job.state.word(), job.kind.clone()), ("verifying", JobKind::Publish(no)));
    assert_eq!(job.size, Some(1 << 30), "it is known from the beginning");
    play.tell(Event::JobMoved(job.id, JobState::Failed("not for others to say".into())));
    assert_eq!(state(&play, job.id), JobState::Verifying);
    play.read(no, whole());
    assert_eq!(state(&play, job.id), JobState::Published);
    assert_eq!(play.ask(Ask::ForgetJob(by(ALICE), Some(job.id))), Verdict::Gone(1));
    assert!(play.room.tag_by_no(no).is_some(), "what is published stays");
}

#[test]
fn a_cancelled_publication_forgets_its_tag() {
    let mut play = publishing();
    let (no, job) = publication(&mut play, "big");
    assert_eq!(play.ask(Ask::ForgetJob(by(ALICE), Some(job.id))), Verdict::Gone(1));
    assert!(play.room.tag_by_no(no).is_none());
    assert!(play.shelf.tags.is_empty() && play.shelf.jobs.is_empty());
    assert!(
        play.log(ALICE).iter().any(|line| line.contains("publication of weather/rain:big (job 00000001) is cancelled"))
    );
}

#[test]
fn a_publication_fails_with_its_tag() {
    let mut play = publishing();
    let (_, job) = publication(&mut play, "big");
    assert_eq!(play.ask(Ask::ForgetTags(by(ALICE), rep("weather"), item("rain"), Which::All)), Verdict::Gone(1));
    assert!(matches!(state(&play, job.id), JobState::Failed(_)));
}

#[test]
fn publications_go_on_after_a_restart() {
    let mut play = publishing();
    let (no, job) = publication(&mut play, "big");
    let mut play = play.restart();
    assert_eq!(state(&play, job.id), JobState::Verifying);
    play.read(no, whole());
    assert_eq!(state(&play, job.id), JobState::Published);
    let (lost, job) = publication(&mut play, "lost");
    play.shelf.tags.remove(&lost);
    let play = play.restart();
    assert_eq!(state(&play, job.id), JobState::Failed("the tag is gone".into()));
}

#[test]
fn jobs_that_are_over_are_forgotten_by_count_and_by_age() {
    let few = Rules { keep_jobs: 2, keep_jobs_for: hours(24), ..rules() };
    let mut play = Play::new(few);
    play.join(ALICE);
    play.make_pool(ALICE, "main");
    let ids: Vec<JobId> = ["a", "b", "c"].map(|name| pull(&mut play, name)).into();
    let waits = pull(&mut play, "d");
    for id in &ids {
        play.tell(Event::JobMoved(*id, JobState::Downloaded));
        play.pass(hours(1));
    }
    assert!(play.room.job(ids[0]).is_none(), "two are remembered");
    assert!(play.room.job(ids[1]).is_some() && play.room.job(ids[2]).is_some());
    play.pass(hours(22) - secs(1));
    assert!(play.room.job(ids[1]).is_some());
    play.pass(secs(1));
    assert!(play.room.job(ids[1]).is_none(), "it was over a day ago");
    play.pass(hours(24));
    let left: Vec<JobId> = play.shelf.jobs.keys().copied().collect();
    assert_eq!(left, [waits], "what is not over stays");
}

#[test]
fn the_clock_may_be_set_back() {
    let few = Rules { keep_jobs_for: hours(1), ..rules() };
    let mut play = Play::new(few);
    play.join(ALICE);
    play.make_pool(ALICE, "main");
    play.serve(ALICE, false);
    let id = pull(&mut play, "a");
    play.tell(Event::JobMoved(id, JobState::Downloaded));
    play.now.wall -= hours(1_000);
    play.tell(Event::Tick);
    play.pass(hours(1) - secs(1));
    assert!(play.room.job(id).is_some());
    play.now.wall += hours(1_000);
    play.tell(Event::Tick);
    play.pass(secs(1));
    assert!(play.room.job(id).is_none());
    assert_eq!(play.room.deadline(), None);
}
