//! Keys that a tier cannot know: one error each, at the argument.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use cache_core::tier::{FakeTier, Raw};
use cache_core::{FakeClock, cached};

static TIER: LazyLock<FakeTier> = LazyLock::new(|| FakeTier::new(&FakeClock::new()));

#[derive(Clone, PartialEq, Eq, Hash)]
struct User(u64);

#[cached(tier = &*TIER, codec = Raw)]
fn by_user(user: &User, n: u64) -> String {
    format!("{} {n}", user.0)
}

#[cached(tier = &*TIER, codec = Raw)]
async fn by_path(path: PathBuf) -> String {
    path.display().to_string()
}

#[cached(tier = &*TIER, codec = Raw, key(path: &Path = path.as_ref()))]
fn by_part(path: &str) -> String {
    path.to_owned()
}

struct Shop(User);

impl Shop {
    #[cached(tier = &*TIER, codec = Raw, key(self.0))]
    fn by_self(&self) -> String {
        String::new()
    }
}

#[cached(tier = &*TIER, codec = Raw, many = users)]
fn by_many(users: &[User]) -> Vec<(User, String)> {
    users.iter().map(|user| (user.clone(), String::new())).collect()
}

/// The remedy.
#[cached(tier = &*TIER, codec = Raw, key(path: String = path.display().to_string()))]
fn by_text(path: &Path) -> String {
    path.display().to_string()
}

fn main() {
    by_user(&User(1), 2);
    by_user::get(&User(1), 2);
    let _ = by_user::invalidate(&User(1), 2);
    by_user::clear().unwrap();
    by_text(Path::new("a"));
    Shop(User(1)).by_self();
}
