//! Messages in which nothing controls a terminal.
//!
//! Names of files, tensors and classes are other people's. Escape sequences in them are printed as text, whatever
//! message they stand in: the macros below take the place of those of `std` in every module.

/// [`std::eprintln`] of [printable](svg_store::printable_lines) text.
macro_rules! eprintln {
    ($($words:tt)*) => {
        ::std::eprintln!("{}", ::svg_store::printable_lines(&::std::format!($($words)*)))
    };
}

/// [`std::println`] of [printable](svg_store::printable_lines) text.
macro_rules! println {
    ($($words:tt)*) => {
        ::std::println!("{}", ::svg_store::printable_lines(&::std::format!($($words)*)))
    };
}
