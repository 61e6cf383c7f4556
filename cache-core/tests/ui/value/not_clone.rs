//! Every hit hands out a clone.

use cache_core::cached;

struct Connection;

#[cached]
fn connect(port: u16) -> Connection {
    let _ = port;
    Connection
}

#[cached]
fn pool(ports: &[u16]) -> Vec<Connection> {
    ports.iter().map(|_| Connection).collect()
}

#[cached]
fn optional(port: u16) -> Option<Vec<Connection>> {
    (port > 1024).then(Vec::new)
}

#[cached]
fn adder(n: u64) -> Box<dyn Fn(u64) -> u64 + Send + Sync> {
    Box::new(move |m| n + m)
}

fn main() {}
