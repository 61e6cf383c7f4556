//! The runtimes that loads by tasks are tested on.

use std::future::Future;
use std::thread;

use crate::common::tasks::block_on;

/// Where a future runs.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Runtime {
    TokioCurrentThread,
    TokioMultiThread,
    Bare,
}

pub(crate) const RUNTIMES: [Runtime; 3] =
    [Runtime::TokioCurrentThread, Runtime::TokioMultiThread, Runtime::Bare];

impl Runtime {
    /// Runs all of them at once, and returns their outputs in order: as tasks of the runtime, or
    /// without one, each on a thread.
    pub(crate) fn run_all<T, F>(self, futures: Vec<F>) -> Vec<T>
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        let mut builder = match self {
            Runtime::TokioCurrentThread => tokio::runtime::Builder::new_current_thread(),
            Runtime::TokioMultiThread => tokio::runtime::Builder::new_multi_thread(),
            Runtime::Bare => {
                let spawn = |future| thread::spawn(move || block_on(future));
                let threads: Vec<_> = futures.into_iter().map(spawn).collect();
                return threads.into_iter().map(|thread| thread.join().unwrap()).collect();
            }
        };
        builder.worker_threads(2).build().unwrap().block_on(async {
            let tasks: Vec<_> = futures.into_iter().map(tokio::spawn).collect();
            let mut outputs = Vec::new();
            for task in tasks {
                outputs.push(task.await.unwrap());
            }
            outputs
        })
    }
}
