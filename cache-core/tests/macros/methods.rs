//! `#[cached]` inside `impl` and `trait`: what `self` means is said, never guessed.

#![allow(non_local_definitions, reason = "each test has its methods of one type")]

use std::marker::PhantomData;
use std::sync::Arc;

use cache_core::{Cache, cached};

use crate::common::runs::{run, runs};

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Shop {
    id: u64,
    name: String,
}

fn shop(id: u64, name: &str) -> Shop {
    Shop { id, name: name.to_owned() }
}

#[test]
fn key_of_self_distinguishes_instances() {
    impl Shop {
        #[cached(key(self.id, n))]
        fn by_field(&self, n: u64) -> u64 {
            run();
            self.id * 100 + n
        }
        #[cached(key(name: &str = &self.name, n))]
        fn by_typed_field(&self, n: u64) -> String {
            run();
            format!("{}{n}", self.name)
        }
        #[cached(key(self.name.as_str(), self.id + 1))]
        fn by_reference_and_value(&self) -> String {
            run();
            self.name.clone()
        }
        #[cached(key(self))]
        fn by_all_of_it(&self) -> u64 {
            run();
            self.id
        }
    }
    let (one, two) = (shop(1, "a"), shop(2, "b"));
    for _ in 0..2 {
        assert_eq!((one.by_field(1), two.by_field(1), one.by_field(2)), (101, 201, 102));
    }
    assert_eq!(runs(), 3);
    for _ in 0..2 {
        assert_eq!((&*one.by_typed_field(1), &*two.by_typed_field(1)), ("a1", "b1"));
    }
    assert_eq!(runs(), 5);
    for _ in 0..2 {
        assert_eq!((&*one.by_reference_and_value(), &*two.by_reference_and_value()), ("a", "b"));
        assert_eq!(shop(3, "a").by_reference_and_value(), "a");
    }
    assert_eq!(runs(), 8);
    assert_eq!((one.by_all_of_it(), shop(1, "a").by_all_of_it(), two.by_all_of_it()), (1, 1, 2));
    assert_eq!(runs(), 10);
}

#[test]
fn skip_self_shares_among_instances() {
    impl Shop {
        #[cached(skip(self))]
        fn square(&self, n: u64) -> u64 {
            run();
            n * n
        }
    }
    assert_eq!((shop(1, "a").square(3), shop(2, "b").square(3)), (9, 9));
    assert_eq!(runs(), 1);
}

#[test]
fn cache_of_self_lives_and_dies_with_the_instance() {
    struct Client {
        base: u64,
        cache: Cache<(u64, String), u64>,
    }
    impl Client {
        #[cached(cache = self.cache)]
        fn ask(&self, n: u64, text: &str) -> u64 {
            run();
            self.base + n + text.len() as u64
        }
    }
    let client = |base| Client { base, cache: Cache::new(10) };
    let (one, two) = (client(100), client(200));
    for _ in 0..2 {
        assert_eq!((one.ask(1, "a"), two.ask(1, "a")), (102, 202));
    }
    assert_eq!(runs(), 2);
    assert_eq!(one.cache.get(&(1, "a".to_owned())), Some(102));
    one.cache.invalidate_all();
    assert_eq!((one.ask(1, "a"), two.ask(1, "a")), (102, 202));
    assert_eq!(runs(), 3);
}

#[test]
fn cache_may_be_behind_any_pointer() {
    struct Many {
        plain: Cache<(u64,), u64>,
        shared: Arc<Cache<(u64,), u64>>,
    }
    impl Many {
        fn handle(&self) -> Cache<(u64,), u64> {
            self.plain.clone()
        }
        #[cached(cache = self.shared)]
        fn shared(&self, n: u64) -> u64 {
            run() + n
        }
        #[cached(cache = &self.plain)]
        fn borrowed(&self, n: u64) -> u64 {
            run() + n
        }
        #[cached(cache = self.handle())]
        fn handed(&self, n: u64) -> u64 {
            run() + n
        }
        #[cached(cache = if n > 1 { &self.plain } else { &self.shared }, key(n))]
        fn chosen(&self, n: u64) -> u64 {
            run() + n
        }
    }
    let many = Many { plain: Cache::new(10), shared: Arc::new(Cache::new(10)) };
    assert_eq!((many.shared(1), many.shared(1)), (2, 2));
    assert_eq!((many.borrowed(2), many.borrowed(2)), (4, 4));
    assert_eq!((many.handed(2), many.handed(3)), (4, 6));
    assert_eq!((many.chosen(1), many.chosen(2)), (2, 4));
    assert_eq!(runs(), 3);
}

#[test]
fn self_in_every_form() {
    #[derive(Clone)]
    struct Point {
        x: u64,
    }
    impl Point {
        #[cached(key(self.x))]
        fn by_value(self) -> u64 {
            run();
            self.x
        }
        #[cached(key(self.x))]
        fn by_mut_value(mut self) -> u64 {
            run();
            self.x += 1;
            self.x
        }
        #[cached(key(self.x))]
        fn by_mut(&mut self) -> u64 {
            run();
            self.x += 1;
            self.x
        }
        #[cached(key(self.x, n))]
        fn by_arc(self: &Arc<Self>, n: u64) -> u64 {
            run();
            self.x + n
        }
        #[cached(key(self.x))]
        fn by_box(self: Box<Self>) -> u64 {
            run();
            self.x
        }
    }
    let mut point = Point { x: 1 };
    assert_eq!((point.clone().by_value(), point.clone().by_value()), (1, 1));
    assert_eq!((point.clone().by_mut_value(), point.clone().by_mut_value()), (2, 2));
    assert_eq!((Arc::new(point.clone()).by_arc(1), Arc::new(point.clone()).by_arc(1)), (2, 2));
    assert_eq!((Box::new(point.clone()).by_box(), Box::new(point.clone()).by_box()), (1, 1));
    assert_eq!(runs(), 4);
    assert_eq!((point.by_mut(), point.x), (2, 2));
    assert_eq!((Point { x: 1 }.by_mut(), runs()), (2, 5));
}

#[test]
fn associated_functions_that_name_self() {
    struct Table<const N: u64>;
    impl<const N: u64> Table<N> {
        const FACTOR: u64 = N * 10;
        #[cached]
        fn scaled(n: u64) -> u64 {
            run();
            Self::FACTOR * n
        }
        #[cached]
        fn built(n: u64) -> Arc<Self> {
            run();
            let _ = n;
            Arc::new(Self)
        }
        #[cached]
        fn through_a_macro(n: u64) -> Vec<u64> {
            run();
            vec![Self::FACTOR, n]
        }
    }
    for _ in 0..2 {
        assert_eq!((Table::<1>::scaled(2), Table::<2>::scaled(2)), (20, 40));
    }
    assert_eq!(runs(), 2);
    assert!(Arc::ptr_eq(&Table::<1>::built(1), &Table::<1>::built(1)));
    assert_eq!(
        (Table::<1>::through_a_macro(1), Table::<2>::through_a_macro(1)),
        (vec![10, 1], vec![20, 1])
    );
    assert_eq!(runs(), 5);
}

/// Parameters that show in neither arguments nor value, of the type, of the trait and of the
/// method: each combination has a cache of its own.
#[test]
fn instances_differ_by_parameters_that_do_not_show() {
    trait Unit: 'static {
        const NAME: &'static str;
    }
    struct Metre;
    struct Foot;
    impl Unit for Metre {
        const NAME: &'static str = "m";
    }
    impl Unit for Foot {
        const NAME: &'static str = "ft";
    }
    struct Scale<U>(PhantomData<U>);
    impl<U: Unit> Scale<U> {
        #[cached(skip(self))]
        fn show<V: Unit, const N: usize>(&self, n: u64) -> String {
            run();
            format!("{n:0N$} {} {}", U::NAME, V::NAME)
        }
    }
    let (metre, foot) = (Scale::<Metre>(PhantomData), Scale::<Foot>(PhantomData));
    for _ in 0..2 {
        assert_eq!(metre.show::<Metre, 2>(1), "01 m m");
        assert_eq!(metre.show::<Foot, 2>(1), "01 m ft");
        assert_eq!(foot.show::<Foot, 2>(1), "01 ft ft");
        assert_eq!(foot.show::<Foot, 3>(1), "001 ft ft");
    }
    assert_eq!(runs(), 4);

    trait Convert<V> {
        fn convert(&self, n: u64) -> String;
    }
    struct Any;
    impl<V: Unit> Convert<V> for Any {
        #[cached(skip(self))]
        fn convert(&self, n: u64) -> String {
            run();
            format!("{n} {}", V::NAME)
        }
    }
    for _ in 0..2 {
        assert_eq!(<Any as Convert<Metre>>::convert(&Any, 1), "1 m");
        assert_eq!(<Any as Convert<Foot>>::convert(&Any, 1), "1 ft");
    }
    assert_eq!(runs(), 6);
}

trait Area {
    fn id(&self) -> u64;
    fn area(&self, scale: u64) -> u64;
    fn of_nothing(scale: u64) -> u64;
    #[cached(key(self.id(), scale))]
    fn doubled(&self, scale: u64) -> u64 {
        run();
        2 * self.id() * scale
    }
}

struct Square(u64);
struct Circle(u64);

impl Area for Square {
    fn id(&self) -> u64 {
        self.0
    }
    #[cached(key(self.0, scale))]
    fn area(&self, scale: u64) -> u64 {
        run();
        self.0 * self.0 * scale
    }
    #[cached(companion = false)]
    fn of_nothing(scale: u64) -> u64 {
        run();
        scale
    }
}

impl Area for Circle {
    fn id(&self) -> u64 {
        self.0 + 1
    }
    #[cached(key(self.0, scale))]
    fn area(&self, scale: u64) -> u64 {
        run();
        3 * self.0 * scale
    }
    #[cached(companion = false)]
    fn of_nothing(scale: u64) -> u64 {
        run();
        scale + 1
    }
}

#[test]
fn trait_impls_and_default_methods() {
    for _ in 0..2 {
        assert_eq!((Square(2).area(1), Circle(2).area(1)), (4, 6));
        assert_eq!((Square::of_nothing(7), Circle::of_nothing(7)), (7, 8));
        assert_eq!((Square(2).doubled(1), Circle(1).doubled(1)), (4, 4));
        let dynamic: &dyn Fn() -> u64 = &|| Square(3).area(1);
        assert_eq!(dynamic(), 9);
    }
    assert_eq!(runs(), 7);
}

#[test]
fn bodies_return_early_recurse_and_use_question_marks() {
    impl Shop {
        #[cached(key(self.id, text))]
        fn parse(&self, text: &str) -> Result<u64, String> {
            run();
            if text.is_empty() {
                return Err("nothing".to_owned());
            }
            let n: u64 = text.parse().map_err(|_| "no number".to_owned())?;
            Ok(n + self.id)
        }
        #[cached(skip(self))]
        fn fib(&self, n: u64) -> u64 {
            run();
            if n < 2 { n } else { self.fib(n - 1) + self.fib(n - 2) }
        }
        #[cached(skip(self))]
        fn first(&self, texts: &[&'static str]) -> Option<char> {
            run();
            texts.first()?.chars().next()
        }
    }
    let one = shop(1, "a");
    assert_eq!((one.parse("4"), one.parse("4")), (Ok(5), Ok(5)));
    assert_eq!(runs(), 1);
    for text in ["", "x"] {
        assert_eq!(one.parse(text), one.parse(text));
    }
    assert_eq!(runs(), 5);
    assert_eq!(one.fib(50), 12_586_269_025);
    assert_eq!(runs(), 56);
    assert_eq!(
        (one.first(&["ab"]), one.first(&["ab"]), one.first(&[])),
        (Some('a'), Some('a'), None)
    );
    assert_eq!(runs(), 58);
}

#[test]
fn patterns_mut_and_underscores_reach_a_body_inside() {
    impl Shop {
        #[cached(skip(self, log))]
        fn sum(
            &self,
            (a, b): (u64, u64),
            mut c: u64,
            _: u8,
            _unused: u8,
            ref d: u64,
            log: &mut Vec<u64>,
        ) -> u64 {
            run();
            log.push(c);
            c += a;
            a + b + c + *d
        }
    }
    let (one, mut log) = (shop(1, "a"), Vec::new());
    for _ in 0..2 {
        assert_eq!(one.sum((1, 2), 3, 4, 5, 6, &mut log), 13);
    }
    assert_eq!((runs(), log.as_slice()), (1, [3].as_slice()));
    one.sum((1, 2), 3, 5, 5, 6, &mut log);
    one.sum((1, 2), 3, 4, 6, 6, &mut log);
    one.sum((1, 2), 3, 4, 5, 7, &mut log);
    assert_eq!(runs(), 4);
}

#[test]
fn aliases_of_result_and_arrays_of_any_length() {
    struct Reader;
    impl Reader {
        #[cached(skip(self))]
        fn read<const N: usize>(&self, bytes: [u8; N], more: &[u8; N]) -> std::io::Result<u8> {
            run();
            bytes.first().or(more.last()).copied().ok_or_else(|| std::io::Error::other("none"))
        }
        #[cached(skip(self), cache_none)]
        fn maybe<T: Clone + Send + Sync + 'static>(
            &self,
            none: &str,
            value: &Arc<T>,
        ) -> Option<Arc<T>>
        where
            Arc<T>: std::hash::Hash + Eq,
        {
            run();
            none.is_empty().then(|| Arc::clone(value))
        }
    }
    assert_eq!((Reader.read([1], &[2]).ok(), Reader.read([1], &[2]).ok()), (Some(1), Some(1)));
    assert_eq!(Reader.read([1, 1], &[2, 2]).ok(), Some(1));
    assert!(Reader.read([], &[]).is_err() && Reader.read([], &[]).is_err());
    assert_eq!(runs(), 4);
    let value = Arc::new(7_u8);
    assert_eq!((Reader.maybe("x", &value), Reader.maybe("x", &value)), (None, None));
    assert_eq!((Reader.maybe("", &value), runs()), (Some(value), 6));
}
