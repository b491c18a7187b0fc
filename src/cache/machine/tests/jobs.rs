//! Stories of jobs, by what they do, and of clusters.

use super::play::*;
use crate::cache::machine::*;
use crate::cache::model::*;

fn deleted(job: &Job) -> (usize, Vec<String>) {
    let JobResult::Deleted { removed, failed } = &job.part.result else { panic!("{job:?}") };
    (removed.len(), failed.iter().map(|(_, why)| why.clone()).collect())
}

fn found(job: &Job) -> &[Found] {
    let JobResult::Found(found) = &job.part.result else { panic!("{job:?}") };
    found
}

#[test]
fn a_job_is_made_pending_and_found_out_in_the_next_step() {
    let mut play = Play::started(rules());
    let Verdict::Job(job) = play.ask(Ask::Submit(new_job(Args::GetTask(find_args(by_url("a")))))) else { panic!() };
    assert_eq!((job.id, job.state(), job.clusters.as_slice()), (JobId(1), JobState::Pending, &[ClusterId::LOCAL][..]));
    assert_eq!(play.room.deadline(), Some(play.now.mono));
    let plan = play.hear(Event::Tick);
    assert_eq!(plan.jobs, [JobId(1)]);
    assert_eq!((play.shelf.job(1).state(), found(play.shelf.job(1)).len()), (JobState::Success, 0));
    assert!(play.room.unfinished(JobId(1)).is_none());
    assert_eq!(play.room.heads().next().unwrap().state, JobState::Success);
}

#[test]
fn a_task_is_found_while_it_is_fetched_and_after() {
    let mut play = Play::started(rules());
    let no = play.open(wanted("a"), 1).no;
    let id = play.submit(Args::GetTask(find_args(by_url("a"))));
    play.calm();
    assert!(!found(play.shelf.job(id.0))[0].finished);
    play.arrive(no, PIECE);
    for by in [by_url("a"), FindBy::Id(Some(wanted("a").ids.primary.clone()))] {
        let id = play.submit(Args::GetTask(find_args(by)));
        play.calm();
        let seen = &found(play.shelf.job(id.0))[0];
        assert!(seen.finished && seen.length == Some(PIECE) && seen.total_pieces == Some(1));
    }
    for by in [by_url("b"), FindBy::Id(None), FindBy::Content("a".into())] {
        let id = play.submit(Args::GetTask(find_args(by)));
        play.calm();
        assert!(found(play.shelf.job(id.0)).is_empty());
    }
}

#[test]
fn content_names_a_task() {
    let mut play = Play::started(rules());
    let identity = Identity { content: Some("release".into()), ..Identity::of_url(&url("a")) };
    let no = play.open(Box::new(Wanted { ids: identity.ids(), identity, ..*wanted("a") }), 1).no;
    play.arrive(no, PIECE);
    let id = play.submit(Args::GetTask(find_args(FindBy::Content("release".into()))));
    play.calm();
    assert_eq!(found(play.shelf.job(id.0)).len(), 1);
}

#[test]
fn a_preheat_tells_of_each_url() {
    let mut play = Play::started(rules());
    let job = play.preheat(&["a", "missing"]);
    assert_eq!(play.shelf.job(job.0).part.state, PartState::Started);
    let (a, missing) = (play.task_of("a"), play.task_of("missing"));
    play.arrive(a, PIECE);
    assert_eq!(ends(play.room.unfinished(job).unwrap()), ["ok", "open"]);
    play.order(missing);
    play.fail(missing, "404");
    let over = play.shelf.job(job.0);
    assert_eq!((over.state(), ends(over)), (JobState::Success, vec!["ok".to_owned(), "404".to_owned()]));
    assert!(play.is_gone(missing), "nothing is cached for it");
    assert!(play.has(|effect| *effect == Effect::Release(Errand::Job(job))));
}

#[test]
fn a_preheat_of_which_everything_failed_failed() {
    let mut play = Play::started(rules());
    let job = play.preheat(&["missing"]);
    let no = play.task_of("missing");
    play.fail(no, "the origin answered 404");
    let over = play.shelf.job(job.0);
    assert_eq!((over.state(), over.part.error.as_str()), (JobState::Failure, "the origin answered 404"));
    let job = play.preheat(&["x", "y"]);
    for name in ["x", "y"] {
        play.fail(play.task_of(name), "no");
    }
    assert_eq!(play.shelf.job(job.0).part.error, "all 2 URLs failed; the first: no");
}

#[test]
fn what_is_cached_is_a_success_without_contact_unless_it_is_to_be_asked_for() {
    let mut play = Play::started(rules());
    let no = play.cached("a", PIECE);
    let job = play.preheat(&["a"]);
    assert_eq!(play.shelf.job(job.0).state(), JobState::Success);
    assert!(!play.has(|effect| matches!(effect, Effect::Fetch(_))));
    let args = PreheatArgs { revalidate: true, ..preheat_args(&["a"]) };
    let job = play.submit(Args::Preheat(args));
    play.calm();
    assert!(play.order(no).revalidate);
    play.tell(Event::Unchanged(no));
    play.calm();
    assert_eq!(play.shelf.job(job.0).state(), JobState::Success);
    play.now = play.now.later(hours(1));
    assert!(play.room.deadline().is_some());
}

#[test]
fn so_many_urls_are_fetched_at_once_and_two_that_mean_the_same_are_one_fetch() {
    let mut play = Play::started(rules());
    let args = PreheatArgs { concurrent_tasks: 2, ..preheat_args(&["a", "a?Expires=1", "b", "c", "a"]) };
    let job = play.submit(Args::Preheat(args));
    play.calm();
    assert_eq!(play.room.task_count(), 1);
    play.arrive(play.task_of("a"), PIECE);
    assert_eq!(ends(play.room.unfinished(job).unwrap()), ["ok", "ok", "open", "open"]);
    for name in ["b", "c"] {
        play.arrive(play.task_of(name), PIECE);
    }
    assert_eq!(play.shelf.job(job.0).state(), JobState::Success);
}

#[test]
fn an_image_is_resolved_first() {
    let mut play = Play::started(rules());
    let args = || Args::Preheat(PreheatArgs { kind: PreheatKind::Image, urls: None, ..preheat_args(&[]) });
    let job = play.submit(args());
    play.calm();
    assert!(play.has(|effect| matches!(effect, Effect::Resolve(..))));
    play.tell(Event::Resolved(job, Ok(vec![url("x"), url("y")])));
    play.calm();
    for name in ["x", "y"] {
        play.arrive(play.task_of(name), PIECE);
    }
    assert_eq!(ends(play.shelf.job(job.0)), ["ok", "ok"]);
    let job = play.submit(args());
    play.calm();
    play.tell(Event::Resolved(job, Err("no matching manifest".into())));
    assert_eq!(play.shelf.job(job.0).part.error, "no matching manifest");
}

#[test]
fn time_is_up() {
    let mut play = Play::started(rules());
    let args = PreheatArgs { timeout: secs(2), ..preheat_args(&["slow", "shared"]) };
    let job = play.submit(Args::Preheat(args));
    play.calm();
    let (slow, shared) = (play.task_of("slow"), play.task_of("shared"));
    play.open(wanted("shared"), 1);
    play.answer(slow, source(PIECE, "v"));
    play.pass(secs(2));
    let over = play.shelf.job(job.0);
    assert_eq!(
        (over.state(), over.part.error.as_str()),
        (JobState::Failure, "timed out after 2s; 2 of 2 URLs were not done")
    );
    assert!(play.is_stopped(slow) && !play.is_stopped(shared), "somebody else wants that one");
    play.end(slow, FetchEnd::Stopped);
    assert!(play.is_gone(slow));
}

#[test]
fn other_hosts_are_not_here() {
    let mut play = Play::started(rules());
    let args = |ip: &str| Args::Preheat(PreheatArgs { ips: Some(vec![ip.into()]), ..preheat_args(&["a"]) });
    let job = play.submit(args("203.0.113.9"));
    play.calm();
    assert_eq!(play.shelf.job(job.0).part.error, "no seed peer found for ips [203.0.113.9]");
    let job = play.submit(args(&rules().ip));
    play.calm();
    assert_eq!(play.shelf.job(job.0).state(), JobState::Pending);
}

#[test]
fn deleting_what_is_fetched_cancels_it() {
    let mut play = Play::started(rules());
    let job = play.preheat(&["slow"]);
    let no = play.task_of("slow");
    play.order(no);
    play.answer(no, source(PIECE, "v"));
    let deletion = play.submit(Args::DeleteTask(find_args(by_url("slow"))));
    play.calm();
    assert!(play.is_stopped(no));
    assert!(!play.effects.iter().any(|effect| matches!(effect, Effect::Remove(..))), "somebody still writes");
    assert_eq!(play.shelf.job(job.0).part.error, "cancelled: the task was deleted");
    play.end(no, FetchEnd::Stopped);
    assert_eq!(deleted(play.shelf.job(deletion.0)), (1, Vec::new()));
    assert!(play.is_gone(no));
}

#[test]
fn deleting_what_is_not_there_is_a_success_and_what_will_not_go_is_told() {
    let mut play = Play::started(rules());
    let job = play.submit(Args::DeleteTask(find_args(by_url("a"))));
    play.calm();
    assert_eq!(deleted(play.shelf.job(job.0)), (0, Vec::new()));
    let no = play.cached("a", PIECE);
    play.stuck = Some("permission denied".into());
    let job = play.submit(Args::DeleteTask(find_args(by_url("a"))));
    play.calm();
    let id = wanted("a").ids.primary;
    let over = play.shelf.job(job.0);
    assert_eq!(
        (over.state(), deleted(over)),
        (JobState::Success, (0, vec![format!("task {id} failed: permission denied")]))
    );
    play.stuck = None;
    let job = play.submit(Args::DeleteTask(find_args(by_url("a"))));
    play.calm();
    assert_eq!(deleted(play.shelf.job(job.0)).0, 1, "tried again");
    assert!(play.is_gone(no));
}

#[test]
fn the_blobs_of_an_image_are_deleted_together() {
    let mut play = Play::started(rules());
    let tasks = [play.cached("x", 1), play.cached("y", 1)];
    let image = Image { scheme: "http".into(), host: "r".into(), repository: "a".into(), reference: "v".into() };
    let args = FindArgs { image: true, ..find_args(FindBy::Image(image, Platform::All)) };
    let job = play.submit(Args::DeleteTask(args));
    play.calm();
    play.tell(Event::Resolved(job, Ok(vec![url("x"), url("y"), url("z")])));
    play.calm();
    assert_eq!(deleted(play.shelf.job(job.0)).0, 2);
    assert!(tasks.iter().all(|no| play.is_gone(*no)));
}

#[test]
fn a_distribution_is_over_when_it_is_made() {
    let mut play = Play::started(rules());
    play.cached("x", 1);
    let image = Image { scheme: "http".into(), host: "r".into(), repository: "a".into(), reference: "v".into() };
    let args = || {
        Args::Distribution(ImageArgs {
            url: String::new(),
            image: image.clone(),
            naming: naming(),
            headers: None,
            username: String::new(),
            password: String::new(),
            platform_text: String::new(),
            platform: Platform::All,
            concurrent_layers: 8,
            concurrent_peers: 500,
            timeout: hours(1),
        })
    };
    let Verdict::Job(job) = play.ask(Ask::Distributed(new_job(args()), Ok(vec![url("x"), url("y")]))) else { panic!() };
    assert_eq!(job.state(), JobState::Success);
    let result = JobResult::Distribution { layers: vec![url("x"), url("y")], cached: vec![url("x")] };
    assert_eq!(job.part.result, result);
    let Verdict::Job(job) = play.ask(Ask::Distributed(new_job(args()), Err("401".into()))) else { panic!() };
    assert_eq!((job.state(), job.part.error.as_str(), job.id), (JobState::Failure, "401", JobId(2)));
}

#[test]
fn records_of_jobs_are_changed_and_forgotten() {
    let mut play = Play::started(rules());
    let job = play.preheat(&["a"]);
    let patch = |bio: &str| Ask::PatchJob { id: job, bio: Some(bio.into()), user: Some(3) };
    assert!(matches!(play.ask(patch("x")), Verdict::Job(job) if job.bio == "x" && job.user == 3));
    play.arrive(play.task_of("a"), 1);
    assert_eq!(play.ask(patch("y")), Verdict::Patched(job));
    assert_eq!((play.shelf.job(1).bio.as_str(), play.room.heads().next().unwrap().user), ("y", 3));
    assert_eq!(play.ask(Ask::ForgetJob(job)), Verdict::Done);
    assert_eq!(play.ask(Ask::ForgetJob(job)), Verdict::Refused(Refusal::NotFound));
    assert_eq!(play.ask(patch("z")), Verdict::Refused(Refusal::NotFound));
}

#[test]
fn what_a_forgotten_job_does_goes_on() {
    let mut play = Play::started(rules());
    let job = play.preheat(&["a", "b"]);
    assert_eq!(play.ask(Ask::ForgetJob(job)), Verdict::Done);
    assert!(play.room.unfinished(job).is_none());
    for name in ["a", "b"] {
        play.arrive(play.task_of(name), 1);
    }
    assert_eq!((play.room.task_count(), play.shelf.jobs.len()), (2, 0));
}

#[test]
fn a_job_forgets_old_jobs_and_answers_when_it_is_over() {
    let mut play = Play::started(rules());
    play.submit(Args::GetTask(find_args(by_url("a"))));
    let running = play.preheat(&["a"]);
    play.now = play.now.later(secs(100));
    play.submit(Args::GetTask(find_args(by_url("a"))));
    play.calm();
    let gc = |kind| Ask::Submit(new_job(Args::Gc(GcArgs { kind, ttl: secs(50) })));
    let Verdict::Job(job) = play.ask_and_wait(gc(GcKind::Job)) else { panic!() };
    assert_eq!((job.state(), &job.part.result), (JobState::Success, &JobResult::Purged(1)));
    assert!(play.shelf.jobs.contains_key(&running), "it is not over");
    let plan = play.hear(Event::Asked(gc(GcKind::Audit)));
    let (owed, before) = (plan.owed.unwrap(), play.now.wall - secs(50));
    play.calm();
    let id = JobId(5);
    assert!(play.has(|effect| *effect == Effect::PurgeAudit(id, before)));
    play.tell(Event::Purged(id, Ok(7)));
    assert!(matches!(&play.late[&owed], Verdict::Job(job) if job.part.result == JobResult::Purged(7)));
}

#[test]
fn so_many_jobs_are_remembered() {
    let mut play = Play::started(Rules { keep_jobs: 3, ..rules() });
    for _ in 0..5 {
        play.submit(Args::GetTask(find_args(by_url("a"))));
        play.calm();
    }
    play.pass(rules().collect_every);
    assert_eq!(play.room.heads().map(|head| head.id.0).collect::<Vec<_>>(), [5, 4, 3]);
}

#[test]
fn a_job_tries_with_its_own_secrets_what_failed_with_those_of_others() {
    let mut play = Play::started(rules());
    let no = play.open(wanted("a"), 1).no;
    play.order(no);
    let job = Box::new(NewJob { has_secrets: true, ..*new_job(Args::Preheat(preheat_args(&["a"]))) });
    let Verdict::Job(job) = play.ask(Ask::Submit(job)) else { panic!() };
    play.calm();
    play.fail(no, "401");
    assert_eq!(play.order(no).errand, Errand::Job(job.id));
    play.leave(no, 1);
    play.answer(no, source(1, "v"));
    play.pieces(no, 0..1);
    play.end(no, FetchEnd::Whole { length: 1 });
    assert_eq!(play.shelf.job(job.id.0).state(), JobState::Success);
    assert!(play.room.task(no).unwrap().private);
}

#[test]
fn what_an_account_of_the_configuration_opens_is_private() {
    let mut play = Play::started(rules());
    let naming = "https://registry.example.net:5000/v2/a/blobs/x".to_owned();
    let args = PreheatArgs { url: naming.clone(), urls: None, ..preheat_args(&[]) };
    play.submit(Args::Preheat(args));
    play.calm();
    assert!(play.room.task(play.task_of(&naming)).unwrap().private);
}

#[test]
fn jobs_are_let_in_at_the_rate_of_the_clusters_that_they_name() {
    let mut play = Play::started(rules());
    let args = || Args::GetTask(find_args(by_url("a")));
    let listed =
        |ids: &[u32]| Box::new(NewJob { clusters: ids.iter().copied().map(ClusterId).collect(), ..*new_job(args()) });
    let try_all = |play: &mut Play, count: usize| {
        (0..count).filter(|_| matches!(play.ask(Ask::Submit(listed(&[1, 1]))), Verdict::Job(_))).count()
    };
    assert_eq!(try_all(&mut play, 30), 10, "the default");
    assert_eq!(play.ask(Ask::Submit(listed(&[1]))), Verdict::Refused(Refusal::TooMany));
    for _ in 0..30 {
        assert!(matches!(play.ask(Ask::Submit(listed(&[]))), Verdict::Job(_)), "who lists none is not limited");
    }
    play.now = play.now.later(secs(1));
    assert_eq!(try_all(&mut play, 30), 10);
    let limits = Limits { job_rate: Some(50), ..Limits::default() };
    let change = ClusterChange { limits, ..ClusterChange::default() };
    let _ = play.ask(Ask::PatchCluster(ClusterId::LOCAL, Box::new(change)));
    play.now = play.now.later(secs(1));
    assert_eq!(try_all(&mut play, 80), 50);
}

#[test]
fn nobody_works_for_other_clusters() {
    let mut play = Play::started(rules());
    let new = |name: &str| {
        let (name, bio) = (name.to_owned(), String::new());
        let (limits, scopes) = (Limits::default(), Scopes::default());
        Ask::CreateCluster(Box::new(NewCluster { name, bio, limits, scopes, is_default: false }))
    };
    let Verdict::Cluster(other) = play.ask(new("other")) else { panic!() };
    assert_eq!(other.id, ClusterId(2));
    assert_eq!(play.ask(new("other")), Verdict::Refused(Refusal::NameTaken));
    let job = |args, ids: &[u32]| {
        Ask::Submit(Box::new(NewJob { clusters: ids.iter().copied().map(ClusterId).collect(), ..*new_job(args) }))
    };
    let get = || Args::GetTask(find_args(by_url("a")));
    let preheat = || Args::Preheat(preheat_args(&["a"]));
    assert_eq!(play.ask(job(get(), &[2])), Verdict::Refused(Refusal::NoSchedulers));
    assert_eq!(play.ask(job(preheat(), &[2])), Verdict::Refused(Refusal::NoCandidates));
    assert_eq!(play.ask(job(get(), &[1, 9])), Verdict::Refused(Refusal::NoCluster(ClusterId(9))));
    let Verdict::Job(made) = play.ask(job(get(), &[2, 1])) else { panic!() };
    assert_eq!(made.clusters, [ClusterId::LOCAL]);
    assert_eq!(play.ask(Ask::DeleteCluster(ClusterId(1))), Verdict::Refused(Refusal::ClusterInUse));
    assert_eq!(play.ask(Ask::DeleteCluster(ClusterId(2))), Verdict::Done);
    assert_eq!(play.ask(Ask::DeleteCluster(ClusterId(2))), Verdict::Refused(Refusal::NotFound));
    let Verdict::Cluster(third) = play.ask(new("other")) else { panic!() };
    assert_eq!(third.id, ClusterId(3), "numbers are not given twice");
}

#[test]
fn the_first_cluster_is_made_once_and_changed_as_asked() {
    let mut play = Play::started(rules());
    let first = play.room.clusters().next().unwrap().clone();
    let limits = &first.limits;
    assert_eq!((first.id, first.name.as_str(), first.is_default), (ClusterId::LOCAL, "cluster-1", true));
    assert_eq!((limits.candidate_parents, limits.filter_parents, limits.job_rate), (Some(3), Some(15), Some(10)));
    assert_eq!((limits.peer_load, limits.seed_load), (Some(200), Some(2_000)));
    let limits = Limits { job_rate: Some(50), ..Limits::default() };
    let change = ClusterChange { limits, bio: Some("ours".into()), ..ClusterChange::default() };
    let Verdict::Cluster(now) = play.ask(Ask::PatchCluster(first.id, Box::new(change))) else { panic!() };
    assert!(now.is_default && now.bio == "ours" && now.limits.job_rate == Some(50));
    assert_eq!(now.limits.seed_load, Some(2_000));
    let change = || Box::new(ClusterChange::default());
    assert_eq!(play.ask(Ask::PatchCluster(ClusterId(7), change())), Verdict::Refused(Refusal::NotFound));
    let again = Play::of(Rules { cluster_name: "renamed".into(), ..rules() }, play.shelf.clone(), play.now);
    assert_eq!(again.room.clusters().collect::<Vec<_>>(), [&*now]);
}
