//! The page of those who are not signed in.
