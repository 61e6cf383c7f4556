//! Threads share the cache of a function, unless each has its own. The static of the cache says so
//! as well.

use cache_core::cached;
use std::rc::Rc;

#[cached]
fn counted(n: u64) -> Rc<u64> {
    Rc::new(n)
}

struct Connection;

#[cached(thread_local)]
fn connect(port: u16) -> Connection {
    let _ = port;
    Connection
}

#[cached(thread_local)]
fn first(text: &'static str, bytes: Bytes) -> Rc<str> {
    let _ = bytes;
    text.into()
}

struct Bytes;

fn main() {}
