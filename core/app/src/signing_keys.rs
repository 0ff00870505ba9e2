//! The keys that the edge signs with: which there are, who signs, and their rotation by a schedule
//! (ADR 0026).

mod ring;
mod rotate_keys;

pub use ring::{
    CONFIRM_FOR, KEY_AGE_MAX, KEY_BYTES, LEARN_FOR, Phase, RING_AGE_MAX, RingError, RingStep,
    SETTLE_FOR, SETTLE_FOR_IN_A_HURRY, SigningRing,
};
pub use rotate_keys::{Done, ROTATION_TIME_MAX, RotateError, RotationReport, rotate_keys};
