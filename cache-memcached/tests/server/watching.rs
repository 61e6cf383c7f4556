//! Hearing of others' writes.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use cache_core::tier::{Event, Subscription, Tier};
use cache_memcached::{Hearing, Memcached};

use crate::harness::{cases, wait_until};
use crate::memcached::Server;
use crate::proxy::{Fate, Proxy};
use crate::tiers::{MINUTE, patient};

cases![
    others_writes_are_heard_by_name,
    own_writes_are_not_heard,
    all_servers_are_listened_to,
    a_lost_server_is_told_and_heard_again,
    a_hung_server_is_told,
    a_flood_that_loses_lines_is_told,
    the_losses_of_another_watcher_are_not_told,
    a_server_that_forbids_it_is_told_once,
    a_silent_server_is_made_to_look_at_its_log,
    threads_end_with_the_last_subscription,
    how_long_until_another_process_hears,
];

/// What a tier hears.
struct Ears {
    events: Receiver<Event>,
    _subscription: Subscription,
}

impl Ears {
    /// Subscribes, and waits until all servers are listened to.
    fn of(tier: &Memcached) -> Self {
        let ears = Self::deaf(tier);
        wait_until(|| tier.hearing() == Hearing::Listening);
        let servers = format!("{tier:?}").matches("127.0.0.1").count();
        for _ in 0..servers {
            assert_eq!(ears.next(), Event::Lost, "the beginning");
        }
        ears
    }

    fn deaf(tier: &Memcached) -> Self {
        let (send, events) = channel();
        let send = Mutex::new(send);
        let source = tier.invalidations().expect("the watch is on");
        let subscription = source.subscribe(Arc::new(move |event| {
            // The test may be over.
            drop(send.lock().expect("no panic").send(event));
        }));
        Ears { events, _subscription: subscription }
    }

    fn next(&self) -> Event {
        self.events.recv_timeout(Duration::from_secs(30)).expect("an event")
    }
}

fn key(name: &str) -> Event {
    Event::Key(name.as_bytes().to_vec())
}

fn others_writes_are_heard_by_name() {
    let server = Server::start();
    let (one, other) =
        (patient([server.address()]).watch().build(), patient([server.address()]).watch().build());
    let ears = Ears::of(&one);
    other.put(b"a", b"value", None).expect("stored");
    assert_eq!(ears.next(), key("a"));
    other.remove(b"b").expect("an answer");
    assert_eq!(ears.next(), key("b"));
    other.mark_stale(b"c", MINUTE).expect("an answer");
    assert_eq!(ears.next(), key("c"));
    other.bump(b"users", 1).expect("an answer");
    assert_eq!(ears.next(), key("users"), "a counter is told by its name");
    let binary = b"a\r\nb %41\xff";
    other.remove(binary).expect("an answer");
    assert_eq!(ears.next(), Event::Key(binary.to_vec()));
    let longest = vec![b'k'; other.max_key_len()];
    other.remove(&longest).expect("an answer");
    assert_eq!(ears.next(), Event::Key(longest));
    other.remove(&[b'k'; 300]).expect("an answer");
    assert_eq!(ears.next(), Event::Lost, "it has no name");
}

fn own_writes_are_not_heard() {
    let server = Server::start();
    let (one, other) =
        (patient([server.address()]).watch().build(), patient([server.address()]).watch().build());
    let foreign = patient([server.address()]).namespace("foreign").watch().build();
    let ears = Ears::of(&one);
    one.put(b"own", b"value", None).expect("stored");
    one.remove(b"own").expect("an answer");
    foreign.put(b"foreign", b"value", None).expect("stored");
    let lease = crate::tiers::won(&other, b"filled");
    other.fill(b"filled", lease, b"value", None).expect("an answer");
    other.put(b"last", b"value", None).expect("stored");
    assert_eq!(ears.next(), key("last"));
}

fn all_servers_are_listened_to() {
    let servers: Vec<_> = (0..3).map(|_| Server::start()).collect();
    let (one, other) = (
        patient(servers.iter().map(Server::address)).watch().build(),
        patient(servers.iter().map(Server::address)).watch().build(),
    );
    let ears = Ears::of(&one);
    for number in 0..30 {
        let name = format!("key:{number}");
        other.remove(name.as_bytes()).expect("an answer");
        assert_eq!(ears.next(), key(&name));
    }
    assert_eq!(one.health().hearing_losses, 0);
}

fn a_lost_server_is_told_and_heard_again() {
    let mut server = Server::start();
    let (one, other) =
        (patient([server.address()]).watch().build(), patient([server.address()]).watch().build());
    let ears = Ears::of(&one);
    server.kill();
    assert_eq!(ears.next(), Event::Lost);
    wait_until(|| one.hearing() == Hearing::Lost);
    assert_eq!(one.health().hearing_losses, 1);
    server.restart();
    assert_eq!(ears.next(), Event::Lost, "the beginning of the next watch");
    wait_until(|| one.hearing() == Hearing::Listening);
    wait_until(|| other.remove(b"key").is_ok());
    assert_eq!(ears.next(), key("key"));
}

/// A hung server says nothing on a watch.
fn a_hung_server_is_told() {
    let server = Server::start();
    let one =
        patient([server.address()]).exchange_timeout(Duration::from_millis(500)).watch().build();
    let ears = Ears::of(&one);
    server.hang();
    assert_eq!(ears.next(), Event::Lost);
    server.go_on();
    assert_eq!(ears.next(), Event::Lost);
    wait_until(|| one.hearing() == Hearing::Listening);
}

fn a_flood_that_loses_lines_is_told() {
    const WRITES: usize = 200_000;
    let server = Server::start();
    let one = patient([server.address()]).watch().build();
    let source = one.invalidations().expect("the watch is on");
    let (send, lost) = channel();
    let send = Mutex::new(send);
    let flood = Arc::new(AtomicBool::new(false));
    let is_written = Arc::clone(&flood);
    // Its sink does not come back before all is written, so that lines are lost on any machine.
    let _subscription = source.subscribe(Arc::new(move |event| {
        if event == Event::Lost {
            let _ = send.lock().expect("no panic").send(());
        } else {
            wait_until(|| is_written.load(SeqCst));
        }
    }));
    wait_until(|| one.hearing() == Hearing::Listening);
    lost.recv_timeout(Duration::from_secs(30)).expect("the beginning");
    let mut writer = TcpStream::connect(server.address()).expect("it runs");
    let mut lines = Vec::new();
    for number in 0..WRITES {
        let tombstone = format!("ms test:~i:0123456789abcdef:k{number} 0 T60 q\r\n\r\n");
        lines.extend_from_slice(tombstone.as_bytes());
    }
    lines.extend_from_slice(b"mn\r\n");
    writer.write_all(&lines).expect("it reads");
    writer.read_exact(&mut [0; 4]).expect("it has written all");
    flood.store(true, SeqCst);
    lost.recv_timeout(Duration::from_secs(60)).expect("a loss");
    assert!(one.health().hearing_losses >= 1);
}

/// Lines of a watcher that does not read are left out and counted, but they are not this one's.
/// Begins anew if the machine was so slow that lines were dropped before they were in the stream.
fn the_losses_of_another_watcher_are_not_told() {
    assert!((0..10).any(|_| another_watcher_is_stuck()), "the machine is too slow");
}

/// Returns `false` if lines were dropped for all watchers.
fn another_watcher_is_stuck() -> bool {
    let server = Server::start();
    let mut stuck = TcpStream::connect(server.address()).expect("it runs");
    stuck.write_all(b"watch fetchers\r\n").expect("it reads");
    let one = patient([server.address()]).watch().build();
    let ears = Ears::of(&one);
    // In small pieces, for which the server's threads have room.
    let mut reader = TcpStream::connect(server.address()).expect("it runs");
    let gets = [format!("mg {:k<200}\r\n", "").repeat(50), "mn\r\n".to_owned()].concat();
    let replies = "EN\r\n".len() * 50 + "MN\r\n".len();
    wait_until(|| {
        for _ in 0..100 {
            reader.write_all(gets.as_bytes()).expect("it reads");
            reader.read_exact(&mut vec![0; replies]).expect("replies");
            std::thread::sleep(Duration::from_micros(200));
        }
        !server.say("stats").contains("STAT log_watcher_skipped 0")
    });
    // For two looks at the counters.
    std::thread::sleep(Duration::from_millis(2_500));
    if !server.say("stats").contains("STAT log_worker_dropped 0") {
        return false;
    }
    let other = patient([server.address()]).watch().build();
    other.remove(b"key").expect("an answer");
    assert_eq!(ears.next(), key("key"));
    assert_eq!(one.health().hearing_losses, 0);
    true
}

fn a_server_that_forbids_it_is_told_once() {
    let server = Server::start();
    let proxy = Proxy::before(server.address());
    let one = patient([proxy.address()]).watch().build();
    proxy.next(Fate::Replaced(b"ERROR\r\n".to_vec()));
    let ears = Ears::deaf(&one);
    assert_eq!(ears.next(), Event::Lost);
    wait_until(|| one.hearing() == Hearing::Refused);
    assert_eq!(one.health().hearing_losses, 1);
    one.put(b"key", b"value", None).expect("all else works");
}

/// Else it would look once a second. What it has to log is told to nobody.
fn a_silent_server_is_made_to_look_at_its_log() {
    let server = Server::start();
    let bare = bare_watch(&server);
    let [one, other] = [(); 2].map(|()| patient([server.address()]).watch().build());
    let ears = [&one, &other].map(Ears::of);
    for _ in 0..10 {
        next(&bare, |line| line.contains("~w"));
    }
    one.remove(b"key").expect("an answer");
    assert_eq!(ears[1].next(), key("key"));
    other.remove(b"other").expect("an answer");
    assert_eq!(ears[0].next(), key("other"));
    assert_eq!(one.health().hearing_losses, 0);
}

fn threads_end_with_the_last_subscription() {
    let server = Server::start();
    let one = patient([server.address()]).watch().build();
    assert_eq!(one.hearing(), Hearing::Off);
    assert!(patient([server.address()]).build().invalidations().is_none());
    let (first, second) = (Ears::of(&one), Ears::deaf(&one));
    drop(first);
    one.clone().put(b"key", b"value", None).expect("stored");
    assert_eq!(one.hearing(), Hearing::Listening);
    drop(second);
    wait_until(|| one.hearing() == Hearing::Off);
    wait_until(|| server.say("stats").contains("STAT log_watchers 0"));
    let again = Ears::of(&one);
    let other = patient([server.address()]).watch().build();
    other.remove(b"key").expect("an answer");
    assert_eq!(again.next(), key("key"));
}

/// Prints times, and asserts none: they depend on the machine. They are those until a subscriber is
/// called, and those until a bare connection has the same line of the server's log.
fn how_long_until_another_process_hears() {
    let server = Server::start();
    let (one, other) =
        (patient([server.address()]).watch().build(), patient([server.address()]).watch().build());
    let (send, told) = channel();
    let send = Mutex::new(send);
    let source = one.invalidations().expect("the watch is on");
    let _subscription = source.subscribe(Arc::new(move |event| {
        drop(send.lock().expect("no panic").send((event, Instant::now())));
    }));
    wait_until(|| one.hearing() == Hearing::Listening);
    let bare = bare_watch(&server);
    for (gap, rounds) in [(0, 300), (10, 100), (100, 30), (1_000, 5)] {
        let mut times: [Vec<Duration>; 2] = Default::default();
        for number in 0..rounds {
            std::thread::sleep(Duration::from_millis(gap));
            let name = format!("key-{gap}-{number}");
            let start = Instant::now();
            other.remove(name.as_bytes()).expect("an answer");
            times[0].push(next(&told, |event| *event == key(&name)) - start);
            times[1].push(next(&bare, |line| line.contains(&format!("{name} "))) - start);
        }
        for (what, times) in ["subscriber", "connection"].into_iter().zip(&mut times) {
            times.sort_unstable();
            let at = |part: usize| times[(rounds * part / 100).min(rounds - 1)];
            let [half, most, all] = [50, 99, 100].map(at);
            println!("{gap} ms apart, {what}: p50 {half:?}, p99 {most:?}, at most {all:?}");
        }
    }
}

/// Waits for something, and returns when it came.
fn next<T>(receiver: &Receiver<(T, Instant)>, is_it: impl Fn(&T) -> bool) -> Instant {
    let received = || receiver.recv_timeout(Duration::from_secs(30)).expect("it comes");
    std::iter::repeat_with(received).find(|(it, _)| is_it(it)).expect("without end").1
}

/// Returns the lines of the server's log, and when each was there.
fn bare_watch(server: &Server) -> Receiver<(String, Instant)> {
    let mut stream = TcpStream::connect(server.address()).expect("it runs");
    stream.write_all(b"watch mutations\r\n").expect("it reads");
    let (send, lines) = channel();
    let mut stream = BufReader::new(stream);
    let mut begun = String::new();
    stream.read_line(&mut begun).expect("it answers");
    assert_eq!(begun, "OK\r\n");
    // It ends with the server.
    std::thread::spawn(move || {
        let lines = stream.lines().map_while(Result::ok);
        lines
            .map(|line| send.send((line, Instant::now())))
            .take_while(Result::is_ok)
            .for_each(drop);
    });
    lines
}
