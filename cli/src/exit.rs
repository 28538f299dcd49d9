//! Exit codes: one meaning each, written down in `--help` and here only.

/// Why the command ends as it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done.
    Ok = 0,
    /// A mistake in surefoot itself.
    Internal = 1,
    /// The command line (clap's own number).
    Usage = 2,
    /// A file, key or board file that cannot be used.
    Input = 3,
    /// An image that the board would not boot.
    Image = 4,
    /// No device, or the link to it broke.
    Link = 5,
    /// The device reported an error.
    Device = 6,
    /// What was read back is not what was written.
    Verify = 7,
    /// Not confirmed by the user.
    Unconfirmed = 8,
    /// An image that is damaged, or that the key given did not sign.
    Untrusted = 9,
}

/// The table for `--help`.
pub const HELP: &str = "\
Exit codes:
  0  done
  1  a mistake in surefoot itself
  2  the command line
  3  a file, key or board file that cannot be used
  4  an image that the board would not boot
  5  no device, or the link to it broke
  6  the device reported an error
  7  what was read back is not what was written
  8  not confirmed: --yes is missing
  9  an image that is damaged, or not signed by the key given

With --json each command prints one object on standard output; a failed one is
{\"error\": {\"code\", \"exit\", \"what\", \"why\", \"remedy\"}}.";
