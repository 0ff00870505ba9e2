//! Where an order stands.

use super::OrderError;
use core::fmt;
use core::str::FromStr;
use serde::Serialize;

/// Where an order stands: placed, confirmed, fulfilled, completed, or cancelled on the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OrderStatus {
    /// Taken, its stock reserved for a while.
    Placed,
    /// To be delivered: its stock is reserved until it is fulfilled or cancelled.
    Confirmed,
    /// Every unit of every line has left the stock.
    Fulfilled,
    /// Nothing more is to be done. Final.
    Completed,
    /// Given up, its stock released. Final, but for an order whose reservation had run out when its
    /// payment came ([`super::Order::reinstate`]).
    Cancelled,
}

impl OrderStatus {
    /// Every status.
    pub const ALL: [Self; 5] = [
        Self::Placed,
        Self::Confirmed,
        Self::Fulfilled,
        Self::Completed,
        Self::Cancelled,
    ];

    /// The name in JSON and in Postgres.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Placed => "placed",
            Self::Confirmed => "confirmed",
            Self::Fulfilled => "fulfilled",
            Self::Completed => "completed",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether no command leads away from it.
    pub const fn is_final(&self) -> bool {
        match self {
            Self::Completed | Self::Cancelled => true,
            Self::Placed | Self::Confirmed | Self::Fulfilled => false,
        }
    }
}

impl FromStr for OrderStatus {
    type Err = OrderError;

    fn from_str(name: &str) -> Result<Self, OrderError> {
        Self::ALL
            .into_iter()
            .find(|s| s.as_str() == name)
            .ok_or(OrderError::UnknownStatus)
    }
}

impl fmt::Display for OrderStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
