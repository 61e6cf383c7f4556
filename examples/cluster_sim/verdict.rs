//! The verdict of a run: the reads that were checked, and those that broke the promise.

use crate::world::World;

#[derive(Default)]
pub(crate) struct Verdict {
    reads: u64,
    broken: u64,
    examples: Vec<String>,
}

impl Verdict {
    /// Takes what a simulation has found, and ends it.
    pub(crate) fn end(&mut self, what: &str, world: &World) {
        let promise = world.promise.borrow();
        let (count, examples) = promise.broken();
        self.broken += count;
        self.reads += world.reads_in_all();
        self.examples.extend(examples.iter().map(|example| format!("{what}: {example}")));
        drop(promise);
        world.end();
    }

    /// Prints it. Returns `true` if the promise was kept.
    pub(crate) fn print(&self) -> bool {
        if self.broken == 0 {
            println!("None of {} reads was older than is promised.", self.reads);
            return true;
        }
        eprintln!("cluster_sim: WRONG: {} reads were older than is promised:", self.broken);
        self.examples.iter().for_each(|example| eprintln!("  {example}"));
        false
    }
}
