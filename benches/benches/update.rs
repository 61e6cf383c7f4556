//! Updates: inserts of keys that are present, which replace their values. Nothing is evicted.
//!
//! * `update`: updates alone, uniform keys.
//! * `half`: half get, half update, Zipf keys.
//! * `str`: updates alone of texts, a key that is made for the insert and a value that is shared.
#![forbid(unsafe_code)]

use benches::{
    args::Args,
    keys::{self, Popularity},
    lists::List,
    suite::{Case, Suite},
    texts::Vocabulary,
    workload::Plan,
};

fn main() {
    let args = Args::from_env();
    let sizes: &[(u64, &str)] =
        args.pick(&[(1_000, "1k")], &[(1_000, "1k"), (100_000, "100k"), (1_000_000, "1M")]);
    let (texts, size_of_texts) = args.pick((1_000, "1k"), (100_000, "100k"));
    let stream = args.pick(1 << 16, keys::STREAM);
    let mut suite = Suite::start("update", args);
    for &(entries, size) in sizes {
        let cases = cases(entries, size, stream);
        suite.group(cases, |args| List::new(args, 2 * entries).every().filled(entries));
    }
    suite.group(text_cases(texts, size_of_texts, stream), |args| {
        let table = Vocabulary::new(texts);
        List::new(args, 2 * texts).every_text(&table).filled(texts)
    });
    suite.finish();
}

fn cases(entries: u64, size: &str, stream: usize) -> Vec<Case> {
    let mut cases = Vec::new();
    for (kind, popularity, writes) in
        [("update", Popularity::Uniform, 1.0), ("half", Popularity::Zipf, 0.5)]
    {
        for threads in [1, 2] {
            let plan = move || Plan::ReadWrite(keys::words(popularity, entries, stream, writes, 1));
            cases.push(Case::new(format!("{kind}/{size}/{threads}t"), threads, plan));
        }
    }
    cases
}

fn text_cases(entries: u64, size: &str, stream: usize) -> Vec<Case> {
    let plan =
        move || Plan::ReadWrite(keys::rank_words(Popularity::Uniform, entries, stream, 1.0, 1));
    let case = |threads| Case::new(format!("update/{size}/str/{threads}t"), threads, plan);
    [1, 2].map(case).into()
}
