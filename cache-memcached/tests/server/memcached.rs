//! Servers for tests: real ones, on free ports of this machine, ended by their process.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};

/// Only a failure takes so long.
const LONGEST: Duration = Duration::from_secs(20);

/// Returns `true` if there is a memcached to test with.
pub(crate) fn is_installed() -> bool {
    let version = Command::new("memcached").arg("-V").stdout(Stdio::null()).status();
    version.is_ok_and(|status| status.success())
}

/// A running memcached.
pub(crate) struct Server {
    port: u16,
    options: Vec<String>,
    child: Option<Child>,
}

impl Server {
    pub(crate) fn start() -> Self {
        Self::with(&[])
    }

    /// Starts one that keeps its items in this folder when it is ended in order.
    pub(crate) fn keeping(folder: &Path) -> Self {
        let all = std::fs::Permissions::from_mode(0o777);
        std::fs::set_permissions(folder, all).expect("it is ours");
        let file = folder.join("memory").to_str().expect("a name").to_owned();
        Self::with(&["-e".to_owned(), file])
    }

    fn with(options: &[String]) -> Self {
        for _ in 0..20 {
            let mut server = Server { port: free_port(), options: options.to_vec(), child: None };
            if server.spawn() {
                return server;
            }
        }
        panic!("memcached does not start");
    }

    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Ends it, as a crash does: connections break.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("it is ours");
            child.wait().expect("it is ours");
        }
    }

    /// Starts it again on its port, empty unless it has kept its items.
    pub(crate) fn restart(&mut self) {
        self.kill();
        wait_for(|| self.spawn());
    }

    /// Ends it in order, so that it keeps its items.
    pub(crate) fn end_in_order(&mut self) {
        // It counts whole seconds, and drops all when it comes back with times that do not add up.
        wait_for(|| self.uptime() >= 5);
        kill_process(self.pid(), Signal::USR1).expect("it is ours");
        let mut child = self.child.take().expect("it runs");
        child.wait().expect("it is ours");
        thread::sleep(Duration::from_millis(2_200));
    }

    fn uptime(&self) -> u64 {
        let stats = self.say("stats");
        let uptime = stats.split("STAT uptime ").nth(1).and_then(|rest| rest.split('\r').next());
        uptime.and_then(|uptime| uptime.parse().ok()).expect("a number")
    }

    /// Stops it: it takes connections, and answers nothing.
    pub(crate) fn hang(&self) {
        kill_process(self.pid(), Signal::STOP).expect("it is ours");
        // The signal is sent; its threads may still answer for a moment.
        let stopped = waitpid(Some(self.pid()), WaitOptions::UNTRACED).expect("it is ours");
        assert!(stopped.is_some_and(|(_, status)| status.stopped()), "{stopped:?}");
    }

    pub(crate) fn go_on(&self) {
        kill_process(self.pid(), Signal::CONT).expect("it is ours");
    }

    /// Sends a command as it is, and returns the first line of what comes back.
    pub(crate) fn say(&self, command: &str) -> String {
        let mut stream = TcpStream::connect(self.address()).expect("it runs");
        stream.set_read_timeout(Some(LONGEST)).expect("a limit");
        stream.write_all(format!("{command}\r\n").as_bytes()).expect("it reads");
        let mut answer = [0; 4_096];
        let count = stream.read(&mut answer).expect("it answers");
        String::from_utf8_lossy(&answer[..count]).trim_end().to_owned()
    }

    fn pid(&self) -> Pid {
        let child = self.child.as_ref().expect("it runs");
        Pid::from_raw(child.id().cast_signed()).expect("a process")
    }

    /// Returns `true` once it answers.
    fn spawn(&mut self) -> bool {
        let child = Command::new("memcached")
            .args(["-l", "127.0.0.1", "-p", &self.port.to_string(), "-U", "0"])
            .args(["-u", "nobody", "-m", "64", "-t", "2"])
            .args(&self.options)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("it is installed");
        self.child = Some(child);
        let deadline = Instant::now() + LONGEST;
        while Instant::now() < deadline {
            if answers(SocketAddr::from((Ipv4Addr::LOCALHOST, self.port))) {
                return true;
            }
            let child = self.child.as_mut().expect("it was started");
            if child.try_wait().expect("it is ours").is_some() {
                self.child = None;
                return false;
            }
            thread::sleep(Duration::from_millis(5));
        }
        false
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            drop(child.kill());
            drop(child.wait());
        }
    }
}

fn wait_for(mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + LONGEST;
    while !condition() {
        assert!(Instant::now() < deadline, "it does not come");
        thread::sleep(Duration::from_millis(20));
    }
}

fn answers(address: SocketAddr) -> bool {
    let Ok(mut stream) = TcpStream::connect_timeout(&address, LONGEST) else { return false };
    let limited = stream.set_read_timeout(Some(LONGEST));
    let mut answer = [0; 4];
    limited.is_ok()
        && stream.write_all(b"mn\r\n").is_ok()
        && stream.read_exact(&mut answer).is_ok()
        && answer == *b"MN\r\n"
}

pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("a bound port").port()
}
