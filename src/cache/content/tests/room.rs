//! The room in small: it says yes to every answer, keeps what it is told, and has damage repaired.

use super::script::{Nobody, Script, TASK};
use super::{BOUND, bytes};
use crate::base::Now;
use crate::cache::content::{Contents, DataThread, Settings};
use crate::cache::machine::{Errand, Event, FetchEnd, Order};
use crate::cache::model::{
    Digest, Extent, Failure, Identity, Ids, LastUse, Pieces, Source, Task, TaskId, TaskNo, TaskState,
};
use bytes::Bytes;
use futures_util::StreamExt as _;
use std::io;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tempfile::TempDir;
use tokio::sync::{mpsc, watch};

pub(super) struct World {
    pub(super) contents: Contents,
    pub(super) script: Arc<Script>,
    pub(super) dir: Arc<TempDir>,
    pub(super) room: Arc<Mutex<Room>>,
    news: watch::Receiver<usize>,
}

pub(super) struct Room {
    pub(super) task: Task,
    pub(super) log: Vec<Event>,
    /// Whether answers are let in.
    pub(super) lets_in: bool,
    running: bool,
    /// When this piece has come everybody leaves.
    pub(super) stops_at: Option<u32>,
}

pub(super) fn order(task: &Task) -> Order {
    Order {
        task: task.no,
        ids: task.ids.clone(),
        url: task.identity.url.clone(),
        errand: Errand::Reader(1),
        piece_length: task.identity.piece_length,
        digest: task.digest.clone(),
        have: task.source.clone().map(|source| (Box::new(source), task.pieces.clone())),
        revalidate: false,
        twin: None,
    }
}

pub(super) fn task(no: TaskNo, piece_length: u64, digest: Option<Digest>) -> Task {
    let primary = TaskId::new(&[[no.0 as u8; 16], [0xab; 16]].concat());
    let mut identity = Identity::of_url("http://origin.example.net/file");
    identity.piece_length = Some(piece_length);
    Task {
        no,
        identity,
        ids: Ids { primary, manager: None, daemon: None, digest: None },
        digest,
        private: false,
        pins: Default::default(),
        ttl: None,
        peer: uuid::Uuid::nil(),
        created: Now::read().wall,
        used: LastUse::at(Now::read().wall),
        source: None,
        pieces: Arc::new(Pieces::new()),
        state: TaskState::Fetching,
    }
}

impl World {
    pub(super) fn new(script: Script, piece_length: u64, digest: Option<Digest>) -> World {
        let dir = Arc::new(tempfile::tempdir().unwrap());
        World::again(Arc::new(script), dir, task(TASK, piece_length, digest))
    }

    /// A world after a start, with what was written down.
    pub(super) fn again(script: Arc<Script>, dir: Arc<TempDir>, task: Task) -> World {
        let settings = Settings {
            dir: dir.path().join("cache"),
            retries: 3,
            retry_after: Duration::from_millis(1),
            scrub_rate: 1 << 40,
        };
        let (events, mut heard) = mpsc::unbounded_channel();
        let contents = Contents::over(settings, DataThread::default(), script.clone(), events).unwrap();
        let room = Arc::new(Mutex::new(Room { task, log: Vec::new(), lets_in: true, running: false, stops_at: None }));
        let (tell, news) = watch::channel(0);
        let (drives, of) = (contents.clone(), room.clone());
        tokio::spawn(async move {
            while let Some(event) = heard.recv().await {
                let mut room = of.lock().unwrap();
                room.hear(&event, &drives);
                room.log.push(event);
                tell.send_replace(room.log.len());
            }
        });
        World { contents, script, dir, room, news }
    }

    pub(super) fn restart(self) -> World {
        let task = self.task();
        World::again(self.script.clone(), self.dir.clone(), Task::clone(&task))
    }

    pub(super) fn task(&self) -> Arc<Task> {
        Arc::new(self.room.lock().unwrap().task.clone())
    }

    pub(super) fn order(&self) -> Order {
        order(&self.room.lock().unwrap().task)
    }

    pub(super) fn fetch(&self, order: Order) {
        self.room.lock().unwrap().running = true;
        self.contents.fetch(order, Arc::new(Nobody::default()));
    }

    /// Waits until the log holds what is looked for.
    pub(super) async fn until<T>(&self, look: impl Fn(&[Event]) -> Option<T>) -> T {
        let mut news = self.news.clone();
        let found = async {
            loop {
                if let Some(found) = look(&self.room.lock().unwrap().log) {
                    return found;
                }
                news.changed().await.expect("the room lives");
            }
        };
        tokio::time::timeout(BOUND, found).await.expect("within the bound")
    }

    /// Fetches, and waits for the end.
    pub(super) async fn fetched(&self, order: Order) -> FetchEnd {
        let before = self.room.lock().unwrap().log.len();
        self.fetch(order);
        self.end_after(before).await
    }

    pub(super) async fn end_after(&self, before: usize) -> FetchEnd {
        let end = |event: &Event| if let Event::Fetched(_, end) = event { Some(end.clone()) } else { None };
        self.until(|log| log[before..].iter().find_map(end)).await
    }

    pub(super) async fn read(&self, range: Range<u64>) -> io::Result<Vec<u8>> {
        collect(&self.contents, &self.task(), range).await
    }

    pub(super) fn file(&self) -> PathBuf {
        self.contents.path(&self.task().ids.primary)
    }

    pub(super) fn log(&self) -> Vec<Event> {
        self.room.lock().unwrap().log.clone()
    }

    /// What is complete, of so many bytes in pieces of this length.
    pub(super) async fn complete(count: usize, piece_length: u64) -> World {
        let world = World::new(Script::new(bytes(count)), piece_length, Some(super::sha256(&bytes(count))));
        assert_eq!(world.fetched(world.order()).await, FetchEnd::Whole { length: count as u64 });
        world
    }
}

/// All of a stream, or its error; within the bound.
pub(super) async fn collect(contents: &Contents, task: &Arc<Task>, range: Range<u64>) -> io::Result<Vec<u8>> {
    let parts: Vec<io::Result<Bytes>> =
        tokio::time::timeout(BOUND, contents.read(task, range).collect()).await.expect("within the bound");
    let mut all = Vec::new();
    for part in parts {
        all.extend_from_slice(&part?);
    }
    Ok(all)
}

impl Room {
    fn hear(&mut self, event: &Event, contents: &Contents) {
        let now = Now::read().wall;
        match event {
            Event::Answered(no, source) => {
                if !self.lets_in {
                    return;
                }
                let stays = self.task.source.as_ref().is_some_and(|before| {
                    before.validators == source.validators
                        && before.extent == source.extent
                        && before.validators != Default::default()
                });
                if !stays {
                    self.task.pieces = Arc::default();
                }
                self.task.source = Some(Source::clone(source));
                self.task.state = TaskState::Fetching;
                contents.proceed(*no);
            }
            Event::Piece(no, number, crc) => {
                Arc::make_mut(&mut self.task.pieces).put(*number, *crc);
                if self.stops_at == Some(*number) {
                    contents.stop(*no);
                }
            }
            Event::Damaged(_, numbers) => {
                for number in numbers {
                    Arc::make_mut(&mut self.task.pieces).take(*number);
                }
                if !self.running {
                    self.running = true;
                    self.task.state = TaskState::Fetching;
                    contents.fetch(order(&self.task), Arc::new(Nobody::default()));
                }
            }
            Event::Fetched(_, end) => {
                self.running = false;
                match end {
                    FetchEnd::Whole { length } => {
                        if let Some(source) = &mut self.task.source {
                            source.extent = Extent { length: Some(*length), ..source.extent };
                        }
                        assert_eq!(
                            self.task.total_pieces(),
                            Some(self.task.pieces.count()),
                            "the room knows all pieces"
                        );
                        self.task.state = TaskState::Complete(now);
                    }
                    FetchEnd::Failed { why, discard } => {
                        if *discard {
                            self.task.pieces = Arc::default();
                        }
                        self.task.state = TaskState::Partial(Some(Failure { at: now, why: why.clone() }));
                    }
                    FetchEnd::Stopped => self.task.state = TaskState::Partial(None),
                }
            }
            Event::Unchanged(_) => self.running = false,
            other => panic!("content says {other:?}"),
        }
    }
}
