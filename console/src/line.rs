//! The line hop by hop: where events are, how old the newest are, and why a hop stands still.
