//! Who may start a visit, and how likely, at which hour.

use contracts::User;
use contracts::event::Country;
use contracts::record::Text;
use contracts::validation::{OrderLine, Shopper};
use contracts::visitor::SenderId;

use super::dice::Dice;
use super::market;

/// A line that was paid and will be paid back.
#[derive(Debug, Clone)]
pub(super) struct PaidLine {
    pub(super) product: usize,
    pub(super) quantity: i32,
    pub(super) order: OrderLine,
    pub(super) payment_type: Text<32>,
}

/// A user as the simulator plays one.
pub(super) struct Member {
    pub(super) shopper: Shopper,
    pub(super) price_list: usize,
    /// Whether there was a visit before, in this run or earlier.
    pub(super) known: bool,
    /// Lines that will be paid back, and from when on.
    pub(super) refunds: Vec<(i64, PaidLine)>,
    nation: usize,
    /// Where it stands among its nation's idle members; none while it visits.
    idle_at: Option<usize>,
}

impl Member {
    /// Something that is to be paid back by now.
    pub(super) fn take_refund(&mut self, now_us: i64) -> Option<PaidLine> {
        let due = self.refunds.iter().position(|(due_us, _)| *due_us <= now_us)?;
        Some(self.refunds.remove(due).1)
    }
}

struct Nation {
    country: Country,
    size: u64,
    idle: Vec<usize>,
}

/// All members, and who of them is not visiting now.
pub(super) struct Population {
    pub(super) members: Vec<Member>,
    nations: Vec<Nation>,
    /// Running totals of how likely each nation is in the hour below.
    weights: Vec<u64>,
    weights_hour: Option<i64>,
}

impl Population {
    /// Four in ten shoppers are known to the shop from before the run.
    pub(super) fn new(users: &[User], dice: &mut Dice) -> Self {
        let mut members: Vec<Member> = Vec::with_capacity(users.len());
        let mut nations: Vec<Nation> = Vec::new();
        for (index, user) in users.iter().enumerate() {
            let nation = nations.iter().position(|n| n.country == user.country).unwrap_or_else(|| {
                nations.push(Nation { country: user.country, size: 0, idle: Vec::new() });
                nations.len() - 1
            });
            let idle = &mut nations[nation];
            idle.size += 1;
            idle.idle.push(index);
            members.push(Member {
                shopper: Shopper {
                    user_id: Some(SenderId::Uuid(user.user_id)),
                    anonymous_id: None,
                    gender: Some(user.gender),
                    age: Some(user.age),
                    country: Some(user.country),
                    city: Some(user.city.clone()),
                    latitude: Some(user.latitude),
                    longitude: Some(user.longitude),
                },
                price_list: market::price_list(user.country),
                known: dice.percent(40.0),
                refunds: Vec::new(),
                nation,
                idle_at: Some(idle.idle.len() - 1),
            });
        }
        Self { members, nations, weights: Vec::new(), weights_hour: None }
    }

    /// Takes an idle member: of a nation by its size and local hour, then anyone of it.
    pub(super) fn take_any(&mut self, unix_us: i64, dice: &mut Dice) -> Option<usize> {
        let hour = unix_us.div_euclid(3_600_000_000);
        if self.weights_hour != Some(hour) {
            self.weights_hour = Some(hour);
            let mut sum = 0;
            self.weights.clear();
            for nation in &self.nations {
                sum += nation.size * u64::from(market::busy(nation.country, hour.rem_euclid(24)));
                self.weights.push(sum);
            }
        }
        let total = usize::try_from(self.weights.last().copied().unwrap_or(0)).unwrap_or(usize::MAX);
        let at = dice.below(total) as u64;
        let drawn = self.weights.partition_point(|upto| *upto <= at);
        let nation = match self.nations.get(drawn) {
            Some(nation) if !nation.idle.is_empty() => drawn,
            // All of that nation are visiting already.
            _ => self.nations.iter().position(|nation| !nation.idle.is_empty())?,
        };
        let idle = &self.nations[nation].idle;
        let member = idle[dice.below(idle.len())];
        self.take(member).then_some(member)
    }

    /// Takes a certain member, or says `false` when it is visiting.
    pub(super) fn take(&mut self, member: usize) -> bool {
        let Some(at) = self.members[member].idle_at.take() else { return false };
        let idle = &mut self.nations[self.members[member].nation].idle;
        idle.swap_remove(at);
        if let Some(&moved) = idle.get(at) {
            self.members[moved].idle_at = Some(at);
        }
        true
    }

    /// A member's visit has ended.
    pub(super) fn give_back(&mut self, member: usize) {
        let idle = &mut self.nations[self.members[member].nation].idle;
        idle.push(member);
        self.members[member].idle_at = Some(idle.len() - 1);
    }
}
