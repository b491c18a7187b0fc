//! Who takes part: a daemon whose tracker has an admin, managers with their sessions, workers with their secrets. Named as
//! in the reference where it has a name for them.

use super::*;
use std::ops::Deref;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

/// A daemon whose tracker has an admin.
pub struct Tracker {
    pub daemon: Daemon,
    pub admin: Person,
    stock: [OnceLock<Person>; 2],
}

/// The daemon that tests share: it lives as long as one of them holds it.
pub fn shared() -> Arc<Tracker> {
    static SHARED: Mutex<Weak<Tracker>> = Mutex::new(Weak::new());
    let mut known = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    known.upgrade().unwrap_or_else(|| {
        let tracker = Arc::new(Tracker::start(SETTINGS));
        *known = Arc::downgrade(&tracker);
        tracker
    })
}

impl Tracker {
    /// One of the test's own.
    #[track_caller]
    pub fn start(config: &str) -> Tracker {
        let daemon = Daemon::configured(config);
        let admin = Person::register(&daemon.tcp(), "ADMIN");
        assert_eq!(admin.account()["tracker_admin"], true, "the first one is tracker admin");
        Tracker { daemon, admin, stock: Default::default() }
    }

    /// USER of the reference: a manager without rights of his own.
    #[track_caller]
    pub fn user(&self) -> &Person {
        self.stock[0].get_or_init(|| self.manager())
    }

    /// OTHER of the reference.
    #[track_caller]
    pub fn other(&self) -> &Person {
        self.stock[1].get_or_init(|| self.manager())
    }

    /// One more manager, for a test that changes his rights.
    #[track_caller]
    pub fn manager(&self) -> Person {
        Person::register(&self.guest(), &fresh("mgr"))
    }

    /// GUEST of the reference: over TCP without credentials nobody is anybody.
    #[track_caller]
    pub fn guest(&self) -> Client {
        self.daemon.tcp()
    }

    #[track_caller]
    pub fn worker(&self) -> Worker {
        self.worker_called(&fresh("worker"))
    }

    #[track_caller]
    pub fn worker_called(&self, alias: &str) -> Worker {
        let made = ok(self.guest().post("/worker/create", &json!({"alias": alias})));
        Worker::of(&self.guest(), &made["worker"])
    }

    /// A worker with these rights, `a` and `s`, in a project.
    #[track_caller]
    pub fn worker_in(&self, project: i64, rights: &str) -> Worker {
        let worker = self.worker();
        self.grant(project, &worker, rights);
        worker
    }

    /// `grant(P, W, a s)` of the reference.
    #[track_caller]
    pub fn grant(&self, project: i64, worker: &Worker, rights: &str) {
        ok(worker.request(project, rights));
        ok(self.accept(project, worker));
    }

    #[track_caller]
    pub fn accept(&self, project: i64, worker: &Worker) -> Answer {
        self.admin.post(&format!("/project/accept_request/{project}/{}", worker.id), &json!(null))
    }

    #[track_caller]
    pub fn reject(&self, project: i64, worker: &Worker) -> Answer {
        self.admin.post(&format!("/project/reject_request/{project}/{}", worker.id), &json!(null))
    }

    /// A project of ADMIN's: private and unlimited unless `more` says otherwise.
    #[track_caller]
    pub fn project(&self, more: Value) -> i64 {
        self.admin.create(plus(json!({"name": fresh("project")}), more))
    }

    /// A project and a worker that may do everything there.
    #[track_caller]
    pub fn queue(&self, more: Value) -> (i64, Worker) {
        let project = self.project(more);
        (project, self.worker_in(project, "as"))
    }

    #[track_caller]
    pub fn set_role(&self, project: i64, person: &Person, role: i64) -> Answer {
        let body = json!({"manager": person.id, "role": role});
        self.admin.post(&format!("/manager/set_role_for_project/{project}"), &body)
    }

    /// USER gets this role, and no other.
    #[track_caller]
    pub fn role(&self, project: i64, role: i64) -> &Person {
        ok(self.set_role(project, self.user(), role));
        self.user()
    }

    #[track_caller]
    pub fn shown(&self, project: i64) -> Value {
        self.admin.shown(project)
    }

    /// Changes these fields of a project, as clients do: read, change, write.
    #[track_caller]
    pub fn update(&self, project: i64, changes: Value) -> Answer {
        let whole = plus(self.shown(project), changes);
        self.admin.post(&format!("/project/update/{project}"), &whole)
    }

    /// How many tasks a worker has closed.
    #[track_caller]
    pub fn closed_by(&self, worker: &Worker) -> i64 {
        let stats = ok(self.guest().get("/worker/stats"));
        let mine = list(&stats["stats"]).iter().find(|entry| entry["id"] == worker.id);
        mine.unwrap_or_else(|| panic!("{} is not in {stats}", worker.id))["closed_task_count"]
            .as_i64()
            .expect("a number")
    }

    #[track_caller]
    pub fn alive(&self) {
        ok(self.guest().get("/"));
    }
}

/// A manager and his session.
#[derive(Clone)]
pub struct Person {
    pub name: String,
    pub id: i64,
    pub cookie: String,
    pub client: Client,
}

impl Deref for Person {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

impl Person {
    /// Registers `name`, with the session that comes of it.
    #[track_caller]
    pub fn register(client: &Client, name: &str) -> Person {
        let answer = client.post("/register", &credentials(name));
        Person::of(client, name, &answer)
    }

    /// Signs in once more: another session.
    #[track_caller]
    pub fn login(&self, client: &Client) -> Person {
        let answer = client.post("/login", &credentials(&self.name));
        Person::of(client, &self.name, &answer)
    }

    #[track_caller]
    pub fn of(client: &Client, name: &str, answer: &Answer) -> Person {
        assert_eq!(answer.status, 200, "{}", answer.text());
        let cookie = cookie(answer).expect("a session");
        let mut person = Person { name: name.to_owned(), id: 0, client: client.with("Cookie", &cookie), cookie };
        person.id = person.account()["id"].as_i64().expect("a number");
        person
    }

    /// The same session at a daemon that was started anew.
    pub fn at(&self, client: &Client) -> Person {
        Person { client: client.with("Cookie", &self.cookie), ..self.clone() }
    }

    /// What `/account` says about who this is.
    #[track_caller]
    pub fn account(&self) -> Value {
        let mut content = ok(self.get("/account"));
        assert_eq!((&content["logged_in"], &content["manager"]["username"]), (&json!(true), &json!(self.name)));
        content["manager"].take()
    }

    #[track_caller]
    pub fn create(&self, project: Value) -> i64 {
        let content = ok(self.post("/project/create", &project));
        let id = content["id"].as_i64().filter(|id| *id > 0).unwrap_or_else(|| panic!("no number: {content}"));
        assert_eq!(content, json!({"id": id}));
        id
    }

    #[track_caller]
    pub fn shown(&self, project: i64) -> Value {
        with_rates(ok(self.get(&format!("/project/get/{project}")))["project"].take())
    }
}

pub fn credentials(name: &str) -> Value {
    json!({"username": name, "password": PASSWORD})
}

/// `name=value` of the cookie that an answer sets.
pub fn cookie(answer: &Answer) -> Option<String> {
    answer.header("set-cookie").map(|line| line.split(';').next().unwrap_or_default().to_owned())
}

/// A worker and its two headers.
#[derive(Clone)]
pub struct Worker {
    pub id: i64,
    pub secret: String,
    pub client: Client,
}

impl Deref for Worker {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

impl Worker {
    #[track_caller]
    pub fn of(client: &Client, made: &Value) -> Worker {
        let id = made["id"].as_i64().unwrap_or_else(|| panic!("no number: {made}"));
        let secret = made["secret"].as_str().unwrap_or_else(|| panic!("no secret: {made}")).to_owned();
        Worker { id, client: identified(client, &id.to_string(), &secret), secret }
    }

    /// The same worker over another connection.
    pub fn over(&self, client: &Client) -> Worker {
        Worker { client: identified(client, &self.id.to_string(), &self.secret), ..self.clone() }
    }

    #[track_caller]
    pub fn request(&self, project: i64, rights: &str) -> Answer {
        let body = json!({"project": project, "assign": rights.contains('a'), "submit": rights.contains('s')});
        self.post("/project/request_access", &body)
    }

    /// `submit(P, …)` of the reference.
    #[track_caller]
    pub fn submit(&self, project: i64, more: Value) -> Answer {
        self.post("/task/submit", &task(project, more))
    }

    /// Submits tasks with these recipes, one by one.
    #[track_caller]
    pub fn fill(&self, project: i64, recipes: &[&str]) {
        for recipe in recipes {
            ok(self.submit(project, json!({"recipe": recipe})));
        }
    }

    #[track_caller]
    pub fn bulk(&self, tasks: &[Value]) -> Answer {
        self.post("/task/bulk_submit", &json!({"requests": tasks}))
    }

    #[track_caller]
    pub fn fetch(&self, project: i64) -> Answer {
        self.get(&format!("/task/get/{project}"))
    }

    /// Fetches, and gets something.
    #[track_caller]
    pub fn take(&self, project: i64) -> Value {
        ok(self.fetch(project))["task"].take()
    }

    /// Fetches a task and gives it back so.
    #[track_caller]
    pub fn finish(&self, project: i64, result: i64) -> i64 {
        let id = number(&self.take(project));
        released(self.release(id, result), true);
        id
    }

    #[track_caller]
    pub fn release(&self, task: i64, result: i64) -> Answer {
        self.vote(task, result, 0)
    }

    #[track_caller]
    pub fn vote(&self, task: i64, result: i64, verification: i64) -> Answer {
        self.post("/task/release", &json!({"task_id": task, "result": result, "verification": verification}))
    }
}

pub fn identified(client: &Client, id: &str, secret: &str) -> Client {
    client.with("X-Worker-Id", id).with("X-Secret", secret)
}
