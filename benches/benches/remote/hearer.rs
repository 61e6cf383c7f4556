//! The other process of `hearing.rs`: this program again, told by a variable of its environment.
//!
//! It is told a key by a line, loads it into its memory, says so, and says when it is gone. It is
//! woken by the listener of its memory; once in a millisecond it looks whether a life has ended,
//! which notifies no listener.

use crate::tier::{patient, tiered};
use cache_core::Cache;
use cache_memcached::Hearing;
use std::{
    env, io,
    net::SocketAddr,
    process::{Command, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
    time::Duration,
};

/// The variable that makes this program a hearer: the server, and how it hears.
const ROLE: &str = "CACHE_BENCH_REMOTE_HEARS";

pub(crate) const READY: &str = "ready";
pub(crate) const HAS: &str = "has it";
pub(crate) const GONE: &str = "gone";
pub(crate) const PING: &str = "ping";
pub(crate) const PONG: &str = "pong";

/// How this process hears of what others have invalidated.
#[derive(Clone, Copy)]
pub(crate) struct Hears {
    /// memcached tells it.
    pub(crate) watches: bool,
    /// For how long it serves what it has not heard of.
    pub(crate) memory_life: Duration,
    /// How often it asks for flushes.
    pub(crate) poll: Duration,
}

/// Returns the name of the cache: cases that run at once must not flush each other's.
pub(crate) fn name_of(hears: &Hears) -> String {
    format!("hearing-{}-{}", hears.watches, hears.memory_life.as_millis())
}

/// Returns the command that starts a hearer.
pub(crate) fn command(server: SocketAddr, hears: &Hears) -> Command {
    let mut command = Command::new(env::current_exe().expect("this program has a path"));
    let Hears { watches, memory_life, poll } = hears;
    let role = format!("{server} {watches} {} {}", memory_life.as_millis(), poll.as_millis());
    command.env(ROLE, role).stdin(Stdio::piped()).stdout(Stdio::piped());
    command
}

/// Is a hearer, if the environment says so; returns `false` if not.
pub(crate) fn was_asked_for() -> bool {
    let Ok(role) = env::var(ROLE) else { return false };
    let words: Vec<&str> = role.split(' ').collect();
    let [server, watches, memory_life, poll] = words[..] else { panic!("{ROLE}: {role}") };
    let millis = |text: &str| Duration::from_millis(text.parse().expect("milliseconds"));
    let hears =
        Hears { watches: watches == "true", memory_life: millis(memory_life), poll: millis(poll) };
    hear(server.parse().expect("an address"), &hears).expect("the other process listens");
    true
}

/// Until the other process says nothing more.
fn hear(server: SocketAddr, hears: &Hears) -> io::Result<()> {
    let tier = patient(server);
    let tier = if hears.watches { tier.watch().build() } else { tier.build() };
    let (removed, woken) = channel();
    let listener = move |_: &String, _: &_, _| _ = removed.send(());
    let memory = Cache::builder().eviction_listener(listener);
    let cache = tiered(&name_of(hears), memory, tier.clone(), (hears.memory_life, hears.poll));
    while hears.watches && tier.hearing() != Hearing::Listening {
        thread::sleep(Duration::from_millis(1));
    }
    println!("{READY}");
    for line in io::stdin().lines() {
        let key = line?;
        if key == PING {
            println!("{PONG}");
            continue;
        }
        drop(cache.get_with_by_ref(&*key, || "a value".into()));
        woken.try_iter().for_each(drop);
        println!("{HAS}");
        wait_until_gone(|| cache.memory().contains_key(&*key), &woken);
        println!("{GONE}");
    }
    Ok(())
}

fn wait_until_gone(is_there: impl Fn() -> bool, woken: &Receiver<()>) {
    while is_there() {
        let _ = woken.recv_timeout(Duration::from_millis(1));
    }
}
