//! One pass over the rows: a thread that reads, some that enrich, and the caller's thread, which
//! writes.
//!
//! Rows travel in batches, and batches are dealt to the workers in turn, like cards. The writer
//! takes the finished batches in the same turn, so the output has the order of the input without
//! sorting and without a buffer for early ones. Every queue is short and bounded: a slow part makes
//! the others wait, and memory does not grow with the file.
//!
//! A problem travels like a batch. The writer therefore meets the first one in the order of the
//! file, whatever the threads did, and stops. The others find their channels closed, and end.

use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use crate::database;
use crate::enrich::{self, ADDED_COLUMNS, Mode};
use crate::input::{Columns, Row, Rows, Source};
use crate::problem::Problem;
use crate::progress::Progress;
use crate::sample::Sample;

/// Large enough that passing a batch on costs nothing, small enough to keep all threads busy.
const BATCH_ROWS: usize = 500;
/// Batches that may wait in front of a worker, and behind it.
const QUEUE: usize = 4;

/// What a pass is to do.
#[derive(Clone, Debug)]
pub struct Job<'a> {
    /// Where the rows come from.
    pub source: Source,
    /// The database for the lookups.
    pub database: &'a Path,
    /// Through the caches or not.
    pub mode: Mode<'a>,
    /// How many threads enrich; at least 1.
    pub threads: usize,
    /// Stop after so many rows.
    pub limit: Option<u64>,
}

/// What a pass did.
#[derive(Clone, Copy, Debug)]
pub struct Pass {
    /// Rows written, without the header.
    pub rows: u64,
    /// From before the source was opened until the last byte was handed to the sink.
    pub elapsed: Duration,
}

impl Pass {
    /// Returns the rows per second; 0 when there were none.
    pub fn rate(&self) -> f64 {
        if self.rows == 0 { 0.0 } else { self.rows as f64 / self.elapsed.as_secs_f64() }
    }
}

/// Finished text and how many rows it holds.
struct Text {
    bytes: Vec<u8>,
    rows: u64,
}

/// Where the finished text goes.
pub type Sink<'a> = &'a mut dyn FnMut(&[u8]) -> Result<(), Problem>;

/// Enriches every row of the source into `sink`, offering each to `sample` on the way.
pub fn run(
    job: &Job<'_>,
    sample: &mut Sample,
    progress: &Progress,
    sink: Sink<'_>,
) -> Result<Pass, Problem> {
    let started = Instant::now();
    let rows = Rows::open(&job.source)?;
    let bar = progress.start(rows.length(), rows.consumed(), job.limit);
    let columns = rows.columns();
    sample.begin(rows.header());
    sink(&header_line(&rows)?)?;
    let written = thread::scope(|scope| {
        let mut inputs = Vec::with_capacity(job.threads);
        let mut outputs = Vec::with_capacity(job.threads);
        for _ in 0..job.threads {
            let (to_worker, batches) = sync_channel(QUEUE);
            let (to_writer, finished) = sync_channel(QUEUE);
            scope.spawn(move || work(job, columns, &batches, &to_writer));
            inputs.push(to_worker);
            outputs.push(finished);
        }
        scope.spawn(move || read(rows, job.limit, sample, &inputs));
        // The receivers are dropped with this call: after a problem, that stops the other threads.
        write(outputs, |text| {
            sink(&text.bytes)?;
            bar.add(text.rows);
            Ok(())
        })
    })?;
    Ok(Pass { rows: written, elapsed: started.elapsed() })
}

fn header_line(rows: &Rows) -> Result<Vec<u8>, Problem> {
    let mut out = csv::Writer::from_writer(Vec::new());
    let names = rows.header().iter().chain(ADDED_COLUMNS);
    out.write_record(names).map_err(|error| Problem::new(error.to_string()))?;
    out.into_inner().map_err(|error| Problem::new(error.to_string()))
}

/// A batch on its way to a worker, or the problem that ended the reading.
type Batch = Result<Vec<Row>, Problem>;

fn read(rows: Rows, limit: Option<u64>, sample: &mut Sample, workers: &[SyncSender<Batch>]) {
    let mut turn = workers.iter().cycle();
    let mut deal = |batch: Batch| turn.next().is_some_and(|worker| worker.send(batch).is_ok());
    let mut batch = Vec::with_capacity(BATCH_ROWS);
    let limit = limit.and_then(|rows| usize::try_from(rows).ok()).unwrap_or(usize::MAX);
    for row in rows.take(limit) {
        match row {
            Ok(row) => {
                sample.offer(&row.fields);
                batch.push(row);
            }
            Err(problem) => {
                // The rows before it go first: one of them may hold an earlier problem.
                let _ = deal(Ok(std::mem::take(&mut batch))) && deal(Err(problem));
                return;
            }
        }
        if batch.len() == BATCH_ROWS {
            let full = std::mem::replace(&mut batch, Vec::with_capacity(BATCH_ROWS));
            if !deal(Ok(full)) {
                return;
            }
        }
    }
    deal(Ok(batch));
}

fn work(
    job: &Job<'_>,
    columns: Columns,
    batches: &Receiver<Batch>,
    finished: &SyncSender<Result<Text, Problem>>,
) {
    let opened = database::open_on_this_thread(job.database);
    let label = job.source.label();
    for batch in batches {
        let ready = opened.clone().and(batch);
        let text = ready.and_then(|rows| enrich_batch(&label, columns, &rows, job.mode));
        if finished.send(text).is_err() {
            return;
        }
    }
}

fn enrich_batch(
    label: &str,
    columns: Columns,
    rows: &[Row],
    mode: Mode<'_>,
) -> Result<Text, Problem> {
    let mut out = csv::Writer::from_writer(Vec::new());
    for row in rows {
        enrich::enrich(label, columns, row, mode, &mut out)?;
    }
    let bytes = out.into_inner().map_err(|error| Problem::new(error.to_string()))?;
    Ok(Text { bytes, rows: rows.len() as u64 })
}

/// Takes from the workers in turn. The first whose channel is closed was dealt nothing more, nor
/// were those after it.
fn write(
    workers: Vec<Receiver<Result<Text, Problem>>>,
    mut each: impl FnMut(Text) -> Result<(), Problem>,
) -> Result<u64, Problem> {
    let mut rows = 0;
    for worker in workers.iter().cycle() {
        let Ok(text) = worker.recv() else { break };
        let text = text?;
        rows += text.rows;
        each(text)?;
    }
    Ok(rows)
}
