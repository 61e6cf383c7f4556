//! The structure of the sources: which wing may use which, no loops between modules, no two types
//! of one name, and the sizes that the house rules allow.

mod modules;
mod source;

use std::collections::BTreeMap;

use crate::modules::{Modules, Use};
use crate::source::{Source, Step, Walk};

/// The wings of cache-core from the ground up: the only copy of this map. A wing may use those that
/// it names, all of which stand before it in this list.
const WINGS: [Wing; 12] = [
    Wing("util", "threads, locks, forks, hashes: nothing that knows of caches", &[]),
    Wing("types", "small public types", &["util"]),
    Wing("time", "clocks and the timing wheel", &["util"]),
    Wing("table", "the lock-free map", &["util", "types"]),
    Wing("policy", "eviction", &["table"]),
    Wing("flight", "running loads and their waiters", &["util", "types", "table"]),
    Wing(
        "shard",
        "everything under one lock",
        &["util", "types", "time", "table", "policy", "flight"],
    ),
    Wing(
        "store",
        "the shards together; everything around a lock",
        &["util", "types", "time", "table", "flight", "shard"],
    ),
    Wing(
        "load",
        "one load: who runs it, what is stored",
        &["util", "types", "time", "table", "flight", "shard", "store"],
    ),
    Wing(
        "api",
        "what users call",
        &["util", "types", "time", "table", "flight", "shard", "store", "load"],
    ),
    Wing(
        "tier",
        "a remote cache behind the one in memory",
        &["util", "types", "time", "flight", "load", "api"],
    ),
    Wing(
        "__private",
        "the runtime of `#[cached]`",
        &["util", "types", "flight", "load", "api", "tier"],
    ),
];

/// A wing's name, its duty, and the wings that it may use.
struct Wing(&'static str, &'static str, &'static [&'static str]);

const CORE: &str = "cache-core/src";
const MOST_LINES: usize = 500;
const MOST_LINES_OF_A_FUNCTION: usize = 50;
const MOST_COLUMNS: usize = 100;

fn wing(name: &str) -> Option<&'static Wing> {
    WINGS.iter().find(|wing| wing.0 == name)
}

/// Fails with what was found, each with its place and its remedy.
fn check(what: &str, mut found: Vec<String>) {
    found.dedup();
    assert!(found.is_empty(), "{what}: {}\n  {}", found.len(), found.join("\n  "));
}

fn place(modules: &Modules, it: &Use) -> String {
    format!("{}:{}: `{}`", modules.files[it.from].name, it.line, it.written)
}

#[test]
fn the_table_goes_from_the_ground_up() {
    for (index, Wing(name, _, uses)) in WINGS.iter().enumerate() {
        for used in *uses {
            let is_below = WINGS[..index].iter().any(|below| below.0 == *used);
            assert!(is_below, "{name} names {used}, which does not stand before it in the table");
        }
    }
}

/// Returns what is wrong with a path, if anything.
fn wrong(modules: &Modules, it: &Use) -> Option<String> {
    let first = |file| modules.path(file).first().map(String::as_str);
    let from = first(it.from)?;
    let Some(Wing(name, duty, may_use)) = wing(from) else {
        let root = modules.files[it.from].name.trim_start_matches(CORE).matches('/').count() == 1;
        let remedy = "give the folder a place in the table of tests/wings";
        return (!root).then(|| format!("{}: {from} is no wing; {remedy}", place(modules, it)));
    };
    match first(it.to) {
        None if it.written == "crate" || ["api", "__private"].contains(name) => None,
        None => Some(format!(
            "{}: a path through the crate's root; name the module that defines it",
            place(modules, it)
        )),
        Some(to) if to == from || may_use.contains(&to) => None,
        Some(to) => Some(format!(
            "{}: {name} ({duty}) may not use {to}; move what is used to a wing below both, or what \
             uses it up",
            place(modules, it)
        )),
    }
}

#[test]
fn a_wing_uses_only_the_wings_that_it_may() {
    let modules = Modules::read(CORE);
    let found = modules.uses().iter().filter_map(|it| wrong(&modules, it)).collect();
    check("uses against the table of wings", found);
}

#[test]
fn the_table_allows_no_more_than_is_used() {
    let modules = Modules::read(CORE);
    let first = |file| modules.path(file).first().cloned().unwrap_or_default();
    let uses: Vec<(String, String)> =
        modules.uses().iter().map(|it| (first(it.from), first(it.to))).collect();
    let mut found = Vec::new();
    for Wing(name, _, may_use) in &WINGS {
        let is_unused = |used: &&&str| !uses.contains(&((*name).to_owned(), (**used).to_owned()));
        found.extend(may_use.iter().filter(is_unused).map(|used| {
            format!("{name} does not use {used}; remove it from the table of tests/wings")
        }));
    }
    check("permissions that nothing needs", found);
}

#[test]
fn there_are_no_loops_between_modules() {
    let mut found = Vec::new();
    for folder in [CORE, "cache-macros/src", "cache-memcached/src", "benches/src"] {
        let modules = Modules::read(folder);
        for uses in modules.loops() {
            let places: Vec<String> = uses.iter().map(|it| place(&modules, it)).collect();
            let remedy = "name the module that defines it, or move it to a module below both";
            found.push(format!("{}\n    {remedy}", places.join("\n    ")));
        }
    }
    check("loops between modules", found);
}

#[test]
fn no_two_types_of_a_crate_have_one_name() {
    let mut found = Vec::new();
    for folder in [CORE, "cache-macros/src", "cache-memcached/src", "benches/src"] {
        let mut places: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for file in &Modules::read(folder).files {
            for (name, line) in types_of(file) {
                places.entry(name).or_default().push(format!("{}:{line}", file.name));
            }
        }
        places.retain(|_, places| places.len() > 1);
        let show = |(name, places): (String, Vec<String>)| {
            format!("{name}: {}; rename all but one", places.join(", "))
        };
        found.extend(places.into_iter().map(show));
    }
    check("types of one name", found);
}

/// The types that a file defines outside of inner modules, with their lines. Of twins for different
/// configurations the first counts.
fn types_of(file: &Source) -> BTreeMap<String, usize> {
    let (tokens, mut walk) = (&file.tokens, Walk::new(file));
    let mut types = BTreeMap::new();
    while let Some(step) = walk.next() {
        let Step::Token(at) = step else { continue };
        let is_keyword = ["struct", "enum", "trait", "union", "type"].contains(&&*tokens[at].text);
        if let (true, [], Some(name)) = (is_keyword, &walk.around[..], tokens.get(at + 1)) {
            types.entry(name.text.clone()).or_insert(name.line);
        }
    }
    types
}

/// All code of the repository, except what `trybuild` compiles.
fn all_files() -> Vec<Source> {
    let folders =
        [CORE, "cache-core/tests", "cache-macros/src", "cache-memcached", "benches", "examples"];
    let files = folders.iter().flat_map(|folder| Source::all(folder));
    files.filter(|file| !file.name.contains("/tests/ui/")).collect()
}

#[test]
fn files_are_not_too_long() {
    let long = all_files().into_iter().filter(|file| file.lines() > MOST_LINES);
    let show = |file: Source| format!("{}: {} lines; split it", file.name, file.lines());
    check("files of more than 500 lines", long.map(show).collect());
}

#[test]
fn functions_are_not_too_long() {
    let mut long = Vec::new();
    for file in all_files() {
        for step in Walk::new(&file) {
            let Step::Function(name, start, end) = step else { continue };
            let lines = end - start + 1;
            if lines > MOST_LINES_OF_A_FUNCTION {
                long.push(format!("{}:{start}: `{name}` has {lines} lines; split it", file.name));
            }
        }
    }
    check("functions of more than 50 lines", long);
}

#[test]
fn lines_are_not_too_wide() {
    let mut wide = Vec::new();
    for file in all_files() {
        wide.extend(file.wide_lines(MOST_COLUMNS).into_iter().map(|(line, columns)| {
            format!("{}:{line}: {columns} columns; break the line", file.name)
        }));
    }
    check("lines of more than 100 columns", wide);
}
