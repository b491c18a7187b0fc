//! Two hosts: one publishes, the other pulls, whatever is killed on the way; and nothing that is not what was published
//! gets through.

use super::*;
use crate::relay::Relay;
use crate::support::chance::{Dice, let_pass};
use std::fs::{self, File};
use std::io::Write;
use std::path::PathBuf;

/// How large the file is, in bytes; `PULL_MIB=1024` makes it a long run. A whole number of pieces, so that little is fetched
/// twice.
fn size() -> u64 {
    let mebibytes = std::env::var("PULL_MIB").ok().map(|text| text.parse().expect("PULL_MIB is a number"));
    mebibytes.unwrap_or(64_u64) << 20
}

/// For so many bytes on a slow machine, killed twice.
fn patience() -> Duration {
    Duration::from_secs(60 + size() / (4 << 20))
}

/// What may be fetched again of what was under way when somebody was killed, both times together.
fn again() -> u64 {
    size() / 4 + (16 << 20)
}

/// Bytes that nobody could guess nor compress; Knuth's multiplier for 64-bit words.
fn noise(size: u64, seed: u64) -> Vec<u8> {
    let mut word = seed;
    let mut bytes = Vec::with_capacity(size as usize + 8);
    while (bytes.len() as u64) < size {
        word = word.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        bytes.extend((word ^ (word >> 29)).to_le_bytes());
    }
    bytes.truncate(size as usize);
    bytes
}

/// Where downloads are done by the room of downloads, which has its own idea of loopback.
fn settings() -> Settings {
    let cache = "[cache]\nallow_loopback = true\nkeep_free = \"1 MiB\"\nretry_after = \"20ms\"\n";
    Settings { more: cache.to_owned(), ..Settings::default() }
}

/// The publishing host, with one more file of the item.
#[track_caller]
fn source(access: &str, content: &[u8]) -> Cast {
    let cast = Cast::empty(&settings());
    cast.make_pool(&cast.alice(), "p1");
    cast.make_item(&cast.alice(), "weather/rain", "p1", "rain", access);
    fs::write(cast.file("big.bin"), content).expect("a file");
    cast.publish(&cast.alice(), "weather/rain/big", "big.bin");
    cast
}

/// The pulling host; whoever pulls there is bob.
#[track_caller]
fn sink() -> Cast {
    let cast = Cast::empty(&settings());
    cast.make_pool(&cast.bob(), "inbox");
    cast
}

/// Where the file is to be.
fn placed(sink: &Cast) -> PathBuf {
    sink.pool("inbox/rain/got.bin")
}

/// What is asked for.
fn order(from: &str, more: Value) -> Value {
    let order = json!({
        "from": from, "repname": "weather", "itemname": "rain", "tag": "big", "datapool": "inbox", "itemdesc": "rain",
        "destname": "got.bin",
    });
    plus(order, more)
}

/// Begins; the id of the job.
#[track_caller]
fn begin(sink: &Cast, body: &Value) -> String {
    let job = enveloped(sink.bob().post("/api/job", body), 202)["data"].take();
    let id = text(&job["id"]).to_owned();
    assert!(id.len() == 8 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{job}");
    assert_eq!(job["tag"], "weather/rain:big", "{job}");
    id
}

#[track_caller]
fn look(sink: &Cast, id: &str) -> Value {
    let found = data(sink.bob().get(&format!("/api/job/{id}")));
    assert_eq!(list(&found).len(), 1, "{found}");
    found[0].clone()
}

/// Waits until the job is over, well or not.
#[track_caller]
fn end(sink: &Cast, id: &str) -> Value {
    until("the job is over", patience(), || {
        let job = look(sink, id);
        let known = ["queued", "downloading", "verifying", "downloaded", "published", "failed"];
        assert!(known.contains(&text(&job["stat"])), "{job}");
        Some(job).filter(|job| ["downloaded", "published", "failed"].contains(&text(&job["stat"])))
    })
}

/// It has got what was published.
#[track_caller]
fn has_come(sink: &Cast, id: &str, content: &[u8]) {
    let job = end(sink, id);
    assert_eq!(job["stat"], "downloaded", "{job}");
    let size = json!(content.len());
    assert_eq!((&job["size"], &job["srcsize"]), (&size, &size), "{job}");
    assert!(text(&job["path"]).ends_with("rain/got.bin"), "{job}");
    assert!(fs::read(placed(sink)).expect("the file") == content, "it is not what was published");
}

/// Nothing was got, and the job says why.
#[track_caller]
fn has_failed(sink: &Cast, id: &str) -> String {
    let job = end(sink, id);
    assert_eq!(job["stat"], "failed", "{job}");
    assert!(!placed(sink).exists(), "{job}");
    let why = text(&job["reason"]).to_owned();
    assert!(!why.is_empty(), "{job}");
    why
}

#[test]
fn a_public_file_is_pulled() {
    let content = noise(size(), 1);
    let (source, sink) = (source("public", &content), sink());
    let id = begin(&sink, &order(&source.entry_url(), json!({})));
    has_come(&sink, &id, &content);
    let logged = source.ring(&source.alice()).join("\n");
    assert!(logged.contains("weather/rain:big"), "{logged}");
    // Whoever is no admin sees his own jobs only.
    assert_eq!(data(sink.alice().get("/api/job")), json!([]));
    assert_eq!(data(sink.alice().get(&format!("/api/job/{id}"))), json!([]));
    refused(sink.alice().delete(&format!("/api/job/{id}")), 404, 4404);
    assert_eq!(list(&data(sink.root().get("/api/job"))).len(), 1);
    ok(sink.bob().delete(&format!("/api/job/{id}")));
    assert_eq!(data(sink.bob().get("/api/job")), json!([]));
    assert!(placed(&sink).exists(), "a file is not the job's");
}

#[test]
fn a_private_file_is_pulled_with_a_token() {
    let content = noise(1 << 20, 2);
    let (source, sink) = (source("private", &content), sink());
    let url = source.entry_url();
    has_failed(&sink, &begin(&sink, &order(&url, json!({}))));
    let with = |token: &str, name: &str| begin(&sink, &order(&url, json!({"token": token, "username": name})));
    has_failed(&sink, &with(&source.tokens[2], "bob"));
    has_failed(&sink, &with("deadbeef", "alice"));
    has_come(&sink, &with(&source.tokens[1], "alice"), &content);
    let said = [sink.ring(&sink.bob()).join("\n"), data(sink.bob().get("/api/job")).to_string(), sink.daemon.stderr()];
    for token in &source.tokens {
        assert!(said.iter().all(|text| !text.contains(token.as_str())), "a token is shown");
    }
}

#[test]
fn a_pull_goes_on_after_either_side_was_killed() {
    let content = noise(size(), 3);
    let (mut source, mut sink) = (source("public", &content), sink());
    let relay = Relay::to(source.entry_address(), size() / 3);
    let id = begin(&sink, &order(&relay.url(), json!({})));
    relay.wait_until_full(size() / 3);
    until("its progress is shown", SOON, || {
        look(&sink, &id)["size"].as_u64().filter(|came| *came > 0 && *came < size())
    });

    source.daemon.kill_keeper();
    assert!(!placed(&sink).exists(), "nothing is half there");
    source.daemon.launch();
    relay.lead_to(source.entry_address());
    relay.allow(size() * 2 / 3);
    relay.wait_until_full(size() * 2 / 3);

    sink.daemon.kill_core();
    sink.daemon.await_ready();
    assert!(!placed(&sink).exists(), "nothing is half there");
    relay.allow(u64::MAX);
    has_come(&sink, &id, &content);
    assert!(relay.passed() < size() + again(), "{} bytes were fetched for {}", relay.passed(), size());
    // And once more after a kill of all.
    sink.daemon.kill_keeper();
    sink.daemon.launch();
    has_come(&sink, &id, &content);
}

#[test]
fn kills_at_any_moment_leave_nothing_but_the_file() {
    const ROUNDS: u64 = 6;
    let mut dice = Dice(11);
    let (mut source, mut sink) = (source("public", b"something else"), sink());
    let relay = Relay::to(source.entry_address(), u64::MAX);
    for round in 0..ROUNDS {
        let content = noise(24 << 20, 100 + round);
        let name = format!("file-{round}");
        fs::write(source.file(&name), &content).expect("a file");
        source.publish(&source.alice(), &format!("weather/rain/tag-{round}"), &name);
        let body = order(&relay.url(), json!({"tag": format!("tag-{round}")}));
        let job = enveloped(sink.bob().post("/api/job", &body), 202)["data"].take();
        let_pass(millis(dice.below(400)));
        match dice.below(4) {
            0 => {
                source.daemon.kill_keeper();
                source.daemon.launch();
                relay.lead_to(source.entry_address());
            }
            1 => {
                sink.daemon.kill_keeper();
                sink.daemon.launch();
            }
            _ => {
                sink.daemon.kill_core();
                sink.daemon.await_ready();
            }
        }
        has_come(&sink, text(&job["id"]), &content);
        let there = fs::read_dir(placed(&sink).parent().expect("the item")).expect("its directory");
        let there: Vec<_> = there.map(|entry| entry.expect("a name").file_name()).collect();
        assert_eq!(there, ["got.bin"], "round {round}");
        fs::remove_file(placed(&sink)).expect("the file");
    }
}

#[test]
fn a_pull_with_a_secret_fails_after_a_restart_and_says_so() {
    let content = noise(8 << 20, 4);
    let (source, mut sink) = (source("private", &content), sink());
    let relay = Relay::to(source.entry_address(), 1 << 20);
    let body = order(&relay.url(), json!({"token": source.tokens[1], "username": "alice"}));
    let id = begin(&sink, &body);
    relay.wait_until_full(1 << 20);
    sink.daemon.restart();
    has_failed(&sink, &id);
}

#[test]
fn a_source_that_is_not_there_yet_is_waited_for() {
    let content = noise(1 << 20, 5);
    let (mut source, sink) = (source("public", &content), sink());
    let relay = Relay::to(source.entry_address(), u64::MAX);
    source.daemon.stop();
    let id = begin(&sink, &order(&relay.url(), json!({})));
    holds("the job waits", millis(1000), || look(&sink, &id)["stat"] != "failed");
    source.daemon.launch();
    relay.lead_to(source.entry_address());
    has_come(&sink, &id, &content);
}

#[test]
fn a_pull_can_be_cancelled() {
    let content = noise(8 << 20, 6);
    let (source, sink) = (source("public", &content), sink());
    let relay = Relay::to(source.entry_address(), 1 << 20);
    let id = begin(&sink, &order(&relay.url(), json!({})));
    relay.wait_until_full(1 << 20);
    ok(sink.bob().delete(&format!("/api/job/{id}")));
    relay.allow(u64::MAX);
    holds("nothing comes any more", millis(1000), || !placed(&sink).exists());
    assert_eq!(data(sink.bob().get(&format!("/api/job/{id}"))), json!([]));
}

#[test]
fn a_pull_that_is_cancelled_while_it_is_verified_leaves_no_file() {
    let content = noise(size(), 10);
    let (source, sink) = (source("public", &content), sink());
    let id = begin(&sink, &order(&source.entry_url(), json!({})));
    until("it is put in its place", patience(), || Some(()).filter(|()| placed(&sink).exists()));
    ok(sink.bob().delete(&format!("/api/job/{id}")));
    // Which of both came first is in the log.
    let logged = sink.ring(&sink.bob()).join("\n");
    match logged.contains(&format!("(job {id}) is cancelled")) {
        true => until("the file is gone", SOON, || Some(()).filter(|()| !placed(&sink).exists())),
        false => assert!(fs::read(placed(&sink)).expect("the file") == content, "{logged}"),
    }
}

#[test]
fn a_damaged_file_is_not_handed_out() {
    let content = noise(4 << 20, 7);
    let (source, sink) = (source("public", &content), sink());
    let mut other = content.clone();
    other[1 << 20] ^= 1;
    fs::write(source.file("big.bin"), &other).expect("the file");
    let answer = source.entry().get("/pull/weather/rain/big").expect(409);
    assert_eq!(answer.json()["code"], 1010);
    has_failed(&sink, &begin(&sink, &order(&source.entry_url(), json!({}))));
}

#[test]
fn what_changes_while_it_is_sent_is_not_sent_to_its_end() {
    let content = noise(size(), 8);
    let source = source("public", &content);
    let mut stream = source.entry().stream(Request::new("GET", "/pull/weather/rain/big"));
    assert_eq!(stream.status, 200);
    assert!(stream.bytes(1 << 16).expect("its beginning") == content[..1 << 16]);
    // What is under way in buffers is far less than what is left.
    let mut file = File::options().write(true).open(source.file("big.bin")).expect("the file");
    std::io::Seek::seek(&mut file, std::io::SeekFrom::Start(size() - 100)).expect("its end");
    file.write_all(b"something else").expect("it is changed");
    drop(file);
    stream.rest().expect_err("the connection is cut");
}

#[test]
fn a_pull_may_publish_what_has_come() {
    let content = noise(4 << 20, 9);
    let (source, sink) = (source("public", &content), sink());
    let id = begin(&sink, &order(&source.entry_url(), json!({"publish": "public"})));
    let job = end(&sink, &id);
    assert!(["downloaded", "published"].contains(&text(&job["stat"])), "{job}");
    let status = "/daemon/tags/status?repname=weather&itemname=rain&tagname=big";
    settles("it is published here", SOON, Some(normal()), || {
        let answer = sink.nobody().get(status);
        (answer.status == 200).then(|| answer.json())
    });
    let shown = data(sink.bob().get("/api/repositories/weather/rain/big"));
    assert_eq!((&shown["sha256"], &shown["size"]), (&json!(sha256(&content)), &json!(content.len())), "{shown}");
    assert!(sink.entry().get("/pull/weather/rain/big").expect(200).body == content);
    // And so on to the next.
    let next = sink_of(&sink);
    assert!(next == content);
}

/// What a third host pulls from this one.
#[track_caller]
fn sink_of(second: &Cast) -> Vec<u8> {
    let third = sink();
    let job = end(&third, &begin(&third, &order(&second.entry_url(), json!({}))));
    assert_eq!(job["stat"], "downloaded", "{job}");
    fs::read(placed(&third)).expect("the file")
}

#[test]
fn orders_that_make_no_sense_are_refused() {
    let sink = sink();
    let post = |more: Value| sink.bob().post("/api/job", &order("http://127.0.0.1:9", more));
    for wrong in [
        json!({"from": "ftp://h:1"}),
        json!({"from": "nonsense"}),
        json!({"from": "http://h"}),
        json!({"from": ""}),
        json!({"tag": ""}),
        json!({"repname": "a/b"}),
        json!({"destname": "../x"}),
        json!({"destname": "a/b"}),
        json!({"itemdesc": ".."}),
        json!({"itemdesc": "a/b"}),
        json!({"publish": "everybody"}),
        json!({"tag": 7}),
    ] {
        let answer = post(wrong.clone());
        assert_eq!(answer.status, 400, "{wrong}: {}", answer.text());
    }
    refused(post(json!({"datapool": "nosuch"})), 404, 4010);
    // Nobody puts files into somebody else's pool.
    let answer = sink.alice().post("/api/job", &order("http://127.0.0.1:9", json!({})));
    assert!(matches!(answer.status, 403 | 404), "{}", answer.text());
    assert_eq!(data(sink.bob().get("/api/job")), json!([]));
    assert_eq!(data(sink.bob().get("/api/job/00000000")), json!([]));
    refused(sink.bob().delete("/api/job/00000000"), 404, 4404);
}

#[test]
fn nobody_has_this_host_speak_to_itself() {
    let sink = sink();
    let own = [format!("http://{}", sink.daemon.address()), sink.entry_url(), "http://169.254.169.254:80".to_owned()];
    for from in own {
        let answer = sink.bob().post("/api/job", &order(&from, json!({})));
        match answer.status {
            202 => drop(has_failed(&sink, text(&answer.json()["data"]["id"]))),
            status => assert!(matches!(status, 400 | 403), "{from}: {}", answer.text()),
        }
    }
}
