//! DFU 1.1 with DfuSe: device engine, host engine, memory string.
