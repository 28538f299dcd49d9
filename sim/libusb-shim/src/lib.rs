//! A drop-in `libusb-1.0.so.0` in front of a virtual board, so that an unmodified dfu-util flashes it in a blink.
//!
//! dfu-util imports 22 functions of libusb and moves all its data through the synchronous `libusb_control_transfer`;
//! those are here ([`calls`]), over [`station`], which holds the one board of the process. `nanosleep` is here too:
//! dfu-util's waiting is the board's time, not ours. Linux only. It is no USB stack: there is one device, and nothing
//! asynchronous. For a real stack there is the usbredir server in `surefoot-sim`.
//!
//! The process is told by its environment what to run: see [`station::Station::from_environment`].

pub mod calls;
pub mod station;
