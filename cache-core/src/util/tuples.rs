//! Tuples of up to twelve parts: the standard library hashes no longer ones.

/// Calls a macro for each of these tuples, with names for its parts: first with none, then with
/// `A`, with `A B`, and so on.
macro_rules! for_each_tuple {
    ($one:ident) => {
        $one!();
        $one!(A);
        $one!(A B);
        $one!(A B C);
        $one!(A B C D);
        $one!(A B C D E);
        $one!(A B C D E F);
        $one!(A B C D E F G);
        $one!(A B C D E F G H);
        $one!(A B C D E F G H I);
        $one!(A B C D E F G H I J);
        $one!(A B C D E F G H I J K);
        $one!(A B C D E F G H I J K L);
    };
}

pub(crate) use for_each_tuple;
