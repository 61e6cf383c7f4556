//! What the benchmarks beside this crate share: the caches under test, the key streams, and a
//! harness that compares caches within one run instead of across runs.
//!
//! On a machine that other programs use, two runs a minute apart differ by more than the caches
//! do. So the harness goes round the subjects, a few milliseconds each, again and again; what it
//! reports is the median of the ratios taken inside each round. Each line uses only what stands
//! above it:
//!
//! * [`built`]: the compiler, the target and the root of the workspace; [`stats`]: medians and
//!   ratios; [`histogram`]: latencies, and [`chart`]: a picture of them; [`keys`]: the streams;
//!   [`args`]: the command line.
//! * [`subject`]: the interface of a cache under test, and [`peer`]: one for any keys and values.
//! * [`ours`], [`peers`]: the caches; [`texts`]: the same with texts; [`loads`]: their loading
//!   calls; [`workload`]: what one thread does to a cache.
//! * [`runner`]: one subject and its threads, timed; [`lists`]: which subjects take part;
//!   [`outcome`]: what was measured.
//! * [`report`]: tables and JSON; [`markdown`]: tables for documents; [`machine`]: the
//!   circumstances of a measurement; [`publish`]: where it all goes; [`figures`], [`rows`]: what
//!   documents have.
//! * [`cells`]: hit ratios, and what they come to; [`instructions`]: counts beside those of a file.
//! * [`suite`]: goes round the runners of a case, or hands them to criterion.
#![forbid(unsafe_code)]

pub mod args;
pub mod built;
pub mod cells;
pub mod chart;
pub mod figures;
pub mod histogram;
pub mod instructions;
pub mod keys;
pub mod lists;
pub mod loads;
pub mod machine;
pub mod markdown;
pub mod ours;
pub mod outcome;
pub mod peer;
pub mod peers;
pub mod publish;
pub mod report;
pub mod rows;
pub mod runner;
pub mod stats;
pub mod subject;
pub mod suite;
pub mod texts;
pub mod workload;
