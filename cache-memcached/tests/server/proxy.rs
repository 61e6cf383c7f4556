//! A proxy in front of a server, which does to its replies what a network or a broken server does.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use crate::harness::wait_until;

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
    held: Held,
}

/// A request that waits.
#[derive(Default)]
struct Held {
    /// What it holds.
    part: Option<Vec<u8>>,
    stands: Stands,
}

/// Where it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stands {
    #[default]
    Awaited,
    Held,
    Released,
    Delivered,
}

impl Proxy {
    pub(crate) fn before(server: String) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let port = listener.local_addr().expect("a bound port").port();
        let shared = Arc::new(Mutex::new(Fates {
            next: Fate::Passed,
            last: Vec::new(),
            held: Held::default(),
        }));
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

    /// Holds the next request that has this in it.
    pub(crate) fn hold(&self, part: &[u8]) {
        let held = Held { part: Some(part.to_vec()), stands: Stands::Awaited };
        self.shared.lock().expect("no panic").held = held;
    }

    /// Returns `true` if it has come.
    pub(crate) fn is_holding(&self) -> bool {
        self.shared.lock().expect("no panic").held.stands == Stands::Held
    }

    /// Delivers the request that is held, and waits until the server has replied to it.
    pub(crate) fn deliver(&self) {
        self.shared.lock().expect("no panic").held.stands = Stands::Released;
        wait_until(|| self.shared.lock().expect("no panic").held.stands == Stands::Delivered);
    }

    /// Decides what becomes of the next reply.
    pub(crate) fn next(&self, fate: Fate) {
        self.shared.lock().expect("no panic").next = fate;
    }
}

/// Returns `true` if this request is the one that is to wait.
fn is_to_be_held(request: &[u8], fates: &Mutex<Fates>) -> bool {
    let mut fates = fates.lock().expect("no panic");
    let held = &mut fates.held;
    let has_it = |part: &Vec<u8>| request.windows(part.len()).any(|window| window == &part[..]);
    let is_it = held.stands == Stands::Awaited && held.part.as_ref().is_some_and(has_it);
    if is_it {
        held.stands = Stands::Held;
    }
    is_it
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
        let is_held = is_to_be_held(&buffer[..count], fates);
        if is_held {
            wait_until(|| fates.lock().expect("no panic").held.stands == Stands::Released);
        }
        upstream.write_all(&buffer[..count])?;
        let count = upstream.read(&mut buffer)?;
        if is_held {
            fates.lock().expect("no panic").held.stands = Stands::Delivered;
        }
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
