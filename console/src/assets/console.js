// Replaces live parts.
