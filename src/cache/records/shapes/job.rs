//! Jobs: what they were given, secrets masked, and what came of them.

use super::Base64;
use super::{Digest, Id, Pin, is_default};
use crate::base::{Nanos, Span, Wall};
use crate::cache::model::{
    self, Args, ClusterId, FindArgs, FindBy, Found, GcArgs, GcKind, ImageArgs, Job as Whole, JobHead, JobId, JobKind,
    JobResult, JobState, Naming, Part, PartState, PreheatArgs, PreheatKind, TaskId, TaskNo, UrlOutcome,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// See [`Whole`].
#[derive(Serialize, Deserialize)]
pub(in super::super) struct Job {
    kind: Kind,
    state: State,
    user: u32,
    created: Nanos,
    updated: Nanos,
    group: Id,
    unit: Id,
    #[serde(default, skip_serializing_if = "is_default")]
    bio: String,
    clusters: Vec<u32>,
    #[serde(default, skip_serializing_if = "is_default")]
    secrets: bool,
    #[serde(default, skip_serializing_if = "is_default")]
    error: String,
    args: StoredArgs,
    result: Outcome,
}

/// See [`JobHead`]: what is read of a [`Job`] for lists.
#[derive(Serialize, Deserialize)]
pub(in super::super) struct Head {
    kind: Kind,
    state: State,
    user: u32,
    created: Nanos,
}

/// See [`JobKind`].
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Preheat,
    GetTask,
    DeleteTask,
    Distribution,
    Gc,
}

/// See [`PartState`].
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum State {
    Pending,
    Started,
    Success,
    Failure,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum StoredArgs {
    Preheat(Box<Preheat>),
    GetTask(Box<Find>),
    DeleteTask(Box<Find>),
    Distribution(Box<Distribution>),
    Gc { audit: bool, ttl: Span },
}

/// See [`Naming`].
#[derive(Serialize, Deserialize)]
struct Names {
    piece_length: Option<u64>,
    tag: String,
    application: String,
    filter: String,
}

/// See [`model::Image`]: scheme, host, repository and reference.
#[derive(Serialize, Deserialize)]
struct Image(String, String, String, String);

/// See [`model::Platform`]: none is all of them.
#[derive(Serialize, Deserialize)]
struct Platform(Option<(String, String, Option<String>)>);

/// See [`model::Scope`].
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Scope {
    SingleSeedPeer,
    AllSeedPeers,
    AllPeers,
}

/// See [`PreheatArgs`].
#[derive(Serialize, Deserialize)]
struct Preheat {
    image: bool,
    url: String,
    urls: Option<Vec<String>>,
    images: Vec<Image>,
    naming: Names,
    headers: Option<BTreeMap<String, String>>,
    username: String,
    password: String,
    platform_text: String,
    platform: Platform,
    scope: Scope,
    ips: Option<Vec<String>>,
    count: Option<u32>,
    percentage: Option<u32>,
    concurrent_tasks: u32,
    concurrent_peers: u32,
    timeout: Span,
    revalidate: bool,
    ttl: Option<Span>,
    pin: Option<Pin>,
    digest: Option<Digest>,
}

/// See [`FindBy`].
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum By {
    /// URL, what names it, its content, and whether its digest is its id.
    Url(String, Names, Option<String>, bool),
    Image(Image, Platform),
    Content(String),
    Id(Option<Base64>),
}

/// See [`FindArgs`].
#[derive(Serialize, Deserialize)]
struct Find {
    by: By,
    task_id: String,
    url: String,
    content: Option<String>,
    naming: Names,
    concurrent_peers: u32,
    timeout: Span,
    image: bool,
    headers: Option<BTreeMap<String, String>>,
    username: String,
    password: String,
    platform: String,
}

/// See [`ImageArgs`].
#[derive(Serialize, Deserialize)]
struct Distribution {
    url: String,
    image: Image,
    naming: Names,
    headers: Option<BTreeMap<String, String>>,
    username: String,
    password: String,
    platform_text: String,
    platform: Platform,
    concurrent_layers: u32,
    concurrent_peers: u32,
    timeout: Span,
}

/// See [`JobResult`].
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Outcome {
    Preheat(Vec<Url>),
    Found(Vec<Task>),
    Deleted { removed: Vec<u64>, failed: Vec<(u64, String)> },
    Distribution { layers: Vec<String>, cached: Vec<String> },
    Purged(u64),
}

/// See [`UrlOutcome`].
#[derive(Serialize, Deserialize)]
struct Url {
    url: String,
    /// None: not over. Empty: done. Else why not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    end: Option<Result<(), String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
}

/// See [`Found`].
#[derive(Serialize, Deserialize)]
struct Task {
    id: Base64,
    peer: Id,
    created: Nanos,
    used: Nanos,
    finished: bool,
    length: Option<u64>,
    piece_length: u64,
    cached_bytes: u64,
    finished_pieces: u32,
    total_pieces: Option<u32>,
}

/// What a job says about itself, and since when.
#[derive(Serialize, Deserialize)]
pub(in super::super) struct JobBio(String, Nanos);

/// Whom a job is for, and since when.
#[derive(Serialize, Deserialize)]
pub(in super::super) struct JobUser(u32, Nanos);

impl JobBio {
    pub(in super::super) fn new(bio: &str, at: Wall) -> JobBio {
        JobBio(bio.to_owned(), Nanos(at))
    }

    pub(in super::super) fn at(&self) -> Wall {
        self.1.0
    }

    pub(in super::super) fn into_text(self) -> String {
        self.0
    }
}

impl JobUser {
    pub(in super::super) fn new(user: u32, at: Wall) -> JobUser {
        JobUser(user, Nanos(at))
    }

    pub(in super::super) fn at(&self) -> Wall {
        self.1.0
    }

    pub(in super::super) fn user(&self) -> u32 {
        self.0
    }
}

/// Masks the values of all headers, passwords, and accounts in addresses: what was a secret is masked already, but what
/// another version took for one is not known, and addresses are kept as they were given.
pub(in super::super) fn mask_job(json: &mut Value) {
    for name in ["args", "result"] {
        json.get_mut(name).into_iter().for_each(mask_addresses);
    }
    let Some(args) = json.get_mut("args").and_then(Value::as_object_mut) else { return };
    for args in args.values_mut() {
        if let Some(headers) = args.get_mut("headers").and_then(Value::as_object_mut) {
            headers.values_mut().for_each(|value| *value = Value::from("***"));
        }
        if let Some(password) = args.get_mut("password").filter(|password| password.as_str() != Some("")) {
            *password = Value::from("***");
        }
    }
}

/// Masks the accounts in all texts that are addresses.
fn mask_addresses(json: &mut Value) {
    match json {
        Value::String(text) if model::address::has_account(text) => {
            *text = model::address::masked(text).into_owned();
        }
        Value::Array(all) => all.iter_mut().for_each(mask_addresses),
        Value::Object(all) => all.values_mut().for_each(mask_addresses),
        _ => {}
    }
}

/// Masks the account in the address of a task.
pub(in super::super) fn mask_task(json: &mut Value) {
    json.get_mut("u").into_iter().for_each(mask_addresses);
}

impl Head {
    pub(in super::super) fn into_model(self, id: u64) -> JobHead {
        let kind = match self.kind {
            Kind::Preheat => JobKind::Preheat,
            Kind::GetTask => JobKind::GetTask,
            Kind::DeleteTask => JobKind::DeleteTask,
            Kind::Distribution => JobKind::Distribution,
            Kind::Gc => JobKind::Gc,
        };
        let state = match self.state {
            State::Pending | State::Started => JobState::Pending,
            State::Success => JobState::Success,
            State::Failure => JobState::Failure,
        };
        JobHead { id: JobId(id), kind, state, user: self.user, created: self.created.0 }
    }
}

impl From<&Whole> for Job {
    fn from(job: &Whole) -> Job {
        Job {
            kind: match job.kind() {
                JobKind::Preheat => Kind::Preheat,
                JobKind::GetTask => Kind::GetTask,
                JobKind::DeleteTask => Kind::DeleteTask,
                JobKind::Distribution => Kind::Distribution,
                JobKind::Gc => Kind::Gc,
            },
            state: match job.part.state {
                PartState::Pending => State::Pending,
                PartState::Started => State::Started,
                PartState::Success => State::Success,
                PartState::Failure => State::Failure,
            },
            user: job.user,
            created: Nanos(job.created),
            updated: Nanos(job.updated),
            group: Id(job.group),
            unit: Id(job.part.unit),
            bio: job.bio.clone(),
            clusters: job.clusters.iter().map(|cluster| cluster.0).collect(),
            secrets: job.has_secrets,
            error: job.part.error.clone(),
            args: StoredArgs::from(&*job.args),
            result: Outcome::from(&job.part.result),
        }
    }
}

impl Job {
    pub(in super::super) fn into_model(self, id: JobId) -> Whole {
        Whole {
            id,
            created: self.created.0,
            updated: self.updated.0,
            group: self.group.0,
            bio: self.bio,
            user: self.user,
            args: Arc::new(self.args.into()),
            clusters: self.clusters.into_iter().map(ClusterId).collect(),
            has_secrets: self.secrets,
            part: Part {
                unit: self.unit.0,
                state: match self.state {
                    State::Pending => PartState::Pending,
                    State::Started => PartState::Started,
                    State::Success => PartState::Success,
                    State::Failure => PartState::Failure,
                },
                error: self.error,
                result: self.result.into(),
            },
        }
    }
}

impl From<&Args> for StoredArgs {
    fn from(args: &Args) -> StoredArgs {
        match args {
            Args::Preheat(args) => StoredArgs::Preheat(Box::new(args.into())),
            Args::GetTask(args) => StoredArgs::GetTask(Box::new(args.into())),
            Args::DeleteTask(args) => StoredArgs::DeleteTask(Box::new(args.into())),
            Args::Distribution(args) => StoredArgs::Distribution(Box::new(args.into())),
            Args::Gc(args) => StoredArgs::Gc { audit: args.kind == GcKind::Audit, ttl: args.ttl.into() },
        }
    }
}

impl From<StoredArgs> for Args {
    fn from(args: StoredArgs) -> Args {
        match args {
            StoredArgs::Preheat(args) => Args::Preheat((*args).into()),
            StoredArgs::GetTask(args) => Args::GetTask((*args).into()),
            StoredArgs::DeleteTask(args) => Args::DeleteTask((*args).into()),
            StoredArgs::Distribution(args) => Args::Distribution((*args).into()),
            StoredArgs::Gc { audit, ttl } => {
                Args::Gc(GcArgs { kind: if audit { GcKind::Audit } else { GcKind::Job }, ttl: ttl.into() })
            }
        }
    }
}

impl From<&Naming> for Names {
    fn from(naming: &Naming) -> Names {
        Names {
            piece_length: naming.piece_length,
            tag: naming.tag.clone(),
            application: naming.application.clone(),
            filter: naming.filter.text().to_owned(),
        }
    }
}

impl From<Names> for Naming {
    fn from(names: Names) -> Naming {
        Naming {
            piece_length: names.piece_length,
            tag: names.tag,
            application: names.application,
            filter: model::Filter::new(&names.filter),
        }
    }
}

impl From<&model::Image> for Image {
    fn from(image: &model::Image) -> Image {
        let model::Image { scheme, host, repository, reference } = image.clone();
        Image(scheme, host, repository, reference)
    }
}

impl From<Image> for model::Image {
    fn from(Image(scheme, host, repository, reference): Image) -> model::Image {
        model::Image { scheme, host, repository, reference }
    }
}

impl From<&model::Platform> for Platform {
    fn from(platform: &model::Platform) -> Platform {
        match platform.clone() {
            model::Platform::All => Platform(None),
            model::Platform::One { os, architecture, variant } => Platform(Some((os, architecture, variant))),
        }
    }
}

impl From<Platform> for model::Platform {
    fn from(Platform(platform): Platform) -> model::Platform {
        match platform {
            None => model::Platform::All,
            Some((os, architecture, variant)) => model::Platform::One { os, architecture, variant },
        }
    }
}

impl From<&PreheatArgs> for Preheat {
    fn from(args: &PreheatArgs) -> Preheat {
        Preheat {
            image: args.kind == PreheatKind::Image,
            url: args.url.clone(),
            urls: args.urls.clone(),
            images: args.images.iter().map(Image::from).collect(),
            naming: Names::from(&args.naming),
            headers: args.headers.clone(),
            username: args.username.clone(),
            password: args.password.clone(),
            platform_text: args.platform_text.clone(),
            platform: Platform::from(&args.platform),
            scope: match args.scope {
                model::Scope::SingleSeedPeer => Scope::SingleSeedPeer,
                model::Scope::AllSeedPeers => Scope::AllSeedPeers,
                model::Scope::AllPeers => Scope::AllPeers,
            },
            ips: args.ips.clone(),
            count: args.count,
            percentage: args.percentage,
            concurrent_tasks: args.concurrent_tasks,
            concurrent_peers: args.concurrent_peers,
            timeout: args.timeout.into(),
            revalidate: args.revalidate,
            ttl: args.ttl.map(Span::from),
            pin: args.pin.as_ref().map(Pin::from),
            digest: args.digest.as_ref().map(Digest::from),
        }
    }
}

impl From<Preheat> for PreheatArgs {
    fn from(args: Preheat) -> PreheatArgs {
        PreheatArgs {
            kind: if args.image { PreheatKind::Image } else { PreheatKind::File },
            url: args.url,
            urls: args.urls,
            images: args.images.into_iter().map(Into::into).collect(),
            naming: args.naming.into(),
            headers: args.headers,
            username: args.username,
            password: args.password,
            platform_text: args.platform_text,
            platform: args.platform.into(),
            scope: match args.scope {
                Scope::SingleSeedPeer => model::Scope::SingleSeedPeer,
                Scope::AllSeedPeers => model::Scope::AllSeedPeers,
                Scope::AllPeers => model::Scope::AllPeers,
            },
            ips: args.ips,
            count: args.count,
            percentage: args.percentage,
            concurrent_tasks: args.concurrent_tasks,
            concurrent_peers: args.concurrent_peers,
            timeout: args.timeout.into(),
            revalidate: args.revalidate,
            ttl: args.ttl.map(Into::into),
            pin: args.pin.map(Into::into),
            digest: args.digest.and_then(Digest::into_model),
        }
    }
}

impl From<&FindBy> for By {
    fn from(by: &FindBy) -> By {
        match by {
            FindBy::Url(identity) => {
                let names = Names {
                    piece_length: identity.piece_length,
                    tag: identity.tag.clone(),
                    application: identity.application.clone(),
                    filter: identity.filter.text().to_owned(),
                };
                By::Url(identity.url.clone(), names, identity.content.clone(), identity.by_digest)
            }
            FindBy::Image(image, platform) => By::Image(image.into(), platform.into()),
            FindBy::Content(content) => By::Content(content.clone()),
            FindBy::Id(id) => By::Id(id.as_ref().map(|id| Base64(id.bytes().to_vec()))),
        }
    }
}

impl From<By> for FindBy {
    fn from(by: By) -> FindBy {
        match by {
            By::Url(url, names, content, by_digest) => {
                let identity = Naming::from(names).of(&url);
                FindBy::Url(Box::new(model::Identity { content, by_digest, ..identity }))
            }
            By::Image(image, platform) => FindBy::Image(image.into(), platform.into()),
            By::Content(content) => FindBy::Content(content),
            By::Id(id) => FindBy::Id(id.map(|Base64(bytes)| TaskId::new(&bytes))),
        }
    }
}

impl From<&FindArgs> for Find {
    fn from(args: &FindArgs) -> Find {
        Find {
            by: By::from(&args.by),
            task_id: args.task_id.clone(),
            url: args.url.clone(),
            content: args.content.clone(),
            naming: Names::from(&args.naming),
            concurrent_peers: args.concurrent_peers,
            timeout: args.timeout.into(),
            image: args.image,
            headers: args.headers.clone(),
            username: args.username.clone(),
            password: args.password.clone(),
            platform: args.platform.clone(),
        }
    }
}

impl From<Find> for FindArgs {
    fn from(args: Find) -> FindArgs {
        FindArgs {
            by: args.by.into(),
            task_id: args.task_id,
            url: args.url,
            content: args.content,
            naming: args.naming.into(),
            concurrent_peers: args.concurrent_peers,
            timeout: args.timeout.into(),
            image: args.image,
            headers: args.headers,
            username: args.username,
            password: args.password,
            platform: args.platform,
        }
    }
}

impl From<&ImageArgs> for Distribution {
    fn from(args: &ImageArgs) -> Distribution {
        Distribution {
            url: args.url.clone(),
            image: Image::from(&args.image),
            naming: Names::from(&args.naming),
            headers: args.headers.clone(),
            username: args.username.clone(),
            password: args.password.clone(),
            platform_text: args.platform_text.clone(),
            platform: Platform::from(&args.platform),
            concurrent_layers: args.concurrent_layers,
            concurrent_peers: args.concurrent_peers,
            timeout: args.timeout.into(),
        }
    }
}

impl From<Distribution> for ImageArgs {
    fn from(args: Distribution) -> ImageArgs {
        ImageArgs {
            url: args.url,
            image: args.image.into(),
            naming: args.naming.into(),
            headers: args.headers,
            username: args.username,
            password: args.password,
            platform_text: args.platform_text,
            platform: args.platform.into(),
            concurrent_layers: args.concurrent_layers,
            concurrent_peers: args.concurrent_peers,
            timeout: args.timeout.into(),
        }
    }
}

impl From<&JobResult> for Outcome {
    fn from(result: &JobResult) -> Outcome {
        match result {
            JobResult::Preheat(urls) => Outcome::Preheat(urls.iter().map(Url::from).collect()),
            JobResult::Found(found) => Outcome::Found(found.iter().map(Task::from).collect()),
            JobResult::Deleted { removed, failed } => Outcome::Deleted {
                removed: removed.iter().map(|no| no.0).collect(),
                failed: failed.iter().map(|(no, why)| (no.0, why.clone())).collect(),
            },
            JobResult::Distribution { layers, cached } => {
                Outcome::Distribution { layers: layers.clone(), cached: cached.clone() }
            }
            JobResult::Purged(count) => Outcome::Purged(*count),
        }
    }
}

impl From<Outcome> for JobResult {
    fn from(outcome: Outcome) -> JobResult {
        match outcome {
            Outcome::Preheat(urls) => JobResult::Preheat(urls.into_iter().map(Into::into).collect()),
            Outcome::Found(found) => JobResult::Found(found.into_iter().map(Into::into).collect()),
            Outcome::Deleted { removed, failed } => JobResult::Deleted {
                removed: removed.into_iter().map(TaskNo).collect(),
                failed: failed.into_iter().map(|(no, why)| (TaskNo(no), why)).collect(),
            },
            Outcome::Distribution { layers, cached } => JobResult::Distribution { layers, cached },
            Outcome::Purged(count) => JobResult::Purged(count),
        }
    }
}

impl From<&UrlOutcome> for Url {
    fn from(outcome: &UrlOutcome) -> Url {
        let UrlOutcome { url, end, bytes } = outcome.clone();
        Url { url, end, bytes }
    }
}

impl From<Url> for UrlOutcome {
    fn from(Url { url, end, bytes }: Url) -> UrlOutcome {
        UrlOutcome { url, end, bytes }
    }
}

impl From<&Found> for Task {
    fn from(found: &Found) -> Task {
        Task {
            id: Base64(found.id.bytes().to_vec()),
            peer: Id(found.peer),
            created: Nanos(found.created),
            used: Nanos(found.used),
            finished: found.finished,
            length: found.length,
            piece_length: found.piece_length,
            cached_bytes: found.cached_bytes,
            finished_pieces: found.finished_pieces,
            total_pieces: found.total_pieces,
        }
    }
}

impl From<Task> for Found {
    fn from(task: Task) -> Found {
        Found {
            id: TaskId::new(&task.id.0),
            peer: task.peer.0,
            created: task.created.0,
            used: task.used.0,
            finished: task.finished,
            length: task.length,
            piece_length: task.piece_length,
            cached_bytes: task.cached_bytes,
            finished_pieces: task.finished_pieces,
            total_pieces: task.total_pieces,
        }
    }
}
