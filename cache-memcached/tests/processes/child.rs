//! A child: a tiered cache, and what its parent may have it do, a line at a time.
//!
//! Each command has one line of reply, but for `load`, inside of which the child says `loading` and
//! waits for the value, and `storm` and `model`, which say more.

use std::io::BufRead;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use cache_core::tier::{TierError, TieredCache};
use cache_memcached::Memcached;

use crate::model_child;
use crate::origin::Numbers;
use crate::parent::{LONGEST, Settings};

pub(crate) type Cache = TieredCache<u64, String>;

/// The keys of a storm.
const KEYS: u64 = 50;

struct Child {
    cache: Cache,
    tier: Memcached,
    settings: Settings,
    commands: Receiver<String>,
}

pub(crate) fn run(settings: &str) {
    let settings = Settings::of_text(settings);
    let (send, commands) = channel();
    thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            send.send(line).expect("it is received");
        }
        // The parent has gone.
        std::process::exit(0);
    });
    let tier = tier(&settings);
    let cache = cache(&tier, &settings);
    let child = Child { cache, tier, settings, commands };
    say("ready");
    loop {
        let command = child.next();
        child.obey(&command.split(' ').collect::<Vec<_>>());
    }
}

fn say(line: &str) {
    println!("{line}");
}

fn tier(settings: &Settings) -> Memcached {
    let mut builder = Memcached::builder().server(settings.address.clone()).namespace("test");
    if !settings.is_strict {
        builder = builder.connect_timeout(LONGEST).exchange_timeout(LONGEST);
    }
    if settings.watches {
        builder = builder.watch();
    }
    builder.build()
}

fn cache(tier: &Memcached, settings: &Settings) -> Cache {
    Cache::builder("users")
        .tier(tier.clone())
        .time_to_live(Duration::from_secs(600))
        .memory_time_to_live(settings.memory_life)
        .lease_wait(settings.lease_wait)
        .poll_period(settings.poll_period)
        .build()
}

fn outcome(result: Result<(), TierError>) -> String {
    result.map_or_else(|error| format!("failed: {error}"), |()| "ok".to_owned())
}

impl Child {
    fn next(&self) -> String {
        self.commands.recv().expect("the process ends with its parent")
    }

    fn obey(&self, words: &[&str]) {
        let cache = &self.cache;
        let number = |text: &str| text.parse::<u64>().expect("a number");
        let reply = match words {
            ["load", key] => cache.get_with(number(key), || {
                say("loading");
                self.next()
            }),
            ["quick", key, value] => cache.get_with(number(key), || (*value).to_owned()),
            ["memory", key] => {
                cache.memory().get(&number(key)).unwrap_or_else(|| "nothing".to_owned())
            }
            ["insert", key, value] => outcome(cache.insert(number(key), (*value).to_owned())),
            ["invalidate", key] => outcome(cache.invalidate(&number(key))),
            ["flush"] => outcome(cache.invalidate_all()),
            ["poll"] => outcome(cache.poll()),
            ["hearing"] => format!("{:?}", self.tier.hearing()),
            ["stats"] => self.stats(),
            ["each", keys] => self.load_each(number(keys)).to_string(),
            ["storm"] => self.storm(),
            ["model", seed, acts] => {
                let origin = self.settings.origin.as_ref().expect("the parent has given one");
                model_child::run(cache, origin, (number(seed), number(acts)), say);
                "end".to_owned()
            }
            other => panic!("{other:?} is no command"),
        };
        say(&reply);
    }

    fn stats(&self) -> String {
        let remote = self.cache.stats().remote;
        format!(
            "won={} lost={} unleased={} errors={} hits={} pending={} flushes={} distrusted={}",
            remote.leases_won,
            remote.leases_lost,
            remote.unleased_loads,
            remote.errors,
            remote.hits,
            remote.pending_removals,
            remote.flushes_heard,
            remote.rejected_distrusted,
        )
    }

    /// Loads keys one after another, each in some time. Returns how many it has loaded itself.
    fn load_each(&self, keys: u64) -> u64 {
        let mut loads = 0;
        for key in 0..keys {
            let value = self.cache.get_with(key, || {
                loads += 1;
                thread::sleep(Duration::from_millis(key % 4));
                format!("value{key}")
            });
            assert_eq!(value, format!("value{key}"));
        }
        loads
    }

    /// Calls of several threads, until the parent says something. Says `calls` after each few.
    fn storm(&self) -> String {
        let (stop, longest, wrong) = (AtomicBool::new(false), AtomicU64::new(0), AtomicU64::new(0));
        thread::scope(|scope| {
            for thread in 0..3 {
                let (cache, stop, longest, wrong) = (&self.cache, &stop, &longest, &wrong);
                scope.spawn(move || {
                    let mut numbers = Numbers::seeded(u64::from(std::process::id()) * 8 + thread);
                    for call in 1.. {
                        let began = Instant::now();
                        let is_right = call_of_storm(cache, &mut numbers);
                        let took = u64::try_from(began.elapsed().as_micros()).expect("not so long");
                        longest.fetch_max(took, SeqCst);
                        wrong.fetch_add(u64::from(!is_right), SeqCst);
                        if stop.load(SeqCst) {
                            return;
                        }
                        if call % 20 == 0 {
                            say("calls");
                        }
                        thread::sleep(Duration::from_millis(1));
                    }
                });
            }
            self.next();
            stop.store(true, SeqCst);
        });
        format!("ended {} {}", longest.load(SeqCst), wrong.load(SeqCst))
    }
}

/// One call of a storm. Returns `false` if it has returned what is wrong.
fn call_of_storm(cache: &Cache, numbers: &mut Numbers) -> bool {
    let key = numbers.below(KEYS);
    if numbers.below(10) == 0 {
        // It may fail, and is made later then.
        let _ = cache.invalidate(&key);
    }
    let many: Vec<u64> = (key..key + 3).collect();
    let right = |key: &u64| format!("value{key}");
    if numbers.below(10) == 0 {
        let load = |missing: &[u64]| missing.iter().map(|key| (*key, right(key))).collect();
        let found = cache.get_many_with(&many, load);
        return found.iter().zip(&many).all(|(found, key)| found.as_ref() == Some(&right(key)));
    }
    cache.get_with(key, || right(&key)) == right(&key)
}
