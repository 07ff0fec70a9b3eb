//! What the shopper used, by the user agent.
//!
//! Browsers have frozen what they send: the words below are those that Chrome, Firefox and Safari document,
//! and models of devices are no longer among them. So a short table says as much as a list of every model,
//! and does not age with the models.

use contracts::vocabulary::Device;

/// The first row whose words are all there, and whose exceptions are not, decides. Words are in lower case.
const ROWS: &[(&[&str], &[&str], Device)] = &[
    // Televisions and consoles, which also name the system below them.
    (&["smart-tv"], &[], Device::Other),
    (&["smarttv"], &[], Device::Other),
    (&["googletv"], &[], Device::Other),
    (&["android tv"], &[], Device::Other),
    (&["appletv"], &[], Device::Other),
    (&["apple tv"], &[], Device::Other),
    (&["hbbtv"], &[], Device::Other),
    (&["web0s"], &[], Device::Other),
    (&["bravia"], &[], Device::Other),
    (&["roku"], &[], Device::Other),
    // Amazon's televisions: AFTT, AFTMM and so on.
    (&["; aft"], &[], Device::Other),
    (&["crkey"], &[], Device::Other),
    (&["tizen", "tv"], &["mobile"], Device::Other),
    (&["playstation"], &[], Device::Other),
    (&["xbox"], &[], Device::Other),
    (&["nintendo"], &[], Device::Other),
    (&["watchos"], &[], Device::Other),
    (&["oculusbrowser"], &[], Device::Other),
    // Tablets. The word alone says nothing: `Tablet PC` stands in those of old Windows computers.
    (&["ipad"], &[], Device::Tablet),
    (&["playbook"], &[], Device::Tablet),
    (&["kindle"], &[], Device::Tablet),
    (&["silk/"], &["mobile"], Device::Tablet),
    (&["android", "tablet"], &[], Device::Tablet),
    // Telephones.
    (&["iphone"], &[], Device::Mobile),
    (&["ipod"], &[], Device::Mobile),
    (&["windows phone"], &[], Device::Mobile),
    (&["mobile"], &[], Device::Mobile),
    (&["opera mini"], &[], Device::Mobile),
    (&["opera mobi"], &[], Device::Mobile),
    (&["blackberry"], &[], Device::Mobile),
    (&["symbian"], &[], Device::Mobile),
    // A browser on Android that does not say `Mobile` is on a tablet; the programs of apps never say it.
    (&["android", "mozilla/"], &[], Device::Tablet),
    (&["android"], &[], Device::Mobile),
    // Computers.
    (&["windows nt"], &[], Device::Desktop),
    (&["macintosh"], &[], Device::Desktop),
    (&["cros "], &[], Device::Desktop),
    (&["x11"], &[], Device::Desktop),
    (&["linux", "mozilla/"], &[], Device::Desktop),
];

/// More than any browser sends: what stands behind it is not read.
const READ_BYTES: usize = 1024;

/// What a user agent is of; nothing where it does not say.
///
/// An iPad says since 2019 that it is a Macintosh, and counts as desktop.
#[must_use]
pub fn device(user_agent: &str) -> Option<Device> {
    let read = user_agent.as_bytes();
    // Never cut inside a character: the words are all ASCII.
    let read = String::from_utf8_lossy(&read[..read.len().min(READ_BYTES)]).to_ascii_lowercase();
    let is_there = |word: &&str| read.contains(*word);
    let row =
        ROWS.iter().find(|(words, unless, _)| words.iter().all(is_there) && !unless.iter().any(is_there));
    row.map(|(_, _, device)| *device)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_are_on_what_they_say() {
        use Device::{Desktop, Mobile, Other, Tablet};
        for (user_agent, expected) in [
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0 Safari/537.36",
                Desktop,
            ),
            (
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Safari/605.1.15",
                Desktop,
            ),
            ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", Desktop),
            (
                "Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0 Safari/537.36",
                Desktop,
            ),
            ("Mozilla/4.0 (compatible; MSIE 8.0; Windows NT 6.1; Trident/4.0; Tablet PC 2.0)", Desktop),
            (
                "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0 Mobile Safari/537.36",
                Mobile,
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1",
                Mobile,
            ),
            ("Mozilla/5.0 (Android 15; Mobile; rv:140.0) Gecko/140.0 Firefox/140.0", Mobile),
            ("Dalvik/2.1.0 (Linux; U; Android 13; Pixel 6 Build/TQ3A)", Mobile),
            ("Opera/9.80 (J2ME/MIDP; Opera Mini/9.80; U; en) Presto/2.5.25", Mobile),
            (
                "Mozilla/5.0 (iPad; CPU OS 12_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/12.1 Mobile/15E148 Safari/604.1",
                Tablet,
            ),
            (
                "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0 Safari/537.36",
                Tablet,
            ),
            ("Mozilla/5.0 (Android 15; Tablet; rv:140.0) Gecko/140.0 Firefox/140.0", Tablet),
            (
                "Mozilla/5.0 (Linux; Android 9; KFMAWI) AppleWebKit/537.36 (KHTML, like Gecko) Silk/120.1 like Chrome/120.0 Safari/537.36",
                Tablet,
            ),
            (
                "Mozilla/5.0 (SMART-TV; Linux; Tizen 6.0) AppleWebKit/537.36 (KHTML, like Gecko) Version/6.0 TV Safari/537.36",
                Other,
            ),
            (
                "Mozilla/5.0 (Linux; Android 9; AFTMM Build/PS7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/70.0 Mobile Safari/537.36",
                Other,
            ),
            (
                "Mozilla/5.0 (PlayStation; PlayStation 5/2.26) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/13.0 Safari/605.1.15",
                Other,
            ),
        ] {
            assert_eq!(device(user_agent), Some(expected), "{user_agent}");
        }
        for user_agent in ["", " ", "curl/8.5.0", "Shop/7 CFNetwork/1410 Darwin/22.6.0", "\u{fffd}é"] {
            assert_eq!(device(user_agent), None, "{user_agent}");
        }
    }
}
