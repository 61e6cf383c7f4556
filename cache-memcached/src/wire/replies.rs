//! The replies to a batch, each held against what it must echo.

use super::batch::Batch;
use super::fault::Fault;
use super::reply::{Parser, Reply};

/// Collects the replies to the commands of a batch, in their order.
#[derive(Debug)]
pub(crate) struct Replies<'b> {
    batch: &'b Batch,
    parser: Parser,
    came: Vec<Reply>,
}

impl<'b> Replies<'b> {
    /// `limit`: the most bytes of a value.
    pub(crate) fn new(batch: &'b Batch, limit: usize) -> Self {
        let came = Vec::with_capacity(batch.expected().len());
        Replies { batch, parser: Parser::new(limit), came }
    }

    /// Takes what has come. Returns `true` once all replies are there.
    ///
    /// # Errors
    /// If it is no reply to the command whose turn it is.
    pub(crate) fn receive(&mut self, mut bytes: &[u8]) -> Result<bool, Fault> {
        while let Some(reply) = self.parser.next(&mut bytes)? {
            self.check(&reply)?;
            self.came.push(reply);
        }
        Ok(self.are_complete())
    }

    pub(crate) fn are_complete(&self) -> bool {
        self.came.len() == self.batch.expected().len()
    }

    /// Returns those that came.
    pub(crate) fn into_came(self) -> Vec<Reply> {
        self.came
    }

    fn check(&self, reply: &Reply) -> Result<(), Fault> {
        let Some(expected) = self.batch.expected().get(self.came.len()) else {
            return Err(Fault::Broken("a reply that nobody has asked for".into()));
        };
        if reply.opaque != Some(expected.opaque) {
            return Err(Fault::Broken("a reply to another request".into()));
        }
        let key = expected.key.as_ref().map(|key| &self.batch.bytes()[key.clone()]);
        if key.is_some() && reply.key.as_deref() != key {
            return Err(Fault::Broken("a reply with another key".into()));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::batch::{GetFlags, Removal};
    use crate::wire::key::Namespace;

    fn batch() -> Batch {
        let space = Namespace::new("");
        let mut batch = Batch::default();
        batch.get(&space.item(b"key"), GetFlags::default());
        batch.delete(&space.item(b"other"), Removal::Remove);
        batch
    }

    fn received(bytes: impl FnOnce(u64, u64) -> String) -> Result<(bool, usize), Fault> {
        let batch = batch();
        let mut replies = Replies::new(&batch, 100);
        let bytes = bytes(batch.expected()[0].opaque, batch.expected()[1].opaque);
        let complete = replies.receive(bytes.as_bytes())?;
        Ok((complete, replies.into_came().len()))
    }

    #[test]
    fn replies_in_their_order_are_taken() {
        let both = received(|get, delete| format!("EN kkey O{get}\r\nNF O{delete}\r\n"));
        assert_eq!(both, Ok((true, 2)));
        assert_eq!(received(|get, _| format!("EN kkey O{get}\r\nNF ")), Ok((false, 1)));
    }

    #[test]
    fn replies_that_do_not_match_are_refused() {
        let wrong: [fn(u64, u64) -> String; 5] = [
            |get, delete| format!("NF O{delete}\r\nEN kkey O{get}\r\n"),
            |_, _| "EN kkey\r\n".into(),
            |get, _| format!("EN kanother O{get}\r\n"),
            |get, _| format!("EN O{get}\r\n"),
            |get, delete| format!("EN kkey O{get}\r\nHD O{delete}\r\nHD O{delete}\r\n"),
        ];
        for wrong in wrong {
            assert!(matches!(received(wrong), Err(Fault::Broken(_))));
        }
    }
}
