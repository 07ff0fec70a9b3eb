use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;

fn every(text: &str) {
    let _ = (device(text), is_bot(text));
    for origin in [
        Origin { page_url: Some(text), referrer: Some(text), ..Origin::default() },
        Origin { page_url: Some("https://a.example/"), referrer: Some(text), ..Origin::default() },
        Origin {
            source: Some(text),
            medium: Some(text),
            campaign: Some(text),
            click_id: Some(text),
            ..Origin::default()
        },
    ] {
        assert_eq!(channel(&origin), group(&origin).map(Group::channel));
    }
}

proptest! {
    #[test]
    fn any_text_has_an_answer_or_none(text in ".{0,300}") {
        every(&text);
    }

    #[test]
    fn any_address_has_an_answer_or_none(
        text in "(https?|android-app)://[a-z.]{0,30}(/[^ ]{0,20})?(\\?(utm_(source|medium|campaign)|gclid|fbclid)=[^#]{0,20})?",
    ) {
        every(&text);
    }

    /// Words of the rules, put together in any way.
    #[test]
    fn a_word_in_another_case_says_the_same(
        source in "(google|amazon|facebook|youtube|blog|sms|firebase)(\\.com)?",
        medium in "(cpc|paid|email|social|organic|push|x)",
    ) {
        let of = |source: &str, medium: &str| {
            group(&Origin { source: Some(source), medium: Some(medium), ..Origin::default() })
        };
        prop_assert_eq!(
            of(&source, &medium),
            of(&source.to_uppercase(), &format!(" {} ", medium.to_uppercase()))
        );
    }
}

/// The largest event has 64 KB. Each of these is the worst for some part: words that almost match, and
/// parameters without end.
#[test]
fn the_largest_texts_take_milliseconds() {
    let of_64_kb = |part: &str| part.repeat(64 * 1024 / part.len());
    for part in [
        "a",
        "bo",
        "Googlebo",
        "bot_",
        "mobil",
        "\u{e9}",
        "utm_source=a&",
        "?&=",
        "%41",
        "shop",
        "a.",
        "www.",
        "\0",
    ] {
        let text = of_64_kb(part);
        let began = Instant::now();
        for text in [text.clone(), format!("https://a.example/?{text}"), format!("https://{text}/")] {
            every(&text);
        }
        // Half a second without optimisation on a busy machine; what grew with the square of the length would
        // take minutes.
        assert!(began.elapsed() < Duration::from_secs(2), "{part:?} took {:?}", began.elapsed());
    }
}
