//! One server: its address, its connections, and what is known of its health.
//!
//! [`Server`](link::Server) runs one exchange: it asks the [`Breaker`](breaker::Breaker), takes a
//! connection from the [`Pool`](pool::Pool) or opens one, and reports what became of it. A
//! connection goes back to the pool only after a whole exchange whose replies all matched. Every
//! other end drops it: errors, time limits, a future that is dropped halfway.

pub(crate) mod address;
pub(crate) mod breaker;
pub(crate) mod connection;
pub(crate) mod link;
pub(crate) mod outage;
pub(crate) mod pool;
#[cfg(feature = "tokio")]
pub(crate) mod task_link;
