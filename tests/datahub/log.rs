//! Cases 17–27: the log.

use super::*;
use crate::cast::{RAIN, basic, password};

/// bob's ring after a beat of fifteen lines, which is the last that happens to him.
#[track_caller]
fn quiet_ring(cast: &Cast) -> Vec<String> {
    let id = cast.silence_bob();
    let lines: Vec<String> = (1..=15).map(|n| format!("2024/03/05 09:10:{n:02} [line {n}]\n")).collect();
    ok(cast.beat(&json!({"daemonid": id, "entrypoint": null, "log": lines})));
    let ring = cast.ring(&cast.bob());
    assert!(ring.len() >= 15, "{ring:?}");
    ring
}

// Cases 17 to 21, and 24: three times the same.
#[test]
fn windows_begin_at_the_newest_line_and_looking_adds_none() {
    let cast = Cast::empty(&Settings::default());
    let ring = quiet_ring(&cast);
    let (bob, n) = (cast.bob(), ring.len());
    assert_eq!(ring[0], "2024/03/05 09:10:15 [line 15]");
    for _ in 0..3 {
        assert_eq!(cast.log(&bob, "0"), ring[..10]);
        assert_eq!(cast.log(&bob, "5"), ring[5..15]);
        assert_eq!(cast.log(&bob, &(n - 3).to_string()), ring[n - 3..]);
        assert_eq!(cast.log(&bob, "5?range=2"), ring[5..8]);
        assert_eq!(cast.log(&bob, "0?range=0"), ring[..1]);
        assert_eq!(bare(bob.get(&format!("/daemon/log/{n}"))), json!({"log": []}));
        assert_eq!(data(bob.get("/api/daemon/log/0?range=0")), json!({"log": [ring[0]]}));
        cast.status(&bob);
        cast.nobody().get("/daemon/log/0").expect(401);
    }
    // Nor does going offline.
    cast.status_becomes(SOON, &bob, "offline");
    assert_eq!(cast.ring(&bob), ring);
    assert_eq!(cast.log(&bob, "0?range=999999999"), ring);
}

// Case 22.
#[test]
fn what_is_no_index_is_refused() {
    let cast = Cast::empty(&Settings::default());
    for window in ["x", "-1", "0?range=-1", "0?range=a", "1.0", "0?range=1e3", "%2B1", "0?range=0x1"] {
        refused(cast.bob().get(&format!("/daemon/log/{window}")), 400, 1007);
    }
}

/// `YYYY/MM/DD HH:MM:SS text`
fn is_line(line: &str) -> bool {
    let form = b"dddd/dd/dd dd:dd:dd ";
    let fits = |(byte, form): (&u8, &u8)| if *form == b'd' { byte.is_ascii_digit() } else { byte == form };
    line.len() > form.len() && line.as_bytes().iter().zip(form).all(fits) && !line.contains(['\n', '\r'])
}

// Case 23.
#[test]
fn lines_have_one_form_and_stamps_go_back_in_time() {
    let cast = Cast::start();
    ok(cast.alice().post("/api/ep", &json!({"entrypoint": "http://example.test:4040"})));
    ok(cast.alice().delete(&format!("{RAIN}/t3")));
    let ring = cast.ring(&cast.alice());
    assert!(ring.len() >= 6 && ring.iter().all(|line| is_line(line)), "{ring:#?}");
    assert!(ring.is_sorted_by(|newer, older| newer[..19] >= older[..19]), "{ring:#?}");

    let id = cast.silence_bob();
    let lines = [
        "2024/03/05 09:10:42 later\n",
        "1999/12/31 23:59:59 [much earlier]\n",
        "without a stamp\n",
        "2024/03/05 09:10:41 in\ntwo\tparts\u{7}\n\n",
    ];
    ok(cast.beat(&json!({"daemonid": id, "entrypoint": null, "log": lines})));
    let ring = cast.log(&cast.bob(), "0?range=3");
    assert!(ring.iter().all(|line| is_line(line)), "{ring:#?}");
    assert!(ring[0].starts_with("2024/03/05 09:10:41 in two"), "{ring:#?}");
    assert!(!ring[0].contains('\u{7}'), "{ring:#?}");
    assert!(ring[1].ends_with(" without a stamp"), "{ring:#?}");
    assert_eq!(ring[2..], ["1999/12/31 23:59:59 [much earlier]", "2024/03/05 09:10:42 later"]);
}

// Case 25.
#[test]
fn an_event_is_a_line_for_whom_it_concerns() {
    let cast = Cast::start();
    let of_bob = cast.ring(&cast.bob());
    std::fs::write(cast.file("d.bin"), b"a fourth").expect("a file");
    cast.publish(&cast.alice(), "weather/rain/t4", "d.bin");
    let newest = cast.log(&cast.alice(), "0?range=0").remove(0);
    assert!(newest.contains("weather/rain") && newest.contains("t4"), "{newest}");
    assert_eq!(cast.ring(&cast.bob()), of_bob);
    // A change of health is one, too, with its reason.
    std::fs::remove_file(cast.file("d.bin")).expect("the file");
    cast.reason_becomes(NOTICED, "t4", "missing");
    let newest = cast.log(&cast.alice(), "0?range=0").remove(0);
    assert!(newest.contains("weather/rain:t4") && newest.contains("missing"), "{newest}");
    assert_eq!(cast.ring(&cast.bob()), of_bob);
}

// Case 26.
#[test]
fn a_ring_holds_so_many_lines_also_over_a_restart() {
    let mut cast = Cast::empty(&Settings { hub: "log_ring = 20\n".to_owned(), ..Settings::default() });
    let id = cast.silence_bob();
    let lines: Vec<String> = (0..50).map(|n| format!("2024/03/05 09:10:41 event {n}\n")).collect();
    ok(cast.beat(&json!({"daemonid": id, "entrypoint": null, "log": lines})));
    let ring = cast.log(&cast.bob(), "0?range=100");
    assert_eq!(ring.len(), 20, "{ring:#?}");
    assert_eq!((ring[0].as_str(), ring[19].as_str()), ("2024/03/05 09:10:41 event 49", "2024/03/05 09:10:41 event 30"));
    cast.daemon.restart();
    let after = cast.log(&cast.bob(), "0?range=100");
    assert_eq!(after.len(), 20, "{after:#?}");
    // A line for the stop and one for the start.
    assert_eq!(after[2..], ring[..18], "{after:#?}");
}

// Case 27.
#[test]
fn no_ring_holds_a_secret() {
    let cast = Cast::start();
    let ids = [cast.daemonid(&cast.root()), cast.daemonid(&cast.alice()), cast.daemonid(&cast.bob())];
    let token = cast.token("alice");
    ok(cast.bearing(&token).post("/api/users/logout", &json!({})));
    cast.nobody().with("Authorization", &basic("alice", "battery-staple")).get("/api/").expect(401);
    cast.nobody().with("Authorization", &basic("alice", &md5(password("alice").as_bytes()))).get("/api/").expect(200);
    ok(cast.beat(&json!({"daemonid": ids[2], "entrypoint": null})));
    cast.make_item(&cast.alice(), "weather/secret", "p1", "secret", "private");
    std::fs::write(cast.pool("p1/secret/s"), b"secret").expect("a file");
    cast.publish(&cast.alice(), "weather/secret/s", "s");
    let own = &cast.tokens[1];
    cast.entry().get(&format!("/pull/weather/secret/s?token={own}&username=alice")).expect(200);
    cast.entry().get("/pull/weather/secret/s?token=battery-staple&username=alice").expect(400);
    cast.entry().get(&format!("/health?daemonid={}", ids[1])).expect(200);
    let secrets = [&ids[..], &cast.tokens, &[token, "battery-staple".to_owned()]].concat();
    let passwords = ["root", "alice", "bob"].map(|name| [password(name), md5(password(name).as_bytes())]).concat();
    for who in [cast.root(), cast.alice(), cast.bob()] {
        let ring = cast.ring(&who).join("\n");
        assert!(!ring.is_empty());
        for secret in secrets.iter().chain(&passwords) {
            assert!(!ring.contains(secret.as_str()), "{secret} is in {ring}");
        }
    }
    // Nor does the daemon's own log.
    let said = cast.daemon.stderr();
    for secret in secrets.iter().chain(&passwords) {
        assert!(!said.contains(secret.as_str()), "{secret} is in the log of the daemon");
    }
}

#[test]
fn of_a_beat_at_most_so_much_is_taken() {
    let cast = Cast::empty(&Settings::default());
    let id = cast.silence_bob();
    let lines: Vec<String> = (0..600).map(|n| format!("2024/03/05 09:10:41 {n} {}\n", "x".repeat(900))).collect();
    ok(cast.beat(&json!({"daemonid": id, "entrypoint": null, "log": lines})));
    let ring = cast.ring(&cast.bob());
    let taken = ring.iter().filter(|line| line.contains(" 09:10:41 ")).count();
    assert_eq!(taken, 500);
    let long = format!("2024/03/05 09:10:42 {}\n", "y".repeat(10_000));
    ok(cast.beat(&json!({"daemonid": id, "entrypoint": null, "log": [long]})));
    let newest = cast.log(&cast.bob(), "0?range=0").remove(0);
    assert!(newest.contains("yyyy") && newest.len() <= 2048 + 20, "{} bytes", newest.len());
}
