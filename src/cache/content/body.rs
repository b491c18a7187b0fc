//! Those who read: bytes in order, each as soon as it is there and known to be right.
//!
//! ```text
//! next byte --> compared since the start, or just written --------------------------------> read without waiting,
//!          |--> written down, not compared yet --> compared --right--------------------->   else on the blocking pool
//!          |                                           `--wrong--> reported --.
//!          `--> not there --> wait for the fetch <----------------------------'
//! ```
//!
//! A reader keeps the content that he began with: he never sees bytes of another version.

use super::files::{Failing, in_memory, read_at};
use super::known::Known;
use super::live::{Live, Look};
use super::sums::crc_of;
use super::watching::{self, Report};
use super::{Inner, Progress};
use crate::cache::model::piece::bytes_of;
use crate::cache::model::{Crc, Extent, Source, Task, Validators};
use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::{self, BoxStream};
use std::fs::File;
use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// Bytes handed on at once.
const CHUNK: u64 = 256 << 10;
/// What is read at once while it is being fetched, which is when many come at once: the sooner the others have their turn, the
/// sooner the last of them has his first byte.
const TURN: u64 = 32 << 10;

/// How long a reader who has reported damage waits for the repair to begin. The room decides within milliseconds; when it
/// has not after this, it will not.
const REPAIR_BEGINS: Duration = Duration::from_secs(30);

/// See [`super::Contents::read`].
pub(super) fn read(inner: &Arc<Inner>, task: &Arc<Task>, range: Range<u64>) -> BoxStream<'static, io::Result<Bytes>> {
    let reader = Reader {
        known: inner.knowledge.of(task.no),
        inner: Arc::clone(inner),
        task: Arc::clone(task),
        range,
        begun: false,
        extent: None,
        proven: task.digest.is_none() || task.is_complete(),
        good: None,
        reported: None,
        file: None,
        along: inner.running(task.no).map(|live| live.progress()),
    };
    let next = |mut reader: Box<Reader>| async {
        let bytes = reader.next().await?;
        Ok(bytes.map(|bytes| (bytes, reader)))
    };
    stream::try_unfold(Box::new(reader), next).boxed()
}

struct Reader {
    inner: Arc<Inner>,
    task: Arc<Task>,
    /// The content that he reads.
    known: Arc<Known>,
    /// What is still to be read.
    range: Range<u64>,
    /// Something was handed on.
    begun: bool,
    extent: Option<Extent>,
    /// The last byte may be handed on.
    proven: bool,
    /// The piece that was found good last.
    good: Option<u32>,
    /// The piece that he has reported as damaged last.
    reported: Option<u32>,
    /// His own, with its edition.
    file: Option<(Arc<File>, u64)>,
    /// The fetch that he has read along with last. He may take so long that nobody else remembers its end.
    along: Option<watch::Receiver<Progress>>,
}

/// Where the next bytes are.
enum Place {
    /// In this file, up to here.
    File(Arc<File>, u64),
    /// Behind the end.
    End,
}

/// What is known of a piece.
enum Found {
    /// In this file, up to here.
    Here(Arc<File>, u64),
    /// It is not there.
    Missing,
    /// Something has happened since it was looked for.
    Again,
}

impl Reader {
    async fn next(&mut self) -> io::Result<Option<Bytes>> {
        loop {
            if self.range.is_empty() {
                return Ok(None);
            }
            let (file, upto) = match self.place().await? {
                Place::File(file, upto) => (file, upto),
                Place::End => return Ok(None),
            };
            let at = self.range.start;
            let most = if self.inner.running(self.task.no).is_some() { TURN } else { CHUNK };
            let bytes = self.bytes(file, at..upto.min(at + most)).await?;
            if bytes.is_empty() {
                // The file was cut short since it was compared.
                self.shorter(at).await?;
                continue;
            }
            self.begun = true;
            self.range.start += bytes.len() as u64;
            return Ok(Some(bytes));
        }
    }

    /// Waits until the next byte is there.
    async fn place(&mut self) -> io::Result<Place> {
        loop {
            let live = self.inner.running(self.task.no);
            // Before the look, so that nothing that comes after it is missed.
            let news = live.as_ref().map(|live| live.progress());
            if let Some(news) =
                news.as_ref().filter(|news| !self.along.as_ref().is_some_and(|it| it.same_channel(news)))
            {
                self.along = Some(news.clone());
            }
            let extent = self.extent(live.as_deref(), news.as_ref()).await?;
            let Some(Extent { length, piece_length }) = extent else {
                self.wait(news).await?;
                continue;
            };
            let at = self.range.start;
            if length.is_some_and(|length| at >= length) {
                return Ok(Place::End);
            }
            let number = u32::try_from(at / piece_length.max(1)).unwrap_or(u32::MAX);
            let piece = bytes_of(number, length.unwrap_or(u64::MAX), piece_length);
            let found = match self.find(live.as_ref(), number, &piece).await? {
                Found::Here(file, upto) => Some((file, upto)),
                Found::Missing => None,
                Found::Again => continue,
            };
            if let Some((file, upto)) = found {
                let upto = upto.min(self.range.end);
                let open = self.open_end(length, upto, live.as_ref());
                if open > at {
                    return Ok(Place::File(file, open));
                }
                if self.prove(live.is_some())? {
                    continue;
                }
            }
            self.wait(news).await?;
        }
    }

    /// How far may be read before the digest is found right: not to the last byte.
    fn open_end(&self, length: Option<u64>, upto: u64, live: Option<&Arc<Live>>) -> u64 {
        if self.proven {
            return upto;
        }
        match length {
            Some(length) => upto.min(length.saturating_sub(1)),
            // It may end at any moment.
            None => upto.min(live.map_or(u64::MAX, |live| live.progress().borrow().bytes).saturating_sub(1)),
        }
    }

    /// Whether the digest has been found right since he began; an error, where nobody will do that any more.
    fn prove(&mut self, is_fetched: bool) -> io::Result<bool> {
        if is_fetched {
            return Ok(false);
        }
        match self.ended() {
            Some(Progress { end: Some(Ok(())), .. }) if !self.known.is_gone() => {
                self.proven = true;
                Ok(true)
            }
            Some(Progress { end: Some(Err(failed)), .. }) => Err(io::Error::other(failed.why)),
            Some(_) | None => Err(io::Error::other("its digest is not verified, and nobody is about to")),
        }
    }

    /// How the last fetch ended, as far as anybody knows.
    fn ended(&self) -> Option<Progress> {
        let along = || self.along.as_ref().map(|along| along.borrow().clone()).filter(|along| along.end.is_some());
        self.inner.ended(self.task.no).or_else(along)
    }

    /// How long the content is, as far as known; an error, where it is another one than he began with.
    async fn extent(
        &mut self,
        live: Option<&Live>,
        news: Option<&watch::Receiver<Progress>>,
    ) -> io::Result<Option<Extent>> {
        if let Some(Extent { length: Some(_), .. }) = self.extent
            && (!self.known.is_gone() || self.file.is_some())
        {
            return Ok(self.extent);
        }
        let told = match news {
            Some(news) => news.borrow().source.clone(),
            None => self.ended().and_then(|ended| ended.source),
        };
        let own = self.task.source.as_ref();
        if self.known.is_gone() && self.file.is_none() {
            // Nothing was handed on yet: he may as well have the new one, where it is the same.
            // Without a name for the version nobody could tell.
            let named = |source: &Source| source.validators != Validators::default();
            let fits = |told: &Source| {
                own.is_none_or(|own| named(own) && alike(own, told))
                    && self.extent.is_none_or(|extent| extent == told.extent)
            };
            match told.as_deref() {
                _ if self.begun || live.is_none() => return Err(replaced()),
                Some(told) if !fits(told) => return Err(replaced()),
                Some(_) => self.known = self.inner.knowledge.of(self.task.no),
                None => return Ok(None),
            }
        }
        let source = match (own, told.as_deref()) {
            (Some(own), Some(told)) if live.is_some() && self.file.is_none() && !alike(own, told) => {
                return Err(io::Error::other("the content has changed since it was asked for"));
            }
            (Some(own), Some(told)) if own.extent.length.is_none() && alike(own, told) => Some(told),
            (Some(own), _) => Some(own),
            (None, told) => told,
        };
        self.extent = source.map(|source| source.extent);
        Ok(self.extent)
    }

    /// Looks for the next byte.
    async fn find(&mut self, live: Option<&Arc<Live>>, number: u32, piece: &Range<u64>) -> io::Result<Found> {
        if self.good == Some(number)
            && let Some((file, edition)) = &self.file
            && *edition == self.known.edition()
        {
            return Ok(Found::Here(Arc::clone(file), piece.end));
        }
        match live.map(|live| live.look(&self.known, number)) {
            Some(Look::Here(file, None)) => return Ok(Found::Here(file, piece.end)),
            Some(Look::Here(file, Some(bytes))) if piece.start + bytes > self.range.start => {
                return Ok(Found::Here(file, piece.start + bytes));
            }
            Some(Look::Changed) if self.file.is_none() => {
                // He has seen nothing of it yet, or it is found out above.
                return if self.known.is_gone() { Ok(Found::Again) } else { Ok(Found::Missing) };
            }
            Some(Look::Here(..) | Look::Changed | Look::Missing) | None => {}
        }
        let recorded = self.task.pieces.get(number);
        let is_there = recorded.is_some() || self.known.is_good(number);
        match live {
            Some(live) if !is_there || live.is_reported(number) => return Ok(Found::Missing),
            None if !is_there || self.reported == Some(number) && !self.known.is_good(number) => {
                return Err(self.missing(number));
            }
            Some(_) | None => {}
        }
        let Some(file) = self.own_file(number).await? else { return Ok(Found::Again) };
        if self.known.is_good(number) || self.is_right(&file, number, piece, recorded).await? {
            self.good = Some(number);
            return Ok(Found::Here(file, piece.end));
        }
        self.report(number, &[number], Some(&file)).await?;
        Ok(Found::Again)
    }

    fn missing(&self, number: u32) -> io::Error {
        match self.ended().and_then(|ended| ended.end) {
            Some(Err(failed)) => io::Error::other(failed.why),
            Some(Ok(())) | None => io::Error::other(format!("piece {number} is not there, and nobody fetches it")),
        }
    }

    /// The file that he began with, or the one that is there; none, when it is gone, which was reported.
    async fn own_file(&mut self, number: u32) -> io::Result<Option<Arc<File>>> {
        let edition = self.known.edition();
        if let Some((file, of)) = &self.file
            && (*of == edition || self.known.is_gone())
        {
            return Ok(Some(Arc::clone(file)));
        }
        let (no, id) = (self.task.no, self.task.ids.primary.clone());
        let held = self.inner.knowledge.file(no).filter(|(_, of)| *of == edition);
        let (file, edition) = match held {
            Some(held) => held,
            None => {
                let inner = Arc::clone(&self.inner);
                match self.inner.thread.blocking(move || inner.files.read(&id)).await {
                    Ok(file) => (Arc::new(file), edition),
                    Err(failed) if failed.kind() == io::ErrorKind::NotFound => {
                        let all: Vec<u32> = self.task.pieces.iter().map(|(number, _)| number).collect();
                        self.known.bad(&all);
                        self.report(number, &all, None).await?;
                        return Ok(None);
                    }
                    Err(failed) => return Err(failed),
                }
            }
        };
        if self.known.is_gone() {
            return Err(io::Error::other("the content was removed or replaced before it was read"));
        }
        self.inner.knowledge.hold(no, &self.known, &file, edition);
        self.file = Some((Arc::clone(&file), edition));
        Ok(Some(file))
    }

    /// Compares a piece, unless another reader just did.
    async fn is_right(&self, file: &Arc<File>, number: u32, piece: &Range<u64>, crc: Option<Crc>) -> io::Result<bool> {
        // Not a lock on anything: a turn, so that a hundred readers read the piece once.
        let _turn = self.known.turn.acquire().await.map_err(io::Error::other)?;
        if self.known.is_good(number) {
            return Ok(true);
        }
        let (file, piece) = (Arc::clone(file), piece.clone());
        let path = self.inner.files.path(&self.task.ids.primary);
        // A disk that cannot read a piece has lost it: it is fetched again.
        let found = self.inner.thread.blocking(move || crc_of(&file, &path, piece)).await.unwrap_or(None);
        let right = found.is_some() && found == crc;
        if right {
            self.known.good(number);
        }
        Ok(right)
    }

    /// Reports damage, with what else is missing at the end of the file, and waits until somebody repairs it.
    async fn report(&mut self, number: u32, numbers: &[u32], file: Option<&Arc<File>>) -> io::Result<()> {
        let mut all = numbers.to_vec();
        if let (Some(file), Some(Extent { length: Some(length), piece_length })) = (file, self.extent) {
            let file = Arc::clone(file);
            let found = self.inner.thread.blocking(move || file.metadata()).await.map_or(length, |found| found.len());
            let beyond = self.task.pieces.iter().map(|(number, _)| number);
            all.extend(beyond.filter(|number| bytes_of(*number, length, piece_length).end > found));
            all.sort_unstable();
            all.dedup();
        }
        let live = match self.inner.found_damaged(self.task.no, &self.known, &all) {
            Report::Gone => {
                return Err(io::Error::other("the content is damaged, and was replaced while it was being read"));
            }
            Report::ThereAgain => {
                (self.file, self.good) = (None, None);
                return Ok(());
            }
            Report::Heard(live) => live,
        };
        tracing::warn!(task = self.task.no.0, pieces = ?all, "pieces are not what they were");
        (self.file, self.good, self.reported) = (None, None, Some(number));
        // What comes now is compared with the digest as a whole.
        self.proven = self.task.digest.is_none();
        let mut progress = live.progress();
        let begins = async {
            while !live.is_running() && progress.changed().await.is_ok() {
                if progress.borrow().end.is_some() {
                    break;
                }
            }
        };
        if tokio::time::timeout(REPAIR_BEGINS, begins).await.is_err() {
            self.inner.give_up(self.task.no, &live, "nobody repairs it");
        }
        if live.is_running() {
            return Ok(());
        }
        Err(io::Error::other(format!("piece {number} is damaged, and nobody repairs it")))
    }

    /// The file ends before a byte that was there.
    async fn shorter(&mut self, at: u64) -> io::Result<()> {
        let Some(extent) = self.extent else { return Err(io::ErrorKind::UnexpectedEof.into()) };
        let number = u32::try_from(at / extent.piece_length.max(1)).unwrap_or(u32::MAX);
        let file = self.file.as_ref().map(|(file, _)| Arc::clone(file));
        self.known.bad(&[number]);
        self.report(number, &[number], file.as_ref()).await
    }

    async fn wait(&mut self, news: Option<watch::Receiver<Progress>>) -> io::Result<()> {
        let Some(mut news) = news else {
            // Over, or not begun: what there is to know is known now.
            let ended = watching::whole(self.inner.progress(&self.task)).await;
            return ended.map_err(|failed| io::Error::other(failed.why));
        };
        let mut ended = news.borrow().end.clone();
        if ended.is_none() && news.changed().await.is_ok() {
            ended = news.borrow().end.clone();
        }
        match ended {
            Some(Err(failed)) => Err(io::Error::other(failed.why)),
            Some(Ok(())) if !self.known.is_gone() => {
                self.proven = true;
                Ok(())
            }
            Some(Ok(())) | None => Ok(()),
        }
    }

    /// Reads; nothing, where the file is shorter.
    async fn bytes(&self, file: Arc<File>, bytes: Range<u64>) -> io::Result<Bytes> {
        if let Some(bytes) = in_memory(&file, bytes.clone()) {
            return Ok(bytes);
        }
        let path = self.inner.files.path(&self.task.ids.primary);
        let job = move || {
            let mut buffer = vec![0; usize::try_from(bytes.end.saturating_sub(bytes.start)).unwrap_or_default()];
            let read = read_at(&file, &mut buffer, bytes.start).failing("read", &path)?;
            buffer.truncate(read);
            Ok(buffer.into())
        };
        self.inner.thread.blocking(job).await
    }
}

fn replaced() -> io::Error {
    io::Error::other("the content was replaced while it was being read")
}

/// Whether two answers may speak of one content.
fn alike(a: &Source, b: &Source) -> bool {
    a.extent.piece_length == b.extent.piece_length
        && (a.extent.length == b.extent.length || a.extent.length.is_none() || b.extent.length.is_none())
        && a.validators == b.validators
}
