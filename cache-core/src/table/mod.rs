//! The table: the only part of the cache that many threads use at once without a lock, and, with
//! `util/fork.rs`, the only one with `unsafe` code.
//!
//! # Idea
//! A key's hash leads to a shard's *region*, in it to a *group* of twelve tags in one cache line,
//! from a matching tag to the *slot* with the key and the value. A look-up is these three steps
//! and a comparison of keys: it takes no lock, writes nothing shared and allocates nothing. All
//! changes to a shard are made through its [`Writer`], with plain stores in an order that readers
//! can live with at any instant. There are no locks of shards here: see `shard/`.
//!
//! # Why a look-up is right without a lock
//! 1. *It reads only initialised memory.* A slot is written before its index is stored (`Release`)
//!    and the reader loads the index (`Acquire`). No slot is written again before a grace period
//!    has passed since its unlinking, and the reader is pinned (see `reclaim/epoch.rs`); or while
//!    nobody else can read (see `alone.rs`).
//! 2. *An entry never moves.* Growth rebuilds tags and indices; keys and values stay where they
//!    were written (see `slab.rs`), so a value with a lock or an atomic inside exists once.
//! 3. *No false miss.* A key keeps its lane from its insertion to its removal; an update stores
//!    the new slot's index into that lane. So every lane on a present key's way, and every
//!    overflow count, says "go on" for as long as it is present, and a reader that returns
//!    "absent" overlapped an instant when it was. A reader still in an outgrown region sees the
//!    instant of the switch, which its call overlaps too. (So no version has to be checked again
//!    before a miss is returned. While a key is removed and stored anew by another thread, a reader
//!    may find it, not find it, and find it again: the lane's index is seen before its tag. It
//!    never finds a value older than one it has found.)
//! 4. *Unwinding.* User code that may panic (`Eq`, `Clone`, a `view` closure) runs with nothing
//!    held but the guard, which releases its pin when it drops.
//!
//! # Why safe code cannot misuse it
//! Whatever safe code outside this folder does with what it is given, it reads no memory that has
//! been freed or reused, with the two exceptions below. Within the folder, what needs a promise is
//! an `unsafe fn`.
//! * *Reading.* A reference to an entry ([`EntryRef`]) borrows the [`Guard`] it was found with, and
//!   a guard keeps its thread pinned.
//! * *Writing.* [`Table::new`] makes one [`Writer`] for each shard, and nothing else makes any.
//!   They cannot be copied, and what changes a shard takes its writer by `&mut`. So no two threads
//!   change a shard at once. Safe code hands a `&mut` from thread to thread only with
//!   synchronisation, so what one writes comes before what the next writes. A writer compares its
//!   home number with the table it is used with, and so panics in the hands of another.
//! * *Writing in place* takes the guard by `&mut`, so that no reference is left that was found with
//!   it, and checks that there is no other guard, of any thread (`access.rs`).
//! * *Slots.* The number of a slot is only a number: what takes an entry out, or puts another in
//!   its place, checks that the slot is live in the writer's shard. A slot without a value is
//!   a token that is used up; so is a list of slots on their way back to their shard. Both know
//!   their shard's home number (`reserved.rs`).
//! * *The end.* A writer that outlives its table has no guard to be used with. The table does not
//!   need it to know what its slots hold: their states say that.
//!
//! Two things ask for care outside. The numbers that the lists of timers and of the policy keep
//! ([`Slots`]) must be those of slots that are live, or were replaced since the
//! thread was pinned; of others, memory may be read that was given back. And a [`Due`] belongs to
//! the call that it was made for.
//!
//! # Files
//! From the ground up; a file uses only those above it in this table.
//!
//! | files | |
//! |---|---|
//! | `ids` `simd` | numbers; sixteen bytes at once |
//! | `alloc` `pages` `segments` | zeroed arrays; pages; arrays that grow |
//! | `header` `times` `slot` | what a slot holds |
//! | `slab` `slab/growth` | all slots, and how many there are |
//! | `slot_ref` | a slot that was looked up |
//! | `group` `region` | twelve lanes; a shard's array of groups |
//! | `reclaim` | when memory is free, and garbage that waits for that |
//! | `table` | what all threads share |
//! | `guard` `notices` `reserved` | what a pinned thread may do |
//! | `blocks` `open_batch` `writer` `filled` | what a shard's writer may do |
//! | `detached` | emptying a shard |
//! | `alone` `access` `occupied` | writing while one thread alone uses the table, or others do |
//! | `collect` `forked` | dropping garbage; the table while the process forks |
#![allow(unsafe_code)]

mod access;
mod alloc;
mod alone;
mod blocks;
mod collect;
mod detached;
mod filled;
#[cfg(all(unix, not(any(loom, shuttle))))]
mod forked;
mod group;
mod guard;
mod header;
mod ids;
#[cfg(all(test, loom))]
pub(crate) mod loom_tests;
mod notices;
mod occupied;
mod open_batch;
mod pages;
mod reclaim;
mod region;
mod reserved;
mod segments;
mod simd;
mod slab;
mod slot;
mod slot_ref;
#[allow(clippy::module_inception)]
mod table;
mod times;
mod writer;

pub(crate) use self::access::{Displaced, Gone};
pub(crate) use self::alloc::{HalfLine, HalfLines};
pub(crate) use self::alone::AllWriters;
pub(crate) use self::detached::Detached;
pub(crate) use self::guard::{EntryRef, Guard, NewEntry, Retries, Seen};
#[cfg(test)]
pub(crate) use self::header::{Links, MAX_FREQUENCY};
pub(crate) use self::header::{NEVER, Queue, SlotFields, SlotHeader, Slots, State};
pub(crate) use self::ids::{BlockNo, SlotId};
pub(crate) use self::notices::Notices;
pub(crate) use self::occupied::KeyPlace;
pub(crate) use self::open_batch::Due;
pub(crate) use self::reclaim::limbo::Live;
#[cfg(all(test, loom))]
pub(crate) use self::region::SMALLEST_REGION;
pub(crate) use self::region::entries_for_groups;
pub(crate) use self::reserved::{EmptySlots, Reserved, SharedSlot};
pub(crate) use self::simd::{Sixteen, first_equal_pair};
pub(crate) use self::slab::{ColumnSet, Slab};
pub(crate) use self::slot_ref::SlotRef;
pub(crate) use self::table::{Table, TableConfig};
pub(crate) use self::times::{RefreshState, Times};
pub(crate) use self::writer::Writer;
