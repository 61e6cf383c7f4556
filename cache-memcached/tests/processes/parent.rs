//! The parent's side of a child: what it is told, and what it replies.

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::thread;
use std::time::Duration;

use crate::harness::wait_until;

/// The variable that makes a child of this executable. It holds the child's [`Settings`].
pub(crate) const ROLE: &str = "CACHE_MEMCACHED_TEST_CHILD";

/// Only a failure takes so long.
pub(crate) const LONGEST: Duration = Duration::from_secs(60);

/// Longer than any test: what is polled so seldom is not polled.
pub(crate) const NEVER: Duration = Duration::from_secs(1_000);

/// How a child's cache is built.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// Of the server.
    pub(crate) address: String,
    /// It hears of others' writes.
    pub(crate) watches: bool,
    /// It waits for the server no longer than it does by default; else for as long as it takes.
    pub(crate) is_strict: bool,
    pub(crate) poll_period: Duration,
    pub(crate) memory_life: Duration,
    pub(crate) lease_wait: Duration,
    /// Where the origin of the model is.
    pub(crate) origin: Option<PathBuf>,
}

impl Settings {
    /// Settings of a process that waits for whatever it must, polls only when it is told to, and
    /// keeps nothing in memory for long.
    pub(crate) fn of(address: String) -> Self {
        Settings {
            address,
            watches: false,
            is_strict: false,
            poll_period: NEVER,
            memory_life: Duration::from_millis(50),
            lease_wait: LONGEST,
            origin: None,
        }
    }

    fn to_text(&self) -> String {
        let [poll, memory, lease] =
            [self.poll_period, self.memory_life, self.lease_wait].map(|it| it.as_millis());
        let (watches, is_strict) = (self.watches, self.is_strict);
        let origin = self.origin.as_ref().map_or_else(String::new, |it| it.display().to_string());
        format!("{}|{watches}|{is_strict}|{poll}|{memory}|{lease}|{origin}", self.address)
    }

    pub(crate) fn of_text(text: &str) -> Self {
        let parts: Vec<&str> = text.split('|').collect();
        let [address, watches, is_strict, poll, memory, lease, origin] = parts[..] else {
            panic!("{text} is not what the parent writes")
        };
        let millis = |text: &str| Duration::from_millis(text.parse().expect("a number"));
        Settings {
            address: address.to_owned(),
            watches: watches == "true",
            is_strict: is_strict == "true",
            poll_period: millis(poll),
            memory_life: millis(memory),
            lease_wait: millis(lease),
            origin: (!origin.is_empty()).then(|| origin.into()),
        }
    }

    pub(crate) fn start(&self) -> Process {
        Process::start(self)
    }
}

/// A child. It is killed when it is dropped, also by a panic.
pub(crate) struct Process {
    child: Child,
    commands: ChildStdin,
    replies: Receiver<String>,
}

impl Process {
    fn start(settings: &Settings) -> Self {
        let own = std::env::current_exe().expect("this executable");
        let spawned = Command::new(own)
            .env(ROLE, settings.to_text())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn();
        let mut child = spawned.expect("it can be run");
        let commands = child.stdin.take().expect("it is piped");
        let output = BufReader::new(child.stdout.take().expect("it is piped"));
        let (send, replies) = channel();
        thread::spawn(move || {
            let lines = output.lines().map_while(Result::ok);
            lines.take_while(|line| send.send(line.clone()).is_ok()).for_each(drop);
        });
        let process = Process { child, commands, replies };
        assert_eq!(process.next(), "ready");
        process
    }

    /// Tells it something, and does not wait.
    pub(crate) fn tell(&mut self, command: &str) {
        writeln!(self.commands, "{command}").expect("the child reads");
    }

    /// Returns the next line that it says.
    #[track_caller]
    pub(crate) fn next(&self) -> String {
        let line = self.replies.recv_timeout(LONGEST);
        line.expect("the child says something, and neither hangs nor has ended")
    }

    /// Returns the next line if there is one already.
    pub(crate) fn said(&self) -> Option<String> {
        match self.replies.try_recv() {
            Ok(line) => Some(line),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => panic!("the child has ended"),
        }
    }

    /// Tells it something, and returns its reply.
    #[track_caller]
    pub(crate) fn ask(&mut self, command: &str) -> String {
        self.tell(command);
        self.next()
    }

    /// Begins a load of a key, in which the child then is.
    #[track_caller]
    pub(crate) fn begin_load(&mut self, key: u64) {
        assert_eq!(self.ask(&format!("load {key}")), "loading", "another has loaded it");
    }

    /// Ends the load in which the child is.
    #[track_caller]
    pub(crate) fn end_load(&mut self, value: &str) {
        assert_eq!(self.ask(value), value);
    }

    /// Returns the key's value, which is loaded as this one if there is none.
    #[track_caller]
    pub(crate) fn value_or(&mut self, key: u64, value: &str) -> String {
        self.ask(&format!("quick {key} {value}"))
    }

    /// Has it do something that it must be able to do.
    #[track_caller]
    pub(crate) fn must(&mut self, command: &str) {
        assert_eq!(self.ask(command), "ok", "{command}");
    }

    /// Returns a figure of its statistics.
    #[track_caller]
    pub(crate) fn figure(&mut self, name: &str) -> u64 {
        let figures = self.ask("stats");
        let figure =
            figures.split_whitespace().find_map(|it| it.strip_prefix(name)?.strip_prefix('='));
        figure.unwrap_or_else(|| panic!("{name}: {figures}")).parse().expect("a number")
    }

    /// Waits until it hears of others' writes.
    #[track_caller]
    pub(crate) fn wait_for_hearing(&mut self) {
        wait_until(|| self.ask("hearing") == "Listening");
    }

    /// Ends it in the middle of whatever it does.
    pub(crate) fn kill(mut self) {
        self.end();
    }

    fn end(&mut self) {
        // It may have ended by itself.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
    }
}

/// Waits until one of these says something: which, and what.
#[track_caller]
pub(crate) fn next_of(processes: &[Process]) -> (usize, String) {
    let mut found = None;
    wait_until(|| {
        let said = processes.iter().map(Process::said).enumerate();
        found = said.into_iter().find_map(|(place, said)| Some((place, said?)));
        found.is_some()
    });
    found.expect("it was found")
}
