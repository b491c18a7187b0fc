//! A story told once for each commit at which the process dies, with files on a disk: what the next process finds is whole,
//! nothing that was answered is missing, and what was begun comes to an end.

use super::*;
use crate::hub::engine::Failed;
use crate::hub::machine::{NewPull, Which};
use crate::hub::model::{EntryPoint, Job, JobId, JobKind, JobState, PullSource, Requirement, State, TagNo};
use std::collections::BTreeMap;

/// What a tag must be in every later life.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Known {
    /// There, with these digests.
    There(Digests),
    /// Not there.
    Gone,
    /// Not answered for: one of both, or as it was before.
    Unsure,
}

/// What was answered.
#[derive(Default)]
struct Told {
    tags: BTreeMap<&'static str, Known>,
    highest: Option<TagNo>,
    has_note: bool,
    /// Pulls, and whether they are still there; none: not answered for.
    pulls: BTreeMap<JobId, Option<bool>>,
    /// What the member must have.
    serving: Option<bool>,
    requires: Option<Requirements>,
}

/// Why a story broke off: the daemon is dead.
struct Dead;

impl From<Failed> for Dead {
    fn from(_: Failed) -> Dead {
        Dead
    }
}

async fn ask(life: &Life, ask: Ask) -> Result<Verdict, Dead> {
    let verdict = tokio::time::timeout(SOON, life.handle.ask(ask)).await.expect("it is answered, or dies")?;
    assert!(!matches!(verdict, Verdict::Refused(_)), "{verdict:?}");
    Ok(verdict)
}

impl Told {
    async fn publish(&mut self, life: &Life, name: &'static str, new: NewTag, digests: Digests) -> Result<(), Dead> {
        self.tags.insert(name, Known::Unsure);
        let Verdict::Published(no, _) = ask(life, publish(new)).await? else { panic!("not published") };
        self.highest = self.highest.max(Some(no));
        self.tags.insert(name, Known::There(digests));
        Ok(())
    }

    async fn tell(&mut self, world: &World, life: &Life) -> Result<(), Dead> {
        life.handle.member(0).await?;
        let _ = ask(life, make_pool(world.pool())).await?;
        let _ = ask(life, make_item()).await?;
        for name in ["v1", "v2"] {
            world.write(name, &format!("tiles of {name}"));
            let read = measured(world.pool(), name).await;
            self.publish(life, name, new_tag(name, Some(read)), read.1).await?;
        }
        world.write("v2", "other tiles, of another length");
        let read = measured(world.pool(), "v2").await;
        self.publish(life, "v2", NewTag { replace: true, ..new_tag("v2", Some(read)) }, read.1).await?;
        // One that a job reads.
        world.write("v3", "tiles of v3");
        let (stamp, digests) = measured(world.pool(), "v3").await;
        self.tags.insert("v3", Known::Unsure);
        let new = NewTag { size: stamp.size, ..new_tag("v3", None) };
        let Verdict::Published(no, Some(job)) = ask(life, publish(new)).await? else { panic!("without a job") };
        self.highest = self.highest.max(Some(no));
        life.until(|room| room.job(job.id).is_some_and(|job| job.state == JobState::Published)).await;
        let _ = ask(life, Ask::Note(vec![(0, "noted".into())])).await?;
        // What came before the note is written with it.
        self.has_note = true;
        self.tags.insert("v3", Known::There(digests));
        self.tags.insert("v1", Known::Unsure);
        let one = Which::One(TagName::new("v1").unwrap());
        let _ = ask(life, Ask::ForgetTags(OPERATOR, rep(), item(), one)).await?;
        self.tags.insert("v1", Known::Gone);
        self.pull(life).await?;
        self.require(life).await?;
        self.serving = None;
        let _ = ask(life, Ask::Serve(OPERATOR, 0, false)).await?;
        self.serving = Some(false);
        let all: Vec<_> = self.tags.keys().copied().collect();
        self.tags.extend(all.iter().filter(|name| **name != "v1").map(|name| (*name, Known::Unsure)));
        let _ = ask(life, Ask::ForgetItem(OPERATOR, rep(), item())).await?;
        self.tags.extend(all.into_iter().map(|name| (name, Known::Gone)));
        Ok(())
    }

    /// Two pulls from where nobody answers, of which one is forgotten.
    async fn pull(&mut self, life: &Life) -> Result<(), Dead> {
        for name in ["p1", "p2"] {
            let source = PullSource {
                from: EntryPoint::new("http://127.0.0.1:9").unwrap(),
                username: None,
                secret: false,
                pool: PoolName::new("a").unwrap(),
                dir: "pulled".into(),
                file: name.into(),
                publish: None,
            };
            let new = NewPull { rep: rep(), item: item(), tag: TagName::new(name).unwrap(), source };
            let Verdict::Job(job) = ask(life, Ask::Pull(OPERATOR, new)).await? else { panic!("no job") };
            self.pulls.insert(job.id, Some(true));
        }
        let first = *self.pulls.first_key_value().unwrap().0;
        self.pulls.insert(first, None);
        let _ = ask(life, Ask::ForgetJob(OPERATOR, Some(first))).await?;
        self.pulls.insert(first, Some(false));
        Ok(())
    }

    /// What the account depends on, and what a tag does.
    async fn require(&mut self, life: &Life) -> Result<(), Dead> {
        let requires = Requirements { all: vec![Requirement::Proc("web".into())], by: 0 };
        let tag = TagName::new("v2").unwrap();
        let _ = ask(life, Ask::RequireOfTag(OPERATOR, rep(), item(), tag, requires.clone())).await?;
        let _ = ask(life, Ask::RequireOfMember(OPERATOR, 0, requires.clone())).await?;
        self.requires = Some(requires);
        Ok(())
    }

    fn judge_member_and_pulls(&self, life: &Life, after: u64) {
        let member = life.handle.look(|room| room.member(0).cloned());
        if let Some(requires) = &self.requires {
            assert_eq!(member.as_ref().map(|member| &member.requires), Some(requires), "after {after}");
            if let Some(tag) = life.tag("v2") {
                assert_eq!(tag.requires, *requires, "after {after}");
            }
        }
        if let Some(serving) = self.serving {
            assert_eq!(member.map(|member| member.serving), Some(serving), "after {after}");
        }
        for (id, known) in &self.pulls {
            let is_there = life.handle.look(|room| room.job(*id).is_some());
            assert!(known.is_none_or(|known| known == is_there), "after {after}: pull {id} is there: {is_there}");
        }
    }

    /// Whether a later life has what was answered.
    async fn judge(&self, life: &Life, after: u64) {
        self.judge_member_and_pulls(life, after);
        for (name, known) in &self.tags {
            let tag = life.tag(name);
            match known {
                Known::There(digests) => {
                    let found = tag.and_then(|tag| tag.digests);
                    assert_eq!(found, Some(*digests), "after {after}: {name}");
                }
                Known::Gone => assert!(tag.is_none(), "after {after}: {name} is back"),
                Known::Unsure => {
                    let baseless = tag.is_some_and(|tag| tag.digests.is_none() && tag.health.state == State::Normal);
                    assert!(!baseless, "after {after}: {name} is well, but nobody knows what it was");
                }
            }
        }
        if self.has_note {
            let lines = life.handle.lines(0, 0, 100).await.unwrap();
            assert!(lines.iter().any(|line| line.ends_with(" noted")), "after {after}: {lines:?}");
        }
    }
}

/// Dies after so many commits, and lives again. Whether the story came to its end.
async fn dies(world: &World, after: u64) -> bool {
    let store = Store::dying_after(after);
    let mut told = Told::default();
    let finished = match world.life(&store).await {
        Some(life) => told.tell(world, &life).await.is_ok(),
        None => false,
    };
    let reborn = store.survivors();
    let life = world.life(&reborn).await.unwrap();
    // What was to be read is read now.
    let is_pull = |job: &Job| matches!(job.kind, JobKind::Pull(_));
    life.until(|room| room.jobs().all(|job| job.state.is_over() || is_pull(job))).await;
    told.judge(&life, after).await;
    let _ = life.ask(Ask::ForgetJob(OPERATOR, None)).await;
    let (pool, item) = (make_pool(world.pool()), make_item());
    life.handle.member(0).await.unwrap();
    for again in [pool, item] {
        // Refused where it is there.
        let _ = life.handle.ask(again).await.unwrap();
    }
    world.write("late", "late tiles");
    let read = measured(world.pool(), "late").await;
    let Verdict::Published(no, None) = life.ask(publish(new_tag("late", Some(read)))).await else { panic!() };
    assert!(told.highest.is_none_or(|highest| no > highest), "after {after}: {no:?} was given twice");
    life.handle.drain().await;
    assert_eq!(reborn.check(&life.handle.rules()).findings, [""; 0], "after {after} commits");
    finished
}

#[tokio::test]
async fn at_every_commit() {
    let world = World::new().await;
    let mut after = 0;
    while !dies(&world, after).await {
        fs::remove_dir_all(world.pool()).unwrap();
        after += 1;
        assert!(after < 200, "the story has an end");
    }
    assert!(after > 8, "most of it is written: {after}");
}
