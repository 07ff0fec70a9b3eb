//! Drawings as markup: bars, tiles, heat tables and sparklines.
