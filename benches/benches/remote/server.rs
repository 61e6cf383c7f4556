//! A memcached for the duration of the benchmark: on 127.0.0.1 only, on a port that was free a
//! moment ago, ended when its handle is dropped, also by a panic.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// How many ports to try, as another program may take the one that was free.
const TRIES: usize = 5;

/// How long a server may take to accept connections, on a busy machine.
const START_LIMIT: Duration = Duration::from_secs(60);

/// A running memcached.
pub(crate) struct Server {
    child: Child,
    address: SocketAddr,
}

impl Server {
    /// Starts one. [`io::ErrorKind::NotFound`] means that it is not installed.
    pub(crate) fn start() -> io::Result<Server> {
        let mut last = io::Error::other("memcached was never started");
        for _ in 0..TRIES {
            let mut server = Server::spawn(free_port()?)?;
            match server.wait_until_up() {
                Ok(()) => return Ok(server),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// Returns the address on which it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    fn spawn(port: u16) -> io::Result<Server> {
        let child = Command::new("memcached")
            .args(["-l", "127.0.0.1", "-p", &port.to_string(), "-U", "0"])
            // Started by root, it needs a user to run as; otherwise it ignores this.
            .args(["-u", "nobody", "-m", "256", "-t", "1"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()?;
        Ok(Server { child, address: (Ipv4Addr::LOCALHOST, port).into() })
    }

    /// A connection is not proof enough: if another program has the port, ours has ended.
    fn wait_until_up(&mut self) -> io::Result<()> {
        let start = Instant::now();
        while start.elapsed() < START_LIMIT {
            let up = TcpStream::connect_timeout(&self.address, START_LIMIT).is_ok();
            if let Some(status) = self.child.try_wait()? {
                return Err(io::Error::other(format!("memcached ended early: {status}")));
            }
            if up {
                return Ok(());
            }
            thread::sleep(Duration::from_millis(20));
        }
        Err(io::Error::new(io::ErrorKind::TimedOut, "memcached does not accept connections"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both calls fail only if it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}
