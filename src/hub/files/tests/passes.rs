//! Passes over pools of real files.

use super::super::tests::{Yard, looks, next, passed, pool_dir, there};
use super::*;
use std::fs;
use tokio::sync::mpsc::UnboundedReceiver;

struct Scene {
    _temp: tempfile::TempDir,
    dir: PathBuf,
    yard: Yard,
    pool: PoolName,
    events: UnboundedReceiver<Event>,
}

fn scene(files: u64) -> Scene {
    let (temp, dir) = pool_dir();
    let (yard, events) = Yard::new();
    let pool = yard.add_pool("p", dir.clone());
    for no in 0..files {
        let item = no / 400;
        fs::create_dir_all(dir.join(format!("i{item}"))).unwrap();
        fs::write(dir.join(format!("i{item}/f{no}")), no.to_string()).unwrap();
        yard.publish(&pool, item, no, &format!("f{no}"));
    }
    Scene { _temp: temp, dir, yard, pool, events }
}

impl Scene {
    fn passes(&self, every: Duration) -> Passes<Yard> {
        Passes::new(self.yard.clone(), self.pool.clone(), every, Arc::new(Watches::new()), Hanging::default())
    }
}

const NEVER: Duration = Duration::from_secs(3600);
const SOON: Duration = Duration::from_millis(30);

#[tokio::test]
async fn the_first_pass_looks_at_everything_at_once() {
    let mut scene = scene(600);
    let passes = scene.passes(NEVER);
    let wanted = passes.wanted();
    let running = tokio::spawn(passes.run());
    let mut seen = Vec::new();
    loop {
        match next(&mut scene.events).await {
            Event::Looked(some) => {
                assert!(some.len() <= SLICE);
                seen.extend(some.into_iter().map(|(no, _)| no.0));
            }
            Event::Passed(_) => break,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(seen, (0..600).collect::<Vec<_>>());
    assert!((0..600).all(|no| scene.yard.of(no).looked.get().is_some()));

    // Another one right away, since it is wanted: all is as expected, and nothing is told but its end.
    wanted.want_all();
    passed(&mut scene.events).await;
    running.abort();
}

#[tokio::test]
async fn a_change_is_found_by_the_next_pass() {
    let mut scene = scene(3);
    let running = tokio::spawn(scene.passes(SOON).run());
    assert_eq!(looks(&mut scene.events).await.len(), 3);
    fs::remove_file(scene.dir.join("i0/f1")).unwrap();
    assert_eq!(looks(&mut scene.events).await, [(TagNo(1), Look::Missing)]);
    fs::write(scene.dir.join("i0/f1"), "again").unwrap();
    let back = looks(&mut scene.events).await;
    assert!(matches!(back[..], [(TagNo(1), Look::There(_))]), "{back:?}");
    running.abort();
}

#[tokio::test]
async fn what_is_wanted_does_not_wait_for_its_turn() {
    let mut scene = scene(3);
    let passes = scene.passes(NEVER);
    let wanted = passes.wanted();
    let running = tokio::spawn(passes.run());
    looks(&mut scene.events).await;
    passed(&mut scene.events).await;
    fs::write(scene.dir.join("i0/f0"), "other").unwrap();
    fs::write(scene.dir.join("i0/f2"), "other").unwrap();
    wanted.want(ItemNo(0), super::super::wanted::Names::one("f2".into()));
    assert_eq!(looks(&mut scene.events).await, [(TagNo(2), there(&scene.dir, "i0", "f2"))]);
    wanted.want(ItemNo(0), super::super::wanted::Names::All);
    assert_eq!(looks(&mut scene.events).await, [(TagNo(0), there(&scene.dir, "i0", "f0"))]);
    running.abort();
}

#[tokio::test]
async fn an_empty_pool_is_passed_once_and_sleeps() {
    let mut scene = scene(0);
    let passes = scene.passes(SOON);
    let wanted = passes.wanted();
    let running = tokio::spawn(passes.run());
    passed(&mut scene.events).await;
    // Something is published: passes go on until it is gone.
    fs::create_dir(scene.dir.join("i5")).unwrap();
    scene.yard.publish(&scene.pool, 5, 9, "f");
    wanted.ring();
    assert_eq!(looks(&mut scene.events).await, [(TagNo(9), Look::Missing)]);
    passed(&mut scene.events).await;
    passed(&mut scene.events).await;
    scene.yard.withdraw(9);
    scene.yard.drop_pool(&scene.pool);
    wanted.ring();
    assert_eq!(running.await.unwrap(), scene.pool);
}

#[tokio::test]
async fn a_pool_that_does_not_answer_is_gone_until_it_does() {
    let mut scene = scene(300);
    let mut passes = scene.passes(SOON);
    let (let_go, held) = tokio::sync::oneshot::channel::<()>();
    let work = tokio::spawn(async {
        let _ = held.await;
        Found::default()
    });
    passes.hang(&Arc::new(scene.dir.clone()), work).await;
    let mut gone = Vec::new();
    while gone.len() < 300 {
        gone.extend(looks(&mut scene.events).await);
    }
    let does_not_answer = |look: &Look| matches!(look, Look::PoolGone(why) if why.contains("does not answer"));
    assert!(gone.iter().all(|(_, look)| does_not_answer(look)));
    assert!((0..300).all(|no| scene.yard.of(no).looked.get().is_some()));
    assert_eq!(next(&mut scene.events).await, Event::Hangs(scene.pool.clone()));

    // As long as the thread hangs, nothing is looked at, whoever wants it.
    let wanted = passes.wanted();
    let running = tokio::spawn(passes.run());
    wanted.want(ItemNo(0), super::super::wanted::Names::All);
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert!(scene.events.try_recv().is_err());
    drop(let_go);
    let mut found = Vec::new();
    while found.len() < 300 {
        found.extend(looks(&mut scene.events).await);
    }
    assert!(found.iter().all(|(_, look)| matches!(look, Look::There(_))));
    passed(&mut scene.events).await;
    running.abort();
}

#[tokio::test]
async fn a_pass_that_overlooked_something_does_not_count() {
    let mut scene = scene(3);
    let (mut passes, dir) = (scene.passes(SOON), Arc::new(scene.dir.clone()));
    for is_whole in [false, true] {
        passes.start_at_once();
        passes.pass.as_mut().unwrap().whole = is_whole;
        passes.look_at_slice(&dir).await;
        assert!(passes.pass.is_none(), "it is over");
        let told = std::iter::from_fn(|| scene.events.try_recv().ok());
        let passed = told.filter(|event| matches!(event, Event::Passed(_))).count();
        assert_eq!(passed, usize::from(is_whole));
    }
}

#[test]
fn slices_are_spread_over_the_time() {
    let spread = Spread::over(Duration::from_secs(10), 1000);
    assert_eq!((spread.slices, spread.due(0), spread.due(2)), (4, Duration::ZERO, Duration::from_secs(5)));
    assert_eq!(Spread::over(Duration::from_secs(10), 1).slices, 1);
    assert_eq!(Spread::over(Duration::from_secs(10), 0).slices, 1);

    let began = Instant::now();
    let mut pass = Pass::begin(began, Some(spread));
    pass.done = 1;
    assert_eq!(pass.due(), began + Duration::from_millis(2500));
    // A slow disk rests for as long as it worked.
    pass.rested = began + Duration::from_secs(3);
    assert_eq!(pass.due(), began + Duration::from_secs(3));
    assert_eq!(Pass { spread: None, ..pass }.due(), began);
}

#[test]
fn a_pass_takes_its_time_however_many_files_come_while_it_goes_on() {
    let (began, every) = (Instant::now(), Duration::from_secs(5));
    let mut pass = Pass::begin(began, Some(Spread::over(every, 1)));
    assert_eq!(pass.due(), began);
    pass.grow(100 * SLICE);
    pass.done = 50;
    assert_eq!(pass.due(), began + every / 2);
    // What is beyond all that was known of is due at its end, and not once for each pass of old.
    pass.done = 1_000;
    assert_eq!(pass.due(), began + every);
}
