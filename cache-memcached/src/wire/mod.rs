//! The bytes of the protocol, without input and output: memcached's meta commands.
//!
//! A [`Batch`](batch::Batch) holds the bytes of some commands and what their replies must echo.
//! [`Replies`](replies::Replies) is given the bytes that come back, in whatever pieces, and says
//! when all replies are there. Threads and tasks drive the same two.
//!
//! Nothing that a server sends is believed. A line or a value beyond its limit is refused before
//! memory is reserved for it, and memory is reserved as bytes come, not as they are announced. Each
//! command carries an opaque number that is used once in this process, and each reply must echo
//! it, so that a late reply, or that to another request, is never taken for the one awaited; reads
//! have their key echoed as well.

pub(crate) mod batch;
pub(crate) mod fault;
pub(crate) mod key;
pub(crate) mod life;
pub(crate) mod line;
pub(crate) mod replies;
pub(crate) mod reply;
