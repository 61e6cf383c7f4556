//! The generation of a cache's keys: how a flush reaches all processes.
//!
//! A counter in the tier is part of each key. A flush raises it, in O(1) however many keys there
//! are: nobody asks for the old ones any more, and the tier forgets them as it needs room. Every
//! process reads the counter once in each period and, when it has changed, drops what it has in
//! memory. So a flush is heard within the period. A tier that tells of others' writes tells of a
//! raised counter as well: then it is read at once. The event itself changes nothing: what counts
//! is what the tier then says.
//!
//! * A write reads the counter first. Made by the names of before a flush that this process has not
//!   heard of, it would reach nothing that was loaded since.
//! * A process that has not been able to read the counter for [`VALID_PERIODS`] periods does
//!   without the tier: it may have been flushed.
//! * A counter that was lost begins anew at the time, in milliseconds since 1970, which is higher
//!   than it was. Nothing raises it to what a process has seen: that might undo a flush of which
//!   that process has not heard.
//! * One that is lower than this process has seen (a server has restarted with old data) is raised
//!   beyond that: another flush, because what else came back is not known.
//! * A flush that could not be made is made later, and until then the tier is not used.
//! * Of several threads that read a new counter at once one notes it first. The others do not go
//!   on before memory was emptied: each empties it itself, unless that has been done.

use std::time::Duration;

use super::error::TierError;
use super::link::AsyncTier;
use super::lock::ForkMutex;

/// For how many periods a counter that was read is good.
const VALID_PERIODS: u32 = 3;

/// What is known of the counter.
pub(super) struct Generation {
    /// The counter's name in the tier.
    name: Vec<u8>,
    /// In nanoseconds; `u64::MAX`: without end.
    valid: u64,
    state: ForkMutex<CounterState>,
}

#[derive(Clone, Copy, Default)]
struct CounterState {
    /// The counter as it was read last; `None` before the first time.
    seen: Option<u64>,
    /// When that was, by the cache's clock.
    read_at: u64,
    /// The counter for which memory was emptied last, after it was seen.
    emptied: u64,
    /// It could not be read, and was not read since.
    has_failed: bool,
    /// How many flushes were asked for, and how many of these, from the first on, were made.
    flushes_asked: u64,
    flushes_made: u64,
}

impl CounterState {
    fn is_flush_pending(&self) -> bool {
        self.flushes_made < self.flushes_asked
    }
}

/// What a reading of the counter has brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// What was known before.
    Nothing,
    /// The counter, for the first time, and no load has gone on without it.
    First,
    /// Another counter than before: what is in memory has to go. Or the first one, after loads that
    /// have gone on without it: what they bring is from before a flush, for all that is known.
    Flush,
    /// This process's own flush, which is made now; or another's of which a thread has heard that
    /// has not emptied memory yet.
    Known,
}

impl Generation {
    pub(super) fn new(name: Vec<u8>, period: Duration) -> Self {
        let valid = period.checked_mul(VALID_PERIODS);
        let valid = valid.and_then(|valid| u64::try_from(valid.as_nanos()).ok());
        Generation {
            name,
            valid: valid.unwrap_or(u64::MAX),
            state: ForkMutex::new(CounterState::default()),
        }
    }

    /// Returns the counter's name in the tier.
    pub(super) fn name(&self) -> &[u8] {
        &self.name
    }

    /// Returns the counter if what is known of it is good at this tick.
    pub(super) fn known(&self, now: u64) -> Option<u64> {
        let state = *self.state.lock();
        let is_good = !state.is_flush_pending() && now.saturating_sub(state.read_at) <= self.valid;
        state.seen.filter(|_| is_good)
    }

    /// Returns the counter to a write that has just read it, however long that took; `None` if a
    /// flush was asked for meanwhile, which is to be made first.
    pub(super) fn just_read(&self) -> Option<u64> {
        let state = *self.state.lock();
        state.seen.filter(|_| !state.is_flush_pending())
    }

    /// Returns the counter as it was read last.
    pub(super) fn seen(&self) -> Option<u64> {
        self.state.lock().seen
    }

    /// Reads the counter, or makes the flush that is pending. Returns it, and what it tells: unless
    /// that is nothing, the caller empties memory and then says [`emptied`](Self::emptied). `now`
    /// is the tick of the start, `unix_millis` the time.
    ///
    /// # Errors
    /// If the tier fails.
    pub(super) async fn read(
        &self,
        tier: &dyn AsyncTier,
        now: u64,
        unix_millis: u64,
    ) -> Result<(Heard, u64), TierError> {
        let before = *self.state.lock();
        let counter = self.read_counter(tier, before, unix_millis).await;
        if counter.is_err() {
            self.state.lock().has_failed = true;
        }
        let counter = counter?;
        // With a flush pending, the counter was raised after all flushes that were asked for then.
        let heard = match self.note(counter, now, before.flushes_asked) {
            Heard::Flush if before.is_flush_pending() => Heard::Known,
            heard => heard,
        };
        Ok((heard, counter))
    }

    async fn read_counter(
        &self,
        tier: &dyn AsyncTier,
        before: CounterState,
        unix_millis: u64,
    ) -> Result<u64, TierError> {
        let counter = if before.is_flush_pending() {
            tier.bump(&self.name, unix_millis).await?
        } else {
            tier.generation(&self.name, unix_millis).await?
        };
        match before.seen.filter(|seen| counter < *seen) {
            Some(seen) => tier.bump(&self.name, unix_millis.max(seen + 1)).await,
            None => Ok(counter),
        }
    }

    /// Raises the counter: a flush. If that fails, it is made later. Returns the counter; the
    /// caller empties memory in any case, and then says [`emptied`](Self::emptied).
    ///
    /// # Errors
    /// If the tier fails.
    pub(super) async fn flush(
        &self,
        tier: &dyn AsyncTier,
        now: u64,
        unix_millis: u64,
    ) -> Result<u64, TierError> {
        // Until the new counter is known nothing is read under the old one: not by a call that
        // begins after this one has returned, and not if its future is dropped halfway.
        let asked = self.flush_later();
        let counter = tier.bump(&self.name, unix_millis).await?;
        self.note(counter, now, asked);
        Ok(counter)
    }

    /// Notes that memory was emptied after this counter was read.
    pub(super) fn emptied(&self, counter: u64) {
        let mut state = self.state.lock();
        state.emptied = state.emptied.max(counter);
    }

    /// Notes that a flush is to be made. Until then the tier is not used. Returns its number.
    pub(super) fn flush_later(&self) -> u64 {
        let mut state = self.state.lock();
        state.flushes_asked += 1;
        state.flushes_asked
    }

    /// Notes a counter that was read. An older reading that comes later changes nothing: counters
    /// only rise.
    fn note(&self, counter: u64, now: u64, flushes_made: u64) -> Heard {
        let mut state = self.state.lock();
        state.flushes_made = state.flushes_made.max(flushes_made);
        let is_first = state.seen.is_none() && !state.has_failed;
        let is_new = state.seen.is_none_or(|seen| seen < counter);
        if state.seen.is_none_or(|seen| seen <= counter) {
            state.has_failed = false;
            state.seen = Some(counter);
            state.read_at = state.read_at.max(now);
        }
        if is_first {
            state.emptied = counter;
            return Heard::First;
        }
        match (is_new, state.emptied < counter) {
            (true, _) => Heard::Flush,
            (false, true) => Heard::Known,
            (false, false) => Heard::Nothing,
        }
    }
}
