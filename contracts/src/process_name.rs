//! What a process is called where others look: in leases, reports and statuses.

/// The kernel's name of this machine, or of this container.
const HOST_NAME: &str = "/proc/sys/kernel/hostname";

/// A process of this machine, as in `pid 4711 on shop-1`: process numbers alone are the same in every
/// container.
#[must_use]
pub fn of(pid: u32) -> String {
    let host = std::fs::read_to_string(HOST_NAME).unwrap_or_default();
    let host = host.trim();
    format!("pid {pid} on {}", if host.is_empty() { "this machine" } else { host })
}

/// This process.
#[must_use]
pub fn this() -> String {
    of(std::process::id())
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_process_is_named_with_its_machine() {
        let name = super::this();
        assert!(name.starts_with(&format!("pid {} on ", std::process::id())), "{name}");
        assert!(!name.ends_with("on "), "{name}");
    }
}
