//! Every hit hands out a clone.

use cache_core::cached;

struct Connection;

#[cached]
fn connect(port: u16) -> Connection {
    let _ = port;
    Connection
}

fn main() {}
