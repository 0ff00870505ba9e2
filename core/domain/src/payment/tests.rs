//! Properties of payments.
