//! Whether a program sends, by the words with which programs name themselves.

use std::sync::LazyLock;

use aho_corasick::AhoCorasick;

/// A word a line; one after `^` only counts at the beginning.
const LISTED: &str = include_str!("bots.txt");
/// What programs say of themselves that are in no list: an address to read about them, or what they do.
const SAID: [&str; 5] = ["crawl", "spider", "scrape", "+http:", "+https:"];

static ANYWHERE: LazyLock<AhoCorasick> = LazyLock::new(|| {
    #[expect(clippy::expect_used, reason = "the words are compiled in, and a test builds this")]
    AhoCorasick::new(listed().filter(|word| !word.starts_with('^'))).expect("few and short words")
});
static SAYING: LazyLock<AhoCorasick> = LazyLock::new(|| {
    #[expect(clippy::expect_used, reason = "the words are compiled in, and a test builds this")]
    AhoCorasick::builder().ascii_case_insensitive(true).build(SAID).expect("few and short words")
});

fn listed() -> impl Iterator<Item = &'static str> {
    LISTED.lines().filter(|line| !line.starts_with('#'))
}

/// Whether a user agent is one of a program and not of a person: a search engine, a monitor, a library that
/// fetches pages.
///
/// A program that pretends to be a browser is not recognised. The time grows with the length alone.
#[must_use]
pub fn is_bot(user_agent: &str) -> bool {
    ANYWHERE.is_match(user_agent)
        || SAYING.is_match(user_agent)
        || is_called_bot(user_agent.as_bytes())
        || listed()
            .filter_map(|word| word.strip_prefix('^'))
            .any(|word| user_agent.trim_start().starts_with(word))
}

/// Whether a word ends in `bot`, unless it is CUBOT, which makes telephones.
fn is_called_bot(user_agent: &[u8]) -> bool {
    user_agent.windows(3).enumerate().any(|(at, window)| {
        let after = user_agent.get(at + 3).copied().unwrap_or(b' ');
        window.eq_ignore_ascii_case(b"bot")
            && !after.is_ascii_alphanumeric()
            && after != b'_'
            && !user_agent[..at].to_ascii_lowercase().ends_with(b"cu")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_known_by_their_words() {
        for user_agent in [
            "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
            "Mozilla/5.0 (Linux; Android 6.0.1; Nexus 5X) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0 Mobile Safari/537.36 (compatible; Googlebot/2.1)",
            "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm) Chrome/116.0 Safari/537.36",
            "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.2; +https://openai.com/gptbot)",
            "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)",
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/138.0.0.0 Safari/537.36",
            "curl/8.5.0",
            "python-requests/2.32.3",
            "Nobody knows this Bot",
            "a-new-crawler 1.0",
        ] {
            assert!(is_bot(user_agent), "{user_agent}");
        }
    }

    #[test]
    fn people_are_not() {
        for user_agent in [
            "",
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0 Safari/537.36",
            "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 Instagram 390.0",
            "Mozilla/5.0 (Linux; Android 13; CUBOT_P80) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0 Mobile Safari/537.36",
            "Mozilla/5.0 (Linux; Android 13; CUBOT NOTE 21) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0 Mobile Safari/537.36",
            "Mozilla/5.0 (Linux; Android 13; V2206 Build/TP1A; wv) AppleWebKit/537.36 Chrome/138.0 Mobile Safari/537.36 [FB_IAB/FB4A]",
            "okhttp/4.12.0",
            "Shop/7 CFNetwork/1410 Darwin/22.6.0",
            "Mozilla/5.0 (X11; Linux) curl",
        ] {
            assert!(!is_bot(user_agent), "{user_agent}");
        }
    }

    #[test]
    fn each_listed_word_is_found() {
        assert!(listed().count() > 1_000);
        for word in listed() {
            assert!(word.len() >= 3 && is_bot(word.trim_start_matches('^')), "{word:?}");
        }
    }
}
