//! A connection has nothing that a key needs: one error for each argument, and the way out comes
//! first.

use cache_core::cached;

struct Db;

#[cached]
fn reference(db: &Db, id: u64) -> u64 {
    let _ = db;
    id
}

#[cached(ttl = 60)]
async fn task(db: &Db, id: u64) -> Result<u64, String> {
    let _ = db;
    Ok(id)
}

#[cached(thread_local)]
fn here(db: Option<&Db>) -> Option<u64> {
    db.map(|_| 1)
}

#[cached]
fn value(db: Db) -> u64 {
    let _ = db;
    1
}

struct Shop;

impl Shop {
    #[cached(companion = true, skip(self))]
    fn beside(&self, db: &Db) -> u64 {
        let _ = db;
        1
    }

    #[cached(skip(self))]
    fn inside(&self, db: &Db) -> u64 {
        let _ = db;
        1
    }
}

fn main() {
    let _ = (reference(&Db, 1), reference::get(&Db, 1), value(Db));
    let _ = (here(None), Shop.beside(&Db), Shop.inside(&Db));
}
