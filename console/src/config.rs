//! How a console is served.

use std::net::SocketAddr;

use chrono_tz::Tz;
use contracts::endpoints::Endpoints;
use contracts::money::Rates;
use contracts::secret::Address;

use crate::alerts;

/// What whoever starts it decides.
#[derive(Debug, Clone)]
pub struct Config {
    pub endpoints: Endpoints,
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The collector to ask whether it takes events; none without.
    pub collector_url: Option<Address>,
    /// Where browsers find it, when that is not where it listens: `https://…` behind a proxy.
    pub public_url: Option<String>,
    /// Host names it answers to beside those of the loopback.
    pub hosts: Vec<String>,
    /// What amounts of records that are judged again are converted with.
    pub rates: Rates,
    /// The zone of days and clock times where a viewer has chosen none.
    pub time_zone: Tz,
    /// How alerts are judged, and whom they are told.
    pub alerts: alerts::Settings,
}
