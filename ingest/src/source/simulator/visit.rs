//! One visit: what a shopper does next, given what was done before.

use chrono::{DateTime, TimeDelta, Utc};
use contracts::ids;
use contracts::record::Text;
use contracts::validation::{Draft, OrderLine, Shopper, SourceId, Visit as VisitFields};
use contracts::visitor::{Name, SenderId};
use contracts::vocabulary::{Channel, Device, EventName, Gender};

use super::catalogue::Catalogue;
use super::dice::Dice;
use super::population::{Member, PaidLine};

/// What comes next.
#[derive(Debug, Clone)]
enum Next {
    Arrive,
    PayBack(PaidLine),
    List,
    View,
    AddToCart { product: usize },
    RemoveFromCart,
    Checkout,
    GivePayment,
    Buy { line: usize, order_id: Text<64>, payment_type: Text<32> },
    Leave,
}

pub(super) struct Visit {
    pub(super) member: usize,
    shopper: Shopper,
    fields: VisitFields,
    /// How much later than it happened this visit is told; zero for nearly all.
    told_after: TimeDelta,
    cart: Vec<(usize, i32)>,
    payment_type: Option<Text<32>>,
    refund: Option<PaidLine>,
    next: Next,
}

/// What one step of a visit gave.
pub(super) struct Step {
    pub(super) draft: Draft,
    /// When the next one is due, or nothing when the visit is over.
    pub(super) pause: Option<TimeDelta>,
    /// A line that will be paid back after the given time.
    pub(super) refund_later: Option<(TimeDelta, PaidLine)>,
}

/// What a visit needs of the world around it.
pub(super) struct Surroundings<'a> {
    pub(super) catalogue: &'a Catalogue,
    pub(super) dice: &'a mut Dice,
    /// Stands in every order's id.
    pub(super) run_start_ms: i64,
    pub(super) orders: &'a mut u64,
}

const DEVICES: [Device; 4] = [Device::Mobile, Device::Desktop, Device::Tablet, Device::Other];
const CHANNEL_WEIGHTS: [(Channel, u32); 8] = [
    (Channel::OrganicSearch, 31),
    (Channel::Direct, 23),
    (Channel::PaidSearch, 15),
    (Channel::Social, 12),
    (Channel::Email, 9),
    (Channel::Referral, 6),
    (Channel::Display, 3),
    (Channel::Other, 1),
];
const PAYMENT_TYPES: [(&str, u32); 5] =
    [("credit_card", 46), ("paypal", 24), ("debit_card", 14), ("bank_transfer", 9), ("invoice", 7)];
/// Of 100 bought lines, how many are paid back.
const REFUND_PCT: f64 = 4.0;
/// A refund follows after 10 s at the earliest and 2 h at the latest, most within minutes.
const REFUND_EARLIEST_S: f64 = 10.0;
const REFUND_SPREAD: f64 = 720.0;

impl Visit {
    pub(super) fn begin(
        member_index: usize,
        member: &Member,
        at: DateTime<Utc>,
        told_after: TimeDelta,
        refund: Option<PaidLine>,
        dice: &mut Dice,
    ) -> Self {
        let device_weights: [u32; 4] = match member.shopper.age {
            Some(..30) => [70, 22, 6, 2],
            Some(30..50) => [56, 36, 7, 1],
            _ => [40, 46, 13, 1],
        };
        let device = DEVICES[dice.weighted(&device_weights)];
        let channel = CHANNEL_WEIGHTS[dice.weighted(&CHANNEL_WEIGHTS.map(|(_, weight)| weight))].0;
        let started_at = at - told_after;
        Self {
            member: member_index,
            shopper: member.shopper.clone(),
            fields: VisitFields {
                session_id: Some(SenderId::Uuid(ids::v7(started_at, dice.id_bits()))),
                session_started_at: Some(started_at),
                returning: Some(member.known),
                device: Some(device),
                channel: Some(channel),
                infer_start: false,
            },
            told_after,
            cart: Vec::new(),
            payment_type: None,
            refund,
            next: Next::Arrive,
        }
    }

    /// Makes it one of somebody who has not signed in and is not recognised.
    pub(super) fn hide(&mut self, dice: &mut Dice) {
        let shopper = Shopper {
            anonymous_id: Some(browser(dice)),
            gender: Some(Gender::Unknown),
            country: self.shopper.country,
            ..Shopper::default()
        };
        self.shopper = shopper;
        self.fields.returning = Some(false);
    }

    /// Does what comes next, at the given slot of the schedule, and decides what follows.
    pub(super) fn step(&mut self, at: DateTime<Utc>, member: &Member, around: &mut Surroundings<'_>) -> Step {
        let occurred_at = at - self.told_after;
        let source_id = Some(SourceId::Uuid(ids::v7(occurred_at, around.dice.id_bits())));
        let (shopper, visit) = (self.shopper.clone(), self.fields.clone());
        let mut draft =
            Draft { source_id, ..Draft::new(EventName::SessionStart, occurred_at, shopper, visit) };
        let line_of = |product, quantity| Some(around.catalogue.line(product, member.price_list, quantity));
        let mut refund_later = None;
        let mut pause_s = 6.0;
        let next = match std::mem::replace(&mut self.next, Next::Leave) {
            Next::Arrive => {
                pause_s = 3.0;
                match self.refund.take() {
                    Some(paid) => Next::PayBack(paid),
                    None => choose(around.dice, &[(55, Next::List), (33, Next::View), (12, Next::Leave)]),
                }
            }
            Next::PayBack(paid) => {
                draft.event_name = EventName::Refund;
                draft.line = line_of(paid.product, paid.quantity);
                draft.order = Some(paid.order);
                draft.payment_type = Some(paid.payment_type);
                choose(around.dice, &[(70, Next::Leave), (30, Next::List)])
            }
            Next::List => {
                draft.event_name = EventName::ViewItemList;
                choose(around.dice, &[(78, Next::View), (8, Next::List), (14, Next::Leave)])
            }
            Next::View => {
                draft.event_name = EventName::ViewItem;
                let product = around.catalogue.pick(around.dice);
                draft.line = line_of(product, 1);
                pause_s = 9.0;
                let add = Next::AddToCart { product };
                if self.cart.is_empty() {
                    choose(around.dice, &[(27, add), (31, Next::View), (20, Next::List), (22, Next::Leave)])
                } else {
                    choose(
                        around.dice,
                        &[
                            (30, add),
                            (24, Next::View),
                            (14, Next::List),
                            (22, Next::Checkout),
                            (10, Next::Leave),
                        ],
                    )
                }
            }
            Next::AddToCart { product } => {
                draft.event_name = EventName::AddToCart;
                let quantity = [1, 2, 3, 5][around.dice.weighted(&[82, 12, 4, 2])];
                draft.line = line_of(product, quantity);
                match self.cart.iter_mut().find(|(in_cart, _)| *in_cart == product) {
                    Some((_, units)) => *units += quantity,
                    None => self.cart.push((product, quantity)),
                }
                choose(
                    around.dice,
                    &[
                        (36, Next::Checkout),
                        (30, Next::View),
                        (14, Next::List),
                        (8, Next::RemoveFromCart),
                        (12, Next::Leave),
                    ],
                )
            }
            Next::RemoveFromCart => {
                draft.event_name = EventName::RemoveFromCart;
                let (product, quantity) = self.cart.swap_remove(around.dice.below(self.cart.len()));
                draft.line = line_of(product, quantity);
                choose(around.dice, &[(50, Next::View), (25, Next::List), (25, Next::Leave)])
            }
            Next::Checkout => {
                draft.event_name = EventName::BeginCheckout;
                pause_s = 11.0;
                choose(around.dice, &[(74, Next::GivePayment), (26, Next::Leave)])
            }
            Next::GivePayment => {
                draft.event_name = EventName::AddPaymentInfo;
                let payment_type = payment_type(around.dice);
                draft.payment_type = Some(payment_type.clone());
                self.payment_type = Some(payment_type.clone());
                pause_s = 12.0;
                *around.orders += 1;
                let order_id = order_id(around.run_start_ms, *around.orders);
                choose(around.dice, &[(89, Next::Buy { line: 0, order_id, payment_type }), (11, Next::Leave)])
            }
            Next::Buy { line, order_id, payment_type } => {
                draft.event_name = EventName::Purchase;
                let (product, quantity) = self.cart[line];
                draft.line = line_of(product, quantity);
                draft.payment_type = Some(payment_type.clone());
                let order = OrderLine {
                    order_id: order_id.clone(),
                    order_line: in_i32(line + 1),
                    order_lines: in_i32(self.cart.len()),
                    purchased_at: None,
                };
                if around.dice.percent(REFUND_PCT) {
                    let after_s = REFUND_EARLIEST_S * REFUND_SPREAD.powf(around.dice.unit());
                    let order = OrderLine { purchased_at: Some(occurred_at), ..order.clone() };
                    let payment_type = payment_type.clone();
                    let paid = PaidLine { product, quantity, order, payment_type };
                    refund_later = Some((seconds(after_s), paid));
                }
                draft.order = Some(order);
                // The lines of an order follow each other at once.
                pause_s = 0.0;
                if line + 1 < self.cart.len() {
                    Next::Buy { line: line + 1, order_id, payment_type }
                } else {
                    Next::Leave
                }
            }
            Next::Leave => Next::Leave,
        };
        let pause = match next {
            Next::Leave => None,
            _ => Some(seconds(if pause_s > 0.0 { around.dice.exponential(pause_s) } else { 0.0 })),
        };
        self.next = next;
        Step { draft, pause, refund_later }
    }
}

fn choose<const N: usize>(dice: &mut Dice, options: &[(u32, Next); N]) -> Next {
    let weights = options.each_ref().map(|(weight, _)| *weight);
    options[dice.weighted(&weights)].1.clone()
}

#[expect(clippy::expect_used, reason = "constants of this file; a test draws them all")]
fn payment_type(dice: &mut Dice) -> Text<32> {
    let drawn = PAYMENT_TYPES[dice.weighted(&PAYMENT_TYPES.map(|(_, weight)| weight))].0;
    Text::new(drawn).expect("a short word")
}

#[expect(clippy::expect_used, reason = "a word and twenty hex digits")]
fn browser(dice: &mut Dice) -> Name {
    let digits: String = dice.id_bits().iter().map(|byte| format!("{byte:02x}")).collect();
    Name::new(&format!("browser-{digits}")).expect("short ASCII")
}

#[expect(clippy::expect_used, reason = "hex digits of two numbers fit 64 characters")]
fn order_id(run_start_ms: i64, order: u64) -> Text<64> {
    Text::new(&format!("o-{run_start_ms:x}-{order:x}")).expect("short ASCII")
}

fn in_i32(count: usize) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

fn seconds(seconds: f64) -> TimeDelta {
    #[expect(clippy::cast_possible_truncation, reason = "pauses are seconds to hours")]
    let us = (seconds * 1e6) as i64;
    TimeDelta::microseconds(us)
}
