//! The single writer: exchanges in, events committed; and the rules directory, watched and swapped.
