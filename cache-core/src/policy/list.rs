//! A queue of slots: a ring threaded through their [`Links`].
//!
//! The list itself knows the oldest slot alone; the newest is the one before it. Being a ring makes
//! the commonest step of a CLOCK, "the oldest becomes the newest", a move of that one index: no
//! neighbour is written, and no neighbour's cache line is fetched.

use crate::table::{Links, NIL, Nodes, Queue};

pub(super) struct List {
    /// NIL when empty. Toward `next` the slots get newer, until the newest leads back to here.
    oldest: u32,
    len: usize,
    weight: u64,
    /// The mark a slot carries while it stands in this list.
    mark: Queue,
}

impl List {
    pub(super) fn new(mark: Queue) -> Self {
        List { oldest: NIL, len: 0, weight: 0, mark }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn weight(&self) -> u64 {
        self.weight
    }

    pub(super) fn oldest(&self) -> Option<u32> {
        (self.oldest != NIL).then_some(self.oldest)
    }

    /// Forgets all slots without visiting them.
    pub(super) fn clear(&mut self) {
        *self = List::new(self.mark);
    }

    pub(super) fn push_newest(&mut self, nodes: &impl Nodes, id: u32) {
        let links = nodes.links(id);
        if self.oldest == NIL {
            self.oldest = id;
            link(links, id, links, id);
        } else {
            let oldest = nodes.links(self.oldest);
            let newest = oldest.prev();
            link(nodes.links(newest), newest, links, id);
            link(links, id, oldest, self.oldest);
        }
        nodes.meta(id).set_queue(self.mark);
        self.len += 1;
        self.weight += u64::from(nodes.weight(id));
    }

    /// The oldest becomes the newest.
    pub(super) fn rotate(&mut self, nodes: &impl Nodes) {
        if self.oldest != NIL {
            self.oldest = nodes.links(self.oldest).next();
        }
    }

    /// Takes a slot out, wherever it stands. Its own links are left as they are.
    pub(super) fn unlink(&mut self, nodes: &impl Nodes, id: u32) {
        let meta = nodes.meta(id);
        debug_assert_eq!(meta.queue(), self.mark);
        let (prev, next) = (nodes.links(id).prev(), nodes.links(id).next());
        if next == id {
            self.oldest = NIL;
        } else {
            link(nodes.links(prev), prev, nodes.links(next), next);
            if self.oldest == id {
                self.oldest = next;
            }
        }
        meta.set_queue(Queue::None);
        self.len -= 1;
        self.weight -= u64::from(nodes.weight(id));
    }

    /// Puts `new`, which stands in no list, exactly where `old` stands, and takes `old` out.
    pub(super) fn replace(&mut self, nodes: &impl Nodes, old: u32, new: u32) {
        let (gone, meta) = (nodes.meta(old), nodes.meta(new));
        debug_assert_eq!(gone.queue(), self.mark);
        let (prev, next) = (nodes.links(old).prev(), nodes.links(old).next());
        let links = nodes.links(new);
        if next == old {
            link(links, new, links, new);
        } else {
            link(nodes.links(prev), prev, links, new);
            link(links, new, nodes.links(next), next);
        }
        if self.oldest == old {
            self.oldest = new;
        }
        meta.set_queue(self.mark);
        gone.set_queue(Queue::None);
        self.weight = self.weight - u64::from(nodes.weight(old)) + u64::from(nodes.weight(new));
    }

    /// Panics unless the ring is closed in both directions and its marks and sums are right.
    pub(super) fn validate(&self, nodes: &impl Nodes) {
        let (mut len, mut weight, mut id) = (0, 0, self.oldest);
        while id != NIL {
            let meta = nodes.meta(id);
            let next = nodes.links(id).next();
            assert_eq!(meta.queue(), self.mark, "slot {id} stands in a queue it is not marked for");
            assert_eq!(nodes.links(next).prev(), id, "slot {next} does not lead back to slot {id}");
            len += 1;
            weight += u64::from(nodes.weight(id));
            assert!(len <= self.len, "more than {} slots in {:?}", self.len, self.mark);
            id = if next == self.oldest { NIL } else { next };
        }
        assert_eq!(len, self.len, "length of {:?}", self.mark);
        assert_eq!(weight, self.weight, "weight of {:?}", self.mark);
    }
}

fn link(older: &Links, older_id: u32, newer: &Links, newer_id: u32) {
    older.set_next(newer_id);
    newer.set_prev(older_id);
}
