//! A proxy in front of a server, which does to its replies what a network or a broken server does.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// What becomes of a reply.
#[derive(Clone, Debug)]
pub(crate) enum Fate {
    /// It arrives.
    Passed,
    /// It arrives so much later.
    Late(Duration),
    /// Its first bytes arrive, and then the connection ends.
    Cut(usize),
    /// These bytes arrive in its place.
    Replaced(Vec<u8>),
    /// The last reply of any connection arrives in its place.
    Swapped,
    /// It arrives byte by byte, with a pause before each.
    Trickled(Duration),
}

/// The proxy. Its threads end with the test's process.
pub(crate) struct Proxy {
    port: u16,
    shared: Arc<Mutex<Fates>>,
}

struct Fates {
    /// Of the next reply; then replies are passed again.
    next: Fate,
    last: Vec<u8>,
}

impl Proxy {
    pub(crate) fn before(server: String) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let port = listener.local_addr().expect("a bound port").port();
        let shared = Arc::new(Mutex::new(Fates { next: Fate::Passed, last: Vec::new() }));
        let fates = Arc::clone(&shared);
        thread::spawn(move || {
            for client in listener.incoming() {
                let (client, fates) = (client.expect("a client"), Arc::clone(&fates));
                let upstream = TcpStream::connect(&server).expect("the server runs");
                thread::spawn(move || drop(relay(client, upstream, &fates)));
            }
        });
        Proxy { port, shared }
    }

    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Decides what becomes of the next reply.
    pub(crate) fn next(&self, fate: Fate) {
        self.shared.lock().expect("no panic").next = fate;
    }
}

/// Hands on a request, as far as it comes in one piece, and then its reply.
fn relay(
    mut client: TcpStream,
    mut upstream: TcpStream,
    fates: &Mutex<Fates>,
) -> std::io::Result<()> {
    let mut buffer = vec![0; 65_536];
    loop {
        let count = client.read(&mut buffer)?;
        if count == 0 {
            return Ok(());
        }
        upstream.write_all(&buffer[..count])?;
        let count = upstream.read(&mut buffer)?;
        let reply = buffer[..count].to_vec();
        let (fate, last) = {
            let mut fates = fates.lock().expect("no panic");
            let last = std::mem::replace(&mut fates.last, reply.clone());
            (std::mem::replace(&mut fates.next, Fate::Passed), last)
        };
        match fate {
            Fate::Passed => client.write_all(&reply)?,
            Fate::Late(by) => {
                thread::sleep(by);
                client.write_all(&reply)?;
            }
            Fate::Cut(at) => {
                client.write_all(&reply[..at.min(count)])?;
                return client.shutdown(Shutdown::Both);
            }
            Fate::Replaced(bytes) => client.write_all(&bytes)?,
            Fate::Swapped => client.write_all(&last)?,
            Fate::Trickled(pause) => {
                for byte in reply {
                    thread::sleep(pause);
                    client.write_all(&[byte])?;
                }
            }
        }
    }
}
