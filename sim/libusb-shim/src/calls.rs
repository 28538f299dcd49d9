//! The C functions: libusb 1.0's names, types and error numbers over [`Station`].
//!
//! All unsafe code of the shim is here. Pointers that callers pass are those that libusb's documentation promises:
//! out-parameters are valid or null, buffers are as long as the length beside them, devices, handles and lists come
//! from this library. There is one device and one handle, so both are addresses of statics that nobody looks into.

use std::ffi::{c_char, c_int, c_uchar, c_uint, c_void};
use std::ptr;
use std::sync::Mutex;
use std::time::Duration;

use surefoot_sim::Nanos;
use surefoot_sim::usb::host::Error;

use crate::station::Station;

/// `enum libusb_error`.
mod code {
    use std::ffi::c_int;
    pub const SUCCESS: c_int = 0;
    pub const IO: c_int = -1;
    pub const INVALID_PARAM: c_int = -2;
    pub const NO_DEVICE: c_int = -4;
    pub const NOT_FOUND: c_int = -5;
    pub const TIMEOUT: c_int = -7;
    pub const OVERFLOW: c_int = -8;
    pub const PIPE: c_int = -9;
    pub const OTHER: c_int = -99;
}

/// `struct libusb_version`.
#[repr(C)]
pub struct Version {
    numbers: [u16; 4],
    rc: *const c_char,
    describe: *const c_char,
}

// SAFETY: read-only, and the strings are static.
unsafe impl Sync for Version {}

/// `struct libusb_interface_descriptor`; there are never endpoints in it, DFU has none.
#[repr(C)]
pub struct InterfaceDescriptor {
    bytes: [u8; 9],
    endpoint: *const c_void,
    extra: *const c_uchar,
    extra_length: c_int,
}

/// `struct libusb_interface`.
#[repr(C)]
pub struct Interface {
    altsetting: *const InterfaceDescriptor,
    num_altsetting: c_int,
}

/// `struct libusb_config_descriptor`, and behind it what its pointers point to.
#[repr(C)]
pub struct ConfigDescriptor {
    length: u8,
    kind: u8,
    total_length: u16,
    bytes: [u8; 5],
    interface: *const Interface,
    extra: *const c_uchar,
    extra_length: c_int,
    owned: Owned,
}

/// Memory that lives as long as the descriptor that was handed out.
struct Owned {
    interfaces: Vec<Interface>,
    settings: Vec<Vec<InterfaceDescriptor>>,
    extras: Vec<Vec<u8>>,
}

static STATION: Mutex<Option<Station>> = Mutex::new(None);
static DEVICE: u8 = 0;
static HANDLE: u8 = 0;
static VERSION: Version =
    Version { numbers: [1, 0, 26, 0], rc: c"-surefoot".as_ptr(), describe: c"virtual board".as_ptr() };

fn device() -> *mut c_void {
    (&raw const DEVICE).cast_mut().cast()
}

fn with<R>(otherwise: R, act: impl FnOnce(&mut Station) -> R) -> R {
    let mut station = STATION.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    station.as_mut().map_or(otherwise, act)
}

fn number(error: Error) -> c_int {
    match error {
        Error::Stall => code::PIPE,
        Error::Timeout => code::TIMEOUT,
        Error::Gone => code::NO_DEVICE,
        Error::Silent => code::IO,
        Error::Protocol(_) => code::OVERFLOW,
    }
}

extern "C" fn finish_at_exit() {
    let mut station = STATION.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if let Some(mut station) = station.take()
        && let Err(why) = station.finish()
    {
        eprintln!("virtual board: {why}");
    }
}

/// Makes the board. The context is never looked at.
///
/// # Safety
///
/// `context` is null or points to a pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn libusb_init(context: *mut *mut c_void) -> c_int {
    if !context.is_null() {
        // SAFETY: promised by the caller.
        unsafe { *context = device() };
    }
    let mut station = STATION.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if station.is_some() {
        return code::SUCCESS;
    }
    match Station::from_environment() {
        Ok(new) => {
            *station = Some(new);
            // dfu-util leaves by `exit` from many places; the flash must be written from all of them.
            // SAFETY: a function without arguments that may run at exit.
            unsafe { libc::atexit(finish_at_exit) };
            code::SUCCESS
        }
        Err(why) => {
            eprintln!("virtual board: {why}");
            code::OTHER
        }
    }
}

/// Nothing: the board lives until the process ends.
#[unsafe(no_mangle)]
pub extern "C" fn libusb_exit(_context: *mut c_void) {}

/// Options are accepted and do nothing. The C function is variadic; its further arguments are not looked at.
#[unsafe(no_mangle)]
pub extern "C" fn libusb_set_option(_context: *mut c_void, _option: c_uint) -> c_int {
    code::SUCCESS
}

/// 1.0.26, as in Debian 12.
#[unsafe(no_mangle)]
pub extern "C" fn libusb_get_version() -> *const Version {
    &raw const VERSION
}

/// The name of an error number.
#[unsafe(no_mangle)]
pub extern "C" fn libusb_error_name(error: c_int) -> *const c_char {
    let name = match error {
        code::SUCCESS => c"LIBUSB_SUCCESS",
        code::IO => c"LIBUSB_ERROR_IO",
        code::INVALID_PARAM => c"LIBUSB_ERROR_INVALID_PARAM",
        code::NO_DEVICE => c"LIBUSB_ERROR_NO_DEVICE",
        code::NOT_FOUND => c"LIBUSB_ERROR_NOT_FOUND",
        code::TIMEOUT => c"LIBUSB_ERROR_TIMEOUT",
        code::OVERFLOW => c"LIBUSB_ERROR_OVERFLOW",
        code::PIPE => c"LIBUSB_ERROR_PIPE",
        _ => c"LIBUSB_ERROR_OTHER",
    };
    name.as_ptr()
}

/// The board, if it is attached, and the null that ends the list.
///
/// # Safety
///
/// `list` points to a pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn libusb_get_device_list(_context: *mut c_void, list: *mut *mut *mut c_void) -> isize {
    let count = isize::from(with(false, Station::attached));
    let devices = Box::new([if count == 1 { device() } else { ptr::null_mut() }, ptr::null_mut()]);
    // SAFETY: promised by the caller. The box comes back in `libusb_free_device_list`.
    unsafe { *list = Box::into_raw(devices).cast() };
    count
}

/// Frees a list.
///
/// # Safety
///
/// `list` is null or from [`libusb_get_device_list`] and not freed yet.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn libusb_free_device_list(list: *mut *mut c_void, _unref: c_int) {
    if !list.is_null() {
        // SAFETY: promised by the caller; made as a box of two there.
        drop(unsafe { Box::from_raw(list.cast::<[*mut c_void; 2]>()) });
    }
}

/// The one device is never freed.
#[unsafe(no_mangle)]
pub extern "C" fn libusb_ref_device(device: *mut c_void) -> *mut c_void {
    device
}

/// The one device is never freed.
#[unsafe(no_mangle)]
pub extern "C" fn libusb_unref_device(_device: *mut c_void) {}

/// Bus 1.
#[unsafe(no_mangle)]
pub extern "C" fn libusb_get_bus_number(_device: *mut c_void) -> u8 {
    1
}

/// Address 1, as the host gave it.
#[unsafe(no_mangle)]
pub extern "C" fn libusb_get_device_address(_device: *mut c_void) -> u8 {
    1
}

/// Port 1 of the root hub.
///
/// # Safety
///
/// `ports` is `length` bytes long.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn libusb_get_port_numbers(
    _device: *mut c_void,
    ports: *mut u8,
    length: c_int,
) -> c_int {
    if ports.is_null() || length < 1 {
        return code::OVERFLOW;
    }
    // SAFETY: promised by the caller.
    unsafe { *ports = 1 };
    1
}

/// The device descriptor; libusb's struct has the layout of the descriptor on little-endian machines.
///
/// # Safety
///
/// `descriptor` is 18 bytes long.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn libusb_get_device_descriptor(_device: *mut c_void, descriptor: *mut u8) -> c_int {
    with(code::NO_DEVICE, |station| {
        let bytes = station.device();
        // SAFETY: promised by the caller; the descriptor's length was checked when it was read.
        unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), descriptor, 18) };
        code::SUCCESS
    })
}

/// The first configuration.
///
/// # Safety
///
/// `config` points to a pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn libusb_get_config_descriptor(
    _device: *mut c_void,
    index: u8,
    config: *mut *mut ConfigDescriptor,
) -> c_int {
    if index != 0 {
        return code::NOT_FOUND;
    }
    let Some(descriptor) = with(None, |station| parse(station)) else { return code::IO };
    // SAFETY: promised by the caller. The box comes back in `libusb_free_config_descriptor`.
    unsafe { *config = Box::into_raw(descriptor) };
    code::SUCCESS
}

/// Descriptors as libusb sorts them: interfaces by number, class descriptors as the extra of what stands before them.
fn parse(station: &Station) -> Option<Box<ConfigDescriptor>> {
    let head: [u8; 9] = station.configuration().get(..9)?.try_into().ok()?;
    let mut settings: Vec<Vec<InterfaceDescriptor>> = Vec::new();
    // One extra for each interface descriptor, and the configuration's own at the front.
    let mut extras = vec![Vec::new()];
    for part in station.parts().skip(1) {
        match part.get(1) {
            Some(4) => {
                let bytes: [u8; 9] = part.get(..9)?.try_into().ok()?;
                extras.push(Vec::new());
                let new =
                    InterfaceDescriptor { bytes, endpoint: ptr::null(), extra: ptr::null(), extra_length: 0 };
                match settings.iter_mut().find(|known| known[0].bytes[2] == bytes[2]) {
                    Some(known) => known.push(new),
                    None => settings.push(vec![new]),
                }
            }
            _ => extras.last_mut()?.extend_from_slice(part),
        }
    }
    // Alternate settings of one interface stand together, so the order of the extras is that of the settings.
    for (setting, extra) in settings.iter_mut().flatten().zip(&extras[1..]) {
        (setting.extra, setting.extra_length) = (extra.as_ptr(), extra.len() as c_int);
    }
    let interfaces: Vec<Interface> = settings
        .iter()
        .map(|list| Interface { altsetting: list.as_ptr(), num_altsetting: list.len() as c_int })
        .collect();
    Some(Box::new(ConfigDescriptor {
        length: head[0],
        kind: head[1],
        total_length: u16::from_le_bytes([head[2], head[3]]),
        bytes: [head[4], head[5], head[6], head[7], head[8]],
        interface: interfaces.as_ptr(),
        extra: extras[0].as_ptr(),
        extra_length: extras[0].len() as c_int,
        owned: Owned { interfaces, settings, extras },
    }))
}

/// Frees a configuration.
///
/// # Safety
///
/// `config` is null or from [`libusb_get_config_descriptor`] and not freed yet.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn libusb_free_config_descriptor(config: *mut ConfigDescriptor) {
    if !config.is_null() {
        // SAFETY: promised by the caller; made as a box there.
        let Owned { interfaces, settings, extras } = unsafe { Box::from_raw(config) }.owned;
        drop((interfaces, settings, extras));
    }
}

/// The one handle.
///
/// # Safety
///
/// `handle` points to a pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn libusb_open(_device: *mut c_void, handle: *mut *mut c_void) -> c_int {
    if !with(false, Station::attached) {
        return code::NO_DEVICE;
    }
    // SAFETY: promised by the caller.
    unsafe { *handle = (&raw const HANDLE).cast_mut().cast() };
    code::SUCCESS
}

/// Nothing to close.
#[unsafe(no_mangle)]
pub extern "C" fn libusb_close(_handle: *mut c_void) {}

/// There is no other driver to claim from.
#[unsafe(no_mangle)]
pub extern "C" fn libusb_claim_interface(_handle: *mut c_void, _interface: c_int) -> c_int {
    if with(false, Station::attached) { code::SUCCESS } else { code::NO_DEVICE }
}

/// Nothing to release.
#[unsafe(no_mangle)]
pub extern "C" fn libusb_release_interface(_handle: *mut c_void, _interface: c_int) -> c_int {
    code::SUCCESS
}

/// SET_INTERFACE.
#[unsafe(no_mangle)]
pub extern "C" fn libusb_set_interface_alt_setting(
    _handle: *mut c_void,
    interface: c_int,
    setting: c_int,
) -> c_int {
    let setup = [1, 11, setting as u8, 0, interface as u8, 0, 0, 0];
    with(code::NO_DEVICE, |station| {
        station.control_out(setup, &[], Nanos::secs(1)).map_or_else(number, |()| code::SUCCESS)
    })
}

/// A port reset. A device that is gone, or another one afterwards, is "not found" and wants a new look at the list.
#[unsafe(no_mangle)]
pub extern "C" fn libusb_reset_device(_handle: *mut c_void) -> c_int {
    with(code::NO_DEVICE, |station| match station.reset() {
        Ok(()) => code::SUCCESS,
        Err(Error::Gone) => code::NOT_FOUND,
        Err(error) => number(error),
    })
}

/// A control transfer; the number of bytes moved, or an error. A time-out of zero is none.
///
/// # Safety
///
/// `data` is `length` bytes long.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn libusb_control_transfer(
    _handle: *mut c_void,
    kind: u8,
    request: u8,
    value: u16,
    index: u16,
    data: *mut c_uchar,
    length: u16,
    timeout_ms: c_uint,
) -> c_int {
    let [[v0, v1], [i0, i1], [l0, l1]] = [value, index, length].map(u16::to_le_bytes);
    let setup = [kind, request, v0, v1, i0, i1, l0, l1];
    let limit = if timeout_ms == 0 { Nanos::secs(3600) } else { Nanos::millis(u64::from(timeout_ms)) };
    with(code::NO_DEVICE, |station| {
        if kind & 0x80 == 0 {
            let bytes = match length {
                0 => &[][..],
                // SAFETY: promised by the caller.
                _ => unsafe { std::slice::from_raw_parts(data, usize::from(length)) },
            };
            return station.control_out(setup, bytes, limit).map_or_else(number, |()| c_int::from(length));
        }
        match station.control_in(setup, limit) {
            Ok(bytes) => {
                // SAFETY: promised by the caller; the host checked that no more than `length` came.
                unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), data, bytes.len()) };
                bytes.len() as c_int
            }
            Err(error) => number(error),
        }
    })
}

/// The C library's, for dfu-util's waits: with a board, its time passes instead of ours.
///
/// # Safety
///
/// `request` points to a `timespec`, `remaining` to one or is null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nanosleep(request: *const libc::timespec, remaining: *mut libc::timespec) -> c_int {
    // SAFETY: promised by the caller.
    let libc::timespec { tv_sec, tv_nsec } = unsafe { *request };
    let span = Duration::new(tv_sec.max(0) as u64, tv_nsec.clamp(0, 999_999_999) as u32);
    if with(false, |station| {
        station.wait(span);
        true
    }) {
        return 0;
    }
    // SAFETY: both pointers as above; this is what the C library's nanosleep does itself.
    unsafe { libc::clock_nanosleep(libc::CLOCK_REALTIME, 0, request, remaining) }
}
