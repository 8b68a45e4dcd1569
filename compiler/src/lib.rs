//! SQL text and a catalog snapshot become a plan.
