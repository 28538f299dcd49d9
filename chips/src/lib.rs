//! What is known of each STM32 chip: one generated table and hand-kept overlays.
