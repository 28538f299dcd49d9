#!/bin/sh
# First process of the guest: loads the USB modules, then carries out the commands that come over the serial line.
# One line is one command; its output is followed by "@done" and its exit code.
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
dmesg -n 1
stty -F /dev/ttyS0 -echo -onlcr
for module in /modules/*.ko; do
    insmod "$module" || echo "insmod $module failed"
done

# Waits at most 10 s until a DFU device is there, or is gone.
device() {
    i=0
    until grep -qs df11 /sys/bus/usb/devices/*/idProduct; do
        i=$((i + 1))
        [ $i -gt 200 ] && return 1
        sleep 0.05
    done
}
gone() {
    i=0
    while grep -qs df11 /sys/bus/usb/devices/*/idProduct; do
        i=$((i + 1))
        [ $i -gt 200 ] && return 1
        sleep 0.05
    done
}
# dfu-util without its progress bar, which is slow on a serial line.
dfu() {
    dfu-util "$@" >/tmp/out 2>&1
    rc=$?
    tr '\r' '\n' </tmp/out | grep -v '%'
    return $rc
}

echo "@ready $(uname -r)"
while read -r line; do
    eval "$line"
    echo "@done $?"
done
