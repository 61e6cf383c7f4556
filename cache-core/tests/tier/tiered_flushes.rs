//! Hearing of flushes from a tier that tells of its counters: sooner than by polling, but no more
//! than a hint.

use cache_core::tier::Event;

use crate::common::threads::wait_until;
use crate::tiered::{Process, SECOND, World};

/// Another process has raised the counter.
fn raised() -> Event {
    Event::Key(b"test:generation".to_vec())
}

/// A process that does not poll by itself in the time of a test.
fn seldom_polling(world: &World) -> Process {
    world.process_with(|builder| builder.poll_period(1_000 * SECOND))
}

fn readings(process: &Process) -> u64 {
    process.tier.operations().generations
}

#[test]
fn a_flush_that_is_told_is_heard_without_waiting_for_the_poll() {
    World::each(|world| {
        let prefix = Event::Prefix(b"test:".to_vec());
        for event in [raised(), prefix, Event::Everything] {
            // Others for each event: a flush is counted before memory is emptied, which may come
            // after this round has seen memory empty, because the event itself emptied it.
            let (first, second) = (world.process(), seldom_polling(world));
            first.miss(1, "old");
            assert_eq!(second.hit(1), "old");
            first.flush().unwrap();
            assert_eq!(second.in_memory(1).as_deref(), Some("old"));
            second.tier.hear(event);
            wait_until(|| second.remote().flushes_heard == 1);
            wait_until(|| second.in_memory(1).is_none());
            assert_eq!(second.get(1), None, "it asks by the names of after the flush");
        }
    });
}

#[test]
fn what_is_told_counts_for_nothing_but_what_is_read() {
    World::each(|world| {
        let process = seldom_polling(world);
        process.miss(1, "one");
        let before = readings(&process);
        for other in [&b"other:generation"[..], b"test:generation:", b"test:generatio", b""] {
            process.tier.hear(Event::Key(other.to_vec()));
        }
        process.tier.hear(Event::Prefix(b"other".to_vec()));
        // That there was no flush, that the tier fails, and that there was none again.
        for number in 1..=3 {
            if number == 2 {
                process.tier.fail_next(1, cache_core::tier::TierError::TimedOut);
            }
            process.tier.hear(raised());
            wait_until(|| readings(&process) > before + number - 1);
            assert_eq!(readings(&process), before + number, "one reading for each event");
        }
        let remote = process.remote();
        assert_eq!((process.hit(1).as_str(), remote.flushes_heard), ("one", 0));
    });
}

/// The listener is a thread of the tier's. Would it wait for the tier, it would hear nothing.
#[test]
fn a_tier_that_hangs_keeps_no_listener_waiting() {
    World::each(|world| {
        let (first, second) = (world.process(), seldom_polling(world));
        first.miss(1, "one");
        let name = second.only_name();
        first.miss(2, "two");
        assert_eq!((second.hit(1), second.hit(2)), ("one".into(), "two".into()));
        let replies = second.tier.hold_replies();
        second.tier.hear(raised());
        // What is read by then is from before the flush.
        replies.wait_for(1);
        first.flush().unwrap();
        second.tier.hear(raised());
        second.tier.hear(raised());
        second.tier.hear(Event::Key(name));
        assert_eq!((second.in_memory(1), second.in_memory(2).as_deref()), (None, Some("two")));
        let before = readings(&second);
        replies.release();
        wait_until(|| second.in_memory(2).is_none());
        assert_eq!(readings(&second), before + 1, "once more, for both events");
        assert_eq!((second.get(2), second.remote().flushes_heard), (None, 1));
    });
}

#[test]
fn a_cache_that_polls_only_when_told_to_is_not_polled_by_an_event() {
    World::each(|world| {
        let (alone, other) = (world.process(), seldom_polling(world));
        alone.tier.hear(raised());
        // The same thread polls both, in the order of the events.
        other.tier.hear(raised());
        wait_until(|| readings(&other) == 1);
        assert_eq!(readings(&alone), 0);
    });
}
