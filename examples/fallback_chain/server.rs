//! A memcached for as long as the example runs: on 127.0.0.1, on a port that was free a moment ago.

use std::io;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// How long it may take to listen, on a busy machine.
const START_LIMIT: Duration = Duration::from_secs(30);

/// A running memcached. Dropping it ends the process.
pub(crate) struct Server {
    child: Child,
    address: String,
}

impl Server {
    /// Starts one, without which the error is [`io::ErrorKind::NotFound`].
    pub(crate) fn start() -> io::Result<Server> {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let child = Command::new("memcached")
            .args(["-l", "127.0.0.1", "-p", &port.to_string(), "-U", "0", "-m", "64"])
            // Started by root, it needs a user to run as; otherwise it ignores this.
            .args(["-u", "nobody"])
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let mut server = Server { child, address: format!("127.0.0.1:{port}") };
        server.wait_until_up()?;
        Ok(server)
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    fn wait_until_up(&mut self) -> io::Result<()> {
        let start = Instant::now();
        while TcpStream::connect(&self.address).is_err() {
            if let Some(status) = self.child.try_wait()? {
                return Err(io::Error::other(format!("it ended with {status}")));
            }
            if start.elapsed() > START_LIMIT {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "it does not listen"));
            }
            thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail only if it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
