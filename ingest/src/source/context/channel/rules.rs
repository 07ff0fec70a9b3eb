//! The groups of GA4 and their rules, in GA4's order: the first one that applies decides.

use contracts::vocabulary::Channel;

use super::Traffic;
use super::sources::{Category, category};

/// Declares the groups: GA4's name, our word, and the rule. A rule is a list of conditions that all hold; of
/// each one alternative does.
macro_rules! groups {
    ($( $group:ident, $label:literal => $channel:ident, [$([$($condition:expr),+]),+]; )+) => {
        /// A default channel group of GA4.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Group {
            $( #[doc = $label] $group, )+
            /// No rule applies.
            Unassigned,
        }

        impl Group {
            /// Our word for it.
            #[must_use]
            pub const fn channel(self) -> Channel {
                match self {
                    $( Self::$group => Channel::$channel, )+
                    Self::Unassigned => Channel::Other,
                }
            }

            /// What GA4 calls it.
            #[must_use]
            pub const fn label(self) -> &'static str {
                match self {
                    $( Self::$group => $label, )+
                    Self::Unassigned => "Unassigned",
                }
            }
        }

        const RULES: &[(Group, &[&[Condition]])] = &[ $( (Group::$group, &[$( &[$($condition),+] ),+]), )+ ];
    };
}

/// One thing that may hold of a visit's source, medium or campaign.
#[derive(Debug, Clone, Copy)]
enum Condition {
    /// The source is on GA4's list of such sites.
    Site(Category),
    /// The source is one of these.
    Source(&'static [&'static str]),
    /// The medium is one of these.
    Medium(&'static [&'static str]),
    /// The medium ends so.
    MediumEnds(&'static str),
    /// The medium has this in it.
    MediumHas(&'static str),
    /// The medium is that of advertisements that are paid for: `^(.*cp.*|ppc|retargeting|paid.*)$`.
    Paid,
    /// The campaign has this in its name.
    CampaignHas(&'static str),
    /// The campaign is one of a shop by its name: `^(.*(([^a-df-z]|^)shop|shopping).*)$`.
    ShoppingCampaign,
}

use Condition::{CampaignHas, Medium, MediumEnds, MediumHas, Paid, ShoppingCampaign, Site, Source};

const EMAIL: &[&str] = &["email", "e-mail", "e_mail", "e mail"];
const SOCIAL: &[&str] = &["social", "social-network", "social-media", "sm", "social network", "social media"];

groups! {
    Direct, "Direct" => Direct, [[Source(&["(direct)"])], [Medium(&["(none)", "(not set)"])]];
    CrossNetwork, "Cross-network" => Other, [[CampaignHas("cross-network")]];
    PaidShopping, "Paid Shopping" => PaidSearch, [[Site(Category::Shopping), ShoppingCampaign], [Paid]];
    PaidSearch, "Paid Search" => PaidSearch, [[Site(Category::Search)], [Paid]];
    PaidSocial, "Paid Social" => Social, [[Site(Category::Social)], [Paid]];
    PaidVideo, "Paid Video" => Display, [[Site(Category::Video)], [Paid]];
    Display, "Display" => Display, [[Medium(&["display", "banner", "expandable", "interstitial", "cpm"])]];
    PaidOther, "Paid Other" => Other, [[Paid]];
    OrganicShopping, "Organic Shopping" => Referral, [[Site(Category::Shopping), ShoppingCampaign]];
    OrganicSocial, "Organic Social" => Social, [[Site(Category::Social), Medium(SOCIAL)]];
    OrganicVideo, "Organic Video" => Social, [[Site(Category::Video), MediumHas("video")]];
    OrganicSearch, "Organic Search" => OrganicSearch, [[Site(Category::Search), Medium(&["organic"])]];
    AiAssistant, "AI Assistant" => Referral, [[Medium(&["ai-assistant"])]];
    Referral, "Referral" => Referral, [[Medium(&["referral", "app", "link"])]];
    Email, "Email" => Email, [[Source(EMAIL), Medium(EMAIL)]];
    Affiliates, "Affiliates" => Referral, [[Medium(&["affiliate", "affiliates"])]];
    Audio, "Audio" => Other, [[Medium(&["audio"])]];
    Sms, "SMS" => Other, [[Source(&["sms"]), Medium(&["sms"])]];
    Push, "Mobile Push Notifications" => Other,
        [[MediumEnds("push"), MediumHas("mobile"), MediumHas("notification"), Source(&["firebase"])]];
}

/// The group of a visit.
pub(super) fn judge(traffic: &Traffic) -> Group {
    let category = category(&traffic.source);
    let holds = |condition: &Condition| condition.holds(traffic, category);
    let rule = RULES.iter().find(|(_, conditions)| conditions.iter().all(|one| one.iter().any(holds)));
    rule.map_or(Group::Unassigned, |(group, _)| *group)
}

impl Condition {
    fn holds(&self, traffic: &Traffic, category: Option<Category>) -> bool {
        let Traffic { source, medium, campaign } = traffic;
        match self {
            Self::Site(site) => category == Some(*site),
            Self::Source(words) => words.contains(&source.as_str()),
            Self::Medium(words) => words.contains(&medium.as_str()),
            Self::MediumEnds(end) => medium.ends_with(end),
            Self::MediumHas(part) => medium.contains(part),
            Self::Paid => {
                medium.contains("cp")
                    || medium == "retargeting"
                    || medium == "ppc"
                    || medium.starts_with("paid")
            }
            Self::CampaignHas(part) => campaign.contains(part),
            Self::ShoppingCampaign => is_shopping(campaign),
        }
    }
}

/// Whether `shop` begins a word, as in `eshop` too, or `shopping` is anywhere.
fn is_shopping(campaign: &str) -> bool {
    campaign.contains("shopping")
        || campaign.match_indices("shop").any(|(at, _)| {
            !campaign[..at].ends_with(|before: char| before.is_ascii_lowercase() && before != 'e')
        })
}
