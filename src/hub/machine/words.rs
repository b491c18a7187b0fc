//! The vocabulary of the room: what it hears, what it is asked, what it answers with, and what it wants done.

use crate::base::{Mono, Wall};
use crate::hub::model::{
    Access, AccountId, BadName, DaemonId, Digests, EntryPoint, Item, ItemName, ItemNo, Job, JobId, JobState, Look,
    Member, Pool, PoolName, PullSource, Reading, RepName, Repository, Requirement, Requirements, Stamp, Tag, TagName,
    TagNo,
};
use std::path::PathBuf;
use std::sync::Arc;

/// Something happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// Somebody wants something.
    Asked(Ask),
    /// An account is no more, or was none at a start: it is forgotten with its log; what it published stays, for
    /// administrators alone.
    Removed(AccountId),
    /// These files look otherwise than [`Expected`] said. What is as it was is not told.
    Looked(Vec<(TagNo, Look)>),
    /// All files of a pool were looked at once.
    Passed(PoolName),
    /// A pool does not answer: nothing is looked at there until it does. What is told of its files was told before.
    Hangs(PoolName),
    /// A reading that [`Effect::Read`] began is over: which tag's, and the order's number. Exactly one for each, save where
    /// [`Effect::StopReading`] came before.
    Read(TagNo, u64, Reading),
    /// Whether the entry listener answered its own question ([`Effect::Beat`]).
    Answered(bool),
    /// How a fact of this host stands, asked for with somebody's rights; why it does not hold.
    Fact((Requirement, AccountId), Result<(), String>),
    /// A job goes on.
    JobMoved(JobId, JobState),
    /// How many bytes a job is about.
    JobSized(JobId, u64),
    /// A pull has put its file in place; it may have been forgotten meanwhile. Told before it is over, and not where the
    /// file was there.
    Placed(Arc<Job>, Stamp),
    /// What a pull was to be published as, once its file is in place: read, and right.
    Pulled(JobId, Box<NewTag>, Look),
    /// A deadline has come, or a clock was set.
    Tick,
}

/// On whose behalf something is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct By {
    /// Who.
    pub account: AccountId,
    /// Whether he may see and change what is not his.
    pub admin: bool,
}

/// A heartbeat from outside: read, with what is invalid refused and what is superfluous dropped.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Beat {
    /// Where the daemon can be reached, as it says.
    pub entries: Vec<EntryPoint>,
    /// Lines, oldest first: each with its stamp in front.
    pub lines: Vec<String>,
    /// Everything that is not well there: `rep/item:tag`.
    pub abnormal: Vec<(RepName, ItemName, TagName)>,
}

/// A pool to be. Its directory exists.
#[derive(Clone, Debug, PartialEq)]
pub struct NewPool {
    /// See [`Pool::name`].
    pub name: PoolName,
    /// See [`Pool::dir`].
    pub dir: PathBuf,
}

/// An item to be.
#[derive(Clone, Debug, PartialEq)]
pub struct NewItem {
    /// See [`Item::rep`].
    pub rep: RepName,
    /// See [`Item::name`].
    pub name: ItemName,
    /// See [`Item::pool`].
    pub pool: PoolName,
    /// See [`Item::dir`].
    pub dir: Arc<str>,
    /// See [`Item::access`].
    pub access: Access,
    /// See [`Item::comment`].
    pub comment: Arc<str>,
}

/// A tag to be.
#[derive(Clone, Debug, PartialEq)]
pub struct NewTag {
    /// See [`Item::rep`].
    pub rep: RepName,
    /// See [`Item::name`].
    pub item: ItemName,
    /// See [`Tag::name`].
    pub tag: TagName,
    /// See [`Tag::detail`].
    pub detail: Arc<str>,
    /// See [`Tag::comment`].
    pub comment: Arc<str>,
    /// See [`Tag::requires`].
    pub requires: Requirements,
    /// It takes the place of one of that name.
    pub replace: bool,
    /// What the file is: read just now. None: a job reads it, and the tag is [`Pending`](super::super::model::State::Pending)
    /// until then.
    pub read: Option<(Stamp, Digests)>,
    /// How long it is, where it was not read.
    pub size: u64,
}

/// Which tags of an item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Which {
    /// This one.
    One(TagName),
    /// Those whose names match: `*` stands for anything.
    Like(String),
    /// All.
    All,
}

/// What somebody may want. Who he is was proven before; what he may is decided here.
#[derive(Clone, Debug, PartialEq)]
pub enum Ask {
    /// An account has come, or is spoken of: makes it a member, unless it is one. Answers with [`Verdict::Member`].
    Join(AccountId, Newcomer),
    /// Whether this host serves for it. By itself or an administrator.
    Serve(By, AccountId, bool),
    /// Replaces where it can be reached; none: only what this host listens on.
    SetEntries(AccountId, Vec<EntryPoint>),
    /// Replaces what must hold for an account to be online. By itself or an administrator.
    RequireOfMember(By, AccountId, Requirements),
    /// A heartbeat from outside. Always counts; the entry points are probed elsewhere.
    Beat(AccountId, Beat),
    /// Lines for logs: what happened that was not decided here (sign-ins, files handed out). Answered when written.
    Note(Vec<(AccountId, String)>),
    /// The host starts: a line for every member. The daemon's first ask.
    Started,
    /// The host stops: the same.
    Stopping,
    /// Makes a pool.
    MakePool(By, NewPool),
    /// Forgets a pool without published items. Its files stay.
    ForgetPool(By, PoolName),
    /// Makes a repository.
    MakeRepository(By, RepName, Arc<str>),
    /// Forgets one that is empty.
    ForgetRepository(By, RepName),
    /// Makes an item, and its repository where there is none.
    MakeItem(By, NewItem),
    /// Forgets an item with its tags. Its files stay.
    ForgetItem(By, RepName, ItemName),
    /// Publishes a tag; where it has to be read first, with a job.
    Publish(By, Box<NewTag>),
    /// Forgets tags. Their files stay.
    ForgetTags(By, RepName, ItemName, Which),
    /// Replaces what must hold for a tag to be well.
    RequireOfTag(By, RepName, ItemName, TagName, Requirements),
    /// Reads and compares tags now; answers when that is done.
    Verify(By, RepName, ItemName, Which),
    /// Pulls a tag from another daemon.
    Pull(By, NewPull),
    /// Forgets a job; ends what it does. None: all of one's own.
    ForgetJob(By, Option<JobId>),
}

/// How an account begins as a member.
#[derive(Clone, Debug, PartialEq)]
pub struct Newcomer {
    /// See [`Member::daemon`].
    pub daemon: DaemonId,
    /// See [`Member::serving`].
    pub serving: bool,
}

/// A pull to be.
#[derive(Clone, Debug, PartialEq)]
pub struct NewPull {
    /// Of which repository.
    pub rep: RepName,
    /// Of which item.
    pub item: ItemName,
    /// Which tag.
    pub tag: TagName,
    /// From where, whereto.
    pub source: PullSource,
}

/// What an ask led to.
#[derive(Clone, Debug, PartialEq)]
#[must_use]
pub enum Verdict {
    /// It is so.
    Done,
    /// The account.
    Member(Arc<Member>),
    /// The pool.
    Pool(Arc<Pool>),
    /// The repository.
    Repository(Arc<Repository>),
    /// The item.
    Item(Arc<Item>),
    /// The tag, by its number; with the job that reads it, where one does.
    Published(TagNo, Option<Arc<Job>>),
    /// How many tags or jobs are gone.
    Gone(usize),
    /// How many files were read.
    Verified(usize),
    /// The job.
    Job(Arc<Job>),
    /// No, and why.
    Refused(Refusal),
}

/// Why something is not done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It is somebody else's.
    #[error("permission denied: {0}")]
    Foreign(String),
    /// Paths need the name, or it cannot be one.
    #[error(transparent)]
    Name(#[from] BadName),
    /// There is none of that name. What: `repository`, `item`, `tag`, `datapool`, `job`, `user`.
    #[error("there is no {what} {name}")]
    Unknown {
        /// What kind of thing.
        what: &'static str,
        /// Its name.
        name: String,
    },
    /// Another one is called so.
    #[error("there is a {what} {name} already")]
    Taken {
        /// What kind of thing.
        what: &'static str,
        /// Its name.
        name: String,
    },
    /// The pool's directory is in that of somebody else's pool, or around it.
    #[error("conn: the directory is part of another user's data pool")]
    Overlaps,
    /// It has things in it.
    #[error("the {what} {name} is not empty: it holds {holds}")]
    NotEmpty {
        /// What kind of thing.
        what: &'static str,
        /// Its name.
        name: String,
        /// For people: `3 items`.
        holds: String,
    },
    /// There may be no more.
    #[error("there are {most} {what} already")]
    TooMany {
        /// What kind of thing, in the plural.
        what: &'static str,
        /// How many there may be.
        most: usize,
    },
}

/// What a look at a file should find: then nobody is told.
#[derive(Clone, Debug, PartialEq)]
pub struct Expected {
    /// Which tag.
    pub no: TagNo,
    /// The item's directory in its pool.
    pub dir: Arc<str>,
    /// The file there.
    pub detail: Arc<str>,
    /// What a look found last, or what is right; none: anything is news.
    pub look: Option<Look>,
    /// To be touched by whoever looks.
    pub looked: crate::hub::model::LookedAt,
}

/// What is to be done. Need not wait for the disk; safe to repeat.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Read a file; [`Event::Read`] follows.
    Read(Box<ReadOrder>),
    /// Whatever is read for this tag is not wanted any more; nothing needs to follow.
    StopReading(TagNo),
    /// Ask the entry listener, where there is one, whether it answers for this daemon; [`Event::Answered`] follows.
    Beat(DaemonId),
    /// Look at this file of an item soon: it was published just now.
    LookAt(ItemNo, Arc<str>),
    /// Go on with a job: pull.
    Pull(Arc<Job>),
    /// End a pull, or forget one that has not begun; nothing needs to follow.
    StopPulling(JobId),
    /// Remove the file that a pull has put in place, where it is still that, and still nobody's ([`Room::is_left`]);
    /// nothing needs to follow.
    ///
    /// [`Room::is_left`]: super::Room::is_left
    Unplace(Arc<Job>, Stamp),
}

/// A file to be read.
#[derive(Clone, Debug, PartialEq)]
pub struct ReadOrder {
    /// Which tag.
    pub tag: TagNo,
    /// Which reading: one that was stopped may have ended before it heard of that.
    pub number: u64,
    /// The pool's directory.
    pub pool: Arc<PathBuf>,
    /// The item's directory in it.
    pub dir: Arc<str>,
    /// The file there.
    pub detail: Arc<str>,
    /// Whether it may be read no faster than configured: nobody waits for it.
    pub gently: bool,
}

/// What is to be written down, in order, as one decision.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// A member, new or changed.
    Member(Arc<Member>),
    /// It is gone, with its log.
    MemberGone(AccountId),
    /// A line of a log, under its number; an older one falls out. The text has no stamp of its own where `at` is given.
    Line {
        /// Whose.
        account: AccountId,
        /// Numbers grow by one.
        number: u64,
        /// When; none: the text begins with its own stamp.
        at: Option<Wall>,
        /// One line.
        text: String,
        /// The line that falls out of the ring, where one does.
        drops: Option<u64>,
    },
    /// The lines of a log up to this number are gone.
    LinesGone(AccountId, u64),
    /// A pool.
    Pool(Arc<Pool>),
    /// It is gone.
    PoolGone(PoolName),
    /// A repository.
    Repository(Arc<Repository>),
    /// It is gone.
    RepositoryGone(RepName),
    /// An item.
    Item(Arc<Item>),
    /// It is gone; its tags are told one by one, or all at once with [`Change::TagsGone`].
    ItemGone(ItemNo),
    /// A tag, new or changed in anything but its health.
    Tag(Arc<Tag>),
    /// Only its health has changed.
    Health(Arc<Tag>),
    /// It is gone, with its health.
    TagGone(ItemNo, TagNo),
    /// All tags of an item.
    TagsGone(ItemNo),
    /// A job, new or changed.
    Job(Arc<Job>),
    /// It is gone.
    JobGone(JobId),
}

/// Something that others see: for the bus.
#[derive(Clone, Debug, PartialEq)]
pub enum News {
    /// A tag was published, or stands otherwise.
    Tag(TagNo),
    /// It is gone: `rep/item:tag`.
    TagGone(String),
    /// An account is online, or no longer.
    Online(AccountId, bool),
    /// A job was made, goes on, or is over.
    Job(JobId),
}

/// What a step leads to.
#[derive(Clone, Debug, Default, PartialEq)]
#[must_use]
pub struct Plan {
    /// One decision, in order.
    pub changes: Vec<Change>,
    /// In order.
    pub effects: Vec<Effect>,
    /// To the one who asked now; none: he hears later, in `late`.
    pub verdict: Option<Verdict>,
    /// He hears later: under this number.
    pub owed: Option<u64>,
    /// Verdicts owed from earlier, by their numbers.
    pub late: Vec<(u64, Verdict)>,
    /// For listeners.
    pub news: Vec<News>,
}

/// How a tag is shown: everything that is known of it together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shown {
    /// It is well.
    Normal,
    /// It is not: the wire's word, and more for people.
    Abnormal {
        /// `missing`, …, `unverified`, `reported` (by a heartbeat), `requires`.
        reason: &'static str,
        /// For people; may be empty.
        detail: String,
    },
}

/// Whether an account is online, and why not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Whether it is.
    pub online: bool,
    /// When it last beat, by itself or from outside, in this life of the daemon.
    pub last_beat: Option<Mono>,
    /// For people, where it is offline.
    pub why: String,
}
