//! How a figure is shown in every state it can be in, drawn here so that no panel invents its own.
