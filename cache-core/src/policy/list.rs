//! A queue of slots, threaded through the slots' links.
//!
//! The list knows its oldest slot and its newest. What the links of these two say *outward* means
//! nothing and is not kept up: so taking the oldest out writes no neighbour, and fetches no
//! neighbour's cache line. That is the commonest way to leave. A step of a CLOCK, "the oldest
//! becomes the newest", writes the links of both, which lie in the cache: the one is being looked
//! at, the other was in the last step.

use crate::table::{Meta, Nodes, Queue, SlotId};

/// A slot whose place in memory was looked up, once for all that is to be done with it.
pub(super) struct Node<'n> {
    pub(super) id: SlotId,
    pub(super) meta: &'n Meta,
    pub(super) weight: u32,
}

impl<'n> Node<'n> {
    #[inline]
    pub(super) fn of(nodes: &'n impl Nodes, id: SlotId) -> Node<'n> {
        Node { id, meta: nodes.meta(id), weight: nodes.weight(id) }
    }
}

pub(super) struct List {
    /// [`SlotId::NIL`] when empty. Toward `next` the slots get newer.
    oldest: SlotId,
    newest: SlotId,
    len: usize,
    weight: u64,
    /// The mark a slot carries while it stands in this list.
    mark: Queue,
}

impl List {
    pub(super) fn new(mark: Queue) -> Self {
        List { oldest: SlotId::NIL, newest: SlotId::NIL, len: 0, weight: 0, mark }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn weight(&self) -> u64 {
        self.weight
    }

    #[inline]
    pub(super) fn oldest(&self) -> Option<SlotId> {
        (self.oldest != SlotId::NIL).then_some(self.oldest)
    }

    #[cfg(test)]
    pub(super) fn newest(&self) -> Option<SlotId> {
        (self.newest != SlotId::NIL).then_some(self.newest)
    }

    /// Forgets all slots without visiting them.
    pub(super) fn clear(&mut self) {
        *self = List::new(self.mark);
    }

    #[inline]
    pub(super) fn push_newest(&mut self, nodes: &impl Nodes, node: &Node<'_>) {
        self.link_newest(nodes, node.id);
        node.meta.set_queue(self.mark);
        self.len += 1;
        self.weight += u64::from(node.weight);
    }

    #[inline]
    fn link_newest(&mut self, nodes: &impl Nodes, id: SlotId) {
        if self.oldest == SlotId::NIL {
            self.oldest = id;
        } else {
            nodes.links(self.newest).set_next(id);
            nodes.links(id).set_prev(self.newest);
        }
        self.newest = id;
    }

    /// The oldest becomes the newest.
    #[inline]
    pub(super) fn rotate(&mut self, nodes: &impl Nodes) {
        if self.oldest != self.newest {
            let oldest = self.oldest;
            self.oldest = nodes.links(oldest).next();
            self.link_newest(nodes, oldest);
        }
    }

    /// Takes a slot out, wherever it stands. Its own links are left as they are.
    #[inline]
    pub(super) fn unlink(&mut self, nodes: &impl Nodes, node: &Node<'_>) {
        debug_assert_eq!(node.meta.queue(), self.mark);
        if node.id == self.oldest {
            self.oldest =
                if node.id == self.newest { SlotId::NIL } else { nodes.links(node.id).next() };
        } else {
            let links = nodes.links(node.id);
            let prev = links.prev();
            if node.id == self.newest {
                self.newest = prev;
            } else {
                let next = links.next();
                nodes.links(prev).set_next(next);
                nodes.links(next).set_prev(prev);
            }
        }
        node.meta.set_queue(Queue::None);
        self.len -= 1;
        self.weight -= u64::from(node.weight);
    }

    /// Puts `new`, which stands in no list, exactly where `old` stands, and takes `old` out.
    #[inline]
    pub(super) fn replace(&mut self, nodes: &impl Nodes, old: &Node<'_>, new: &Node<'_>) {
        debug_assert_eq!(old.meta.queue(), self.mark);
        let (gone, links) = (nodes.links(old.id), nodes.links(new.id));
        let (prev, next) = (gone.prev(), gone.next());
        links.set_prev(prev);
        links.set_next(next);
        if self.oldest == old.id {
            self.oldest = new.id;
        } else {
            nodes.links(prev).set_next(new.id);
        }
        if self.newest == old.id {
            self.newest = new.id;
        } else {
            nodes.links(next).set_prev(new.id);
        }
        new.meta.set_queue(self.mark);
        old.meta.set_queue(Queue::None);
        self.weight = self.weight - u64::from(old.weight) + u64::from(new.weight);
    }

    /// Panics unless the list leads from its oldest slot to its newest and back, and its marks and
    /// sums are right.
    pub(super) fn validate(&self, nodes: &impl Nodes) {
        assert_eq!(self.oldest == SlotId::NIL, self.len == 0, "length of {:?}", self.mark);
        let (mut len, mut weight, mut id) = (0, 0, self.oldest);
        while id != SlotId::NIL {
            let node = Node::of(nodes, id);
            assert_eq!(node.meta.queue(), self.mark, "slot {id} is not marked for its queue");
            len += 1;
            weight += u64::from(node.weight);
            assert!(len <= self.len, "more than {} slots in {:?}", self.len, self.mark);
            if id == self.newest {
                break;
            }
            let next = nodes.links(id).next();
            assert_eq!(nodes.links(next).prev(), id, "slot {next} does not lead back to slot {id}");
            id = next;
        }
        assert_eq!(len, self.len, "length of {:?}", self.mark);
        assert_eq!(weight, self.weight, "weight of {:?}", self.mark);
    }
}
